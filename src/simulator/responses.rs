//! Response bodies in each service's format.

use serde_json::{Value, json};

use super::fault::OddAnswer;
use super::ledger::{Job, Ledger};
use super::malformed::nested;
use super::options::Shape;
use super::timeline::{JobEnd, JobState};

/// The HTTP status and a JSON body; `None` is an empty body.
pub(super) type JsonResponse = (u16, Option<Value>);

const MODERATED: &str = "Generated video rejected by content moderation.";
const FAILED: &str = "Video generation failed: internal error.";

pub(super) fn created(request_id: &str) -> JsonResponse {
    (200, Some(json!({ "request_id": request_id })))
}

pub(super) fn error(shape: Shape, status: u16, message: &str) -> JsonResponse {
    let body = match shape {
        Shape::Xai => json!({ "code": code(status), "error": message }),
        Shape::Cometapi | Shape::Envelope => json!({ "error": {
            "message": format!("{message} (request id: 20261123000000000000000simulated)"),
            "type": "comet_api_error", "param": "", "code": if status == 400 { "invalid_request" } else { "" },
        }}),
    };
    (status, Some(body))
}

pub(super) fn unknown_job(shape: Shape) -> JsonResponse {
    match shape {
        Shape::Xai => error(shape, 404, "The requested resource was not found."),
        _ => (404, Some(json!({ "code": "task_not_exist", "message": "task_not_exist", "data": null }))),
    }
}

/// Messages as observed with each status.
pub(super) fn no_money(status: u16) -> JsonResponse {
    let body = match status {
        200 => json!({ "code": "insufficient_user_quota", "message": "balance is not enough", "data": null }),
        402 => json!({
            "code": "personal-team-blocked:spending-limit",
            "error": "You have run out of credits. Purchase credits to continue.",
        }),
        403 => json!({ "error": {
            "message": "user quota is not enough (request id: 20261126000000000000000simulated)",
            "type": "comet_api_error", "param": "", "code": "insufficient_user_quota",
        }}),
        _ => json!({
            "code": status,
            "error": "You ran out of credits. [WKE=personal-team-blocked:spending-limit]",
        }),
    };
    (status, Some(body))
}

/// Status, content type and body.
pub(super) fn odd_answer(form: OddAnswer) -> (u16, &'static str, &'static str) {
    match form {
        OddAnswer::Empty => (200, "", ""),
        OddAnswer::Html => (200, "text/html; charset=utf-8", "<!DOCTYPE html><title>We will be back soon</title>"),
        OddAnswer::Cut => (200, "application/json", "{\"status\": \"proc"),
        OddAnswer::Text => (200, "text/plain", "upstream connect error or disconnect/reset before headers"),
        OddAnswer::Object => (200, "application/json", "{}"),
        OddAnswer::Busy => (200, "application/json", "{\"code\": 500, \"message\": \"system busy\"}"),
        OddAnswer::Forbidden => (403, "text/html; charset=utf-8", "<!DOCTYPE html><title>Just a moment...</title>"),
        OddAnswer::NotFound => (404, "application/json", "{\"error\": \"not found\"}"),
    }
}

/// The response to a query. `link_field` is the field of the link, if it is not the usual one.
pub(super) fn status(
    ledger: &mut Ledger,
    request_id: &str,
    state: JobState,
    link_field: Option<&'static str>,
) -> Option<JsonResponse> {
    let shape = ledger.options.shape;
    let url = if state == JobState::Over(JobEnd::Done) { ledger.link(request_id) } else { None };
    let job = ledger.job(request_id)?;
    if let (JobState::Over(JobEnd::Done), Some(link_field), Some(url)) = (state, link_field.or(job.link_field), &url) {
        return Some((200, Some(done_at(job, link_field, url))));
    }
    Some(match shape {
        Shape::Cometapi => flat(job, state, url.as_deref()),
        Shape::Xai => xai(job, state, url.as_deref()),
        Shape::Envelope => envelope(job, state, url.as_deref()),
    })
}

fn flat(job: &Job, state: JobState, url: Option<&str>) -> JsonResponse {
    let body = match state {
        JobState::Accepted => json!({ "request_id": job.entry.request_id }),
        JobState::Queued => json!({ "status": "queued", "model": job.purchase.model }),
        JobState::Processing(progress) => with_progress("processing", job, progress),
        JobState::Over(end) => return over(job, end, url),
    };
    (200, Some(body))
}

fn xai(job: &Job, state: JobState, url: Option<&str>) -> JsonResponse {
    match state {
        JobState::Accepted if job.timeline.empty_first_responses => (202, None),
        JobState::Accepted | JobState::Queued => (202, Some(json!({ "status": "pending", "progress": 0 }))),
        JobState::Processing(progress) => (202, Some(with_progress("pending", job, progress))),
        JobState::Over(end) => over(job, end, url),
    }
}

fn with_progress(status: &str, job: &Job, progress: Option<u8>) -> Value {
    let mut body = json!({ "status": status, "model": job.purchase.model });
    if let Some(percent) = progress {
        body["progress"] = percent.into();
    }
    body
}

fn over(job: &Job, end: JobEnd, url: Option<&str>) -> JsonResponse {
    match end {
        JobEnd::Done => (200, Some(done(job, url))),
        JobEnd::Failed => {
            (200, Some(json!({ "status": "failed", "error": { "code": "internal_error", "message": FAILED } })))
        }
        JobEnd::Moderated => (400, Some(moderated(job))),
        JobEnd::Expired => (200, Some(json!({ "status": "expired" }))),
        JobEnd::Other(status) => (200, Some(json!({ "id": job.entry.request_id, "status": status }))),
    }
}

/// A done job in the format of other gateways.
fn done_at(job: &Job, link_field: &str, url: &str) -> Value {
    let mut body = nested(link_field, url.into());
    body["id"] = job.entry.request_id.clone().into();
    body["status"] = "completed".into();
    body["progress"] = 100.into();
    body["usage"] = json!({ "cost_in_usd_ticks": job.purchase.ticks });
    body
}

fn done(job: &Job, url: Option<&str>) -> Value {
    let mut video = json!({ "duration": job.purchase.seconds, "respect_moderation": true });
    if let Some(url) = url {
        video["url"] = url.into();
    }
    if let Some(stored) = &job.stored {
        video["file_output"] = stored.output.clone();
    }
    json!({
        "status": "done",
        "video": video,
        "model": job.purchase.model,
        "usage": { "cost_in_usd_ticks": job.purchase.ticks },
        "progress": 100,
    })
}

fn moderated(job: &Job) -> Value {
    json!({
        "code": "Client specified an invalid argument",
        "error": MODERATED,
        "usage": { "cost_in_usd_ticks": job.purchase.ticks },
    })
}

fn envelope(job: &Job, state: JobState, url: Option<&str>) -> JsonResponse {
    let (status, progress, reason, inner) = match state {
        JobState::Accepted => ("SUBMITTED", "10%".to_owned(), "", Value::Null),
        JobState::Queued => ("QUEUED", "20%".to_owned(), "", Value::Null),
        // The inner status lags behind the outer one.
        JobState::Processing(progress) => {
            let percent = progress.map_or_else(|| "30%".to_owned(), |percent| format!("{percent}%"));
            ("IN_PROGRESS", percent, "", json!({ "status": "pending", "progress": 0 }))
        }
        JobState::Over(JobEnd::Done) => ("SUCCESS", "100%".to_owned(), url.unwrap_or_default(), done(job, url)),
        JobState::Over(JobEnd::Failed) => ("FAILURE", "100%".to_owned(), FAILED, Value::Null),
        JobState::Over(JobEnd::Moderated) => ("FAILURE", "100%".to_owned(), MODERATED, moderated(job)),
        JobState::Over(JobEnd::Expired) => ("FAILURE", "100%".to_owned(), "expired", json!({ "status": "expired" })),
        JobState::Over(JobEnd::Other(status)) => (status, "100%".to_owned(), "", Value::Null),
    };
    let status = status.to_uppercase();
    let body = json!({ "code": "success", "message": "", "data": {
        "task_id": job.entry.request_id, "action": "VIDEO_GENERATION", "status": status, "fail_reason": reason,
        "submit_time": 1_773_297_002, "start_time": 0, "finish_time": 0, "progress": progress, "data": inner,
    }});
    (200, Some(body))
}

fn code(status: u16) -> &'static str {
    match status {
        401 => "unauthenticated:bad-credentials",
        403 => "permission-denied",
        404 => "not-found",
        429 => "resource-exhausted",
        500.. => "internal",
        _ => "invalid-argument",
    }
}
