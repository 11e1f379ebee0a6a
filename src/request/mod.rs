//! What is asked of the service: one value for every way to make a video. No I/O.

use std::future::Future;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::media::{Media, Role};

mod fields;
pub(crate) mod fingerprint;
mod limits;

pub(crate) use fields::FIELDS;
pub use fields::VideoRequest;
#[cfg(feature = "python")]
pub(crate) use fields::request_fields;

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
        for media in self.media_mut() {
            if let Media::File(path) = media
                && let Ok(whole) = std::path::absolute(&*path)
            {
                *path = whole;
            }
        }
        self
    }
}
