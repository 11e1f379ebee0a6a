//! What every documented answer means.

use serde_json::{Value, json};

use super::response::{created, job};
use super::{Answer, MAX_BODY};
use crate::error::{ApiErrorKind, Error, Result};
use crate::job::{JobError, JobStatus, Usage, Video, VideoJob};

const ID: &str = "f5f35814-953e-b094-5a2c-4a90014a58cb";
const OTHER_ID: &str = "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3";
const URL: &str = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4";

fn answer(status: u16, body: impl Into<String>) -> Answer {
    Answer { status, body: body.into().into(), ..Answer::default() }
}

fn ask(body: &Value) -> Result<VideoJob> {
    job(ID, &answer(200, body.to_string()))
}

fn told(status: JobStatus) -> VideoJob {
    VideoJob { status, ..VideoJob::pending(ID) }
}

fn done(video: Option<Video>) -> VideoJob {
    VideoJob { progress: Some(100), video, ..told(JobStatus::Done) }
}

fn linked() -> Option<Video> {
    Some(Video { url: Some(URL.into()), ..Video::default() })
}

fn failed(code: Option<&str>, message: &str) -> VideoJob {
    let error = JobError { code: code.map(Into::into), message: message.into() };
    VideoJob { error: Some(error), ..told(JobStatus::Failed) }
}

fn cost(ticks: i64) -> Option<Usage> {
    Some(Usage { cost_in_usd_ticks: ticks })
}

fn model() -> Option<String> {
    Some("grok-imagine-video".into())
}

fn assert_table(table: Vec<(Value, VideoJob)>) {
    for (body, expected) in table {
        let job = ask(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
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
fn flat() {
    let seconds = |duration| Some(Video { duration: Some(duration), ..linked().unwrap() });
    let withheld = Video { url: None, duration: Some(6.0), respect_moderation: Some(false) };
    let nothing = Video { url: None, duration: Some(0.0), respect_moderation: Some(true) };
    assert_table(vec![
        (json!({"request_id": ID}), told(JobStatus::Pending)),
        (json!({"request_id": "x", "id": "task_x"}), told(JobStatus::Pending)),
        (json!({"status": "pending", "progress": 0}), VideoJob { progress: Some(0), ..told(JobStatus::Pending) }),
        (
            json!({"status": "processing", "progress": 81, "model": "grok-imagine-video"}),
            VideoJob { progress: Some(81), model: model(), ..told(JobStatus::Processing) },
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
            VideoJob { usage: cost(3_000_000_000), ..done(Some(withheld)) },
        ),
        (
            json!({"status": "failed", "error": {"code": "internal_error", "message": "…"}}),
            failed(Some("internal_error"), "…"),
        ),
        (
            json!({"status": "failed", "model": "", "video": {"duration": 0, "respect_moderation": true}, "error": "…"}),
            VideoJob { video: Some(nothing), ..failed(None, "…") },
        ),
        (json!({"status": "expired"}), told(JobStatus::Expired)),
        (
            json!({"status": "done", "response": {"model": "grok-imagine-video", "video": {"url": URL}}}),
            VideoJob { model: model(), ..done(linked()) },
        ),
    ]);
}

#[test]
fn details_that_vary() {
    let processing = || told(JobStatus::Processing);
    assert_table(vec![
        (json!({"status": "processing", "progress": " 45 %"}), VideoJob { progress: Some(45), ..processing() }),
        (json!({"status": "processing", "progress": 101, "model": null, "usage": {}}), processing()),
        (json!({"status": "processing", "usage": {"tokens": 5}, "video": {}, "error": ""}), processing()),
        (json!({"status": "processing", "error": {"message": "hiccup"}}), processing()),
        (json!({"status": "moving", "progress": 5}), VideoJob { progress: Some(5), ..told(JobStatus::Unknown) }),
        (json!({"status": "", "id": "x"}), told(JobStatus::Pending)),
        (json!({"status": "done", "error": {}, "progress": 12}), done(None)),
        (json!({"status": "done", "error": [], "video": null}), done(None)),
        (json!({"status": "done", "error": {"code": "", "message": ""}}), done(None)),
        (json!({"status": "done", "video": {"url": URL}, "error": "storage failed"}), done(linked())),
        (json!({"status": "failed"}), told(JobStatus::Failed)),
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

/// A relay's record around a provider's answer.
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
    let video = Video { url: Some(link.into()), duration: Some(1.0), respect_moderation: Some(true) };
    assert_table(vec![(body, VideoJob { model: model(), usage: cost(500_000_000), ..done(Some(video)) })]);
}

#[test]
fn envelopes_that_run() {
    let at = |status, progress| VideoJob { progress: Some(progress), ..told(status) };
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
        (record("UNKNOWN", &json!({}), &nothing), told(JobStatus::Unknown)),
        (record("UNKNOWN", &json!({}), &json!({"status": "processing"})), told(JobStatus::Processing)),
        (record("UNKNOWN", &json!({}), &json!({"status": "failed", "error": "a"})), failed(None, "a")),
        (record("RETRYING", &json!({}), &json!({"status": "queued"})), told(JobStatus::Queued)),
        (record("RETRYING", &json!({}), &json!({"status": "failed", "error": "a"})), told(JobStatus::Unknown)),
        (json!({"code": "success", "data": OTHER_ID}), told(JobStatus::Pending)),
        (json!({"code": "success", "data": {"task_id": OTHER_ID}}), told(JobStatus::Pending)),
    ]);
}

#[test]
fn an_envelope_that_runs_believes_only_a_link() {
    let running = VideoJob { progress: Some(30), ..told(JobStatus::Processing) };
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
fn envelopes_that_are_over() {
    let link = json!({"fail_reason": URL, "progress": "100%"});
    let at = |progress, job| VideoJob { progress: Some(progress), ..job };
    let blocked = "Generated video rejected by content moderation.";
    let failure = |reason: &str| json!({"fail_reason": reason, "progress": "100%"});
    assert_table(vec![
        (record("SUCCESS", &link, &json!(null)), done(linked())),
        (record("SUCCESS", &link, &json!({"status": "pending", "progress": 40})), done(linked())),
        (record("SUCCESS", &link, &json!({"error": "hiccup"})), done(linked())),
        (record("SUCCESS", &link, &json!({"status": "expired"})), at(100, VideoJob { ..expired(linked()) })),
        (record("SUCCESS", &json!({"result_url": URL, "fail_reason": ""}), &json!({})), done(linked())),
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
        (record("SUCCESS", &json!({}), &json!({"error": blocked})), at(100, failed(None, blocked))),
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
    ]);
}

fn expired(video: Option<Video>) -> VideoJob {
    VideoJob { video, ..told(JobStatus::Expired) }
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
        record("FAILURE", &json!({"fail_reason": "a"}), &json!({"status": "done", "video": {"url": URL}})),
        record("FAILURE", &json!({"fail_reason": URL}), &json!({"video": {"url": URL}})),
    ] {
        assert_invalid(ask(&body), &body.to_string());
    }
}

#[test]
fn what_is_not_an_answer() {
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
        json!({"status": "done", "video": URL}),
        json!({"status": "done", "video": [URL]}),
        json!({"status": "done", "video": {"url": 5}}),
        json!({"code": "success", "message": "", "data": null}),
        json!({"code": "success", "data": []}),
        json!({"code": "success", "data": ""}),
        json!({"code": "success", "data": {"status": 1}}),
    ] {
        assert_invalid(ask(&body), &body.to_string());
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_record = format!("{}{}", r#"{"data":"#.repeat(5000), "}".repeat(5000));
    for body in ["", " \n", "done", "{", r#"{"status": NaN}"#, "<!DOCTYPE html><html>", r#"{"a":"\ud800"}"#] {
        assert_invalid(job(ID, &answer(200, body)), body);
    }
    assert_invalid(job(ID, &answer(200, deep)), "deep");
    assert_invalid(job(ID, &answer(200, deep_record)), "deep record");
    let bytes = Answer { status: 200, body: b"{\"status\":\"\xff\"}"[..].into(), ..Answer::default() };
    assert_invalid(job(ID, &bytes), "not UTF-8");
}

#[test]
fn size_is_bounded() {
    let padded = |length: usize| format!(r#"{{"status":"queued","x":"{}"}}"#, "a".repeat(length - 25));
    assert_eq!(padded(100).len(), 100);
    assert_eq!(job(ID, &answer(200, padded(MAX_BODY))).unwrap().status, JobStatus::Queued);
    assert_invalid(job(ID, &answer(200, padded(MAX_BODY + 1))), "too long");
}

#[test]
fn an_unreadable_answer_is_quoted_without_secrets() {
    let body = format!("{{\"url\": \"{URL}?sig=SECRET\", \x1b[2J {}", "a".repeat(500));
    let Err(Error::InvalidResponse { message, body, .. }) = job(ID, &answer(200, body)) else { panic!() };
    assert_eq!(message, "the answer (HTTP 200) cannot be used: it is not readable JSON (line 1, column 76)");
    assert!(body.starts_with(&format!("{{\"url\": \"{URL}\", [2J aaa")), "{body}");
    assert_eq!(body.chars().count(), 301);
}

#[test]
fn not_ready() {
    for body in ["", " \r\n", "{}", r#"{"status":"pending"}"#, r#"{"model":""}"#] {
        assert_eq!(job(ID, &answer(202, body)).unwrap(), told(JobStatus::Pending), "{body}");
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
    let said = "Generated video rejected by content moderation.";
    let sentence = "Client specified an invalid argument";
    let seen = json!({"code": sentence, "error": said, "usage": {"cost_in_usd_ticks": 2_500_000_000_i64}});
    let newer = json!({"error": {"code": "imagine:content-moderated", "message": "no"}});
    let relayed = json!({"error": {"code": "internal_error", "message": said}, "model": "grok-imagine-video"});
    let task = json!({"code": "fail", "message": said, "data": null});
    for status in [200, 202, 400, 403, 422, 500, 503] {
        let ask = |body: &Value| job(ID, &answer(status, body.to_string())).unwrap();
        let expected = VideoJob { usage: cost(2_500_000_000), ..failed(Some(sentence), said) };
        assert_eq!(ask(&seen), expected, "{status}");
        assert_eq!(ask(&seen).raw.as_deref(), Some(seen.to_string().as_str()));
        assert!(ask(&seen).is_blocked());
        assert_eq!(ask(&newer), failed(Some("imagine:content-moderated"), "no"));
        assert_eq!(ask(&relayed), VideoJob { model: model(), ..failed(Some("internal_error"), said) });
        assert_eq!(ask(&task), failed(Some("fail"), said));
    }
    let unmet = json!({"status": "moderated", "error": said});
    assert_eq!(ask(&unmet).unwrap(), failed(None, said));
    let withheld = json!({"status": "done", "error": said, "video": {"url": "", "respect_moderation": false}});
    assert!(ask(&withheld).unwrap().is_blocked());
    let no_link = json!({"status": "done", "error": said});
    assert!(ask(&no_link).unwrap().is_blocked());
}

#[test]
fn refusals_name_the_job() {
    let table = [
        (200, json!({"code": "task_not_exist", "message": "task_not_exist", "data": null}), ApiErrorKind::NotFound),
        (200, json!({"error": {"message": "a", "code": "c"}}), ApiErrorKind::Other),
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
    assert!(error.to_string().contains("only the key that made a job can ask after it"), "{error}");
    assert_invalid(job(ID, &answer(302, "")), "redirect");
}

#[test]
fn creates_that_are_accepted() {
    let pending = |id: &str| VideoJob::pending(id);
    let other = |job: VideoJob| VideoJob { request_id: OTHER_ID.into(), ..job };
    let table = [
        (json!({"request_id": OTHER_ID}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID}), pending(OTHER_ID)),
        (json!({"task_id": OTHER_ID}), pending(OTHER_ID)),
        (json!({"request_id": OTHER_ID, "id": "task_x", "task_id": "y"}), pending(OTHER_ID)),
        (json!({"request_id": "", "id": "../x", "task_id": OTHER_ID}), pending(OTHER_ID)),
        (json!({"request_id": null, "id": 5, "task_id": OTHER_ID}), pending(OTHER_ID)),
        (json!({"code": "success", "message": "", "data": OTHER_ID}), pending(OTHER_ID)),
        (json!({"code": "success", "data": {"task_id": OTHER_ID}}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID, "model": "grok-imagine-video"}), VideoJob { model: model(), ..pending(OTHER_ID) }),
        (json!({"id": OTHER_ID, "status": "queued", "progress": 0}), {
            VideoJob { progress: Some(0), ..other(told(JobStatus::Queued)) }
        }),
        (json!({"id": OTHER_ID, "status": "done", "video": {"url": URL}}), other(done(linked()))),
        (json!({"id": OTHER_ID, "status": "failed", "error": "a"}), other(failed(None, "a"))),
        (json!({"id": OTHER_ID, "status": "success"}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID, "status": 5}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID, "status": "done", "error": "a"}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID, "error": "a", "code": "b"}), pending(OTHER_ID)),
        (json!({"id": OTHER_ID, "error": "content moderation"}), other(failed(None, "content moderation"))),
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
