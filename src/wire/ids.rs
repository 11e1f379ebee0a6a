//! The ids by which an answer names a job.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::job::check_request_id;
use crate::secrets::MARK;

/// The names an id goes by, the most trusted first.
pub(super) const FIELDS: [&str; 3] = ["request_id", "id", "task_id"];
/// The objects that hold an id where the outermost does not.
const INNER: [&str; 6] = ["data", "response", "result", "output", "job", "task"];

/// Fields with their values as they are written: a number may be longer than any type holds.
type Fields<'a> = HashMap<String, &'a RawValue>;

/// The ids in an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    /// Those that can be used, the most trusted first; all distinct.
    pub(super) usable: Vec<String>,
    /// The first one that cannot be used.
    pub(super) refused: Option<String>,
}

/// Reads the ids of an answer, whose text is valid JSON.
pub(super) fn read(text: &str) -> Ids {
    let Some(fields) = fields(text).or_else(|| only(text)) else { return Ids::default() };
    let inner = INNER.into_iter().filter_map(|name| fields.get(name)).flat_map(|value| inner(value));
    let named: Vec<String> = of(&fields).chain(inner).collect();
    let mut ids = Ids::default();
    // Beside an id in words, a number is mostly the row of some table.
    let (words, numbers): (Vec<_>, Vec<_>) = named.into_iter().partition(|value| value.starts_with('"'));
    for value in words.iter().chain(&numbers) {
        ids.add(value);
    }
    ids
}

impl Ids {
    fn add(&mut self, value: &str) {
        let Some(id) = id(value) else { return };
        // What holds a secret cannot be shown, and is no id that a service would give.
        if check_request_id(&id).is_err() || id.contains(MARK) {
            self.refused.get_or_insert(id);
        } else if !self.usable.contains(&id) {
            self.usable.push(id);
        }
    }
}

fn fields(text: &str) -> Option<Fields<'_>> {
    serde_json::from_str(text).ok()
}

/// The values of the fields that hold ids.
fn of<'a>(fields: &Fields<'a>) -> impl Iterator<Item = String> + use<'a> {
    let values: Vec<String> = FIELDS.iter().filter_map(|name| Some(fields.get(*name)?.get().to_owned())).collect();
    values.into_iter()
}

/// The ids in an inner value: an object, a list of one, or an id by itself.
fn inner(value: &RawValue) -> Vec<String> {
    let text = value.get();
    fields(text).or_else(|| only(text)).map_or_else(|| vec![text.to_owned()], |fields| of(&fields).collect())
}

/// The fields of the only object in a list.
fn only(text: &str) -> Option<Fields<'_>> {
    let [only] = serde_json::from_str::<[&RawValue; 1]>(text).ok()?;
    fields(only.get())
}

/// A value as an id: a string, or a whole number above 0 with all its digits.
fn id(value: &str) -> Option<String> {
    if value.starts_with('"') {
        let id = serde_json::from_str::<String>(value).ok()?;
        return Some(id.trim().to_owned()).filter(|id| !id.is_empty());
    }
    let is_whole = value.bytes().all(|digit| digit.is_ascii_digit());
    (is_whole && value != "0").then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(text: &str) -> Vec<String> {
        read(text).usable
    }

    #[test]
    fn ids_are_found_where_services_put_them() {
        let table: [(&str, &[&str]); 17] = [
            (r#"{"request_id": "a"}"#, &["a"]),
            (r#"{"request_id": "a", "id": "b", "task_id": "c"}"#, &["a", "b", "c"]),
            (r#"{"request_id": "a", "id": "a"}"#, &["a"]),
            (r#"{"id": "a", "data": {"task_id": "b"}}"#, &["a", "b"]),
            (r#"{"data": "a"}"#, &["a"]),
            (r#"{"data": 7}"#, &["7"]),
            (r#"{"data": [{"task_id": "a"}]}"#, &["a"]),
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
        ];
        for (text, ids) in table {
            assert_eq!(usable(text), ids, "{text}");
        }
        for none in
            ["{}", "[]", "5", r#"{"id": 0}"#, r#"{"id": -5}"#, r#"{"id": 1.5}"#, r#"{"id": 1e5}"#, r#"{"id": true}"#]
        {
            assert_eq!(read(none), Ids::default(), "{none}");
        }
    }

    #[test]
    fn an_id_that_cannot_be_used_is_remembered() {
        let ids = read(r#"{"request_id": "", "id": "../x", "task_id": "a"}"#);
        assert_eq!((ids.usable, ids.refused.as_deref()), (vec!["a".to_owned()], Some("../x")));
        assert_eq!(read(r#"{"id": "a/b"}"#), Ids { usable: vec![], refused: Some("a/b".into()) });
    }
}
