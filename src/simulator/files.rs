//! Served files: ranges, validators, and padding that is generated while it is sent.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

use super::clips;

const BOX_HEADER: u64 = 8;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
const CHUNK: u64 = ZEROS.len() as u64;

/// Bytes followed by zeros.
#[derive(Debug, Clone)]
pub(super) struct File {
    head: Bytes,
    zeros: u64,
    pub(super) etag: String,
}

/// The part of a file that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestedRange {
    Whole,
    Range { from: u64, to: u64 },
    Unsatisfiable,
}

impl File {
    /// The file of a job: its clip, its ID in a `free` box (which players ignore), and padding up to `bytes`.
    pub(super) fn of(request_id: &str, ratio: &str, seconds: u32, bytes: Option<u64>) -> Self {
        let clip = clips::clip(ratio, seconds);
        let mut head = BytesMut::from(clip.as_slice());
        let tag = request_id.as_bytes();
        put_free_box(&mut head, BOX_HEADER + tag.len() as u64);
        head.put_slice(tag);
        let missing = bytes.unwrap_or(0).saturating_sub(head.len() as u64);
        let mut zeros = 0;
        if missing >= 2 * BOX_HEADER {
            let header = put_free_box(&mut head, missing);
            zeros = missing - header;
        }
        let etag = format!("\"{request_id}-{:x}\"", head.len() as u64 + zeros);
        Self { head: head.freeze(), zeros, etag }
    }

    pub(super) fn size(&self) -> u64 {
        self.head.len() as u64 + self.zeros
    }

    pub(super) fn requested_range(&self, headers: &HeaderMap) -> RequestedRange {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let Some(range) = text(RANGE) else { return RequestedRange::Whole };
        if text(IF_RANGE).is_some_and(|validator| validator != self.etag) {
            return RequestedRange::Whole;
        }
        parse(range, self.size()).unwrap_or(RequestedRange::Whole)
    }

    /// The next piece of the file from `from`, at most up to and including `to`.
    pub(super) fn piece(&self, from: u64, to: u64) -> Bytes {
        let head = self.head.len() as u64;
        let end = (to + 1).min(from + CHUNK);
        if from >= head {
            return Bytes::from_static(&ZEROS[..index(end - from)]);
        }
        self.head.slice(index(from)..index(end.min(head)))
    }
}

/// Cannot overflow: pieces are at most a chunk long, and heads are small.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Writes the header of a `free` box of `size` bytes; returns the length of the header.
fn put_free_box(bytes: &mut BytesMut, size: u64) -> u64 {
    if let Ok(small) = u32::try_from(size) {
        bytes.put_u32(small);
        bytes.put_slice(b"free");
        return BOX_HEADER;
    }
    bytes.put_u32(1);
    bytes.put_slice(b"free");
    bytes.put_u64(size);
    2 * BOX_HEADER
}

/// A single range; anything else is ignored, as HTTP requires.
fn parse(range: &str, size: u64) -> Option<RequestedRange> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let last: u64 = to.parse().ok()?;
        if last == 0 {
            return Some(RequestedRange::Unsatisfiable);
        }
        return Some(RequestedRange::Range { from: size.saturating_sub(last), to: size - 1 });
    }
    let from: u64 = from.parse().ok()?;
    let to: u64 = if to.is_empty() { size - 1 } else { to.parse().ok()? };
    if from > to && from < size {
        return None;
    }
    if from >= size {
        return Some(RequestedRange::Unsatisfiable);
    }
    Some(RequestedRange::Range { from, to: to.min(size - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &File, from: u64, to: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let mut at = from;
        while at <= to {
            let piece = file.piece(at, to);
            at += piece.len() as u64;
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn files_are_padded_to_the_requested_size() {
        for size in [10_000, 100_000, 1_000_000] {
            let file = File::of("some-id", "16:9", 5, Some(size));
            assert_eq!(file.size(), size);
            assert_eq!(read(&file, 0, size - 1).len() as u64, size);
        }
        assert_eq!(File::of("a", "16:9", 5, Some(5_000_000_000)).size(), 5_000_000_000);
        assert!(File::of("a", "16:9", 5, Some(1)).size() > 1000);
    }

    #[test]
    fn boxes_cover_the_whole_file() {
        let file = File::of("some-id", "1:1", 2, Some(200_000));
        let bytes = read(&file, 0, file.size() - 1);
        let mut at = 0;
        let mut kinds = Vec::new();
        while at < bytes.len() {
            let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            kinds.push(String::from_utf8(bytes[at + 4..at + 8].to_vec()).unwrap());
            at += size;
        }
        assert_eq!(at, bytes.len());
        assert_eq!(kinds.first().map(String::as_str), Some("ftyp"));
        assert_eq!(kinds[kinds.len() - 2..], ["free", "free"]);
    }

    #[test]
    fn files_of_different_jobs_differ() {
        let of = |id| read(&File::of(id, "1:1", 2, None), 0, 100_000_000.min(File::of(id, "1:1", 2, None).size() - 1));
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a"), of("a"));
    }

    #[test]
    fn ranges_are_parsed_and_clamped() {
        let cases = [
            ("bytes=0-", Some(RequestedRange::Range { from: 0, to: 99 })),
            ("bytes=10-19", Some(RequestedRange::Range { from: 10, to: 19 })),
            ("bytes=10-1000", Some(RequestedRange::Range { from: 10, to: 99 })),
            ("bytes=-10", Some(RequestedRange::Range { from: 90, to: 99 })),
            ("bytes=-1000", Some(RequestedRange::Range { from: 0, to: 99 })),
            ("bytes=100-", Some(RequestedRange::Unsatisfiable)),
            ("bytes=-0", Some(RequestedRange::Unsatisfiable)),
            ("bytes=20-10", None),
            ("bytes=a-b", None),
            ("lines=1-2", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, 100), expected, "{text}");
        }
    }

    #[test]
    fn a_range_of_another_version_returns_the_whole_file() {
        let file = File::of("a", "1:1", 1, None);
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=5-".parse().unwrap());
        assert!(matches!(file.requested_range(&headers), RequestedRange::Range { from: 5, .. }));
        headers.insert(IF_RANGE, "\"other\"".parse().unwrap());
        assert_eq!(file.requested_range(&headers), RequestedRange::Whole);
        headers.insert(IF_RANGE, file.etag.parse().unwrap());
        assert!(matches!(file.requested_range(&headers), RequestedRange::Range { from: 5, .. }));
    }
}
