//! Reads error messages in any form.

use serde_json::{Map, Value};

use super::scalars::text;
use crate::job::JobError;
use crate::redact::sanitize;

/// Characters of a code that are kept.
const CODE_LIMIT: usize = 100;
/// Characters of a failure reason that are kept; `raw` has all of it.
const REASON_LIMIT: usize = 2000;

/// The error in a body or an `error` field, verbatim: not yet redacted.
#[derive(Debug, Default)]
pub(super) struct ErrorFields {
    code: Option<String>,
    /// A code found in the text only.
    hint: Option<String>,
    class: Option<String>,
    message: Option<String>,
}

impl ErrorFields {
    /// The error in a whole body.
    pub(super) fn of_body(body: &Value) -> Self {
        match body {
            Value::Object(map) => Self::of_map(map),
            other => Self::of_value(other),
        }
    }

    /// The error in a text: plain, nested JSON, or `code: '…', message: "…"`.
    pub(super) fn of_text(text: &str) -> Self {
        let nested = nested(text).map(|value| Self::of_body(&value)).filter(|problem| !problem.is_empty());
        if let Some(problem) = nested {
            return problem;
        }
        let (code, message) = labelled(text).unwrap_or_else(|| (None, text.to_owned()));
        Self { hint: code.or_else(|| marker(text)), message: Some(message), ..Self::default() }
    }

    /// The error in an object, from its `error` field and its own fields.
    pub(super) fn of_map(map: &Map<String, Value>) -> Self {
        Self::of_error(map).or(Self::of_own_fields(map))
    }

    /// Completes this error with the fields of `other`.
    fn or(self, other: Self) -> Self {
        let Self { code, hint, class, message } = self;
        let (code, spare) = if code.is_some() { (code, other.code) } else { (other.code, None) };
        Self {
            code,
            hint: hint.or(other.hint).or(spare),
            class: class.or(other.class),
            message: message.or(other.message),
        }
    }

    /// Completes this error with the message in the place of the object's result.
    pub(super) fn or_in_result(self, map: &Map<String, Value>) -> Self {
        const PLACES: [&str; 4] = ["data", "result", "output", "response"];
        let messages = PLACES.into_iter().filter_map(|place| map.get(place).filter(|value| value.is_string()));
        messages.into_iter().map(Self::of_value).fold(self, Self::or)
    }

    /// The error in the `error` field: an object, a text or a list.
    pub(super) fn of_error(map: &Map<String, Value>) -> Self {
        let Some(error) = map.get("error").or_else(|| map.get("errors")) else { return Self::default() };
        let problem = Self::of_value(error);
        if problem.is_empty() && !is_blank(error) {
            return Self { message: Some(error.to_string()), ..Self::default() };
        }
        problem
    }

    /// The error in an object's own `code`, `type` and `message`.
    pub(super) fn of_own_fields(map: &Map<String, Value>) -> Self {
        const MESSAGE_KEYS: [&str; 4] = ["message", "msg", "detail", "error_description"];
        let messages = MESSAGE_KEYS.into_iter().find_map(|key| {
            let problem = Self::of_value(map.get(key)?);
            problem.message.is_some().then_some(problem)
        });
        let own = Self { code: map.get("code").and_then(code), class: text(map.get("type")), ..Self::default() };
        own.or(messages.unwrap_or_default())
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Object(map) => Self::of_map(map),
            Value::Array(items) => Self::of_list(items),
            Value::String(text) if !text.trim().is_empty() => Self::of_text(text),
            other => Self { message: scalar(other), ..Self::default() },
        }
    }

    fn of_list(items: &[Value]) -> Self {
        let mut all: Vec<Self> = items.iter().map(Self::of_value).collect();
        let messages: Vec<String> = all.iter_mut().filter_map(|problem| problem.message.take()).collect();
        let merged = all.into_iter().reduce(Self::or).unwrap_or_default();
        Self { message: (!messages.is_empty()).then(|| messages.join("; ")), ..merged }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.code.is_none() && self.message.is_none()
    }

    /// The redacted code. A code in the text is more specific than a bare number.
    pub(super) fn code(&self) -> Option<String> {
        let is_number = |code: &String| code.bytes().all(|byte| byte.is_ascii_digit());
        let code = match (&self.code, &self.hint) {
            (Some(code), Some(hint)) if is_number(code) => Some(hint),
            (code, hint) => code.as_ref().or(hint.as_ref()),
        };
        code.map(|code| sanitize(code, CODE_LIMIT)).filter(|code| !code.is_empty())
    }

    /// The redacted message, at most `limit` characters.
    pub(super) fn message(&self, limit: usize) -> Option<String> {
        self.message.as_deref().map(|text| sanitize(text, limit)).filter(|text| !text.is_empty())
    }

    /// The code, if it repeats an HTTP status.
    pub(super) fn status(&self) -> Option<u16> {
        self.code.as_deref()?.parse().ok()
    }

    /// All text in lower case, to search for keywords.
    pub(super) fn searchable_text(&self) -> String {
        let all = [&self.code, &self.hint, &self.class, &self.message];
        all.into_iter().flatten().map(|text| text.to_lowercase()).collect::<Vec<_>>().join(" ")
    }

    /// The reason of a failed job, if there is an error.
    pub(super) fn reason(&self) -> Option<JobError> {
        if self.is_empty() {
            return None;
        }
        let code = self.code();
        let message = self.message(REASON_LIMIT).or_else(|| code.clone());
        Some(JobError { message: message.unwrap_or_else(|| "the service gave no readable reason".into()), code })
    }
}

/// JSON inside a text.
fn nested(text: &str) -> Option<Value> {
    text.trim_start().starts_with(['{', '[', '"']).then(|| serde_json::from_str(text).ok())?
}

/// The parts of `code: 'a sentence', message: "what is wrong"`, as gRPC libraries write it.
fn labelled(text: &str) -> Option<(Option<String>, String)> {
    let text = text.trim_start();
    let code = ["code:", "status:"].into_iter().find_map(|label| text.strip_prefix(label))?;
    let message = text.split_once("message:")?.1;
    let message = quoted(message.trim_start()).filter(|message| !message.trim().is_empty())?;
    let code = quoted(code.trim_start()).or_else(|| Some(code.split(',').next()?.trim().to_owned()));
    Some((code.filter(|code| !code.is_empty()), message))
}

/// The text between the quotation marks at the start of `text`.
fn quoted(text: &str) -> Option<String> {
    let mut rest = text.chars();
    let mark = rest.next().filter(|mark| matches!(mark, '\'' | '"'))?;
    let mut inside = String::new();
    while let Some(next) = rest.next() {
        match next {
            '\\' => inside.push(rest.next()?),
            _ if next == mark => return Some(inside),
            _ => inside.push(next),
        }
    }
    None
}

/// The slug in xAI's marker `[WKE=slug]`.
fn marker(text: &str) -> Option<String> {
    let (slug, _) = text.split_once("[WKE=")?.1.split_once(']')?;
    Some(slug.trim().to_owned()).filter(|slug| !slug.is_empty())
}

/// Whether a `code` reports success.
pub(super) fn is_success(value: &Value) -> bool {
    match value {
        Value::String(code) => ["success", "ok"].iter().any(|word| code.trim().eq_ignore_ascii_case(word)),
        Value::Number(code) => matches!(code.as_i64(), Some(0 | 200)),
        _ => false,
    }
}

/// A code that names an error.
fn code(value: &Value) -> Option<String> {
    if is_success(value) { None } else { scalar(value) }
}

/// A word or a number; `false` and 0 are empty.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_) => text(Some(value)),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a value is empty.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Object(map) => map.values().all(is_blank),
        Value::Array(items) => items.iter().all(is_blank),
        scalar_value => scalar(scalar_value).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_error() {
        let table = [
            (json!({"error": {"message": "m", "type": "comet_api_error", "param": "", "code": "c"}}), Some("c"), "m"),
            (json!({"error": {"message": "m", "code": ""}}), None, "m"),
            (json!({"error": {"message": "m", "code": 13}}), Some("13"), "m"),
            (json!({"error": {"code": "c"}}), Some("c"), "c"),
            (json!({"code": "a sentence", "error": "m"}), Some("a sentence"), "m"),
            (json!({"error": "m"}), None, "m"),
            (json!({"error": ["m", {"code": "c", "message": "n"}]}), Some("c"), "m; n"),
            (json!([{"error": {"message": "m"}}]), None, "m"),
            (json!({"code": "task_not_exist", "message": "m", "data": null}), Some("task_not_exist"), "m"),
            (json!({"detail": [{"loc": ["body"], "msg": "field required"}]}), None, "field required"),
            (json!({"error": {"reason": "new"}}), None, r#"{"reason":"new"}"#),
            (json!({"error": true}), None, "true"),
            (json!("m"), None, "m"),
            (json!({"detail": "m"}), None, "m"),
            (json!({"error": r#"{"code": "c", "message": "m"}"#}), Some("c"), "m"),
            (json!({"code": "fail", "message": r#"{"error": {"code": "c", "message": "m"}}"#}), Some("fail"), "m"),
            (json!(r#"{"error": "{\"message\": \"m\"}"}"#), None, "m"),
            (json!({"error": "{not json"}), None, "{not json"),
            (
                json!({"code": "c", "error": r#"code: 'A sentence', message: "A \"bad\" image.""#}),
                Some("c"),
                r#"A "bad" image."#,
            ),
            (json!({"error": r#"code: 'A sentence', message: "m""#}), Some("A sentence"), "m"),
            (json!({"error": r#"status: InvalidArgument, message: "m", details: []"#}), Some("InvalidArgument"), "m"),
            (json!({"error": r#"code: 'A sentence', message: """#}), None, r#"code: 'A sentence', message: """#),
            (json!({"code": 429, "error": "No. [WKE=a:b]"}), Some("a:b"), "No. [WKE=a:b]"),
            (json!({"code": "c", "error": "No. [WKE=a:b]"}), Some("c"), "No. [WKE=a:b]"),
            (json!({"error": "No. [WKE=a:b"}), None, "No. [WKE=a:b"),
        ];
        for (body, code, message) in table {
            let reason = ErrorFields::of_body(&body).reason();
            assert_eq!(reason, Some(JobError { code: code.map(Into::into), message: message.into() }), "{body}");
        }
    }

    #[test]
    fn values_that_report_no_error() {
        for body in [
            json!({}),
            json!([]),
            json!(null),
            json!({"error": null}),
            json!({"error": ""}),
            json!({"error": {}}),
            json!({"error": []}),
            json!({"error": false}),
            json!({"error": {"code": "", "message": ""}}),
            json!({"code": "success", "message": ""}),
            json!({"code": "SUCCESS"}),
            json!({"code": 0}),
            json!({"code": 200, "message": ""}),
        ] {
            assert_eq!(ErrorFields::of_body(&body).reason(), None, "{body}");
        }
    }
}
