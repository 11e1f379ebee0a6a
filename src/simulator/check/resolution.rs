//! Resolutions of videos.

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Resolution {
    #[default]
    P480,
    P720,
    P1080,
}
