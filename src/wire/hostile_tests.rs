//! Any response becomes a valid job or an error without secrets.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::error_body::failure;
use super::response::{created, job};
use crate::error::{Error, Result};
use crate::job::{JobStatus, VideoJob};
use crate::request_id::check_request_id;
use crate::response::Response;

const ID: &str = "asked-for";
const SECRET: &str = "SECRETSIGNATURE";
const LINK: &str = "https://vidgen.x.ai/b/v.mp4?X-Amz-Signature=SECRETSIGNATURE";
const STATUSES: [u16; 24] = [
    0, 100, 200, 201, 202, 204, 301, 302, 399, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 524, 529, 600,
    999,
];

/// Observed responses, with a signed link where there is one.
fn examples() -> Vec<Value> {
    vec![
        json!({"request_id": "x", "id": "task_x"}),
        json!({"status": "processing", "progress": 81, "model": "grok-imagine-video"}),
        json!({"status": "done", "video": {"url": LINK, "duration": 1, "respect_moderation": true},
               "model": "grok-imagine-video", "usage": {"cost_in_usd_ticks": 500_000_000}, "progress": 100}),
        json!({"status": "failed", "error": {"code": "internal_error", "message": LINK}}),
        json!({"status": "done", "response": {"model": "m", "video": {"url": LINK}}}),
        json!({"code": "Client specified an invalid argument", "error": "rejected by content moderation.",
               "usage": {"cost_in_usd_ticks": 2_500_000_000_i64}}),
        json!({"code": "success", "message": "", "data": {
            "task_id": "t", "action": "VIDEO_GENERATION", "status": "SUCCESS", "fail_reason": LINK, "progress": "100%",
            "data": {"model": "m", "usage": {"cost_in_usd_ticks": 500_000_000}, "status": "done",
                     "video": {"url": LINK, "duration": 1, "respect_moderation": true}}}}),
        json!({"code": "success", "data": {"task_id": "t", "status": "FAILURE", "fail_reason": LINK, "data": null}}),
        json!({"code": "task_not_exist", "message": LINK, "data": null}),
        json!({"error": {"message": LINK, "type": "comet_api_error", "param": "", "code": "invalid_request"}}),
        json!({"error": [LINK, {"message": LINK}]}),
    ]
}

fn leaves(depth: u32) -> impl Strategy<Value = Value> {
    let words = select(vec![
        "",
        "done",
        "SUCCESS",
        "FAILURE",
        "failed",
        "expired",
        "pending",
        "unknown",
        "success",
        "content moderation",
        "45%",
        "model_not_found",
        "insufficient_user_quota",
        "Resets in: 1h",
        LINK,
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-5..105).prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        ".{0,6}".prop_map(|around| Value::from(format!("{around}{LINK}{around}"))),
    ];
    let names = select(vec![
        "status",
        "data",
        "response",
        "video",
        "url",
        "error",
        "code",
        "message",
        "usage",
        "cost_in_usd_ticks",
        "model",
        "progress",
        "request_id",
        "id",
        "task_id",
        "fail_reason",
        "result_url",
        "respect_moderation",
        "duration",
        "x",
    ]);
    leaf.prop_recursive(depth, 40, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((names.clone(), inner), 0..7)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
                .prop_map(Value::from),
        ]
    })
}

/// Replaces the field or item with number `at` by `value`.
fn mutate(target: &mut Value, at: usize, value: Value) {
    let children: Vec<&mut Value> = match target {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    let count = children.len();
    match children.into_iter().nth(at % count.max(1)) {
        Some(child) if !(at / count).is_multiple_of(3) => mutate(child, at / count / 3, value),
        Some(child) => *child = value,
        None => *target = value,
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    let (retry_after, location) = (Some(Duration::from_secs(1)), Some(LINK.into()));
    Response { status, retry_after, location, body: body.into().into(), ..Response::default() }
}

/// Parses the response in every way and checks the results.
fn check(answer: &Response) {
    let asked = job(ID, answer);
    if let Ok(job) = &asked {
        assert_eq!(job.request_id, ID);
    }
    check_result(answer, asked);
    let made = created(answer);
    if let Ok(job) = &made {
        assert!(check_request_id(&job.request_id).is_ok());
        assert!((200..300).contains(&answer.status));
    }
    check_result(answer, made);
    check_error(&failure(answer));
}

fn check_result(answer: &Response, result: Result<VideoJob>) {
    match result {
        Ok(job) => check_job(answer, job),
        Err(error) => check_error(&error),
    }
}

fn check_job(answer: &Response, job: VideoJob) {
    assert!(job.progress.is_none_or(|percent| percent <= 100));
    assert!(job.status != JobStatus::Done || job.progress == Some(100));
    assert!(job.error.is_none() || job.is_terminal());
    assert!(job.usage.is_none_or(|usage| usage.cost_in_usd_ticks >= 0));
    assert!(job.url() != Some("") && job.model.as_deref() != Some(""));
    match &job.raw {
        Some(raw) => {
            let is_json = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
            assert!(is_json(raw.as_bytes()).is_some(), "{raw}");
            // As received, unless it was not JSON, or JSON in a string.
            let received = is_json(&answer.body).filter(|value| !value.is_string());
            assert!(received.is_none() || raw.as_bytes() == &answer.body[..], "{raw}");
        }
        None => assert!(answer.body.trim_ascii().is_empty()),
    }
    if let Some(error) = &job.error {
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
    if let Err(error) = job.into_result() {
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

fn check_error(error: &Error) {
    assert!(matches!(error, Error::Api(_) | Error::InvalidResponse { .. } | Error::SubmitUnknown { .. }), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(error.to_string().chars().count() <= 1000, "{error}");
}

#[test]
fn every_example_cut_at_every_byte() {
    for example in examples() {
        let body = example.to_string();
        for end in 0..=body.len() {
            for status in [200, 202, 400, 500] {
                check(&answer(status, &body.as_bytes()[..end]));
            }
        }
    }
}

#[test]
fn every_example_with_every_status() {
    for example in examples() {
        for status in STATUSES {
            check(&answer(status, example.to_string()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(status in select(&STATUSES[..]), body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&answer(status, body));
    }

    #[test]
    fn any_text(status in select(&STATUSES[..]), before in ".{0,20}", after in ".{0,20}") {
        check(&answer(status, format!("{before}{LINK}{after}")));
    }

    #[test]
    fn any_json(status in select(&STATUSES[..]), body in leaves(4)) {
        check(&answer(status, body.to_string()));
    }

    #[test]
    fn any_example_changed(
        status in select(&STATUSES[..]),
        mut body in select(examples()),
        changes in prop::collection::vec((any::<u16>(), leaves(2)), 1..4),
    ) {
        for (at, value) in changes {
            mutate(&mut body, usize::from(at), value);
        }
        check(&answer(status, body.to_string()));
    }
}
