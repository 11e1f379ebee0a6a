//! Inputs: that they are what the service takes, and what is known of them.

use super::content::{self, Size};
use super::read::Source;
use super::{Refusal, Resolution, bad};
use crate::simulator::clips;

/// A film, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::simulator) struct ClipInfo {
    pub(in crate::simulator) seconds: f64,
    pub(in crate::simulator) ratio: &'static str,
    pub(in crate::simulator) resolution: Resolution,
}

/// What the service itself has under a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::simulator) enum OwnFile {
    ClipInfo(ClipInfo),
    /// It is no longer to be had, or never was.
    Gone,
    /// The source is somewhere else.
    Elsewhere,
}

/// Looks a source up among the service's own files.
pub(in crate::simulator) type Lookup<'a> = &'a dyn Fn(Source<'_>) -> OwnFile;

/// What a film elsewhere is taken for: nothing is ever fetched.
const ELSEWHERE: ClipInfo = ClipInfo { seconds: 6.0, ratio: clips::WIDE, resolution: Resolution::P480 };

/// The size of an image, where it can be seen without fetching it.
pub(super) fn image(at: &str, source: Source<'_>, own: Lookup<'_>) -> Result<Option<Size>, Refusal> {
    let not_an_image = || bad(&format!("{at}: the data does not contain a valid JPG, PNG or WebP image."));
    // All that the service has are films.
    if own(source) != OwnFile::Elsewhere {
        return Err(not_an_image());
    }
    let Some(data) = data(at, source, "image")? else { return Ok(None) };
    content::image_size(&data).map(Some).ok_or_else(not_an_image)
}

/// What is known of a film.
pub(super) fn film(at: &str, source: Source<'_>, own: Lookup<'_>) -> Result<ClipInfo, Refusal> {
    match own(source) {
        OwnFile::ClipInfo(film) => return Ok(film),
        OwnFile::Gone => return Err(bad(&format!("{at}: could not download the video: 403 Forbidden."))),
        OwnFile::Elsewhere => {}
    }
    let Some(data) = data(at, source, "video")? else { return Ok(ELSEWHERE) };
    let mp4 = content::mp4(&data).ok_or_else(|| bad(&format!("{at}: the data does not contain a valid MP4 video.")))?;
    let ratio = mp4.size.map_or(clips::WIDE, |(width, height)| clips::nearest_ratio(width, height));
    let is_large = mp4.size.is_some_and(|(width, height)| width.min(height) >= 720);
    let resolution = if is_large { Resolution::P720 } else { Resolution::P480 };
    Ok(ClipInfo { seconds: mp4.seconds, ratio, resolution })
}

/// A clip or a voice. What formats are taken is not documented, so none is refused.
pub(super) fn audio(at: &str, source: Source<'_>) -> Result<(), Refusal> {
    data(at, source, "audio").map(|_| ())
}

/// An address that could be fetched from or sent to.
pub(super) fn address(at: &str, text: &str) -> Result<(), Refusal> {
    let is_good = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_good { Ok(()) } else { Err(bad(&format!("{at} is not a valid URL"))) }
}

/// The content of a `data:` URL of this kind; `None` if the source is something else that will do.
fn data(at: &str, source: Source<'_>, kind: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let Source::Url(url) = source else { return Ok(None) };
    let Some(data) = url.strip_prefix("data:") else {
        return address(&format!("{at}.url"), url).map(|()| None);
    };
    let invalid = |why: &str| bad(&format!("{at}.url: invalid base64-encoded {kind}: {why}."));
    let (head, text) = data.split_once(',').ok_or_else(|| invalid("no comma after the media type"))?;
    let media_type = head.strip_suffix(";base64").ok_or_else(|| invalid("only base64 is supported"))?;
    let is_kind = media_type.split_once('/').is_some_and(|(main, sub)| main == kind && !sub.is_empty());
    if !is_kind {
        return Err(invalid(&format!("the media type must be {kind}/…")));
    }
    content::base64(text).map(Some).ok_or_else(|| invalid("it cannot be decoded"))
}
