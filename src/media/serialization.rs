//! JSON form of media, as used by `to_dict` and `from_dict` of a request.
//!
//! A string is a URL or a data URI. A path is an object, so that no string of an untrusted list is read as a path.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Detected, Media, detect_format};
use crate::job::{Video, VideoJob};
use crate::request_id::check_request_id;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Object {
    Url(String),
    FileId(String),
    Path(PathBuf),
    Job(Box<VideoJob>),
    RequestId(String),
    Video(Video),
    Saved(SavedJob),
}

#[derive(Serialize, Deserialize)]
struct SavedJob {
    job: Box<VideoJob>,
    path: PathBuf,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Object(Object),
}

impl Serialize for Media {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self.clone() {
            Self::Url(url) => Form::Text(url),
            Self::Data(bytes) => Form::Text(data_uri(&bytes)),
            Self::FileId(id) => Form::Object(Object::FileId(id)),
            Self::File(path) => Form::Object(Object::Path(path)),
            Self::Job(job) => Form::Object(Object::Job(job)),
            Self::JobId(id) => Form::Object(Object::RequestId(id)),
            Self::Video(video) => Form::Object(Object::Video(video)),
            Self::Saved(job, path) => Form::Object(Object::Saved(SavedJob { job, path })),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Media {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = serde_json::Value::deserialize(deserializer)?;
        // The caller names the field.
        let bare = |error: crate::error::Error| D::Error::custom(error.to_string().trim_start_matches("media: "));
        let text = |text: &str| Self::of_text("media", text).map_err(bare);
        if let serde_json::Value::String(given) = &form {
            return text(given);
        }
        match Object::deserialize(form) {
            Ok(Object::Url(url)) => text(&url),
            Ok(Object::FileId(id)) => Ok(Self::FileId(id)),
            Ok(Object::Path(path)) => Ok(Self::File(path)),
            Ok(Object::Job(job)) => Ok(Self::Job(job)),
            Ok(Object::RequestId(id)) => {
                check_request_id(&id).map_err(D::Error::custom)?;
                Ok(Self::JobId(id))
            }
            Ok(Object::Video(video)) => Ok(Self::Video(video)),
            Ok(Object::Saved(SavedJob { job, path })) => Ok(Self::Saved(job, path)),
            Err(_) => Err(D::Error::custom(
                "media must be a string (a URL or a data URI) or an object with one of url, file_id, path, job, \
                 request_id, video, saved",
            )),
        }
    }
}

fn data_uri(bytes: &[u8]) -> String {
    let kind = match detect_format(&mut std::io::Cursor::new(bytes)) {
        Ok(Detected::Whole(kind) | Detected::Truncated(kind)) => kind.media_type(),
        _ => "application/octet-stream",
    };
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_form_round_trips() {
        let job = serde_json::to_value(VideoJob::pending("x")).unwrap();
        let cases: [(Media, Value); 8] = [
            (Media::JobId("x".into()), json!({"request_id": "x"})),
            (
                Media::Saved(Box::new(VideoJob::pending("x")), "a.mp4".into()),
                json!({"saved": {"job": job, "path": "a.mp4"}}),
            ),
            (Media::Url("https://a.example/i".into()), json!("https://a.example/i")),
            (Media::FileId("file-1".into()), json!({"file_id": "file-1"})),
            (Media::File("a/b.png".into()), json!({"path": "a/b.png"})),
            (Media::Data(Bytes::from_static(b"hello")), json!("data:application/octet-stream;base64,aGVsbG8=")),
            (
                Media::Video(Video { url: Some("https://a.example/v".into()), ..Video::default() }),
                serde_json::to_value(Media::Video(Video {
                    url: Some("https://a.example/v".into()),
                    ..Video::default()
                }))
                .unwrap(),
            ),
            (
                Media::Job(Box::new(VideoJob::pending("x"))),
                serde_json::to_value(Media::Job(Box::new(VideoJob::pending("x")))).unwrap(),
            ),
        ];
        for (media, expected) in cases {
            assert_eq!(serde_json::to_value(&media).unwrap(), expected);
            assert_eq!(serde_json::from_value::<Media>(expected).unwrap(), media);
        }
        let wire: Media = serde_json::from_value(json!({"url": "https://a.example/i"})).unwrap();
        assert_eq!(wire, Media::Url("https://a.example/i".into()));
    }

    #[test]
    fn a_string_is_never_a_path() {
        for value in
            [json!("cat.png"), json!({"url": "/etc/passwd"}), json!(7), json!({"path": "a", "url": "b"}), json!({})]
        {
            assert!(serde_json::from_value::<Media>(value.clone()).is_err(), "{value}");
        }
    }
}
