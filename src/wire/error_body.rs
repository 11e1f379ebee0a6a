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
const WORDS_LIMIT: usize = 300;
/// Characters of a URL that are repeated.
const ADDRESS_LIMIT: usize = 150;

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
pub fn failure(answer: &Response) -> Error {
    explained(answer, RequestKind::Other)
}

/// As [`failure`], with advice for the kind of request.
pub(super) fn explained(answer: &Response, asked: RequestKind) -> Error {
    let page = is_page(&answer.body);
    match answer.status {
        300..=399 => return misdirected(answer),
        200..=299 if page => return misdirected(answer),
        _ => {}
    }
    let problem = if page { ErrorFields::default() } else { problem(answer) };
    explained_by(answer, asked, &problem)
}

fn explained_by(answer: &Response, asked: RequestKind, problem: &ErrorFields) -> Error {
    let page = is_page(&answer.body);
    if (200..300).contains(&answer.status) && problem.is_empty() {
        return unreadable(answer, "it is neither a job nor an error");
    }
    let kind = kind(answer.status, problem);
    Error::Api(Box::new(ApiError {
        kind,
        status_code: answer.status,
        code: problem.code(),
        message: message(answer, problem, advice(kind, asked)),
        request_id: None,
        retry_after: answer.retry_after.or_else(|| announced(kind, problem)),
        body: excerpt(&answer.body),
        not_started: answer.status == 503 && says_not_started(problem),
        is_page: page,
    }))
}

/// The refusal of a create with a status of success, if its message leaves no doubt that nothing was started. The
/// caller has already looked for a job ID.
pub(super) fn refusal(answer: &Response) -> Option<ApiError> {
    // The missing rest may contain an ID.
    if answer.is_cut || is_page(&answer.body) {
        return None;
    }
    let problem = stated(answer)?;
    let Error::Api(error) = explained_by(answer, RequestKind::Create, &problem) else { return None };
    let is_certain = match error.kind {
        ApiErrorKind::Server | ApiErrorKind::Other => false,
        // What was not found may be the new job itself.
        ApiErrorKind::NotFound => problem.words().contains("model"),
        _ => true,
    };
    is_certain.then_some(*error)
}

/// The error that a body reports, as opposed to mentions.
fn stated(answer: &Response) -> Option<ErrorFields> {
    let map = match answer.json().map(|json| json.value) {
        Ok(Value::Object(map)) => map,
        Ok(value) => return (value.is_string() || value.is_array()).then(|| problem(answer)),
        Err(_) => return (!is_json_like(&answer.body)).then(|| problem(answer)),
    };
    let problem = ErrorFields::of_map(&map).or_said_elsewhere(&map);
    let is_stated = job_payload::is_refusal(&map) || job_payload::says_failed(&map);
    // These messages are conclusive, unless the response also reports success.
    let is_clear = || !job_payload::is_affirmed(&map) && by_words(&problem.words()).is_some();
    (is_stated || is_clear()).then_some(problem)
}

/// The error that a response with a status of success reports, if its message is conclusive.
pub(super) fn spoken(answer: &Response) -> Option<Error> {
    let error = explained(answer, RequestKind::GetJob);
    matches!(&error, Error::Api(error) if error.kind != ApiErrorKind::Other).then_some(error)
}

/// A response that violates the contract.
pub(super) fn unreadable(answer: &Response, flaw: &str) -> Error {
    Error::InvalidResponse {
        message: format!("the answer (HTTP {}) cannot be used: {flaw}", answer.status),
        body: excerpt(&answer.body),
        request_id: None,
        status_code: answer.status,
    }
}

/// Whether a body is an HTML page.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"<")
}

/// A response from something other than the API.
fn misdirected(answer: &Response) -> Error {
    let what = match &answer.location {
        Some(to) if (300..400).contains(&answer.status) => format!("a redirect to {}", bare(to)),
        _ if (300..400).contains(&answer.status) => "a redirect".into(),
        _ => "an HTML page".into(),
    };
    Error::InvalidResponse {
        message: format!("{what} came instead of an answer (HTTP {}): base_url or the path looks wrong", answer.status),
        body: excerpt(&answer.body),
        request_id: None,
        status_code: answer.status,
    }
}

fn bare(address: &str) -> String {
    const DATA: &str = "data:";
    if address.get(..DATA.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(DATA)) {
        return "data:…".into();
    }
    sanitize(&url_for_message(address), ADDRESS_LIMIT)
}

/// The error in a body: JSON of any known form, or plain text.
fn problem(answer: &Response) -> ErrorFields {
    match answer.json() {
        Ok(json) => ErrorFields::of_body(&json.value),
        Err(_) if is_json_like(&answer.body) => ErrorFields::default(),
        Err(_) => {
            let problem = ErrorFields::of_text(&excerpt(&answer.body));
            let says_nothing =
                (200..300).contains(&answer.status) && kind(answer.status, &problem) == ApiErrorKind::Other;
            if says_nothing { ErrorFields::default() } else { problem }
        }
    }
}

/// Broken JSON does not make a readable message.
fn is_json_like(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
}

/// Status, code and message decide together, since each of them alone misleads somewhere.
fn kind(status: u16, problem: &ErrorFields) -> ApiErrorKind {
    let words = problem.words();
    match status {
        401 => ApiErrorKind::Authentication,
        402 => ApiErrorKind::InsufficientBalance,
        403 if says_no_money(&words) || words.contains("credits") => ApiErrorKind::InsufficientBalance,
        403 if says_bad_key(&words) => ApiErrorKind::Authentication,
        403 => ApiErrorKind::PermissionDenied,
        404 => ApiErrorKind::NotFound,
        429 if says_no_money(&words) => ApiErrorKind::InsufficientBalance,
        429 if says_blocked(&words) => ApiErrorKind::PermissionDenied,
        429 => ApiErrorKind::RateLimited,
        400 | 405 | 413 | 415 | 422 => by_words(&words).unwrap_or(ApiErrorKind::BadRequest),
        500 if problem.code().as_deref() == Some("invalid_request") => ApiErrorKind::BadRequest,
        500..=599 => ApiErrorKind::Server,
        200..=299 => by_words(&words).or_else(|| by_code(problem)).unwrap_or_else(|| by_words_alone(&words)),
        _ => ApiErrorKind::Other,
    }
}

/// The kind by a code that repeats another HTTP status.
fn by_code(problem: &ErrorFields) -> Option<ApiErrorKind> {
    let status = problem.status().filter(|status| (400..600).contains(status))?;
    Some(kind(status, problem)).filter(|kind| *kind != ApiErrorKind::Other)
}

/// The kind by the message, for an ambiguous status.
fn by_words(words: &str) -> Option<ApiErrorKind> {
    if words.contains("task_not_exist") {
        Some(ApiErrorKind::NotFound)
    } else if says_bad_key(words) {
        Some(ApiErrorKind::Authentication)
    } else if says_no_money(words) {
        Some(ApiErrorKind::InsufficientBalance)
    } else if says_blocked(words) {
        Some(ApiErrorKind::PermissionDenied)
    } else {
        None
    }
}

/// The kind by the message, for a meaningless status.
fn by_words_alone(words: &str) -> ApiErrorKind {
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
    if any(words, &NOT_FOUND) {
        ApiErrorKind::NotFound
    } else if any(words, &LIMITED) {
        ApiErrorKind::RateLimited
    } else if words.contains("unauthorized") {
        ApiErrorKind::Authentication
    } else if any(words, &DENIED) {
        ApiErrorKind::PermissionDenied
    } else if any(words, &INVALID) || names_moderation(words) {
        ApiErrorKind::BadRequest
    } else {
        ApiErrorKind::Other
    }
}

fn any(words: &str, signs: &[&str]) -> bool {
    signs.iter().any(|sign| words.contains(sign))
}

fn says_bad_key(words: &str) -> bool {
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
    any(words, &SIGNS)
}

fn says_no_money(words: &str) -> bool {
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
    any(words, &SIGNS) || (any(words, &VAGUE) && !any(words, &RATES))
}

fn says_blocked(words: &str) -> bool {
    any(words, &["team-blocked", "team blocked", "team is blocked"])
}

/// A relay found no channel for the request, so nothing was started.
fn says_not_started(problem: &ErrorFields) -> bool {
    problem.code().as_deref() == Some("model_not_found") || problem.words().contains("no available channel")
}

/// The end of a rate limit, as given in its message.
fn announced(kind: ApiErrorKind, problem: &ErrorFields) -> Option<Duration> {
    if kind == ApiErrorKind::RateLimited { resets_in(&problem.words()) } else { None }
}

/// The service's message, followed by advice.
fn message(answer: &Response, problem: &ErrorFields, advice: &str) -> String {
    let status = answer.status;
    let words = problem.message(WORDS_LIMIT).or_else(|| problem.code()).map_or_else(
        || format!("{}, HTTP {status}", wordless(answer)),
        |words| format!("{} (HTTP {status})", words.trim_end_matches('.')),
    );
    if advice.is_empty() { words } else { format!("{words}: {advice}") }
}

/// Describes a response without a message.
fn wordless(answer: &Response) -> &'static str {
    if is_page(&answer.body) {
        return "an HTML page came instead of an answer";
    }
    if answer.body.trim_ascii().is_empty() {
        "the service gave no reason"
    } else {
        "the service gave no readable reason"
    }
}

/// What the user can do.
fn advice(kind: ApiErrorKind, asked: RequestKind) -> &'static str {
    match (kind, asked) {
        (ApiErrorKind::Authentication, _) => {
            "check the API key: the one given as api_key, else COMETAPI_KEY, or XAI_API_KEY for api.x.ai"
        }
        (ApiErrorKind::InsufficientBalance, _) => "top up the account that the API key belongs to",
        (ApiErrorKind::PermissionDenied, _) => "the API key may not do this; check its rights and its team",
        (ApiErrorKind::NotFound, RequestKind::GetJob) => {
            "no such job for this API key; only the key that made a job can ask after it"
        }
        (ApiErrorKind::NotFound, RequestKind::Create) => "the model is unknown, or base_url is wrong",
        (ApiErrorKind::NotFound, RequestKind::Other) => "check the id and the model, the API key, and base_url",
        (ApiErrorKind::RateLimited, _) => "slow down, and try again later",
        (ApiErrorKind::BadRequest | ApiErrorKind::Server | ApiErrorKind::Other, _) => "",
    }
}
