//! What the service refuses, as strictly as its documentation says, and what is bought of it.

mod content;
mod media;
mod read;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::clips;
pub(super) use media::{ClipInfo, Lookup, OwnFile};
use read::Create;
pub(super) use read::Source;

/// A refusal: the HTTP status and the words.
pub(super) type Refusal = (u16, String);

const MAX_PROMPT: usize = 4096;
const MAX_REFERENCE_AUDIOS: usize = 3;
const MAX_KEYFRAMES: usize = 4;
/// Keyframes lie on a grid; two of them cannot be at one point.
const KEYFRAMES_PER_SECOND: f64 = 3.0;
/// Seconds of the longest video that can be edited.
const MAX_EDITED: f64 = 8.7;
/// Seconds of the videos that can be extended.
const EXTENDED: RangeInclusive<f64> = 2.0..=30.0;
/// How long a stored file, or its public address, can be kept.
const KEPT: RangeInclusive<i64> = 3600..=2_592_000;

const BASE: [&str; 2] = ["grok-imagine-video", "grok-imagine-video-beta"];
const NEWER: [&str; 3] =
    ["grok-imagine-video-1.5", "grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"];
const LITE: &str = "grok-imagine-video-1.5-lite";

/// A hundredth of a US dollar.
const CENT: i64 = 100_000_000;

/// Which create it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Generation,
    Edit,
    Extension,
}

impl Operation {
    /// By the last part of the path.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "generations" => Some(Self::Generation),
            "edits" => Some(Self::Edit),
            "extensions" => Some(Self::Extension),
            _ => None,
        }
    }
}

/// How fine the picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Resolution {
    #[default]
    P480,
    P720,
    P1080,
}

/// What is bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) model: String,
    /// Length of the video.
    pub(super) seconds: u32,
    pub(super) ratio: &'static str,
    pub(super) resolution: Resolution,
    pub(super) ticks: i64,
    /// Where the video is to be sent.
    pub(super) upload_url: Option<String>,
    pub(super) storage: Option<Storage>,
}

/// How the video is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) filename: String,
    /// For how many seconds; `None` is for good.
    pub(super) expires_after: Option<u32>,
    pub(super) public: Public,
}

/// Whether anyone can read a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Public {
    No,
    /// As long as there is the file.
    WithFile,
    /// For so many seconds.
    For(u32),
}

/// Which of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Base,
    Newer,
    Lite,
}

impl Model {
    /// At most so many reference images, with which the video has at most so many seconds.
    fn references(self) -> (usize, u32) {
        match self {
            Self::Base => (7, 10),
            Self::Newer => (14, 15),
            Self::Lite => (0, 0),
        }
    }

    fn per_second(self, resolution: Resolution) -> i64 {
        CENT * match (self, resolution) {
            (Self::Base, Resolution::P480) => 5,
            (Self::Base, _) => 7,
            (Self::Newer, Resolution::P480) => 8,
            (Self::Newer, Resolution::P720) | (Self::Lite, Resolution::P1080) => 14,
            (Self::Newer, Resolution::P1080) => 25,
            (Self::Lite, Resolution::P480) => 2,
            (Self::Lite, Resolution::P720) => 3,
        }
    }

    /// For an input image.
    fn per_image(self) -> i64 {
        if self == Self::Base { CENT / 5 } else { CENT }
    }
}

/// Reads a create's body. First everything is read (422), then it is judged (400 and 404).
pub(super) fn purchase(operation: Operation, body: &Map<String, Value>, own: Lookup<'_>) -> Result<Purchase, Refusal> {
    let create = Create::read(operation, body)?;
    let name = create.model.unwrap_or(BASE[0]);
    let model = model(operation, name)?;
    texts(&create)?;
    let upload_url = create.upload_url.map(|url| media::address("output.upload_url", url).map(|()| url.to_owned()));
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

/// The video that comes of it, and its price.
struct Video {
    seconds: u32,
    ratio: &'static str,
    resolution: Resolution,
    ticks: i64,
}

fn generated(create: &Create<'_>, model: Model, own: Lookup<'_>) -> Result<Video, Refusal> {
    let seconds = duration(create, 8, 1..=15)?;
    let resolution = create.resolution.unwrap_or_default();
    supported(create, model)?;
    references(create, model, seconds, resolution)?;
    let size = create.image.map(|image| media::image("image", image, own)).transpose()?.flatten();
    for (index, reference) in create.reference_images.iter().enumerate() {
        media::image(&format!("reference_images[{index}]"), *reference, own)?;
    }
    for (index, reference) in create.reference_audios.iter().enumerate() {
        media::audio(&format!("reference_audios[{index}]"), *reference)?;
    }
    pinned(create, seconds, own)?;
    let of_image = || size.map_or(clips::WIDE, |(width, height)| clips::nearest_ratio(width, height));
    Ok(Video {
        seconds,
        ratio: create.ratio.unwrap_or_else(of_image),
        resolution,
        ticks: model.per_second(resolution) * i64::from(seconds)
            + model.per_image() * i64::try_from(create.images()).unwrap_or_default(),
    })
}

fn edited(create: &Create<'_>, own: Lookup<'_>) -> Result<Video, Refusal> {
    let film = source_film(create, own)?;
    if film.seconds > MAX_EDITED {
        return Err(bad(&format!("video: editing supports at most {MAX_EDITED} seconds")));
    }
    let seconds = whole(film.seconds).max(1);
    Ok(changed(film, seconds, seconds))
}

fn extended(create: &Create<'_>, own: Lookup<'_>) -> Result<Video, Refusal> {
    let added = duration(create, 6, 1..=10)?;
    let film = source_film(create, own)?;
    if !EXTENDED.contains(&film.seconds) {
        let (least, most) = (EXTENDED.start(), EXTENDED.end());
        return Err(bad(&format!("video: extension supports videos of {least} to {most} seconds")));
    }
    Ok(changed(film, whole(film.seconds) + added, added))
}

/// What comes of a film: its second price is for reading it.
fn changed(film: ClipInfo, seconds: u32, rendered: u32) -> Video {
    let resolution = film.resolution.min(Resolution::P720);
    let ticks = Model::Base.per_second(resolution) * i64::from(rendered) + CENT * i64::from(whole(film.seconds).max(1));
    Video { seconds: seconds.min(clips::LONGEST), ratio: film.ratio, resolution, ticks }
}

fn source_film(create: &Create<'_>, own: Lookup<'_>) -> Result<ClipInfo, Refusal> {
    let source = create.video.ok_or_else(|| unprocessable("video", "missing field"))?;
    media::film("video", source, own)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are from 0 to 45")]
fn whole(seconds: f64) -> u32 {
    seconds.round() as u32
}

// ---- limits and combinations -----------------------------------------------------------------

fn model(operation: Operation, name: &str) -> Result<Model, Refusal> {
    let model = match name {
        LITE => Model::Lite,
        _ if BASE.contains(&name) => Model::Base,
        _ if NEWER.contains(&name) => Model::Newer,
        _ => return Err((404, format!("The model {name} does not exist or your team does not have access to it."))),
    };
    if operation != Operation::Generation && model != Model::Base {
        return Err(bad("this model does not support video editing or extension"));
    }
    Ok(model)
}

fn texts(create: &Create<'_>) -> Result<(), Refusal> {
    let prompt = create.prompt;
    if prompt == Some("") {
        return Err(bad("prompt must not be empty"));
    }
    if prompt.is_some_and(|text| text.len() > MAX_PROMPT) {
        return Err(bad(&format!("prompt is longer than {MAX_PROMPT} bytes")));
    }
    if create.user == Some("") {
        return Err(bad("user must not be empty"));
    }
    Ok(())
}

fn duration(create: &Create<'_>, default: u32, limits: RangeInclusive<u32>) -> Result<u32, Refusal> {
    let seconds = create.duration.map_or(Some(default), |given| u32::try_from(given).ok());
    seconds
        .filter(|seconds| limits.contains(seconds))
        .ok_or_else(|| bad(&format!("duration must be between {} and {}", limits.start(), limits.end())))
}

fn references(create: &Create<'_>, model: Model, seconds: u32, resolution: Resolution) -> Result<(), Refusal> {
    at_most(MAX_REFERENCE_AUDIOS, create.reference_audios.len(), "reference audios")?;
    if create.reference_images.is_empty() {
        return Ok(());
    }
    let (most, longest) = model.references();
    at_most(most, create.reference_images.len(), "reference images")?;
    if resolution == Resolution::P1080 {
        return Err(bad("resolution 1080p is not supported with reference_images"));
    }
    if model == Model::Base && create.image.is_some() {
        return Err(bad("image and reference_images cannot be combined"));
    }
    if seconds > longest {
        return Err(bad(&format!("duration must be between 1 and {longest} with reference_images")));
    }
    Ok(())
}

/// What not every model does.
fn supported(create: &Create<'_>, model: Model) -> Result<(), Refusal> {
    if create.resolution == Some(Resolution::P1080) && model == Model::Base {
        return Err(bad("resolution 1080p is supported by grok-imagine-video-1.5 only"));
    }
    let given = [
        ("reference_images", !create.reference_images.is_empty() && model.references().0 == 0),
        ("reference_audios", !create.reference_audios.is_empty()),
        ("last_frame", create.last_frame.is_some()),
        ("keyframes", !create.keyframes.is_empty()),
    ];
    match (given.iter().find(|(_, is_given)| *is_given), model) {
        (Some((name, _)), Model::Base) => Err(bad(&format!("{name} is supported by grok-imagine-video-1.5 only"))),
        (Some((name, _)), Model::Lite) => Err(bad(&format!("`{name}` is not supported for this model"))),
        _ => Ok(()),
    }
}

/// The last frame, and those between.
fn pinned(create: &Create<'_>, seconds: u32, own: Lookup<'_>) -> Result<(), Refusal> {
    if let Some(frame) = create.last_frame {
        media::image("last_frame", frame, own)?;
    }
    at_most(MAX_KEYFRAMES, create.keyframes.len(), "keyframes")?;
    let mut points = Vec::new();
    for (index, frame) in create.keyframes.iter().enumerate() {
        let at = format!("keyframes[{index}]");
        if frame.timestamp <= 0.0 || frame.timestamp >= f64::from(seconds) {
            return Err(bad(&format!("{at}.timestamp_s must be greater than 0 and less than the duration")));
        }
        let point = whole(frame.timestamp * KEYFRAMES_PER_SECOND);
        if points.contains(&point) {
            return Err(bad(&format!("{at}.timestamp_s is in the same slot of 1/3 s as another keyframe")));
        }
        points.push(point);
        media::image(&format!("{at}.image"), frame.image, own)?;
    }
    Ok(())
}

fn at_most(most: usize, count: usize, what: &str) -> Result<(), Refusal> {
    if count <= most { Ok(()) } else { Err(bad(&format!("at most {most} {what} are supported"))) }
}

fn storage(create: &Create<'_>) -> Result<Option<Storage>, Refusal> {
    let Some(options) = create.storage else { return Ok(None) };
    if options.filename.is_empty() {
        return Err(bad("storage_options.filename must not be empty"));
    }
    let public = match options.public_url {
        None => Public::No,
        Some(url) => {
            kept("storage_options.public_url.expires_after", url.expires_after)?.map_or(Public::WithFile, Public::For)
        }
    };
    Ok(Some(Storage {
        filename: options.filename.to_owned(),
        expires_after: kept("storage_options.expires_after", options.expires_after)?,
        public,
    }))
}

fn kept(at: &str, seconds: Option<i64>) -> Result<Option<u32>, Refusal> {
    let Some(seconds) = seconds else { return Ok(None) };
    let fitting = u32::try_from(seconds).ok().filter(|_| KEPT.contains(&seconds));
    fitting.map(Some).ok_or_else(|| bad(&format!("{at} must be between {} and {}", KEPT.start(), KEPT.end())))
}

fn bad(words: &str) -> Refusal {
    (400, words.to_owned())
}

fn unprocessable(field: &str, why: &str) -> Refusal {
    (422, format!("Failed to deserialize the JSON body into the target type: {field}: {why}"))
}
