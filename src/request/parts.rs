//! What a request is made of, and how its media are prepared.

use std::future::Future;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::media::{Media, Role};

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
