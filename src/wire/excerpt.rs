//! What of a foreign text may be shown: no query strings, no keys, no payloads, nothing that steers a terminal.

use crate::error::{shorten, steers};

/// How much of a body an error keeps, in characters.
const BODY_LIMIT: usize = 300;
/// How much of a text is looked at; what is shown is far shorter.
const READ_LIMIT: usize = 64 * 1024;
/// The longest type that a data URI is believed to have.
const DATA_TYPE_LIMIT: usize = 100;
/// How the keys of the known services begin.
const KEY_PREFIXES: [&str; 2] = ["sk-", "xai-"];
/// Shorter than any key; names such as `xai-video-1` stay readable.
const KEY_MINIMUM: usize = 20;

/// The beginning of a body, fit to be shown.
pub(super) fn excerpt(body: &[u8]) -> String {
    let start = &body[..body.len().min(READ_LIMIT)];
    clean(&String::from_utf8_lossy(start), BODY_LIMIT)
}

/// The beginning of `text`, at most `limit` characters, fit to be shown.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let end = text.char_indices().nth(READ_LIMIT).map_or(text.len(), |(at, _)| at);
    // In this order: a control character made a space would end a query string too early.
    shorten(&harmless(&redact(&text[..end])), limit)
}

/// Control and invisible characters made spaces, and runs of spaces one.
fn harmless(text: &str) -> String {
    let visible: String = text.chars().map(|c| if steers(c) { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A stretch of text that is not shown as it is.
struct Hidden<'a> {
    /// What of its beginning may be shown.
    shown: &'a str,
    /// What stands for the rest.
    mark: &'static str,
    /// How long it is in all.
    length: usize,
}

/// The text without query strings, user names in addresses, payloads of data URIs, and keys.
pub(super) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_word = false;
    while let Some(next) = rest.chars().next() {
        if let Some(hidden) = hidden(rest, in_word) {
            shown.push_str(hidden.shown);
            shown.push_str(hidden.mark);
            rest = &rest[hidden.length..];
        } else {
            shown.push(next);
            rest = &rest[next.len_utf8()..];
        }
        in_word = next.is_alphanumeric();
    }
    shown
}

/// The secret that `rest` begins with.
fn hidden(rest: &str, in_word: bool) -> Option<Hidden<'_>> {
    match rest.as_bytes().first()? {
        b'?' | b'%' | b'&' | b'\\' => query(rest),
        b':' => user(rest),
        b'd' | b'D' if !in_word => data(rest),
        b's' | b'x' if !in_word => key(rest),
        _ => None,
    }
}

/// A query string, or what is left of one, also as JSON escapes it.
fn query(rest: &str) -> Option<Hidden<'_>> {
    let begins = |mark: &str| rest.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    let all = |length| Hidden { shown: "", mark: "", length };
    if let Some(mark) = ["?", "\\u003f", "%3f"].into_iter().find(|mark| begins(mark)) {
        let run = run(&rest[mark.len()..]);
        return (run > 0).then(|| all(mark.len() + run));
    }
    let mark = ["&", "\\u0026"].into_iter().find(|mark| begins(mark))?;
    let pair = &rest[mark.len()..];
    let name = pair.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.;".contains(byte)).count();
    (name > 0 && pair[name..].starts_with('=')).then(|| all(mark.len() + run(pair)))
}

/// The user part of an address.
fn user(rest: &str) -> Option<Hidden<'_>> {
    let after = rest.strip_prefix("://")?;
    let authority = &after[..after.find(['/', '?', '#', '"', '\\', '<', ' ']).unwrap_or(after.len())];
    Some(Hidden { shown: "://", mark: "", length: "://".len() + authority.rfind('@')? + 1 })
}

/// A data URI: its type is shown, its payload is not.
fn data(rest: &str) -> Option<Hidden<'_>> {
    const SCHEME: &str = "data:";
    rest.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
    let kind = rest.bytes().skip(SCHEME.len()).take(DATA_TYPE_LIMIT);
    let comma =
        SCHEME.len() + kind.take_while(|byte| byte.is_ascii_alphanumeric() || b"/\\;=+.-".contains(byte)).count();
    let uri = rest[comma..].starts_with(',');
    uri.then(|| Hidden { shown: &rest[..=comma], mark: "…", length: comma + run(&rest[comma..]) })
}

/// A key of a known service.
fn key(rest: &str) -> Option<Hidden<'_>> {
    let prefix = KEY_PREFIXES.into_iter().find(|prefix| rest.starts_with(prefix))?;
    let tail = rest[prefix.len()..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    (tail >= KEY_MINIMUM).then_some(Hidden { shown: prefix, mark: "…", length: prefix.len() + tail })
}

/// How far an address goes on: to the next space, double quote or bracket of a tag.
fn run(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let table = [
            ("see https://a.b/c?X-Amz-Signature=SECRET here", "see https://a.b/c here"),
            (r#"{"url":"https:\/\/a.b\/c?k=1\u0026Signature=SECRET","n":1}"#, r#"{"url":"https:\/\/a.b\/c","n":1}"#),
            (r#"{"url":"https://a.b/c\u003fsig=SECRET"}"#, r#"{"url":"https://a.b/c"}"#),
            ("https://a.b/c%3Fsig%3DSECRET x", "https://a.b/c x"),
            ("/v1/videos/x/content?sig=SE'CRET,", "/v1/videos/x/content"),
            ("a \"broken\"&Signature=SECRET&amp;b=SECRET", "a \"broken\""),
            ("https://a.b/c?sig=SEC\0RET", "https://a.b/c"),
            ("https://me:SECRET@a.b/c", "https://a.b/c"),
            ("image data:image/png;base64,SECRET is bad", "image data:image/png;base64,… is bad"),
            (r#""DATA:image\/png;base64,SECRET","#, r#""DATA:image\/png;base64,…","#),
            ("key xai-SECRETSECRETSECRETSECRET.", "key xai-…."),
            ("key sk-SECRETSECRETSECRETSECRET", "key sk-…"),
        ];
        for (text, shown) in table {
            assert_eq!(clean(text, 300), shown);
        }
    }

    #[test]
    fn ordinary_words_stay() {
        for text in [
            "Why? Because.",
            "really?",
            "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4",
            "100% of it & more",
            "\"data\": {\"a\":1}",
            "wants 5 > 4",
            "metadata:a,b and task-aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(clean(text, 300), text);
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\r\n\tc\u{202e}d\u{9b}e", 300), "a [31mb c d e");
        assert_eq!(excerpt(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(clean("ä".repeat(400).as_str(), 300).chars().count(), 301);
        assert_eq!(excerpt(&vec![b'a'; 3 << 20]).chars().count(), 301);
    }
}
