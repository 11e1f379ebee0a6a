//! Reads the format and the size of images and videos, and the length of videos.

/// Decodes base64 with the standard alphabet and padding.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for place in 0..4 {
            bits = bits << 6 | group.get(place).map_or(Some(0), |digit| sextet(*digit))?;
        }
        decoded.extend_from_slice(bits.to_be_bytes().get(1..group.len())?);
    }
    Some(decoded)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Width and height.
pub(super) type Size = (u32, u32);

/// The size of a JPEG, PNG or WebP image; `None` for anything else.
pub(super) fn image_size(image: &[u8]) -> Option<Size> {
    let size = png(image).or_else(|| jpeg(image)).or_else(|| webp(image))?;
    (size.0 > 0 && size.1 > 0).then_some(size)
}

fn png(image: &[u8]) -> Option<Size> {
    if !image.starts_with(b"\x89PNG\r\n\x1a\n") || image.get(12..16)? != b"IHDR" {
        return None;
    }
    Some((big(image, 16, 4)?, big(image, 20, 4)?))
}

fn jpeg(image: &[u8]) -> Option<Size> {
    if !image.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return None;
    }
    let mut at = 2;
    loop {
        if *image.get(at)? != 0xFF {
            return None;
        }
        let marker = *image.get(at + 1)?;
        match marker {
            // Fill bytes before a marker.
            0xFF => at += 1,
            // Markers without a segment.
            0x01 | 0xD0..=0xD7 => at += 2,
            // The frame header; C4, C8 and CC are other segments.
            0xC0..=0xCF if ![0xC4, 0xC8, 0xCC].contains(&marker) => {
                return Some((big(image, at + 7, 2)?, big(image, at + 5, 2)?));
            }
            _ => at += 2 + usize::try_from(big(image, at + 2, 2)?).ok()?,
        }
    }
}

fn webp(image: &[u8]) -> Option<Size> {
    if !image.starts_with(b"RIFF") || image.get(8..12)? != b"WEBP" {
        return None;
    }
    match image.get(12..16)? {
        b"VP8X" => Some((little(image, 24, 3)? + 1, little(image, 27, 3)? + 1)),
        b"VP8L" if *image.get(20)? == 0x2F => {
            let bits = little(image, 21, 4)?;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8 " if image.get(23..26)? == [0x9D, 0x01, 0x2A] => {
            Some((little(image, 26, 2)? & 0x3FFF, little(image, 28, 2)? & 0x3FFF))
        }
        _ => None,
    }
}

/// `size` is `None` without a video track.
#[derive(Debug, PartialEq)]
pub(super) struct Mp4 {
    pub(super) seconds: f64,
    pub(super) size: Option<Size>,
}

/// `None` for anything else than an MP4 file.
pub(super) fn mp4(file: &[u8]) -> Option<Mp4> {
    let first = Boxes(file).next()?;
    // QuickTime files have the same boxes, but are not accepted.
    if first.kind != b"ftyp" || first.content.starts_with(b"qt  ") {
        return None;
    }
    let movie = Boxes(file).find(|part| part.kind == b"moov")?.content;
    let header = Boxes(movie).find(|part| part.kind == b"mvhd")?.content;
    let mut tracks = Boxes(movie).filter(|part| part.kind == b"trak");
    Some(Mp4 { seconds: seconds(header)?, size: tracks.find_map(|track| track_size(track.content)) })
}

#[expect(clippy::cast_precision_loss, reason = "no video is that long")]
fn seconds(movie_header: &[u8]) -> Option<f64> {
    let (scale, duration) = match *movie_header.first()? {
        0 => (big(movie_header, 12, 4)?, u64::from(big(movie_header, 16, 4)?)),
        _ => (
            big(movie_header, 20, 4)?,
            u64::from(big(movie_header, 24, 4)?) << 32 | u64::from(big(movie_header, 28, 4)?),
        ),
    };
    (scale > 0).then(|| duration as f64 / f64::from(scale))
}

/// At the end of the track header, in 16.16 fixed point. Audio tracks have no size.
fn track_size(track: &[u8]) -> Option<Size> {
    let header = Boxes(track).find(|part| part.kind == b"tkhd")?.content;
    let at = if *header.first()? == 0 { 76 } else { 88 };
    let size = (big(header, at, 2)?, big(header, at + 4, 2)?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// The boxes of an MP4 file or of a box, up to the first invalid one.
struct Boxes<'a>(&'a [u8]);

struct Mp4Box<'a> {
    kind: &'a [u8],
    content: &'a [u8],
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Mp4Box<'a>;

    fn next(&mut self) -> Option<Mp4Box<'a>> {
        let kind = self.0.get(4..8)?;
        let (from, size) = match big(self.0, 0, 4)? {
            // Up to the end.
            0 => (8, self.0.len()),
            1 if big(self.0, 8, 4)? == 0 => (16, usize::try_from(big(self.0, 12, 4)?).ok()?),
            small => (8, usize::try_from(small).ok()?),
        };
        let content = self.0.get(from..size)?;
        self.0 = self.0.get(size..)?;
        Some(Mp4Box { kind, content })
    }
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::clips;

    #[test]
    fn base64_of_the_standard_alphabet() {
        let cases: [(&str, Option<&[u8]>); 12] = [
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYg==", Some(b"foob")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("", None),
            ("Zg", None),
            ("Z===", None),
            ("====", None),
            ("Zm9v\n", None),
            ("Zm-_", None),
            ("Zg==Zg==", None),
        ];
        for (text, expected) in cases {
            assert_eq!(base64(text).as_deref(), expected, "{text:?}");
        }
    }

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes(), &[8, 2, 0, 0, 0]]
            .concat()
    }

    #[test]
    fn image_sizes_are_read() {
        let jpeg = [
            b"\xFF\xD8\xFF\xE0\0\x06JFIF\xFF\xFF\xC4\0\x03x\xFF\x01\xFF\xC2\0\x11\x08".as_slice(),
            &[0x01, 0x02, 0x03, 0x04, 3],
        ];
        let webp = |kind: &[u8], content: &[u8]| [b"RIFF\0\0\0\0WEBP", kind, &[0; 4], content].concat();
        let cases = [
            (png_of(640, 360), Some((640, 360))),
            (png_of(0, 360), None),
            (png_of(640, 360)[..23].to_vec(), None),
            (jpeg.concat(), Some((0x0304, 0x0102))),
            (jpeg[0].to_vec(), None),
            (webp(b"VP8X", &[0, 0, 0, 0, 0xFF, 0x01, 0, 0x7F, 0, 0]), Some((512, 128))),
            (webp(b"VP8L", &[0x2F, 0x3F, 0xC0, 0x07, 0]), Some((64, 32))),
            (webp(b"VP8L", &[0x2E, 0x3F, 0xC0, 0x07, 0]), None),
            (webp(b"VP8 ", &[0, 0, 0, 0x9D, 0x01, 0x2A, 0x40, 0x41, 0xF0, 0]), Some((320, 240))),
            (webp(b"ALPH", &[0; 16]), None),
            (b"GIF89a\x01\0\x01\0\0\0\0".to_vec(), None),
            (Vec::new(), None),
        ];
        for (image, expected) in cases {
            assert_eq!(image_size(&image), expected, "{image:x?}");
        }
    }

    #[test]
    fn length_and_size_of_videos() {
        let clip = |ratio, seconds| mp4(&clips::clip(ratio, seconds));
        assert_eq!(clip("16:9", 5), Some(Mp4 { seconds: 5.0, size: Some((192, 108)) }));
        assert_eq!(clip("2:3", 25), Some(Mp4 { seconds: 25.0, size: Some((112, 168)) }));
        let whole = clips::clip("1:1", 3);
        assert_eq!(mp4(&whole[..40]), None, "cut off");
        let mut quicktime = whole.clone();
        quicktime[8..12].copy_from_slice(b"qt  ");
        assert_eq!(mp4(&quicktime), None);
        assert_eq!(mp4(&png_of(1, 1)), None);
        assert_eq!(mp4(b""), None);
    }

    fn boxed(kind: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes(), kind, content].concat()
    }

    #[test]
    fn videos_with_64_bit_fields_and_audio() {
        let header = [[1_u8, 0, 0, 0].as_slice(), &[0; 16], &1000_u32.to_be_bytes(), &8700_u64.to_be_bytes()].concat();
        let mut sound = vec![0; 84];
        sound[0] = 0;
        let mut picture = vec![0; 96];
        picture[0] = 1;
        picture[88..].copy_from_slice(&[0x02, 0x80, 0, 0, 0x01, 0x68, 0, 0]);
        let track = |header: &[u8]| boxed(b"trak", &boxed(b"tkhd", header));
        let movie = boxed(b"moov", &[boxed(b"mvhd", &header), track(&sound), track(&picture)].concat());
        let data = [&[0, 0, 0, 1], b"mdat".as_slice(), &20_u64.to_be_bytes(), b"rest"].concat();
        let file = [boxed(b"ftyp", b"isom\0\0\0\0"), data, movie].concat();
        assert_eq!(mp4(&file), Some(Mp4 { seconds: 8.7, size: Some((640, 360)) }));
    }

    #[test]
    fn random_bytes_do_not_panic() {
        let mut rng = fastrand::Rng::with_seed(1);
        let seeds = [clips::clip("1:1", 1), png_of(3, 4), b"\xFF\xD8\xFF\xC0\0\x04".to_vec()];
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..4 {
                let at = rng.usize(..bytes.len().min(600));
                bytes[at] = rng.u8(..);
            }
            bytes.truncate(rng.usize(..=bytes.len()));
            image_size(&bytes);
            mp4(&bytes);
        }
    }
}
