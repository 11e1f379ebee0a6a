//! A request for a video. No I/O.

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

/// The three ways to make a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// From a prompt, an image or reference images.
    #[default]
    Generate,
    /// Changes a video.
    Edit,
    /// Continues a video.
    Extend,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Generate, Self::Edit, Self::Extend];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Edit => "edit",
            Self::Extend => "extend",
        }
    }

    /// Path of the endpoint.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Generate => "/videos/generations",
            Self::Edit => "/videos/edits",
            Self::Extend => "/videos/extensions",
        }
    }
}

/// An image pinned to a moment of the video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyframe<M = Media> {
    pub image: M,
    pub timestamp: f64,
}

/// A reference voice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// ID of one of the service's voices.
    VoiceId(String),
    /// URL of a recording.
    Url(String),
}

/// How the service stores the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageOptions {
    pub filename: String,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<i64>,
    /// Whether the file gets a public link.
    #[serde(default)]
    pub public_url: bool,
    /// Seconds for which the public link is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_url_expires_after: Option<i64>,
}

impl<M> VideoRequest<M> {
    /// The model that is sent: `extra` overrides the field. A value that is not a string is an unknown model.
    pub(crate) fn sent_model(&self) -> Option<&str> {
        self.sent_text("model", self.model.as_deref())
    }

    /// The resolution that is sent: `extra` overrides the field.
    pub(crate) fn sent_resolution(&self) -> Option<&str> {
        self.sent_text("resolution", self.resolution.as_deref())
    }

    /// The duration that is sent, in seconds; `seconds` is a synonym.
    pub(crate) fn sent_duration(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no duration is so long")]
        let own = self.duration.map(|seconds| seconds as f64);
        let extra = |name: &str| self.extra.get(name).and_then(Value::as_f64);
        extra("duration").or(own).or_else(|| extra("seconds"))
    }

    /// Whether `extra` overrides the duration.
    pub(crate) fn extra_has_duration(&self) -> bool {
        self.extra.contains_key("duration")
    }

    fn sent_text<'a>(&'a self, name: &str, own: Option<&'a str>) -> Option<&'a str> {
        self.extra.get(name).map(|value| value.as_str().unwrap_or_default()).or(own)
    }
}

/// Timestamps are finite: other values are rejected.
impl Eq for VideoRequest {}

impl Hash for VideoRequest {
    /// Hashes only the fields that differ most.
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

/// Prepares media for sending.
pub trait PrepareMedia<M> {
    type Output;

    /// `field` is the request field, for messages.
    fn prepare(&self, field: &'static str, role: Role, media: M) -> impl Future<Output = Result<Self::Output>> + Send;
}

impl VideoRequest {
    /// Makes file paths absolute: files are read while they are sent, when the working directory may be another.
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
