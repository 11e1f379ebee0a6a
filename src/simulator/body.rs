//! Request bodies: how much of them is read and logged.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::Value;

/// Longer strings are shortened.
const MAX_STRING: usize = 1 << 20;
/// In characters.
const SHORTENED_LENGTH: usize = 64;

/// Reads a body of at most `limit` bytes. A longer body is also read to its end: while sending, clients do not see the
/// response.
pub(super) async fn collect<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize) -> Option<Bytes> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut received = (announced <= limit).then(Vec::new);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.ok()?.into_data() else { continue };
        received = received.filter(|received| received.len() + piece.len() <= limit);
        if let Some(received) = &mut received {
            received.extend_from_slice(&piece);
        }
    }
    received.map(Bytes::from)
}

/// Shortens long strings.
pub(super) fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MAX_STRING => {
            let start: String = text.chars().take(SHORTENED_LENGTH).collect();
            *text = format!("{start}… ({} characters)", text.chars().count());
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn bodies_are_read_up_to_the_limit() {
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        assert_eq!(collect(full("12345"), 5).await.as_deref(), Some(b"12345".as_slice()));
        assert_eq!(collect(full("123456"), 5).await, None);
        assert_eq!(collect(full(""), 5).await.as_deref(), Some(b"".as_slice()));
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_read_to_its_end() {
        let read = AtomicUsize::new(0);
        let pieces = |count: usize| {
            futures_util::stream::iter((0..count).map(|_| {
                read.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"123")))
            }))
        };
        assert_eq!(collect(StreamBody::new(pieces(3)), 9).await.map(|body| body.len()), Some(9));
        assert_eq!(collect(StreamBody::new(pieces(9)), 8).await, None);
        assert_eq!(read.into_inner(), 12);
    }

    #[test]
    fn long_strings_are_shortened() {
        let text = |length: usize| "ab".repeat(length / 2);
        let short = format!("{}… (1048578 characters)", text(64));
        let mut value =
            json!({"a": [{"b": text(MAX_STRING)}, {"b": text(MAX_STRING + 2)}], "c": "ä".repeat(MAX_STRING / 2 + 1)});
        shorten(&mut value);
        let expected = json!({
            "a": [{"b": text(MAX_STRING)}, {"b": short}],
            "c": format!("{}… (524289 characters)", "ä".repeat(64)),
        });
        assert_eq!(value, expected);
    }
}
