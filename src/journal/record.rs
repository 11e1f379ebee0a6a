//! One line of a journal: JSON that pandas, `DuckDB` and jq can read, with a checksum at the end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

use crate::job::VideoJob;
use crate::process::Owner;

/// The version of written lines. Writers of version 1 made no claims.
pub(super) const VERSION: u8 = 2;
/// The checksum at the end of a line replaces the closing brace.
const SUM: &str = ",\"crc\":\"";
const SUM_DIGITS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The first line of a writer.
    Open,
    /// A create is about to be sent.
    Intent,
    Accepted,
    /// The create was refused: nothing was bought.
    Refused,
    /// The response was lost: a job may exist.
    Unknown,
    /// The job ended.
    Terminal,
    /// The file was saved.
    Saved,
    /// A process works on the item.
    Claimed,
    /// That process stopped working on the item.
    Released,
    /// The item's row has changed.
    Described,
    /// An event of a later version.
    #[serde(other)]
    Other,
}

/// One line. Flat, so that readers see a table; absent fields are omitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub v: u8,
    /// In Unix seconds.
    pub at: f64,
    pub event: EventKind,
    /// The caller's ID of the item.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The idempotency key of the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    /// The number of the attempt, from 1. Lines of version 1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The previous attempt. It determines the order, as clocks may be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Other IDs of the job. The service may accept only one of them in queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<IntentDetails>,
    /// The job at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<VideoJob>>,
    /// From acceptance to the end of the job, in seconds, if one process observed both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_seconds: Option<f64>,
    /// Relative to the base directory of the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Why a create was refused, or its outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The position of the item's row in the input, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The columns of the item's row. Early lines lack those that make the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    #[serde(flatten)]
    pub owner: Owner,
}

/// The row of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its position in the input, from 0.
    pub index: Option<u64>,
    pub columns: Columns,
}

/// The columns of a row, as a JSON object that is copied to outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Arc<str>);

impl Columns {
    /// `text` is a JSON object.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let object: &RawValue = serde_json::from_str(text)?;
        if object.get().starts_with('{') {
            return Ok(Self(object.get().into()));
        }
        Err(serde_json::Error::custom("expected an object"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|object| Self(object.get().into()))
    }
}

/// The parts of a request that are needed again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IntentDetails {
    /// `generate`, `edit` or `extend`.
    pub operation: String,
    #[serde(default)]
    pub service: String,
    /// SHA-256 of the request, media included.
    pub request_sha256: String,
    /// For display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Estimated cost, in ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_ticks: Option<i64>,
    /// The target of the file, relative to the base directory of the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Line {
    /// A line with the current time.
    #[must_use]
    pub fn new(event: EventKind) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self {
            v: VERSION,
            at,
            event,
            id: String::new(),
            attempt: String::new(),
            n: None,
            follows: None,
            request_id: None,
            other_ids: Vec::new(),
            order: None,
            job: None,
            render_seconds: None,
            path: None,
            bytes: None,
            sha256: None,
            content_type: None,
            error: None,
            index: None,
            columns: None,
            owner: Owner::default(),
        }
    }

    /// The same line with the row of its item.
    #[must_use]
    pub fn of_row(self, row: Option<Row>) -> Self {
        let Some(Row { index, columns }) = row else { return self };
        Self { index, columns: Some(columns), ..self }
    }

    /// The line with its checksum and line break.
    pub fn encode(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(self)?;
        let sum = crc32fast::hash(text.as_bytes());
        text.pop();
        text.push_str(SUM);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{sum:08x}\"}}");
        Ok(text)
    }

    /// `None` for a truncated or damaged line.
    #[must_use]
    pub fn decode(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (body, tail) = text.split_at_checked(text.len().checked_sub(SUM.len() + SUM_DIGITS + 2)?)?;
        let sum = tail.strip_prefix(SUM)?.strip_suffix("\"}")?;
        let body = format!("{body}}}");
        if u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        serde_json::from_str(&body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            id: "a".into(),
            attempt: "vidjob-1".into(),
            request_id: Some("x".into()),
            job: Some(Box::new(VideoJob::pending("x"))),
            ..Line::new(EventKind::Terminal)
        }
    }

    #[test]
    fn a_line_round_trips_as_plain_json() {
        let text = line().encode().unwrap();
        assert!(text.ends_with("\"}\n") && text.lines().count() == 1);
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["crc"].is_string());
        let back = Line::decode(text.trim_end().as_bytes()).unwrap();
        assert_eq!((back.id, back.event, back.job), ("a".into(), EventKind::Terminal, line().job));
    }

    #[test]
    fn truncated_and_damaged_lines_are_not_decoded() {
        let text = line().encode().unwrap();
        let text = text.trim_end();
        for end in 0..text.len() {
            assert_eq!(Line::decode(&text.as_bytes()[..end]), None, "{end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(Line::decode(&bytes), None, "{at}");
        }
    }

    #[test]
    fn events_of_later_versions_are_recognised_as_other() {
        let later = line().encode().unwrap().replace("terminal", "archived");
        let body = later.trim_end().split(SUM).next().unwrap().to_owned() + "}";
        let sum = crc32fast::hash(body.as_bytes());
        let text = format!("{}{SUM}{sum:08x}\"}}", &body[..body.len() - 1]);
        assert_eq!(Line::decode(text.as_bytes()).unwrap().event, EventKind::Other);
    }
}
