//! Whether an MP4 file is whole and has what a player needs, judged by its outermost boxes while they pass.

use crate::media::mp4::is_outermost;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends inside a box, or before the data that a box announced.
    Cut,
    /// It has no `moov`, without which no player knows what the data mean.
    NoMovie,
    /// It has no `mdat`.
    NoMedia,
    /// Its bytes are no boxes.
    Foreign,
}

impl Flaw {
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
enum State {
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
    state: State,
    /// The box that was begun last.
    name: [u8; 4],
    has_movie: bool,
    has_media: bool,
    /// A fragment was described whose data have not begun.
    expects_media: bool,
    media: Media,
}

/// What tells coded pictures from other data.
#[derive(Debug, Default)]
struct Media {
    /// Whether the file names the formats that it is compatible with, as writers of video do.
    names_formats: bool,
    /// How the first `mdat` begins.
    beginning: Vec<u8>,
    /// How long its content is.
    length: u64,
}

/// As much of the media as tells coded pictures from other data.
const MEDIA_BEGINNING: usize = 5;
/// A `ftyp` without a list of compatible formats.
const BARE_FTYP: u64 = 16;
const SHORT_HEADER: usize = 8;
const LONG_HEADER: usize = 16;
/// A size that says: the size stands behind the type, in 64 bits.
const LONG: u32 = 1;
/// A size that says: up to the end of the file.
const TO_THE_END: u64 = 0;

impl Boxes {
    /// Follows the next bytes of the file.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while matches!(self.state, State::Sized | State::OpenMovie) && !bytes.is_empty() {
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
    pub(super) fn flaw(&self, length: Length) -> Option<Flaw> {
        let is_complete = self.has_movie && self.has_media && !self.expects_media;
        let is_between_boxes = self.header.is_empty() && self.passed == self.next;
        match self.state {
            State::Foreign if is_complete => None,
            State::Foreign => Some(Flaw::Foreign),
            State::Sized if !is_between_boxes && is_complete && self.is_in_tail(length) => None,
            State::Sized | State::OpenMovie if !is_between_boxes => Some(Flaw::Cut),
            State::Sized if self.is_opaque() && length == Length::Announced => None,
            _ if !self.has_movie => Some(Flaw::NoMovie),
            _ if !self.has_media && !self.expects_media => Some(Flaw::NoMedia),
            _ => self.expects_media.then_some(Flaw::Cut),
        }
    }

    /// Whether no bytes that may still come can make this a video.
    pub(super) fn is_hopeless(&self) -> bool {
        self.flaw(Length::Unknown) == Some(Flaw::Foreign)
    }

    fn look_at(&mut self, content: &[u8]) {
        if self.name == *b"mdat" && self.media.beginning.len() < MEDIA_BEGINNING {
            self.media.beginning.extend(content.iter().take(MEDIA_BEGINNING - self.media.beginning.len()));
        }
    }

    /// Whether it is a container of other data than coded pictures, complete as far as its boxes go: a video whose
    /// `moov` was cut off holds coded pictures, and a service that delivers something else will not deliver better.
    fn is_opaque(&self) -> bool {
        self.has_media && !self.has_movie && self.media.is_foreign()
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
                self.state = State::OpenMovie;
            }
            None => self.state = State::Open,
        }
        self.name = name;
        self.media.names_formats |= name == *b"ftyp" && size > BARE_FTYP;
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
        self.has_movie &= self.state == State::Sized;
        self.state = State::Foreign;
    }
}

impl Media {
    fn is_foreign(&self) -> bool {
        self.names_formats && !self.begins_like_pictures()
    }

    /// Whether they begin like H.264 or H.265, whose units follow their length, or like AV1.
    fn begins_like_pictures(&self) -> bool {
        let Some((unit, [header, ..])) = self.beginning.split_first_chunk() else { return true };
        let unit = u64::from(u32::from_be_bytes(*unit));
        let is_unit = unit > 1 && unit + 4 <= self.length && header & 0x80 == 0;
        is_unit || self.beginning.starts_with(&[0x12, 0x00]) || matches!(self.beginning[..], [0x0a, 0..0x20, ..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_whose_moov_was_cut_off_is_told_from_other_data() {
        let ftyp = boxed(FTYP, b"isom\0\0\x02\0isommp42");
        let with = |media: &[u8]| [ftyp.clone(), boxed(MDAT, media)].concat();
        for pictures in
            [&b"\0\0\0\x04\x06\x05\xff\xff"[..], b"\0\0\0\x03\x40\x01\x0c", b"\x12\0\x0a\x0b\0", b"\x0a\x0a\0\0\0", b""]
        {
            for length in [Length::Announced, Length::Unknown] {
                assert_eq!(flaw(&with(pictures), length), Some(Flaw::NoMovie), "{pictures:?}");
            }
        }
        assert_eq!(flaw(&with(b"\0\x48\x71\x5f\x47 longer than all"), Length::Announced), None);
        let other = with(b"\x8f\x11\xd2\x07 and other data");
        assert_eq!(flaw(&other, Length::Announced), None);
        assert_eq!(flaw(&other, Length::Unknown), Some(Flaw::NoMovie));
        assert_eq!(flaw(&other[..other.len() - 1], Length::Announced), Some(Flaw::Cut));
    }

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + SHORT_HEADER).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    fn file(names: &[[u8; 4]]) -> Vec<u8> {
        names.iter().flat_map(|name| boxed(*name, b"content")).collect()
    }

    fn flaw(bytes: &[u8], length: Length) -> Option<Flaw> {
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
            (file(&[FTYP]), Flaw::NoMovie),
            (file(&[FTYP, MDAT]), Flaw::NoMovie),
            (file(&[FTYP, MOOF, MDAT]), Flaw::NoMovie),
            (file(&[FTYP, *b"meta", MDAT]), Flaw::NoMovie),
            (file(&[FTYP, MOOV]), Flaw::NoMedia),
            (file(&[FTYP, MOOV, MOOF]), Flaw::Cut),
            (file(&[FTYP, MOOV, MOOF, MDAT, MOOF]), Flaw::Cut),
            ([file(&[FTYP]), b"\0\0\0\0mdat to the end".to_vec()].concat(), Flaw::NoMovie),
            ([file(&[FTYP]), vec![0; 100]].concat(), Flaw::Foreign),
            ([file(&[FTYP]), b"\0\0\0\x07mdat".to_vec()].concat(), Flaw::Foreign),
            ([file(&[FTYP]), b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()].concat(), Flaw::Foreign),
            ([file(&[FTYP]), b"<!doctype html><p>not here".to_vec()].concat(), Flaw::Cut),
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
        assert_eq!(flaw(&long[..23], Length::Unknown), Some(Flaw::Cut));
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
            assert_eq!(flaw(&bytes[..bytes.len() - 3], length), Some(Flaw::Cut));
            assert_eq!(flaw(&bytes[..bytes.len() - children.len() + 5], length), Some(Flaw::Cut));
        }
        assert_eq!(flaw(&[bytes, vec![0; 9]].concat(), Length::Announced), Some(Flaw::Foreign));
    }

    #[test]
    fn a_tail_behind_the_last_box_does_no_harm_where_the_length_is_known() {
        for (tail, without_length) in [
            (&b"\0\0\0\0"[..], Some(Flaw::Cut)),
            (b"abc", Some(Flaw::Cut)),
            (b"TAG garbage garbage", Some(Flaw::Cut)),
            (b"\0\0\0\x02\0\0\0\0 and zeros", None),
        ] {
            let bytes = [file(&[FTYP, MDAT, MOOV]), tail.to_vec()].concat();
            assert_eq!(flaw(&bytes, Length::Announced), None, "{tail:?}");
            assert_eq!(flaw(&bytes, Length::Unknown), without_length, "{tail:?}");
        }
        let cut = [file(&[FTYP, MDAT, MOOV]), b"\0\0\0\x20free cut".to_vec()].concat();
        assert_eq!(flaw(&cut, Length::Announced), Some(Flaw::Cut));
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
