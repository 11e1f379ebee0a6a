//! An HTTP response, as bytes. No I/O.

use std::time::Duration;

use bytes::Bytes;

use crate::lenient_json::{self, Ending, Json};

pub const MAX_BODY: usize = 1 << 20;

#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// Decoded, cut shortly after [`MAX_BODY`], and without secrets.
    pub body: Bytes,
    /// The body with its secrets, if it contains any. Links are read from it; it is never shown.
    pub original: Option<Bytes>,
    /// The body was longer than what was read.
    pub is_cut: bool,
}

impl Response {
    /// The body as JSON, repaired where needed.
    pub(crate) fn json(&self) -> serde_json::Result<Json<'_>> {
        lenient_json::parse(&self.body, if self.is_cut { Ending::Cut } else { Ending::Whole })
    }

    /// Whether the body is a complete JSON object or array.
    pub(crate) fn is_whole(&self) -> bool {
        lenient_json::is_whole(&self.body)
    }
}
