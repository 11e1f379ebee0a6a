//! Reads responses about jobs into [`VideoJob`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::error_body::{RequestKind, conclusive_error, error_with_advice, is_page, refusal, unreadable};
use super::error_fields::ErrorFields;
use super::ids::Ids;
use super::job_payload::{self, JobPayload, ParseError, ParseResult, Reading};
use super::{ids, scalars};
use crate::error::{ApiErrorKind, Error, Result};
use crate::job::{JobError, JobStatus, VideoJob};
use crate::lenient_json::{self, Ending, Json};
use crate::redact::shorten;
use crate::redact::{excerpt, redact, sanitize};
use crate::response::Response;

const ACCEPTED: u16 = 202;
const REQUEST_TIMEOUT: u16 = 408;
/// Characters of an unusable ID that are kept, and that a message repeats.
const ID_LIMITS: (usize, usize) = (4096, 200);
/// Field names that a message lists, and characters of each.
const FIELDS_LIMITS: (usize, usize) = (16, 40);

/// A response that is an object.
struct Document {
    map: Map<String, Value>,
    /// Valid JSON: as received, or repaired.
    text: Arc<str>,
}

/// The job in a response to `GET /videos/{request_id}`, of any HTTP status.
///
/// Moderation is a state of the job, even when the service reports it as an HTTP error.
pub fn job(request_id: &str, response: &Response) -> Result<VideoJob> {
    decoded(request_id, response).map_err(|error| error.with_request_id(request_id))
}

/// The job accepted by a response to a create, of any HTTP status.
///
/// If the response does not show whether a job was started, the error is [`Error::SubmitUnknown`].
pub fn created(response: &Response) -> Result<VideoJob> {
    match response.status {
        200..=299 => accepted(response),
        REQUEST_TIMEOUT => {
            Err(unknown_outcome(response, &error_with_advice(response, RequestKind::Create).to_string()))
        }
        300..=499 => Err(error_with_advice(response, RequestKind::Create)),
        _ => Err(refused_or_unknown(response)),
    }
}

/// The further IDs by which the response to a create names its job, the most reliable first.
#[must_use]
pub fn other_ids(job: &VideoJob) -> Vec<String> {
    let mut ids = job.raw.as_deref().map(named_in).unwrap_or_default().usable;
    ids.retain(|id| *id != job.request_id);
    ids
}

/// The IDs in a text of valid JSON.
fn named_in(text: &str) -> Ids {
    let takes_bare = serde_json::from_str(text).is_ok_and(|value: Value| match &value {
        Value::Object(map) => job_payload::is_acceptance(map),
        _ => false,
    });
    ids::read(text, takes_bare)
}

/// The names of the fields of a job, for messages.
#[must_use]
pub fn field_names(raw: &str) -> String {
    let mut names = Vec::new();
    if let Ok(Value::Object(map)) = serde_json::from_str(raw) {
        list_fields("", &map, &mut names);
    }
    let shown: Vec<String> = names.iter().take(FIELDS_LIMITS.0).map(|name| sanitize(name, FIELDS_LIMITS.1)).collect();
    let rest = if shown.len() < names.len() { ", …" } else { "" };
    format!("{}{rest}", shown.join(", "))
}

/// The JSON parser bounds the depth.
fn list_fields(prefix: &str, map: &Map<String, Value>, names: &mut Vec<String>) {
    for (name, value) in map {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(inner) if !inner.is_empty() => list_fields(&format!("{name}."), inner, names),
            _ => names.push(name),
        }
    }
}

fn decoded(request_id: &str, response: &Response) -> Result<VideoJob> {
    if !(200..300).contains(&response.status) {
        return moderated(request_id, response).ok_or_else(|| error_with_advice(response, RequestKind::GetJob));
    }
    if response.body.trim_ascii().is_empty() {
        let empty = || unreadable(response, "it is empty");
        return if response.status == ACCEPTED { Ok(VideoJob::pending(request_id)) } else { Err(empty()) };
    }
    if is_page(&response.body) {
        return Err(error_with_advice(response, RequestKind::GetJob));
    }
    let unusable = |flaw: ParseError| conclusive_error(response).unwrap_or_else(|| unreadable(response, &flaw));
    let document = document(response).map_err(unusable)?;
    match job_payload::read(&document.map).map_err(|flaw| unreadable(response, &flaw))? {
        Reading::Refusal => {
            moderated(request_id, response).ok_or_else(|| error_with_advice(response, RequestKind::GetJob))
        }
        Reading::Job(job_payload) if job_payload.is_empty() && response.status != ACCEPTED => {
            Err(unreadable(response, "it does not describe a job"))
        }
        Reading::Job(job_payload) => Ok(job_payload.into_job(request_id, document.text)),
    }
}

fn document(response: &Response) -> ParseResult<Document> {
    let unreadable = |error: serde_json::Error| {
        ParseError::from(format!("it is not valid JSON (line {}, column {})", error.line(), error.column()))
    };
    only_object(response.json().map_err(unreadable)?, ids::ENCODINGS)
}

fn only_object(json: Json<'_>, encodings: usize) -> ParseResult<Document> {
    match json.value {
        Value::Object(map) => Ok(Document { map, text: json.text.into() }),
        Value::Array(mut items) if items.len() == 1 => match items.pop() {
            Some(Value::Object(map)) => Ok(Document { map, text: json.text.into() }),
            _ => Err(NO_OBJECT.into()),
        },
        // Some gateways encode a response twice, and gateways behind gateways once more.
        Value::String(inner) if encodings > 0 => match lenient_json::parse(inner.as_bytes(), Ending::Whole) {
            Ok(json) => only_object(json, encodings - 1),
            Err(_) => Err(NO_OBJECT.into()),
        },
        _ => Err(NO_OBJECT.into()),
    }
}

const NO_OBJECT: &str = "it is JSON, but not an object";

/// The failed job that an error body means, if it names moderation.
fn moderated(request_id: &str, response: &Response) -> Option<VideoJob> {
    if (300..400).contains(&response.status) {
        return None;
    }
    let Document { map, text } = document(response).ok()?;
    let error = ErrorFields::of_map(&map).reason().filter(JobError::is_moderation)?;
    Some(VideoJob {
        status: JobStatus::Failed,
        model: scalars::text(map.get("model")),
        usage: job_payload::usage(&map),
        error: Some(error),
        raw: Some(text),
        ..VideoJob::pending(request_id)
    })
}

/// A create with a status of success: a job, if its ID can be found.
fn accepted(response: &Response) -> Result<VideoJob> {
    let unusable = |flaw: &str| format!("the response (HTTP {}) is invalid: {flaw}", response.status);
    if is_page(&response.body) {
        let problem = unusable("it is an HTML page, so check base_url");
        return Err(unknown_outcome_naming(response, id_after_page(response), &problem));
    }
    let refused = || refusal(response).map(|refusal| Error::Api(Box::new(refusal)));
    let document = match document(response) {
        Ok(document) => document,
        Err(flaw) => {
            return Err(
                refused().unwrap_or_else(|| unknown_outcome_naming(response, begun_id(response), &unusable(&flaw)))
            );
        }
    };
    let ids = ids::read(&document.text, job_payload::is_acceptance(&document.map));
    if let Some(id) = ids.usable.first() {
        return Ok(new_job(id, response, document));
    }
    if let Some(id) = ids.refused {
        return Err(unknown_outcome_naming(response, Some(id), &unusable("its job ID cannot be part of a URL")));
    }
    if let Some(refusal) = refused() {
        return Err(refusal);
    }
    match ids.vague {
        Some(id) if !job_payload::is_refusal(&document.map) => Ok(new_job(&id, response, document)),
        id => Err(unknown_outcome_naming(response, id.or(ids.doubtful), &unusable("it contains no usable job ID"))),
    }
}

/// The ID in a damaged or truncated response.
pub(crate) fn begun_id(response: &Response) -> Option<String> {
    let read = |json: Json<'_>| {
        let Ids { usable, vague, .. } = named_in(&json.text);
        usable.into_iter().next().or(vague)
    };
    let begun = lenient_json::parse(&response.body, Ending::Cut).ok().and_then(read);
    begun.or_else(|| ids::salvaged(&lenient_json::decode(&response.body)).filter(|_| !is_page(&response.body)))
}

/// The ID in an object at the end of an HTML page: some servers print warnings before the response.
fn id_after_page(response: &Response) -> Option<String> {
    let json = lenient_json::object_after_page(&response.body)?;
    named_in(&json).usable.into_iter().next()
}

/// The new job. Once there is an ID, nothing else in the response may lose it.
fn new_job(id: &str, response: &Response, document: Document) -> VideoJob {
    let Document { map, text } = document;
    let bare = |text| VideoJob { model: scalars::text(map.get("model")), raw: Some(text), ..VideoJob::pending(id) };
    match job_payload::read(&map) {
        Ok(Reading::Job(job_payload)) if !job_payload.describes_the_create() => job_payload.into_job(id, text),
        Ok(Reading::Refusal) => moderated(id, response).unwrap_or_else(|| bare(text)),
        _ => bare(text),
    }
}

/// A create with any other status: refused if the response says so, otherwise its outcome is unknown.
fn refused_or_unknown(response: &Response) -> Error {
    let error = error_with_advice(response, RequestKind::Create);
    match &error {
        Error::Api(api) if api.not_started || api.kind == ApiErrorKind::BadRequest => error,
        _ => unknown_outcome(response, &error.to_string()),
    }
}

/// The outcome is unknown, although the response may name a job that cannot be polled under that ID.
fn unknown_outcome_naming(response: &Response, id: Option<String>, problem: &str) -> Error {
    let Some(id) = id.map(|id| shorten(&redact(&id), ID_LIMITS.0)) else { return unknown_outcome(response, problem) };
    let problem = format!("{problem}; it names the job {:?}", shorten(&id, ID_LIMITS.1));
    Error::SubmitUnknown {
        message: unknown_outcome_message(response, &problem),
        status_code: Some(response.status),
        request_id: Some(id),
    }
}

fn unknown_outcome(response: &Response, problem: &str) -> Error {
    Error::SubmitUnknown {
        message: unknown_outcome_message(response, problem),
        status_code: Some(response.status),
        request_id: None,
    }
}

fn unknown_outcome_message(response: &Response, problem: &str) -> String {
    let body = excerpt(&response.body);
    let body = if body.is_empty() { "the response was empty".into() } else { format!("response: {body}") };
    format!(
        "{problem}; a job may exist and be billed. Look for it in the provider's console before submitting it again ({body})"
    )
}

impl JobPayload {
    /// Without status, ID and progress.
    fn is_empty(&self) -> bool {
        self.status.is_none() && !self.named && self.progress.is_none()
    }

    /// Whether "success" describes the create and not the job: no video can exist yet.
    fn describes_the_create(&self) -> bool {
        self.status == Some(JobStatus::Done) && self.video.is_none()
    }

    fn into_job(self, request_id: &str, text: Arc<str>) -> VideoJob {
        VideoJob {
            request_id: request_id.to_owned(),
            status: self.status.unwrap_or(JobStatus::Pending),
            progress: self.progress,
            model: self.model,
            video: self.video,
            usage: self.usage,
            error: self.error,
            raw: Some(text),
        }
    }
}
