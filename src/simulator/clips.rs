//! The videos that are served.

macro_rules! clips {
    ($($ratio:literal $name:literal),* $(,)?) => {
        [$(($ratio, [
            include_bytes!(concat!("clips/", $name, "-01.mp4")).as_slice(),
            include_bytes!(concat!("clips/", $name, "-02.mp4")),
            include_bytes!(concat!("clips/", $name, "-03.mp4")),
            include_bytes!(concat!("clips/", $name, "-04.mp4")),
            include_bytes!(concat!("clips/", $name, "-05.mp4")),
            include_bytes!(concat!("clips/", $name, "-06.mp4")),
            include_bytes!(concat!("clips/", $name, "-07.mp4")),
            include_bytes!(concat!("clips/", $name, "-08.mp4")),
            include_bytes!(concat!("clips/", $name, "-09.mp4")),
            include_bytes!(concat!("clips/", $name, "-10.mp4")),
            include_bytes!(concat!("clips/", $name, "-11.mp4")),
            include_bytes!(concat!("clips/", $name, "-12.mp4")),
            include_bytes!(concat!("clips/", $name, "-13.mp4")),
            include_bytes!(concat!("clips/", $name, "-14.mp4")),
            include_bytes!(concat!("clips/", $name, "-15.mp4")),
            include_bytes!(concat!("clips/", $name, "-16.mp4")),
            include_bytes!(concat!("clips/", $name, "-17.mp4")),
            include_bytes!(concat!("clips/", $name, "-18.mp4")),
            include_bytes!(concat!("clips/", $name, "-19.mp4")),
            include_bytes!(concat!("clips/", $name, "-20.mp4")),
            include_bytes!(concat!("clips/", $name, "-21.mp4")),
            include_bytes!(concat!("clips/", $name, "-22.mp4")),
            include_bytes!(concat!("clips/", $name, "-23.mp4")),
            include_bytes!(concat!("clips/", $name, "-24.mp4")),
            include_bytes!(concat!("clips/", $name, "-25.mp4")),
        ])),*]
    };
}

/// The longest clip, in seconds.
pub(super) const LONGEST: u32 = 25;

/// By aspect ratio, then by seconds from 1.
static CLIPS: [(&str, [&[u8]; LONGEST as usize]); 9] = clips! {
    "16:9" "16x9", "1:1" "1x1", "9:16" "9x16", "4:3" "4x3", "3:4" "3x4", "3:2" "3x2", "2:3" "2x3", "21:9" "21x9",
    "5:2" "5x2",
};

/// The aspect ratio of what has none that is known.
pub(super) const WIDE: &str = "16:9";

/// The aspect ratio by its name, if there are clips of it.
pub(super) fn ratio(name: &str) -> Option<&'static str> {
    CLIPS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// The aspect ratio nearest to that of a picture of this size.
pub(super) fn nearest_ratio(width: u32, height: u32) -> &'static str {
    let own = f64::from(width) / f64::from(height);
    let distance = |name: &str| (own / proportion(name)).ln().abs();
    let nearest = CLIPS.iter().map(|(name, _)| *name).min_by(|one, other| distance(one).total_cmp(&distance(other)));
    nearest.unwrap_or(WIDE)
}

fn proportion(name: &str) -> f64 {
    let (width, height) = name.split_once(':').unwrap_or_default();
    let number = |text: &str| text.parse::<f64>().unwrap_or(1.0);
    number(width) / number(height)
}

/// A clip of this aspect ratio (16:9 if there is none such) and length.
pub(super) fn clip(ratio: &str, seconds: u32) -> &'static [u8] {
    let clips = CLIPS.iter().find(|(known, _)| *known == ratio).map_or(&CLIPS[0].1, |(_, clips)| clips);
    let at = usize::try_from(seconds).unwrap_or(usize::MAX).clamp(1, clips.len()) - 1;
    clips[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_is_an_mp4_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for (ratio, clips) in &CLIPS {
            for (at, clip) in clips.iter().enumerate() {
                assert_eq!(&clip[4..8], b"ftyp", "{ratio} {at}");
                assert!(seen.insert(*clip), "{ratio} {at}");
            }
        }
        assert_eq!(seen.len(), 225);
    }

    #[test]
    fn lengths_are_held_within_what_there_is() {
        assert_eq!(clip("1:1", 0), clip("1:1", 1));
        assert_eq!(clip("1:1", 99), clip("1:1", LONGEST));
        assert_eq!(clip("5:4", 3), clip("16:9", 3));
        assert_eq!((ratio("2:3"), ratio("5:2"), ratio("5:4")), (Some("2:3"), Some("5:2"), None));
    }

    #[test]
    fn the_nearest_ratio() {
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
