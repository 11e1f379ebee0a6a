//! Reads the fields of a create's body. A wrong type is a 422.

use serde_json::{Map, Value};

use super::operation::Operation;
use super::refusal::{Refusal, bad_request, unprocessable};
use super::resolution::Resolution;
use crate::simulator::clips;

type Read<T> = Result<T, Refusal>;

/// The fields of a create's body that the operation knows.
#[derive(Debug, Default)]
pub(super) struct Create<'a> {
    pub(super) prompt: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) duration: Option<i64>,
    pub(super) ratio: Option<&'static str>,
    pub(super) resolution: Option<Resolution>,
    pub(super) image: Option<Source<'a>>,
    pub(super) video: Option<Source<'a>>,
    pub(super) reference_images: Vec<Source<'a>>,
    pub(super) reference_audios: Vec<Source<'a>>,
    pub(super) last_frame: Option<Source<'a>>,
    pub(super) keyframes: Vec<Keyframe<'a>>,
    pub(super) upload_url: Option<&'a str>,
    pub(super) storage: Option<StorageOptions<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// A link, or the content as a `data:` URL.
    Url(&'a str),
    /// A stored file or a voice.
    Id(&'a str),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Keyframe<'a> {
    pub(super) image: Source<'a>,
    pub(super) timestamp: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct StorageOptions<'a> {
    pub(super) filename: &'a str,
    pub(super) expires_after: Option<i64>,
    pub(super) public_url: Option<PublicUrl>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PublicUrl {
    pub(super) expires_after: Option<i64>,
}

impl<'a> Create<'a> {
    pub(super) fn read(operation: Operation, body: &'a Map<String, Value>) -> Read<Self> {
        let body = Fields { at: String::new(), map: body };
        let common = Self {
            prompt: body.optional("prompt", string)?,
            model: body.optional("model", string)?,
            upload_url: body.optional("output", output)?,
            storage: body.optional("storage_options", storage_options)?,
            ..Self::default()
        };
        let create = match operation {
            Operation::Generation => common.generation(&body)?,
            Operation::Edit => {
                let user = body.optional("user", string)?;
                Self { video: Some(body.required("video", media)?), user, ..common }
            }
            Operation::Extension => {
                let duration = body.optional_as(["duration", "seconds"], integer)?;
                Self { video: Some(body.required("video", media)?), duration, ..common }
            }
        };
        // Images need no prompt.
        if create.prompt.is_none() && create.image_count() == 0 {
            return Err(unprocessable("prompt", "missing field"));
        }
        Ok(create)
    }

    pub(super) fn image_count(&self) -> usize {
        let single = [self.image, self.last_frame].iter().flatten().count();
        single + self.reference_images.len() + self.keyframes.len()
    }

    fn generation(self, body: &Fields<'a>) -> Read<Self> {
        body.optional("generate_audio", boolean)?;
        Ok(Self {
            user: body.optional("user", string)?,
            duration: body.optional_as(["duration", "seconds"], integer)?,
            ratio: body.optional("aspect_ratio", ratio)?,
            resolution: body.optional("resolution", resolution)?,
            image: body.optional_as(["image", "input_reference"], media)?,
            reference_images: body
                .optional("reference_images", |at, value| list(at, value, media))?
                .unwrap_or_default(),
            reference_audios: body
                .optional("reference_audios", |at, value| list(at, value, audio))?
                .unwrap_or_default(),
            last_frame: body.optional("last_frame", media)?,
            keyframes: body.optional("keyframes", |at, value| list(at, value, keyframe))?.unwrap_or_default(),
            ..self
        })
    }
}

/// A JSON object, and its path in the body.
struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(at: &str, value: &'a Value) -> Read<Self> {
        let map = value.as_object().ok_or_else(|| unprocessable(at, "expected an object"))?;
        Ok(Self { at: format!("{at}."), map })
    }

    fn optional<T>(&self, name: &str, read: impl Fn(&str, &'a Value) -> Read<T>) -> Read<Option<T>> {
        let at = format!("{}{name}", self.at);
        self.map.get(name).map(|value| read(&at, value)).transpose()
    }

    /// A field with two names; the first takes precedence.
    fn optional_as<T>(&self, names: [&str; 2], read: impl Fn(&str, &'a Value) -> Read<T>) -> Read<Option<T>> {
        let name = names.into_iter().find(|name| self.map.contains_key(*name));
        name.map_or(Ok(None), |name| self.optional(name, read))
    }

    fn required<T>(&self, name: &str, read: impl Fn(&str, &'a Value) -> Read<T>) -> Read<T> {
        self.optional(name, read)?.ok_or_else(|| unprocessable(&format!("{}{name}", self.at), "missing field"))
    }
}

fn string<'a>(at: &str, value: &'a Value) -> Read<&'a str> {
    value.as_str().ok_or_else(|| unprocessable(at, "expected a string"))
}

fn integer(at: &str, value: &Value) -> Read<i64> {
    value.as_i64().ok_or_else(|| unprocessable(at, "expected an integer"))
}

fn number(at: &str, value: &Value) -> Read<f64> {
    value.as_f64().ok_or_else(|| unprocessable(at, "expected a number"))
}

fn boolean(at: &str, value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| unprocessable(at, "expected a boolean"))
}

fn list<'a, T>(at: &str, value: &'a Value, item: impl Fn(&str, &'a Value) -> Read<T>) -> Read<Vec<T>> {
    let values = value.as_array().ok_or_else(|| unprocessable(at, "expected a sequence"))?;
    values.iter().enumerate().map(|(index, value)| item(&format!("{at}[{index}]"), value)).collect()
}

fn ratio(at: &str, value: &Value) -> Read<&'static str> {
    let name = string(at, value)?;
    clips::ratio(name).ok_or_else(|| unknown_variant(at, name))
}

fn resolution(at: &str, value: &Value) -> Read<Resolution> {
    match string(at, value)? {
        "480p" => Ok(Resolution::P480),
        "720p" => Ok(Resolution::P720),
        "1080p" => Ok(Resolution::P1080),
        other => Err(unknown_variant(at, other)),
    }
}

fn unknown_variant(at: &str, name: &str) -> Refusal {
    unprocessable(at, &format!("unknown variant `{name}`"))
}

fn media<'a>(at: &str, value: &'a Value) -> Read<Source<'a>> {
    source(at, value, "file_id")
}

fn audio<'a>(at: &str, value: &'a Value) -> Read<Source<'a>> {
    source(at, value, "voice_id")
}

/// An object with exactly one of `url` and `id`, which must not be empty.
fn source<'a>(at: &str, value: &'a Value, id: &str) -> Read<Source<'a>> {
    let fields = Fields::of(at, value)?;
    match (fields.optional("url", string)?, fields.optional(id, string)?) {
        (Some(_), Some(_)) => Err(bad_request(&format!("{at}: only one of url and {id} can be given"))),
        (Some(url), None) if !url.is_empty() => Ok(Source::Url(url)),
        (None, Some(id)) if !id.is_empty() => Ok(Source::Id(id)),
        _ => Err(unprocessable(at, &format!("expected an object with url or {id}"))),
    }
}

fn keyframe<'a>(at: &str, value: &'a Value) -> Read<Keyframe<'a>> {
    let fields = Fields::of(at, value)?;
    Ok(Keyframe { image: fields.required("image", media)?, timestamp: fields.required("timestamp_s", number)? })
}

fn output<'a>(at: &str, value: &'a Value) -> Read<&'a str> {
    Fields::of(at, value)?.required("upload_url", string)
}

fn storage_options<'a>(at: &str, value: &'a Value) -> Read<StorageOptions<'a>> {
    let fields = Fields::of(at, value)?;
    Ok(StorageOptions {
        filename: fields.required("filename", string)?,
        expires_after: fields.optional("expires_after", integer)?,
        public_url: fields.optional("public_url", public_url)?,
    })
}

fn public_url(at: &str, value: &Value) -> Read<PublicUrl> {
    match value {
        Value::Bool(true) => Ok(PublicUrl { expires_after: None }),
        Value::Object(_) => {
            Ok(PublicUrl { expires_after: Some(Fields::of(at, value)?.required("expires_after", integer)?) })
        }
        _ => Err(unprocessable(at, "expected true or an object with expires_after")),
    }
}
