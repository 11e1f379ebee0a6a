//! The values that describe a job. No I/O.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, is_terminal: $is_terminal:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum JobStatus {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl JobStatus {
            /// In the order of a job's life.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            /// Whether the job has ended, with or without a video.
            #[must_use]
            pub const fn is_terminal(self) -> bool {
                match self {
                    $(Self::$variant => $is_terminal),*
                }
            }

            pub(crate) fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == word)
            }
        }
    };
}

statuses! {
    /// Accepted; no further state reported yet.
    Pending = "pending", is_terminal: false;
    /// Waiting for a renderer.
    Queued = "queued", is_terminal: false;
    Processing = "processing", is_terminal: false;
    /// Ended: the video is ready.
    Done = "done", is_terminal: true;
    /// Ended without a video.
    Failed = "failed", is_terminal: true;
    Expired = "expired", is_terminal: true;
    /// A status that this version does not know; polling continues.
    Unknown = "unknown", is_terminal: false;
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Video {
    /// Temporary link; absent when the video was withheld or stored elsewhere.
    pub url: Option<String>,
    /// Seconds.
    pub duration: Option<f64>,
    /// `false` when moderation withheld the video.
    pub respect_moderation: Option<bool>,
    /// The file that the service stores, if the request asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_output: Option<Box<FileOutput>>,
    /// Why the service could not store the file; the video itself is available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_error: Option<String>,
}

/// A file stored by the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileOutput {
    /// ID assigned by the service.
    #[serde(default)]
    pub file_id: Option<String>,
    /// File name chosen in the request.
    #[serde(default)]
    pub filename: Option<String>,
    /// Expiry of the file, in Unix seconds.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Public link.
    #[serde(default)]
    pub public_url: Option<String>,
    #[serde(default)]
    pub public_url_expires_at: Option<i64>,
    /// Why there is no public link.
    #[serde(default)]
    pub public_url_error: Option<String>,
}

impl Eq for Video {}

impl Hash for Video {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.url.hash(state);
        // `+ 0.0` folds -0.0 into 0.0, which compares equal to it.
        self.duration.map(|seconds| (seconds + 0.0).to_bits()).hash(state);
        (self.respect_moderation, &self.file_output, &self.storage_error).hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// Cost in ticks; 10,000,000,000 ticks are one US dollar.
    pub cost_in_usd_ticks: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobError {
    pub code: Option<String>,
    pub message: String,
}

impl JobError {
    /// Whether moderation rejected the video.
    #[must_use]
    pub fn is_moderation(&self) -> bool {
        self.code.as_deref().is_some_and(names_moderation) || names_moderation(&self.message)
    }
}

/// Matches `content.?moderat` in any case: the only sign of moderation that all services share.
pub(crate) fn names_moderation(text: &str) -> bool {
    let text = text.to_lowercase();
    text.match_indices("content").any(|(at, word)| {
        let rest = &text[at + word.len()..];
        let mut tail = rest.chars();
        rest.starts_with("moderat") || tail.next().is_some_and(|_| tail.as_str().starts_with("moderat"))
    })
}

/// One snapshot of a job. `raw` is ignored in comparisons.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VideoJob {
    pub request_id: String,
    pub status: JobStatus,
    /// Percent, 0 to 100, if the service reports it; 100 once done.
    pub progress: Option<u8>,
    /// The model that renders.
    pub model: Option<String>,
    /// Present once the job is done.
    pub video: Option<Video>,
    pub usage: Option<Usage>,
    pub error: Option<JobError>,
    /// The JSON as received; absent when nothing was received.
    #[serde(default, with = "verbatim")]
    pub raw: Option<Arc<str>>,
}

/// Serialises JSON text inside JSON without parsing it.
mod verbatim {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
    use serde_json::value::RawValue;

    #[expect(clippy::ref_option, reason = "serde gives the field as it is")]
    pub(super) fn serialize<S: Serializer>(raw: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        raw.as_deref()
            .map(serde_json::from_str::<&RawValue>)
            .transpose()
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        let raw = Option::<Box<RawValue>>::deserialize(deserializer)?;
        Ok(raw.map(|raw| raw.get().into()))
    }
}

impl PartialEq for VideoJob {
    fn eq(&self, other: &Self) -> bool {
        self.request_id == other.request_id
            && self.status == other.status
            && self.progress == other.progress
            && self.model == other.model
            && self.video == other.video
            && self.usage == other.usage
            && self.error == other.error
    }
}

impl Eq for VideoJob {}

impl Hash for VideoJob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request_id.hash(state);
        self.status.hash(state);
        self.progress.hash(state);
        self.model.hash(state);
        self.video.hash(state);
        self.usage.hash(state);
        self.error.hash(state);
    }
}

impl VideoJob {
    /// A job of which only the ID is known.
    #[must_use]
    pub fn pending(request_id: impl Into<String>) -> Self {
        Self {
            request_id: request_id.into(),
            status: JobStatus::Pending,
            progress: None,
            model: None,
            video: None,
            usage: None,
            error: None,
            raw: None,
        }
    }

    /// The same job, with the further IDs that name it written to `raw`, as a response would have them.
    #[must_use]
    pub(crate) fn also_named(mut self, others: &[String]) -> Self {
        const NAMES: [&str; 2] = ["id", "task_id"];
        if !others.is_empty() {
            let own = [("request_id", &self.request_id)];
            let ids: BTreeMap<&str, &String> = own.into_iter().chain(NAMES.into_iter().zip(others)).collect();
            // Serialising strings cannot fail.
            self.raw = serde_json::to_string(&ids).ok().map(Into::into);
        }
        self
    }

    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }

    /// The ID as a file name without extension: valid on every system, and distinct for distinct IDs.
    #[must_use]
    pub fn file_stem(&self) -> String {
        const LONGEST: usize = 128;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let id = &self.request_id;
        if id.chars().all(is_plain) && id.len() <= LONGEST {
            return id.clone();
        }
        let plain: String = id.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST).collect();
        format!("{plain}-{:08x}", crc32fast::hash(id.as_bytes()))
    }

    /// The link to the file, if there is one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.video.as_ref()?.url.as_deref()
    }

    /// Whether moderation withheld the video.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        match self.status {
            JobStatus::Done => {
                self.url().is_none() && self.video.as_ref().is_some_and(|video| video.respect_moderation == Some(false))
            }
            JobStatus::Failed => self.error.as_ref().is_some_and(JobError::is_moderation),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_stem_is_a_valid_file_name() {
        let stem = |id: &str| VideoJob::pending(id).file_stem();
        assert_eq!(stem("f5f35814-953e-b094-5a2c-4a90014a58cb"), "f5f35814-953e-b094-5a2c-4a90014a58cb");
        assert_eq!(stem("a:b"), format!("a_b-{:08x}", crc32fast::hash(b"a:b")));
        assert_ne!(stem("a:b"), stem("a=b"));
        assert!(stem(&"猫".repeat(512)).len() < 150);
    }

    #[test]
    fn moderation_is_detected_in_messages() {
        for text in
            ["rejected by content moderation.", "imagine:content-moderated", "ContentModeration", "content_moderated"]
        {
            assert!(names_moderation(text), "{text}");
        }
        for text in ["moderate content", "content is moderately long", "internal_error", "content"] {
            assert!(!names_moderation(text), "{text}");
        }
    }
}
