//! Detects file formats from content, not from file extensions.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use file_format::FileFormat;

use super::isobmff;

/// Enough of the beginning to distinguish all formats.
const HEAD: usize = 36 * 1024;

/// A format that the service accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Jpeg,
    Png,
    Webp,
    Mp4,
}

impl Kind {
    /// As in data URIs.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "a JPEG image",
            Self::Png => "a PNG image",
            Self::Webp => "a WebP image",
            Self::Mp4 => "an MP4 video",
        }
    }

    #[must_use]
    pub const fn is_image(self) -> bool {
        !matches!(self, Self::Mp4)
    }
}

/// The result of format detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// A complete file of an accepted format.
    Whole(Kind),
    /// A truncated file of an accepted format.
    Truncated(Kind),
    /// A description of anything else.
    Foreign(String),
}

/// Detects the format of a file.
pub fn detect_format<R: Read + Seek>(source: &mut R) -> io::Result<Detected> {
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let source = &mut BufReader::with_capacity(1 << 16, source);
    let mut head = Vec::new();
    source.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let Some(kind) = kind(&head) else { return Ok(Detected::Foreign(foreign(&head))) };
    let whole = match kind {
        Kind::Jpeg => jpeg_ends(source)?,
        Kind::Png => png_ends(source, length)?,
        Kind::Webp => webp_size(&head).is_some_and(|size| size <= length),
        Kind::Mp4 => isobmff::is_whole(source, length)?,
    };
    Ok(if whole { Detected::Whole(kind) } else { Detected::Truncated(kind) })
}

fn kind(head: &[u8]) -> Option<Kind> {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => Some(Kind::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Kind::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::Webp),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => is_mp4_brand(brand).then_some(Kind::Mp4),
        _ => None,
    }
}

/// `ftyp` brands of images, sound and `QuickTime`, which share the box structure with MP4.
fn is_mp4_brand(brand: &[u8]) -> bool {
    const OTHERS: [&[u8; 4]; 14] = [
        b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ", b"qt  ",
        b"M4A ", b"M4B ",
    ];
    brand.first_chunk().is_some_and(|brand| !OTHERS.contains(&brand))
}

/// Describes a file that the service does not accept.
fn foreign(head: &[u8]) -> String {
    if head.is_empty() {
        return "empty".into();
    }
    if is_html(head) {
        return "an HTML page, perhaps the error page of a server".into();
    }
    match FileFormat::from_bytes(head) {
        FileFormat::ArbitraryBinaryData | FileFormat::Empty => plain(head),
        FileFormat::PlainText => "plain text".into(),
        format => format!("a file in the format {} ({})", format.name(), format.media_type()),
    }
}

fn is_html(head: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&head[..head.len().min(200)]).trim_start().to_lowercase();
    beginning.starts_with("<!doctype html") || beginning.starts_with("<html")
}

fn plain(head: &[u8]) -> String {
    // The head may end in the middle of a character.
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) if !text.contains('\0') => "plain text".into(),
        _ => "in an unknown format".into(),
    }
}

/// Whether an end-of-image marker follows the first scan. One in the header belongs to a thumbnail.
fn jpeg_ends<R: Read + Seek>(source: &mut BufReader<R>) -> io::Result<bool> {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: u8 = 0xD9;
    source.seek(SeekFrom::Start(2))?;
    loop {
        match next_marker(source)? {
            None | Some(END_OF_IMAGE) => return Ok(false),
            Some(START_OF_SCAN) => break,
            // Markers without a length.
            Some(0x01 | 0xD0..=0xD8) => {}
            Some(_) => {
                let Some(length) = isobmff::array(source)?.map(u16::from_be_bytes) else { return Ok(false) };
                source.seek_relative(i64::from(length.max(2)) - 2)?;
            }
        }
    }
    // Within a scan, 0xFF is always followed by a zero or a marker.
    let mut after_ff = false;
    for byte in source.bytes() {
        let byte = byte?;
        if after_ff && byte == END_OF_IMAGE {
            return Ok(true);
        }
        after_ff = byte == 0xFF;
    }
    Ok(false)
}

/// The next marker in the header of a JPEG. Skips stray bytes and stuffed zeros before it, as decoders do, and fill
/// bytes.
fn next_marker<R: Read>(source: &mut R) -> io::Result<Option<u8>> {
    let mut after_ff = false;
    while let Some([byte]) = isobmff::array(source)? {
        match byte {
            0xFF => after_ff = true,
            0x00 => after_ff = false,
            marker if after_ff => return Ok(Some(marker)),
            _ => {}
        }
    }
    Ok(None)
}

fn png_ends<R: Read + Seek>(source: &mut BufReader<R>, length: u64) -> io::Result<bool> {
    let mut at = 8;
    source.seek(SeekFrom::Start(at))?;
    loop {
        let (Some(size), Some(name)) =
            (isobmff::array(source)?.map(u32::from_be_bytes), isobmff::array::<_, 4>(source)?)
        else {
            return Ok(false);
        };
        at += u64::from(size) + 12;
        if &name == b"IEND" || at > length {
            return Ok(at <= length);
        }
        // Content and checksum.
        source.seek_relative(i64::from(size) + 4)?;
    }
}

/// File size according to the RIFF header.
fn webp_size(head: &[u8]) -> Option<u64> {
    let size = head.get(4..8)?.first_chunk()?;
    Some(u64::from(u32::from_le_bytes(*size)) + 8)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn found(bytes: &[u8]) -> Detected {
        detect_format(&mut Cursor::new(bytes)).unwrap()
    }

    /// A minimal JPEG: a header with a thumbnail that has its own end marker, then a scan.
    fn jpeg() -> Vec<u8> {
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, 8, 0xFF, 0xD8, 0xFF, 0xD9, 0, 0];
        file.extend([0xFF, 0xDA, 0, 2, 1, 2, 0xFF, 0, 3, 0xFF, 0xD0, 4, 0xFF, 0xD9]);
        file
    }

    fn png() -> Vec<u8> {
        crate::media::png::png(2, 1, crate::media::png::Channels::Rgb, &[1, 2, 3, 4, 5, 6]).unwrap().to_vec()
    }

    fn webp() -> Vec<u8> {
        b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0".to_vec()
    }

    #[test]
    fn complete_and_truncated_files_are_distinguished() {
        let mp4 = crate::media::isobmff::tests::video(5.0, *b"avc1");
        for (kind, file, least) in
            [(Kind::Jpeg, jpeg(), 3), (Kind::Png, png(), 8), (Kind::Webp, webp(), 12), (Kind::Mp4, mp4, 12)]
        {
            assert_eq!(found(&file), Detected::Whole(kind));
            for end in least..file.len() {
                assert_eq!(found(&file[..end]), Detected::Truncated(kind), "{kind:?} of {end} bytes");
            }
        }
    }

    #[test]
    fn a_jpeg_with_stray_bytes_before_a_marker_is_complete() {
        for stray in [&b"ab"[..], b"\0\0", b"\xFF\0", b"\xFF\0ab", b"\xFF\xFF", b"\xFF\x01", b"\xFF\xD0"] {
            let file = [&jpeg()[..12], stray, &jpeg()[12..]].concat();
            assert_eq!(found(&file), Detected::Whole(Kind::Jpeg), "{stray:?}");
            for end in 3..file.len() {
                assert_eq!(found(&file[..end]), Detected::Truncated(Kind::Jpeg), "{stray:?}, {end} bytes");
            }
        }
        assert_eq!(found(&[&jpeg()[..12], b"\xFF\xD9", &jpeg()[12..]].concat()), Detected::Truncated(Kind::Jpeg));
    }

    #[test]
    fn bytes_after_an_image_are_ignored() {
        for (kind, mut file) in [(Kind::Jpeg, jpeg()), (Kind::Png, png()), (Kind::Webp, webp())] {
            file.extend(b"a phone's video of the same moment");
            assert_eq!(found(&file), Detected::Whole(kind));
        }
    }

    #[test]
    fn other_formats_are_described() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "empty"),
            (b"/home/me/picture.png", "plain text"),
            ("ä".as_bytes(), "plain text"),
            (b"<!DOCTYPE html><html></html>", "HTML"),
            (b"%PDF-1.7\n", "Portable Document Format"),
            (b"GIF89a\x01\0\x01\0", "Graphics Interchange Format"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "High Efficiency Image"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "High Efficiency Image"),
            (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "AV1 Image"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "QuickTime"),
            (b"\x1a\x45\xdf\xa3", "Extensible Binary Meta Language"),
            (b"\0\x01\x02\x03\x04\x05\x06\x07", "an unknown format"),
        ];
        for (bytes, name) in cases {
            let Detected::Foreign(description) = found(bytes) else { panic!("{name}") };
            assert!(description.contains(name), "{description}");
        }
    }

    #[test]
    fn garbage_after_a_valid_header_does_not_fail() {
        let mut chance = fastrand::Rng::with_seed(7);
        for beginning in [&jpeg()[..4], &png()[..8], &webp()[..12], b"\0\0\0\x10ftypisom\0\0\0\0"] {
            for _ in 0..300 {
                let mut file = beginning.to_vec();
                file.extend((0..chance.usize(..200)).map(|_| chance.u8(..)));
                assert!(!matches!(found(&file), Detected::Foreign(_)));
            }
        }
    }
}
