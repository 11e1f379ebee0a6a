//! JSON in and out, and nothing else: no I/O, no clock.

use std::time::Duration;

use bytes::Bytes;

mod excerpt;
pub mod failure;
mod problem;
pub mod request;
pub mod response;
mod told;
mod words;

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
    /// The body, without what must not leave.
    pub body: Bytes,
    /// The body as it came, where that is something else. Only ever followed, never shown.
    pub original: Option<Bytes>,
}
