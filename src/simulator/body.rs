//! Request bodies: how much of one is read, and how much is remembered.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::Value;

/// The longest text that is remembered whole.
const LONG: usize = 1 << 20;
/// How many characters of a longer one are.
const KEPT: usize = 64;

/// Reads a body of at most `limit` bytes. A longer one is read to its end, too: who is still sending sees no answer.
pub(super) async fn collect<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize) -> Option<Bytes> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut kept = (announced <= limit).then(Vec::new);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.ok()?.into_data() else { continue };
        kept = kept.filter(|kept| kept.len() + piece.len() <= limit);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&piece);
        }
    }
    kept.map(Bytes::from)
}

/// Shortens the long texts in it.
pub(super) fn abridge(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONG => {
            let start: String = text.chars().take(KEPT).collect();
            *text = format!("{start}… ({} characters)", text.chars().count());
        }
        Value::Array(values) => values.iter_mut().for_each(abridge),
        Value::Object(fields) => fields.values_mut().for_each(abridge),
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
    async fn read_up_to_the_limit() {
        let full = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        assert_eq!(collect(full("12345"), 5).await.as_deref(), Some(b"12345".as_slice()));
        assert_eq!(collect(full("123456"), 5).await, None);
        assert_eq!(collect(full(""), 5).await.as_deref(), Some(b"".as_slice()));
    }

    #[tokio::test]
    async fn what_was_not_announced_is_read_to_its_end() {
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
    fn long_texts_are_shortened() {
        let text = |length: usize| "ab".repeat(length / 2);
        let short = format!("{}… (1048578 characters)", text(64));
        let mut value = json!({"a": [{"b": text(LONG)}, {"b": text(LONG + 2)}], "c": "ä".repeat(LONG / 2 + 1)});
        abridge(&mut value);
        let expected = json!({
            "a": [{"b": text(LONG)}, {"b": short}],
            "c": format!("{}… (524289 characters)", "ä".repeat(64)),
        });
        assert_eq!(value, expected);
    }
}
