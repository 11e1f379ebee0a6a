//! Collects a body within [`MAX_BODY`]. Only what is too long is shortened: a long string in JSON first, then the end.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::content_coding;
use crate::lenient_json;
use crate::response::MAX_BODY;

/// How much is read of a body whose long strings are passed over.
const MAX_READ: usize = 32 << 20;
/// How much of a long string is kept, in bytes. Ids, links and messages are far shorter.
const MAX_STRING: usize = 64 * 1024;
/// Stands where a string was shortened, and keeps a backslash before it from escaping the closing quote.
const MARK: &[u8] = "…".as_bytes();

/// A body while it arrives.
#[derive(Debug, Default)]
pub(crate) struct BodyCollector {
    content_encoding: String,
    text: CollectedText,
}

/// Text that was collected, and whether more followed.
#[derive(Debug, Default)]
pub(super) struct CollectedText {
    pub(super) bytes: Vec<u8>,
    pub(super) is_cut: bool,
    /// Whether these are not the characters themselves yet.
    is_compressed: bool,
    /// How much came.
    received: usize,
    /// Shortens strings, once the text is too long.
    skimmer: Option<StringTruncator>,
}

impl BodyCollector {
    /// A body with the codings that `Content-Encoding` names.
    pub(crate) fn new(content_encoding: String) -> Self {
        let is_compressed = content_coding::is_known(&content_encoding);
        Self { content_encoding, text: CollectedText { is_compressed, ..CollectedText::default() } }
    }

    /// Takes the next part; `Break` means that no more is wanted.
    pub(crate) fn push(&mut self, part: &[u8]) -> ControlFlow<()> {
        self.text.push(part)
    }

    /// Whether what came so far is an object or a list of JSON with nothing missing.
    pub(crate) fn is_whole(&self) -> bool {
        lenient_json::is_whole(&self.text.bytes)
    }

    /// The decoded body, and whether it went on.
    pub(crate) fn finish(self) -> (Bytes, bool) {
        let text = content_coding::decoded(&self.content_encoding, self.text);
        (text.bytes.into(), text.is_cut)
    }
}

impl CollectedText {
    /// Takes the next part; `Break` means that no more is wanted.
    pub(super) fn push(&mut self, part: &[u8]) -> ControlFlow<()> {
        self.received += part.len();
        match &mut self.skimmer {
            Some(skimmer) => skimmer.feed(part, &mut self.bytes),
            None => self.bytes.extend_from_slice(part),
        }
        let is_too_long = self.bytes.len() > MAX_BODY;
        if is_too_long && self.skimmer.is_none() && !self.is_compressed && is_json_like(&self.bytes) {
            let long = std::mem::take(&mut self.bytes);
            self.skimmer.insert(StringTruncator::default()).feed(&long, &mut self.bytes);
        }
        if self.bytes.len() <= MAX_BODY && self.received <= MAX_READ {
            return ControlFlow::Continue(());
        }
        self.bytes.truncate(MAX_BODY);
        self.is_cut = true;
        ControlFlow::Break(())
    }
}

/// Whether a text looks like an object or a list of JSON.
fn is_json_like(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    // A second byte of 0 is UTF-16.
    matches!(text.trim_ascii_start(), [b'{' | b'[', second, ..] if *second != 0)
}

/// Copies JSON and leaves out what goes beyond [`MAX_STRING`] in a string.
#[derive(Debug, Default)]
struct StringTruncator {
    /// How long the string is so far; `None` between strings.
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
