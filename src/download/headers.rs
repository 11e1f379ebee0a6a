//! What the headers of an answer say about the file. No I/O.

use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// What tells one version of a file from another.
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
            None => (LAST_MODIFIED, headers.get(LAST_MODIFIED)?),
        };
        Some(Self { header, value: value.clone() })
    }

    /// Whether `headers` speak of another version; a part may leave its validator out.
    fn is_contradicted_by(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.header).is_some_and(|value| *value != self.value)
    }
}

/// A part of a file: from `start` to `end`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    start: u64,
    end: u64,
    total: Option<u64>,
}

impl Part {
    /// `Content-Range`, if it makes sense.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
        let (range, total) = text.strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let part = Self { start: start.parse().ok()?, end: end.parse().ok()?, total };
        let sound = part.start <= part.end && part.total.is_none_or(|total| part.end < total);
        sound.then_some(part)
    }
}

/// The size of the whole file, if `headers` announce just the rest that is missing after `kept` bytes.
pub(super) fn size_by_rest(
    headers: &HeaderMap,
    kept: u64,
    total: Option<u64>,
    validator: Option<&Validator>,
) -> Option<u64> {
    let part = Part::of(headers)?;
    let size = part.end.checked_add(1)?;
    let fits = part.start == kept
        && part.total.is_none_or(|named| named == size)
        && total.is_none_or(|known| known == size)
        && !validator.is_some_and(|validator| validator.is_contradicted_by(headers));
    fits.then_some(size)
}

/// `Content-Type`, as it came.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a `Content-Type` rules out a video: an error page or an error in JSON.
pub(super) fn is_an_error_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/") || ["json", "html", "xml"].iter().any(|word| kind.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn rest(range: &str) -> Option<u64> {
        size_by_rest(&headers(&[(CONTENT_RANGE, range)]), 10, Some(100), None)
    }

    #[test]
    fn the_rest_of_a_file() {
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
        assert_eq!(size_by_rest(&HeaderMap::new(), 10, None, None), None);
    }

    #[test]
    fn the_rest_of_another_file() {
        let validator = Validator::of(&headers(&[(ETAG, "\"a\"")]));
        let size =
            |tag| size_by_rest(&headers(&[(CONTENT_RANGE, "bytes 1-9/10"), (ETAG, tag)]), 1, None, validator.as_ref());
        assert_eq!(size("\"a\""), Some(10));
        assert_eq!(size("\"b\""), None);
    }

    #[test]
    fn validators() {
        let value = |pairs: &[(HeaderName, &str)]| Validator::of(&headers(pairs)).map(|validator| validator.value);
        let date = (LAST_MODIFIED, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(value(&[(ETAG, "\"a\""), date.clone()]).unwrap(), "\"a\"");
        assert_eq!(value(&[(ETAG, "W/\"a\""), date.clone()]).unwrap(), date.1);
        assert_eq!(value(&[(ETAG, "W/\"a\"")]), None);
    }

    #[test]
    fn error_pages() {
        for page in [
            "text/html; charset=utf-8",
            "TEXT/plain",
            "application/json",
            "application/problem+json",
            "application/xml",
        ] {
            assert!(is_an_error_page(page), "{page}");
        }
        for video in
            ["video/mp4", "application/octet-stream", "binary/octet-stream", "video/quicktime; x=y", "application/mp4"]
        {
            assert!(!is_an_error_page(video), "{video}");
        }
    }
}
