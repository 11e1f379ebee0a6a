//! What is sent of a request: `extra` overrides fields, and file paths are absolute.

use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::fields::VideoRequest;
use crate::media::Media;

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

impl VideoRequest {
    /// Makes file paths absolute: files are read while they are sent, when the working directory may be another.
    #[must_use]
    pub fn anchored(mut self) -> Self {
        for media in self.media_mut() {
            if let Media::File(path) | Media::Saved(_, path) = media
                && let Ok(whole) = std::path::absolute(&*path)
            {
                *path = whole;
            }
        }
        self
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
