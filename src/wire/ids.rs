//! Finds the IDs by which a response names a job.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::scalars;
use crate::job::JobStatus;
use crate::request_id::check_request_id;
use crate::secrets::MARK;

/// Names of an ID field, the most reliable first.
pub(super) const FIELDS: [&str; 3] = ["request_id", "id", "task_id"];
/// Other spellings, as normalised by [`normalized_name`]; used if none of [`FIELDS`] is present.
const ALIASES: [&str; 4] = ["jobid", "taskid", "generationid", "id"];
/// This spelling often is the ID of the HTTP request.
const VAGUE: &str = "requestid";
/// Objects that contain an ID if the outermost object does not.
const INNER: [&str; 6] = ["data", "response", "result", "output", "job", "task"];
/// Levels of such objects.
const DEPTH: usize = 4;
/// Levels of JSON encoded as a string.
pub(super) const ENCODINGS: usize = 4;
/// Spellings of an absent value.
const PLACEHOLDERS: [&str; 9] = ["null", "undefined", "none", "nil", "nan", "n/a", "unknown", "true", "false"];
/// Status words in place of an ID.
const STATUS_WORDS: [&str; 6] = ["ok", "fail", "accepted", "created", "started", "received"];

/// Fields with unparsed values: a number may be longer than any type holds.
type Fields = HashMap<String, Box<RawValue>>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    /// Usable IDs, the most reliable first; all distinct.
    pub(super) usable: Vec<String>,
    /// The first unusable ID.
    pub(super) refused: Option<String>,
    /// An ID that may be that of the HTTP request, if there is no other.
    pub(super) vague: Option<String>,
    /// A text that looks like an ID where a response like this has none: only used in error messages.
    pub(super) doubtful: Option<String>,
}

/// Finds the IDs in a response, whose text must be valid JSON.
///
/// `takes_bare` allows `data` itself to be an ID, as in responses that report no error.
pub(super) fn read(text: &str, takes_bare: bool) -> Ids {
    let mut objects = Vec::new();
    collect(text, DEPTH, &mut objects);
    let Some(outermost) = objects.first() else { return Ids::default() };
    let bare = outermost.get("data").filter(|_| takes_bare).map(|value| value.get()).filter(|value| is_bare(value));
    let named = objects.iter().flat_map(|fields| FIELDS.iter().filter_map(|name| Some(fields.get(*name)?.get())));
    let mut ids = Ids::default();
    ids.add_all(named.chain(bare));
    let aliased = |alias: &'static str| objects.iter().flat_map(move |fields| alias_values(fields, alias));
    ids.add_all(ALIASES.into_iter().flat_map(aliased));
    let mut vague = Ids::default();
    vague.add_all(aliased(VAGUE));
    ids.vague = vague.usable.into_iter().next();
    ids.doubtful = ["data", "result"].into_iter().find_map(|name| id_like(outermost.get(name)?.get()));
    ids
}

/// The ID in a damaged or truncated response, to look for the job by hand.
pub(super) fn salvaged(text: &str) -> Option<String> {
    let names = ["request_id", "requestId", "task_id", "taskId", "job_id", "jobId", "generation_id", "id"];
    let values = names.into_iter().flat_map(|name| values_after_name(text, name));
    values
        .map(str::trim)
        .find(|id| check_request_id(id).is_ok() && !is_placeholder(id) && !id.contains(MARK))
        .map(str::to_owned)
}

impl Ids {
    fn add_all<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        // Beside a text ID, a number usually is a row number.
        let (texts, numbers): (Vec<_>, Vec<_>) = values.partition(|value| value.starts_with('"'));
        for value in texts.iter().chain(&numbers) {
            self.add(value);
        }
    }

    fn add(&mut self, value: &str) {
        let Some(id) = id(value) else { return };
        // A masked ID cannot be shown, and no service would assign it.
        if check_request_id(&id).is_err() || id.contains(MARK) {
            self.refused.get_or_insert(id);
        } else if !self.usable.contains(&id) {
            self.usable.push(id);
        }
    }
}

/// Collects the object in a text and its inner objects that may contain an ID, outermost first.
fn collect(text: &str, depth: usize, objects: &mut Vec<Fields>) {
    let Some(fields) = fields(text, ENCODINGS) else { return };
    let inner: Vec<String> = INNER.iter().filter_map(|name| Some(fields.get(*name)?.get().to_owned())).collect();
    objects.push(fields);
    if depth > 0 {
        for text in inner {
            collect(&text, depth - 1, objects);
        }
    }
}

/// The fields of an object, of the only object in a list, or of one encoded as a string.
fn fields(text: &str, encodings: usize) -> Option<Fields> {
    match text.trim_start().as_bytes().first()? {
        b'{' => serde_json::from_str(text).ok(),
        b'[' => {
            let [only] = serde_json::from_str::<[&RawValue; 1]>(text).ok()?;
            serde_json::from_str(only.get()).ok()
        }
        b'"' if encodings > 0 => fields(&serde_json::from_str::<String>(text).ok()?, encodings - 1),
        _ => None,
    }
}

/// The values of fields whose name is another spelling of one of [`FIELDS`].
fn alias_values<'a>(fields: &'a Fields, alias: &'static str) -> impl Iterator<Item = &'a str> {
    let mut found: Vec<_> =
        fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str()) && normalized_name(name) == alias).collect();
    found.sort_by_key(|(name, _)| name.as_str());
    found.into_iter().map(|(_, value)| value.get())
}

/// A field name in lower case without separators.
fn normalized_name(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a value in place of an object looks like an ID, and not like a sentence or a status.
fn is_bare(value: &str) -> bool {
    let Some(id) = id(value) else { return false };
    let word = scalars::normal(&id);
    !id.contains(char::is_whitespace)
        && scalars::status(&word) == JobStatus::Unknown
        && !STATUS_WORDS.contains(&word.as_str())
}

/// A value with the length and the digits of an ID.
fn id_like(value: &str) -> Option<String> {
    const SHORTEST: usize = 8;
    let id = id(value).filter(|_| is_bare(value))?;
    let is_like = id.len() >= SHORTEST && id.contains(|c: char| c.is_ascii_digit());
    (is_like && check_request_id(&id).is_ok() && !id.contains(MARK)).then_some(id)
}

/// A value as an ID: a string, or a positive whole number with all its digits.
fn id(value: &str) -> Option<String> {
    if value.starts_with('"') {
        let id = serde_json::from_str::<String>(value).ok()?;
        return Some(id.trim().to_owned()).filter(|id| !is_placeholder(id));
    }
    let is_whole = value.bytes().all(|digit| digit.is_ascii_digit());
    (is_whole && value != "0").then(|| value.to_owned())
}

/// Whether a text is blank or a placeholder.
fn is_placeholder(id: &str) -> bool {
    PLACEHOLDERS.iter().any(|word| id.eq_ignore_ascii_case(word)) || id.chars().all(|c| matches!(c, '0' | '-'))
}

/// Values that follow a field name in damaged JSON.
fn values_after_name<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(name).filter_map(move |(at, _)| {
        let is_field = text[..at].ends_with(['"', '\'']) || text[..at].trim_end().ends_with(['{', ',']);
        let value = after_quote(&text[at + name.len()..]).trim_start().strip_prefix(':')?.trim_start();
        if is_field { leading_value(value) } else { None }
    })
}

/// The value at the start of a text, if it is complete.
fn leading_value(text: &str) -> Option<&str> {
    let inside = after_quote(text);
    if inside.len() == text.len() {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        return Some(&inside[..inside.find(|c| !is_part(c))?]);
    }
    let (value, rest) = inside.split_at(inside.find(['"', '\'', '\\', '\n'])?);
    after_quote(rest).len().lt(&rest.len()).then_some(value)
}

/// `text` without its first quotation mark, which may be escaped.
fn after_quote(text: &str) -> &str {
    let bare = text.trim_start_matches('\\');
    bare.strip_prefix(['"', '\'']).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(text: &str) -> Vec<String> {
        read(text, true).usable
    }

    #[test]
    fn ids_are_found_where_services_put_them() {
        let table: [(&str, &[&str]); 30] = [
            (r#"{"request_id": "a"}"#, &["a"]),
            (r#"{"request_id": "a", "id": "b", "task_id": "c"}"#, &["a", "b", "c"]),
            (r#"{"request_id": "a", "id": "a"}"#, &["a"]),
            (r#"{"id": "a", "data": {"task_id": "b"}}"#, &["a", "b"]),
            (r#"{"data": "a"}"#, &["a"]),
            (r#"{"data": 7}"#, &["7"]),
            (r#"{"data": [{"task_id": "a"}]}"#, &["a"]),
            (r#"{"data": {"data": {"id": "a"}}}"#, &["a"]),
            (r#"{"data": "{\"request_id\": \"a\"}"}"#, &["a"]),
            (r#"{"data": "\"{\\\"request_id\\\": \\\"a\\\"}\""}"#, &["a"]),
            (r#"[{"request_id": "a"}]"#, &["a"]),
            (r#"{"response": {"request_id": "a"}}"#, &["a"]),
            (r#"{"request_id": 12345}"#, &["12345"]),
            (r#"{"id": 123456789012345678901234567890}"#, &["123456789012345678901234567890"]),
            (r#"{"id": 5, "data": {"task_id": "a"}}"#, &["a", "5"]),
            (r#"{"request_id": null, "id": 5, "task_id": "a"}"#, &["a", "5"]),
            (r#"{"request_id": " a\n"}"#, &["a"]),
            (r#"{"request_id": "a=b:c.d~e+f@g!h"}"#, &["a=b:c.d~e+f@g!h"]),
            (r#"{"request_id": "id-\u00e9-猫"}"#, &["id-é-猫"]),
            (r#"{"error": {"id": "a"}, "x": {"request_id": "b"}}"#, &[]),
            (r#"{"job_id": "a"}"#, &["a"]),
            (r#"{"jobId": "a"}"#, &["a"]),
            (r#"{"taskId": "a"}"#, &["a"]),
            (r#"{"TASK_ID": 7}"#, &["7"]),
            (r#"{"generation_id": "a"}"#, &["a"]),
            (r#"{"data": {"generationId": "a"}, "ID": "b"}"#, &["a", "b"]),
            (r#"{"jobId": "a", "data": {"task_id": "b"}}"#, &["b", "a"]),
            (r#"{"result": "success", "job_id": "a"}"#, &["a"]),
            (r#"{"request_id": "error"}"#, &["error"]),
            (r#"{"request_id": "null", "id": "a"}"#, &["a"]),
        ];
        for (text, ids) in table {
            assert_eq!(usable(text), ids, "{text}");
        }
        for none in
            ["{}", "[]", "5", r#"{"id": 0}"#, r#"{"id": -5}"#, r#"{"id": 1.5}"#, r#"{"id": 1e5}"#, r#"{"id": true}"#]
        {
            assert_eq!(read(none, true), Ids::default(), "{none}");
        }
    }

    #[test]
    fn placeholders_are_not_ids() {
        for nothing in
            ["null", "undefined", "None", "nil", "NaN", "N/A", "unknown", "-", "--", "0", "00000000-0000-0000"]
        {
            for field in ["request_id", "id", "task_id", "data", "jobId", "requestId"] {
                let text = format!(r#"{{"{field}": "{nothing}"}}"#);
                assert_eq!(read(&text, true), Ids::default(), "{text}");
            }
        }
        for report in ["success", "ok", "error", "Failed", "queued", "IN_PROGRESS", "Task submitted", "remaining: 0"] {
            let text = format!(r#"{{"data": "{report}"}}"#);
            assert_eq!(read(&text, true), Ids::default(), "{text}");
        }
        for field in ["response", "result", "output", "job", "task"] {
            let text = format!(r#"{{"{field}": "a"}}"#);
            assert_eq!(read(&text, true), Ids::default(), "{text}");
        }
        assert_eq!(read(r#"{"data": "a"}"#, false), Ids::default());
        assert_eq!(read(r#"{"data": {"id": "a"}}"#, false).usable, ["a"]);
    }

    #[test]
    fn an_id_that_may_be_of_the_http_request_is_a_fallback() {
        let ids = read(r#"{"requestId": "a", "data": {"task_id": "b"}}"#, true);
        assert_eq!((ids.usable, ids.vague.as_deref()), (vec!["b".to_owned()], Some("a")));
        let ids = read(r#"{"REQUEST_ID": "a"}"#, true);
        assert_eq!((ids.usable, ids.vague.as_deref()), (vec![], Some("a")));
    }

    #[test]
    fn a_text_similar_to_an_id_is_kept_for_errors() {
        let doubtful = |text: &str| read(text, false).doubtful;
        assert_eq!(doubtful(r#"{"code": 1, "result": "14001934816969359"}"#).as_deref(), Some("14001934816969359"));
        assert_eq!(doubtful(r#"{"code": 1, "data": "task-0001"}"#).as_deref(), Some("task-0001"));
        for none in [
            r#"{"data": "overloaded"}"#,
            r#"{"data": "quota: 12345678"}"#,
            r#"{"data": 5}"#,
            r#"{"data": "a/12345678"}"#,
        ] {
            assert_eq!(doubtful(none), None, "{none}");
        }
    }

    #[test]
    fn an_unusable_id_is_kept_for_errors() {
        let ids = read(r#"{"request_id": "", "id": "../x", "task_id": "a"}"#, true);
        assert_eq!((ids.usable, ids.refused.as_deref()), (vec!["a".to_owned()], Some("../x")));
        assert_eq!(read(r#"{"id": "a/b"}"#, true), Ids { refused: Some("a/b".into()), ..Ids::default() });
    }

    #[test]
    fn ids_are_salvaged_from_damaged_json() {
        for text in [
            r#"{"request_id": "a-1" "status": "queued"}"#,
            "{'request_id': 'a-1', 'error': None}",
            "{request_id: 'a-1'}",
            "{request_id: a-1, x: 1}",
            r#"{"id": "row", "task_id" : "a-1" x}"#,
            r#"/* x */ {"jobId": "a-1"}"#,
            r#"OK {\"request_id\": \"a-1\"}"#,
            r#"{"request_id": null "taskId": "a-1"}"#,
            r#"{"message": "no (request id: x-9)" "id": "a-1"}"#,
        ] {
            assert_eq!(salvaged(text).as_deref(), Some("a-1"), "{text}");
        }
        for text in
            ["", "{", r#"{"request_id": "#, r#"{"request_id": "a"#, r#"{"parent_id": "a"}"#, "{'id': None}", "an id: "]
        {
            assert_eq!(salvaged(text), None, "{text}");
        }
    }
}
