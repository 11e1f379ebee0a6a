//! What the headers of a response say about the file. No I/O.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// Identifies the version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator {
    header: HeaderName,
    pub(super) value: HeaderValue,
}

impl Validator {
    /// The strong `ETag`, or else `Last-Modified`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
        let (header, value) = match strong {
            Some(tag) => (ETAG, tag),
            None => (LAST_MODIFIED, headers.get(LAST_MODIFIED).filter(|_| !is_fresh(headers))?),
        };
        Some(Self { header, value: value.clone() })
    }

    fn is_repeated_by(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.header) == Some(&self.value)
    }
}

/// Whether the file was changed within the second of the response, so that it may change again without a new date
/// (RFC 9110, 8.8.2.2).
fn is_fresh(headers: &HeaderMap) -> bool {
    let date = |name| httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok();
    let age = |(sent, changed): (SystemTime, SystemTime)| sent.duration_since(changed).unwrap_or_default();
    date(DATE).zip(date(LAST_MODIFIED)).is_some_and(|dates| age(dates) < Duration::from_secs(1))
}

/// A part of a file: from `start` to `end`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    start: u64,
    end: u64,
    total: Option<u64>,
}

impl ContentRange {
    /// `Content-Range`, if it is valid.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
        let (range, total) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let part = Self { start: start.parse().ok()?, end: end.parse().ok()?, total };
        let is_valid = part.start <= part.end && part.total.is_none_or(|total| part.end < total);
        is_valid.then_some(part)
    }
}

/// The size of the whole file, if `headers` announce exactly the bytes after the first `saved` ones, of the same
/// version. Without saved bytes that is the whole file, even if the server calls it a part.
pub(super) fn size_from_range(
    headers: &HeaderMap,
    saved: u64,
    total: Option<u64>,
    validator: Option<&Validator>,
) -> Option<u64> {
    let part = ContentRange::of(headers)?;
    let size = part.end.checked_add(1)?;
    let fits = part.start == saved
        && part.total.is_none_or(|named| named == size)
        && total.is_none_or(|known| known == size)
        && if saved == 0 { part.total.is_some() } else { validator.is_some_and(|known| known.is_repeated_by(headers)) };
    fits.then_some(size)
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a `Content-Type` rules out a video: an error page or an error in JSON.
pub(super) fn is_error_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || ["json", "html", "xml"].iter().any(|word| kind.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    const TAG: (HeaderName, &str) = (ETAG, "\"a\"");

    fn rest(range: &str) -> Option<u64> {
        let headers = headers(&[(CONTENT_RANGE, range), TAG]);
        size_from_range(&headers, 10, Some(100), Validator::of(&headers).as_ref())
    }

    #[test]
    fn a_content_range_must_be_the_missing_rest() {
        assert_eq!(rest("bytes 10-99/100"), Some(100));
        assert_eq!(rest("bytes 10-99/*"), Some(100));
        for wrong in [
            "bytes 9-99/100",
            "bytes 11-99/100",
            "bytes 10-98/100",
            "bytes 10-100/101",
            "bytes 10-99/99",
            "bytes 99-10/100",
            "bytes */100",
            "items 10-99/100",
            "bytes 10-18446744073709551615/*",
            "",
        ] {
            assert_eq!(rest(wrong), None, "{wrong}");
        }
        let validator = Validator::of(&headers(&[TAG]));
        assert_eq!(size_from_range(&headers(&[TAG]), 10, None, validator.as_ref()), None);
    }

    #[test]
    fn the_rest_is_accepted_only_with_the_same_validator() {
        let range = [(CONTENT_RANGE, "bytes 1-9/10")];
        let date = (LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT");
        let size = |known: &[(HeaderName, &str)], repeated: &[(HeaderName, &str)]| {
            let part = headers(&[&range, repeated].concat());
            size_from_range(&part, 1, None, Validator::of(&headers(known)).as_ref())
        };
        let (known, dated) = ([TAG, date.clone()], [date.clone()]);
        assert_eq!(size(&known, &[TAG]), Some(10));
        assert_eq!(size(&known, &[(ETAG, "\"b\"")]), None);
        assert_eq!(size(&known, &[(ETAG, "\"b\""), date]), None);
        assert_eq!(size(&known, &[(ETAG, "W/\"a\"")]), None);
        assert_eq!(size(&known, &dated), None, "the request was made with another validator");
        assert_eq!(size(&known, &[]), None);
        assert_eq!(size(&dated, &dated), Some(10));
        assert_eq!(size(&dated, &[]), None);
        assert_eq!(size(&[], &[TAG]), None);
    }

    #[test]
    fn an_unrequested_part_is_accepted_only_as_the_whole_file() {
        let size = |range| size_from_range(&headers(&[(CONTENT_RANGE, range)]), 0, None, None);
        assert_eq!(size("bytes 0-9/10"), Some(10));
        assert_eq!((size("bytes 0-8/10"), size("bytes 1-9/10"), size("bytes 0-9/*")), (None, None, None));
    }

    #[test]
    fn a_strong_etag_is_preferred_to_last_modified() {
        let value = |pairs: &[(HeaderName, &str)]| Validator::of(&headers(pairs)).map(|validator| validator.value);
        let date = (LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(value(&[(ETAG, "\"a\""), date.clone()]).unwrap(), "\"a\"");
        assert_eq!(value(&[(ETAG, "W/\"a\""), date.clone()]).unwrap(), date.1);
        assert_eq!(value(&[(ETAG, "W/\"a\"")]), None);
        assert_eq!(value(&[date.clone(), (DATE, "Wed, 21 Oct 2015 07:28:01 GMT")]).unwrap(), date.1);
        assert_eq!(value(&[date.clone(), (DATE, date.1)]), None, "it may change again within the same second");
    }

    #[test]
    fn text_json_and_html_are_error_pages() {
        for page in [
            "text/html; charset=utf-8",
            "TEXT/plain",
            "application/json",
            "application/problem+json",
            "application/xml",
        ] {
            assert!(is_error_page(page), "{page}");
        }
        for video in
            ["video/mp4", "application/octet-stream", "binary/octet-stream", "video/quicktime; x=y", "application/mp4"]
        {
            assert!(!is_error_page(video), "{video}");
        }
    }
}
