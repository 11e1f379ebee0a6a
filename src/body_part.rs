//! What the body of a create is made of: text, with media in between. No I/O.

use crate::media::Inline;

/// A part of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyPart {
    /// JSON as it is.
    Text(String),
    /// The content of a data URI, which becomes base64 on its way.
    Media(Inline),
}

/// How many characters so many bytes have in base64.
pub(crate) fn encoded_length(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}
