//! Checks media inputs.

use super::content::{self, Size};
use super::read::Source;
use super::refusal::{Refusal, bad_request};
use super::resolution::Resolution;
use crate::simulator::clips;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VideoInfo {
    pub(crate) seconds: f64,
    pub(crate) ratio: &'static str,
    pub(crate) resolution: Resolution,
}

/// The result of looking up a source among the simulated files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OwnFile {
    Video(VideoInfo),
    /// Expired, or never existed.
    Gone,
    /// Not a file of the simulator.
    Elsewhere,
}

pub(crate) type Lookup<'a> = &'a dyn Fn(Source<'_>) -> OwnFile;

/// Assumed for videos elsewhere, as nothing is fetched.
const ELSEWHERE: VideoInfo = VideoInfo { seconds: 6.0, ratio: clips::DEFAULT_RATIO, resolution: Resolution::P480 };

/// The size of an image, if it is known without fetching it.
pub(super) fn image(at: &str, source: Source<'_>, own: Lookup<'_>) -> Result<Option<Size>, Refusal> {
    let not_an_image = || bad_request(&format!("{at}: the data does not contain a valid JPG, PNG or WebP image."));
    // The simulator has only videos.
    if own(source) != OwnFile::Elsewhere {
        return Err(not_an_image());
    }
    let Some(data) = data(at, source, "image")? else { return Ok(None) };
    content::image_size(&data).map(Some).ok_or_else(not_an_image)
}

pub(super) fn video(at: &str, source: Source<'_>, own: Lookup<'_>) -> Result<VideoInfo, Refusal> {
    match own(source) {
        OwnFile::Video(video) => return Ok(video),
        OwnFile::Gone => return Err(bad_request(&format!("{at}: could not download the video: 403 Forbidden."))),
        OwnFile::Elsewhere => {}
    }
    let Some(data) = data(at, source, "video")? else { return Ok(ELSEWHERE) };
    let mp4 = content::mp4(&data)
        .ok_or_else(|| bad_request(&format!("{at}: the data does not contain a valid MP4 video.")))?;
    let ratio = mp4.size.map_or(clips::DEFAULT_RATIO, |(width, height)| clips::nearest_ratio(width, height));
    let is_large = mp4.size.is_some_and(|(width, height)| width.min(height) >= 720);
    let resolution = if is_large { Resolution::P720 } else { Resolution::P480 };
    Ok(VideoInfo { seconds: mp4.seconds, ratio, resolution })
}

/// A clip or a voice. The accepted formats are not documented, so none is refused.
pub(super) fn audio(at: &str, source: Source<'_>) -> Result<(), Refusal> {
    data(at, source, "audio").map(|_| ())
}

pub(super) fn http_url(at: &str, text: &str) -> Result<(), Refusal> {
    let is_valid = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_valid { Ok(()) } else { Err(bad_request(&format!("{at} is not a valid URL"))) }
}

/// The content of a `data:` URL of this media type; `None` for any other valid source.
fn data(at: &str, source: Source<'_>, kind: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let Source::Url(url) = source else { return Ok(None) };
    let Some(data) = url.strip_prefix("data:") else {
        return http_url(&format!("{at}.url"), url).map(|()| None);
    };
    let invalid = |why: &str| bad_request(&format!("{at}.url: invalid base64-encoded {kind}: {why}."));
    let (head, text) = data.split_once(',').ok_or_else(|| invalid("no comma after the media type"))?;
    let media_type = head.strip_suffix(";base64").ok_or_else(|| invalid("only base64 is supported"))?;
    let is_kind = media_type.split_once('/').is_some_and(|(main, sub)| main == kind && !sub.is_empty());
    if !is_kind {
        return Err(invalid(&format!("the media type must be {kind}/…")));
    }
    content::base64(text).map(Some).ok_or_else(|| invalid("it cannot be decoded"))
}
