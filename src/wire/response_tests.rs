//! Interpretation of every documented response.
#![expect(clippy::unnecessary_wraps, reason = "the helpers give fields as `VideoJob` has them")]

use serde_json::{Map, Value, json};

use super::response::{field_names, job};
use crate::error::{ApiErrorKind, Error, Result};
use crate::job::{FileOutput, JobError, JobStatus, Usage, Video, VideoJob};
use crate::response::Response;

const ID: &str = "f5f35814-953e-b094-5a2c-4a90014a58cb";
const OTHER_ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";
const URL: &str = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4";

fn answer(status: u16, body: impl Into<String>) -> Response {
    Response { status, body: body.into().into(), ..Response::default() }
}

fn poll(body: &Value) -> Result<VideoJob> {
    job(ID, &answer(200, body.to_string()))
}

fn job_payload(status: JobStatus) -> VideoJob {
    VideoJob { status, ..VideoJob::pending(ID) }
}

fn done(video: Option<Video>) -> VideoJob {
    VideoJob { progress: Some(100), video, ..job_payload(JobStatus::Done) }
}

fn linked() -> Option<Video> {
    Some(Video { url: Some(URL.into()), ..Video::default() })
}

fn failed(code: Option<&str>, message: &str) -> VideoJob {
    let error = JobError { code: code.map(Into::into), message: message.into() };
    VideoJob { error: Some(error), ..job_payload(JobStatus::Failed) }
}

fn cost(ticks: i64) -> Option<Usage> {
    Some(Usage { cost_in_usd_ticks: ticks })
}

fn model() -> Option<String> {
    Some("grok-imagine-video".into())
}

fn assert_table(table: Vec<(Value, VideoJob)>) {
    for (body, expected) in table {
        let job = poll(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(job, expected, "{body}");
        assert_eq!(job.raw.as_deref(), Some(body.to_string().as_str()));
    }
}

fn assert_invalid(result: Result<VideoJob>, what: &str) {
    match result {
        Err(Error::InvalidResponse { request_id, .. }) => assert_eq!(request_id.as_deref(), Some(ID), "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn stored_files() {
    let video_of = |video: serde_json::Value| {
        let body = json!({"status": "done", "video": video});
        poll(&body).unwrap().video.unwrap()
    };
    let video = json!({"url": URL, "storage_error": "no room", "file_output": {"file_id": "file-1", "filename": "a.mp4",
        "expires_at": 1_773_297_002, "public_url": "https://a.example/f", "public_url_expires_at": 1_773_297_003,
        "public_url_error": "none"}});
    let file = FileOutput {
        file_id: Some("file-1".into()),
        filename: Some("a.mp4".into()),
        expires_at: Some(1_773_297_002),
        public_url: Some("https://a.example/f".into()),
        public_url_expires_at: Some(1_773_297_003),
        public_url_error: Some("none".into()),
    };
    let expected = Video {
        url: Some(URL.into()),
        file_output: Some(Box::new(file)),
        storage_error: Some("no room".into()),
        ..Video::default()
    };
    assert_eq!(video_of(video), expected);
    let odd = video_of(
        json!({"url": URL, "file_output": {"file_id": 7, "expires_at": "soon"}, "storage_error": {"code": 1}}),
    );
    assert_eq!(odd.file_output, Some(Box::default()));
    assert_eq!(odd.storage_error.as_deref(), Some("{\"code\":1}"));
    let none = video_of(json!({"url": URL, "file_output": null, "storage_error": null}));
    assert_eq!((none.file_output, none.storage_error), (None, None));
}

#[test]
fn flat() {
    let seconds = |duration| Some(Video { duration: Some(duration), ..linked().unwrap() });
    let moderation_error =
        Video { url: None, duration: Some(6.0), respect_moderation: Some(false), ..Video::default() };
    let nothing = Video { url: None, duration: Some(0.0), respect_moderation: Some(true), ..Video::default() };
    assert_table(vec![
        (json!({"request_id": ID}), job_payload(JobStatus::Pending)),
        (json!({"request_id": "x", "id": "task_x"}), job_payload(JobStatus::Pending)),
        (
            json!({"status": "pending", "progress": 0}),
            VideoJob { progress: Some(0), ..job_payload(JobStatus::Pending) },
        ),
        (
            json!({"status": "processing", "progress": 81, "model": "grok-imagine-video"}),
            VideoJob { progress: Some(81), model: model(), ..job_payload(JobStatus::Processing) },
        ),
        (
            json!({"status": "done", "video": {"url": URL, "duration": 1, "respect_moderation": true},
                   "model": "grok-imagine-video", "usage": {"cost_in_usd_ticks": 500_000_000}, "progress": 100}),
            VideoJob {
                model: model(),
                usage: cost(500_000_000),
                ..done(Some(Video { respect_moderation: Some(true), ..seconds(1.0).unwrap() }))
            },
        ),
        (
            json!({"video": {"url": URL, "duration": 6}, "model": "grok-imagine-video"}),
            VideoJob { model: model(), ..done(seconds(6.0)) },
        ),
        (
            json!({"status": "done", "video": {"url": "", "duration": 6, "respect_moderation": false},
                   "usage": {"cost_in_usd_ticks": 3_000_000_000_i64}}),
            VideoJob { usage: cost(3_000_000_000), ..done(Some(moderation_error)) },
        ),
        (
            json!({"status": "failed", "error": {"code": "internal_error", "message": "…"}}),
            failed(Some("internal_error"), "…"),
        ),
        (
            json!({"status": "failed", "model": "", "video": {"duration": 0, "respect_moderation": true}, "error": "…"}),
            VideoJob { video: Some(nothing), ..failed(None, "…") },
        ),
        (json!({"status": "expired"}), job_payload(JobStatus::Expired)),
        (
            json!({"status": "done", "response": {"model": "grok-imagine-video", "video": {"url": URL}}}),
            VideoJob { model: model(), ..done(linked()) },
        ),
    ]);
}

#[test]
fn variants_of_optional_fields() {
    let processing = || job_payload(JobStatus::Processing);
    assert_table(vec![
        (json!({"status": "processing", "progress": " 45 %"}), VideoJob { progress: Some(45), ..processing() }),
        (json!({"status": "processing", "progress": 101, "model": null, "usage": {}}), processing()),
        (json!({"status": "processing", "usage": {"tokens": 5}, "video": {}, "error": ""}), processing()),
        (json!({"status": "processing", "error": {"message": "hiccup"}}), processing()),
        (json!({"status": "moving", "progress": 5}), VideoJob { progress: Some(5), ..job_payload(JobStatus::Unknown) }),
        (json!({"status": "", "id": "x"}), job_payload(JobStatus::Pending)),
        (json!({"status": "done", "error": {}, "progress": 12}), done(None)),
        (json!({"status": "done", "error": [], "video": null}), done(None)),
        (json!({"status": "done", "error": {"code": "", "message": ""}}), done(None)),
        (json!({"status": "done", "video": {"url": URL}, "error": "storage failed"}), done(linked())),
        (json!({"status": "failed"}), job_payload(JobStatus::Failed)),
        (json!({"status": "failed", "message": "no room"}), failed(None, "no room")),
        (json!({"status": "failed", "error": ["a", {"code": "c", "message": "b"}]}), failed(Some("c"), "a; b")),
        (json!({"status": "failed", "code": "c", "error": "a"}), failed(Some("c"), "a")),
        (
            json!({"status": "failed", "error": {"message": "a"}, "progress": 100,
                   "usage": {"cost_in_usd_ticks": "2500000000"}}),
            VideoJob { progress: Some(100), usage: cost(2_500_000_000), ..failed(None, "a") },
        ),
        (
            json!({"status": "failed", "error": "see https://a.b/c?sig=SECRET\u{1b}[0m"}),
            failed(None, "see https://a.b/c"),
        ),
    ]);
}

/// A relay's record around a provider's response.
fn record(word: &str, fields: &Value, inner: &Value) -> Value {
    let mut record = json!({"task_id": OTHER_ID, "action": "VIDEO_GENERATION", "status": word, "data": inner});
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"code": "success", "message": "", "data": record})
}

#[test]
fn the_documented_envelope() {
    let link = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-72924fdc-e6d7-4885-b318-8a367aaa9a02.mp4";
    let body = json!({"code": "success", "message": "", "data": {
        "task_id": OTHER_ID, "action": "VIDEO_GENERATION", "status": "SUCCESS", "fail_reason": link,
        "submit_time": 1_773_297_002, "start_time": 0, "finish_time": 1_773_297_014, "progress": "100%",
        "data": {"model": "grok-imagine-video", "usage": {"cost_in_usd_ticks": 500_000_000},
                 "video": {"url": link, "duration": 1, "respect_moderation": true}, "status": "done"}}});
    let video =
        Video { url: Some(link.into()), duration: Some(1.0), respect_moderation: Some(true), ..Video::default() };
    assert_table(vec![(body, VideoJob { model: model(), usage: cost(500_000_000), ..done(Some(video)) })]);
}

#[test]
fn running_envelopes() {
    let at = |status, progress| VideoJob { progress: Some(progress), ..job_payload(status) };
    let nothing = json!(null);
    assert_table(vec![
        (record("NOT_START", &json!({"progress": "10%"}), &nothing), at(JobStatus::Pending, 10)),
        (record("SUBMITTED", &json!({"progress": "10%"}), &nothing), at(JobStatus::Queued, 10)),
        (record("QUEUED", &json!({"progress": "20%"}), &nothing), at(JobStatus::Queued, 20)),
        (record("IN_PROGRESS", &json!({"progress": "30%"}), &nothing), at(JobStatus::Processing, 30)),
        (
            record("IN_PROGRESS", &json!({"progress": "30%"}), &json!({"status": "pending", "progress": 81})),
            at(JobStatus::Processing, 81),
        ),
        (record("UNKNOWN", &json!({}), &nothing), job_payload(JobStatus::Unknown)),
        (record("UNKNOWN", &json!({}), &json!({"status": "processing"})), job_payload(JobStatus::Processing)),
        (record("UNKNOWN", &json!({}), &json!({"status": "failed", "error": "a"})), failed(None, "a")),
        (record("RETRYING", &json!({}), &json!({"status": "queued"})), job_payload(JobStatus::Queued)),
        (record("RETRYING", &json!({}), &json!({"status": "failed", "error": "a"})), job_payload(JobStatus::Unknown)),
        (json!({"code": "success", "data": OTHER_ID}), job_payload(JobStatus::Pending)),
        (json!({"code": "success", "data": {"task_id": OTHER_ID}}), job_payload(JobStatus::Pending)),
    ]);
}

#[test]
fn a_running_envelope_is_overruled_only_by_a_link() {
    let running = VideoJob { progress: Some(30), ..job_payload(JobStatus::Processing) };
    let inner = |inner: Value| record("IN_PROGRESS", &json!({"progress": "30%"}), &inner);
    assert_table(vec![
        (inner(json!({"status": "done", "video": {"url": URL}})), done(linked())),
        (inner(json!({"video": {"url": URL}})), done(linked())),
        (inner(json!({"status": "done", "progress": 100, "video": {"url": "", "duration": 6}})), running.clone()),
        (inner(json!({"status": "failed", "progress": 100, "error": "a"})), running.clone()),
        (inner(json!({"status": "expired"})), running.clone()),
        (inner(json!({"error": "a", "usage": {"cost_in_usd_ticks": 5}})), VideoJob { usage: cost(5), ..running }),
    ]);
}

#[test]
fn terminal_envelopes() {
    let link = json!({"fail_reason": URL, "progress": "100%"});
    let at = |progress, job| VideoJob { progress: Some(progress), ..job };
    let blocked = "Generated video rejected by content moderation.";
    let failure = |reason: &str| json!({"fail_reason": reason, "progress": "100%"});
    assert_table(vec![
        (record("SUCCESS", &link, &json!(null)), done(linked())),
        (record("SUCCESS", &link, &json!({"status": "pending", "progress": 40})), done(linked())),
        (record("SUCCESS", &link, &json!({"error": "hiccup"})), done(linked())),
        (record("SUCCESS", &link, &json!({"error": blocked})), done(linked())),
        (record("SUCCESS", &link, &json!({"status": "expired"})), at(100, VideoJob { ..expired(linked()) })),
        (record("SUCCESS", &json!({"result_url": URL, "fail_reason": ""}), &json!({})), done(linked())),
        (
            record("SUCCESS", &json!({"result_url": URL, "fail_reason": "https://old.example/"}), &json!({})),
            done(linked()),
        ),
        (record("SUCCESS", &json!({"result_url": URL, "fail_reason": "late"}), &json!({})), done(linked())),
        (
            record("SUCCESS", &json!({"result_url": "/v1/videos/x/content"}), &json!({"video": {"url": URL}})),
            done(linked()),
        ),
        (
            record("SUCCESS", &json!({"fail_reason": "/v1/videos/x/content"}), &json!(null)),
            done(Some(Video { url: Some("/v1/videos/x/content".into()), ..Video::default() })),
        ),
        (
            record("SUCCESS", &json!({}), &json!({"status": "done", "response": {"video": {"url": URL}}})),
            done(linked()),
        ),
        (record("SUCCESS", &json!({}), &json!({"error": blocked})), failed(None, blocked)),
        (record("FAILURE", &failure("no room"), &json!(null)), at(100, failed(None, "no room"))),
        (record("FAILURE", &failure("no room"), &json!({"status": "pending"})), at(100, failed(None, "no room"))),
        (
            record("FAILURE", &failure("upstream returned empty status"), &json!({})),
            at(100, failed(None, "upstream returned empty status")),
        ),
        (
            record("FAILURE", &failure("task failed"), &json!({"code": "invalid-argument", "error": blocked})),
            at(100, failed(Some("invalid-argument"), &format!("task failed; {blocked}"))),
        ),
        (
            record("FAILURE", &failure("a"), &json!({"status": "failed", "error": {"code": "c", "message": "a b"}})),
            at(100, failed(Some("c"), "a b")),
        ),
        (
            record("FAILURE", &failure(blocked), &json!({"status": "done", "video": {"url": URL}})),
            at(100, VideoJob { video: linked(), ..failed(None, blocked) }),
        ),
        (
            record("FAILURE", &failure("no url"), &json!({"status": "done", "video": {"url": ""}})),
            at(100, failed(None, "no url")),
        ),
        (record("FAILURE", &json!({}), &json!({"status": "expired"})), expired(None)),
        (json!({"success": false, "data": {"status": "FAILURE", "fail_reason": "a"}}), failed(None, "a")),
    ]);
}

fn expired(video: Option<Video>) -> VideoJob {
    VideoJob { video, ..job_payload(JobStatus::Expired) }
}

#[test]
fn contradictions() {
    for body in [
        json!({"status": "done", "error": {"code": "internal_error", "message": "a"}}),
        json!({"status": "done", "error": "a", "video": {"duration": 6}}),
        json!({"status": "done", "error": {"reason": "new"}}),
        record("SUCCESS", &json!({"fail_reason": URL}), &json!({"status": "failed"})),
        record("SUCCESS", &json!({}), &json!({"status": "failed", "error": "a"})),
        record("SUCCESS", &json!({}), &json!({"error": "a"})),
        record("SUCCESS", &json!({"fail_reason": "no room"}), &json!(null)),
        record("SUCCESS", &json!({"fail_reason": "https://a.b/c is gone"}), &json!(null)),
        record("FAILURE", &json!({"fail_reason": "a"}), &json!({"status": "done", "video": {"url": URL}})),
        record("FAILURE", &json!({"fail_reason": URL}), &json!({"video": {"url": URL}})),
    ] {
        assert_invalid(poll(&body), &body.to_string());
    }
}

#[test]
fn invalid_responses_are_rejected() {
    for body in [
        json!([]),
        json!("done"),
        json!(null),
        json!(5),
        json!({}),
        json!({"model": "grok-imagine-video"}),
        json!({"message": "ok"}),
        json!({"status": 5}),
        json!({"status": ["done"]}),
        json!({"status": 5, "id": "x"}),
        json!({"status": 500, "error": "Internal Server Error", "path": "/videos"}),
        json!({"status": "done", "video": "x"}),
        json!({"status": "done", "video": [5]}),
        json!({"status": "done", "video": {"url": 5}}),
        json!({"video": "x", "id": "y"}),
        json!({"code": "success", "message": "", "data": null}),
        json!({"code": "success", "data": []}),
        json!({"code": "success", "data": ""}),
        json!({"code": "success", "data": {"status": 1}}),
    ] {
        assert_invalid(poll(&body), &body.to_string());
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_record = format!("{}{}", r#"{"data":"#.repeat(5000), "}".repeat(5000));
    for body in
        ["", " \n", "done", "{", r#"{"status": NaN}"#, "<!DOCTYPE html><html>", r#"{"a":"\ud800"}"#, "\u{feff}<html>"]
    {
        assert_invalid(job(ID, &answer(200, body)), body);
    }
    assert_invalid(job(ID, &answer(200, deep)), "deep");
    assert_invalid(job(ID, &answer(200, deep_record)), "deep record");
}

#[test]
fn malformed_optional_fields_do_not_fail_the_job() {
    let link = format!(r#""status": "done", "video": {{"url": "{URL}"}}"#);
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let table = [
        format!("\u{feff}{{{link}}}"),
        format!(r#"{{{link}, "eta": NaN, "b": [-Infinity, 1e999]}}"#),
        format!(r#"{{"prompt": "cat \ud83d", {link}}}"#),
        format!("{{\"prompt\": \"a\nb\", {link}}}"),
        format!(r#"{{{link}, "usage": {{"cost_in_usd_ticks": 1e400}}}}"#),
        format!(
            r#"{{{link}, "progress": [], "model": {{}}, "usage": "a lot", "data": {{"status": 7, "video": "x"}}}}"#
        ),
        format!(r#"{{"x": {deep}, {link}}}"#),
        format!("[{{{link}}}]"),
        serde_json::to_string(&format!("{{{link}}}")).unwrap(),
    ];
    for body in table {
        let job = job(ID, &answer(200, body.clone())).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!((job.status, job.url()), (JobStatus::Done, Some(URL)), "{body}");
        let raw = job.raw.as_deref().unwrap();
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(raw).is_ok(), "{raw}");
        assert!(serde_json::to_string(&job).is_ok());
    }
    let bytes = Response { body: b"{\"status\": \"queued\", \"prompt\": \"caf\xe9\"}"[..].into(), ..answer(200, "") };
    let read = job(ID, &bytes).unwrap();
    assert_eq!(
        (read.status, read.raw.as_deref()),
        (JobStatus::Queued, Some(r#"{"status": "queued", "prompt": "café"}"#))
    );
    let failed = poll(&json!({"status": "failed", "video": "x", "error": "a"})).unwrap();
    assert_eq!(failed.status, JobStatus::Failed, "its video is not needed");
}

#[test]
fn json_cut_at_the_size_limit_keeps_complete_members() {
    let done = format!(r#"{{"status": "done", "video": {{"url": "{URL}"}}, "thumbnail": "AAAA"#);
    let cut = Response { is_cut: true, ..answer(200, done.clone()) };
    assert_eq!(job(ID, &cut).unwrap(), self::done(linked()));
    assert_invalid(job(ID, &answer(200, done)), "cut by somebody else");
}

#[test]
fn links_are_found_in_gateway_responses() {
    for place in [
        json!({"metadata": {"url": URL}}),
        json!({"videos": [{"url": URL}]}),
        json!({"result": {"video_url": URL}}),
        json!({"output": {"url": URL}}),
        json!({"output": {"video_url": URL}}),
        json!({"data": [{"url": URL}]}),
        json!({"data": {"url": URL}}),
        json!({"video_url": URL}),
        json!({"result_url": URL}),
        json!({"url": URL}),
        json!({"video": URL}),
        json!({"video": [{"url": URL}]}),
        json!({"video": {"duration": 5, "download": URL}}),
        json!({"files": [{"name": "a", "address": URL}], "thumbnail_url": "https://a.b/c.jpg"}),
    ] {
        let mut flat = json!({"id": "x", "status": "completed", "progress": 100});
        flat.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        let mut inner = place.clone();
        inner["status"] = "completed".into();
        for body in [flat, record("SUCCESS", &json!({}), &place), record("SUCCESS", &json!({}), &inner)] {
            let job = poll(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!((job.status, job.url()), (JobStatus::Done, Some(URL)), "{body}");
        }
    }
}

#[test]
fn other_links_are_ignored() {
    for body in [
        json!({"status": "done", "thumbnail": URL, "image": {"url": "https://a.b/c.png"}}),
        json!({"status": "done", "url": "https://a.b/c.jpg"}),
        json!({"status": "done", "a": URL, "b": "https://a.b/other.mp4"}),
        json!({"status": "done", "video": {"url": "", "respect_moderation": false}, "url": URL}),
    ] {
        assert_eq!(poll(&body).unwrap().url(), None, "{body}");
    }
    let running = poll(&json!({"status": "processing", "video_url": URL})).unwrap();
    assert_eq!((running.status, running.url()), (JobStatus::Processing, None));
}

#[test]
fn field_names_are_listed() {
    let raw = json!({"status": "done", "metadata": {"w": 1, "h": {}}, "https://a.b/?sig=SECRET": 1}).to_string();
    assert_eq!(field_names(&raw), "https://a.b/, metadata.h, metadata.w, status");
    let many: Map<String, Value> = (0..50).map(|n| (format!("field_{n:02}"), json!(n))).collect();
    let names = field_names(&Value::from(many).to_string());
    assert!(names.starts_with("field_00, ") && names.ends_with("field_15, …"), "{names}");
    assert_eq!(field_names("[]"), "");
}

#[test]
fn every_terminal_status_ends_a_job() {
    for word in ["aborted", "rejected", "timeout", "timed_out", "Timed-Out", "ABORTED"] {
        for body in [json!({"status": word}), record(word, &json!({}), &json!(null))] {
            let job = poll(&body).unwrap();
            assert_eq!((job.status, job.is_blocked()), (JobStatus::Failed, false), "{body}");
        }
    }
    for word in ["moderated", "blocked", "MODERATED"] {
        for body in [
            json!({"status": word}),
            json!({"status": word, "error": "no"}),
            json!({"status": word, "error": {"code": "internal_error", "message": "no"}}),
            record(word, &json!({"fail_reason": "no"}), &json!(null)),
            record(word, &json!({}), &json!({"status": "done", "video": {"url": URL}})),
        ] {
            let job = poll(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert!(job.is_blocked(), "{body}: {job:?}");
        }
    }
    assert!(poll(&json!({"status": "rejected", "error": "rejected by content moderation"})).unwrap().is_blocked());
}

#[test]
fn numeric_ids_are_accepted() {
    for body in [json!({"request_id": 7}), json!({"code": "success", "data": 7}), json!({"data": {"task_id": 7}})] {
        assert_eq!(poll(&body).unwrap(), job_payload(JobStatus::Pending), "{body}");
    }
}

#[test]
fn invalid_responses_are_quoted_without_secrets() {
    let body = format!("{{\"url\": \"{URL}?sig=SECRET\", \x1b[2J {}", "a".repeat(500));
    let Err(Error::InvalidResponse { message, body, .. }) = job(ID, &answer(200, body)) else { panic!() };
    assert_eq!(message, "the response (HTTP 200) is invalid: it is not valid JSON (line 1, column 77)");
    assert!(body.starts_with(&format!("{{\"url\": \"{URL}\", [2J aaa")), "{body}");
    assert_eq!(body.chars().count(), 301);
}

#[test]
fn status_202_without_content_is_pending() {
    for body in ["", " \r\n", "{}", r#"{"status":"pending"}"#, r#"{"model":""}"#] {
        assert_eq!(job(ID, &answer(202, body)).unwrap(), job_payload(JobStatus::Pending), "{body}");
    }
    assert!(job(ID, &answer(202, "")).unwrap().raw.is_none());
    let body = r#"{"status":"pending","progress":24}"#;
    assert_eq!(job(ID, &answer(202, body)).unwrap().progress, Some(24));
    let body = json!({"status": "done", "video": {"url": URL}}).to_string();
    assert_eq!(job(ID, &answer(202, body)).unwrap(), done(linked()));
    assert_invalid(job(ID, &answer(202, "null")), "null");
    assert_invalid(job(ID, &answer(202, "{")), "broken");
}

#[test]
fn moderation_is_a_state_of_the_job() {
    let message = "Generated video rejected by content moderation.";
    let sentence = "Client specified an invalid argument";
    let seen = json!({"code": sentence, "error": message, "usage": {"cost_in_usd_ticks": 2_500_000_000_i64}});
    let newer = json!({"error": {"code": "imagine:content-moderated", "message": "no"}});
    let relayed = json!({"error": {"code": "internal_error", "message": message}, "model": "grok-imagine-video"});
    let task = json!({"code": "fail", "message": message, "data": null});
    for status in [200, 202, 400, 403, 422, 500, 503] {
        let poll = |body: &Value| job(ID, &answer(status, body.to_string())).unwrap();
        let expected = VideoJob { usage: cost(2_500_000_000), ..failed(Some(sentence), message) };
        assert_eq!(poll(&seen), expected, "{status}");
        assert_eq!(poll(&seen).raw.as_deref(), Some(seen.to_string().as_str()));
        assert!(poll(&seen).is_blocked());
        assert_eq!(poll(&newer), failed(Some("imagine:content-moderated"), "no"));
        assert_eq!(poll(&relayed), VideoJob { model: model(), ..failed(Some("internal_error"), message) });
        assert_eq!(poll(&task), failed(Some("fail"), message));
    }
    assert_invalid(job(ID, &answer(302, seen.to_string())), "a redirect is none");
    let unmet = json!({"status": "moderated", "error": message});
    assert_eq!(poll(&unmet).unwrap(), failed(None, message));
    let moderation_error =
        json!({"status": "done", "error": message, "video": {"url": "", "respect_moderation": false}});
    assert!(poll(&moderation_error).unwrap().is_blocked());
    let no_link = json!({"status": "done", "error": message});
    assert!(poll(&no_link).unwrap().is_blocked());
}

#[test]
fn errors_carry_the_request_id() {
    let table = [
        (200, json!({"code": "task_not_exist", "message": "task_not_exist", "data": null}), ApiErrorKind::NotFound),
        (200, json!({"error": {"message": "a", "code": "c"}}), ApiErrorKind::Other),
        (200, json!({"code": 500, "message": "system busy"}), ApiErrorKind::Server),
        (200, json!({"detail": "Not authenticated"}), ApiErrorKind::Authentication),
        (200, json!("insufficient balance"), ApiErrorKind::InsufficientBalance),
        (200, json!({"success": false, "message": "too many requests"}), ApiErrorKind::RateLimited),
        (200, json!({"code": "fail_to_fetch_task", "message": "a", "data": {}}), ApiErrorKind::Other),
        (400, json!({"code": "Client specified an invalid argument", "error": "a"}), ApiErrorKind::BadRequest),
        (404, json!({"code": "not-found", "error": "a"}), ApiErrorKind::NotFound),
        (500, json!({"status": "done", "video": {"url": URL}}), ApiErrorKind::Server),
    ];
    for (status, body, kind) in table {
        match job(ID, &answer(status, body.to_string())) {
            Err(Error::Api(error)) => {
                assert_eq!((error.kind, error.request_id.as_deref()), (kind, Some(ID)), "{status} {body}");
            }
            other => panic!("{status} {body}: {other:?}"),
        }
    }
    let error = job(ID, &answer(404, "")).unwrap_err();
    assert!(error.to_string().contains("poll with the API key that created the job"), "{error}");
    assert_invalid(job(ID, &answer(302, "")), "redirect");
}
