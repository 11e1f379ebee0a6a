//! Decodes bodies: gzip, deflate, Brotli and Zstandard, also without a header, and UTF-16.

use std::io::Read;
use std::ops::ControlFlow;

use brotli_decompressor::{BrotliDecoderParameter, Decompressor};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::collected_text::CollectedText;
use crate::lenient_json;

/// The value of `Accept-Encoding`.
pub(crate) const ACCEPTED: &str = "gzip, br, zstd";

const BUFFER: usize = 16 * 1024;
/// The largest Zstandard window that RFC 9659 allows in HTTP.
const ZSTD_WINDOW: u64 = 8 << 20;
/// How often a body may be compressed again without a header.
const MAX_ROUNDS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Whether `Content-Encoding` names a supported coding.
pub(super) fn is_known(content_encoding: &str) -> bool {
    content_encoding.split(',').any(|name| by_name(name).is_some())
}

/// Decodes a body. A body that cannot be decoded is returned unchanged: headers may be wrong.
pub(super) fn decoded(content_encoding: &str, mut text: CollectedText) -> CollectedText {
    if is_plain(&text.bytes) {
        return text;
    }
    for coding in content_encoding.rsplit(',').filter_map(by_name) {
        text = decode(coding, text);
    }
    for _ in 0..MAX_ROUNDS {
        let Some(coding) = by_magic(&text.bytes) else { break };
        text = decode(coding, text);
    }
    // All readers expect UTF-8.
    if let Some(utf8) = lenient_json::utf16(&text.bytes) {
        text.bytes = utf8.into_bytes();
    }
    text
}

/// Whether a body is already text, whatever its headers say.
fn is_plain(body: &[u8]) -> bool {
    // A second byte of 0 is UTF-16.
    matches!(body, [b'{' | b'[' | b'<', rest @ ..] if rest.first() != Some(&0)) && std::str::from_utf8(body).is_ok()
}

fn by_name(name: &str) -> Option<Coding> {
    match name.trim().to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        "zstd" => Some(Coding::Zstd),
        _ => None,
    }
}

fn by_magic(start: &[u8]) -> Option<Coding> {
    match start {
        [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Coding::Zstd),
        _ => None,
    }
}

fn decode(coding: Coding, text: CollectedText) -> CollectedText {
    let source = text.bytes.as_slice();
    let mut out = match coding {
        Coding::Gzip => collect(MultiGzDecoder::new(source)),
        Coding::Deflate if is_zlib(source) => collect(ZlibDecoder::new(source)),
        Coding::Deflate => collect(DeflateDecoder::new(source)),
        Coding::Brotli => collect(brotli(source)),
        Coding::Zstd => StreamingDecoder::new_with_max_window_size(source, ZSTD_WINDOW)
            .map_or_else(|_| CollectedText::default(), collect),
    };
    if out.bytes.is_empty() {
        return text;
    }
    out.is_cut |= text.is_cut;
    out
}

fn brotli(source: &[u8]) -> Decompressor<&[u8]> {
    let mut decoder = Decompressor::new(source, BUFFER);
    // With the large-window extension a few bytes could allocate a gigabyte.
    decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
    decoder
}

/// "deflate" means the zlib format; some servers send a raw stream.
fn is_zlib(source: &[u8]) -> bool {
    matches!(source, [first, second, ..]
        if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}

/// Reads until the end, an error or the limit. Keeps the bytes before an error.
fn collect(mut decoder: impl Read) -> CollectedText {
    let mut text = CollectedText::default();
    let mut piece = [0; BUFFER];
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        if let ControlFlow::Break(()) = text.push(&piece[..length]) {
            break;
        }
    }
    text
}
