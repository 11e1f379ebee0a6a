//! One line of a journal: JSON that pandas, `DuckDB` and jq read as it stands, closed by its own checksum.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

use crate::job::VideoJob;
use crate::process::Owner;

/// The version of the lines that are written. Writers of version 1 made no claims.
pub(super) const VERSION: u8 = 2;
/// How the checksum stands at the end of a line, in place of the closing brace.
const SUM: &str = ",\"crc\":\"";
const SUM_DIGITS: usize = 8;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A writer began.
    Open,
    /// A create is about to be sent.
    Intent,
    /// It was accepted.
    Accepted,
    /// It was refused: nothing was bought.
    Refused,
    /// Its answer was lost: a job may exist.
    Unknown,
    /// The job is over.
    Terminal,
    /// Its file is kept.
    Saved,
    /// A process is at work on it.
    Claimed,
    /// That process leaves it as it is.
    Released,
    /// The columns beside the item's request are others now.
    Described,
    /// A word of a later version.
    #[serde(other)]
    Other,
}

/// One line. Flat, so that every reader sees a table; what an event does not have is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The version of the line.
    pub v: u8,
    /// When, in Unix seconds.
    pub at: f64,
    /// What happened.
    pub event: Kind,
    /// The caller's name for the item.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Which attempt at the item: the name that the create is sent under.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attempt: String,
    /// The number of the attempt, from 1. Lines of version 1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The attempt that this one follows: causes order attempts, since clocks do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The other ids that the service gave the job: it may answer queries by one of them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_ids: Vec<String>,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<IntentDetails>,
    /// The job when it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<VideoJob>>,
    /// From acceptance to the end of the job, in seconds, where one process saw both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_seconds: Option<f64>,
    /// Where the file is, from the folder that the journal belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The file's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The file's SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Why a create was refused, or is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What else stood in the item's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Columns>,
    /// The writer.
    #[serde(flatten)]
    pub owner: Owner,
}

/// The columns of a row, as the JSON object that outputs repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Arc<str>);

impl Columns {
    /// The columns that `text`, a JSON object, holds.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let object: &RawValue = serde_json::from_str(text)?;
        if object.get().starts_with('{') {
            return Ok(Self(object.get().into()));
        }
        Err(serde_json::Error::custom("expected an object"))
    }

    /// The object as text.
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

/// What a create asks for, as far as it is needed again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IntentDetails {
    /// `generate`, `edit` or `extend`.
    pub operation: String,
    /// The service that it is sent to.
    #[serde(default)]
    pub service: String,
    /// SHA-256 of the request, media included.
    pub request_sha256: String,
    /// What to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The duration asked for, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// The resolution asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// What it is expected to cost, in ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_ticks: Option<i64>,
    /// Where the file is to go, from the folder that the journal belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Line {
    /// A line about nothing yet, of now.
    #[must_use]
    pub fn new(event: Kind) -> Self {
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
            columns: None,
            owner: Owner::default(),
        }
    }

    /// The line as it is written, with its end.
    pub fn encode(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(self)?;
        let sum = crc32fast::hash(text.as_bytes());
        text.pop();
        text.push_str(SUM);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{sum:08x}\"}}");
        Ok(text)
    }

    /// A line as it was written, or nothing when it is torn or changed.
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
            ..Line::new(Kind::Terminal)
        }
    }

    #[test]
    fn a_line_survives_and_is_plain_json() {
        let text = line().encode().unwrap();
        assert!(text.ends_with("\"}\n") && text.lines().count() == 1);
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["crc"].is_string());
        let back = Line::decode(text.trim_end().as_bytes()).unwrap();
        assert_eq!((back.id, back.event, back.job), ("a".into(), Kind::Terminal, line().job));
    }

    #[test]
    fn what_is_torn_or_changed_is_no_line() {
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
    fn later_words_are_kept_apart() {
        let later = line().encode().unwrap().replace("terminal", "archived");
        let body = later.trim_end().split(SUM).next().unwrap().to_owned() + "}";
        let sum = crc32fast::hash(body.as_bytes());
        let text = format!("{}{SUM}{sum:08x}\"}}", &body[..body.len() - 1]);
        assert_eq!(Line::decode(text.as_bytes()).unwrap().event, Kind::Other);
    }
}
