//! What is sent: create bodies, checked against the documented limits first.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The longest prompt, in bytes of UTF-8 (documented as 4096 characters, measured in bytes).
const MAX_PROMPT: usize = 4096;
const ASPECT_RATIOS: [&str; 7] = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"];
const RESOLUTIONS: [&str; 3] = ["480p", "720p", "1080p"];
const BASE_MODELS: [&str; 2] = ["grok-imagine-video", "grok-imagine-video-beta"];

/// The body of `POST /videos/generations`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Generation {
    /// What to show.
    pub prompt: String,
    /// The model, or the service's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Seconds, 1 to 15.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// One of the documented ratios, such as `16:9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// `480p`, `720p` or `1080p`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// The caller's end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Merged into the body last.
    #[serde(skip)]
    pub extra: Map<String, Value>,
}

impl Generation {
    /// Refuses what the documented limits exclude.
    pub fn check(&self) -> Result<()> {
        check_prompt(&self.prompt)?;
        if let Some(seconds) = self.duration.filter(|seconds| !(1..=15).contains(seconds)) {
            return Err(Error::invalid("duration", format!("duration must be 1 to 15 seconds, not {seconds}")));
        }
        if let Some(ratio) = &self.aspect_ratio {
            one_of("aspect_ratio", ratio, &ASPECT_RATIOS)?;
        }
        if let Some(resolution) = &self.resolution {
            one_of("resolution", resolution, &RESOLUTIONS)?;
        }
        not_empty("model", self.model.as_deref())?;
        not_empty("user", self.user.as_deref())?;
        let base_model = self.model.as_deref().is_none_or(|model| BASE_MODELS.contains(&model));
        if base_model && self.resolution.as_deref() == Some("1080p") {
            return Err(Error::invalid(
                "resolution",
                "resolution 1080p is rendered by grok-imagine-video-1.5 only; pass model=\"grok-imagine-video-1.5\" or take 720p",
            ));
        }
        Ok(())
    }

    /// The body to send.
    pub fn body(&self) -> Result<Bytes> {
        self.check()?;
        body(self, &self.extra)
    }
}

fn body(fields: &impl Serialize, extra: &Map<String, Value>) -> Result<Bytes> {
    let unserialisable = |error: serde_json::Error| Error::invalid("extra", format!("cannot be sent as JSON: {error}"));
    let mut value = serde_json::to_value(fields).map_err(unserialisable)?;
    if let Value::Object(body) = &mut value {
        body.extend(extra.clone());
    }
    Ok(serde_json::to_vec(&value).map_err(unserialisable)?.into())
}

fn check_prompt(prompt: &str) -> Result<()> {
    if prompt.trim().is_empty() {
        return Err(Error::invalid("prompt", "the prompt is empty; say what the video should show"));
    }
    if prompt.len() > MAX_PROMPT {
        return Err(Error::invalid(
            "prompt",
            format!("the prompt has {} bytes in UTF-8; the service takes at most {MAX_PROMPT}", prompt.len()),
        ));
    }
    Ok(())
}

fn one_of(field: &'static str, value: &str, known: &[&str]) -> Result<()> {
    if known.contains(&value) {
        return Ok(());
    }
    let hint = if value == "auto" { "; for the service's own choice leave it out" } else { "" };
    Err(Error::invalid(
        field,
        format!("{field} must be one of {}, not {:?}{hint}", known.join(", "), crate::error::shorten(value, 40)),
    ))
}

fn not_empty(field: &'static str, value: Option<&str>) -> Result<()> {
    match value {
        Some("") => Err(Error::invalid(field, format!("{field} is empty; leave it out instead"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prompt(text: &str) -> Generation {
        Generation { prompt: text.into(), ..Generation::default() }
    }

    fn sent(generation: &Generation) -> Value {
        serde_json::from_slice(&generation.body().unwrap()).unwrap()
    }

    #[test]
    fn only_what_is_set_is_sent() {
        assert_eq!(sent(&prompt("a candle")), json!({"prompt": "a candle"}));
        let all = Generation {
            prompt: "a candle".into(),
            model: Some("grok-imagine-video-1.5".into()),
            duration: Some(5),
            aspect_ratio: Some("9:16".into()),
            resolution: Some("1080p".into()),
            user: Some("u".into()),
            extra: json!({"seed": 7, "duration": 20}).as_object().unwrap().clone(),
        };
        assert_eq!(
            sent(&all),
            json!({"prompt": "a candle", "model": "grok-imagine-video-1.5", "duration": 20, "aspect_ratio": "9:16",
                   "resolution": "1080p", "user": "u", "seed": 7})
        );
    }

    #[test]
    fn limits() {
        let refused = |generation: Generation| match generation.body() {
            Err(Error::InvalidRequest { field, .. }) => Some(field),
            _ => None,
        };
        let with = |change: fn(&mut Generation)| {
            let mut generation = prompt("x");
            change(&mut generation);
            generation
        };
        assert_eq!(refused(prompt("")), Some("prompt"));
        assert_eq!(refused(prompt(" \n")), Some("prompt"));
        assert_eq!(refused(prompt(&"a".repeat(4096))), None);
        assert_eq!(refused(prompt(&"a".repeat(4097))), Some("prompt"));
        assert_eq!(refused(prompt(&"ä".repeat(2049))), Some("prompt"));
        for (seconds, verdict) in [(0, Some("duration")), (1, None), (15, None), (16, Some("duration"))] {
            assert_eq!(refused(Generation { duration: Some(seconds), ..prompt("x") }), verdict);
        }
        for ratio in ASPECT_RATIOS {
            assert_eq!(refused(Generation { aspect_ratio: Some(ratio.into()), ..prompt("x") }), None);
        }
        assert_eq!(refused(with(|g| g.aspect_ratio = Some("auto".into()))), Some("aspect_ratio"));
        assert_eq!(refused(with(|g| g.aspect_ratio = Some("21:9".into()))), Some("aspect_ratio"));
        assert_eq!(refused(with(|g| g.resolution = Some("720".into()))), Some("resolution"));
        assert_eq!(refused(with(|g| g.resolution = Some("1080p".into()))), Some("resolution"));
        assert_eq!(refused(with(|g| g.model = Some(String::new()))), Some("model"));
        assert_eq!(refused(with(|g| g.user = Some(String::new()))), Some("user"));
        assert_eq!(refused(with(|g| g.model = Some("grok-video-of-tomorrow".into()))), None);
    }
}
