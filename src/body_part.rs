//! The body of a create, in parts: JSON text with media in between. No I/O.

use crate::media::Inline;

#[derive(Debug, Clone, PartialEq)]
pub enum BodyPart {
    /// JSON text.
    Text(String),
    /// Sent as the base64 of a data URI.
    Media(Inline),
}

/// Length of the base64 of so many bytes.
pub(crate) fn encoded_length(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}
