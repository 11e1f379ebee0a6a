//! Fingerprint of a request: two requests are the same if all their fields and the content of their files are equal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use futures_util::FutureExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fields::VideoRequest;
use super::parts::PrepareMedia;
use crate::error::{Error, Result};
use crate::media::{Media, Role};

/// SHA-256 of a request, in hexadecimal. Blocks, because it reads files.
pub(crate) fn fingerprint(request: &VideoRequest) -> Result<String> {
    let canonical = request.clone().prepared(&MediaIdentity).now_or_never();
    let unfinished = || Err(Error::invalid("request", "the request cannot be fingerprinted"));
    let canonical = canonical.unwrap_or_else(unfinished)?;
    let text = serde_json::to_vec(&canonical).map_err(|error| Error::invalid("extra", error.to_string()))?;
    Ok(crate::hexadecimal::encode(Sha256::digest(text)))
}

/// Media by identity or content.
struct MediaIdentity;

impl PrepareMedia<Media> for MediaIdentity {
    type Output = Value;

    async fn prepare(&self, field: &'static str, _role: Role, media: Media) -> Result<Value> {
        Ok(match media {
            Media::Url(url) => json!({ "url": url }),
            Media::FileId(id) => json!({ "file_id": id }),
            Media::Data(bytes) => json!({ "sha256": crate::hexadecimal::encode(Sha256::digest(&bytes)) }),
            Media::File(path) => {
                let unreadable = |error: io::Error| {
                    Error::invalid(field, format!("{field}: {} cannot be read: {error}", path.display()))
                };
                json!({ "sha256": file_sha256(&path).map_err(unreadable)? })
            }
            // The link changes with every poll, the job does not.
            Media::Job(job) | Media::Saved(job, _) => json!({ "job": job.request_id }),
            Media::JobId(id) => json!({ "job": id }),
            Media::Video(video) => {
                let url = video.url.as_deref().and_then(|url| url.split('?').next());
                json!({ "video": url, "file": video.file_output.as_ref().and_then(|file| file.file_id.as_ref()) })
            }
        })
    }
}

pub(crate) fn file_sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(crate::hexadecimal::encode(digest.finalize())),
            length => digest.update(chunk.split_at(length).0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: Value) -> String {
        fingerprint(&serde_json::from_value(fields).unwrap()).unwrap()
    }

    #[test]
    fn fingerprints_are_equal_only_for_equal_requests() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("a", "one"), ("b", "one"), ("c", "two")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let file = |name: &str| json!({"prompt": "x", "image": {"path": folder.path().join(name)}});
        assert_eq!(of(file("a")), of(file("b")));
        assert_eq!(of(file("a")), of(json!({"prompt": "x", "image": "data:image/png;base64,b25l"})));
        assert_ne!(of(file("a")), of(file("c")));
        assert_eq!(of(json!({"prompt": "x"})).len(), 64);
        assert_ne!(of(json!({"prompt": "x"})), of(json!({"prompt": "x", "duration": 5})));
        assert_eq!(
            of(json!({"prompt": "x", "extra": {"a": 1, "b": 2}})),
            of(json!({"prompt": "x", "extra": {"b": 2, "a": 1}}))
        );
        let link = |sig: &str| {
            let video = json!({"url": format!("https://a.example/v.mp4?sig={sig}"), "duration": 5.0, "respect_moderation": true});
            json!({"prompt": "x", "operation": "edit", "video": {"video": video}})
        };
        assert_eq!(of(link("1")), of(link("2")));
        let job = serde_json::to_value(crate::job::VideoJob::pending("a")).unwrap();
        let edit = |video: Value| of(json!({"prompt": "x", "operation": "edit", "video": video}));
        assert_eq!(edit(json!({"job": &job})), edit(json!({"request_id": "a"})));
        assert_eq!(edit(json!({"job": &job})), edit(json!({"saved": {"job": &job, "path": "/none"}})));
    }

    #[test]
    fn fingerprints_are_stable_across_versions() {
        // Journals contain fingerprints: with another field order every item would look new and be submitted again.
        let text = concat!(
            r#"{"operation":"generate","prompt":"x","image":{"url":"https://a.example/i.png"},"#,
            r#""reference_images":[{"file_id":"file-1"}],"reference_audios":[{"voice_id":"ara"}],"#,
            r#""last_frame":{"file_id":"file-2"},"keyframes":[{"image":{"file_id":"file-3"},"timestamp":1.5}],"#,
            r#""duration":5,"aspect_ratio":"9:16","resolution":"720p","generate_audio":false,"model":"m","user":"u","#,
            r#""upload_url":"https://a.example/put","storage_options":{"filename":"a.mp4","public_url":false},"#,
            r#""extra":{"seed":7}}"#,
        );
        let mut fields: Value = serde_json::from_str(text).unwrap();
        fields["image"] = json!("https://a.example/i.png");
        assert_eq!(of(fields), crate::hexadecimal::encode(Sha256::digest(text)));
        let text = r#"{"operation":"edit","prompt":"x","video":{"file_id":"file-1"}}"#;
        assert_eq!(of(serde_json::from_str(text).unwrap()), crate::hexadecimal::encode(Sha256::digest(text)));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let request: VideoRequest = serde_json::from_value(json!({"prompt": "x", "image": {"path": "/none"}})).unwrap();
        assert!(matches!(fingerprint(&request), Err(Error::InvalidRequest { field: "image", .. })));
    }
}
