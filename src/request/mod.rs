//! What is asked of the service: one value for every way to make a video. No I/O.

use std::future::Future;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::media::{Media, Role};

pub(crate) mod fingerprint;
mod limits;

/// A way to make a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// From a prompt, an image or references.
    #[default]
    Generate,
    /// From a video, changed as the prompt says.
    Edit,
    /// From a video, going on as the prompt says.
    Extend,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Generate, Self::Edit, Self::Extend];

    /// The name of the verb.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Edit => "edit",
            Self::Extend => "extend",
        }
    }

    /// The path that it is sent to.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Generate => "/videos/generations",
            Self::Edit => "/videos/edits",
            Self::Extend => "/videos/extensions",
        }
    }
}

/// An order for one video. `M` is what its media are: as the caller has them, or ready to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoRequest<M = Media> {
    /// Which way to make it.
    #[serde(default)]
    pub operation: Operation,
    /// What to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What an edit or an extension begins with.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub video: Option<M>,
    /// The first frame.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub image: Option<M>,
    /// Images of who or what is to appear.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub reference_images: Vec<M>,
    /// Voices that are to be heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_audios: Vec<Audio>,
    /// The last frame.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub last_frame: Option<M>,
    /// Frames at given moments.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub keyframes: Vec<Keyframe<M>>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// Such as `16:9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// Such as `720p`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Whether the video has sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_audio: Option<bool>,
    /// The model, or the service's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The caller's end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the service delivers the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_url: Option<String>,
    /// How the service keeps the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_options: Option<StorageOptions>,
    /// Merged into the body last.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// A frame that is given for a moment of the video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyframe<M = Media> {
    /// The frame.
    pub image: M,
    /// Seconds from the beginning.
    pub timestamp: f64,
}

/// A voice to be heard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// One of the service's voices.
    VoiceId(String),
    /// The address of a clip.
    Url(String),
}

/// How the service keeps a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageOptions {
    /// Under what name.
    pub filename: String,
    /// For how many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<i64>,
    /// Whether everyone who has its address may fetch it.
    #[serde(default)]
    pub public_url: bool,
    /// For how many seconds that address is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url_expires_after: Option<i64>,
}

impl<M> Default for VideoRequest<M> {
    fn default() -> Self {
        Self {
            operation: Operation::default(),
            prompt: None,
            video: None,
            image: None,
            reference_images: Vec::new(),
            reference_audios: Vec::new(),
            last_frame: None,
            keyframes: Vec::new(),
            duration: None,
            aspect_ratio: None,
            resolution: None,
            generate_audio: None,
            model: None,
            user: None,
            upload_url: None,
            storage_options: None,
            extra: Map::new(),
        }
    }
}

impl<M> VideoRequest<M> {
    /// The model that is sent: `extra` has the last word. One that is no text is no known model.
    pub(crate) fn sent_model(&self) -> Option<&str> {
        self.sent_text("model", self.model.as_deref())
    }

    /// The resolution that is sent.
    pub(crate) fn sent_resolution(&self) -> Option<&str> {
        self.sent_text("resolution", self.resolution.as_deref())
    }

    /// The duration that is sent, in seconds; `seconds` is another name for it.
    pub(crate) fn sent_duration(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no duration is so long")]
        let own = self.duration.map(|seconds| seconds as f64);
        let extra = |name: &str| self.extra.get(name).and_then(Value::as_f64);
        extra("duration").or(own).or_else(|| extra("seconds"))
    }

    /// Whether `extra` takes the place of the duration.
    pub(crate) fn extra_has_duration(&self) -> bool {
        self.extra.contains_key("duration")
    }

    fn sent_text<'a>(&'a self, name: &str, own: Option<&'a str>) -> Option<&'a str> {
        self.extra.get(name).map(|value| value.as_str().unwrap_or_default()).or(own)
    }
}

/// Times are finite: a request with another is never made.
impl Eq for VideoRequest {}

impl Hash for VideoRequest {
    /// By the fields that differ the most; the others are left to equality.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.operation, &self.prompt, self.duration, &self.model, &self.aspect_ratio, &self.resolution).hash(state);
    }
}

impl Eq for Keyframe {}

impl Hash for Keyframe {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // `+ 0.0` folds -0.0 into 0.0, which compares equal to it.
        (self.timestamp + 0.0).to_bits().hash(state);
    }
}

/// Makes media ready to be sent.
pub trait PrepareMedia<M> {
    /// What they become.
    type Output;

    /// Makes one ready; `field` is where it stands in the request.
    fn prepare(&self, field: &'static str, role: Role, media: M) -> impl Future<Output = Result<Self::Output>> + Send;
}

impl VideoRequest {
    /// The same request, whose files are found wherever the working directory is later: they are read while they are
    /// sent.
    #[must_use]
    pub fn anchored(mut self) -> Self {
        let images = self.reference_images.iter_mut().chain(self.keyframes.iter_mut().map(|frame| &mut frame.image));
        let single = [&mut self.video, &mut self.image, &mut self.last_frame].into_iter().flatten();
        for media in images.chain(single) {
            if let Media::File(path) = media
                && let Ok(whole) = std::path::absolute(&*path)
            {
                *path = whole;
            }
        }
        self
    }
}

impl<M> VideoRequest<M> {
    /// The same request, its media made ready.
    pub async fn prepared<P: PrepareMedia<M>>(self, by: &P) -> Result<VideoRequest<P::Output>> {
        let mut reference_images = Vec::with_capacity(self.reference_images.len());
        for image in self.reference_images {
            reference_images.push(by.prepare("reference_images", Role::Image, image).await?);
        }
        let mut keyframes = Vec::with_capacity(self.keyframes.len());
        for Keyframe { image, timestamp } in self.keyframes {
            keyframes.push(Keyframe { image: by.prepare("keyframes", Role::Image, image).await?, timestamp });
        }
        Ok(VideoRequest {
            video: one(by, "video", Role::Video, self.video).await?,
            image: one(by, "image", Role::Image, self.image).await?,
            last_frame: one(by, "last_frame", Role::Image, self.last_frame).await?,
            reference_images,
            keyframes,
            operation: self.operation,
            prompt: self.prompt,
            reference_audios: self.reference_audios,
            duration: self.duration,
            aspect_ratio: self.aspect_ratio,
            resolution: self.resolution,
            generate_audio: self.generate_audio,
            model: self.model,
            user: self.user,
            upload_url: self.upload_url,
            storage_options: self.storage_options,
            extra: self.extra,
        })
    }
}

async fn one<M, P: PrepareMedia<M>>(
    by: &P,
    field: &'static str,
    role: Role,
    media: Option<M>,
) -> Result<Option<P::Output>> {
    match media {
        Some(media) => Ok(Some(by.prepare(field, role, media).await?)),
        None => Ok(None),
    }
}
