//! Validation of job IDs, and their encoding in URLs.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::redact::{is_control_or_bidi, shorten};

const MAX_REQUEST_ID: usize = 512;

/// Rejects text that cannot be a job ID, before it becomes part of a URL.
pub fn check_request_id(request_id: &str) -> Result<()> {
    let Some(flaw) = flaw(request_id) else { return Ok(()) };
    let shown = shorten(request_id, 60);
    Err(Error::invalid("job", format!("{shown:?} is not a request ID: {flaw}")))
}

/// The ID as one percent-encoded path segment.
#[must_use]
pub fn path_segment(request_id: &str) -> String {
    let mut segment = String::with_capacity(request_id.len());
    for byte in request_id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// Why a text cannot be a job ID. Anything that fits in one path segment is accepted: services choose their own
/// alphabets.
fn flaw(request_id: &str) -> Option<String> {
    if request_id.trim().is_empty() {
        return Some("it is empty".into());
    }
    if request_id.chars().count() > MAX_REQUEST_ID {
        return Some(format!("it has more than {MAX_REQUEST_ID} characters"));
    }
    if request_id.chars().any(|c| c == char::REPLACEMENT_CHARACTER || is_control_or_bidi(c)) {
        return Some("it contains a control character".into());
    }
    // Servers and proxies on the way may decode the segment more than once.
    let mut bytes = request_id.as_bytes().to_vec();
    loop {
        let is_other = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'/' | b'\\');
        if matches!(bytes.as_slice(), b"." | b"..") || bytes.iter().any(is_other) {
            return Some("it would change the path of the URL".into());
        }
        let decoded = percent_decoded(&bytes);
        if decoded.len() == bytes.len() {
            return None;
        }
        bytes = decoded;
    }
}

/// Decodes each `%XX` once.
fn percent_decoded(mut rest: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let decoded = match after {
            [high, low, ..] if first == b'%' => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_alphabet_are_accepted() {
        let table = [
            ("f5f35814-953e-b094-5a2c-4a90014a58cb", "f5f35814-953e-b094-5a2c-4a90014a58cb"),
            ("task_x", "task_x"),
            ("12345", "12345"),
            ("a.b~c", "a.b~c"),
            ("...", "..."),
            ("a..b", "a..b"),
            ("dGFzaw==", "dGFzaw%3D%3D"),
            ("projects:p1:job+1@eu!", "projects%3Ap1%3Ajob%2B1%40eu%21"),
            ("a b?c#d&e;f", "a%20b%3Fc%23d%26e%3Bf"),
            ("100%", "100%25"),
            ("a%41", "a%2541"),
            ("é猫", "%C3%A9%E7%8C%AB"),
        ];
        for (id, segment) in table {
            assert!(check_request_id(id).is_ok(), "{id}");
            assert_eq!(path_segment(id), segment);
        }
        assert!(check_request_id(&"a".repeat(512)).is_ok());
        assert!(check_request_id(&"猫".repeat(512)).is_ok());
    }

    #[test]
    fn ids_that_change_the_path_are_rejected() {
        for bad in [
            "",
            " ",
            ".",
            "..",
            "../",
            "a/b",
            "a\\b",
            "%2e%2e",
            "%2E",
            "%252e%252e",
            "a%2fb",
            "a%5Cb",
            "a%00",
            "a\n",
            "\0",
            "a\u{9b}b",
            "a\u{202e}b",
            "a\u{fffd}b",
        ] {
            assert!(check_request_id(bad).is_err(), "{bad:?}");
        }
        assert!(check_request_id(&"a".repeat(513)).is_err());
    }
}
