//! The answers, in each service's own form.

use serde_json::{Value, json};

use super::Shape;
use super::ledger::{Job, Ledger};
use super::life::{End, State};

/// An HTTP status and a JSON body; `None` is an empty one.
pub(super) type Answer = (u16, Option<Value>);

const MODERATED: &str = "Generated video rejected by content moderation.";
const FAILED: &str = "Video generation failed: internal error.";

/// A create was accepted.
pub(super) fn created(request_id: &str) -> Answer {
    (200, Some(json!({ "request_id": request_id })))
}

/// An error, in the words of `shape`.
pub(super) fn error(shape: Shape, status: u16, words: &str) -> Answer {
    let body = match shape {
        Shape::Xai => json!({ "code": code(status), "error": words }),
        Shape::Cometapi | Shape::Envelope => json!({ "error": {
            "message": format!("{words} (request id: 20261123000000000000000simulated)"),
            "type": "comet_api_error", "param": "", "code": if status == 400 { "invalid_request" } else { "" },
        }}),
    };
    (status, Some(body))
}

/// Nobody knows this job.
pub(super) fn unknown_job(shape: Shape) -> Answer {
    match shape {
        Shape::Xai => error(shape, 404, "The requested resource was not found."),
        _ => (404, Some(json!({ "code": "task_not_exist", "message": "task_not_exist", "data": null }))),
    }
}

/// How a job stands.
pub(super) fn status(ledger: &mut Ledger, request_id: &str, state: State) -> Option<Answer> {
    let shape = ledger.options.shape;
    let url = if state == State::Over(End::Done) { ledger.link(request_id) } else { None };
    let job = ledger.job(request_id)?;
    Some(match shape {
        Shape::Cometapi => flat(job, state, url.as_deref()),
        Shape::Xai => xai(job, state, url.as_deref()),
        Shape::Envelope => envelope(job, state, url.as_deref()),
    })
}

fn flat(job: &Job, state: State, url: Option<&str>) -> Answer {
    let body = match state {
        State::Accepted => json!({ "request_id": job.entry.request_id }),
        State::Queued => json!({ "status": "queued", "model": job.purchase.model }),
        State::Processing(progress) => with_progress("processing", job, progress),
        State::Over(end) => return over(job, end, url),
    };
    (200, Some(body))
}

fn xai(job: &Job, state: State, url: Option<&str>) -> Answer {
    match state {
        State::Accepted if job.life.shy => (202, None),
        State::Accepted | State::Queued => (202, Some(json!({ "status": "pending", "progress": 0 }))),
        State::Processing(progress) => (202, Some(with_progress("pending", job, progress))),
        State::Over(end) => over(job, end, url),
    }
}

fn with_progress(word: &str, job: &Job, progress: Option<u8>) -> Value {
    let mut body = json!({ "status": word, "model": job.purchase.model });
    if let Some(percent) = progress {
        body["progress"] = percent.into();
    }
    body
}

fn over(job: &Job, end: End, url: Option<&str>) -> Answer {
    match end {
        End::Done => (200, Some(done(job, url))),
        End::Failed => {
            (200, Some(json!({ "status": "failed", "error": { "code": "internal_error", "message": FAILED } })))
        }
        End::Moderated => (400, Some(moderated(job))),
        End::Expired => (200, Some(json!({ "status": "expired" }))),
    }
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

fn envelope(job: &Job, state: State, url: Option<&str>) -> Answer {
    let (word, progress, reason, inner) = match state {
        State::Accepted => ("SUBMITTED", "10%".to_owned(), "", Value::Null),
        State::Queued => ("QUEUED", "20%".to_owned(), "", Value::Null),
        // The inner answer lags behind the outer word.
        State::Processing(progress) => {
            let percent = progress.map_or_else(|| "30%".to_owned(), |percent| format!("{percent}%"));
            ("IN_PROGRESS", percent, "", json!({ "status": "pending", "progress": 0 }))
        }
        State::Over(End::Done) => ("SUCCESS", "100%".to_owned(), url.unwrap_or_default(), done(job, url)),
        State::Over(End::Failed) => ("FAILURE", "100%".to_owned(), FAILED, Value::Null),
        State::Over(End::Moderated) => ("FAILURE", "100%".to_owned(), MODERATED, moderated(job)),
        State::Over(End::Expired) => ("FAILURE", "100%".to_owned(), "expired", json!({ "status": "expired" })),
    };
    let body = json!({ "code": "success", "message": "", "data": {
        "task_id": job.entry.request_id, "action": "VIDEO_GENERATION", "status": word, "fail_reason": reason,
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
