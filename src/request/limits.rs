//! Documented limits, checked before a request is sent.

use std::ops::RangeInclusive;

use super::fields::{FIELDS, VideoRequest};
use super::parts::{Audio, Operation, StorageOptions};
use crate::error::{Error, Result};
use crate::media::{VideoInfo, is_address};
use crate::redact::{shorten, text_for_message};

// ---- documentation -------------------------------------------------------------------------------
//
// Limits on which all sources agree are enforced. Where sources differ, and for unknown models, the request is sent.

/// Bytes of UTF-8. Documented as 4096 characters, measured as bytes.
const MAX_PROMPT: usize = 4096;
const ASPECT_RATIOS: [&str; 9] = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "5:2"];
const RESOLUTIONS: [&str; 3] = ["480p", "720p", "1080p"];
/// Seconds of a generation.
const DURATION: RangeInclusive<i64> = 1..=15;
/// Used by the service when the request has no duration.
const DEFAULT_DURATION: f64 = 8.0;
const MAX_AUDIOS: usize = 3;
const MAX_KEYFRAMES: usize = 4;
/// The service rejects two keyframes in the same third of a second.
const SLOTS_PER_SECOND: f64 = 3.0;
/// Seconds: one hour to thirty days.
const STORAGE_SECONDS: RangeInclusive<i64> = 3_600..=2_592_000;
/// Seconds of the longest source of an edit.
const MAX_EDIT_SECONDS: f64 = 8.7;
/// Seconds added by an extension: xAI's reference says 2 to 10, its `OpenAPI` file and SDK 1 to 10.
const EXTENSION_SECONDS: RangeInclusive<i64> = 1..=10;
/// Seconds of the source of an extension: some pages say at most 15, the `OpenAPI` file and the SDK 30.
const EXTENSION_SOURCE_SECONDS: RangeInclusive<f64> = 2.0..=30.0;
/// About one frame: a length this close to a limit is left to the service.
const TOLERANCE: f64 = 0.05;
/// Edits and extensions take these from their source, unless the request has a field for them.
const FROM_SOURCE: [&str; 3] = ["duration", "aspect_ratio", "resolution"];
/// H.264, H.265 and AV1.
const CODECS: [[u8; 4]; 5] = [*b"avc1", *b"avc3", *b"hvc1", *b"hev1", *b"av01"];

/// Documented properties of a model.
struct Model {
    /// All names; messages use the first.
    names: &'static [&'static str],
    resolutions: &'static [&'static str],
    /// `None` if the model does not accept reference images.
    references: Option<References>,
    /// Accepted fields, of those that some model rejects.
    inputs: &'static [&'static str],
    /// Accepts edits and extensions.
    changes_videos: bool,
}

struct References {
    most: usize,
    /// Seconds of the longest video with reference images.
    longest: i64,
    resolutions: &'static [&'static str],
    /// Whether they can be combined with `image`.
    with_image: bool,
}

/// The first model is the service's default.
static MODELS: [Model; 3] = [
    Model {
        names: &["grok-imagine-video", "grok-imagine-video-beta"],
        resolutions: &["480p", "720p"],
        references: Some(References { most: 7, longest: 10, resolutions: &["480p", "720p"], with_image: false }),
        inputs: &["reference_images"],
        changes_videos: true,
    },
    Model {
        names: &["grok-imagine-video-1.5", "grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"],
        resolutions: &["480p", "720p", "1080p"],
        references: Some(References { most: 14, longest: 15, resolutions: &["480p", "720p"], with_image: true }),
        inputs: &["reference_images", "reference_audios", "last_frame", "keyframes"],
        changes_videos: false,
    },
    Model {
        names: &["grok-imagine-video-1.5-lite"],
        resolutions: &["480p", "720p", "1080p"],
        references: None,
        inputs: &[],
        changes_videos: false,
    },
];

impl Model {
    fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    fn accepts_references(&self, accepts: impl Fn(&References) -> bool) -> bool {
        self.references.as_ref().is_some_and(accepts)
    }
}

// ---- requests ------------------------------------------------------------------------------------

impl<M> VideoRequest<M> {
    /// Enforces the documented limits. The content of `extra` is not checked: it is sent unchanged.
    pub fn check(&self) -> Result<()> {
        self.check_prompt()?;
        not_empty("model", self.model.as_deref())?;
        not_empty("user", self.user.as_deref())?;
        if let Some(address) = &self.upload_url {
            check_address("upload_url", address)?;
        }
        if let Some(options) = &self.storage_options {
            options.check()?;
        }
        match self.operation {
            Operation::Generate => self.check_generation(),
            Operation::Edit => self.check_edit(),
            Operation::Extend => self.check_extension(),
        }
    }

    fn check_prompt(&self) -> Result<()> {
        let Some(prompt) = &self.prompt else {
            if self.extra.contains_key("prompt") || self.needs_no_prompt() {
                return Ok(());
            }
            return Err(Error::invalid(
                "prompt",
                "the prompt is missing; it is optional only for a generation from an image, references or keyframes",
            ));
        };
        if prompt.trim().is_empty() {
            return Err(Error::invalid("prompt", "the prompt is empty; say what the video should show"));
        }
        if prompt.len() > MAX_PROMPT {
            let message =
                format!("the prompt has {} bytes in UTF-8; the service accepts at most {MAX_PROMPT}", prompt.len());
            return Err(Error::invalid("prompt", message));
        }
        Ok(())
    }

    /// xAI documents this for a first frame and, in its newer guide, for references; its SDK also for pinned frames.
    fn needs_no_prompt(&self) -> bool {
        let images = FIELDS.iter().filter(|field| field.kind.is_image()).map(|field| field.name);
        let has_images =
            self.image_count() > 0 || images.chain(["input_reference"]).any(|name| self.extra.contains_key(name));
        self.operation == Operation::Generate && has_images
    }

    /// `None` for unknown models.
    fn documented(&self) -> Option<&'static Model> {
        match self.sent_model() {
            None => MODELS.first(),
            Some(name) => MODELS.iter().find(|model| model.names.contains(&name)),
        }
    }

    // ---- generations --------------------------------------------------------------------------

    fn check_generation(&self) -> Result<()> {
        if self.video.is_some() {
            let message = "a generation accepts no video; use an edit or an extension";
            return Err(Error::invalid("video", message));
        }
        within("duration", self.duration, DURATION)?;
        if let Some(ratio) = &self.aspect_ratio {
            one_of("aspect_ratio", ratio, &ASPECT_RATIOS)?;
        }
        if let Some(resolution) = &self.resolution {
            one_of("resolution", resolution, &RESOLUTIONS)?;
        }
        at_most("reference_audios", self.reference_audios.len(), MAX_AUDIOS)?;
        for audio in &self.reference_audios {
            match audio {
                Audio::VoiceId(id) => not_empty("reference_audios", Some(id))?,
                Audio::Url(address) => check_audio(address)?,
            }
        }
        if let Some(model) = self.documented() {
            self.check_model(model)?;
        }
        self.check_keyframes()
    }

    fn check_model(&self, model: &Model) -> Result<()> {
        if let Some(resolution) = self.resolution.as_deref().filter(|name| !model.resolutions.contains(name)) {
            let message = format!(
                "resolution {resolution} is not supported by {}; use 720p{}",
                model.name(),
                or_model(|other| other.resolutions.contains(&resolution)),
            );
            return Err(Error::invalid("resolution", message));
        }
        for field in FIELDS.iter().filter(|field| self.has(field)) {
            let accepts = |model: &Model| model.inputs.contains(&field.name);
            if MODELS.iter().any(accepts) && !accepts(model) {
                let name = field.name;
                let message = format!("{name} is not supported by {}; omit it{}", model.name(), or_model(accepts));
                return Err(Error::invalid(name, message));
            }
        }
        match &model.references {
            Some(references) if !self.reference_images.is_empty() => self.check_references(model.name(), references),
            _ => Ok(()),
        }
    }

    fn check_references(&self, model: &str, limits: &References) -> Result<()> {
        const FIELD: &str = "reference_images";
        let count = self.reference_images.len();
        if count > limits.most {
            let others = or_model(|other| other.accepts_references(|limits| count <= limits.most));
            let message = format!("{FIELD} accepts at most {} on {model}, not {count}; use fewer{others}", limits.most);
            return Err(Error::invalid(FIELD, message));
        }
        if self.image.is_some() && !limits.with_image {
            let message = format!(
                "image and {FIELD} cannot be combined on {model}; add the image to reference_images{}",
                or_model(|other| other.accepts_references(|limits| limits.with_image)),
            );
            return Err(Error::invalid(FIELD, message));
        }
        if let Some(seconds) = self.duration.filter(|seconds| *seconds > limits.longest && !self.extra_has_duration()) {
            let message = format!(
                "duration must be at most {} seconds with {FIELD} on {model}, not {seconds}; use a shorter one{}",
                limits.longest,
                or_model(|other| other.accepts_references(|limits| seconds <= limits.longest)),
            );
            return Err(Error::invalid("duration", message));
        }
        match self.resolution.as_deref() {
            Some(resolution) if !limits.resolutions.contains(&resolution) => Err(Error::invalid(
                "resolution",
                format!("resolution {resolution} cannot be combined with {FIELD} on {model}; use 720p"),
            )),
            _ => Ok(()),
        }
    }

    fn check_keyframes(&self) -> Result<()> {
        const FIELD: &str = "keyframes";
        at_most(FIELD, self.keyframes.len(), MAX_KEYFRAMES)?;
        let seconds = self.sent_duration().unwrap_or(DEFAULT_DURATION);
        let mut slots = Vec::new();
        for keyframe in &self.keyframes {
            let at = keyframe.timestamp;
            if !(at > 0.0 && at < seconds) {
                let message = format!(
                    "the timestamp of a keyframe must be above 0 and below the duration of {seconds} s, not {at}"
                );
                return Err(Error::invalid(FIELD, message));
            }
            // It is unknown whether the service rounds a time down or to the nearest slot, so slots must differ in
            // both.
            let slot = [at * SLOTS_PER_SECOND, (at * SLOTS_PER_SECOND).round()].map(f64::floor).map(f64::to_bits);
            if slots.contains(&slot) {
                let message = format!(
                    "two keyframes are in the same third of a second at {at} s; keep them at least 1/3 s apart"
                );
                return Err(Error::invalid(FIELD, message));
            }
            slots.push(slot);
        }
        Ok(())
    }

    // ---- edits and extensions -----------------------------------------------------------------

    fn check_edit(&self) -> Result<()> {
        self.check_source_given()?;
        self.reject_unsupported_fields("an edit")
    }

    fn check_extension(&self) -> Result<()> {
        self.check_source_given()?;
        within("duration", self.duration, EXTENSION_SECONDS)?;
        self.reject_unsupported_fields("an extension")
    }

    fn check_source_given(&self) -> Result<()> {
        if self.video.is_none() && !self.extra.contains_key("video") {
            return Err(Error::invalid(
                "video",
                format!("video is missing; pass the video to {}", self.operation.as_str()),
            ));
        }
        match self.documented() {
            Some(model) if !model.changes_videos => Err(Error::invalid(
                "model",
                format!(
                    "model {} supports neither edits nor extensions; omit model to use the base model",
                    model.name()
                ),
            )),
            _ => Ok(()),
        }
    }

    fn reject_unsupported_fields(&self, what: &str) -> Result<()> {
        let mut refused = FIELDS.iter().filter(|field| !field.operations.contains(&self.operation) && self.has(field));
        let from_source = refused.clone().find(|field| FROM_SOURCE.contains(&field.name));
        match from_source.or_else(|| refused.next()).map(|field| field.name) {
            Some(name) if from_source.is_some() => {
                Err(Error::invalid(name, format!("{what} takes its {name} from its source; omit it")))
            }
            Some(name) => Err(Error::invalid(name, format!("{what} does not accept {name}; omit it"))),
            None => Ok(()),
        }
    }
}

/// Advice to use the first model that accepts it, or an empty string.
fn or_model(accepts: impl Fn(&Model) -> bool) -> String {
    let model = MODELS.iter().find(|model| accepts(model));
    model.map_or_else(String::new, |model| format!(", or pass model=\"{}\"", model.name()))
}

impl Operation {
    /// Rejects a source whose length or codec is known and not accepted.
    pub(crate) fn check_source(self, video: VideoInfo) -> Result<()> {
        self.check_length(video.seconds)?;
        match video.codec {
            Some(codec) if !CODECS.contains(&codec) => {
                let name = String::from_utf8_lossy(&codec).into_owned();
                let message = format!(
                    "video has the codec {name:?}, not H.264, H.265 or AV1; convert it (ffmpeg -i in.mp4 -c:v libx264 out.mp4)"
                );
                Err(Error::invalid("video", message))
            }
            _ => Ok(()),
        }
    }

    /// Rejects a source of this length if it is not accepted.
    pub(crate) fn check_length(self, seconds: f64) -> Result<()> {
        match self {
            Self::Edit if seconds > MAX_EDIT_SECONDS + TOLERANCE => Err(Error::invalid(
                "video",
                format!(
                    "video is {seconds:.2} s long; an edit accepts at most {MAX_EDIT_SECONDS} s (ffmpeg -i in.mp4 -t 8.6 out.mp4)"
                ),
            )),
            Self::Extend
                if seconds < EXTENSION_SOURCE_SECONDS.start() - TOLERANCE
                    || seconds > EXTENSION_SOURCE_SECONDS.end() + TOLERANCE =>
            {
                let (least, most) = (EXTENSION_SOURCE_SECONDS.start(), EXTENSION_SOURCE_SECONDS.end());
                Err(Error::invalid(
                    "video",
                    format!("video is {seconds:.2} s long; an extension accepts {least} to {most} s"),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl StorageOptions {
    /// Enforces the documented limits.
    pub fn check(&self) -> Result<()> {
        const FIELD: &str = "storage_options";
        if self.filename.trim().is_empty() {
            return Err(Error::invalid(FIELD, "storage_options.filename is empty; pass a file name"));
        }
        for (name, seconds) in
            [("expires_after", self.expires_after), ("public_url_expires_after", self.public_url_expires_after)]
        {
            if let Some(seconds) = seconds.filter(|seconds| !STORAGE_SECONDS.contains(seconds)) {
                let (least, most) = (STORAGE_SECONDS.start(), STORAGE_SECONDS.end());
                let message = format!("storage_options.{name} must be {least} to {most} seconds, not {seconds}");
                return Err(Error::invalid(FIELD, message));
            }
        }
        if self.public_url_expires_after.is_some() && !self.public_url {
            let message = "storage_options.public_url_expires_after requires public_url=True";
            return Err(Error::invalid(FIELD, message));
        }
        Ok(())
    }
}

fn check_audio(address: &str) -> Result<()> {
    if address.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:audio/")) {
        return Ok(());
    }
    check_address("reference_audios", address)
}

fn check_address(field: &'static str, address: &str) -> Result<()> {
    if is_address(address) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{field} must be an http(s) URL, not {:?}", text_for_message(address))))
}

fn within(field: &'static str, value: Option<i64>, range: RangeInclusive<i64>) -> Result<()> {
    match value {
        Some(value) if !range.contains(&value) => Err(Error::invalid(
            field,
            format!("{field} must be {} to {} seconds, not {value}", range.start(), range.end()),
        )),
        _ => Ok(()),
    }
}

fn at_most(field: &'static str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{field} accepts at most {most}, not {count}")))
}

fn one_of(field: &'static str, value: &str, known: &[&str]) -> Result<()> {
    if known.contains(&value) {
        return Ok(());
    }
    let hint = if value == "auto" { "; omit it for the service's default" } else { "" };
    Err(Error::invalid(
        field,
        format!("{field} must be one of {}, not {:?}{hint}", known.join(", "), shorten(value, 40)),
    ))
}

fn not_empty(field: &'static str, value: Option<&str>) -> Result<()> {
    match value {
        Some("") => Err(Error::invalid(field, format!("{field} is empty; omit it instead"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::Keyframe;

    fn with(fields: &Value) -> VideoRequest {
        let mut all = json!({"prompt": "x"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn refused(fields: &Value) -> Option<&'static str> {
        match with(fields).check() {
            Err(Error::InvalidRequest { field, message }) => {
                assert!(message.contains(field.trim_end_matches('s')), "{message} names {field}");
                Some(field)
            }
            Err(other) => panic!("{other}"),
            Ok(()) => None,
        }
    }

    const IMAGE: &str = "https://a.example/i.png";
    const VIDEO: &str = "https://a.example/v.mp4";
    const NEW: &str = "grok-imagine-video-1.5";
    const LITE: &str = "grok-imagine-video-1.5-lite";
    const UNKNOWN: &str = "grok-of-tomorrow";

    #[test]
    fn generation_limits_are_enforced() {
        let frames = |at: &[f64]| at.iter().map(|at| json!({"image": IMAGE, "timestamp": at})).collect::<Vec<_>>();
        let voices = |count| vec![json!({"voice_id": "ara"}); count];
        let cases = [
            (json!({}), None),
            (json!({"prompt": null}), Some("prompt")),
            (json!({"prompt": null, "image": IMAGE}), None),
            (json!({"prompt": null, "reference_images": [IMAGE]}), None),
            (json!({"prompt": null, "reference_audios": voices(1), "model": NEW}), Some("prompt")),
            (json!({"prompt": null, "last_frame": IMAGE, "model": NEW}), None),
            (json!({"prompt": null, "keyframes": frames(&[1.0]), "model": NEW}), None),
            (json!({"prompt": ""}), Some("prompt")),
            (json!({"prompt": " \n", "image": IMAGE}), Some("prompt")),
            (json!({"prompt": "a".repeat(4096)}), None),
            (json!({"prompt": "a".repeat(4097)}), Some("prompt")),
            (json!({"prompt": "ä".repeat(2049)}), Some("prompt")),
            (json!({"duration": 0}), Some("duration")),
            (json!({"duration": 1}), None),
            (json!({"duration": 15}), None),
            (json!({"duration": 16}), Some("duration")),
            (json!({"aspect_ratio": "auto"}), Some("aspect_ratio")),
            (json!({"aspect_ratio": "16:9 "}), Some("aspect_ratio")),
            (json!({"resolution": "4k"}), Some("resolution")),
            (json!({"resolution": "1080p"}), Some("resolution")),
            (json!({"resolution": "1080p", "model": "grok-imagine-video-beta"}), Some("resolution")),
            (json!({"resolution": "1080p", "model": NEW}), None),
            (json!({"resolution": "1080p", "model": "grok-imagine-video-1.5-preview"}), None),
            (json!({"resolution": "1080p", "model": LITE}), None),
            (json!({"resolution": "1080p", "model": UNKNOWN}), None),
            (json!({"resolution": "1080p", "model": NEW, "reference_images": [IMAGE]}), Some("resolution")),
            (json!({"resolution": "720p", "model": NEW, "reference_images": [IMAGE]}), None),
            (json!({"resolution": "1080p", "model": NEW, "image": IMAGE}), None),
            (json!({"resolution": "1080p", "model": UNKNOWN, "reference_images": [IMAGE]}), None),
            (json!({"model": ""}), Some("model")),
            (json!({"user": ""}), Some("user")),
            (json!({"video": VIDEO}), Some("video")),
        ];
        for (fields, verdict) in cases {
            assert_eq!(refused(&fields), verdict, "{fields}");
        }
        for ratio in ASPECT_RATIOS {
            assert_eq!(refused(&json!({"aspect_ratio": ratio})), None);
        }
    }

    #[test]
    fn input_limits_are_enforced() {
        let images = |count| vec![IMAGE; count];
        let frames = |at: &[f64]| at.iter().map(|at| json!({"image": IMAGE, "timestamp": at})).collect::<Vec<_>>();
        let voices = |count| vec![json!({"voice_id": "ara"}); count];
        let cases = [
            (json!({"reference_images": images(7)}), None),
            (json!({"reference_images": images(8)}), Some("reference_images")),
            (json!({"reference_images": images(14), "model": NEW}), None),
            (json!({"reference_images": images(15), "model": NEW}), Some("reference_images")),
            (json!({"reference_images": images(1), "model": LITE}), Some("reference_images")),
            (json!({"reference_images": images(15), "model": UNKNOWN}), None),
            (json!({"reference_images": images(1), "image": IMAGE, "model": UNKNOWN}), None),
            (json!({"reference_images": images(1), "duration": 15, "model": UNKNOWN}), None),
            (json!({"reference_images": images(1), "image": IMAGE}), Some("reference_images")),
            (json!({"reference_images": images(1), "image": IMAGE, "model": NEW}), None),
            (json!({"reference_images": images(1), "duration": 10}), None),
            (json!({"reference_images": images(1), "duration": 11}), Some("duration")),
            (json!({"reference_images": images(1), "duration": 15, "model": NEW}), None),
            (json!({"reference_images": images(1), "duration": 16, "model": NEW}), Some("duration")),
            (json!({"reference_audios": voices(1)}), Some("reference_audios")),
            (json!({"reference_audios": voices(1), "model": LITE}), Some("reference_audios")),
            (json!({"reference_audios": voices(1), "model": UNKNOWN}), None),
            (json!({"reference_audios": voices(3), "model": NEW}), None),
            (json!({"reference_audios": voices(4), "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"voice_id": ""}], "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"url": "voice.wav"}], "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"url": "https://a.example/voice.wav"}], "model": NEW}), None),
            (json!({"reference_audios": [{"url": "data:audio/wav;base64,AAAA"}], "model": NEW}), None),
            (json!({"last_frame": IMAGE}), Some("last_frame")),
            (json!({"last_frame": IMAGE, "model": NEW}), None),
            (json!({"last_frame": IMAGE, "model": LITE}), Some("last_frame")),
            (json!({"last_frame": IMAGE, "model": UNKNOWN}), None),
            (json!({"image": IMAGE, "last_frame": IMAGE, "model": NEW}), None),
            (json!({"image": IMAGE, "model": LITE}), None),
            (json!({"keyframes": frames(&[1.0])}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.0]), "model": LITE}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.0]), "model": UNKNOWN}), None),
            (json!({"keyframes": frames(&[1.0, 1.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.1, 1.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.0, 1.1]), "model": UNKNOWN}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.0, 1.34, 1.67, 2.0]), "model": NEW}), None),
            (json!({"keyframes": frames(&[1.0, 1.33]), "model": NEW}), None),
            (json!({"keyframes": frames(&[1.2, 1.4]), "model": NEW}), None),
            (json!({"keyframes": frames(&[1.0, 2.0, 3.0, 7.9]), "model": NEW}), None),
            (json!({"keyframes": frames(&[1.0, 2.0, 3.0, 4.0, 5.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[0.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[8.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[8.0]), "model": NEW, "duration": 9}), None),
            (json!({"keyframes": frames(&[4.0]), "model": NEW, "duration": 4}), Some("keyframes")),
            (json!({"generate_audio": false}), None),
            (json!({"upload_url": "https://a.example/put?sig=1"}), None),
            (json!({"upload_url": "s3://bucket/file"}), Some("upload_url")),
            (json!({"storage_options": {"filename": "a.mp4"}}), None),
            (json!({"storage_options": {"filename": ""}}), Some("storage_options")),
            (json!({"storage_options": {"filename": "a", "expires_after": 3599}}), Some("storage_options")),
            (json!({"storage_options": {"filename": "a", "expires_after": 3600}}), None),
            (json!({"storage_options": {"filename": "a", "expires_after": 2_592_000}}), None),
            (json!({"storage_options": {"filename": "a", "expires_after": 2_592_001}}), Some("storage_options")),
            (json!({"storage_options": {"filename": "a", "public_url_expires_after": 3600}}), Some("storage_options")),
            (
                json!({"storage_options": {"filename": "a", "public_url": true, "public_url_expires_after": 3599}}),
                Some("storage_options"),
            ),
        ];
        for (fields, verdict) in cases {
            assert_eq!(refused(&fields), verdict, "{fields}");
        }
        let mut endless = with(&json!({"model": NEW}));
        endless.keyframes = vec![Keyframe { image: crate::media::Media::FileId("f".into()), timestamp: f64::NAN }];
        assert!(endless.check().is_err());
    }

    #[test]
    fn edit_and_extension_limits_are_enforced() {
        let edit: fn(Value) -> Value = |fields| {
            let mut all = json!({"operation": "edit", "video": VIDEO});
            all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            all
        };
        let extend: fn(Value) -> Value = |fields| {
            let mut all = json!({"operation": "extend", "video": VIDEO});
            all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            all
        };
        for operation in [edit, extend] {
            let cases = [
                (json!({}), None),
                (json!({"prompt": null}), Some("prompt")),
                (json!({"video": null}), Some("video")),
                (json!({"model": "grok-imagine-video"}), None),
                (json!({"model": "grok-imagine-video-beta"}), None),
                (json!({"model": UNKNOWN}), None),
                (json!({"model": NEW}), Some("model")),
                (json!({"model": "grok-imagine-video-1.5-2026-05-30"}), Some("model")),
                (json!({"model": LITE}), Some("model")),
                (json!({"aspect_ratio": "1:1"}), Some("aspect_ratio")),
                (json!({"resolution": "720p"}), Some("resolution")),
                (json!({"image": IMAGE}), Some("image")),
                (json!({"reference_images": [IMAGE]}), Some("reference_images")),
                (json!({"last_frame": IMAGE}), Some("last_frame")),
                (json!({"generate_audio": true}), Some("generate_audio")),
                (json!({"upload_url": "https://a.example/put"}), None),
                (json!({"storage_options": {"filename": "a"}}), None),
            ];
            for (fields, verdict) in cases {
                assert_eq!(refused(&operation(fields.clone())), verdict, "{fields}");
            }
        }
        assert_eq!(refused(&edit(json!({"duration": 5}))), Some("duration"));
        assert_eq!(refused(&edit(json!({"user": "u"}))), None);
        assert_eq!(refused(&extend(json!({"user": "u"}))), Some("user"));
        for (seconds, verdict) in [(0, Some("duration")), (1, None), (10, None), (11, Some("duration"))] {
            assert_eq!(refused(&extend(json!({"duration": seconds}))), verdict);
        }
    }

    #[test]
    fn extra_is_considered_but_not_checked() {
        let voices = json!([{"voice_id": "ara"}]);
        let frames = json!([{"image": IMAGE, "timestamp": 9.0}]);
        let video = json!({"url": VIDEO});
        let cases = [
            (json!({"extra": {"seconds": 99, "input_reference": {"url": IMAGE}}}), None),
            (json!({"prompt": null, "extra": {"input_reference": {"url": IMAGE}}}), None),
            (json!({"prompt": null, "extra": {"prompt": "x"}}), None),
            (json!({"prompt": null, "extra": {"seed": 1}}), Some("prompt")),
            (json!({"resolution": "1080p", "extra": {"model": NEW}}), None),
            (
                json!({"resolution": "1080p", "model": NEW, "extra": {"model": "grok-imagine-video"}}),
                Some("resolution"),
            ),
            (json!({"reference_audios": voices, "extra": {"model": UNKNOWN}}), None),
            (json!({"reference_images": [IMAGE], "duration": 11, "extra": {"duration": 10}}), None),
            (json!({"keyframes": frames, "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames, "model": NEW, "extra": {"duration": 10}}), None),
            (json!({"keyframes": frames, "model": NEW, "extra": {"seconds": 10}}), None),
            (json!({"operation": "edit", "extra": {"video": video}}), None),
            (json!({"operation": "edit", "extra": {"image": video}}), Some("video")),
        ];
        for (fields, verdict) in cases {
            assert_eq!(refused(&fields), verdict, "{fields}");
        }
    }

    #[test]
    fn errors_name_a_model_that_accepts_the_field() {
        let cases = [
            (
                json!({"resolution": "1080p"}),
                "resolution 1080p is not supported by grok-imagine-video; use 720p, or pass model=\"grok-imagine-video-1.5\"",
            ),
            (
                json!({"reference_images": [IMAGE], "model": LITE}),
                "reference_images is not supported by grok-imagine-video-1.5-lite; omit it, or pass \
                 model=\"grok-imagine-video\"",
            ),
            (
                json!({"reference_images": vec![IMAGE; 8]}),
                "reference_images accepts at most 7 on grok-imagine-video, not 8; use fewer, or pass \
                 model=\"grok-imagine-video-1.5\"",
            ),
            (
                json!({"reference_images": vec![IMAGE; 15], "model": NEW}),
                "reference_images accepts at most 14 on grok-imagine-video-1.5, not 15; use fewer",
            ),
        ];
        for (fields, message) in cases {
            assert_eq!(with(&fields).check().unwrap_err().to_string(), message, "{fields}");
        }
    }

    #[test]
    fn sources() {
        let video = |seconds, codec: &[u8; 4]| VideoInfo { seconds, codec: Some(*codec) };
        let cases = [
            (Operation::Edit, video(8.7, b"avc1"), true),
            (Operation::Edit, video(8.8, b"avc1"), false),
            (Operation::Edit, video(0.5, b"hev1"), true),
            (Operation::Extend, video(1.9, b"avc1"), false),
            (Operation::Extend, video(2.0, b"av01"), true),
            (Operation::Extend, video(30.0, b"avc1"), true),
            (Operation::Extend, video(30.1, b"avc1"), false),
            (Operation::Extend, video(5.0, b"mp4v"), false),
            (Operation::Edit, VideoInfo { seconds: 5.0, codec: None }, true),
        ];
        for (operation, video, is_taken) in cases {
            assert_eq!(operation.check_source(video).is_ok(), is_taken, "{operation:?} {video:?}");
        }
    }
}
