//! The body of a create, as text with media in between.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::body_part::BodyPart;
use crate::error::{Error, Result};
use crate::media::{Inline, PreparedMedia};
use crate::request::{Audio, Keyframe, StorageOptions, VideoRequest};

enum Node {
    Plain(Value),
    Media(PreparedMedia),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// The body of a create, in parts.
pub fn body(request: VideoRequest<PreparedMedia>) -> Result<Vec<BodyPart>> {
    let mut pieces = PartBuilder::default();
    pieces.node(tree(request)?)?;
    Ok(pieces.done)
}

/// The body of a create, with shortened media.
pub fn preview(request: VideoRequest<PreparedMedia>) -> Result<Value> {
    let mut text = String::new();
    for piece in body(request)? {
        match piece {
            BodyPart::Text(part) => text.push_str(&part),
            BodyPart::Media(inline) => text.push_str(&shortened(&inline)),
        }
    }
    serde_json::from_str(&text).map_err(unserialisable)
}

fn shortened(inline: &Inline) -> String {
    format!("… ({} bytes)", inline.length)
}

/// Media are nested in objects: top-level `image_url` and `video_url` would be silently ignored.
fn tree(request: VideoRequest<PreparedMedia>) -> Result<Node> {
    let mut fields = Fields::default();
    fields.plain("prompt", &request.prompt)?;
    fields.plain("model", &request.model)?;
    fields.media("image", request.image);
    fields.list("reference_images", request.reference_images.into_iter().map(Node::Media));
    fields.list("reference_audios", request.reference_audios.into_iter().map(audio));
    fields.media("last_frame", request.last_frame);
    fields.list("keyframes", request.keyframes.into_iter().map(keyframe));
    fields.media("video", request.video);
    fields.plain("duration", &request.duration)?;
    fields.plain("aspect_ratio", &request.aspect_ratio)?;
    fields.plain("resolution", &request.resolution)?;
    fields.plain("generate_audio", &request.generate_audio)?;
    fields.plain("output", &request.upload_url.map(|address| json!({ "upload_url": address })))?;
    fields.plain("storage_options", &request.storage_options.as_ref().map(storage))?;
    fields.plain("user", &request.user)?;
    fields.merge(request.extra);
    Ok(Node::Object(fields.0))
}

#[derive(Default)]
struct Fields(Vec<(String, Node)>);

impl Fields {
    #[expect(clippy::ref_option, reason = "a field is given as it is")]
    fn plain<T: Serialize>(&mut self, name: &str, value: &Option<T>) -> Result<()> {
        if let Some(value) = value {
            let value = serde_json::to_value(value).map_err(unserialisable)?;
            self.0.push((name.to_owned(), Node::Plain(value)));
        }
        Ok(())
    }

    fn media(&mut self, name: &str, media: Option<PreparedMedia>) {
        self.0.extend(media.map(|media| (name.to_owned(), Node::Media(media))));
    }

    fn list(&mut self, name: &str, items: impl Iterator<Item = Node>) {
        let items: Vec<_> = items.collect();
        if !items.is_empty() {
            self.0.push((name.to_owned(), Node::List(items)));
        }
    }

    /// `extra` overrides fields.
    fn merge(&mut self, extra: Map<String, Value>) {
        self.0.retain(|(name, _)| !extra.contains_key(name));
        self.0.extend(extra.into_iter().map(|(name, value)| (name, Node::Plain(value))));
    }
}

fn audio(audio: Audio) -> Node {
    Node::Plain(match audio {
        Audio::VoiceId(id) => json!({ "voice_id": id }),
        Audio::Url(address) => json!({ "url": address }),
    })
}

fn keyframe(keyframe: Keyframe<PreparedMedia>) -> Node {
    let timestamp = Node::Plain(json!(keyframe.timestamp));
    Node::Object(vec![("image".into(), Node::Media(keyframe.image)), ("timestamp_s".into(), timestamp)])
}

fn storage(options: &StorageOptions) -> Value {
    let mut fields = Map::from_iter([("filename".to_owned(), json!(options.filename))]);
    if let Some(seconds) = options.expires_after {
        fields.insert("expires_after".into(), json!(seconds));
    }
    match options.public_url_expires_after {
        Some(seconds) => drop(fields.insert("public_url".into(), json!({ "expires_after": seconds }))),
        None if options.public_url => drop(fields.insert("public_url".into(), json!(true))),
        None => {}
    }
    fields.into()
}

#[derive(Default)]
struct PartBuilder {
    done: Vec<BodyPart>,
}

impl PartBuilder {
    fn text(&mut self, text: &str) {
        match self.done.last_mut() {
            Some(BodyPart::Text(last)) => last.push_str(text),
            _ => self.done.push(BodyPart::Text(text.to_owned())),
        }
    }

    fn plain(&mut self, value: &impl Serialize) -> Result<()> {
        self.text(&serde_json::to_string(value).map_err(unserialisable)?);
        Ok(())
    }

    fn node(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Plain(value) => self.plain(&value),
            Node::Media(PreparedMedia::Url(url)) => self.plain(&json!({ "url": url })),
            Node::Media(PreparedMedia::FileId(id)) => self.plain(&json!({ "file_id": id })),
            Node::Media(PreparedMedia::Inline(inline)) => {
                self.text(&format!("{{\"url\":\"data:{};base64,", inline.kind.media_type()));
                self.done.push(BodyPart::Media(inline));
                self.text("\"}");
                Ok(())
            }
            Node::List(items) => {
                self.text("[");
                for (at, item) in items.into_iter().enumerate() {
                    self.text(if at == 0 { "" } else { "," });
                    self.node(item)?;
                }
                self.text("]");
                Ok(())
            }
            Node::Object(fields) => {
                self.text("{");
                for (at, (name, value)) in fields.into_iter().enumerate() {
                    self.text(if at == 0 { "" } else { "," });
                    self.plain(&name)?;
                    self.text(":");
                    self.node(value)?;
                }
                self.text("}");
                Ok(())
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn unserialisable(error: serde_json::Error) -> Error {
    Error::invalid("extra", format!("cannot be sent as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::{Kind, Source};
    use crate::request::{FIELDS, Operation};

    const NEW: &str = "grok-imagine-video-1.5";

    fn url(name: &str) -> PreparedMedia {
        PreparedMedia::Url(format!("https://a.example/{name}"))
    }

    fn inline(kind: Kind, bytes: &'static [u8]) -> PreparedMedia {
        let source = Source::Memory(Bytes::from_static(bytes));
        PreparedMedia::Inline(Inline { field: "image", kind, length: bytes.len() as u64, source, video: None })
    }

    fn prompt() -> VideoRequest<PreparedMedia> {
        VideoRequest { prompt: Some("a candle".into()), ..VideoRequest::default() }
    }

    /// The text that is sent, with base64.
    fn sent(request: VideoRequest<PreparedMedia>) -> String {
        use base64::prelude::{BASE64_STANDARD, Engine};
        body(request)
            .unwrap()
            .into_iter()
            .map(|piece| match piece {
                BodyPart::Text(text) => text,
                BodyPart::Media(Inline { source: Source::Memory(bytes), .. }) => BASE64_STANDARD.encode(bytes),
                BodyPart::Media(other) => panic!("{other:?}"),
            })
            .collect()
    }

    fn value(request: VideoRequest<PreparedMedia>) -> Value {
        serde_json::from_str(&sent(request)).unwrap()
    }

    #[test]
    fn only_set_fields_are_sent() {
        assert_eq!(sent(prompt()), r#"{"prompt":"a candle"}"#);
        assert_eq!(sent(VideoRequest::default()), "{}");
    }

    #[test]
    fn every_field_of_a_generation() {
        let request = VideoRequest {
            model: Some(NEW.into()),
            image: Some(url("i.png")),
            reference_images: vec![PreparedMedia::FileId("file-1".into()), inline(Kind::Webp, b"hello")],
            reference_audios: vec![Audio::VoiceId("ara".into()), Audio::Url("https://a.example/v.wav".into())],
            last_frame: Some(inline(Kind::Jpeg, b"last")),
            keyframes: vec![Keyframe { image: url("k.png"), timestamp: 1.5 }],
            duration: Some(5),
            aspect_ratio: Some("9:16".into()),
            resolution: Some("720p".into()),
            generate_audio: Some(false),
            user: Some("u".into()),
            upload_url: Some("https://a.example/put?sig=1".into()),
            storage_options: Some(StorageOptions {
                filename: "a.mp4".into(),
                expires_after: Some(3600),
                public_url: true,
                public_url_expires_after: None,
            }),
            extra: json!({"seed": 7}).as_object().unwrap().clone(),
            ..prompt()
        };
        assert_eq!(
            value(request),
            json!({
                "prompt": "a candle",
                "model": NEW,
                "image": {"url": "https://a.example/i.png"},
                "reference_images": [{"file_id": "file-1"}, {"url": "data:image/webp;base64,aGVsbG8="}],
                "reference_audios": [{"voice_id": "ara"}, {"url": "https://a.example/v.wav"}],
                "last_frame": {"url": "data:image/jpeg;base64,bGFzdA=="},
                "keyframes": [{"image": {"url": "https://a.example/k.png"}, "timestamp_s": 1.5}],
                "duration": 5,
                "aspect_ratio": "9:16",
                "resolution": "720p",
                "generate_audio": false,
                "user": "u",
                "output": {"upload_url": "https://a.example/put?sig=1"},
                "storage_options": {"filename": "a.mp4", "expires_after": 3600, "public_url": true},
                "seed": 7,
            })
        );
    }

    #[test]
    fn every_field_of_the_table_is_sent_under_its_key() {
        let request = VideoRequest {
            operation: Operation::Generate,
            prompt: Some("a candle".into()),
            video: Some(url("v.mp4")),
            image: Some(url("i.png")),
            reference_images: vec![url("r.png")],
            reference_audios: vec![Audio::VoiceId("ara".into())],
            last_frame: Some(url("l.png")),
            keyframes: vec![Keyframe { image: url("k.png"), timestamp: 1.5 }],
            duration: Some(5),
            aspect_ratio: Some("9:16".into()),
            resolution: Some("720p".into()),
            generate_audio: Some(false),
            model: Some(NEW.into()),
            user: Some("u".into()),
            upload_url: Some("https://a.example/put".into()),
            storage_options: Some(StorageOptions::default()),
            extra: json!({"*": 7}).as_object().unwrap().clone(),
        };
        for field in FIELDS {
            assert!(request.has(field), "{}", field.name);
        }
        let sent = value(request);
        let keys: Vec<_> = FIELDS.iter().map(|field| field.key).collect();
        for key in &keys {
            assert!(sent.get(key).is_some(), "{key} is not sent");
        }
        assert_eq!(sent.as_object().unwrap().len(), keys.len(), "{sent}");
    }

    #[test]
    fn edits_and_extensions() {
        let edit = VideoRequest { operation: Operation::Edit, video: Some(inline(Kind::Mp4, b"film")), ..prompt() };
        assert_eq!(value(edit), json!({"prompt": "a candle", "video": {"url": "data:video/mp4;base64,ZmlsbQ=="}}));
        let extension = VideoRequest {
            operation: Operation::Extend,
            video: Some(PreparedMedia::FileId("file-9".into())),
            duration: Some(6),
            ..prompt()
        };
        assert_eq!(value(extension), json!({"prompt": "a candle", "video": {"file_id": "file-9"}, "duration": 6}));
    }

    #[test]
    fn public_links_can_expire() {
        let options = StorageOptions {
            filename: "a".into(),
            public_url: true,
            public_url_expires_after: Some(60),
            ..Default::default()
        };
        assert_eq!(storage(&options), json!({"filename": "a", "public_url": {"expires_after": 60}}));
    }

    #[test]
    fn extra_overrides_fields() {
        let extra = json!({"duration": 20, "image": {"url": "x"}}).as_object().unwrap().clone();
        let request = VideoRequest { duration: Some(5), image: Some(url("i.png")), extra, ..prompt() };
        let text = sent(request);
        assert_eq!(text.matches("duration").count(), 1, "{text}");
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"prompt": "a candle", "duration": 20, "image": {"url": "x"}})
        );
    }

    #[test]
    fn texts_are_escaped() {
        let text = "a \"candle\"\n\u{0}…🕯";
        let request = VideoRequest {
            prompt: Some(text.into()),
            image: Some(PreparedMedia::Url("https://a/\"".into())),
            ..prompt()
        };
        assert_eq!(value(request), json!({"prompt": text, "image": {"url": "https://a/\""}}));
    }

    #[test]
    fn previews_shorten_media() {
        let request = VideoRequest { image: Some(inline(Kind::Png, &[7; 5000])), ..prompt() };
        let shown = preview(request).unwrap();
        assert_eq!(shown["image"]["url"], "data:image/png;base64,… (5000 bytes)");
    }
}
