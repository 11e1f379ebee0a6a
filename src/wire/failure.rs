//! What the service answers when it refuses, read into [`Error`].

use std::time::Duration;

use serde_json::Value;

use super::excerpt::{clean, excerpt};
use super::problem::Problem;
use super::words::resets_in;
use super::{Answer, MAX_BODY};
use crate::error::{ApiError, ApiErrorKind, Error, shown_address};

/// How much of the service's words a message repeats, in characters; what to do stands behind them.
const WORDS_LIMIT: usize = 300;
/// How much of an address a message repeats, in characters.
const ADDRESS_LIMIT: usize = 150;

/// What was asked for, which decides what a refusal can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The state of a job.
    AfterJob,
    /// A new job.
    ToCreate,
    /// Something else, or it is not known here.
    Otherwise,
}

/// The error that an answer stands for: a status of 300 and above, or an error body under a status of success.
#[must_use]
pub fn failure(answer: &Answer) -> Error {
    explained(answer, Asked::Otherwise)
}

/// As [`failure`], with advice that fits what was asked for.
pub(super) fn explained(answer: &Answer, asked: Asked) -> Error {
    let page = is_page(&answer.body);
    match answer.status {
        300..=399 => return misdirected(answer),
        200..=299 if page => return misdirected(answer),
        _ => {}
    }
    let problem = if page { Problem::default() } else { problem(answer) };
    if (200..300).contains(&answer.status) && problem.is_empty() {
        return unreadable(answer, "it is neither a job nor an error");
    }
    let kind = kind(answer.status, &problem);
    Error::Api(Box::new(ApiError {
        kind,
        status_code: answer.status,
        code: problem.code(),
        message: message(answer, &problem, advice(kind, asked)),
        request_id: None,
        retry_after: answer.retry_after.or_else(|| announced(kind, &problem)),
        body: excerpt(&answer.body),
        not_started: answer.status == 503 && says_not_started(&problem),
    }))
}

/// An answer that the contract does not allow.
pub(super) fn unreadable(answer: &Answer, flaw: &str) -> Error {
    Error::InvalidResponse {
        message: format!("the answer (HTTP {}) cannot be used: {flaw}", answer.status),
        body: excerpt(&answer.body),
        request_id: None,
    }
}

/// Whether a body is a page for people instead of an answer.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// An answer from somewhere else than the API.
fn misdirected(answer: &Answer) -> Error {
    let what = match &answer.location {
        Some(to) if (300..400).contains(&answer.status) => format!("a redirect to {}", bare(to)),
        _ if (300..400).contains(&answer.status) => "a redirect".into(),
        _ => "an HTML page".into(),
    };
    Error::InvalidResponse {
        message: format!("{what} came instead of an answer (HTTP {}): base_url or the path looks wrong", answer.status),
        body: excerpt(&answer.body),
        request_id: None,
    }
}

fn bare(address: &str) -> String {
    const DATA: &str = "data:";
    if address.get(..DATA.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(DATA)) {
        return "data:…".into();
    }
    clean(&shown_address(address), ADDRESS_LIMIT)
}

/// What the body says is wrong: JSON of any known form, or plain text.
fn problem(answer: &Answer) -> Problem {
    if answer.body.len() > MAX_BODY {
        return Problem::default();
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => Problem::of_body(&body),
        Err(_) if is_json_like(&answer.body) || (200..300).contains(&answer.status) => Problem::default(),
        Err(_) => Problem::of_text(&excerpt(&answer.body)),
    }
}

/// Broken JSON, which makes no message worth reading.
fn is_json_like(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
}

/// What kind of error it is: status, code and words decide together, since each of them alone misleads somewhere.
fn kind(status: u16, problem: &Problem) -> ApiErrorKind {
    let words = problem.words();
    match status {
        401 => ApiErrorKind::Authentication,
        402 => ApiErrorKind::InsufficientBalance,
        403 if says_no_money(&words) || words.contains("credits") => ApiErrorKind::InsufficientBalance,
        403 if says_bad_key(&words) => ApiErrorKind::Authentication,
        403 => ApiErrorKind::PermissionDenied,
        404 => ApiErrorKind::NotFound,
        429 if says_no_money(&words) || words.contains("purchase credits") => ApiErrorKind::InsufficientBalance,
        429 => ApiErrorKind::RateLimited,
        400 | 405 | 413 | 415 | 422 => by_words(&words).unwrap_or(ApiErrorKind::BadRequest),
        500 if problem.code().as_deref() == Some("invalid_request") => ApiErrorKind::BadRequest,
        500..=599 => ApiErrorKind::Server,
        200..=299 => by_words(&words).unwrap_or_else(|| by_words_alone(&words)),
        _ => ApiErrorKind::Other,
    }
}

/// What the words make of a status that says little.
fn by_words(words: &str) -> Option<ApiErrorKind> {
    if words.contains("task_not_exist") {
        Some(ApiErrorKind::NotFound)
    } else if says_bad_key(words) {
        Some(ApiErrorKind::Authentication)
    } else if says_no_money(words) {
        Some(ApiErrorKind::InsufficientBalance)
    } else {
        None
    }
}

/// What the words make of a status that says nothing.
fn by_words_alone(words: &str) -> ApiErrorKind {
    let any = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if any(&["not-found", "not_found", "not found"]) {
        ApiErrorKind::NotFound
    } else if any(&["resource-exhausted", "rate limit", "rate_limit", "too many requests"]) {
        ApiErrorKind::RateLimited
    } else if any(&["permission-denied", "permission_denied"]) {
        ApiErrorKind::PermissionDenied
    } else if any(&["invalid-argument", "invalid_argument", "invalid_request"]) {
        ApiErrorKind::BadRequest
    } else {
        ApiErrorKind::Other
    }
}

fn says_bad_key(words: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "incorrect api key",
        "invalid api key",
        "invalid_api_key",
        "no api key",
        "unauthenticated",
        "bad-credentials",
        "bad_credentials",
        "bad credentials",
    ];
    SIGNS.iter().any(|sign| words.contains(sign))
}

fn says_no_money(words: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "insufficient_user_quota",
        "insufficient_quota",
        "insufficient quota",
        "insufficient balance",
        "insufficient credits",
        "quota exceeded",
        "exceeded your current quota",
    ];
    SIGNS.iter().any(|sign| words.contains(sign))
}

/// A relay found nobody to give the request to, so that nothing was started.
fn says_not_started(problem: &Problem) -> bool {
    problem.code().as_deref() == Some("model_not_found") || problem.words().contains("no available channel")
}

/// When a rate limit says it ends.
fn announced(kind: ApiErrorKind, problem: &Problem) -> Option<Duration> {
    if kind == ApiErrorKind::RateLimited { resets_in(&problem.words()) } else { None }
}

/// The service's words, then what can be done.
fn message(answer: &Answer, problem: &Problem, advice: &str) -> String {
    let status = answer.status;
    let words = problem.message(WORDS_LIMIT).or_else(|| problem.code()).map_or_else(
        || format!("{}, HTTP {status}", wordless(answer)),
        |words| format!("{} (HTTP {status})", words.trim_end_matches('.')),
    );
    if advice.is_empty() { words } else { format!("{words}: {advice}") }
}

/// What came when no words came.
fn wordless(answer: &Answer) -> &'static str {
    if is_page(&answer.body) {
        return "an HTML page came instead of an answer";
    }
    if answer.body.trim_ascii().is_empty() {
        "the service gave no reason"
    } else {
        "the service gave no readable reason"
    }
}

/// What the user can do about it, where that is known.
fn advice(kind: ApiErrorKind, asked: Asked) -> &'static str {
    match (kind, asked) {
        (ApiErrorKind::Authentication, _) => {
            "check the API key: the one given as api_key, else COMETAPI_KEY, or XAI_API_KEY for api.x.ai"
        }
        (ApiErrorKind::InsufficientBalance, _) => "top up the account that the API key belongs to",
        (ApiErrorKind::PermissionDenied, _) => "the API key may not do this; check its rights and its team",
        (ApiErrorKind::NotFound, Asked::AfterJob) => {
            "no such job for this API key; only the key that made a job can ask after it"
        }
        (ApiErrorKind::NotFound, Asked::ToCreate) => "the model is unknown, or base_url is wrong",
        (ApiErrorKind::NotFound, Asked::Otherwise) => "check the id and the model, the API key, and base_url",
        (ApiErrorKind::RateLimited, _) => "slow down, and try again later",
        (ApiErrorKind::BadRequest | ApiErrorKind::Server | ApiErrorKind::Other, _) => "",
    }
}
