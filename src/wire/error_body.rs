//! Reads error responses into [`Error`].

use std::time::Duration;

use serde_json::Value;

use super::error_fields::ErrorFields;
use super::job_payload;
use super::scalars::resets_in;
use crate::error::{ApiError, ApiErrorKind, Error};
use crate::job::names_moderation;
use crate::redact::url_for_message;
use crate::redact::{excerpt, sanitize};
use crate::response::Response;

/// Characters of the service's message that are repeated; advice follows it.
const MESSAGE_LIMIT: usize = 300;
/// Characters of a URL that are repeated.
const URL_LIMIT: usize = 150;

/// What was requested, which determines what a refusal can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// The state of a job.
    GetJob,
    /// A new job.
    Create,
    /// Anything else.
    Other,
}

/// The error of a response with a status of 300 and above, or with an error body despite a status of success.
#[must_use]
pub fn failure(response: &Response) -> Error {
    error_with_advice(response, RequestKind::Other)
}

/// As [`failure`], with advice for the kind of request.
pub(super) fn error_with_advice(response: &Response, request: RequestKind) -> Error {
    let page = is_page(&response.body);
    match response.status {
        300..=399 => return misdirected(response),
        200..=299 if page => return misdirected(response),
        _ => {}
    }
    let problem = if page { ErrorFields::default() } else { problem(response) };
    error_from_fields(response, request, &problem)
}

fn error_from_fields(response: &Response, request: RequestKind, problem: &ErrorFields) -> Error {
    let page = is_page(&response.body);
    if (200..300).contains(&response.status) && problem.is_empty() {
        return unreadable(response, "it is neither a job nor an error");
    }
    let kind = kind(response.status, problem);
    Error::Api(Box::new(ApiError {
        kind,
        status_code: response.status,
        code: problem.code(),
        message: message(response, problem, advice(kind, request)),
        request_id: None,
        retry_after: response.retry_after.or_else(|| reset_after(kind, problem)),
        body: excerpt(&response.body),
        not_started: response.status == 503 && is_not_started(problem),
        is_page: page,
    }))
}

/// The refusal of a create with a status of success, if its message leaves no doubt that nothing was started. The
/// caller has already looked for a job ID.
pub(super) fn refusal(response: &Response) -> Option<ApiError> {
    // The missing rest may contain an ID.
    if response.is_cut || is_page(&response.body) {
        return None;
    }
    let problem = reported_error(response)?;
    let Error::Api(error) = error_from_fields(response, RequestKind::Create, &problem) else { return None };
    let is_certain = match error.kind {
        ApiErrorKind::Server | ApiErrorKind::Other => false,
        // What was not found may be the new job itself.
        ApiErrorKind::NotFound => problem.searchable_text().contains("model"),
        _ => true,
    };
    is_certain.then_some(*error)
}

/// The error that a body reports, as opposed to mentions.
fn reported_error(response: &Response) -> Option<ErrorFields> {
    let map = match response.json().map(|json| json.value) {
        Ok(Value::Object(map)) => map,
        Ok(value) => return (value.is_string() || value.is_array()).then(|| problem(response)),
        Err(_) => return (!is_json_like(&response.body)).then(|| problem(response)),
    };
    let problem = ErrorFields::of_map(&map).or_in_result(&map);
    let is_stated = job_payload::is_refusal(&map) || job_payload::reports_failure(&map);
    // These messages are conclusive, unless the response also reports success.
    let is_clear = || !job_payload::reports_success(&map) && kind_by_message(&problem.searchable_text()).is_some();
    (is_stated || is_clear()).then_some(problem)
}

/// The error that a response with a status of success reports, if its message is conclusive.
pub(super) fn conclusive_error(response: &Response) -> Option<Error> {
    let error = error_with_advice(response, RequestKind::GetJob);
    matches!(&error, Error::Api(error) if error.kind != ApiErrorKind::Other).then_some(error)
}

/// A response that violates the contract.
pub(super) fn unreadable(response: &Response, flaw: &str) -> Error {
    Error::InvalidResponse {
        message: format!("the response (HTTP {}) is invalid: {flaw}", response.status),
        body: excerpt(&response.body),
        request_id: None,
        status_code: response.status,
    }
}

/// Whether a body is an HTML page.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"<")
}

/// A response from something other than the API.
fn misdirected(response: &Response) -> Error {
    let what = match &response.location {
        Some(to) if (300..400).contains(&response.status) => format!("a redirect to {}", url_for_display(to)),
        _ if (300..400).contains(&response.status) => "a redirect".into(),
        _ => "an HTML page".into(),
    };
    Error::InvalidResponse {
        message: format!("the server returned {what} instead of JSON (HTTP {}); check base_url", response.status),
        body: excerpt(&response.body),
        request_id: None,
        status_code: response.status,
    }
}

fn url_for_display(address: &str) -> String {
    const DATA: &str = "data:";
    if address.get(..DATA.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(DATA)) {
        return "data:…".into();
    }
    sanitize(&url_for_message(address), URL_LIMIT)
}

/// The error in a body: JSON of any known form, or plain text.
fn problem(response: &Response) -> ErrorFields {
    match response.json() {
        Ok(json) => ErrorFields::of_body(&json.value),
        Err(_) if is_json_like(&response.body) => ErrorFields::default(),
        Err(_) => {
            let problem = ErrorFields::of_text(&excerpt(&response.body));
            let is_inconclusive =
                (200..300).contains(&response.status) && kind(response.status, &problem) == ApiErrorKind::Other;
            if is_inconclusive { ErrorFields::default() } else { problem }
        }
    }
}

/// Broken JSON does not make a readable message.
fn is_json_like(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
}

/// Status, code and message decide together, since each of them alone misleads somewhere.
fn kind(status: u16, problem: &ErrorFields) -> ApiErrorKind {
    let text = problem.searchable_text();
    match status {
        401 => ApiErrorKind::Authentication,
        402 => ApiErrorKind::InsufficientBalance,
        403 if is_insufficient_balance(&text) || text.contains("credits") => ApiErrorKind::InsufficientBalance,
        403 if is_bad_key(&text) => ApiErrorKind::Authentication,
        403 => ApiErrorKind::PermissionDenied,
        404 => ApiErrorKind::NotFound,
        429 if is_insufficient_balance(&text) => ApiErrorKind::InsufficientBalance,
        429 if is_team_blocked(&text) => ApiErrorKind::PermissionDenied,
        429 => ApiErrorKind::RateLimited,
        400 | 405 | 413 | 415 | 422 => kind_by_message(&text).unwrap_or(ApiErrorKind::BadRequest),
        500 if problem.code().as_deref() == Some("invalid_request") => ApiErrorKind::BadRequest,
        500..=599 => ApiErrorKind::Server,
        200..=299 => {
            kind_by_message(&text).or_else(|| kind_by_code(problem)).unwrap_or_else(|| kind_by_message_alone(&text))
        }
        _ => ApiErrorKind::Other,
    }
}

/// The kind by a code that repeats another HTTP status.
fn kind_by_code(problem: &ErrorFields) -> Option<ApiErrorKind> {
    let status = problem.status().filter(|status| (400..600).contains(status))?;
    Some(kind(status, problem)).filter(|kind| *kind != ApiErrorKind::Other)
}

/// The kind by the message, for an ambiguous status.
fn kind_by_message(text: &str) -> Option<ApiErrorKind> {
    if text.contains("task_not_exist") {
        Some(ApiErrorKind::NotFound)
    } else if is_bad_key(text) {
        Some(ApiErrorKind::Authentication)
    } else if is_insufficient_balance(text) {
        Some(ApiErrorKind::InsufficientBalance)
    } else if is_team_blocked(text) {
        Some(ApiErrorKind::PermissionDenied)
    } else {
        None
    }
}

/// The kind by the message, for a meaningless status.
fn kind_by_message_alone(text: &str) -> ApiErrorKind {
    const NOT_FOUND: [&str; 4] = ["not-found", "not_found", "not found", "no available channel"];
    const LIMITED: [&str; 6] =
        ["resource-exhausted", "resource_exhausted", "rate limit", "rate_limit", "rate-limit", "too many requests"];
    const DENIED: [&str; 3] = ["permission-denied", "permission_denied", "permission denied"];
    const INVALID: [&str; 8] = [
        "invalid-argument",
        "invalid_argument",
        "invalid argument",
        "invalid_request",
        "invalid request",
        "invalid_parameter",
        "invalid parameter",
        "too-large",
    ];
    if contains_any(text, &NOT_FOUND) {
        ApiErrorKind::NotFound
    } else if contains_any(text, &LIMITED) {
        ApiErrorKind::RateLimited
    } else if text.contains("unauthorized") {
        ApiErrorKind::Authentication
    } else if contains_any(text, &DENIED) {
        ApiErrorKind::PermissionDenied
    } else if contains_any(text, &INVALID) || names_moderation(text) {
        ApiErrorKind::BadRequest
    } else {
        ApiErrorKind::Other
    }
}

fn contains_any(text: &str, signs: &[&str]) -> bool {
    signs.iter().any(|sign| text.contains(sign))
}

fn is_bad_key(text: &str) -> bool {
    const SIGNS: [&str; 10] = [
        "incorrect api key",
        "invalid api key",
        "invalid_api_key",
        "no api key",
        "missing api key",
        "unauthenticated",
        "not authenticated",
        "bad-credentials",
        "bad_credentials",
        "bad credentials",
    ];
    contains_any(text, &SIGNS)
}

fn is_insufficient_balance(text: &str) -> bool {
    const SIGNS: [&str; 27] = [
        "insufficient_user_quota",
        "insufficient_quota",
        "insufficient quota",
        "insufficient_balance",
        "insufficient-balance",
        "insufficient balance",
        "insufficient_credit",
        "insufficient credit",
        "insufficient funds",
        "spending-limit",
        "spending_limit",
        "spending limit",
        "free-usage-exhausted",
        "included free usage",
        "out of credits",
        "all available credits",
        "any credits",
        "no credits",
        "enough credits",
        "enough balance",
        "balance is not enough",
        "balance is too low",
        "exceed your account balance",
        "exceeds your account balance",
        "billing hard limit",
        "billing_hard_limit",
        "额度不足",
    ];
    // A rate limit may mention these too.
    const VAGUE: [&str; 8] = [
        "payment required",
        "payment_required",
        "quota exceeded",
        "exceeded your current quota",
        "purchase credits",
        "purchase more credits",
        "buy credits",
        "add credits",
    ];
    const RATES: [&str; 5] = ["requests per", "per second", "per minute", "rate limit", "rate_limit"];
    contains_any(text, &SIGNS) || (contains_any(text, &VAGUE) && !contains_any(text, &RATES))
}

fn is_team_blocked(text: &str) -> bool {
    contains_any(text, &["team-blocked", "team blocked", "team is blocked"])
}

/// A relay found no channel for the request, so nothing was started.
fn is_not_started(problem: &ErrorFields) -> bool {
    problem.code().as_deref() == Some("model_not_found") || problem.searchable_text().contains("no available channel")
}

/// The end of a rate limit, as given in its message.
fn reset_after(kind: ApiErrorKind, problem: &ErrorFields) -> Option<Duration> {
    if kind == ApiErrorKind::RateLimited { resets_in(&problem.searchable_text()) } else { None }
}

/// The service's message, followed by advice.
fn message(response: &Response, problem: &ErrorFields, advice: &str) -> String {
    let status = response.status;
    let text = problem.message(MESSAGE_LIMIT).or_else(|| problem.code()).map_or_else(
        || format!("{}, HTTP {status}", describe_missing_message(response)),
        |text| format!("{} (HTTP {status})", text.trim_end_matches('.')),
    );
    if advice.is_empty() { text } else { format!("{text}: {advice}") }
}

/// Describes a response without a message.
fn describe_missing_message(response: &Response) -> &'static str {
    if is_page(&response.body) {
        return "the server returned an HTML page";
    }
    if response.body.trim_ascii().is_empty() {
        "the service gave no reason"
    } else {
        "the service gave no readable reason"
    }
}

/// What the user can do.
fn advice(kind: ApiErrorKind, request: RequestKind) -> &'static str {
    match (kind, request) {
        (ApiErrorKind::Authentication, _) => {
            "check the API key (api_key, else COMETAPI_KEY, or XAI_API_KEY for api.x.ai)"
        }
        (ApiErrorKind::InsufficientBalance, _) => "top up the account that the API key belongs to",
        (ApiErrorKind::PermissionDenied, _) => "the API key lacks permission; check its rights and its team",
        (ApiErrorKind::NotFound, RequestKind::GetJob) => {
            "no such job for this API key; poll with the API key that created the job"
        }
        (ApiErrorKind::NotFound, RequestKind::Create) => "the model is unknown, or base_url is wrong",
        (ApiErrorKind::NotFound, RequestKind::Other) => "check the ID, the model, the API key and base_url",
        (ApiErrorKind::RateLimited, _) => "send fewer requests, and try again later",
        (ApiErrorKind::BadRequest | ApiErrorKind::Server | ApiErrorKind::Other, _) => "",
    }
}
