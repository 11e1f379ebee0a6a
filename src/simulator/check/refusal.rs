//! Refusals: an HTTP status and a message.

/// The HTTP status and the message.
pub(crate) type Refusal = (u16, String);

pub(super) fn bad_request(message: &str) -> Refusal {
    (400, message.to_owned())
}

pub(super) fn unprocessable(field: &str, why: &str) -> Refusal {
    (422, format!("Failed to deserialize the JSON body into the target type: {field}: {why}"))
}
