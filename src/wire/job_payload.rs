//! Reads a job from a response and its layers: a relay's record around the provider's response.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::error_fields::{ErrorFields, is_success};
use super::links::{self, is_link};
use super::{ids, scalars};
use crate::job::{FileOutput, JobError, JobStatus, Usage, Video};

/// Why a response is rejected.
pub(super) type ParseError = Cow<'static, str>;

pub(super) type ParseResult<T> = std::result::Result<T, ParseError>;

/// The meaning of a response.
pub(super) enum Reading {
    /// The state of a job.
    Job(Box<JobPayload>),
    /// An error.
    Refusal,
}

/// What a response reports about a job.
#[derive(Debug, Default)]
pub(super) struct JobPayload {
    /// The reported status, or what other fields imply; `None` if neither is present.
    pub(super) status: Option<JobStatus>,
    pub(super) progress: Option<u8>,
    pub(super) model: Option<String>,
    pub(super) video: Option<Video>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<JobError>,
    /// Whether the response contains a job ID.
    pub(super) named: bool,
    /// The status is literally "unknown": the inner layer knows more.
    vague: bool,
    /// A field of the wrong type, which matters only if nothing else shows the status.
    flaw: Option<ParseError>,
}

/// Reads the top-level object of a response.
pub(super) fn read(map: &Map<String, Value>) -> ParseResult<Reading> {
    if is_given(map, "status") || is_given(map, "video") {
        return layers(map)?.validated(map);
    }
    if is_refusal(map) {
        return Ok(Reading::Refusal);
    }
    let data = map.get("data").unwrap_or(&Value::Null);
    if is_id(data) {
        return JobPayload { named: true, ..JobPayload::default() }.validated(map);
    }
    layers(record(data).unwrap_or(map))?.validated(map)
}

/// An object, or the only one in a list.
fn record(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Array(items) if items.len() == 1 => items.first()?.as_object(),
        other => other.as_object(),
    }
}

fn is_id(value: &Value) -> bool {
    value.is_number() || scalars::text(Some(value)).is_some()
}

/// Whether an object without status and video reports an error.
pub(super) fn is_refusal(map: &Map<String, Value>) -> bool {
    let is_coded = map.get("code").is_some_and(|code| !is_success(code) && !is_blank_code(code));
    let has_record = map.get("data").and_then(record).is_some_and(|record| is_given(record, "status"));
    let is_denied = ["success", "ok"].into_iter().any(|name| map.get(name) == Some(&Value::Bool(false))) && !has_record;
    let is_detailed = is_given(map, "detail") && !is_named(map);
    is_coded || is_denied || is_detailed || !ErrorFields::of_error(map).is_empty()
}

/// Whether the status reports a failure.
pub(super) fn reports_failure(map: &Map<String, Value>) -> bool {
    status_words(map).any(|word| is_failure(&word))
}

fn status_words(map: &Map<String, Value>) -> impl Iterator<Item = String> {
    ["status", "result"].into_iter().filter_map(|name| map.get(name)?.as_str()).map(scalars::normal)
}

fn is_failure(word: &str) -> bool {
    word == "fail" || scalars::status(word) == JobStatus::Failed
}

/// Whether an object reports success, or nothing else.
pub(super) fn is_acceptance(map: &Map<String, Value>) -> bool {
    const MESSAGE_KEYS: [&str; 2] = ["message", "msg"];
    let is_silent = || {
        let messages = MESSAGE_KEYS.into_iter().filter_map(|name| scalars::text(map.get(name)));
        messages.into_iter().all(|text| is_success(&Value::String(text)))
    };
    !is_refusal(map) && !reports_failure(map) && (reports_success(map) || is_silent())
}

/// Whether an object explicitly reports success.
pub(super) fn reports_success(map: &Map<String, Value>) -> bool {
    let is_true = |name| map.get(name) == Some(&Value::Bool(true));
    let is_good = |word: &String| !is_failure(word) && scalars::status(word) != JobStatus::Unknown;
    let is_coded = ["code", "status", "result"].into_iter().any(|name| map.get(name).is_some_and(is_success));
    is_coded || is_true("success") || is_true("ok") || status_words(map).any(|word| is_good(&word))
}

fn is_named(map: &Map<String, Value>) -> bool {
    ids::FIELDS.into_iter().any(|field| map.get(field).is_some_and(is_id))
}

fn is_blank_code(code: &Value) -> bool {
    code.is_null() || code.as_str().is_some_and(|code| code.trim().is_empty())
}

fn is_given(map: &Map<String, Value>, field: &str) -> bool {
    map.get(field).is_some_and(|value| !value.is_null() && value != "")
}

/// An object and the provider's response inside it, if any. The JSON parser bounds the depth.
fn layers(map: &Map<String, Value>) -> ParseResult<JobPayload> {
    let outer = layer(map);
    match ["response", "data"].into_iter().find_map(|field| record(map.get(field)?)) {
        Some(inner) => merge(outer, layers(inner)?),
        None => Ok(outer),
    }
}

/// A single object.
fn layer(map: &Map<String, Value>) -> JobPayload {
    let (word, odd_status) = match map.get("status") {
        None | Some(Value::Null) => (None, None),
        Some(Value::String(word)) => (Some(scalars::normal(word)).filter(|word| !word.is_empty()), None),
        Some(_) => (None, Some(ParseError::from("its `status` is not a string"))),
    };
    let (video, odd_video) = match video(map) {
        Ok(video) => (video, None),
        Err(flaw) => (None, Some(flaw)),
    };
    let status = word.as_deref().map(scalars::status);
    let error = reason(map, status);
    let mut job_payload = JobPayload {
        status,
        progress: map.get("progress").and_then(scalars::progress),
        model: scalars::text(map.get("model")),
        video,
        usage: usage(map),
        error: match word.as_deref().filter(|word| scalars::is_moderated(word)) {
            Some(word) => Some(moderation_error(word, error)),
            None => error,
        },
        named: is_named(map),
        vague: word.as_deref() == Some("unknown"),
        flaw: odd_status.or(odd_video),
    };
    if status == Some(JobStatus::Done) && job_payload.url().is_none() {
        job_payload.video = with_url(job_payload.video, relay_link(map));
    }
    job_payload
}

/// The error of a job whose status reports moderation.
fn moderation_error(word: &str, error: Option<JobError>) -> JobError {
    match error {
        Some(error) if error.is_moderation() => error,
        Some(error) => JobError { message: format!("{} (content moderation: {word})", error.message), ..error },
        None => JobError { code: Some(word.to_owned()), message: format!("content moderation: {word}") },
    }
}

/// The `usage` of an object, if it contains a cost.
pub(super) fn usage(map: &Map<String, Value>) -> Option<Usage> {
    let cost_in_usd_ticks = scalars::ticks(map.get("usage")?.get("cost_in_usd_ticks")?)?;
    Some(Usage { cost_in_usd_ticks })
}

fn video(map: &Map<String, Value>) -> ParseResult<Option<Video>> {
    map.get("video").map_or(Ok(None), read_video)
}

/// The `video` field: an object; through gateways also a list of objects, or just the link.
fn read_video(value: &Value) -> ParseResult<Option<Video>> {
    let fields = match value {
        Value::Null => return Ok(None),
        Value::Object(fields) => fields,
        Value::Array(videos) => return videos.first().map_or(Ok(None), read_video),
        Value::String(link) if is_link(link.trim()) => return Ok(with_url(None, Some(link.trim().to_owned()))),
        _ => return Err("its `video` is not an object".into()),
    };
    let url = match fields.get("url") {
        None | Some(Value::Null | Value::String(_)) => link(fields.get("url")),
        Some(_) => return Err("its `video.url` is not a string".into()),
    };
    let duration = fields.get("duration").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    let video = Video {
        url,
        duration,
        respect_moderation: fields.get("respect_moderation").and_then(Value::as_bool),
        file_output: fields.get("file_output").and_then(Value::as_object).map(|fields| Box::new(file_output(fields))),
        storage_error: fields.get("storage_error").and_then(storage_error),
    };
    Ok(Some(video).filter(|video| *video != Video::default()))
}

fn file_output(fields: &Map<String, Value>) -> FileOutput {
    let text = |name| scalars::text(fields.get(name));
    let moment = |name| fields.get(name).and_then(Value::as_i64);
    FileOutput {
        file_id: text("file_id"),
        filename: text("filename"),
        expires_at: moment("expires_at"),
        public_url: link(fields.get("public_url")),
        public_url_expires_at: moment("public_url_expires_at"),
        public_url_error: text("public_url_error"),
    }
}

/// Undocumented form: a text is kept, anything else is shown as JSON.
fn storage_error(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(_) => scalars::text(Some(value)),
        other => Some(other.to_string()),
    }
}

/// The link in a relay's record of a finished job: `result_url`, in older builds `fail_reason`.
fn relay_link(map: &Map<String, Value>) -> Option<String> {
    ["result_url", "fail_reason"].into_iter().find_map(|field| link(map.get(field)).filter(|text| is_link(text)))
}

/// A trimmed text.
fn link(value: Option<&Value>) -> Option<String> {
    scalars::text(value).map(|text| text.trim().to_owned())
}

/// The error in an object, if its status allows one.
fn reason(map: &Map<String, Value>, status: Option<JobStatus>) -> Option<JobError> {
    let error = ErrorFields::of_error(map);
    let error = if error.is_empty() { None } else { ErrorFields::of_map(map).reason() };
    let noted = scalars::text(map.get("fail_reason")).and_then(|text| ErrorFields::of_text(&text).reason());
    match status {
        Some(JobStatus::Done) => join(noted.filter(|_| relay_link(map).is_none()), error),
        Some(JobStatus::Failed | JobStatus::Expired) => {
            join(noted, error).or_else(|| ErrorFields::of_own_fields(map).reason())
        }
        Some(_) => error,
        None if is_refusal(map) => join(noted, error).or_else(|| ErrorFields::of_own_fields(map).reason()),
        None => None,
    }
}

/// Both messages, with the code closer to the provider.
fn join(outer: Option<JobError>, inner: Option<JobError>) -> Option<JobError> {
    let (Some(outer), Some(inner)) = (&outer, &inner) else { return inner.or(outer) };
    let message = if inner.message.contains(&outer.message) {
        inner.message.clone()
    } else if outer.message.contains(&inner.message) {
        outer.message.clone()
    } else {
        format!("{}; {}", outer.message, inner.message)
    };
    Some(JobError { code: inner.code.clone().or_else(|| outer.code.clone()), message })
}

fn with_url(video: Option<Video>, url: Option<String>) -> Option<Video> {
    if url.is_none() {
        return video;
    }
    Some(Video { url, ..video.unwrap_or_default() })
}

/// Merges a record and its content. Details come from the inner layer; [`resolve_status`] decides on the status.
fn merge(outer: JobPayload, inner: JobPayload) -> ParseResult<JobPayload> {
    let status = resolve_status(&outer, &inner)?;
    let inner = if is_over(status) || !is_over(inner.implied()) { inner } else { inner.cost_only() };
    Ok(JobPayload {
        status,
        progress: inner.progress.or(outer.progress),
        model: inner.model.or(outer.model),
        video: overlay(outer.video, inner.video),
        usage: inner.usage.or(outer.usage),
        error: join(outer.error, inner.error),
        named: outer.named || inner.named,
        vague: outer.vague && inner.vague,
        flaw: outer.flaw.or(inner.flaw),
    })
}

fn overlay(outer: Option<Video>, inner: Option<Video>) -> Option<Video> {
    let (Some(outer), Some(inner)) = (&outer, &inner) else { return inner.or(outer) };
    Some(Video {
        url: inner.url.clone().or_else(|| outer.url.clone()),
        duration: inner.duration.or(outer.duration),
        respect_moderation: inner.respect_moderation.or(outer.respect_moderation),
        file_output: inner.file_output.clone().or_else(|| outer.file_output.clone()),
        storage_error: inner.storage_error.clone().or_else(|| outer.storage_error.clone()),
    })
}

/// Resolves the status of two layers.
///
/// A terminal outer status stands, unless the inner layer ended differently. A running outer status also stands, with
/// one exception: an inner layer that is done and has a link. The link is proof and expires, so waiting for the record
/// to follow would waste its time. An inner failure proves nothing yet (the relay may retry elsewhere): accepting it
/// wrongly could not be undone, while polling again can.
fn resolve_status(outer: &JobPayload, inner: &JobPayload) -> ParseResult<Option<JobStatus>> {
    let Some(below) = inner.implied() else { return Ok(outer.implied()) };
    let Some(above) = outer.implied().filter(|_| !outer.vague) else { return Ok(Some(below)) };
    let status = match (above, below) {
        (JobStatus::Done | JobStatus::Failed, JobStatus::Expired) => JobStatus::Expired,
        (JobStatus::Done, JobStatus::Failed) => done_over_failure(outer, inner)?,
        (JobStatus::Failed, JobStatus::Done) if inner.url().is_some() && !outer.is_moderated() => {
            return Err("it reports both a failure and a finished video".into());
        }
        (JobStatus::Done | JobStatus::Failed | JobStatus::Expired, _) => above,
        (_, JobStatus::Done) if inner.url().is_some() => below,
        (JobStatus::Unknown, _) if !below.is_terminal() => below,
        _ => above,
    };
    Ok(Some(status))
}

/// A done record around a provider's failure: moderation decides, and a link outweighs a stale error body without a
/// status of its own.
fn done_over_failure(outer: &JobPayload, inner: &JobPayload) -> ParseResult<JobStatus> {
    if inner.is_moderated() && outer.url().is_none() {
        return Ok(JobStatus::Failed);
    }
    if inner.status.is_none() && outer.url().is_some() {
        return Ok(JobStatus::Done);
    }
    Err("it reports both success and a failure".into())
}

fn is_over(status: Option<JobStatus>) -> bool {
    status.is_some_and(JobStatus::is_terminal)
}

impl JobPayload {
    fn url(&self) -> Option<&str> {
        self.video.as_ref()?.url.as_deref()
    }

    fn is_moderated(&self) -> bool {
        self.error.as_ref().is_some_and(JobError::is_moderation)
    }

    /// The status, or what a link or an error implies.
    fn implied(&self) -> Option<JobStatus> {
        let linked = || self.url().map(|_| JobStatus::Done);
        let broken = || self.error.as_ref().map(|_| JobStatus::Failed);
        self.status.or_else(linked).or_else(broken)
    }

    /// What remains of an inner layer that is ignored.
    fn cost_only(self) -> Self {
        Self { model: self.model, usage: self.usage, named: self.named, ..Self::default() }
    }

    fn is_withheld(&self) -> bool {
        self.video.as_ref().is_some_and(|video| video.respect_moderation == Some(false))
    }

    /// Checks the merged response for contradictions.
    fn validated(mut self, response: &Map<String, Value>) -> ParseResult<Reading> {
        let reported_error = self.status;
        self.status = self.implied();
        if self.status == Some(JobStatus::Done) && self.url().is_none() && !self.is_withheld() {
            self.video = with_url(self.video, links::find(response));
        }
        if let Some(flaw) = self.flaw.take()
            && self.url().is_none()
            && reported_error.is_none_or(|status| status == JobStatus::Done)
        {
            return Err(flaw);
        }
        match self.status {
            Some(JobStatus::Done) => self.settle_done()?,
            Some(JobStatus::Unknown) if self.is_moderated() && self.url().is_none() => {
                self.status = Some(JobStatus::Failed);
            }
            Some(status) if status.is_terminal() => {}
            _ => self.error = None,
        }
        Ok(Reading::Job(Box::new(self)))
    }

    /// Done with a link is done, whatever else is reported; done with an error and no link is moderation, or invalid.
    fn settle_done(&mut self) -> ParseResult<()> {
        let moderation_error = self.is_withheld();
        if self.url().is_some() {
            self.error = None;
        } else if self.is_moderated() && !moderation_error {
            self.status = Some(JobStatus::Failed);
            return Ok(());
        } else if self.error.is_some() && !moderation_error {
            return Err("it reports both success and an error".into());
        }
        self.progress = Some(100);
        Ok(())
    }
}
