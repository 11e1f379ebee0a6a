//! JSON in and out, and nothing else: no I/O, no clock.

use std::time::Duration;

use bytes::Bytes;

mod body;
pub(crate) mod coding;
mod excerpt;
pub mod failure;
mod ids;
mod lenient;
mod links;
mod problem;
pub mod request;
pub mod response;
mod told;
mod words;

pub(crate) use body::Body;

use lenient::{Ending, Json};

#[cfg(test)]
mod body_tests;
#[cfg(test)]
mod created_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod response_tests;

/// The largest answer that is read.
pub const MAX_BODY: usize = 1 << 20;

/// One answer of the API, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Answer {
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

impl Answer {
    /// The body as JSON, repaired where that is needed.
    fn json(&self) -> serde_json::Result<Json<'_>> {
        lenient::parse(&self.body, if self.is_cut { Ending::Cut } else { Ending::Whole })
    }

    /// Whether the body is an object or a list of JSON with nothing left out at its end.
    pub(crate) fn is_whole(&self) -> bool {
        lenient::is_whole(&self.body)
    }
}
