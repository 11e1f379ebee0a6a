//! Collects and decodes the body of a response.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::collected_text::CollectedText;
use super::content_coding;
use crate::lenient_json;

#[derive(Debug, Default)]
pub(crate) struct BodyCollector {
    content_encoding: String,
    text: CollectedText,
}

impl BodyCollector {
    /// `content_encoding` lists the codings of `Content-Encoding`.
    pub(crate) fn new(content_encoding: String) -> Self {
        let is_compressed = content_coding::is_known(&content_encoding);
        Self { content_encoding, text: CollectedText::new(is_compressed) }
    }

    /// `Break` means that no more is needed.
    pub(crate) fn push(&mut self, part: &[u8]) -> ControlFlow<()> {
        self.text.push(part)
    }

    /// Whether the bytes so far are a complete JSON object or list.
    pub(crate) fn is_whole(&self) -> bool {
        lenient_json::is_whole(&self.text.bytes)
    }

    /// The decoded body, and whether it was cut.
    pub(crate) fn finish(self) -> (Bytes, bool) {
        let text = content_coding::decoded(&self.content_encoding, self.text);
        (text.bytes.into(), text.is_cut)
    }
}
