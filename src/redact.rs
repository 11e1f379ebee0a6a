//! What may be shown of foreign text: no query strings, no keys, no payloads, no terminal control sequences.

/// Characters of a response body that an error keeps.
const BODY_LIMIT: usize = 300;
/// Bytes of a text that are examined; what is shown is far shorter.
const READ_LIMIT: usize = 64 * 1024;
/// A longer media type means that the text is not a data URI.
const DATA_TYPE_LIMIT: usize = 100;
const KEY_PREFIXES: [&str; 2] = ["sk-", "xai-"];
/// Shorter than any key, longer than names such as `xai-video-1`, which stay readable.
const KEY_MINIMUM: usize = 20;

/// The beginning of a body, redacted for display.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let start = &body[..body.len().min(READ_LIMIT)];
    sanitize(&String::from_utf8_lossy(start), BODY_LIMIT)
}

pub(crate) fn sanitize(text: &str, limit: usize) -> String {
    let end = text.char_indices().nth(READ_LIMIT).map_or(text.len(), |(at, _)| at);
    // In this order: a control character that became a space would end a query string too early.
    shorten(&strip_control_chars(&redact(&text[..end])), limit)
}

/// Replaces control and invisible characters by spaces, and collapses runs of spaces.
fn strip_control_chars(text: &str) -> String {
    let visible: String = text.chars().map(|c| if is_control_or_bidi(c) { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A part of a text that is replaced.
struct Hidden<'a> {
    /// The prefix that is kept.
    shown: &'a str,
    /// Replaces the rest.
    mark: &'static str,
    /// Length of the whole part in bytes.
    length: usize,
}

/// Removes query strings, user names in URLs, payloads of data URIs, and keys.
pub(crate) fn redact(text: &str) -> String {
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

fn hidden(rest: &str, in_word: bool) -> Option<Hidden<'_>> {
    match rest.as_bytes().first()? {
        b'?' | b'%' | b'&' | b'\\' => query(rest),
        b':' => user(rest),
        b'd' | b'D' if !in_word => data(rest),
        b's' | b'x' if !in_word => key(rest),
        _ => None,
    }
}

/// A query string or a fragment of one, also with JSON escapes.
fn query(rest: &str) -> Option<Hidden<'_>> {
    let begins = |mark: &str| rest.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    let all = |length| Hidden { shown: "", mark: "", length };
    if let Some(mark) = ["?", "\\u003f", "%3f"].into_iter().find(|mark| begins(mark)) {
        let url_length = url_length(&rest[mark.len()..]);
        return (url_length > 0).then(|| all(mark.len() + url_length));
    }
    let mark = ["&", "\\u0026"].into_iter().find(|mark| begins(mark))?;
    let pair = &rest[mark.len()..];
    let name = pair.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.;".contains(byte)).count();
    (name > 0 && pair[name..].starts_with('=')).then(|| all(mark.len() + url_length(pair)))
}

/// The user part of a URL.
fn user(rest: &str) -> Option<Hidden<'_>> {
    let after = rest.strip_prefix("://")?;
    let authority = &after[..after.find(['/', '?', '#', '"', '\\', '<', ' ']).unwrap_or(after.len())];
    Some(Hidden { shown: "://", mark: "", length: "://".len() + authority.rfind('@')? + 1 })
}

/// A data URI: the media type is kept, the payload is not.
fn data(rest: &str) -> Option<Hidden<'_>> {
    const SCHEME: &str = "data:";
    rest.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))?;
    let kind = rest.bytes().skip(SCHEME.len()).take(DATA_TYPE_LIMIT);
    let comma =
        SCHEME.len() + kind.take_while(|byte| byte.is_ascii_alphanumeric() || b"/\\;=+.-".contains(byte)).count();
    let uri = rest[comma..].starts_with(',');
    uri.then(|| Hidden { shown: &rest[..=comma], mark: "…", length: comma + url_length(&rest[comma..]) })
}

fn key(rest: &str) -> Option<Hidden<'_>> {
    let prefix = KEY_PREFIXES.into_iter().find(|prefix| rest.starts_with(prefix))?;
    let tail = rest[prefix.len()..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    (tail >= KEY_MINIMUM).then_some(Hidden { shown: prefix, mark: "…", length: prefix.len() + tail })
}

/// Length of a URL: up to the next space, double quote or angle bracket.
fn url_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')).unwrap_or(text.len())
}

pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Whether a character changes how others are displayed.
pub(crate) fn is_control_or_bidi(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text that may be a URL, for messages: as given, but shortened, and without credentials and signature.
pub(crate) fn text_for_message(text: &str) -> String {
    let start = text.trim_start();
    if start.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return format!("{}…", start.split(',').next().map(|head| shorten(head, 60)).unwrap_or_default());
    }
    if !text.contains(":/") && !text.contains('@') {
        return shorten(text, 60);
    }
    url_for_message(text)
}

/// A URL as given, for messages: without credentials and signature.
pub(crate) fn url_for_message(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("//").map_or(0, |slashes| slashes + 2));
    let has_no_user = |url: url::Url| url.has_host() && url.username().is_empty() && url.password().is_none();
    let is_nameless = url::Url::parse(text).is_ok_and(has_no_user);
    // A password may contain any character, so in an unparsable URL the user part ends at the last @.
    let named = rest.rsplit_once('@').filter(|_| !is_nameless);
    let rest = named.map_or_else(|| rest.to_owned(), |(_, host)| format!("…@{host}"));
    let bare = rest.split_once(['?', '#']).map(|(bare, _)| format!("{bare}?…"));
    shorten(&format!("{scheme}{}", bare.unwrap_or(rest)), 200)
}

/// A URL without query, fragment, user and password.
pub(crate) fn url_without_secrets(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.scheme() == "data" { "data:…".into() } else { url.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_removed() {
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
            assert_eq!(sanitize(text, 300), shown);
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in [
            "Why? Because.",
            "really?",
            "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4",
            "100% of it & more",
            "\"data\": {\"a\":1}",
            "wants 5 > 4",
            "metadata:a,b and task-aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(sanitize(text, 300), text);
        }
    }

    #[test]
    fn control_characters_are_removed() {
        assert_eq!(sanitize("a\u{1b}[31mb\r\n\tc\u{202e}d\u{9b}e", 300), "a [31mb c d e");
        assert_eq!(excerpt(b"\xff\xfe ok"), "\u{fffd}\u{fffd} ok");
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(sanitize("ä".repeat(400).as_str(), 300).chars().count(), 301);
        assert_eq!(excerpt(&vec![b'a'; 3 << 20]).chars().count(), 301);
    }

    #[test]
    fn urls_keep_their_spelling() {
        for (given, shown) in [
            (" https://a.example/x ", " https://a.example/x "),
            ("https://a.exa mple/v 1", "https://a.exa mple/v 1"),
            ("HTTPS://A.example/ä", "HTTPS://A.example/ä"),
            ("https://a.example/@me/x?sig=SECRET#f", "https://a.example/@me/x?…"),
            ("https://me:SECRET@a.example/x", "https://…@a.example/x"),
            ("https://me:SEC/R?E#T@a.example:x/y", "https://…@a.example:x/y"),
            ("https://a b:SECRET@a.example", "https://…@a.example"),
            ("me:SECRET@a.example:3128", "…@a.example:3128"),
            (" data:image/png;base64,SECRET", "data:image/png;base64…"),
        ] {
            assert_eq!(text_for_message(given), shown);
        }
    }
}
