//! What a create buys, and what the service refuses, as strictly as its documentation says.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::media::{self, Lookup, VideoInfo};
use super::model::{self, CENT, Model};
use super::operation::Operation;
use super::read::Create;
use super::refusal::{Refusal, bad_request, unprocessable};
use super::resolution::Resolution;
use crate::simulator::clips;

const MAX_PROMPT: usize = 4096;
const MAX_REFERENCE_AUDIOS: usize = 3;
const MAX_KEYFRAMES: usize = 4;
/// Keyframes lie on a grid; two of them cannot share a point.
const KEYFRAMES_PER_SECOND: f64 = 3.0;
/// Seconds of the longest video that can be edited.
const MAX_EDITED: f64 = 8.7;
/// Seconds of the videos that can be extended.
const EXTENDED: RangeInclusive<f64> = 2.0..=30.0;
/// Lifetime of a stored file or its public URL, in seconds.
const LIFETIME: RangeInclusive<i64> = 3600..=2_592_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Purchase {
    pub(crate) model: String,
    pub(crate) seconds: u32,
    pub(crate) ratio: &'static str,
    pub(crate) resolution: Resolution,
    pub(crate) ticks: i64,
    pub(crate) upload_url: Option<String>,
    pub(crate) storage: Option<Storage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) filename: String,
    /// In seconds; `None` is forever.
    pub(crate) expires_after: Option<u32>,
    pub(crate) visibility: Visibility,
}

/// Whether a stored file has a public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Private,
    /// As long as the file exists.
    WithFile,
    /// In seconds.
    For(u32),
}

/// Reads the whole body first (422), then checks the values (400 and 404).
pub(crate) fn purchase(operation: Operation, body: &Map<String, Value>, own: Lookup<'_>) -> Result<Purchase, Refusal> {
    let create = Create::read(operation, body)?;
    let name = create.model.unwrap_or(model::BASE[0]);
    let model = model::model(operation, name)?;
    check_texts(&create)?;
    let upload_url = create.upload_url.map(|url| media::http_url("output.upload_url", url).map(|()| url.to_owned()));
    let upload_url = upload_url.transpose()?;
    let storage = storage(&create)?;
    let video = match operation {
        Operation::Generation => generated(&create, model, own)?,
        Operation::Edit => edited(&create, own)?,
        Operation::Extension => extended(&create, own)?,
    };
    let Video { seconds, ratio, resolution, ticks } = video;
    Ok(Purchase { model: name.to_owned(), seconds, ratio, resolution, ticks, upload_url, storage })
}

/// The resulting video and its price.
struct Video {
    seconds: u32,
    ratio: &'static str,
    resolution: Resolution,
    ticks: i64,
}

fn generated(create: &Create<'_>, model: Model, own: Lookup<'_>) -> Result<Video, Refusal> {
    let seconds = duration(create, 8, 1..=15)?;
    let resolution = create.resolution.unwrap_or_default();
    check_supported(create, model)?;
    check_references(create, model, seconds, resolution)?;
    let size = create.image.map(|image| media::image("image", image, own)).transpose()?.flatten();
    for (index, reference) in create.reference_images.iter().enumerate() {
        media::image(&format!("reference_images[{index}]"), *reference, own)?;
    }
    for (index, reference) in create.reference_audios.iter().enumerate() {
        media::audio(&format!("reference_audios[{index}]"), *reference)?;
    }
    check_frames(create, seconds, own)?;
    let of_image = || size.map_or(clips::DEFAULT_RATIO, |(width, height)| clips::nearest_ratio(width, height));
    Ok(Video {
        seconds,
        ratio: create.ratio.unwrap_or_else(of_image),
        resolution,
        ticks: model.per_second(resolution) * i64::from(seconds)
            + model.per_image() * i64::try_from(create.image_count()).unwrap_or_default(),
    })
}

fn edited(create: &Create<'_>, own: Lookup<'_>) -> Result<Video, Refusal> {
    let video = source_video(create, own)?;
    if video.seconds > MAX_EDITED {
        return Err(bad_request(&format!("video: editing supports at most {MAX_EDITED} seconds")));
    }
    let seconds = rounded(video.seconds).max(1);
    Ok(changed(video, seconds, seconds))
}

fn extended(create: &Create<'_>, own: Lookup<'_>) -> Result<Video, Refusal> {
    let added = duration(create, 6, 1..=10)?;
    let video = source_video(create, own)?;
    if !EXTENDED.contains(&video.seconds) {
        let (least, most) = (EXTENDED.start(), EXTENDED.end());
        return Err(bad_request(&format!("video: extension supports videos of {least} to {most} seconds")));
    }
    Ok(changed(video, rounded(video.seconds) + added, added))
}

/// The result of changing a video. Reading the input is charged, too.
fn changed(video: VideoInfo, seconds: u32, rendered: u32) -> Video {
    let resolution = video.resolution.min(Resolution::P720);
    let ticks =
        Model::Base.per_second(resolution) * i64::from(rendered) + CENT * i64::from(rounded(video.seconds).max(1));
    Video { seconds: seconds.min(clips::MAX_SECONDS), ratio: video.ratio, resolution, ticks }
}

fn source_video(create: &Create<'_>, own: Lookup<'_>) -> Result<VideoInfo, Refusal> {
    let source = create.video.ok_or_else(|| unprocessable("video", "missing field"))?;
    media::video("video", source, own)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are from 0 to 45")]
fn rounded(seconds: f64) -> u32 {
    seconds.round() as u32
}

// ---- limits and combinations -----------------------------------------------------------------

fn check_texts(create: &Create<'_>) -> Result<(), Refusal> {
    let prompt = create.prompt;
    if prompt == Some("") {
        return Err(bad_request("prompt must not be empty"));
    }
    if prompt.is_some_and(|text| text.len() > MAX_PROMPT) {
        return Err(bad_request(&format!("prompt is longer than {MAX_PROMPT} bytes")));
    }
    if create.user == Some("") {
        return Err(bad_request("user must not be empty"));
    }
    Ok(())
}

fn duration(create: &Create<'_>, default: u32, limits: RangeInclusive<u32>) -> Result<u32, Refusal> {
    let seconds = create.duration.map_or(Some(default), |given| u32::try_from(given).ok());
    seconds
        .filter(|seconds| limits.contains(seconds))
        .ok_or_else(|| bad_request(&format!("duration must be between {} and {}", limits.start(), limits.end())))
}

fn check_references(create: &Create<'_>, model: Model, seconds: u32, resolution: Resolution) -> Result<(), Refusal> {
    at_most(MAX_REFERENCE_AUDIOS, create.reference_audios.len(), "reference audios")?;
    if create.reference_images.is_empty() {
        return Ok(());
    }
    let (most, longest) = model.references();
    at_most(most, create.reference_images.len(), "reference images")?;
    if resolution == Resolution::P1080 {
        return Err(bad_request("resolution 1080p is not supported with reference_images"));
    }
    if model == Model::Base && create.image.is_some() {
        return Err(bad_request("image and reference_images cannot be combined"));
    }
    if seconds > longest {
        return Err(bad_request(&format!("duration must be between 1 and {longest} with reference_images")));
    }
    Ok(())
}

/// Fields that only some models support.
fn check_supported(create: &Create<'_>, model: Model) -> Result<(), Refusal> {
    if create.resolution == Some(Resolution::P1080) && model == Model::Base {
        return Err(bad_request("resolution 1080p is supported by grok-imagine-video-1.5 only"));
    }
    let given = [
        ("reference_images", !create.reference_images.is_empty() && model.references().0 == 0),
        ("reference_audios", !create.reference_audios.is_empty()),
        ("last_frame", create.last_frame.is_some()),
        ("keyframes", !create.keyframes.is_empty()),
    ];
    match (given.iter().find(|(_, is_given)| *is_given), model) {
        (Some((name, _)), Model::Base) => {
            Err(bad_request(&format!("{name} is supported by grok-imagine-video-1.5 only")))
        }
        (Some((name, _)), Model::Lite) => Err(bad_request(&format!("`{name}` is not supported for this model"))),
        _ => Ok(()),
    }
}

/// The last frame and the keyframes.
fn check_frames(create: &Create<'_>, seconds: u32, own: Lookup<'_>) -> Result<(), Refusal> {
    if let Some(frame) = create.last_frame {
        media::image("last_frame", frame, own)?;
    }
    at_most(MAX_KEYFRAMES, create.keyframes.len(), "keyframes")?;
    let mut points = Vec::new();
    for (index, frame) in create.keyframes.iter().enumerate() {
        let at = format!("keyframes[{index}]");
        if frame.timestamp <= 0.0 || frame.timestamp >= f64::from(seconds) {
            return Err(bad_request(&format!("{at}.timestamp_s must be greater than 0 and less than the duration")));
        }
        let point = rounded(frame.timestamp * KEYFRAMES_PER_SECOND);
        if points.contains(&point) {
            return Err(bad_request(&format!("{at}.timestamp_s is in the same slot of 1/3 s as another keyframe")));
        }
        points.push(point);
        media::image(&format!("{at}.image"), frame.image, own)?;
    }
    Ok(())
}

fn at_most(most: usize, count: usize, what: &str) -> Result<(), Refusal> {
    if count <= most { Ok(()) } else { Err(bad_request(&format!("at most {most} {what} are supported"))) }
}

fn storage(create: &Create<'_>) -> Result<Option<Storage>, Refusal> {
    let Some(options) = create.storage else { return Ok(None) };
    if options.filename.is_empty() {
        return Err(bad_request("storage_options.filename must not be empty"));
    }
    let visibility = match options.public_url {
        None => Visibility::Private,
        Some(url) => lifetime("storage_options.public_url.expires_after", url.expires_after)?
            .map_or(Visibility::WithFile, Visibility::For),
    };
    Ok(Some(Storage {
        filename: options.filename.to_owned(),
        expires_after: lifetime("storage_options.expires_after", options.expires_after)?,
        visibility,
    }))
}

fn lifetime(at: &str, seconds: Option<i64>) -> Result<Option<u32>, Refusal> {
    let Some(seconds) = seconds else { return Ok(None) };
    let fitting = u32::try_from(seconds).ok().filter(|_| LIFETIME.contains(&seconds));
    fitting
        .map(Some)
        .ok_or_else(|| bad_request(&format!("{at} must be between {} and {}", LIFETIME.start(), LIFETIME.end())))
}
