//! Lenient JSON parsing. Strict JSON is unchanged; the rest is repaired where its meaning is clear.
//!
//! Repairs a byte-order mark, Windows-1252, raw control characters, lone surrogates, `NaN`, numbers out of range,
//! trailing commas, text after the end, and nesting that is too deep. Skips lines before an object that extends to the
//! end, and reads the first object of server-sent events. A body cut at the size limit is read up to its last complete
//! member; a body that ends early without being cut is not JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// Open containers; the limit of the strict parser.
const MAX_DEPTH: usize = 127;
/// Lines that are tried as the beginning of an object.
const MAX_STARTS: usize = 32;

/// How a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The text is complete.
    Whole,
    /// The body continues after the text.
    Cut,
}

/// A JSON value and its text, which is valid JSON.
#[derive(Debug)]
pub(super) struct Json<'a> {
    pub(super) value: Value,
    pub(super) text: Cow<'a, str>,
}

/// Parses `body`, repairing it if needed; an error is the strict parser's.
pub(super) fn parse(body: &[u8], ending: Ending) -> serde_json::Result<Json<'_>> {
    let text = decode(body);
    let error = match serde_json::from_str(&text) {
        Ok(value) => return Ok(Json { value, text }),
        Err(error) => error,
    };
    let text = repair(&text, ending).or_else(|| object_after_lines(&text, ending)).ok_or(error)?;
    Ok(Json { value: serde_json::from_str(&text)?, text: text.into() })
}

/// Whether `body` is a complete object or array.
pub(super) fn is_whole(body: &[u8]) -> bool {
    parse(body, Ending::Whole).is_ok_and(|json| json.value.is_object() || json.value.is_array())
}

/// The object at the end of an HTML page, as valid JSON.
pub(super) fn object_after_page(body: &[u8]) -> Option<String> {
    object_behind(&decode(body), Ending::Whole)
}

/// The object after lines that are not JSON.
fn object_after_lines(text: &str, ending: Ending) -> Option<String> {
    // The members of a damaged object are not searched, and a page is not a response.
    let is_other = text.trim_start().starts_with(['{', '[', '"', '<']);
    if is_other { None } else { object_behind(text, ending) }
}

fn object_behind(text: &str, ending: Ending) -> Option<String> {
    lines(text).filter_map(|(line, rest)| start(line, rest)).take(MAX_STARTS).find_map(|(start, is_event)| {
        let (json, rest) = repaired(start, ending)?;
        let is_last = rest.trim_matches(|c: char| c.is_whitespace() || c == '\0').is_empty();
        (is_last || is_event).then_some(json)
    })
}

/// Each line, with the text that starts at it.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let rest = &text[at..];
        at += line.len();
        (line, rest)
    })
}

/// The text of an object that starts in a line, and whether it is a server-sent event, which ends with its line.
fn start<'a>(line: &'a str, rest: &'a str) -> Option<(&'a str, bool)> {
    // Prefixes that keep browsers from running a response as a script.
    const GUARDS: [&str; 3] = [")]}'", "while(1);", "for(;;);"];
    let (line, rest) = (line.trim_start(), rest.trim_start());
    let (text, is_event) = match line.strip_prefix("data:") {
        Some(event) => (event, true),
        None => (GUARDS.iter().find_map(|guard| rest.strip_prefix(guard)).unwrap_or(rest), false),
    };
    let text = text.trim_start_matches([' ', '\t', ',']);
    text.starts_with('{').then_some((text, is_event))
}

/// Decodes a body that is UTF-8, or nearly so.
pub(super) fn decode(body: &[u8]) -> Cow<'_, str> {
    utf8(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// Decodes a UTF-16 body.
pub(super) fn utf16(body: &[u8]) -> Option<String> {
    let little: fn([u8; 2]) -> u16 = u16::from_le_bytes;
    let big: fn([u8; 2]) -> u16 = u16::from_be_bytes;
    let (rest, unit) = match body {
        [0xff, 0xfe, rest @ ..] => (rest, little),
        [0xfe, 0xff, rest @ ..] => (rest, big),
        [b'{' | b'[' | b'<', 0, ..] => (body, little),
        [0, b'{' | b'[' | b'<', ..] => (body, big),
        _ => return None,
    };
    let units = rest.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// Decodes UTF-8, reading single invalid bytes as Windows-1252.
fn utf8(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len() + body.len() / 4);
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| windows_1252(byte)));
    }
    Cow::Owned(text)
}

fn windows_1252(byte: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let at = usize::from(byte).checked_sub(0x80);
    at.and_then(|at| FROM_0X80.get(at).copied()).unwrap_or(char::from(byte))
}

/// `text` as valid JSON, unchanged if it is valid already; `None` if it is not JSON.
fn repair(text: &str, ending: Ending) -> Option<String> {
    repaired(text, ending).map(|(json, _)| json)
}

/// As [`repair`], with the text that follows the value.
fn repaired(text: &str, ending: Ending) -> Option<(String, &str)> {
    Repair { rest: text, out: String::with_capacity(text.len()), open: Vec::new(), complete: Vec::new() }.run(ending)
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    FirstItem,
    Item,
    FirstKey,
    Key,
    Colon,
    /// After a value.
    Next,
}

/// Why parsing stopped.
enum ParseStop {
    /// End of the text.
    End,
    /// Not JSON.
    NotJson,
}

struct Repair<'a> {
    rest: &'a str,
    out: String,
    /// The closing byte of each open container.
    open: Vec<u8>,
    /// For each container that is written, where its last complete member ends in `out`. Containers nested too deeply
    /// are not written.
    complete: Vec<usize>,
}

impl<'a> Repair<'a> {
    fn run(mut self, ending: Ending) -> Option<(String, &'a str)> {
        let mut expect = Expect::Value;
        loop {
            match self.step(expect) {
                Ok(Expect::Next) if self.open.is_empty() => return self.finish(),
                Ok(next) => expect = next,
                Err(ParseStop::End) if ending == Ending::Cut => return Some((self.finish_cut()?, "")),
                Err(_) => return None,
            }
        }
    }

    fn step(&mut self, expect: Expect) -> Result<Expect, ParseStop> {
        use Expect::{Colon, FirstItem, FirstKey, Item, Key, Next, Value};
        self.blanks();
        let next = self.rest.bytes().next().ok_or(ParseStop::End)?;
        match (expect, next) {
            (Value | FirstItem | Item, b'{') => Ok(self.enter("{", b'}', FirstKey)),
            (Value | FirstItem | Item, b'[') => Ok(self.enter("[", b']', FirstItem)),
            (FirstItem | FirstKey, _) if self.closes(next) => Ok(self.leave()),
            (Item | Key, _) if self.closes(next) => {
                self.drop_comma();
                Ok(self.leave())
            }
            (Value | FirstItem | Item, b'"') => self.string().map(|()| self.completed()),
            (Value | FirstItem | Item, _) => self.scalar().map(|()| self.completed()),
            (FirstKey | Key, b'"') => self.string().map(|()| Colon),
            (Colon, b':') => {
                self.copy(1);
                Ok(Value)
            }
            (Next, b',') => {
                self.copy(1);
                Ok(if self.closes(b'}') { Key } else { Item })
            }
            (Next, _) if self.closes(next) => Ok(self.leave()),
            _ => Err(ParseStop::NotJson),
        }
    }

    // ---- containers ---------------------------------------------------------------------------

    fn is_muted(&self) -> bool {
        self.open.len() > self.complete.len()
    }

    fn closes(&self, byte: u8) -> bool {
        self.open.last() == Some(&byte)
    }

    fn enter(&mut self, bracket: &str, closer: u8, then: Expect) -> Expect {
        self.skip(1);
        if !self.is_muted() {
            if self.open.len() < MAX_DEPTH {
                self.out.push_str(bracket);
                self.complete.push(self.out.len());
            } else {
                self.out.push_str("null");
            }
        }
        self.open.push(closer);
        then
    }

    fn leave(&mut self) -> Expect {
        if self.is_muted() {
            self.skip(1);
        } else {
            self.copy(1);
            self.complete.pop();
        }
        self.open.pop();
        self.completed()
    }

    fn drop_comma(&mut self) {
        if !self.is_muted() {
            self.out.truncate(self.complete.last().copied().unwrap_or_default());
        }
    }

    /// Marks a value as complete.
    fn completed(&mut self) -> Expect {
        if !self.is_muted()
            && let Some(end) = self.complete.last_mut()
        {
            *end = self.out.len();
        }
        Expect::Next
    }

    /// Ends after the outermost value. What follows is dropped.
    fn finish(mut self) -> Option<(String, &'a str)> {
        self.blanks();
        let is_container = self.out.trim_ascii_end().ends_with(['}', ']']);
        (self.rest.is_empty() || is_container).then_some((self.out, self.rest))
    }

    /// Ends in the middle of a cut text: keeps the complete members and closes the containers.
    fn finish_cut(mut self) -> Option<String> {
        self.out.truncate(*self.complete.last()?);
        self.open.truncate(self.complete.len());
        self.out.extend(self.open.iter().rev().map(|&closer| char::from(closer)));
        Some(self.out)
    }

    // ---- text ---------------------------------------------------------------------------------

    fn emit(&mut self, text: &str) {
        if !self.is_muted() {
            self.out.push_str(text);
        }
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }

    fn copy(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.emit(text);
        self.rest = rest;
    }

    /// Copies JSON whitespace and drops any other.
    fn blanks(&mut self) {
        while let Some(next) = self.rest.chars().next() {
            match next {
                ' ' | '\t' | '\n' | '\r' => self.copy(1),
                '\u{feff}' => self.skip(next.len_utf8()),
                _ if next.is_whitespace() => self.skip(next.len_utf8()),
                _ => return,
            }
        }
    }

    fn string(&mut self) -> Result<(), ParseStop> {
        self.copy(1);
        loop {
            let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
            let length = self.rest.bytes().position(special).ok_or(ParseStop::End)?;
            self.copy(length);
            match self.rest.as_bytes() {
                [b'"', ..] => {
                    self.copy(1);
                    return Ok(());
                }
                [b'\\', ..] => self.escape()?,
                [control, ..] => {
                    let escaped = escaped(*control);
                    self.emit(&escaped);
                    self.skip(1);
                }
                [] => return Err(ParseStop::End),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ParseStop> {
        match self.rest.as_bytes() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.copy(2),
            [_, b'u', ..] => return self.unicode(),
            [_] => return Err(ParseStop::End),
            // Not a JSON escape: keep the backslash as a character.
            _ => {
                self.emit("\\\\");
                self.skip(1);
            }
        }
        Ok(())
    }

    /// `\uXXXX`, with the second half of a surrogate pair.
    fn unicode(&mut self) -> Result<(), ParseStop> {
        const MARK: usize = "\\u".len();
        const ESCAPE: usize = MARK + 4;
        match (code_unit(self.rest), self.rest.get(ESCAPE..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => self.copy(2 * ESCAPE),
            (Some(0xd800..=0xdfff), _) => {
                self.emit("\\ufffd");
                self.skip(ESCAPE);
            }
            (Some(_), _) => self.copy(ESCAPE),
            (None, _) if self.rest[MARK..].bytes().all(|byte| byte.is_ascii_hexdigit()) => return Err(ParseStop::End),
            (None, _) => {
                self.emit("\\ufffd");
                self.skip(MARK);
            }
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), ParseStop> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if length == self.rest.len() && !self.open.is_empty() {
            // The token may continue after the cut.
            return Err(ParseStop::End);
        }
        let token = &self.rest[..length];
        if is_literal(token) || is_number(token) {
            self.copy(length);
            return Ok(());
        }
        if !is_like_number(token) {
            return Err(ParseStop::NotJson);
        }
        self.emit("null");
        self.skip(length);
        Ok(())
    }
}

/// The code unit of a leading `\uXXXX`.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

fn escaped(control: u8) -> String {
    match control {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        _ => {
            let mut escaped = String::new();
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{control:04x}");
            escaped
        }
    }
}

fn is_literal(token: &str) -> bool {
    matches!(token, "true" | "false" | "null")
}

/// Whether the strict parser accepts the token as a number.
fn is_number(token: &str) -> bool {
    serde_json::from_str::<f64>(token).is_ok()
}

/// Whether the token stands for a number that JSON cannot represent.
fn is_like_number(token: &str) -> bool {
    let word = token.trim_start_matches(['+', '-']).to_ascii_lowercase();
    matches!(word.as_str(), "nan" | "inf" | "infinity" | "undefined")
        || word.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(body: impl AsRef<[u8]>) -> Value {
        let body = body.as_ref();
        let shown = String::from_utf8_lossy(body);
        let json = parse(body, Ending::Whole).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(serde_json::from_str::<Value>(&json.text).unwrap(), json.value, "{shown}");
        json.value
    }

    #[test]
    fn lenient_json_is_repaired() {
        assert_eq!(read(b"\xef\xbb\xbf{\"id\": \"a\"}"), json!({"id": "a"}));
        assert_eq!(read(b"{\"p\": \"caf\xe9 \x80 \xc3\xa9\"}"), json!({"p": "café € é"}));
        let table = [
            (
                r#"{"a": NaN, "b": [Infinity, -Infinity, 1e999, -1e999, 5]}"#,
                r#"{"a": null, "b": [null, null, null, null, 5]}"#,
            ),
            (
                r#"{"a": nan, "b": +1, "c": .5, "d": 007, "e": undefined}"#,
                r#"{"a": null, "b": null, "c": null, "d": null, "e": null}"#,
            ),
            ("{\"a\": \"x\ny\tz\r\u{1}\"}", r#"{"a": "x\ny\tz\r\u0001"}"#),
            ("{\"a\n\": 1}", r#"{"a\n": 1}"#),
            (r#"{"a": "cat \ud83d", "b": "\ude00\ud83d\ude00"}"#, r#"{"a": "cat \ufffd", "b": "\ufffd\ud83d\ude00"}"#),
            (r#"{"a": "\ud83d\u0041 \u12 \uZZZZ"}"#, r#"{"a": "\ufffdA \ufffd12 \ufffdZZZZ"}"#),
            (r#"{"a": "C:\path \'x\'"}"#, r#"{"a": "C:\\path \\'x\\'"}"#),
            (r#"{"a": [1, 2, ], "b": {"c": 3,}, }"#, r#"{"a": [1, 2], "b": {"c": 3}}"#),
            ("{\"id\": \"a\"}\n<script>", r#"{"id": "a"}"#),
            (r#"{"id": "a"}{"id": "b"}"#, r#"{"id": "a"}"#),
            ("\u{a0}{\u{2028}\"id\": \"a\"}\0\0", r#"{"id": "a"}"#),
            ("[1, NaN]", "[1, null]"),
            ("NaN", "null"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), serde_json::from_str::<Value>(expected).unwrap(), "{text}");
        }
        let long = format!(r#"{{"id": "a", "n": {}}}"#, "9".repeat(400));
        assert_eq!(read(long), json!({"id": "a", "n": null}));
    }

    #[test]
    fn an_object_after_other_lines_is_found() {
        for text in [
            "data: {\"id\": \"a\"}\n\n",
            "event: job\ndata:{\"id\": \"a\"}\n\ndata: [DONE]\n",
            ": ping\n\ndata: {\"id\": \"a\",}\r\n\r\ndata: {\"id\": \"b\"}\n",
            ")]}'\n{\"id\": \"a\"}",
            ")]}',\n{\"id\": \"a\"}\n",
            ")]}'{\"id\": \"a\"}",
            "while(1);{\"id\": \"a\"}",
            "Warning: x in {main} on line 3\n{main}\n{\"id\": \"a\"}\0",
            "\nWarning: x\n{\n  \"id\": \"a\"\n}\n",
        ] {
            assert_eq!(read(text), json!({"id": "a"}), "{text}");
        }
        for text in [
            "no such job {\"id\": \"a\"}",
            "Warning\n{\"id\": \"a\"}\nFatal error",
            "Warning\n{\"id\": \"a\"",
            "{'x':\n{\"id\": \"a\"}",
            "<br />\n{\"id\": \"a\"}",
            "data: [DONE]",
        ] {
            assert!(parse(text.as_bytes(), Ending::Whole).is_err(), "{text}");
        }
        assert_eq!(parse(b"data: {\"id\": \"a\", \"x", Ending::Cut).unwrap().value, json!({"id": "a"}));
        assert_eq!(object_after_page(b"<br />\n{\"id\": \"a\"}").as_deref(), Some("{\"id\": \"a\"}"));
        assert_eq!(object_after_page(b"<script>\n{\"id\": \"a\"}\n</script>"), None);
    }

    #[test]
    fn deep_nesting_is_dropped() {
        let nested =
            |depth: usize| format!(r#"{{"id": "a", "x": {}{}, "y": 1}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in [126, 127, 128, 10_000, 100_000] {
            let value = read(nested(depth));
            assert_eq!((&value["id"], &value["y"]), (&json!("a"), &json!(1)), "{depth}");
        }
        assert_eq!(parse(nested(126).as_bytes(), Ending::Whole).unwrap().text, nested(126));
        let deep_object = format!(r#"{{"id": "a", "x": {}1{}}}"#, r#"{"b":"#.repeat(300), "}".repeat(300));
        assert_eq!(read(deep_object)["id"], "a");
    }

    #[test]
    fn truncated_json_is_rejected() {
        for text in [
            "",
            " ",
            "{",
            "{\"a\"",
            "{\"a\": ",
            "{\"a\": \"x",
            "{\"a\": 1",
            "{\"a\": 1,",
            "[1, 2",
            "\"a",
            "{\"a\": \"\\",
        ] {
            assert!(parse(text.as_bytes(), Ending::Whole).is_err(), "{text}");
        }
        for text in [
            "<html>",
            "done",
            "upstream connect error",
            "{'a': 1}",
            "{a: 1}",
            "{\"a\" 1}",
            "{\"a\": x}",
            "5 6",
            "\"a\" b",
            "{]",
            "[}",
        ] {
            assert!(parse(text.as_bytes(), Ending::Whole).is_err(), "{text}");
            assert!(parse(text.as_bytes(), Ending::Cut).is_err(), "{text}");
        }
    }

    #[test]
    fn json_cut_at_the_size_limit_keeps_complete_members() {
        let table = [
            (r#"{"id": "a", "thumbnail": "AAAA"#, r#"{"id": "a"}"#),
            (r#"{"id": "a", "thumb"#, r#"{"id": "a"}"#),
            (r#"{"id": "a", "cost": 500"#, r#"{"id": "a"}"#),
            (r#"{"id": "a", "deep": {"x": 1, "y": "AA"#, r#"{"id": "a", "deep": {"x": 1}}"#),
            (r#"{"id": "a", "list": [1, [2, 3"#, r#"{"id": "a", "list": [1, [2]]}"#),
            (r#"{"id": "a", "b": "\ud83"#, r#"{"id": "a"}"#),
            (r#"{"id": "a\"#, "{}"),
        ];
        for (text, expected) in table {
            let json = parse(text.as_bytes(), Ending::Cut).unwrap();
            assert_eq!(json.value, serde_json::from_str::<Value>(expected).unwrap(), "{text}");
        }
        let deep = format!(r#"{{"id": "a", "x": {}"#, "[".repeat(500));
        assert_eq!(parse(deep.as_bytes(), Ending::Cut).unwrap().value["id"], "a");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn valid_json_is_unchanged(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            prop_assert_eq!(repair(&text, Ending::Whole), Some(text));
        }

        #[test]
        fn output_is_valid_json(body in prop::collection::vec(any::<u8>(), 0..60)) {
            for ending in [Ending::Whole, Ending::Cut] {
                if let Ok(json) = parse(&body, ending) {
                    prop_assert!(serde_json::from_str::<Value>(&json.text).is_ok());
                }
            }
        }

        #[test]
        fn mutated_json_never_becomes_invalid_json(
            value in any_json(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), r#"[\\"{}\[\],:0-9eE+.\-\x00-\x1fuNaI]{0,3}"#), 1..6),
        ) {
            let mut text: Vec<char> = value.to_string().chars().collect();
            for (at, with) in changes {
                let at = at.index(text.len() + 1);
                text.splice(at..(at + 1).min(text.len()), with.chars());
            }
            let text: String = text.into_iter().collect();
            for ending in [Ending::Whole, Ending::Cut] {
                if let Some(repaired) = repair(&text, ending) {
                    let strict = serde_json::from_str::<Value>(&repaired);
                    prop_assert!(strict.is_ok(), "{} became {}: {:?}", text, repaired, strict);
                }
            }
        }

        #[test]
        fn cut_json_keeps_the_values_of_its_members(value in any_json(), at in any::<prop::sample::Index>()) {
            let text = json!({"id": "a", "x": value}).to_string();
            let at = at.index(text.len() + 1);
            let end = (0..=at).rev().find(|end| text.is_char_boundary(*end)).unwrap();
            if let Ok(part) = parse(&text.as_bytes()[..end], Ending::Cut) {
                let id = part.value.get("id");
                prop_assert!(id.is_none() || id == Some(&json!("a")));
            }
        }
    }
}
