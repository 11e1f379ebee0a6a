//! Finds secrets in any encoding in which a service may echo them, and masks them. No I/O.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::Error;
use crate::event::{Event, Events};
use crate::saved_file::Download;

/// Replaces a secret.
pub(crate) const MARK: &str = "***";
const QUOTED_MARK: &str = "\"***\"";

/// Shorter secrets may be part of ordinary words, so they are masked only as whole words.
const MIN_STRONG: usize = 6;
/// Longer numbers are masked everywhere; shorter ones may be dates.
const MIN_STRONG_DIGITS: usize = 9;
/// Field names and status values consist of letters and underscores, so a shorter name counts as a word.
const MIN_STRONG_LETTERS: usize = 20;
/// Least length of a truncated secret that is masked at a cut.
const MIN_TRUNCATED: usize = 8;
/// Links to remember. Without its original, a link is requested again.
const MAX_LINKS: usize = 4096;

/// A string whose `Debug` output is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Longest first.
    needles: Vec<Needle>,
    /// From each masked link to its original.
    links: Mutex<HashMap<String, Secret>>,
}

struct Needle {
    /// Without escapes, in lower case.
    text: Vec<u8>,
    strength: Strength,
}

/// Where a secret is masked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// Only as a whole word.
    Word,
    /// Only where it is not part of a longer number, an ID or a URL.
    Number,
    Strong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A response body that must stay parsable: whole JSON strings may be IDs or statuses.
    Body,
    /// JSON outside of strings: only a whole number may be replaced, and by a string.
    Bare,
    /// Text for people.
    Text,
}

/// Tracks whether a position in JSON is inside a string.
#[derive(Default)]
struct Strings {
    is_inside: bool,
    is_escaped: bool,
}

impl Strings {
    fn pass(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_inside,
                b'"' => self.is_inside = !self.is_inside,
                _ => {}
            }
        }
    }
}

impl Secrets {
    /// Empty texts, short numbers, `true`, `false` and `null` are not secrets.
    pub(crate) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles: Vec<Needle> = texts.into_iter().filter_map(Needle::new).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
        needles.dedup_by(|one, other| one.text == other.text);
        Self(Arc::new(Shared { needles, links: Mutex::default() }))
    }

    /// The masked body, or `None` if it contains no secret.
    pub(crate) fn hidden_in_body(&self, body: &[u8]) -> Option<Bytes> {
        self.replaced(body, Place::Body).map(Bytes::from)
    }

    /// The masked text.
    pub(crate) fn hidden_in(&self, text: String) -> String {
        match self.replaced(text.as_bytes(), Place::Text) {
            Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
            None => text,
        }
    }

    /// Whether `id` contains a secret, so that it cannot be a job ID.
    pub(crate) fn is_in(&self, id: &str) -> bool {
        let at = |start| {
            let is_strong = |needle: &Needle| needle.strength == Strength::Strong;
            self.0.needles.iter().any(|needle| is_strong(needle) && needle.whole(id.as_bytes(), start).is_some())
        };
        (0..id.len()).any(at)
    }

    pub(crate) fn hidden_in_error(&self, mut error: Error) -> Error {
        let hide = |text: &mut String| *text = self.hidden_in(std::mem::take(text));
        match &mut error {
            Error::Configuration(message)
            | Error::InvalidRequest { message, .. }
            | Error::SubmitUnknown { message, .. } => hide(message),
            Error::NotSubmitted(error) => hide(&mut error.message),
            Error::Api(error) => {
                hide(&mut error.message);
                hide(&mut error.body);
                error.code.iter_mut().for_each(hide);
            }
            Error::ConnectionFailed(error) | Error::RequestTimeout(error) => hide(&mut error.message),
            Error::InvalidResponse { message, body, .. } => {
                hide(message);
                hide(body);
            }
            Error::Download(error) => hide(&mut error.message),
            Error::Journal(error) => hide(&mut error.message),
            // Their jobs come from bodies that are masked already.
            Error::JobFailed(_) | Error::JobExpired(_) | Error::JobBlocked(_) | Error::WaitTimeout { .. } => {}
        }
        error
    }

    /// Masks the content type, which the file server chose.
    pub(crate) fn hidden_in_download(&self, file: Download) -> Download {
        Download { content_type: file.content_type.map(|kind| self.hidden_in(kind)), ..file }
    }

    pub(crate) fn hidden_in_events(&self, events: Events) -> Events {
        let secrets = self.clone();
        events.map(move |event| match event {
            Event::Request { method, path, status_code, elapsed } => {
                Event::Request { method, path: secrets.hidden_in(path), status_code, elapsed }
            }
            Event::Retry { path, attempt, delay, reason } => {
                Event::Retry { path: secrets.hidden_in(path), attempt, delay, reason: secrets.hidden_in(reason) }
            }
            event => event,
        })
    }

    // ---- links --------------------------------------------------------------------------------

    /// Remembers the original of a masked link, to follow it when the masked link comes back.
    pub(crate) fn remember_link(&self, shown: &str, link: &str) {
        let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MAX_LINKS {
            links.clear();
        }
        links.insert(shown.to_owned(), Secret::new(link));
    }

    /// The original of the masked link `shown`.
    pub(crate) fn link<'a>(&self, shown: &'a str) -> Cow<'a, str> {
        if !shown.contains(MARK) {
            return Cow::Borrowed(shown);
        }
        let links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(shown).map_or(Cow::Borrowed(shown), |link| Cow::Owned(link.reveal().to_owned()))
    }

    /// Whether the original of a masked link is unknown here.
    pub(crate) fn is_link_lost(&self, shown: &str) -> bool {
        self.link(shown).contains(MARK)
    }

    // ---- searching ----------------------------------------------------------------------------

    fn replaced(&self, text: &[u8], place: Place) -> Option<Vec<u8>> {
        let mut clean: Option<Vec<u8>> = None;
        let has_numbers = self.0.needles.iter().any(Needle::is_in_numbers);
        let is_json = has_numbers && place == Place::Body && serde_json::from_slice::<IgnoredAny>(text).is_ok();
        let mut strings = Strings::default();
        let (mut at, mut copied) = (0, 0);
        while at < text.len() {
            let place = if is_json && !strings.is_inside { Place::Bare } else { place };
            let Some(found) = self.secret_at(text, at, place) else {
                let next = at + step(&text[at..]);
                strings.pass(&text[at..next]);
                at = next;
                continue;
            };
            let clean = clean.get_or_insert_default();
            clean.extend_from_slice(&text[copied..found.start]);
            let mark = if place == Place::Bare { QUOTED_MARK } else { MARK };
            clean.extend_from_slice(mark.as_bytes());
            strings.pass(&text[found.clone()]);
            (at, copied) = (found.end, found.end);
        }
        if let Some(clean) = &mut clean {
            clean.extend_from_slice(&text[copied..]);
        }
        clean
    }

    fn secret_at(&self, text: &[u8], at: usize, place: Place) -> Option<Range<usize>> {
        self.0.needles.iter().find_map(|needle| {
            let stretch = |length| at..at + length;
            let length = match needle.strength {
                Strength::Word | Strength::Number if place == Place::Bare => return None,
                Strength::Strong if place == Place::Bare && needle.is_in_numbers() => {
                    needle.whole(text, at).filter(|length| is_number(text, stretch(*length)))?
                }
                Strength::Strong => needle.whole(text, at).or_else(|| needle.cut(text, at))?,
                Strength::Number => {
                    needle.whole(text, at).filter(|length| stands_alone(text, stretch(*length), place))?
                }
                Strength::Word => needle.whole(text, at).filter(|length| is_word(text, stretch(*length), place))?,
            };
            Some(stretch(length))
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.needles.len())
    }
}

impl Needle {
    fn new(secret: &str) -> Option<Self> {
        let value = serde_json::from_str(secret);
        let is_word = matches!(value, Ok(Value::Null | Value::Bool(_)));
        let is_number = matches!(value, Ok(Value::Number(_))) || secret.bytes().all(|byte| byte.is_ascii_digit());
        let text = unescaped(secret.as_bytes());
        if text.is_empty() || is_word || is_number && text.len() < MIN_STRONG {
            return None;
        }
        let is_letters = text.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        let is_name = is_letters && (text.len() < MIN_STRONG_LETTERS || text.contains(&b'_'));
        let strength = match text.len() {
            length if length < MIN_STRONG || is_name => Strength::Word,
            length if is_number && length < MIN_STRONG_DIGITS => Strength::Number,
            _ => Strength::Strong,
        };
        Some(Self { text: text.to_ascii_lowercase(), strength })
    }

    /// Whether the secret may be part of a JSON number.
    fn is_in_numbers(&self) -> bool {
        self.text.iter().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(byte))
    }

    /// Length of the text at `at` that spells the whole secret.
    fn whole(&self, text: &[u8], at: usize) -> Option<usize> {
        let (length, found) = self.common(text, at);
        (found == self.text.len()).then_some(length)
    }

    /// Length of the text at `at` that spells the beginning of the secret, directly before the text was cut off.
    fn cut(&self, text: &[u8], at: usize) -> Option<usize> {
        let (length, found) = self.common(text, at);
        let rest = &text[at + length..];
        let is_cut = rest.is_empty() || ["…", "...", "\""].iter().any(|end| rest.starts_with(end.as_bytes()));
        (found >= MIN_TRUNCATED && is_cut).then_some(length)
    }

    /// Length of the text at `at` that agrees with the secret, and how many bytes of the secret it covers.
    fn common(&self, text: &[u8], at: usize) -> (usize, usize) {
        if !self.may_begin_with(text[at]) {
            return (0, 0);
        }
        let (mut length, mut found) = (0, 0);
        while found < self.text.len() && at + length < text.len() {
            let unit = Unit::first(&text[at + length..]);
            let bytes = unit.bytes().to_ascii_lowercase();
            if !self.text[found..].starts_with(&bytes) {
                break;
            }
            length += unit.length;
            found += bytes.len();
        }
        (length, found)
    }

    fn may_begin_with(&self, byte: u8) -> bool {
        matches!(byte, b'\\' | b'%' | b'&') || self.text.first() == Some(&byte.to_ascii_lowercase())
    }
}

/// Never steps into the middle of an escape; replacing from there would break the JSON.
fn step(text: &[u8]) -> usize {
    if text.first() == Some(&b'\\') { Unit::first(text).length } else { 1 }
}

/// Whether a range is a whole word, and not a JSON string that parsing depends on.
fn is_word(text: &[u8], stretch: Range<usize>, place: Place) -> bool {
    let (before, after) = (&text[..stretch.start], &text[stretch.end..]);
    let quoted = before.ends_with(b"\"") && !before.ends_with(b"\\\"") && after.starts_with(b"\"");
    if place == Place::Body && (quoted || text.len() == stretch.len()) {
        return false;
    }
    let begins = before.last().is_none_or(|byte| byte.is_ascii_whitespace() || b"\"'`(".contains(byte));
    let rest = after.iter().position(|byte| !b".,;:!?".contains(byte)).map_or(&[][..], |at| &after[at..]);
    let ends = rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || b"\"'`)\\".contains(byte));
    begins && ends
}

/// Whether a range is not part of a longer number; in a body also not part of an ID or a URL.
fn stands_alone(text: &[u8], stretch: Range<usize>, place: Place) -> bool {
    let (before, after) = (&text[..stretch.start], &text[stretch.end..]);
    let (last, first) = (before.last(), after.first());
    if place == Place::Text {
        return ![last, first].into_iter().flatten().any(u8::is_ascii_digit);
    }
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_/".contains(byte);
    let has_suffix = first == Some(&b'.') && after.get(1).is_some_and(u8::is_ascii_alphanumeric);
    // An escape such as `\n` also ends in a letter.
    let is_escape = before.len() > 1 && before[before.len() - 2] == b'\\';
    (is_escape || !last.is_some_and(joins)) && !first.is_some_and(joins) && !has_suffix
}

/// Whether a range is a whole JSON number.
fn is_number(text: &[u8], stretch: Range<usize>) -> bool {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let (before, after) = (text[..stretch.start].last(), text[stretch.end..].first());
    !before.is_some_and(belongs) && !after.is_some_and(belongs)
}

/// Decodes all escapes.
pub(crate) fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    while !text.is_empty() {
        let unit = Unit::first(text);
        plain.extend_from_slice(unit.bytes());
        text = &text[unit.length..];
    }
    plain
}

/// One character, plain or escaped for JSON, URLs or HTML, also repeatedly.
struct Unit {
    content: [u8; 4],
    count: usize,
    /// Length in the text.
    length: usize,
}

impl Unit {
    /// The first unit of a text, which must not be empty.
    fn first(text: &[u8]) -> Self {
        let escaped = match text.first() {
            Some(b'\\') => Self::after_backslashes(text),
            Some(b'%') => Self::percent(text),
            Some(b'&') => Self::entity(text),
            _ => None,
        };
        escaped.unwrap_or_else(|| Self::byte(text.first().copied().unwrap_or_default(), 1))
    }

    fn bytes(&self) -> &[u8] {
        &self.content[..self.count]
    }

    fn byte(byte: u8, length: usize) -> Self {
        Self { content: [byte, 0, 0, 0], count: 1, length }
    }

    fn character(code: u32, length: usize) -> Self {
        let mut content = [0; 4];
        let count = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut content).len();
        Self { content, count, length }
    }

    /// JSON inside JSON has several backslashes before an escape.
    fn after_backslashes(text: &[u8]) -> Option<Self> {
        let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
        let escaped = &text[slashes..];
        let code = escaped.strip_prefix(b"u").and_then(|digits| hexadecimal(digits.get(..4)?));
        match code {
            Some(code) => Some(Self::character(code, slashes + 5)),
            None => escaped.first().map(|byte| Self::byte(*byte, slashes + 1)),
        }
    }

    fn percent(text: &[u8]) -> Option<Self> {
        let mut at = 1;
        while text[at..].starts_with(b"25")
            && text.get(at + 2..at + 4).is_some_and(|digits| hexadecimal(digits).is_some())
        {
            at += 2;
        }
        let code = hexadecimal(text.get(at..at + 2)?)?;
        u8::try_from(code).ok().map(|byte| Self::byte(byte, at + 2))
    }

    fn entity(text: &[u8]) -> Option<Self> {
        const LONGEST: usize = 10;
        let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
        let name = std::str::from_utf8(&text[1..end]).ok()?;
        let code = match name {
            "amp" => u32::from(b'&'),
            "lt" => u32::from(b'<'),
            "gt" => u32::from(b'>'),
            "quot" => u32::from(b'"'),
            "apos" => u32::from(b'\''),
            _ => match name.strip_prefix('#')? {
                digits if digits.starts_with(['x', 'X']) => u32::from_str_radix(&digits[1..], 16).ok()?,
                digits => digits.parse().ok()?,
            },
        };
        Some(Self::character(code, end + 1))
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-te/st+0123456789";

    fn hidden(key: &str, body: &str) -> String {
        let clean = Secrets::new([key]).hidden_in_body(body.as_bytes());
        clean.map_or_else(|| body.to_owned(), |clean| String::from_utf8(clean.to_vec()).unwrap())
    }

    #[test]
    fn keys_are_masked_in_every_encoding() {
        for (body, shown) in [
            ("bad key sk-te/st+0123456789.", "bad key ***."),
            (r#"{"error":"bad key sk-te\/st+0123456789"}"#, r#"{"error":"bad key ***"}"#),
            (r#"{"error":"\u0073k-te/st+012345678\u0039!"}"#, r#"{"error":"***!"}"#),
            (r#"{"error":"{\"a\":\"\\u0073k-te\\\/st+0123456789\"}"}"#, r#"{"error":"{\"a\":\"***\"}"}"#),
            (r#"{"url":"https://a.b/c?k=sk-te%2Fst%2B0123456789&x"}"#, r#"{"url":"https://a.b/c?k=***&x"}"#),
            ("sk-te%252fst%252B0123456789", "***"),
            ("<p>&#115;k-te&#x2f;st+0123456789</p>", "<p>***</p>"),
            ("SK-TE/ST+0123456789", "***"),
            ("cut: sk-te/st+01…", "cut: ***…"),
            (r#"begins with "sk-te/st+""#, r#"begins with "***""#),
            ("ends with sk-te/st+0123", "ends with ***"),
            ("twice sk-te/st+0123456789sk-te/st+0123456789", "twice ******"),
            (r"{error: sk-te/st+0123456789}", r"{error: ***}"),
            (r#"{"sk-te/st+0123456789": 1}"#, r#"{"***": 1}"#),
        ] {
            assert_eq!(hidden(KEY, body), shown);
        }
    }

    #[test]
    fn text_similar_to_a_key_is_unchanged() {
        for body in ["sk-te/st+ and more", "sk-te/s", r#"{"a":"\n\t\\"}"#, "100%", "a & b &amp; c", "\\", "", "%", "&"]
        {
            assert_eq!(hidden(KEY, body), body);
        }
    }

    #[test]
    fn masked_json_is_valid_json() {
        for body in [
            r#"{"a":"\\sk-te/st+0123456789\\","b":"\nsk-te/st+0123456789\n"}"#,
            r#"{"a":"\\\\u0073k-te/st+0123456789","b":"\"sk-te\\\/st+0123456789\""}"#,
        ] {
            let clean = hidden(KEY, body);
            assert!(serde_json::from_str::<Value>(&clean).is_ok() && !clean.contains("0123"), "{clean}");
        }
        // A line break before the rest of a key that begins with n.
        let clean = hidden("new-key-0123", r#"{"a":"\new-key-0123"}"#);
        assert!(serde_json::from_str::<Value>(&clean).is_ok(), "{clean}");
    }

    #[test]
    fn short_secrets_are_masked_only_as_words() {
        for (key, body) in [
            ("k", r#"{"request_id":"task_k","status":"k","url":"https://k/k.mp4?k=k"}"#),
            ("done", r#"{"status":"done"}"#),
            ("request_id", r#"{"request_id":"a"}"#),
            ("cost_in_usd_ticks", r#"{"usage":{"cost_in_usd_ticks":1}}"#),
            ("true", r#"{"ok": true }"#),
            ("50000000", r#"{"usage": {"cost_in_usd_ticks": 50000000 }}"#),
            ("12345", r#"{"note": "bad key 12345."}"#),
            ("20261126", r#"{"request_id": "job-20261126-a", "url": "https://a.b/20261126/20261126.mp4"}"#),
            ("123456789", r#"{"a": 1123456789, "b": 123456789.5, "c": 123456789e2, "d": -123456789}"#),
            ("abc", "abc"),
        ] {
            assert_eq!(hidden(key, body), body);
        }
        assert_eq!(hidden("k", r#"{"error":"bad key k."}"#), r#"{"error":"bad key ***."}"#);
        assert_eq!(hidden("secret", r#"{"error":"bad key \"secret\""}"#), r#"{"error":"bad key \"***\""}"#);
        assert_eq!(Secrets::new(["secret"]).hidden_in("no \"secret\" here".into()), "no \"***\" here");
    }

    #[test]
    fn numeric_secrets_are_masked() {
        for (secret, body, shown) in [
            ("123456", r#"{"error":"bad key 123456."}"#, r#"{"error":"bad key ***."}"#),
            ("123456", r#"{"error":"a\n123456","b":"123456"}"#, r#"{"error":"a\n***","b":"***"}"#),
            ("20261126", r#"{"b":"k=20261126&x"}"#, r#"{"b":"k=***&x"}"#),
            ("20261126", "bad password 20261126", "bad password ***"),
            ("123456789012345678", "[ERROR] k=x123456789012345678", "[ERROR] k=x***"),
            ("00123456", r#"{"b":"00123456"}"#, r#"{"b":"***"}"#),
            ("123456789012345678", r#"{"b":"task-123456789012345678x"}"#, r#"{"b":"task-***x"}"#),
            ("123456789012345678", r#"{"b":"\u0031%323456789012345678"}"#, r#"{"b":"***"}"#),
            ("1234567890123", r#"{"b": [1234567890123,1]}"#, r#"{"b": ["***",1]}"#),
            ("1234567890123", r#"{"b\\":1234567890123}"#, r#"{"b\\":"***"}"#),
            ("1234567.5e10", r#"{"b":1234567.5E10}"#, r#"{"b":"***"}"#),
        ] {
            assert_eq!(hidden(secret, body), shown);
        }
        let secrets = Secrets::new(["20261126"]);
        assert_eq!(secrets.hidden_in("https://a/20261126.mp4, 120261126".into()), "https://a/***.mp4, 120261126");
        assert!(!secrets.is_in("job-20261126"));
    }

    #[test]
    fn long_alphabetic_secrets_are_masked() {
        assert_eq!(hidden("abcdefghijKLMNOPqrst", "k=abcdefghijKLMNOPqrst"), "k=***");
    }

    #[test]
    fn the_longest_secret_is_masked_first() {
        let secrets = Secrets::new(["token-0123", "Bearer token-0123"]);
        assert_eq!(secrets.hidden_in("a Bearer token-0123, a token-0123".into()), "a ***, a ***");
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }

    #[test]
    fn ids_containing_a_secret_are_detected() {
        let secrets = Secrets::new([KEY, "k"]);
        assert!(secrets.is_in("task-sk-te/st+0123456789") && secrets.is_in(KEY));
        assert!(!secrets.is_in("k") && !secrets.is_in("task-sk-te"));
    }

    #[test]
    fn masked_links_are_restored() {
        let secrets = Secrets::new([KEY]);
        secrets.remember_link("https://a/***", "https://a/key");
        assert_eq!(secrets.link("https://a/***"), "https://a/key");
        assert!(!secrets.is_link_lost("https://a/***") && secrets.is_link_lost("https://b/***"));
        assert!(!secrets.is_link_lost("https://b/"));
    }
}
