//! Collects text within [`MAX_BODY`]. Text that is too long is shortened: first the long strings in JSON, then the end.

use std::ops::ControlFlow;

use crate::response::MAX_BODY;

/// How much of a body is read when its long strings are shortened.
const MAX_READ: usize = 32 << 20;
/// Longer strings are shortened, in bytes. IDs, links and messages are far shorter.
const MAX_STRING: usize = 64 * 1024;
/// Replaces the rest of a shortened string. It also keeps a backslash before it from escaping the closing quote.
const MARK: &[u8] = "…".as_bytes();

#[derive(Debug, Default)]
pub(super) struct CollectedText {
    pub(super) bytes: Vec<u8>,
    pub(super) is_cut: bool,
    /// Compressed bytes cannot be shortened.
    is_compressed: bool,
    /// Bytes received.
    received: usize,
    /// Present once the text is too long.
    truncator: Option<StringTruncator>,
}

impl CollectedText {
    pub(super) fn new(is_compressed: bool) -> Self {
        Self { is_compressed, ..Self::default() }
    }

    /// `Break` means that no more is needed.
    pub(super) fn push(&mut self, part: &[u8]) -> ControlFlow<()> {
        self.received += part.len();
        match &mut self.truncator {
            Some(truncator) => truncator.feed(part, &mut self.bytes),
            None => self.bytes.extend_from_slice(part),
        }
        let is_too_long = self.bytes.len() > MAX_BODY;
        if is_too_long && self.truncator.is_none() && !self.is_compressed && is_json_like(&self.bytes) {
            let long = std::mem::take(&mut self.bytes);
            self.truncator.insert(StringTruncator::default()).feed(&long, &mut self.bytes);
        }
        if self.bytes.len() <= MAX_BODY && self.received <= MAX_READ {
            return ControlFlow::Continue(());
        }
        self.bytes.truncate(MAX_BODY);
        self.is_cut = true;
        ControlFlow::Break(())
    }
}

/// Whether a text looks like a JSON object or list.
fn is_json_like(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A second byte of 0 is UTF-16.
    matches!(text.trim_ascii_start(), [b'{' | b'[', second, ..] if *second != 0)
}

/// Copies JSON and shortens its strings to [`MAX_STRING`].
#[derive(Debug, Default)]
struct StringTruncator {
    /// The length of the current string; `None` between strings.
    string: Option<usize>,
    is_escaped: bool,
    is_skipping: bool,
}

impl StringTruncator {
    fn feed(&mut self, part: &[u8], out: &mut Vec<u8>) {
        for &byte in part {
            let Some(length) = self.string else {
                out.push(byte);
                self.string = (byte == b'"').then_some(0);
                continue;
            };
            if byte == b'"' && !self.is_escaped {
                out.push(byte);
                *self = Self::default();
                continue;
            }
            if !self.is_skipping && length >= MAX_STRING {
                self.is_skipping = true;
                out.extend_from_slice(MARK);
            }
            if !self.is_skipping {
                out.push(byte);
            }
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            self.string = Some(length.saturating_add(1));
        }
    }
}
