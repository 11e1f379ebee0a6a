//! The lines of `metadata.jsonl`: every saved video of a journal, with the columns of its row.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::VideoJob;
use crate::journal::{Attempt, AttemptState, Columns, Entry, Journal};
use crate::pricing::usd;
use crate::saved_file::Download;

/// Our fields, which replace columns of the same names.
const FIELDS: [&str; 9] =
    ["file_name", "id", "prompt", "request_id", "model", "duration", "cost_usd", "bytes", "sha256"];

/// One line for each existing file. Columns that the journal lacks are taken from `earlier`. Blocks.
#[must_use]
pub fn metadata(journal: &Journal, earlier: &BTreeMap<String, Columns>) -> String {
    let mut text = String::new();
    for (id, entry) in journal.entries() {
        let Some((attempt, job, file)) = saved(&entry) else { continue };
        if !journal.absolute(&file.path).is_file() {
            continue;
        }
        let columns = entry.columns().or_else(|| earlier.get(&id));
        let line = Line { id: &id, attempt, job, file, columns };
        text.extend(serde_json::to_string(&line));
        text.push('\n');
    }
    text
}

/// Whether the journal lacks columns of a saved video.
#[must_use]
pub fn lacks_columns(journal: &Journal) -> bool {
    journal.entries().iter().any(|(_, entry)| entry.columns().is_none() && saved(entry).is_some())
}

fn saved(entry: &Entry) -> Option<(&Attempt, &VideoJob, &Download)> {
    let attempt = entry.current()?;
    match &attempt.state {
        AttemptState::Saved { job, file } => Some((attempt, job, file)),
        _ => None,
    }
}

struct Line<'a> {
    id: &'a str,
    attempt: &'a Attempt,
    job: &'a VideoJob,
    file: &'a Download,
    columns: Option<&'a Columns>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, attempt, job, file, columns } = self;
        let mut map = serializer.serialize_map(None)?;
        let columns = columns.and_then(|columns| serde_json::from_str::<Pairs<'_>>(columns.as_str()).ok());
        for (name, value) in columns.iter().flat_map(|pairs| &pairs.0) {
            if !FIELDS.contains(&name.as_str()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("file_name", &with_slashes(&file.path))?;
        map.serialize_entry("id", id)?;
        map.serialize_entry("prompt", &attempt.order.prompt)?;
        map.serialize_entry("request_id", &job.request_id)?;
        map.serialize_entry("model", &job.model)?;
        map.serialize_entry("duration", &job.video.as_ref().and_then(|video| video.duration))?;
        map.serialize_entry("cost_usd", &job.usage.map(|usage| usd(usage.cost_in_usd_ticks.into())))?;
        map.serialize_entry("bytes", &file.bytes)?;
        map.serialize_entry("sha256", &file.sha256)?;
        map.end()
    }
}

/// Relative to the folder, with slashes, as `datasets` expects it.
fn with_slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// An object's fields in their order.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_map(InOrder).map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobStatus, Usage};
    use crate::journal::{AttemptRef, IntentDetails, NewAttempt};

    #[tokio::test]
    async fn each_video_is_described_with_its_columns_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_dir(folder.path()).unwrap();
        let columns = Columns::parse(r#"{"scene": 1, "id": "mine", "a": "grüß \u00e4"}"#).unwrap();
        for (name, columns) in [("a", Some(columns)), ("b", None), ("c", None)] {
            let order =
                IntentDetails { operation: "generate".into(), prompt: Some("x".into()), ..IntentDetails::default() };
            let next = NewAttempt { attempt: name.into(), n: 1, follows: None };
            assert!(journal.begin(name, &next, order, columns).await.unwrap());
            journal.accepted(AttemptRef { id: name, attempt: name }, &VideoJob::pending(name), Some(1)).await.unwrap();
            let usage = Some(Usage { cost_in_usd_ticks: 2_500_000_000 });
            let job = VideoJob { status: JobStatus::Done, usage, ..VideoJob::pending(name) };
            journal.terminal(&job, None).await.unwrap();
            let path = folder.path().join(format!("{name}.mp4"));
            let file = Download { path, bytes: 7, sha256: "ab".into(), content_type: None };
            journal.saved(name, &file).await.unwrap();
        }
        for name in ["a.mp4", "b.mp4"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(lacks_columns(&journal));
        let earlier = BTreeMap::from([("b".to_owned(), Columns::parse(r#"{"z": null}"#).unwrap())]);
        let rest = |id: &str| {
            format!(
                r#""file_name":"{id}.mp4","id":"{id}","prompt":"x","request_id":"{id}","model":null,"duration":null,"cost_usd":0.25,"bytes":7,"sha256":"ab"}}"#
            )
        };
        let expected = format!("{{\"scene\":1,\"a\":\"grüß \\u00e4\",{}\n{{\"z\":null,{}\n", rest("a"), rest("b"));
        assert_eq!(metadata(&journal, &earlier), expected);
    }
}
