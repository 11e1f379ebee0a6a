//! Whether an MP4 file is whole and has what a player needs, judged by its outermost boxes while they pass.

use crate::media::isobmff::is_outermost;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mp4Defect {
    /// It ends inside a box, or before the data that a box announced.
    Cut,
    /// It has no `moov`, without which no player knows what the data mean.
    NoMovie,
    /// It has no `mdat`.
    NoMedia,
    /// Its bytes are no boxes.
    Foreign,
}

impl Mp4Defect {
    /// The words that follow "the file".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Cut => "ends in the middle of the video",
            Self::NoMovie => "has no moov box, without which no player can read it",
            Self::NoMedia => "has no mdat box, so that it holds no pictures",
            Self::Foreign => "begins like an MP4 file and does not go on like one",
        }
    }
}

/// Whether the server announced how long the file is.
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
    /// What follows are no boxes.
    Foreign,
}

/// The outermost boxes of a file, followed while its bytes pass.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    passed: u64,
    /// Where the next box begins.
    next: u64,
    header: Vec<u8>,
    state: CheckState,
    /// The box that was begun last.
    name: [u8; 4],
    /// How many were begun.
    count: usize,
    has_movie: bool,
    has_media: bool,
    /// A fragment was described whose data have not begun.
    expects_media: bool,
    media: Media,
}

/// What tells coded pictures and sound from other data.
#[derive(Debug, Default)]
struct Media {
    /// Whether the file is described by the shortest list of formats that writers of whole files use.
    names_formats: bool,
    /// How the first `mdat` begins.
    beginning: Vec<u8>,
    /// How long its content is.
    length: u64,
}

/// As much of the media as tells coded pictures and sound from other data: two frames of MP3.
const MEDIA_BEGINNING: usize = 2048;
/// As much of it as must have no pattern.
const PATTERN: usize = 256;
/// A `ftyp` with two compatible formats.
const FTYP_OF_TWO: u64 = 24;
const SHORT_HEADER: usize = 8;
const LONG_HEADER: usize = 16;
/// A size that says: the size stands behind the type, in 64 bits.
const LONG: u32 = 1;
/// A size that says: up to the end of the file.
const TO_THE_END: u64 = 0;

impl Boxes {
    /// Follows the next bytes of the file.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while matches!(self.state, CheckState::Sized | CheckState::OpenMovie) && !bytes.is_empty() {
            let skipped = self.next.saturating_sub(self.passed).min(bytes.len() as u64);
            self.passed += skipped;
            // No longer than `bytes`, so it fits.
            let (content, rest) = bytes.split_at(usize::try_from(skipped).unwrap_or(bytes.len()));
            self.look_at(content);
            bytes = rest;
            let Some((first, rest)) = bytes.split_first() else { return };
            self.header.push(*first);
            self.passed += 1;
            bytes = rest;
            self.read_header();
        }
    }

    /// What is wrong with the file, should it end here.
    pub(super) fn flaw(&self, length: Length) -> Option<Mp4Defect> {
        let is_complete = self.has_movie && self.has_media && !self.expects_media;
        let is_between_boxes = self.header.is_empty() && self.passed == self.next;
        match self.state {
            CheckState::Foreign if is_complete => None,
            CheckState::Foreign => Some(Mp4Defect::Foreign),
            CheckState::Sized if !is_between_boxes && is_complete && self.is_in_tail(length) => None,
            CheckState::Sized | CheckState::OpenMovie if !is_between_boxes => Some(Mp4Defect::Cut),
            CheckState::Sized if self.is_opaque() && length == Length::Announced => None,
            _ if !self.has_movie => Some(Mp4Defect::NoMovie),
            _ if !self.has_media && !self.expects_media => Some(Mp4Defect::NoMedia),
            _ => self.expects_media.then_some(Mp4Defect::Cut),
        }
    }

    /// Whether no bytes that may still come can make this a video.
    pub(super) fn is_hopeless(&self) -> bool {
        self.flaw(Length::Unknown) == Some(Mp4Defect::Foreign)
    }

    fn look_at(&mut self, content: &[u8]) {
        if self.name == *b"mdat" && self.media.beginning.len() < MEDIA_BEGINNING {
            self.media.beginning.extend(content.iter().take(MEDIA_BEGINNING - self.media.beginning.len()));
        }
    }

    /// Whether it is a container of other data than pictures or sound, and of nothing beside them, complete as far as
    /// its boxes go: a service that delivers such a file in place of a video will not deliver a better one. Writers of
    /// video put a `free` or `wide` before their data, so that a film whose `moov` was cut off has one more box.
    fn is_opaque(&self) -> bool {
        self.has_media && !self.has_movie && self.count == 2 && self.media.is_foreign()
    }

    /// Some bytes after the last box do no harm: players pass over them. Where no length was announced,
    /// they are told from a box that was cut off by nothing.
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
            _ if !is_named => return self.turn_foreign(),
            Some(end) => self.next = end,
            None if size != TO_THE_END => return self.turn_foreign(),
            None if name == *b"moov" => {
                self.next = self.passed;
                self.state = CheckState::OpenMovie;
            }
            None => self.state = CheckState::Open,
        }
        self.name = name;
        self.count += 1;
        self.media.names_formats |= name == *b"ftyp" && size == FTYP_OF_TWO;
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

    /// Of a header that is complete.
    fn size_and_name(&self) -> Option<(u64, [u8; 4])> {
        let short = u32::from_be_bytes(*self.header.first_chunk()?);
        let name = *self.header.get(4..)?.first_chunk()?;
        if short == LONG {
            let long = self.header.get(SHORT_HEADER..LONG_HEADER)?.first_chunk()?;
            return Some((u64::from_be_bytes(*long), name));
        }
        Some((u64::from(short), name))
    }

    fn turn_foreign(&mut self) {
        // In a `moov` there is no tail.
        self.has_movie &= self.state == CheckState::Sized;
        self.state = CheckState::Foreign;
    }
}

impl Media {
    fn is_foreign(&self) -> bool {
        self.names_formats && !self.begins_like_pictures() && !self.begins_like_sound() && !self.has_pattern()
    }

    /// Whether they begin like H.264 or H.265, whose units follow their length, or like AV1, VP9, `ProRes` or MPEG-4
    /// Visual. Each check is so narrow that no random data pass it by chance.
    fn begins_like_pictures(&self) -> bool {
        let Some((unit, [header, ..])) = self.beginning.split_first_chunk() else { return true };
        let unit = u64::from(u32::from_be_bytes(*unit));
        let is_unit = unit > 1 && unit + 4 <= self.length && header & 0x80 == 0;
        let is_vp9 = header_of(&self.beginning, 0, 0xC0, 0x80) && self.beginning[1..].starts_with(&[0x49, 0x83, 0x42]);
        let is_prores = self.beginning[4..].starts_with(b"icpf");
        let is_visual = self.beginning.starts_with(&[0, 0, 1]);
        is_unit || self.begins_like_av1() || is_vp9 || is_prores || is_visual
    }

    /// A delimiter of no content or a short sequence header, and the header of another unit behind it.
    fn begins_like_av1(&self) -> bool {
        let next = match self.beginning[..] {
            [0x12, 0, ..] => 2,
            [0x0a, length @ 0..0x20, ..] => 2 + usize::from(length),
            _ => return false,
        };
        header_of(&self.beginning, next, 0x87, 0x02)
    }

    /// Whether they begin like AAC of libavcodec, or like MP3 or AAC with headers, which come again with each frame.
    fn begins_like_sound(&self) -> bool {
        let data = &self.beginning[..];
        let is_sync = data.starts_with(&[0xff]) && header_of(data, 1, 0xe0, 0xe0);
        let comes_again = || data.windows(2).skip(2).any(|pair| pair == &data[..2]);
        let is_named = data.windows(4).take(16).any(|word| word == b"Lavc");
        is_named || data.starts_with(b"ID3") || is_sync && comes_again()
    }

    /// Whether they are text, zeros or the like: coded or encrypted data use all values alike.
    fn has_pattern(&self) -> bool {
        let data = &self.beginning[..self.beginning.len().min(PATTERN)];
        let mut seen = [false; 256];
        for byte in data {
            seen[usize::from(*byte)] = true;
        }
        let is_text = data.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
        is_text || seen.iter().filter(|seen| **seen).count() * 2 < data.len()
    }
}

/// Whether the byte at a place, as far as there is one, has these bits.
fn header_of(data: &[u8], at: usize, mask: u8, bits: u8) -> bool {
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
    fn a_film_without_a_moov_is_told_from_other_data() {
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
                let film = with(&[coded, &noise(1000)].concat());
                assert_eq!(flaw(&film, length), Some(Mp4Defect::NoMovie), "{coded:?}");
            }
        }
        for plain in
            [vec![], vec![0; 2000], b"<html>error</html>".repeat(30), b"words, words ".to_vec(), vec![0xa5; 99]]
        {
            assert_eq!(flaw(&with(&plain), Length::Announced), Some(Mp4Defect::NoMovie), "{plain:?}");
        }
        for size in [16, 100, 300, 5000] {
            let other = with(&noise(size));
            assert_eq!(flaw(&other, Length::Announced), None, "{size}");
            assert_eq!(flaw(&other, Length::Unknown), Some(Mp4Defect::NoMovie));
            assert_eq!(flaw(&other[..other.len() - 1], Length::Announced), Some(Mp4Defect::Cut));
            let media = boxed(MDAT, &noise(size));
            for (before, between) in
                [(&ftyp, file(&[*b"free"])), (&boxed(FTYP, b"isom\0\0\x02\0isomiso2avc1mp41"), vec![])]
            {
                let film = [&before[..], &between, &media].concat();
                assert_eq!(flaw(&film, Length::Announced), Some(Mp4Defect::NoMovie));
            }
        }
        let no_unit = with(&[&b"\0\x48\x71\x5f\x47 longer than all"[..], &noise(100)].concat());
        assert_eq!(flaw(&no_unit, Length::Announced), None);
    }

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + SHORT_HEADER).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    fn file(names: &[[u8; 4]]) -> Vec<u8> {
        names.iter().flat_map(|name| boxed(*name, b"content")).collect()
    }

    fn flaw(bytes: &[u8], length: Length) -> Option<Mp4Defect> {
        let flaws: Vec<_> = [1, 3, 7, 8, 1000]
            .into_iter()
            .map(|step| {
                let mut boxes = Boxes::default();
                bytes.chunks(step).for_each(|chunk| boxes.follow(chunk));
                boxes.flaw(length)
            })
            .collect();
        assert!(flaws.windows(2).all(|pair| pair[0] == pair[1]), "the same in all steps: {flaws:?}");
        flaws[0]
    }

    const MOOV: [u8; 4] = *b"moov";
    const MDAT: [u8; 4] = *b"mdat";
    const MOOF: [u8; 4] = *b"moof";
    const FTYP: [u8; 4] = *b"ftyp";

    #[test]
    fn a_video_is_whole_with_all_its_boxes_and_no_beginning_of_it_is() {
        for names in [
            &[FTYP, MDAT, MOOV][..],
            &[FTYP, MOOV, MDAT],
            &[FTYP, *b"free", MDAT, MDAT, *b"uuid", MOOV],
            &[FTYP, MOOV, *b"sidx", MOOF, MDAT],
            &[FTYP, MOOV, *b"new1", MDAT],
        ] {
            let whole = file(names);
            for length in [Length::Announced, Length::Unknown] {
                assert_eq!(flaw(&whole, length), None);
                for end in 0..whole.len() {
                    assert!(flaw(&whole[..end], length).is_some(), "{names:?}, {end} bytes");
                }
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            (file(&[FTYP]), Mp4Defect::NoMovie),
            (file(&[FTYP, MDAT]), Mp4Defect::NoMovie),
            (file(&[FTYP, MOOF, MDAT]), Mp4Defect::NoMovie),
            (file(&[FTYP, *b"meta", MDAT]), Mp4Defect::NoMovie),
            (file(&[FTYP, MOOV]), Mp4Defect::NoMedia),
            (file(&[FTYP, MOOV, MOOF]), Mp4Defect::Cut),
            (file(&[FTYP, MOOV, MOOF, MDAT, MOOF]), Mp4Defect::Cut),
            ([file(&[FTYP]), b"\0\0\0\0mdat to the end".to_vec()].concat(), Mp4Defect::NoMovie),
            ([file(&[FTYP]), vec![0; 100]].concat(), Mp4Defect::Foreign),
            ([file(&[FTYP]), b"\0\0\0\x07mdat".to_vec()].concat(), Mp4Defect::Foreign),
            ([file(&[FTYP]), b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()].concat(), Mp4Defect::Foreign),
            ([file(&[FTYP]), b"<!doctype html><p>not here".to_vec()].concat(), Mp4Defect::Cut),
        ];
        for (bytes, expected) in cases {
            for length in [Length::Announced, Length::Unknown] {
                assert_eq!(flaw(&bytes, length), Some(expected), "{:?}", String::from_utf8_lossy(&bytes));
            }
        }
    }

    #[test]
    fn sizes_of_64_bits_are_followed() {
        let long = [&b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x18payload!"[..], &file(&[MOOV])].concat();
        assert_eq!(flaw(&long, Length::Unknown), None);
        assert_eq!(flaw(&long[..23], Length::Unknown), Some(Mp4Defect::Cut));
    }

    #[test]
    fn a_last_box_may_reach_to_the_end() {
        let bytes = [file(&[FTYP, MOOV]), b"\0\0\0\0mdat and so on".to_vec()].concat();
        let header = file(&[FTYP, MOOV]).len() + SHORT_HEADER;
        assert!((header..=bytes.len()).all(|end| flaw(&bytes[..end], Length::Unknown).is_none()));
    }

    #[test]
    fn a_moov_that_reaches_to_the_end_ends_with_its_last_child() {
        let children = file(&[*b"mvhd", *b"trak"]);
        let bytes = [file(&[FTYP, MDAT]), b"\0\0\0\0moov".to_vec(), children.clone()].concat();
        for length in [Length::Announced, Length::Unknown] {
            assert_eq!(flaw(&bytes, length), None);
            assert_eq!(flaw(&bytes[..bytes.len() - 3], length), Some(Mp4Defect::Cut));
            assert_eq!(flaw(&bytes[..bytes.len() - children.len() + 5], length), Some(Mp4Defect::Cut));
        }
        assert_eq!(flaw(&[bytes, vec![0; 9]].concat(), Length::Announced), Some(Mp4Defect::Foreign));
    }

    #[test]
    fn a_tail_behind_the_last_box_does_no_harm_where_the_length_is_known() {
        for (tail, without_length) in [
            (&b"\0\0\0\0"[..], Some(Mp4Defect::Cut)),
            (b"abc", Some(Mp4Defect::Cut)),
            (b"TAG garbage garbage", Some(Mp4Defect::Cut)),
            (b"\0\0\0\x02\0\0\0\0 and zeros", None),
        ] {
            let bytes = [file(&[FTYP, MDAT, MOOV]), tail.to_vec()].concat();
            assert_eq!(flaw(&bytes, Length::Announced), None, "{tail:?}");
            assert_eq!(flaw(&bytes, Length::Unknown), without_length, "{tail:?}");
        }
        let cut = [file(&[FTYP, MDAT, MOOV]), b"\0\0\0\x20free cut".to_vec()].concat();
        assert_eq!(flaw(&cut, Length::Announced), Some(Mp4Defect::Cut));
    }

    #[test]
    fn what_can_never_be_a_video_is_known_at_once() {
        let hopeless = |bytes: &[u8]| {
            let mut boxes = Boxes::default();
            boxes.follow(bytes);
            boxes.is_hopeless()
        };
        assert!(hopeless(&[file(&[FTYP]), vec![0; 8]].concat()));
        assert!(!hopeless(&file(&[FTYP, MDAT])));
        assert!(!hopeless(&[file(&[FTYP, MDAT, MOOV]), vec![0; 8]].concat()));
    }
}
