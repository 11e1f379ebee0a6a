//! What the service refuses, as strictly as its documentation says.

use serde_json::{Map, Value};

use super::clips;

/// A refusal: the HTTP status and the words.
pub(super) type Refusal = (u16, String);

const MAX_PROMPT: usize = 4096;
const BASE: &str = "grok-imagine-video";
const NEWER: [&str; 3] =
    ["grok-imagine-video-1.5", "grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"];

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

/// What is bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) model: String,
    pub(super) seconds: u64,
    pub(super) ratio: String,
    pub(super) ticks: i64,
}

/// Reads a create's body.
pub(super) fn purchase(operation: Operation, body: &Map<String, Value>) -> Result<Purchase, Refusal> {
    let model = model(operation, body)?;
    let newer = NEWER.contains(&model.as_str());
    prompt(operation, body)?;
    let resolution = word(body, "resolution")?.unwrap_or("480p");
    if !["480p", "720p", "1080p"].contains(&resolution) {
        return Err(unprocessable("resolution", "unknown variant"));
    }
    if resolution == "1080p" && !newer {
        return Err(bad("1080p is supported by grok-imagine-video-1.5 only"));
    }
    let ratio = word(body, "aspect_ratio")?.unwrap_or("16:9");
    if clips::ratio(ratio).is_none() {
        return Err(unprocessable("aspect_ratio", "unknown variant"));
    }
    word(body, "user")?;
    media(body, "image")?;
    media(body, "video")?;
    if operation == Operation::Generation {
        references(body, newer)?;
    } else if !body.contains_key("video") {
        return Err(unprocessable("video", "missing field"));
    }
    let seconds = seconds(operation, body)?;
    let per_second = match (newer, resolution) {
        (false, "480p") => 500_000_000,
        (false, _) => 700_000_000,
        (true, "480p") => 800_000_000,
        (true, _) => 1_400_000_000,
    };
    let ratio = if operation == Operation::Generation { ratio } else { "16:9" };
    let ticks = per_second * i64::try_from(seconds).unwrap_or(15);
    Ok(Purchase { model, seconds, ratio: ratio.to_owned(), ticks })
}

fn model(operation: Operation, body: &Map<String, Value>) -> Result<String, Refusal> {
    let model = word(body, "model")?.unwrap_or(BASE);
    let newer = NEWER.contains(&model);
    if !newer && model != BASE && model != "grok-imagine-video-beta" {
        return Err((404, format!("The model {model} does not exist or your team does not have access to it.")));
    }
    if newer && operation != Operation::Generation {
        return Err(bad("this model does not support video editing or extension"));
    }
    Ok(model.to_owned())
}

fn prompt(operation: Operation, body: &Map<String, Value>) -> Result<(), Refusal> {
    match word(body, "prompt")? {
        Some("") => Err(bad("prompt must not be empty")),
        Some(text) if text.len() > MAX_PROMPT => Err(bad("prompt is longer than 4096 bytes")),
        None if operation == Operation::Generation && body.contains_key("image") => Ok(()),
        None => Err(unprocessable("prompt", "missing field")),
        Some(_) => Ok(()),
    }
}

fn seconds(operation: Operation, body: &Map<String, Value>) -> Result<u64, Refusal> {
    let given = match body.get("duration") {
        None => None,
        Some(value) => Some(value.as_i64().ok_or_else(|| unprocessable("duration", "expected an integer"))?),
    };
    let (range, default) = match operation {
        Operation::Generation => (1..=15, 8),
        Operation::Extension => (2..=10, 6),
        Operation::Edit => return Ok(6),
    };
    let seconds = given.unwrap_or(default);
    if !range.contains(&seconds) {
        return Err(bad(&format!("duration must be between {} and {}", range.start(), range.end())));
    }
    let seconds = u64::try_from(seconds).unwrap_or_default();
    Ok(if operation == Operation::Extension { (6 + seconds).min(15) } else { seconds })
}

fn references(body: &Map<String, Value>, newer: bool) -> Result<(), Refusal> {
    let Some(references) = body.get("reference_images") else { return Ok(()) };
    let references = references.as_array().ok_or_else(|| unprocessable("reference_images", "expected a sequence"))?;
    if references.len() > 7 {
        return Err(bad("at most 7 reference images are supported"));
    }
    for reference in references {
        source("reference_images", reference)?;
    }
    if body.contains_key("image") && !newer {
        return Err(bad("image and reference_images cannot be combined"));
    }
    Ok(())
}

fn media(body: &Map<String, Value>, field: &str) -> Result<(), Refusal> {
    body.get(field).map_or(Ok(()), |value| source(field, value))
}

/// `{"url": ...}` or `{"file_id": ...}`.
fn source(field: &str, value: &Value) -> Result<(), Refusal> {
    let part = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if part("file_id").is_some() {
        return Ok(());
    }
    let Some(url) = part("url") else { return Err(unprocessable(field, "expected an object with url or file_id")) };
    if url.starts_with("http://") || url.starts_with("https://") || url.starts_with("data:") {
        return Ok(());
    }
    Err(bad(&format!("{field}.url is not a valid URL")))
}

fn word<'a>(body: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(field) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| unprocessable(field, "expected a string")),
    }
}

fn bad(words: &str) -> Refusal {
    (400, words.to_owned())
}

fn unprocessable(field: &str, why: &str) -> Refusal {
    (422, format!("Failed to deserialize the JSON body into the target type: {field}: {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Operation::{Edit, Extension, Generation};
    use super::*;

    fn status(operation: Operation, body: Value) -> u16 {
        let Value::Object(body) = body else { panic!("not an object") };
        purchase(operation, &body).map_or_else(|(status, _)| status, |_| 200)
    }

    #[test]
    fn the_documented_limits() {
        let video = json!({"url": "https://a.example/v.mp4"});
        let cases = [
            (Generation, json!({"prompt": "x"}), 200),
            (Generation, json!({}), 422),
            (Generation, json!({"prompt": ""}), 400),
            (Generation, json!({"prompt": "a".repeat(4097)}), 400),
            (Generation, json!({"prompt": 7}), 422),
            (Generation, json!({"image": {"url": "data:image/png;base64,AA"}}), 200),
            (Generation, json!({"image": "https://a.example/i.png"}), 422),
            (Generation, json!({"prompt": "x", "image": {"url": ""}}), 422),
            (Generation, json!({"prompt": "x", "duration": 15}), 200),
            (Generation, json!({"prompt": "x", "duration": 16}), 400),
            (Generation, json!({"prompt": "x", "duration": 0}), 400),
            (Generation, json!({"prompt": "x", "duration": "5"}), 422),
            (Generation, json!({"prompt": "x", "aspect_ratio": "auto"}), 422),
            (Generation, json!({"prompt": "x", "resolution": "4k"}), 422),
            (Generation, json!({"prompt": "x", "resolution": "1080p"}), 400),
            (Generation, json!({"prompt": "x", "resolution": "1080p", "model": "grok-imagine-video-1.5"}), 200),
            (Generation, json!({"prompt": "x", "model": "grok-nothing"}), 404),
            (Generation, json!({"prompt": "x", "reference_images": vec![&video; 7]}), 200),
            (Generation, json!({"prompt": "x", "reference_images": vec![&video; 8]}), 400),
            (Generation, json!({"prompt": "x", "reference_images": [&video], "image": &video}), 400),
            (Generation, json!({"prompt": "x", "of_tomorrow": true}), 200),
            (Edit, json!({"prompt": "x", "video": &video}), 200),
            (Edit, json!({"prompt": "x"}), 422),
            (Edit, json!({"prompt": "x", "video": &video, "model": "grok-imagine-video-1.5"}), 400),
            (Extension, json!({"prompt": "x", "video": {"file_id": "f"}, "duration": 10}), 200),
            (Extension, json!({"prompt": "x", "video": &video, "duration": 11}), 400),
            (Extension, json!({"prompt": "x", "video": &video, "duration": 1}), 400),
        ];
        for (operation, body, expected) in cases {
            assert_eq!(status(operation, body.clone()), expected, "{operation:?} {body}");
        }
    }

    #[test]
    fn prices() {
        let ticks = |body: Value| purchase(Generation, body.as_object().unwrap()).unwrap().ticks;
        assert_eq!(ticks(json!({"prompt": "x", "duration": 5})), 2_500_000_000);
        assert_eq!(ticks(json!({"prompt": "x", "duration": 1, "resolution": "720p"})), 700_000_000);
        assert_eq!(ticks(json!({"prompt": "x"})), 4_000_000_000);
    }
}
