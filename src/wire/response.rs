//! What the service answers about jobs, read into [`VideoJob`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::excerpt::excerpt;
use super::failure::{Asked, explained, is_page, unreadable};
use super::problem::Problem;
use super::told::{self, Believed, Flaw, ID_FIELDS, Reading, Told};
use super::{Answer, MAX_BODY, words};
use crate::error::{ApiErrorKind, Error, Result};
use crate::job::{JobError, JobStatus, VideoJob, check_request_id};
use crate::secrets::MARK;

const ACCEPTED: u16 = 202;
const REQUEST_TIMEOUT: u16 = 408;

/// The job that an answer to `GET /videos/{request_id}` tells of, whatever the HTTP status.
///
/// Moderation is a state of the job, also where the service reports it as an HTTP error.
pub fn job(request_id: &str, answer: &Answer) -> Result<VideoJob> {
    decoded(request_id, answer).map_err(|error| error.concerning(request_id))
}

/// The job that an answer to a create accepted, whatever the HTTP status.
///
/// Where the answer does not say whether a job was started, the error is [`Error::SubmitUnknown`].
pub fn created(answer: &Answer) -> Result<VideoJob> {
    match answer.status {
        200..=299 => accepted(answer),
        REQUEST_TIMEOUT => Err(lost(answer, &explained(answer, Asked::ToCreate).to_string())),
        300..=499 => Err(explained(answer, Asked::ToCreate)),
        _ => Err(refused_or_lost(answer)),
    }
}

fn decoded(request_id: &str, answer: &Answer) -> Result<VideoJob> {
    if !(200..300).contains(&answer.status) {
        return moderated(request_id, answer).ok_or_else(|| explained(answer, Asked::AfterJob));
    }
    let text = text(answer).map_err(|flaw| unreadable(answer, &flaw))?;
    if text.trim().is_empty() {
        let empty = || unreadable(answer, "it is empty");
        return if answer.status == ACCEPTED { Ok(VideoJob::pending(request_id)) } else { Err(empty()) };
    }
    if is_page(&answer.body) {
        return Err(explained(answer, Asked::AfterJob));
    }
    let map = object(text).map_err(|flaw| unreadable(answer, &flaw))?;
    match told::read(&map).map_err(|flaw| unreadable(answer, &flaw))? {
        Reading::Refusal => moderated(request_id, answer).ok_or_else(|| explained(answer, Asked::AfterJob)),
        Reading::Job(told) if told.says_nothing() && answer.status != ACCEPTED => {
            Err(unreadable(answer, "it says nothing of a job"))
        }
        Reading::Job(told) => Ok(told.into_job(request_id, text)),
    }
}

/// The body as text, when it is one and not too long.
fn text(answer: &Answer) -> Believed<&str> {
    if answer.body.len() > MAX_BODY {
        return Err(format!("it is longer than {MAX_BODY} bytes").into());
    }
    std::str::from_utf8(&answer.body)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.valid_up_to()).into())
}

fn object(text: &str) -> Believed<Map<String, Value>> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Flaw::from(format!("it is not readable JSON (line {}, column {})", error.line(), error.column()))
    })?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("it is JSON, but not an object".into()),
    }
}

/// The failed job that an error body stands for, if it names moderation.
fn moderated(request_id: &str, answer: &Answer) -> Option<VideoJob> {
    if (300..400).contains(&answer.status) {
        return None;
    }
    let text = text(answer).ok()?;
    let map = object(text).ok()?;
    let error = Problem::of_map(&map).reason().filter(JobError::is_moderation)?;
    Some(VideoJob {
        status: JobStatus::Failed,
        model: words::text(map.get("model")),
        usage: told::usage(&map),
        error: Some(error),
        raw: Some(Arc::from(text)),
        ..VideoJob::pending(request_id)
    })
}

/// A create's answer with a status of success: a job, if it can be named.
fn accepted(answer: &Answer) -> Result<VideoJob> {
    let unusable = |flaw: &str| lost(answer, &format!("the answer (HTTP {}) cannot be used: {flaw}", answer.status));
    if is_page(&answer.body) {
        return Err(unusable("it is an HTML page, so base_url or the path looks wrong"));
    }
    let text = text(answer).map_err(|flaw| unusable(&flaw))?;
    let map = object(text).map_err(|flaw| unusable(&flaw))?;
    let id = named(&map).ok_or_else(|| unusable("it names no usable job id"))?;
    Ok(started(id, answer, &map, text))
}

/// The id by which a create's answer names its job.
fn named(map: &Map<String, Value>) -> Option<&str> {
    let of = |map: &'_ Map<String, Value>| ID_FIELDS.into_iter().find(|field| usable(map.get(*field)).is_some());
    if let Some(field) = of(map) {
        return usable(map.get(field));
    }
    match map.get("data")? {
        Value::Object(record) => usable(record.get(of(record)?)),
        data => usable(Some(data)),
    }
}

fn usable(value: Option<&Value>) -> Option<&str> {
    // What holds a secret cannot be shown, and is no id that a service would give.
    value?.as_str().filter(|id| check_request_id(id).is_ok() && !id.contains(MARK))
}

/// The job just named, with whatever else is told of it. Once there is an id, nothing else in the answer may lose it.
fn started(id: &str, answer: &Answer, map: &Map<String, Value>, text: &str) -> VideoJob {
    let bare =
        || VideoJob { model: words::text(map.get("model")), raw: Some(Arc::from(text)), ..VideoJob::pending(id) };
    match told::read(map) {
        Ok(Reading::Job(told)) if !told.speaks_of_the_create() => told.into_job(id, text),
        Ok(Reading::Refusal) => moderated(id, answer).unwrap_or_else(bare),
        _ => bare(),
    }
}

/// A create's answer with any other status: refused where it says so, else its outcome is unknown.
fn refused_or_lost(answer: &Answer) -> Error {
    let error = explained(answer, Asked::ToCreate);
    match &error {
        Error::Api(api) if api.not_started || api.kind == ApiErrorKind::BadRequest => error,
        _ => lost(answer, &error.to_string()),
    }
}

fn lost(answer: &Answer, what: &str) -> Error {
    let body = excerpt(&answer.body);
    let body = if body.is_empty() { "The answer was empty.".into() } else { format!("The answer: {body}") };
    Error::SubmitUnknown {
        message: format!(
            "{what}. A job may exist and be billed: look for it in the provider's console before creating it again. {body}"
        ),
        status_code: Some(answer.status),
    }
}

impl Told {
    /// Whether neither a status nor an id nor a progress is given.
    fn says_nothing(&self) -> bool {
        self.status.is_none() && !self.named && self.progress.is_none()
    }

    /// Whether "success" in the answer to a create is the create's and not the job's: no video can be there yet.
    fn speaks_of_the_create(&self) -> bool {
        self.status == Some(JobStatus::Done) && self.video.is_none()
    }

    fn into_job(self, request_id: &str, text: &str) -> VideoJob {
        VideoJob {
            request_id: request_id.to_owned(),
            status: self.status.unwrap_or(JobStatus::Pending),
            progress: self.progress,
            model: self.model,
            video: self.video,
            usage: self.usage,
            error: self.error,
            raw: Some(Arc::from(text)),
        }
    }
}
