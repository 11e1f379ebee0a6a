//! Response bodies in the formats of proxies and other gateways.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::fault::OddBody;

/// Of nested lists.
const DEPTH: usize = 200;
/// Maximum size of an uncompressed block in gzip.
const BLOCK: usize = 65_535;

/// An object with a value at a path such as `videos[0].url`.
pub(super) fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, part| match part.strip_suffix("[0]") {
        Some(name) => json!({ name: [value] }),
        None => json!({ part: value }),
    })
}

/// The same JSON in another form. Other values than objects stay unchanged.
pub(super) fn reshaped(body: Bytes, form: OddBody) -> Bytes {
    let more = match form {
        OddBody::Bom => return [b"\xEF\xBB\xBF", body.as_ref()].concat().into(),
        OddBody::Gzip => return gzip(&body),
        OddBody::Nan => b"\"eta\":NaN".to_vec(),
        OddBody::HugeNumber => b"\"eta\":1e999".to_vec(),
        OddBody::Surrogate => br#""prompt":"cat \ud83d""#.to_vec(),
        OddBody::Latin1 => b"\"prompt\":\"caf\xE9\"".to_vec(),
        OddBody::LineBreak => b"\"prompt\":\"a\nb\"".to_vec(),
        OddBody::Tab => b"\"prompt\":\"a\tb\"".to_vec(),
        OddBody::Deep => ["\"trace\":", &"[".repeat(DEPTH), &"]".repeat(DEPTH)].concat().into_bytes(),
    };
    match body.strip_suffix(b"}") {
        Some(b"{") => [b"{", more.as_slice(), b"}"].concat().into(),
        Some(rest) => [rest, b",", more.as_slice(), b"}"].concat().into(),
        None => body,
    }
}

/// A gzip file with uncompressed blocks.
fn gzip(content: &[u8]) -> Bytes {
    let mut file = BytesMut::new();
    file.put_slice(&[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]);
    let blocks = content.chunks(BLOCK).chain(content.is_empty().then_some([].as_slice()));
    let mut left = content.len();
    for block in blocks {
        left -= block.len();
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.put_u8((left == 0).into());
        file.put_u16_le(length);
        file.put_u16_le(!length);
        file.put_slice(block);
    }
    file.put_u32_le(crc32fast::hash(content));
    file.put_u32_le(u32::try_from(content.len()).unwrap_or_default());
    file.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_nested_by_path() {
        let cases = [
            ("url", json!({"url": 1})),
            ("metadata.url", json!({"metadata": {"url": 1}})),
            ("videos[0].url", json!({"videos": [{"url": 1}]})),
            ("a[0].b[0].c", json!({"a": [{"b": [{"c": 1}]}]})),
        ];
        for (path, expected) in cases {
            assert_eq!(nested(path, json!(1)), expected, "{path}");
        }
    }

    #[test]
    fn every_form_contains_the_original_fields() {
        for (name, form) in OddBody::ALL {
            let body = reshaped(Bytes::from_static(br#"{"request_id":"j"}"#), form);
            let is_included = body.windows(16).any(|part| part == br#""request_id":"j""#);
            assert!(is_included, "{name}: {body:?}");
            assert!(serde_json::from_slice::<Value>(&body).is_err(), "{name}: strict readers refuse it");
        }
        assert_eq!(reshaped(Bytes::from_static(b"{}"), OddBody::Nan).as_ref(), br#"{"eta":NaN}"#);
        assert_eq!(reshaped(Bytes::new(), OddBody::Nan).as_ref(), b"");
    }
}
