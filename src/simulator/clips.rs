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
        ])),*]
    };
}

/// By aspect ratio, then by seconds from 1.
static CLIPS: [(&str, [&[u8]; 15]); 7] = clips! {
    "16:9" "16x9", "1:1" "1x1", "9:16" "9x16", "4:3" "4x3", "3:4" "3x4", "3:2" "3x2", "2:3" "2x3",
};

/// Whether there are clips of this aspect ratio.
pub(super) fn has_ratio(ratio: &str) -> bool {
    CLIPS.iter().any(|(known, _)| *known == ratio)
}

/// A clip of this aspect ratio (16:9 if there is none such) and length.
pub(super) fn clip(ratio: &str, seconds: u64) -> &'static [u8] {
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
        assert_eq!(seen.len(), 105);
    }

    #[test]
    fn lengths_are_held_within_what_there_is() {
        assert_eq!(clip("1:1", 0), clip("1:1", 1));
        assert_eq!(clip("1:1", 99), clip("1:1", 15));
        assert_eq!(clip("5:4", 3), clip("16:9", 3));
        assert!(has_ratio("2:3") && !has_ratio("5:4"));
    }
}
