//! Interpretation of every documented error.

use std::time::Duration;

use super::error_body::failure;
use crate::error::{ApiError, ApiErrorKind, Error};
use crate::response::Response;

fn answer(status: u16, body: &str) -> Response {
    Response { status, body: body.to_owned().into(), ..Response::default() }
}

fn api(status: u16, body: &str) -> ApiError {
    match failure(&answer(status, body)) {
        Error::Api(error) => *error,
        other => panic!("{status} {body}: {other:?}"),
    }
}

fn misdirected(answer: &Response) -> String {
    match failure(answer) {
        Error::InvalidResponse { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_form_of_body() {
    let comet =
        r#"{"error": {"message": "no (request id: 2026)", "type": "comet_api_error", "param": "", "code": "c"}}"#;
    let table = [
        (comet, Some("c"), "no (request id: 2026) (HTTP 409)"),
        (r#"{"error": {"message": "no", "type": "t", "param": "", "code": ""}}"#, None, "no (HTTP 409)"),
        (r#"{"error": {"message": "no", "code": null}}"#, None, "no (HTTP 409)"),
        (r#"{"code": "task_failed", "message": "no", "data": null}"#, Some("task_failed"), "no (HTTP 409)"),
        (r#"{"code": "A sentence", "error": "no."}"#, Some("A sentence"), "no (HTTP 409)"),
        (r#"{"error": "no"}"#, None, "no (HTTP 409)"),
        (r#"{"error": ["no", "never"]}"#, None, "no; never (HTTP 409)"),
        (r#"[{"error": {"code": "c", "message": "no"}}]"#, Some("c"), "no (HTTP 409)"),
        (r#"{"code": "outer", "error": {"code": "c", "message": "no"}}"#, Some("c"), "no (HTTP 409)"),
        (r#"{"code": "c"}"#, Some("c"), "c (HTTP 409)"),
        (r#""no""#, None, "no (HTTP 409)"),
        ("error code: 409", None, "error code: 409 (HTTP 409)"),
        ("", None, "the service gave no reason, HTTP 409"),
        ("{}", None, "the service gave no readable reason, HTTP 409"),
        (r#"{"error":"#, None, "the service gave no readable reason, HTTP 409"),
        ("<!DOCTYPE html><title>no</title>", None, "the server returned an HTML page, HTTP 409"),
    ];
    for (body, code, message) in table {
        let error = api(409, body);
        assert_eq!((error.code.as_deref(), error.message.as_str()), (code, message), "{body}");
        assert_eq!((error.kind, error.status_code, error.body.as_str()), (ApiErrorKind::Other, 409, body));
        assert_eq!((error.request_id, error.retry_after, error.not_started), (None, None, false));
    }
}

#[test]
fn error_kinds() {
    use ApiErrorKind::{
        Authentication, BadRequest, InsufficientBalance, NotFound, Other, PermissionDenied, RateLimited, Server,
    };
    let task = r#"{"code": "task_not_exist", "message": "task_not_exist", "data": null}"#;
    let table = [
        (400, r#"{"code": "Client specified an invalid argument", "error": "bad"}"#, BadRequest),
        (400, r#"{"code": "invalid-argument", "error": "Incorrect API key provided: xa***"}"#, Authentication),
        (400, r#"{"code": "unauthenticated:bad-credentials", "error": "no"}"#, Authentication),
        (400, task, NotFound),
        (401, "", Authentication),
        (401, r#"{"error": {"message": "insufficient quota"}}"#, Authentication),
        (402, "", InsufficientBalance),
        (403, "", PermissionDenied),
        (403, r#"{"code": "permission-denied", "error": "team blocked"}"#, PermissionDenied),
        (403, r#"{"error": {"code": "insufficient_user_quota", "message": "no"}}"#, InsufficientBalance),
        (403, r#"{"error": "Your team has used all available credits"}"#, InsufficientBalance),
        (403, r#"{"code": "unauthenticated", "error": "no"}"#, Authentication),
        (404, "", NotFound),
        (404, r#"{"code": "not-found", "error": "the model does not exist"}"#, NotFound),
        (405, "", BadRequest),
        (413, "", BadRequest),
        (415, r#"{"error": "Expected request with `Content-Type: application/json`"}"#, BadRequest),
        (422, "Failed to deserialize the JSON body", BadRequest),
        (429, r#"{"code": "resource-exhausted", "error": "Requests per Second (actual/limit): 2/2"}"#, RateLimited),
        (429, r#"{"code": "resource-exhausted", "error": "Purchase credits at console"}"#, InsufficientBalance),
        (429, r#"{"error": {"message": "quota exceeded"}}"#, InsufficientBalance),
        (429, "", RateLimited),
        (500, r#"{"error": {"message": "bad", "code": "invalid_request"}}"#, BadRequest),
        (500, r#"{"error": {"message": "invalid_request", "code": ""}}"#, Server),
        (502, r#"{"error": {"message": "bad", "code": "invalid_request"}}"#, Server),
        (500, r#"{"error": "Incorrect API key provided"}"#, Server),
        (500, "", Server),
        (503, "<html>", Server),
        (529, "", Server),
        (408, "", Other),
        (409, "", Other),
        (425, "", Other),
        (418, task, Other),
        (0, "", Other),
        (999, "", Other),
        (200, task, NotFound),
        (200, r#"{"error": {"code": "c", "message": "m"}}"#, Other),
        (200, r#"{"error": "Incorrect API key provided"}"#, Authentication),
        (200, r#"{"error": {"code": "insufficient_user_quota"}}"#, InsufficientBalance),
        (200, r#"{"code": "resource-exhausted", "error": "slow"}"#, RateLimited),
        (200, r#"{"code": "permission-denied", "error": "no"}"#, PermissionDenied),
        (200, r#"{"code": "invalid-argument", "error": "no"}"#, BadRequest),
        (200, r#"{"code": "not-found", "error": "no"}"#, NotFound),
        (200, r#"{"code": 500, "message": "system busy"}"#, Server),
        (200, r#"{"detail": "Not authenticated"}"#, Authentication),
        (400, r#"{"detail": "Not authenticated"}"#, Authentication),
        (400, r#"{"code": "invalid-argument", "error": "code: 'A sentence', message: \"Bad.\""}"#, BadRequest),
        (429, r#"{"error": "Rate limit reached: 2 requests per minute. Purchase credits for more."}"#, RateLimited),
        (429, r#"{"code": "c", "error": "Quota exceeded: requests per minute"}"#, RateLimited),
        (429, r#"{"error": "10 requests per minute; payment required for more"}"#, RateLimited),
        (429, r#"{"code": "c", "error": "a. [WKE=personal-team-blocked]"}"#, PermissionDenied),
    ];
    for (status, body, kind) in table {
        assert_eq!(api(status, body).kind, kind, "{status} {body}");
    }
    for status in [520, 521, 522, 523, 524] {
        assert_eq!(api(status, &format!("error code: {status}")).kind, Server);
    }
}

#[test]
fn insufficient_balance_is_detected_under_any_status() {
    let spending = r#"{"code":429,"error":"You ran out of credits. [WKE=personal-team-blocked:spending-limit]"}"#;
    let free = r#"{"code":"subscription:free-usage-exhausted","error":"You've used all the included free usage."}"#;
    let slug = r#"{"code":"personal-team-blocked:spending-limit","error":"You have run out of credits today."}"#;
    let team = "Your team has either used all available credits or reached its monthly spending limit. \
                To continue making API requests, please purchase more credits or raise your spending limit.";
    let bodies = [
        spending.to_owned(),
        free.to_owned(),
        slug.to_owned(),
        serde_json::json!({"code": "resource-exhausted", "error": team}).to_string(),
        serde_json::json!({"error": spending}).to_string(),
        serde_json::json!({"error": {"message": slug, "code": ""}}).to_string(),
        serde_json::json!({"code": "fail", "message": free}).to_string(),
        serde_json::json!("You ran out of credits.").to_string(),
        r#"{"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}}"#.into(),
        r#"{"code": "c", "error": "Purchase credits at the console"}"#.into(),
        r#"{"error": {"message": "a", "code": "billing_hard_limit_reached"}}"#.into(),
        r#"{"error": {"message": "Billing hard limit has been reached"}}"#.into(),
        r#"{"error": {"message": "This request would exceed your account balance"}}"#.into(),
        r#"{"error": "Payment Required"}"#.into(),
        r#"{"code": 1, "msg": "Payment required"}"#.into(),
        r#"{"code": "payment_required", "message": "a"}"#.into(),
    ];
    for body in &bodies {
        for status in [200, 400, 402, 403, 429] {
            let error = api(status, body);
            assert_eq!(error.kind, ApiErrorKind::InsufficientBalance, "{status} {body}");
            assert!(error.message.contains("top up"), "{}", error.message);
        }
    }
    assert_eq!(api(429, spending).code.as_deref(), Some("personal-team-blocked:spending-limit"));
    assert_eq!(api(429, free).code.as_deref(), Some("subscription:free-usage-exhausted"));
}

#[test]
fn html_pages_are_not_quoted_in_messages() {
    for (status, kind) in [
        (401, ApiErrorKind::Authentication),
        (403, ApiErrorKind::PermissionDenied),
        (404, ApiErrorKind::NotFound),
        (502, ApiErrorKind::Server),
    ] {
        let error = api(status, "\n <html><b>insufficient_user_quota, credits</b>");
        assert_eq!(error.kind, kind);
        assert!(error.message.starts_with("the server returned an HTML page, HTTP"), "{}", error.message);
        assert!(!error.message.contains('<'), "{}", error.message);
    }
    let message = misdirected(&answer(200, "<!doctype html><p>Welcome"));
    assert_eq!(message, "the server returned an HTML page instead of JSON (HTTP 200); check base_url");
}

#[test]
fn redirect_errors_name_the_target() {
    let to = |location: &str| Response { location: Some(location.into()), ..answer(302, "") };
    let table = [
        (
            "https://me:SECRET@a.b/login?next=SECRET#SECRET",
            "the server returned a redirect to https://a.b/login instead",
        ),
        ("/login?next=SECRET", "the server returned a redirect to /login instead"),
        ("//a.b/\u{1b}[2J?SECRET", "the server returned a redirect to //a.b/ [2J instead"),
        ("data:text/plain,SECRET", "the server returned a redirect to data:… instead"),
    ];
    for (location, words) in table {
        let message = misdirected(&to(location));
        assert!(message.starts_with(words), "{message}");
        assert!(message.ends_with("(HTTP 302); check base_url"), "{message}");
    }
    assert!(misdirected(&to(&format!("https://a.b/{}", "a".repeat(9000)))).len() < 400);
    for status in [300, 301, 304, 307, 308, 399] {
        assert!(
            misdirected(&answer(status, r#"{"error": "moved"}"#)).starts_with("the server returned a redirect instead")
        );
    }
}

#[test]
fn success_without_an_error_is_an_invalid_response() {
    for body in ["", "{}", r#"{"status":"done"}"#, "ok", "{"] {
        assert!(misdirected(&answer(200, body)).contains("neither a job nor an error"), "{body}");
    }
}

#[test]
fn retry_after_is_read() {
    let body = r#"{"error": "Too many requests. Resets in: 1h 2m 3s"}"#;
    assert_eq!(api(429, body).retry_after, Some(Duration::from_secs(3723)));
    assert_eq!(api(500, body).retry_after, None);
    for status in [429, 503, 403] {
        let response = Response { retry_after: Some(Duration::from_secs(7)), ..answer(status, body) };
        assert_eq!(failure(&response).retry_after(), Some(Duration::from_secs(7)));
    }
}

#[test]
fn not_started_is_detected() {
    let no_channel =
        r#"{"error": {"message": "No available channel for model x (distributor)", "code": "model_not_found"}}"#;
    assert!(api(503, no_channel).not_started);
    assert!(api(503, r#"{"error": {"message": "a", "code": "model_not_found"}}"#).not_started);
    assert!(!api(503, r#"{"error": {"message": "overloaded"}}"#).not_started);
    assert!(!api(500, no_channel).not_started);
    assert!(!api(503, &format!("<html>{no_channel}")).not_started);
}

#[test]
fn messages_end_with_advice() {
    let table = [
        (401, "no (HTTP 401): check the API key"),
        (402, "no (HTTP 402): top up the account"),
        (403, "no (HTTP 403): the API key lacks permission"),
        (404, "no (HTTP 404): check the ID, the model"),
        (429, "no (HTTP 429): send fewer requests"),
    ];
    for (status, words) in table {
        let message = api(status, r#"{"error": "no"}"#).message;
        assert!(message.starts_with(words), "{message}");
    }
}

#[test]
fn messages_are_bounded_and_contain_no_secrets() {
    let long = "ä".repeat(2000);
    let secret = format!(
        r#"{{"code": "{long}", "error": "https://a.b/c?sig=SECRET \u001b[2J data:image/png;base64,SECRET {long}"}}"#
    );
    for status in [400, 401, 402, 403, 404, 429, 500, 503] {
        let error = api(status, &secret);
        assert!(error.message.starts_with("https://a.b/c [2J data:image/png;base64,… ää"), "{}", error.message);
        assert!(error.message.chars().count() <= 500, "{}", error.message);
        assert!(error.code.unwrap().chars().count() <= 101);
        assert!(error.body.chars().count() <= 301);
    }
    let huge = Response { is_cut: true, ..answer(400, r#"{"error": "no", "x": "aaaa"#) };
    assert!(failure(&huge).to_string().starts_with("no (HTTP 400)"), "what was read of it is enough");
    let key = api(401, r#"{"error": "Incorrect API key provided: xai-SECRETSECRETSECRETSECRET"}"#);
    assert!(!format!("{key:?}").contains("SECRET"));
}
