//! What the documented limits exclude, said before anything is sent.

use super::{Audio, Operation, StorageOptions, VideoRequest};
use crate::error::{Error, Result, presentable, shorten};
use crate::media::{Film, is_address};

/// The longest prompt, in bytes of UTF-8 (documented as 4096 characters, measured in bytes).
const MAX_PROMPT: usize = 4096;
const ASPECT_RATIOS: [&str; 7] = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"];
const RESOLUTIONS: [&str; 3] = ["480p", "720p", "1080p"];
const NEWER: &str = "grok-imagine-video-1.5";
const NEWER_MODELS: [&str; 3] = [NEWER, "grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"];
const BASE_MODELS: [&str; 2] = ["grok-imagine-video", "grok-imagine-video-beta"];
/// What the service takes when the request does not say.
const DEFAULT_DURATION: i64 = 8;
const MAX_REFERENCES: usize = 7;
const MAX_DURATION_WITH_REFERENCES: i64 = 10;
const MAX_AUDIOS: usize = 3;
const MAX_KEYFRAMES: usize = 4;
/// One hour to thirty days.
const STORED_FOR: std::ops::RangeInclusive<i64> = 3_600..=2_592_000;
const MAX_EDITED: f64 = 8.7;
/// What lies about one frame beyond a limit is left to the service.
const TOLERANCE: f64 = 0.05;
/// Some pages say 15, some 30: only what all exclude is refused.
const EXTENDED: std::ops::RangeInclusive<f64> = 2.0..=30.0;
/// H.264, H.265 and AV1.
const CODINGS: [[u8; 4]; 5] = [*b"avc1", *b"avc3", *b"hvc1", *b"hev1", *b"av01"];

impl<M> VideoRequest<M> {
    /// Refuses what the documented limits exclude.
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
            // xAI alone documents that a frame needs no prompt; what it documents is sent as asked.
            if self.operation == Operation::Generate && self.pins_a_frame() {
                return Ok(());
            }
            return Err(Error::invalid(
                "prompt",
                "the prompt is missing; only a pinned frame may be animated without one",
            ));
        };
        if prompt.trim().is_empty() {
            return Err(Error::invalid("prompt", "the prompt is empty; say what the video should show"));
        }
        if prompt.len() > MAX_PROMPT {
            let words =
                format!("the prompt has {} bytes in UTF-8; the service takes at most {MAX_PROMPT}", prompt.len());
            return Err(Error::invalid("prompt", words));
        }
        Ok(())
    }

    fn pins_a_frame(&self) -> bool {
        self.image.is_some() || self.last_frame.is_some() || !self.keyframes.is_empty()
    }

    // ---- generations --------------------------------------------------------------------------

    fn check_generation(&self) -> Result<()> {
        refuse("video", self.video.is_some(), "a generation begins with no video; ask for an edit or an extension")?;
        within("duration", self.duration, 1..=15)?;
        if let Some(ratio) = &self.aspect_ratio {
            one_of("aspect_ratio", ratio, &ASPECT_RATIOS)?;
        }
        if let Some(resolution) = &self.resolution {
            one_of("resolution", resolution, &RESOLUTIONS)?;
        }
        self.check_resolution()?;
        self.check_references()?;
        self.check_audios()?;
        self.only_newer("last_frame", self.last_frame.is_some())?;
        self.check_keyframes()
    }

    fn check_resolution(&self) -> Result<()> {
        if self.resolution.as_deref() != Some("1080p") {
            return Ok(());
        }
        if self.is_base_model() {
            return Err(Error::invalid(
                "resolution",
                format!("resolution 1080p is rendered by {NEWER} only; pass model=\"{NEWER}\" or take 720p"),
            ));
        }
        let with_references = !self.reference_images.is_empty();
        refuse("resolution", with_references, "resolution 1080p does not go with reference_images; take 720p")
    }

    fn check_references(&self) -> Result<()> {
        at_most("reference_images", self.reference_images.len(), MAX_REFERENCES)?;
        if self.reference_images.is_empty() || !self.is_base_model() {
            return Ok(());
        }
        let both = "image and reference_images do not go together on the base model; \
                    put the image among the references, or pass model=\"grok-imagine-video-1.5\"";
        refuse("reference_images", self.image.is_some(), both)?;
        match self.duration {
            Some(seconds) if seconds > MAX_DURATION_WITH_REFERENCES => Err(Error::invalid(
                "duration",
                format!(
                    "duration must be at most {MAX_DURATION_WITH_REFERENCES} seconds with reference_images on the base \
                     model, not {seconds}; {NEWER} takes 15"
                ),
            )),
            _ => Ok(()),
        }
    }

    fn check_audios(&self) -> Result<()> {
        at_most("reference_audios", self.reference_audios.len(), MAX_AUDIOS)?;
        for audio in &self.reference_audios {
            match audio {
                Audio::VoiceId(id) => not_empty("reference_audios", Some(id))?,
                Audio::Url(address) => check_audio(address)?,
            }
        }
        self.only_newer("reference_audios", !self.reference_audios.is_empty())
    }

    fn check_keyframes(&self) -> Result<()> {
        at_most("keyframes", self.keyframes.len(), MAX_KEYFRAMES)?;
        self.only_newer("keyframes", !self.keyframes.is_empty())?;
        let seconds = self.duration.unwrap_or(DEFAULT_DURATION);
        for keyframe in &self.keyframes {
            let at = keyframe.timestamp;
            // No duration is so long that it would not fit.
            if !(at > 0.0 && i32::try_from(seconds).is_ok_and(|seconds| at < f64::from(seconds))) {
                let words = format!(
                    "the timestamp of a keyframe must be above 0 and below the duration of {seconds} s, not {at}"
                );
                return Err(Error::invalid("keyframes", words));
            }
        }
        Ok(())
    }

    fn is_base_model(&self) -> bool {
        self.model.as_deref().is_none_or(|model| BASE_MODELS.contains(&model))
    }

    fn only_newer(&self, field: &'static str, is_given: bool) -> Result<()> {
        let words = format!("{field} is taken by {NEWER} only; pass model=\"{NEWER}\"");
        refuse(field, is_given && self.is_base_model(), words)
    }

    // ---- edits and extensions -----------------------------------------------------------------

    fn check_edit(&self) -> Result<()> {
        self.check_source_given()?;
        for (field, is_given) in [
            ("duration", self.duration.is_some()),
            ("aspect_ratio", self.aspect_ratio.is_some()),
            ("resolution", self.resolution.is_some()),
        ] {
            refuse(field, is_given, format!("an edit takes its {field} from its source; leave it out"))?;
        }
        self.refuse_inputs_of_generations("an edit")
    }

    fn check_extension(&self) -> Result<()> {
        self.check_source_given()?;
        within("duration", self.duration, 2..=10)?;
        for (field, is_given) in
            [("aspect_ratio", self.aspect_ratio.is_some()), ("resolution", self.resolution.is_some())]
        {
            refuse(field, is_given, format!("an extension takes its {field} from its source; leave it out"))?;
        }
        refuse("user", self.user.is_some(), "an extension takes no user; leave it out")?;
        self.refuse_inputs_of_generations("an extension")
    }

    fn check_source_given(&self) -> Result<()> {
        if self.video.is_none() {
            return Err(Error::invalid("video", format!("video is missing: what to {}", self.operation.as_str())));
        }
        let newer = self.model.as_deref().filter(|model| NEWER_MODELS.contains(model));
        match newer {
            Some(model) => Err(Error::invalid(
                "model",
                format!("model {model} makes neither edits nor extensions; leave model out for the base model"),
            )),
            None => Ok(()),
        }
    }

    fn refuse_inputs_of_generations(&self, what: &str) -> Result<()> {
        let given = [
            ("image", self.image.is_some()),
            ("reference_images", !self.reference_images.is_empty()),
            ("reference_audios", !self.reference_audios.is_empty()),
            ("last_frame", self.last_frame.is_some()),
            ("keyframes", !self.keyframes.is_empty()),
            ("generate_audio", self.generate_audio.is_some()),
        ];
        for (field, is_given) in given {
            refuse(field, is_given, format!("{what} takes no {field}; leave it out"))?;
        }
        Ok(())
    }
}

impl Operation {
    /// Refuses a source of which the length or the coding is known and not taken.
    pub(crate) fn check_source(self, film: Film) -> Result<()> {
        self.check_length(film.seconds)?;
        match film.coding {
            Some(coding) if !CODINGS.contains(&coding) => {
                let name = String::from_utf8_lossy(&coding).into_owned();
                let words = format!(
                    "video is coded as {name:?}; taken are H.264, H.265 and AV1 (ffmpeg -i in.mp4 -c:v libx264 out.mp4)"
                );
                Err(Error::invalid("video", words))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a source of such a length.
    pub(crate) fn check_length(self, seconds: f64) -> Result<()> {
        match self {
            Self::Edit if seconds > MAX_EDITED + TOLERANCE => Err(Error::invalid(
                "video",
                format!(
                    "video has {seconds:.2} s; an edit takes at most {MAX_EDITED} s (ffmpeg -i in.mp4 -t 8.6 out.mp4)"
                ),
            )),
            Self::Extend if seconds < EXTENDED.start() - TOLERANCE || seconds > EXTENDED.end() + TOLERANCE => {
                let (least, most) = (EXTENDED.start(), EXTENDED.end());
                Err(Error::invalid(
                    "video",
                    format!("video has {seconds:.2} s; an extension takes {least} to {most} s"),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl StorageOptions {
    /// Refuses what the documented limits exclude.
    pub fn check(&self) -> Result<()> {
        const FIELD: &str = "storage_options";
        if self.filename.trim().is_empty() {
            return Err(Error::invalid(FIELD, "storage_options.filename is empty; name the file"));
        }
        for (name, seconds) in
            [("expires_after", self.expires_after), ("public_url_expires_after", self.public_url_expires_after)]
        {
            if let Some(seconds) = seconds.filter(|seconds| !STORED_FOR.contains(seconds)) {
                let (least, most) = (STORED_FOR.start(), STORED_FOR.end());
                let words = format!("storage_options.{name} must be {least} to {most} seconds, not {seconds}");
                return Err(Error::invalid(FIELD, words));
            }
        }
        if self.public_url_expires_after.is_some() && !self.public_url {
            let words = "storage_options.public_url_expires_after goes with public_url=True";
            return Err(Error::invalid(FIELD, words));
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
    Err(Error::invalid(field, format!("{field} must be an http(s) address, not {:?}", presentable(address))))
}

fn refuse(field: &'static str, is_given: bool, words: impl Into<String>) -> Result<()> {
    if is_given { Err(Error::invalid(field, words)) } else { Ok(()) }
}

fn within(field: &'static str, value: Option<i64>, range: std::ops::RangeInclusive<i64>) -> Result<()> {
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
    Err(Error::invalid(field, format!("{field} takes at most {most}, not {count}")))
}

fn one_of(field: &'static str, value: &str, known: &[&str]) -> Result<()> {
    if known.contains(&value) {
        return Ok(());
    }
    let hint = if value == "auto" { "; for the service's own choice leave it out" } else { "" };
    Err(Error::invalid(
        field,
        format!("{field} must be one of {}, not {:?}{hint}", known.join(", "), shorten(value, 40)),
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

    #[test]
    fn generations() {
        let images = |count| vec![IMAGE; count];
        let frames = |at: &[f64]| at.iter().map(|at| json!({"image": IMAGE, "timestamp": at})).collect::<Vec<_>>();
        let voices = |count| vec![json!({"voice_id": "ara"}); count];
        let cases = [
            (json!({}), None),
            (json!({"prompt": null}), Some("prompt")),
            (json!({"prompt": null, "image": IMAGE}), None),
            (json!({"prompt": null, "reference_images": [IMAGE]}), Some("prompt")),
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
            (json!({"resolution": "1080p", "model": "grok-of-tomorrow"}), None),
            (json!({"resolution": "1080p", "model": NEW, "reference_images": [IMAGE]}), Some("resolution")),
            (json!({"model": ""}), Some("model")),
            (json!({"user": ""}), Some("user")),
            (json!({"video": VIDEO}), Some("video")),
            (json!({"reference_images": images(7)}), None),
            (json!({"reference_images": images(8)}), Some("reference_images")),
            (json!({"reference_images": images(1), "image": IMAGE}), Some("reference_images")),
            (json!({"reference_images": images(1), "image": IMAGE, "model": NEW}), None),
            (json!({"reference_images": images(1), "duration": 10}), None),
            (json!({"reference_images": images(1), "duration": 11}), Some("duration")),
            (json!({"reference_images": images(1), "duration": 15, "model": NEW}), None),
            (json!({"reference_audios": voices(1)}), Some("reference_audios")),
            (json!({"reference_audios": voices(3), "model": NEW}), None),
            (json!({"reference_audios": voices(4), "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"voice_id": ""}], "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"url": "voice.wav"}], "model": NEW}), Some("reference_audios")),
            (json!({"reference_audios": [{"url": "https://a.example/voice.wav"}], "model": NEW}), None),
            (json!({"reference_audios": [{"url": "data:audio/wav;base64,AAAA"}], "model": NEW}), None),
            (json!({"last_frame": IMAGE}), Some("last_frame")),
            (json!({"last_frame": IMAGE, "model": NEW}), None),
            (json!({"keyframes": frames(&[1.0])}), Some("keyframes")),
            (json!({"keyframes": frames(&[1.0, 2.0, 3.0, 7.9]), "model": NEW}), None),
            (json!({"keyframes": frames(&[1.0, 2.0, 3.0, 4.0, 5.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[0.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[8.0]), "model": NEW}), Some("keyframes")),
            (json!({"keyframes": frames(&[8.0]), "model": NEW, "duration": 9}), None),
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
        for ratio in ASPECT_RATIOS {
            assert_eq!(refused(&json!({"aspect_ratio": ratio})), None);
        }
        let mut endless = with(&json!({"model": NEW}));
        endless.keyframes = vec![Keyframe { image: crate::media::Media::FileId("f".into()), timestamp: f64::NAN }];
        assert!(endless.check().is_err());
    }

    #[test]
    fn edits_and_extensions() {
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
                (json!({"model": "grok-of-tomorrow"}), None),
                (json!({"model": NEW}), Some("model")),
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
        for (seconds, verdict) in [(1, Some("duration")), (2, None), (10, None), (11, Some("duration"))] {
            assert_eq!(refused(&extend(json!({"duration": seconds}))), verdict);
        }
    }

    #[test]
    fn sources() {
        let film = |seconds, coding: &[u8; 4]| Film { seconds, coding: Some(*coding) };
        let cases = [
            (Operation::Edit, film(8.7, b"avc1"), true),
            (Operation::Edit, film(8.8, b"avc1"), false),
            (Operation::Edit, film(0.5, b"hev1"), true),
            (Operation::Extend, film(1.9, b"avc1"), false),
            (Operation::Extend, film(2.0, b"av01"), true),
            (Operation::Extend, film(30.0, b"avc1"), true),
            (Operation::Extend, film(30.1, b"avc1"), false),
            (Operation::Extend, film(5.0, b"mp4v"), false),
            (Operation::Edit, Film { seconds: 5.0, coding: None }, true),
        ];
        for (operation, film, is_taken) in cases {
            assert_eq!(operation.check_source(film).is_ok(), is_taken, "{operation:?} {film:?}");
        }
    }
}
