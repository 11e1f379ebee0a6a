//! What every documented answer to a create means.

use serde_json::json;

use super::response::created;
use super::{Answer, MAX_BODY};
use crate::error::{ApiErrorKind, Error};
use crate::job::{JobError, JobStatus, Video, VideoJob};

const ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";
const URL: &str = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4";

fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer { status, body: body.into().into(), ..Answer::default() }
}

fn pending() -> VideoJob {
    VideoJob::pending(ID)
}

fn failed(message: &str) -> VideoJob {
    let error = JobError { code: None, message: message.into() };
    VideoJob { status: JobStatus::Failed, error: Some(error), ..pending() }
}

#[test]
fn creates_that_are_accepted() {
    let model = Some("grok-imagine-video".into());
    let video = Some(Video { url: Some(URL.into()), ..Video::default() });
    let table = [
        (json!({"request_id": ID}), pending()),
        (json!({"id": ID}), pending()),
        (json!({"task_id": ID}), pending()),
        (json!({"request_id": ID, "id": "task_x", "task_id": "y"}), pending()),
        (json!({"request_id": "", "id": "../x", "task_id": ID}), pending()),
        (json!({"request_id": null, "id": 5, "task_id": ID}), pending()),
        (json!({"code": "success", "message": "", "data": ID}), pending()),
        (json!({"code": "success", "data": {"task_id": ID}}), pending()),
        (json!({"id": ID, "model": "grok-imagine-video"}), VideoJob { model, ..pending() }),
        (json!({"id": ID, "status": "queued", "progress": 0}), {
            VideoJob { status: JobStatus::Queued, progress: Some(0), ..pending() }
        }),
        (
            json!({"id": ID, "status": "done", "video": {"url": URL}}),
            VideoJob { status: JobStatus::Done, progress: Some(100), video, ..pending() },
        ),
        (json!({"id": ID, "status": "failed", "error": "a"}), failed("a")),
        (json!({"id": ID, "status": "success"}), pending()),
        (json!({"id": ID, "status": 5}), pending()),
        (json!({"id": ID, "status": "done", "error": "a"}), pending()),
        (json!({"id": ID, "error": "a", "code": "b"}), pending()),
        (json!({"id": ID, "error": "content moderation"}), failed("content moderation")),
    ];
    for (body, expected) in table {
        for status in [200, 201, 202] {
            let job = created(&answer(status, body.to_string())).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(job, expected, "{body}");
            assert_eq!(job.raw.as_deref(), Some(body.to_string().as_str()));
        }
    }
}

fn assert_lost(answer: &Answer, words: &str) {
    match created(answer) {
        Err(Error::SubmitUnknown { message, status_code }) => {
            assert_eq!(status_code, Some(answer.status));
            assert!(message.contains("A job may exist and be billed"), "{message}");
            assert!(message.contains(words), "{message}");
            assert!(message.chars().count() <= 1000, "{message}");
        }
        other => panic!("{words}: {other:?}"),
    }
}

#[test]
fn creates_whose_outcome_is_unknown() {
    assert_lost(&answer(200, ""), "The answer was empty");
    assert_lost(&answer(200, "{}"), "names no usable job id");
    assert_lost(&answer(200, r#"{"request_id": "#), "not readable JSON");
    assert_lost(&answer(200, r#"["x"]"#), "not an object");
    assert_lost(&answer(200, r#"{"request_id": "a/b"}"#), "a/b");
    assert_lost(&answer(200, r#"{"error": "a", "x": "https://a.b/c?sig=SECRET"}"#), r#""x": "https://a.b/c""#);
    assert_lost(&answer(200, "<html><body>hi"), "base_url");
    assert_lost(&answer(200, format!("{{\"id\":\"x\",\"y\":\"{}\"}}", "a".repeat(MAX_BODY))), "longer than");
    assert_lost(&answer(408, ""), "HTTP 408");
    assert_lost(&answer(500, r#"{"error": {"message": "boom", "code": "internal"}}"#), "boom");
    assert_lost(&answer(503, "upstream connect error"), "upstream connect error");
    assert_lost(&answer(524, "error code: 524"), "error code: 524");
    assert_lost(&answer(502, "<html>Bad Gateway</html>"), "HTML page");
    assert_lost(&answer(500, r#"{"error": "content moderation"}"#), "content moderation");
    assert_lost(&answer(0, ""), "HTTP 0");
}

#[test]
fn creates_that_are_refused() {
    let no_channel =
        r#"{"error": {"message": "no available channel for model (distributor)", "code": "model_not_found"}}"#;
    let moderated = r#"{"code": "c", "error": "Prompt rejected by content moderation."}"#;
    let table = [
        (400, moderated, ApiErrorKind::BadRequest),
        (400, r#"{"error": "Incorrect API key provided"}"#, ApiErrorKind::Authentication),
        (401, "", ApiErrorKind::Authentication),
        (402, "", ApiErrorKind::InsufficientBalance),
        (404, "", ApiErrorKind::NotFound),
        (422, "duration: invalid type", ApiErrorKind::BadRequest),
        (429, "", ApiErrorKind::RateLimited),
        (500, r#"{"error": {"message": "a", "code": "invalid_request"}}"#, ApiErrorKind::BadRequest),
        (503, no_channel, ApiErrorKind::Server),
    ];
    for (status, body, kind) in table {
        match created(&answer(status, body)) {
            Err(Error::Api(error)) => {
                assert_eq!((error.kind, error.not_started), (kind, status == 503), "{status} {body}");
            }
            other => panic!("{status} {body}: {other:?}"),
        }
    }
    let words = created(&answer(400, moderated)).unwrap_err().to_string();
    assert!(words.starts_with("Prompt rejected by content moderation"), "{words}");
    let words = created(&answer(404, "")).unwrap_err().to_string();
    assert!(words.contains("the model is unknown, or base_url is wrong"), "{words}");
    assert!(matches!(created(&answer(301, "")), Err(Error::InvalidResponse { .. })));
}
