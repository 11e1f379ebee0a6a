//! Strings in place of images and videos: addresses, data URIs, request IDs, and paths, which are refused.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use bytes::Bytes;
use url::Url;

use crate::redact::text_for_message;
use crate::request_id::check_request_id;

/// Suffixes of files that hold an image or a video.
const SUFFIXES: [&str; 19] = [
    "mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "wmv", "png", "jpg", "jpeg", "webp", "gif", "bmp", "tif",
    "tiff", "heic", "avif",
];
/// Words before the separator in the IDs of services.
const ID_PREFIXES: [&str; 8] = ["task", "job", "video", "vid", "request", "req", "generation", "gen"];
/// Shorter runs of hexadecimal digits may be words or numbers.
const SHORTEST_HEX: usize = 16;

/// What a string looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// An http(s) URL or a data URI.
    Address,
    /// A URL of another scheme.
    OtherAddress,
    Path,
    RequestId,
    /// Anything else, such as a prompt.
    Words,
}

impl TextKind {
    #[must_use]
    pub fn of(text: &str) -> Self {
        if ["data:", "http://", "https://"].iter().any(|scheme| begins(text.trim_start(), scheme)) {
            return Self::Address;
        }
        if text.contains("://") {
            return Self::OtherAddress;
        }
        if is_like_path(text) {
            return Self::Path;
        }
        if is_like_id(text) { Self::RequestId } else { Self::Words }
    }

    #[cfg(feature = "python")]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::OtherAddress => "other_address",
            Self::Path => "path",
            Self::RequestId => "request_id",
            Self::Words => "words",
        }
    }
}

/// Whether a text can be a request ID where there is no prompt.
pub(super) fn is_request_id(text: &str) -> bool {
    let is_word = !text.contains(char::is_whitespace) && check_request_id(text).is_ok();
    is_word && matches!(TextKind::of(text), TextKind::RequestId | TextKind::Words)
}

/// The message about a path in a string.
pub(crate) fn path_advice(field: &str, text: &str) -> String {
    let shown = text_for_message(text).replace('\\', "\\\\").replace('\'', "\\'");
    format!("{field}: a local path must be a Path: pass Path('{shown}')")
}

/// Whether a text is an http(s) URL, which is sent unchanged.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let is_plain = !text.contains(|character: char| character.is_whitespace() || character.is_control());
    let is_web = begins(text, "http://") || begins(text, "https://");
    is_plain && is_web && Url::parse(text).is_ok_and(|url| url.has_host())
}

pub(super) fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|given| given.eq_ignore_ascii_case(start))
}

/// Whether a text has the suffix of a media file, begins like a path, or is one word with a separator.
fn is_like_path(text: &str) -> bool {
    let has_suffix = text.rsplit_once('.').is_some_and(|(name, suffix)| {
        !name.is_empty() && SUFFIXES.iter().any(|known| suffix.trim_end().eq_ignore_ascii_case(known))
    });
    let begins_like_one = ["~", "/", "\\", "./", "../", ".\\", "..\\"].iter().any(|start| text.starts_with(start));
    let has_drive = matches!(text.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic());
    let is_word_with_separator = text.contains(['/', '\\']) && !text.contains(char::is_whitespace);
    has_suffix || begins_like_one || has_drive || is_word_with_separator
}

/// Whether a text is an ID and cannot be a prompt: a UUID, many hexadecimal digits, or a word with the prefix of an ID.
fn is_like_id(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let digits = text.chars().filter(|c| *c != '-');
    let is_hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && digits.count() >= SHORTEST_HEX;
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    let has_prefix = text.split_once(['_', '-', ':']).is_some_and(|(prefix, rest)| {
        let is_known = ID_PREFIXES.iter().any(|known| prefix.eq_ignore_ascii_case(known));
        is_known && !rest.is_empty() && rest.chars().all(is_part) && (has_digit || text.starts_with("task_"))
    });
    (is_hexadecimal && has_digit) || has_prefix
}

pub(super) fn data_uri(text: &str) -> std::result::Result<Bytes, String> {
    let (head, content) =
        text[5..].split_once(',').ok_or("the data URI has no comma between its type and its content")?;
    let head: String = head.chars().filter(|character| !character.is_whitespace()).collect();
    if !head.to_ascii_lowercase().ends_with(";base64") {
        return Err("the data URI must be base64, such as data:image/png;base64,...".into());
    }
    // As lenient as browsers: line breaks, the URL-safe alphabet, missing padding.
    let content: Vec<u8> = content
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    BASE64_STANDARD_NO_PAD.decode(content).map(Bytes::from).map_err(|_| "the data URI is not valid base64".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";

    #[test]
    fn a_text_is_told_by_its_looks() {
        let table = [
            ("https://a.example/v.mp4", TextKind::Address),
            ("data:video/mp4;base64,AA", TextKind::Address),
            ("s3://bucket/v.mp4", TextKind::OtherAddress),
            ("base.mp4", TextKind::Path),
            ("~", TextKind::Path),
            (ID, TextKind::RequestId),
            ("4B2CD27E0B0D3DECC31C7572DAF74BB3", TextKind::RequestId),
            ("task_x", TextKind::RequestId),
            ("video_68d7512d0784", TextKind::RequestId),
            ("job-17", TextKind::RequestId),
            ("video-game", TextKind::Words),
            ("job-hunting in 2026", TextKind::Words),
            ("a man/woman dances", TextKind::Words),
            ("deadbeef", TextKind::Words),
            ("2026", TextKind::Words),
            ("", TextKind::Words),
            ("a hat.", TextKind::Words),
            (".mp4", TextKind::Words),
        ];
        for (text, kind) in table {
            assert_eq!(TextKind::of(text), kind, "{text}");
        }
    }
}
