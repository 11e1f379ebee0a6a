//! What a service answered, as bytes. No I/O.

use std::time::Duration;

use bytes::Bytes;

use crate::lenient_json::{self, Ending, Json};

/// The largest body that is read.
pub const MAX_BODY: usize = 1 << 20;

/// One HTTP response, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, already turned into a span of time.
    pub retry_after: Option<Duration>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// The body, decoded, not much longer than [`MAX_BODY`], and without what must not leave.
    pub body: Bytes,
    /// The body as it came, where that is something else. Only ever followed, never shown.
    pub original: Option<Bytes>,
    /// Whether the body went on beyond what was read of it.
    pub is_cut: bool,
}

impl Response {
    /// The body as JSON, repaired where that is needed.
    pub(crate) fn json(&self) -> serde_json::Result<Json<'_>> {
        lenient_json::parse(&self.body, if self.is_cut { Ending::Cut } else { Ending::Whole })
    }

    /// Whether the body is an object or a list of JSON with nothing left out at its end.
    pub(crate) fn is_whole(&self) -> bool {
        lenient_json::is_whole(&self.body)
    }
}
