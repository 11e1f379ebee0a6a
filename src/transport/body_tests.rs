//! Bodies of every length and coding.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::body::BodyCollector;
use crate::response::MAX_BODY;

/// `{"id":"a"}`, ten times, as other programs compress it.
const BROTLI: &str = "1b6300f81d0976ec841bc7e04e2942b6576169a5d317008602d00d04";
const ZSTD: &str = "28b52ffd24648d0000507b226964223a2261227d0100d7a920015b76f372";
/// The beginning of 40 MB of one letter.
const BROTLI_BOMB: &str =
    "cbffff3f00041972e417cc2cb1b6e2b640cedeffdd44f9ffff078004401c1680eefd1fffffff00900088c302d0bd";

fn plain() -> Vec<u8> {
    br#"{"id":"a"}"#.repeat(10)
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// What becomes of a body that comes in parts of `size`, and whether it was cut.
fn read_in_parts(content_encoding: &str, body: &[u8], size: usize) -> (Vec<u8>, bool) {
    let mut collected = BodyCollector::new(content_encoding.into());
    for part in body.chunks(size) {
        if collected.push(part).is_break() {
            break;
        }
    }
    let (bytes, is_cut) = collected.finish();
    assert!(bytes.len() <= MAX_BODY);
    (bytes.into(), is_cut)
}

fn read(content_encoding: &str, body: &[u8]) -> (Vec<u8>, bool) {
    read_in_parts(content_encoding, body, 1000)
}

#[test]
fn every_coding_is_decoded_whether_it_is_named_or_not() {
    let table = [
        ("", plain()),
        ("identity", plain()),
        ("utf-8", plain()),
        ("gzip", gzip(&plain())),
        ("X-GZIP", gzip(&plain())),
        ("", gzip(&plain())),
        ("deflate", zlib(&plain())),
        ("deflate", deflate(&plain())),
        ("br", bytes(BROTLI)),
        ("zstd", bytes(ZSTD)),
        ("", bytes(ZSTD)),
        ("gzip, identity", gzip(&plain())),
        ("br, gzip", gzip(&bytes(BROTLI))),
        ("gzip,gzip", gzip(&gzip(&plain()))),
        ("", gzip(&gzip(&plain()))),
        ("br", gzip(&plain())),
        // Headers that are wrong.
        ("gzip", plain()),
        ("br", plain()),
        ("zstd", plain()),
        ("deflate", plain()),
    ];
    for (content_encoding, body) in table {
        for size in [1, 3, 1000] {
            let read = read_in_parts(content_encoding, &body, size);
            assert_eq!(read, (plain(), false), "{content_encoding} {:?}", String::from_utf8_lossy(&read.0));
        }
    }
}

#[test]
fn utf16_becomes_utf8() {
    let with = |mark: &str, text: &str, unit: fn(u16) -> [u8; 2]| {
        format!("{mark}{text}").encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    let texts = [r#"{"id":"é猫"}"#, r#"{"id":"a"}"#, "<p>", "[1]"];
    for (mark, text) in ["", "\u{feff}"].into_iter().flat_map(|mark| texts.map(|text| (mark, text))) {
        for body in [with(mark, text, u16::to_le_bytes), with(mark, text, u16::to_be_bytes)] {
            assert_eq!(read("", &body).0, text.as_bytes());
            assert_eq!(read("gzip", &gzip(&body)).0, text.as_bytes());
        }
    }
    let long: Vec<u8> =
        format!(r#"{{"x":"{}"}}"#, "a".repeat(MAX_BODY)).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read("", &long).1);
}

#[test]
fn bytes_before_a_decoding_error_are_returned() {
    let body = gzip(&plain());
    assert_eq!(read("gzip", &body[..body.len() - 8]).0, plain(), "only the checksum is missing");
    assert_eq!(read("gzip", &[&body[..], b"garbage"].concat()).0, plain());
    let (part, is_cut) = read("gzip", &body[..body.len() - 12]);
    assert!(plain().starts_with(&part) || part == body[..body.len() - 12]);
    assert!(!is_cut, "it was cut by the server");
    for content_encoding in ["gzip", "br", "zstd", "deflate", ""] {
        assert_eq!(read(content_encoding, b""), (Vec::new(), false));
    }
}

#[test]
fn a_decompression_bomb_takes_no_memory() {
    let bomb = gzip(format!(r#"{{"id":"a","x":"{}"}}"#, "a".repeat(40 << 20)).as_bytes());
    for (content_encoding, body) in [("gzip", bomb.clone()), ("", bomb), ("br", bytes(BROTLI_BOMB))] {
        let (text, is_cut) = read(content_encoding, &body);
        assert!(text.capacity() <= 2 * MAX_BODY, "{}", text.capacity());
        assert!(is_cut || content_encoding == "br");
    }
    // A window of a gigabyte, which an extension of Brotli allows, and one of 128 MiB.
    assert_eq!(read("br", &[0x11, 0x9e, 0, 0]).0, [0x11, 0x9e, 0, 0]);
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    assert_eq!(read("zstd", &window).0, window);
}

#[test]
fn a_body_within_the_limit_is_unchanged() {
    let body = format!(r#"{{"id":"a","x":"{}"}}"#, "a".repeat(MAX_BODY - 17));
    assert_eq!(body.len(), MAX_BODY);
    assert_eq!(read("", body.as_bytes()), (body.into_bytes(), false));
}

#[test]
fn a_long_string_hides_nothing_that_follows_it() {
    for piece in ["A", r"\n", r"\\", r#"\""#, r"\u00e9", "é"] {
        for shift in 0..7 {
            let long = format!("{}{}", "A".repeat(shift), piece.repeat(1_200_000));
            let body = format!(r#"{{"a": "{long}", "list": ["{long}", 5], "request_id": "x", "b": "y\"z"}}"#);
            let (text, is_cut) = read_in_parts("", body.as_bytes(), 65_536);
            assert!(!is_cut && text.len() < 400_000, "{piece}: {}", text.len());
            let json = crate::lenient_json::parse(&text, crate::lenient_json::Ending::Whole).unwrap().value;
            assert_eq!((&json["request_id"], &json["b"]), (&json!("x"), &json!("y\"z")), "{piece}");
            assert_eq!(json["list"][1], 5);
            assert!(json["a"].as_str().unwrap().ends_with('…'));
        }
    }
}

#[test]
fn other_long_bodies_are_cut() {
    let many = format!(r#"{{"id":"a","x":[{}1]}}"#, "1,".repeat(MAX_BODY));
    let page = format!("<html>{}", r#"<a href="x">"#.repeat(MAX_BODY / 8));
    for body in [many, page, "x".repeat(MAX_BODY + 1)] {
        let (text, is_cut) = read("", body.as_bytes());
        assert!(is_cut);
        assert_eq!(text, body.as_bytes()[..MAX_BODY]);
    }
    let endless = format!(r#"{{"x":"{}"#, "a".repeat(33 << 20));
    assert!(read_in_parts("", endless.as_bytes(), 1 << 16).1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_coding(
        content_encoding in select(vec!["", "gzip", "deflate", "br", "zstd", "br, zstd", "gzip, deflate"]),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        read(content_encoding, &body);
    }

    #[test]
    fn compressed_bodies_with_changes(
        (content_encoding, mut body) in select(vec![
            ("gzip", gzip(&plain())), ("deflate", zlib(&plain())), ("br", bytes(BROTLI)), ("zstd", bytes(ZSTD)),
            ("br", bytes(BROTLI_BOMB)),
        ]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        for (at, byte) in changes {
            *at.get_mut(&mut body) = byte;
        }
        read(content_encoding, &body);
    }

    #[test]
    fn the_split_into_parts_does_not_matter(size in 1_usize..5000, text in "[a-z\\\\\"{}\\[\\]:, é]{0,400}") {
        let body = json!({"x": text, "y": [text]}).to_string();
        let whole = read_in_parts("", body.as_bytes(), body.len());
        prop_assert_eq!(&read_in_parts("", body.as_bytes(), size), &whole);
        prop_assert!(serde_json::from_slice::<Value>(&whole.0).is_ok());
    }
}
