//! Whether an MP4 file is whole and playable, judged by its top-level boxes as they arrive.

use crate::media::isobmff::is_outermost;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mp4Defect {
    /// The file ends inside a box, or before data that a box announced.
    Truncated,
    /// No `moov`, which players need to read the data.
    NoMoov,
    /// No `mdat`.
    NoMdat,
    /// The bytes are not boxes.
    NotBoxes,
}

impl Mp4Defect {
    /// Follows "the file" in a message.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Truncated => "ends in the middle of the video",
            Self::NoMoov => "has no moov box, which players need",
            Self::NoMdat => "has no mdat box, and so no pictures",
            Self::NotBoxes => "begins like an MP4 file, but continues with other data",
        }
    }
}

/// Whether the server announced the length of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Announced,
    Unknown,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum CheckState {
    /// Each box names its own size.
    #[default]
    Sized,
    /// The last box reaches to the end of the file.
    Open,
    /// The children of a `moov` that reaches to the end of the file.
    OpenMovie,
    /// What follows are not boxes.
    NotBoxes,
}

#[derive(Debug, Default)]
pub(super) struct Mp4Check {
    passed: u64,
    /// Where the next box begins.
    next: u64,
    header: Vec<u8>,
    state: CheckState,
    /// The type of the current box.
    name: [u8; 4],
    /// How many boxes have begun.
    count: usize,
    has_movie: bool,
    has_media: bool,
    /// A `moof` has no `mdat` yet.
    expects_media: bool,
    media: MediaSample,
}

/// Distinguishes coded pictures and sound from other data.
#[derive(Debug, Default)]
struct MediaSample {
    /// Whether `ftyp` has the shortest list of brands that writers of whole files use.
    has_short_ftyp: bool,
    /// Of the first `mdat`.
    beginning: Vec<u8>,
    /// Of the first `mdat`'s content.
    length: u64,
}

/// Enough to recognise the codec: two frames of MP3.
const SAMPLE_LENGTH: usize = 2048;
/// How many bytes are checked for a pattern.
const PATTERN_LENGTH: usize = 256;
/// The size of an `ftyp` box with two compatible brands.
const FTYP_OF_TWO: u64 = 24;
const SHORT_HEADER: usize = 8;
const LONG_HEADER: usize = 16;
/// In the size field: the size follows the type, in 64 bits.
const LONG: u32 = 1;
/// In the size field: the box reaches to the end of the file.
const TO_THE_END: u64 = 0;

impl Mp4Check {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while matches!(self.state, CheckState::Sized | CheckState::OpenMovie) && !bytes.is_empty() {
            let skipped = self.next.saturating_sub(self.passed).min(bytes.len() as u64);
            self.passed += skipped;
            // At most the length of `bytes`, so the conversion cannot fail.
            let (content, rest) = bytes.split_at(usize::try_from(skipped).unwrap_or(bytes.len()));
            self.sample(content);
            bytes = rest;
            let Some((first, rest)) = bytes.split_first() else { return };
            self.header.push(*first);
            self.passed += 1;
            bytes = rest;
            self.read_header();
        }
    }

    /// The defect of the file if it ends here.
    pub(super) fn defect(&self, length: Length) -> Option<Mp4Defect> {
        let is_complete = self.has_movie && self.has_media && !self.expects_media;
        let is_between_boxes = self.header.is_empty() && self.passed == self.next;
        match self.state {
            CheckState::NotBoxes if is_complete => None,
            CheckState::NotBoxes => Some(Mp4Defect::NotBoxes),
            CheckState::Sized if !is_between_boxes && is_complete && self.is_in_tail(length) => None,
            CheckState::Sized | CheckState::OpenMovie if !is_between_boxes => Some(Mp4Defect::Truncated),
            CheckState::Sized if self.is_opaque() && length == Length::Announced => None,
            _ if !self.has_movie => Some(Mp4Defect::NoMoov),
            _ if !self.has_media && !self.expects_media => Some(Mp4Defect::NoMdat),
            _ => self.expects_media.then_some(Mp4Defect::Truncated),
        }
    }

    /// Whether no further bytes can make this a video.
    pub(super) fn cannot_be_video(&self) -> bool {
        self.defect(Length::Unknown) == Some(Mp4Defect::NotBoxes)
    }

    fn sample(&mut self, content: &[u8]) {
        if self.name == *b"mdat" && self.media.beginning.len() < SAMPLE_LENGTH {
            self.media.beginning.extend(content.iter().take(SAMPLE_LENGTH - self.media.beginning.len()));
        }
    }

    /// Whether the file is complete and holds other data than pictures or sound, such as encrypted data: it is accepted,
    /// as fetching it again would not help. Writers of video put a `free` or `wide` box before `mdat`, so a video without
    /// its `moov` has one more box.
    fn is_opaque(&self) -> bool {
        self.has_media && !self.has_movie && self.count == 2 && self.media.is_other_data()
    }

    /// Whether these are stray bytes after the last box, which players ignore. Without an announced length they cannot
    /// be distinguished from a truncated box.
    fn is_in_tail(&self, length: Length) -> bool {
        length == Length::Announced && (!self.header.is_empty() || !is_outermost(self.name))
    }

    fn read_header(&mut self) {
        let Some((size, name)) = self.size_and_name() else { return };
        let length = self.header.len() as u64;
        self.header.clear();
        let end = size.checked_sub(length).and_then(|rest| self.passed.checked_add(rest));
        let is_named = name.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xA9));
        match end {
            _ if !is_named => return self.set_not_boxes(),
            Some(end) => self.next = end,
            None if size != TO_THE_END => return self.set_not_boxes(),
            None if name == *b"moov" => {
                self.next = self.passed;
                self.state = CheckState::OpenMovie;
            }
            None => self.state = CheckState::Open,
        }
        self.name = name;
        self.count += 1;
        self.media.has_short_ftyp |= name == *b"ftyp" && size == FTYP_OF_TWO;
        self.has_movie |= name == *b"moov";
        if name == *b"moof" {
            self.expects_media = true;
        }
        if name == *b"mdat" {
            if !self.has_media {
                self.media.length = self.next.saturating_sub(self.passed);
            }
            (self.has_media, self.expects_media) = (true, false);
        }
    }

    /// `None` while the header is incomplete.
    fn size_and_name(&self) -> Option<(u64, [u8; 4])> {
        let short = u32::from_be_bytes(*self.header.first_chunk()?);
        let name = *self.header.get(4..)?.first_chunk()?;
        if short == LONG {
            let long = self.header.get(SHORT_HEADER..LONG_HEADER)?.first_chunk()?;
            return Some((u64::from_be_bytes(*long), name));
        }
        Some((u64::from(short), name))
    }

    fn set_not_boxes(&mut self) {
        // No stray bytes are allowed in a `moov`.
        self.has_movie &= self.state == CheckState::Sized;
        self.state = CheckState::NotBoxes;
    }
}

impl MediaSample {
    fn is_other_data(&self) -> bool {
        self.has_short_ftyp && !self.begins_like_pictures() && !self.begins_like_sound() && !self.has_pattern()
    }

    /// H.264, H.265 (units with a length prefix), AV1, VP9, `ProRes` or MPEG-4 Visual. Each check is narrow enough to
    /// reject random data.
    fn begins_like_pictures(&self) -> bool {
        let Some((unit, [header, ..])) = self.beginning.split_first_chunk() else { return true };
        let unit = u64::from(u32::from_be_bytes(*unit));
        let is_unit = unit > 1 && unit + 4 <= self.length && header & 0x80 == 0;
        let is_vp9 = has_bits(&self.beginning, 0, 0xC0, 0x80) && self.beginning[1..].starts_with(&[0x49, 0x83, 0x42]);
        let is_prores = self.beginning[4..].starts_with(b"icpf");
        let is_visual = self.beginning.starts_with(&[0, 0, 1]);
        is_unit || self.begins_like_av1() || is_vp9 || is_prores || is_visual
    }

    /// An empty temporal delimiter or a short sequence header, followed by the header of another unit.
    fn begins_like_av1(&self) -> bool {
        let next = match self.beginning[..] {
            [0x12, 0, ..] => 2,
            [0x0a, length @ 0..0x20, ..] => 2 + usize::from(length),
            _ => return false,
        };
        has_bits(&self.beginning, next, 0x87, 0x02)
    }

    /// AAC of libavcodec, or MP3 or AAC with frame headers, which repeat with each frame.
    fn begins_like_sound(&self) -> bool {
        let data = &self.beginning[..];
        let is_sync = data.starts_with(&[0xff]) && has_bits(data, 1, 0xe0, 0xe0);
        let repeats = || data.windows(2).skip(2).any(|pair| pair == &data[..2]);
        let is_named = data.windows(4).take(16).any(|window| window == b"Lavc");
        is_named || data.starts_with(b"ID3") || is_sync && repeats()
    }

    /// Whether this is text, zeros or the like. Coded and encrypted data use all byte values equally.
    fn has_pattern(&self) -> bool {
        let data = &self.beginning[..self.beginning.len().min(PATTERN_LENGTH)];
        let mut seen = [false; 256];
        for byte in data {
            seen[usize::from(*byte)] = true;
        }
        let is_text = data.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
        is_text || seen.iter().filter(|seen| **seen).count() * 2 < data.len()
    }
}

/// Whether the byte at this index has these bits; true beyond the end.
fn has_bits(data: &[u8], at: usize, mask: u8, bits: u8) -> bool {
    data.get(at).is_none_or(|byte| byte & mask == bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern.
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        let states = std::iter::successors(Some(0x8f11_d207_u32), next);
        states.map(|state| state.to_be_bytes()[0]).take(length).collect()
    }

    #[test]
    fn a_video_without_moov_is_distinguished_from_other_data() {
        let ftyp = boxed(FTYP, b"isom\0\0\0\0isommp42");
        let with = |media: &[u8]| [ftyp.clone(), boxed(MDAT, media)].concat();
        let mp3 = [&b"\xff\xfb\x90\x64"[..], &noise(413), b"\xff\xfb\x90\x64", &noise(413)].concat();
        let adts = [&b"\xff\xf1\x50\x80"[..], &noise(300), b"\xff\xf1\x50\x80", &noise(300)].concat();
        for coded in [
            &b"\0\0\x01\x04\x06\x05\xff\xff"[..],
            b"\0\0\x01\x03\x40\x01\x0c",
            b"\x12\0\x0a\x0b\0",
            b"\x0a\x03\0\0\0\x32",
            b"\x82\x49\x83\x42\0",
            b"\0\x01\x23\x45icpf",
            b"\0\0\x01\xb0\x01",
            b"\xde\x02\0Lavc58.134.100\0",
            b"ID3\x04\0",
            &mp3,
            &adts,
        ] {
            for length in [Length::Announced, Length::Unknown] {
                let video = with(&[coded, &noise(1000)].concat());
                assert_eq!(defect_of(&video, length), Some(Mp4Defect::NoMoov), "{coded:?}");
            }
        }
        for plain in
            [vec![], vec![0; 2000], b"<html>error</html>".repeat(30), b"words, words ".to_vec(), vec![0xa5; 99]]
        {
            assert_eq!(defect_of(&with(&plain), Length::Announced), Some(Mp4Defect::NoMoov), "{plain:?}");
        }
        for size in [16, 100, 300, 5000] {
            let other = with(&noise(size));
            assert_eq!(defect_of(&other, Length::Announced), None, "{size}");
            assert_eq!(defect_of(&other, Length::Unknown), Some(Mp4Defect::NoMoov));
            assert_eq!(defect_of(&other[..other.len() - 1], Length::Announced), Some(Mp4Defect::Truncated));
            let media = boxed(MDAT, &noise(size));
            for (before, between) in
                [(&ftyp, file(&[*b"free"])), (&boxed(FTYP, b"isom\0\0\x02\0isomiso2avc1mp41"), vec![])]
            {
                let video = [&before[..], &between, &media].concat();
                assert_eq!(defect_of(&video, Length::Announced), Some(Mp4Defect::NoMoov));
            }
        }
        let no_unit = with(&[&b"\0\x48\x71\x5f\x47 longer than all"[..], &noise(100)].concat());
        assert_eq!(defect_of(&no_unit, Length::Announced), None);
    }

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + SHORT_HEADER).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    fn file(names: &[[u8; 4]]) -> Vec<u8> {
        names.iter().flat_map(|name| boxed(*name, b"content")).collect()
    }

    fn defect_of(bytes: &[u8], length: Length) -> Option<Mp4Defect> {
        let defects: Vec<_> = [1, 3, 7, 8, 1000]
            .into_iter()
            .map(|step| {
                let mut check = Mp4Check::default();
                bytes.chunks(step).for_each(|chunk| check.push(chunk));
                check.defect(length)
            })
            .collect();
        assert!(defects.windows(2).all(|pair| pair[0] == pair[1]), "the same in all steps: {defects:?}");
        defects[0]
    }

    const MOOV: [u8; 4] = *b"moov";
    const MDAT: [u8; 4] = *b"mdat";
    const MOOF: [u8; 4] = *b"moof";
    const FTYP: [u8; 4] = *b"ftyp";

    #[test]
    fn only_a_video_with_all_its_boxes_is_whole() {
        for names in [
            &[FTYP, MDAT, MOOV][..],
            &[FTYP, MOOV, MDAT],
            &[FTYP, *b"free", MDAT, MDAT, *b"uuid", MOOV],
            &[FTYP, MOOV, *b"sidx", MOOF, MDAT],
            &[FTYP, MOOV, *b"new1", MDAT],
        ] {
            let whole = file(names);
            for length in [Length::Announced, Length::Unknown] {
                assert_eq!(defect_of(&whole, length), None);
                for end in 0..whole.len() {
                    assert!(defect_of(&whole[..end], length).is_some(), "{names:?}, {end} bytes");
                }
            }
        }
    }

    #[test]
    fn the_defect_names_what_is_missing() {
        let cases = [
            (file(&[FTYP]), Mp4Defect::NoMoov),
            (file(&[FTYP, MDAT]), Mp4Defect::NoMoov),
            (file(&[FTYP, MOOF, MDAT]), Mp4Defect::NoMoov),
            (file(&[FTYP, *b"meta", MDAT]), Mp4Defect::NoMoov),
            (file(&[FTYP, MOOV]), Mp4Defect::NoMdat),
            (file(&[FTYP, MOOV, MOOF]), Mp4Defect::Truncated),
            (file(&[FTYP, MOOV, MOOF, MDAT, MOOF]), Mp4Defect::Truncated),
            ([file(&[FTYP]), b"\0\0\0\0mdat to the end".to_vec()].concat(), Mp4Defect::NoMoov),
            ([file(&[FTYP]), vec![0; 100]].concat(), Mp4Defect::NotBoxes),
            ([file(&[FTYP]), b"\0\0\0\x07mdat".to_vec()].concat(), Mp4Defect::NotBoxes),
            ([file(&[FTYP]), b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()].concat(), Mp4Defect::NotBoxes),
            ([file(&[FTYP]), b"<!doctype html><p>not here".to_vec()].concat(), Mp4Defect::Truncated),
        ];
        for (bytes, expected) in cases {
            for length in [Length::Announced, Length::Unknown] {
                assert_eq!(defect_of(&bytes, length), Some(expected), "{:?}", String::from_utf8_lossy(&bytes));
            }
        }
    }

    #[test]
    fn sizes_of_64_bits_are_read() {
        let long = [&b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x18payload!"[..], &file(&[MOOV])].concat();
        assert_eq!(defect_of(&long, Length::Unknown), None);
        assert_eq!(defect_of(&long[..23], Length::Unknown), Some(Mp4Defect::Truncated));
    }

    #[test]
    fn a_last_box_may_reach_to_the_end() {
        let bytes = [file(&[FTYP, MOOV]), b"\0\0\0\0mdat and so on".to_vec()].concat();
        let header = file(&[FTYP, MOOV]).len() + SHORT_HEADER;
        assert!((header..=bytes.len()).all(|end| defect_of(&bytes[..end], Length::Unknown).is_none()));
    }

    #[test]
    fn a_moov_that_reaches_to_the_end_ends_with_its_last_child() {
        let children = file(&[*b"mvhd", *b"trak"]);
        let bytes = [file(&[FTYP, MDAT]), b"\0\0\0\0moov".to_vec(), children.clone()].concat();
        for length in [Length::Announced, Length::Unknown] {
            assert_eq!(defect_of(&bytes, length), None);
            assert_eq!(defect_of(&bytes[..bytes.len() - 3], length), Some(Mp4Defect::Truncated));
            assert_eq!(defect_of(&bytes[..bytes.len() - children.len() + 5], length), Some(Mp4Defect::Truncated));
        }
        assert_eq!(defect_of(&[bytes, vec![0; 9]].concat(), Length::Announced), Some(Mp4Defect::NotBoxes));
    }

    #[test]
    fn stray_bytes_after_the_last_box_are_accepted_with_a_known_length() {
        for (tail, without_length) in [
            (&b"\0\0\0\0"[..], Some(Mp4Defect::Truncated)),
            (b"abc", Some(Mp4Defect::Truncated)),
            (b"TAG garbage garbage", Some(Mp4Defect::Truncated)),
            (b"\0\0\0\x02\0\0\0\0 and zeros", None),
        ] {
            let bytes = [file(&[FTYP, MDAT, MOOV]), tail.to_vec()].concat();
            assert_eq!(defect_of(&bytes, Length::Announced), None, "{tail:?}");
            assert_eq!(defect_of(&bytes, Length::Unknown), without_length, "{tail:?}");
        }
        let cut = [file(&[FTYP, MDAT, MOOV]), b"\0\0\0\x20free cut".to_vec()].concat();
        assert_eq!(defect_of(&cut, Length::Announced), Some(Mp4Defect::Truncated));
    }

    #[test]
    fn bytes_that_can_never_be_a_video_are_recognised_at_once() {
        let cannot_be_video = |bytes: &[u8]| {
            let mut check = Mp4Check::default();
            check.push(bytes);
            check.cannot_be_video()
        };
        assert!(cannot_be_video(&[file(&[FTYP]), vec![0; 8]].concat()));
        assert!(!cannot_be_video(&file(&[FTYP, MDAT])));
        assert!(!cannot_be_video(&[file(&[FTYP, MDAT, MOOV]), vec![0; 8]].concat()));
    }
}
