//! The video clips that the simulator serves.

macro_rules! clips {
    ($($ratio:literal $name:literal),* $(,)?) => {
        [$(($ratio, include_bytes!(concat!("clips/", $name, ".mp4")).as_slice())),*]
    };
}

/// The longest clip, in seconds.
pub(super) const MAX_SECONDS: u32 = 25;
const FRAMES_PER_SECOND: u32 = 8;
/// Units per second in the headers of the file and of its track.
const FILE_TIMESCALE: u32 = 1000;
const TRACK_TIMESCALE: u32 = 16_384;

/// The longest clip of each aspect ratio; shorter clips are its beginning.
static CLIPS: [(&str, &[u8]); 9] = clips! {
    "16:9" "16x9", "1:1" "1x1", "9:16" "9x16", "4:3" "4x3", "3:4" "3x4", "3:2" "3x2", "2:3" "2x3", "21:9" "21x9",
    "5:2" "5x2",
};

/// For unknown aspect ratios.
pub(super) const DEFAULT_RATIO: &str = "16:9";

pub(super) fn ratio(name: &str) -> Option<&'static str> {
    CLIPS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

pub(super) fn nearest_ratio(width: u32, height: u32) -> &'static str {
    let own = f64::from(width) / f64::from(height);
    let distance = |name: &str| (own / proportion(name)).ln().abs();
    let nearest = CLIPS.iter().map(|(name, _)| *name).min_by(|one, other| distance(one).total_cmp(&distance(other)));
    nearest.unwrap_or(DEFAULT_RATIO)
}

fn proportion(name: &str) -> f64 {
    let (width, height) = name.split_once(':').unwrap_or_default();
    let number = |text: &str| text.parse::<f64>().unwrap_or(1.0);
    number(width) / number(height)
}

/// A clip of this aspect ratio (16:9 if it is unknown) and length.
pub(super) fn clip(ratio: &str, seconds: u32) -> Vec<u8> {
    let whole = CLIPS.iter().find(|(known, _)| *known == ratio).map_or(CLIPS[0].1, |(_, clip)| clip);
    shortened(whole, seconds.clamp(1, MAX_SECONDS)).unwrap_or_else(|| whole.to_vec())
}

/// The beginning of a clip of `make.py`, which has one track, one chunk and one key frame. No box moves: a `free` box
/// replaces the frame sizes that are removed.
fn shortened(whole: &[u8], seconds: u32) -> Option<Vec<u8>> {
    let mut clip = Mp4(whole.to_vec());
    let frames = seconds * FRAMES_PER_SECOND;
    for (kind, offset, value) in [
        (b"mvhd", 16, seconds * FILE_TIMESCALE),
        (b"tkhd", 20, seconds * FILE_TIMESCALE),
        (b"elst", 8, seconds * FILE_TIMESCALE),
        (b"mdhd", 16, seconds * TRACK_TIMESCALE),
        (b"stts", 8, frames),
        (b"stsc", 12, frames),
        (b"stsz", 8, frames),
    ] {
        let at = clip.content(kind)? + offset;
        clip.set(at, value)?;
    }
    let table = clip.content(b"stsz")?;
    let rest = table + 12 + 4 * index(frames)?;
    let length: u32 = (table + 12..rest).step_by(4).map(|at| clip.get(at)).sum::<Option<u32>>()?;
    clip.set(table - 8, 20 + 4 * frames)?;
    if seconds < MAX_SECONDS {
        clip.set(rest, 4 * (MAX_SECONDS * FRAMES_PER_SECOND - frames))?;
        clip.set(rest + 4, u32::from_be_bytes(*b"free"))?;
    }
    let media = clip.content(b"mdat")?;
    clip.set(media - 8, 8 + length)?;
    clip.0.truncate(media + index(length)?);
    Some(clip.0)
}

fn index(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

struct Mp4(Vec<u8>);

impl Mp4 {
    /// The offset of the content of the first box of this type.
    fn content(&self, kind: &[u8]) -> Option<usize> {
        Some(self.0.windows(4).position(|window| window == kind)? + 4)
    }

    fn get(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn set(&mut self, at: usize, number: u32) -> Option<()> {
        *self.0.get_mut(at..)?.first_chunk_mut()? = number.to_be_bytes();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_is_a_distinct_mp4() {
        let mut seen = std::collections::HashSet::new();
        for (ratio, whole) in &CLIPS {
            for seconds in 1..=MAX_SECONDS {
                let bytes = clip(ratio, seconds);
                assert_eq!(&bytes[4..8], b"ftyp", "{ratio} {seconds}");
                let clip = Mp4(bytes.clone());
                let media = clip.content(b"mdat").unwrap();
                assert_eq!(clip.get(media - 8), u32::try_from(bytes.len() - media + 8).ok(), "{ratio} {seconds}");
                let timescales = (FILE_TIMESCALE, TRACK_TIMESCALE);
                let read = |kind: &[u8]| clip.get(clip.content(kind).unwrap() + 12).unwrap();
                assert_eq!((read(b"mvhd"), read(b"mdhd")), timescales);
                assert!(seen.insert(bytes), "{ratio} {seconds}");
            }
            assert_eq!(clip(ratio, MAX_SECONDS), *whole);
        }
        assert_eq!(seen.len(), 225);
    }

    #[test]
    fn lengths_are_clamped_to_the_available_ones() {
        assert_eq!(clip("1:1", 0), clip("1:1", 1));
        assert_eq!(clip("1:1", 99), clip("1:1", MAX_SECONDS));
        assert_eq!(clip("5:4", 3), clip("16:9", 3));
        assert_eq!((ratio("2:3"), ratio("5:2"), ratio("5:4")), (Some("2:3"), Some("5:2"), None));
    }

    #[test]
    fn a_size_maps_to_the_nearest_ratio() {
        let cases = [
            (1920, 1080, "16:9"),
            (1080, 1920, "9:16"),
            (4000, 100, "5:2"),
            (2560, 1080, "21:9"),
            (2500, 1000, "5:2"),
            (203, 100, "16:9"),
            (204, 100, "21:9"),
            (1, 4_000_000_000, "9:16"),
            (1000, 1001, "1:1"),
            (5, 4, "4:3"),
            (4, 5, "3:4"),
            (1500, 1000, "3:2"),
            (1000, 1500, "2:3"),
            (164, 100, "16:9"),
            (163, 100, "3:2"),
        ];
        for (width, height, expected) in cases {
            assert_eq!(nearest_ratio(width, height), expected, "{width} x {height}");
        }
    }
}
