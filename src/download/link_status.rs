//! What one request says about a link.

use super::http_error::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// Usable as far as its server says; a failed connection counts as usable.
    Good,
    /// No file behind it: the link has expired, or the file is not there yet.
    Missing,
    /// Expired.
    Gone,
    /// Refused for another reason.
    Refused,
}

impl From<Reason> for LinkStatus {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Expired | Reason::Malformed => Self::Gone,
            Reason::Missing | Reason::NotYet => Self::Missing,
            Reason::Refused => Self::Refused,
        }
    }
}
