//! Interpretation of every documented response to a create.

use serde_json::json;

use super::response::{created, other_ids};
use crate::error::{ApiErrorKind, Error};
use crate::job::{JobError, JobStatus, Video, VideoJob};
use crate::response::Response;

const ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";
const URL: &str = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4";

fn answer(status: u16, body: impl Into<String>) -> Response {
    Response { status, body: body.into().into(), ..Response::default() }
}

fn pending() -> VideoJob {
    VideoJob::pending(ID)
}

fn failed(message: &str) -> VideoJob {
    let error = JobError { code: None, message: message.into() };
    VideoJob { status: JobStatus::Failed, error: Some(error), ..pending() }
}

#[test]
fn accepted_creates() {
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

fn assert_lost(answer: &Response, words: &str) {
    match created(answer) {
        Err(Error::SubmitUnknown { message, status_code, .. }) => {
            assert_eq!(status_code, Some(answer.status));
            assert!(message.contains("a job may exist and be billed"), "{message}");
            assert!(message.contains(words), "{message}");
            assert!(message.chars().count() <= 1000, "{message}");
        }
        other => panic!("{words}: {other:?}"),
    }
}

#[test]
fn creates_with_unknown_outcome() {
    assert_lost(&answer(200, ""), "the response was empty");
    assert_lost(&answer(200, "{}"), "contains no usable job ID");
    assert_lost(&answer(200, r#"{"request_id": "#), "not valid JSON");
    assert_lost(&answer(200, r#"["x"]"#), "not an object");
    assert_lost(&answer(200, r#"{"request_id": "a/b"}"#), "a/b");
    assert_lost(&answer(200, r#"{"error": "a", "x": "https://a.b/c?sig=SECRET"}"#), r#""x": "https://a.b/c""#);
    assert_lost(&answer(200, "<html><body>hi"), "base_url");
    assert_lost(&answer(408, ""), "HTTP 408");
    assert_lost(&answer(500, r#"{"error": {"message": "boom", "code": "internal"}}"#), "boom");
    assert_lost(&answer(503, "upstream connect error"), "upstream connect error");
    assert_lost(&answer(524, "error code: 524"), "error code: 524");
    assert_lost(&answer(502, "<html>Bad Gateway</html>"), "HTML page");
    assert_lost(&answer(500, r#"{"error": "content moderation"}"#), "content moderation");
    assert_lost(&answer(0, ""), "HTTP 0");
}

#[test]
fn ids_are_found_in_every_place() {
    let encoded = |text: &str| serde_json::to_string(text).unwrap();
    let object = format!(r#"{{"request_id": "{ID}"}}"#);
    let table = [
        encoded(&encoded(&object)),
        format!(r#"{{"code": "success", "data": {}}}"#, encoded(&object)),
        format!(r#"{{"code": "success", "data": {}}}"#, encoded(&encoded(&object))),
        format!(r#"{{"code": 200, "msg": "", "data": {{"data": {{"id": "{ID}"}}}}}}"#),
        format!(r#"{{"success": true, "message": "submitted", "data": "{ID}"}}"#),
        format!(r#"{{"result": "success", "job_id": "{ID}"}}"#),
        format!(r#"{{"status": "success", "message": "submitted", "data": "{ID}"}}"#),
        format!(r#"{{"requestId": "{ID}"}}"#),
        format!(r#"{{"requestId": "2026", "code": 0, "data": "{ID}"}}"#),
        format!(r#"{{"requestId": "2026", "data": {{"jobId": "{ID}"}}}}"#),
        // An error that names a job counts as the job.
        format!(r#"{{"jobId": "{ID}", "error": "insufficient balance"}}"#),
        format!("data: {object}\n\ndata: [DONE]\n\n"),
        format!(")]}}',\n{object}"),
        format!("Warning: x in y on line 3\n{object}"),
    ];
    for body in table {
        assert_eq!(accepted_id(body.clone()), ID, "{body}");
    }
}

#[test]
fn errors_contain_the_id_of_a_damaged_response() {
    for body in [
        format!(r#"{{"request_id": "{ID}" "status": "queued"}}"#),
        format!("{{'request_id': '{ID}', 'error': None}}"),
        format!("{{request_id: '{ID}'}}"),
        format!(r#"OK {{"request_id": "{ID}"}}"#),
        format!("<br />\n<b>Warning</b>: x\n{{\"request_id\": \"{ID}\"}}"),
        // Not clearly accepted.
        format!(r#"{{"code": 1, "description": "Submit success", "result": "{ID}"}}"#),
        format!(r#"{{"code": 1, "message": "submitted", "data": "{ID}"}}"#),
        // May be the ID of the HTTP request.
        format!(r#"{{"code": 500, "message": "system busy", "requestId": "{ID}"}}"#),
    ] {
        match created(&answer(200, body.clone())) {
            Err(Error::SubmitUnknown { request_id, .. }) => assert_eq!(request_id.as_deref(), Some(ID), "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    let page = format!("<html><script>\n{{\"id\": \"{ID}\"}}\n</script></html>");
    let lost = created(&answer(200, page));
    assert!(matches!(lost, Err(Error::SubmitUnknown { request_id: None, .. })), "{lost:?}");
}

fn accepted_id(body: impl Into<Vec<u8>>) -> String {
    let answer = Response { status: 200, body: body.into().into(), ..Response::default() };
    created(&answer).unwrap_or_else(|error| panic!("{answer:?}: {error}")).request_id
}

#[test]
fn malformed_optional_fields_do_not_lose_the_id() {
    let long = format!(r#"{{"request_id": "{ID}", "n": {}}}"#, "9".repeat(400));
    let deep = format!(r#"{{"x": {}{}, "request_id": "{ID}"}}"#, "[".repeat(500), "]".repeat(500));
    let table = [
        format!("\u{feff}{{\"request_id\": \"{ID}\"}}"),
        format!(r#"{{"request_id": "{ID}", "eta": NaN, "a": [Infinity, 1e999]}}"#),
        format!(r#"{{"prompt": "cat \ud83d", "request_id": "{ID}"}}"#),
        format!("{{\"prompt\": \"a\nb\tc\", \"request_id\": \"{ID}\"}}"),
        format!("{{\"request_id\": \"{ID}\"}}\n\n<!-- served by edge-7 -->"),
        format!(
            r#"{{"request_id": "{ID}", "status": 5, "video": "x", "usage": "none", "model": [1], "progress": {{}}}}"#
        ),
        format!(r#"{{"request_id": "{ID}", "usage": {{"cost_in_usd_ticks": 1e300}}, "error": {{"a": [1]}}}}"#),
        format!(r#"{{"request_id": "{ID}", "request_id": "{ID}"}}"#),
        format!(r#"[{{"request_id": "{ID}"}}]"#),
        serde_json::to_string(&format!(r#"{{"request_id": "{ID}"}}"#)).unwrap(),
        long,
        deep,
    ];
    for body in table {
        assert_eq!(accepted_id(body.clone()), ID, "{body}");
    }
    assert_eq!(accepted_id([b"{\"prompt\": \"caf\xe9\", \"id\": \"", ID.as_bytes(), b"\"}"].concat()), ID);
    let cut = Response { is_cut: true, ..answer(200, format!(r#"{{"id": "{ID}", "thumbnail": "AAAA"#)) };
    assert_eq!(created(&cut).unwrap().request_id, ID);
}

#[test]
fn ids_of_every_alphabet_are_accepted() {
    for id in ["dGFzaw==", "a:b", "a.b~c+d@e!f", "id-é-猫", "a b", &"x".repeat(512)] {
        assert_eq!(accepted_id(json!({"request_id": id}).to_string()), id);
        assert_eq!(accepted_id(json!({"code": "success", "data": {"task_id": id}}).to_string()), id);
    }
    assert_eq!(accepted_id(r#"{"request_id": 12345}"#), "12345");
    assert_eq!(accepted_id(r#"{"id": 12345678901234567890123}"#), "12345678901234567890123");
}

#[test]
fn errors_contain_an_unusable_id() {
    let long = "x".repeat(600);
    let table = [
        (json!({"request_id": "a/b"}), "a/b"),
        (json!({"request_id": ".."}), ".."),
        (json!({"id": "a\u{1b}[2Jb"}), "a\u{1b}[2Jb"),
        (json!({"data": {"task_id": "a\\b"}}), "a\\b"),
        (json!({"id": "a%2Fb"}), "a%2Fb"),
        (json!({"id": long}), &long),
        // The signature of a URL is never kept.
        (json!({"id": "https://a.b/c?sig=SECRET"}), "https://a.b/c"),
    ];
    for (body, id) in table {
        match created(&answer(200, body.to_string())) {
            Err(Error::SubmitUnknown { message, request_id, .. }) => {
                assert_eq!(request_id.as_deref(), Some(id), "{body}");
                let shown = format!("{:?}", id.chars().take(200).collect::<String>());
                assert!(message.contains(shown.trim_end_matches('"')), "{message}");
                assert!(!message.contains(char::is_control), "{message:?}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let begun = created(&answer(200, format!(r#"{{"request_id": "{ID}", "mod"#)));
    let Err(Error::SubmitUnknown { request_id, .. }) = begun else { panic!("{begun:?}") };
    assert_eq!(request_id.as_deref(), Some(ID), "an answer that broke off behind the id");
}

#[test]
fn further_ids_of_a_job_are_found() {
    let job = created(&answer(200, r#"{"request_id": "x", "id": "task_x", "data": {"task_id": "y"}}"#)).unwrap();
    assert_eq!(other_ids(&job), ["task_x", "y"]);
    assert!(other_ids(&created(&answer(200, r#"{"id": "x", "task_id": "x"}"#)).unwrap()).is_empty());
    assert!(other_ids(&pending()).is_empty());
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    use ApiErrorKind::{Authentication, BadRequest, InsufficientBalance, NotFound, PermissionDenied, RateLimited};
    let table = [
        (
            r#"{"code": "insufficient_user_quota", "message": "balance is not enough", "data": null}"#,
            InsufficientBalance,
        ),
        (
            r#"{"code": 429, "error": "You ran out of credits. [WKE=personal-team-blocked:spending-limit]"}"#,
            InsufficientBalance,
        ),
        (r#"{"success": false, "message": "Insufficient balance"}"#, InsufficientBalance),
        (r#"{"status": "error", "message": "insufficient quota"}"#, InsufficientBalance),
        (r#"{"error": "{\"code\": \"insufficient_quota\", \"message\": \"a\"}"}"#, InsufficientBalance),
        (r#""You have run out of credits""#, InsufficientBalance),
        ("Insufficient balance", InsufficientBalance),
        (r#"{"code": 402, "message": "a"}"#, InsufficientBalance),
        (r#"{"error": {"message": "Incorrect API key provided", "code": ""}}"#, Authentication),
        (r#"{"detail": "Not authenticated"}"#, Authentication),
        (r#"{"code": 401, "message": "a"}"#, Authentication),
        (r#"{"code": "permission-denied", "error": "a"}"#, PermissionDenied),
        (r#"{"code": "c", "error": "The team is blocked"}"#, PermissionDenied),
        (r#"{"code": "invalid-argument", "error": "a"}"#, BadRequest),
        (r#"{"code": "c", "error": "Prompt rejected by content moderation."}"#, BadRequest),
        (r#"{"error": {"code": "model_not_found", "message": "a"}}"#, NotFound),
        (r#"{"code": "not-found", "error": "The model grok-2 does not exist"}"#, NotFound),
        (r#"{"code": "resource-exhausted", "error": "Too many requests"}"#, RateLimited),
        (r#"{"code": 429, "message": "slow down"}"#, RateLimited),
        // A text in place of an ID is not an ID here.
        (r#"{"code": "insufficient_user_quota", "message": "a", "data": "remaining quota: 0"}"#, InsufficientBalance),
        (r#"{"code": "insufficient_user_quota", "message": "a", "data": "a-1"}"#, InsufficientBalance),
        (r#"{"code": "insufficient_user_quota", "message": "a", "data": 5}"#, InsufficientBalance),
        (r#"{"code": "insufficient_user_quota", "message": "a", "result": "failed"}"#, InsufficientBalance),
        (r#"{"code": "insufficient_user_quota", "message": "a", "request_id": "null"}"#, InsufficientBalance),
        (r#"{"code": "insufficient_user_quota", "message": "a", "requestId": "2026"}"#, InsufficientBalance),
        (r#"{"success": false, "message": "You ran out of credits", "data": "error"}"#, InsufficientBalance),
        (r#"{"result": "error", "message": "insufficient balance"}"#, InsufficientBalance),
        (r#"{"result": "fail", "error": {"code": "insufficient_user_quota"}}"#, InsufficientBalance),
        (r#"{"code": "fail", "data": "insufficient balance"}"#, InsufficientBalance),
        (r#"{"message": "Your credit balance is too low"}"#, InsufficientBalance),
        (r#"{"output": "Error: invalid api key"}"#, Authentication),
        (r#"{"error": "Incorrect API key provided", "data": "none"}"#, Authentication),
    ];
    for (body, kind) in table {
        match created(&answer(200, body)) {
            Err(Error::Api(error)) => {
                assert_eq!((error.kind, error.status_code, error.not_started), (kind, 200, false), "{body}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn an_inconclusive_error_with_status_200_leaves_the_outcome_unknown() {
    for body in [
        r#"{"error": {"code": "c", "message": "m"}}"#,
        r#"{"code": 500, "message": "system busy"}"#,
        r#"{"code": "internal_error", "error": "upstream timed out"}"#,
        r#"{"code": "task_not_exist", "message": "task_not_exist", "data": null}"#,
        r#"{"error": "not found"}"#,
        r#"{"code": "success", "message": "insufficient balance soon", "data": null}"#,
        r#"{"message": "too many requests are queued before yours"}"#,
        r#"{"ok": true, "note": "rate limit: 2"}"#,
        r#"{"ok": true, "message": "insufficient balance soon"}"#,
        r#"{"status": "queued", "message": "insufficient balance soon"}"#,
        r#"{"code": 500, "message": "system busy", "data": "system busy"}"#,
        r#"{"code": "success", "message": "", "data": "Task submitted"}"#,
        r#"{"task": "video_generation", "status": "queued"}"#,
        r#"{"response": "The model grok-imagine-video does not exist"}"#,
        r#"{"result": "ok"}"#,
        r#"{"error": "a", "job": "video"}"#,
        r#"{"data": "null"}"#,
        r#"{"request_id": "undefined"}"#,
        "ok",
        r#""task submitted""#,
    ] {
        assert_lost(&answer(200, body), "is invalid");
    }
    let cut = answer(200, r#"{"code": "resource-exhausted", "error": "Too many requests", "x": "AAAA"#);
    assert_lost(&Response { is_cut: true, ..cut }, "is invalid");
    // A refusal that names a job counts as the job.
    assert_eq!(
        accepted_id(r#"{"code": "resource-exhausted", "error": "Too many requests", "data": {"task_id": "x"}}"#),
        "x"
    );
    assert_lost(&answer(200, r#"{"code": "resource-exhausted", "error": "Too many requests", "id": "a/b"}"#), "a/b");
}

#[test]
fn refused_creates() {
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
