//! The lines of `metadata.jsonl`: every saved video of a journal, with the columns of its row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::job::VideoJob;
use crate::journal::{Attempt, AttemptState, Columns, Entry, Journal};
use crate::pricing::usd;
use crate::saved_file::Download;

/// What vidjob adds to a row.
const ADDED: [&str; 7] = ["file_name", "index", "request_id", "duration", "cost_usd", "bytes", "sha256"];
/// Precedes the names of added fields that are columns of the rows.
const PREFIX: &str = "vidjob_";

/// One line for each existing file. Rows that the journal lacks are taken from `earlier`. Blocks.
#[must_use]
pub fn metadata(journal: &Journal, earlier: &BTreeMap<String, Columns>) -> String {
    let entries: Vec<_> = journal.entries().into_iter().filter(|(_, entry)| has_file(journal, entry)).collect();
    let videos: Vec<_> = entries.iter().filter_map(|(id, entry)| Described::of(id, entry, earlier.get(id))).collect();
    let names = Names::beside(videos.iter().flat_map(|video| video.columns.0.iter().map(|(name, _)| name.as_str())));
    let mut text = String::new();
    for video in &videos {
        text.extend(serde_json::to_string(&Line { video, names: &names }));
        text.push('\n');
    }
    text
}

/// Whether the journal lacks rows of saved videos.
#[must_use]
pub fn lacks_rows(journal: &Journal) -> bool {
    journal.entries().iter().any(|(_, entry)| entry.row().is_none() && saved(entry).is_some())
}

fn has_file(journal: &Journal, entry: &Entry) -> bool {
    saved(entry).is_some_and(|(_, _, file)| journal.absolute(&file.path).is_file())
}

fn saved(entry: &Entry) -> Option<(&Attempt, &VideoJob, &Download)> {
    let attempt = entry.current()?;
    match &attempt.state {
        AttemptState::Saved { job, file } => Some((attempt, job, file)),
        _ => None,
    }
}

/// The names of added fields, the same in all lines.
struct Names([String; ADDED.len()]);

impl Names {
    fn beside<'a>(columns: impl Iterator<Item = &'a str>) -> Self {
        let columns: BTreeSet<_> = columns.collect();
        Self(ADDED.map(|name| {
            let mut name = name.to_owned();
            while columns.contains(name.as_str()) {
                name.insert_str(0, PREFIX);
            }
            name
        }))
    }
}

struct Described<'a> {
    id: &'a str,
    attempt: &'a Attempt,
    job: &'a VideoJob,
    file: &'a Download,
    index: Option<u64>,
    columns: Pairs<'a>,
}

impl<'a> Described<'a> {
    fn of(id: &'a str, entry: &'a Entry, earlier: Option<&'a Columns>) -> Option<Self> {
        let (attempt, job, file) = saved(entry)?;
        let columns = entry.row().map(|row| &row.columns).or(earlier);
        let columns = columns.and_then(|columns| serde_json::from_str(columns.as_str()).ok()).unwrap_or_default();
        Some(Self { id, attempt, job, file, index: entry.row().and_then(|row| row.index), columns })
    }
}

struct Line<'a> {
    video: &'a Described<'a>,
    names: &'a Names,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Described { id, attempt, job, file, index, columns } = self.video;
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &columns.0 {
            map.serialize_entry(name, value)?;
        }
        // Columns have these as they were given.
        let order = &attempt.order;
        let request = [
            ("id", json!(id)),
            ("prompt", json!(order.prompt)),
            ("model", json!(order.model.as_ref().or(job.model.as_ref()))),
            ("resolution", json!(order.resolution)),
            ("operation", json!(order.operation)),
        ];
        for (name, value) in request.iter().filter(|(name, _)| columns.0.iter().all(|(column, _)| column != name)) {
            map.serialize_entry(name, value)?;
        }
        let added = [
            json!(with_slashes(&file.path)),
            json!(index),
            json!(job.request_id),
            json!(job.video.as_ref().and_then(|video| video.duration)),
            json!(job.usage.map(|usage| usd(usage.cost_in_usd_ticks.into()))),
            json!(file.bytes),
            json!(file.sha256),
        ];
        for (name, value) in self.names.0.iter().zip(&added) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Relative to the folder, with slashes, as `datasets` expects it.
fn with_slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// An object's fields in their order.
#[derive(Default)]
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
    use std::sync::Arc;

    use super::*;
    use crate::job::{JobStatus, Usage, Video};
    use crate::journal::{AttemptRef, IntentDetails, NewAttempt, Row};

    /// A journal with a video for each row.
    async fn journal(folder: &Path, rows: &[(&str, Option<&str>)]) -> Arc<Journal> {
        let journal = Journal::in_dir(folder).unwrap();
        for (index, &(name, columns)) in (0..).zip(rows) {
            let order = IntentDetails {
                operation: "generate".into(),
                prompt: Some("x".into()),
                duration: Some(5),
                ..IntentDetails::default()
            };
            let row = columns.map(|text| Row { index: Some(index), columns: Columns::parse(text).unwrap() });
            let next = NewAttempt { attempt: name.into(), n: 1, follows: None };
            assert!(journal.begin(name, &next, order, row).await.unwrap());
            journal.accepted(AttemptRef { id: name, attempt: name }, &VideoJob::pending(name), Some(1)).await.unwrap();
            let usage = Some(Usage { cost_in_usd_ticks: 2_500_000_000 });
            let video = Some(Video { duration: Some(4.9), ..Video::default() });
            let job = VideoJob { status: JobStatus::Done, usage, video, ..VideoJob::pending(name) };
            journal.terminal(&job, None).await.unwrap();
            let path = folder.join(format!("{name}.mp4"));
            std::fs::write(&path, "").unwrap();
            let file = Download { path, bytes: 7, sha256: "ab".into(), content_type: None };
            journal.saved(name, &file).await.unwrap();
        }
        journal
    }

    #[tokio::test]
    async fn each_video_is_described_with_its_columns_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            [("a", Some(r#"{"scene": 1, "id": 7.0, "duration": "5", "a": "grüß \u00e4"}"#)), ("b", None), ("c", None)];
        let journal = journal(folder.path(), &rows).await;
        std::fs::remove_file(folder.path().join("c.mp4")).unwrap();
        assert!(lacks_rows(&journal));
        let earlier = BTreeMap::from([("b".to_owned(), Columns::parse(r#"{"z": null}"#).unwrap())]);
        let added = |id: &str, index: &str| {
            let duration = "vidjob_duration";
            format!(
                r#""file_name":"{id}.mp4","index":{index},"request_id":"{id}","{duration}":4.9,"cost_usd":0.25,"bytes":7,"sha256":"ab""#
            )
        };
        let expected = format!(
            "{}{}}}\n{}{}}}\n",
            r#"{"scene":1,"id":7.0,"duration":"5","a":"grüß \u00e4","prompt":"x","model":null,"resolution":null,"operation":"generate","#,
            added("a", "0"),
            r#"{"z":null,"id":"b","prompt":"x","model":null,"resolution":null,"operation":"generate","#,
            added("b", "null"),
        );
        assert_eq!(metadata(&journal, &earlier), expected);
    }

    #[tokio::test]
    async fn a_column_keeps_its_name_and_ours_gets_a_prefix_in_all_lines() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [("a", Some(r#"{"bytes":"mine","vidjob_index":1,"index":"also mine"}"#)), ("b", Some("{}"))];
        let journal = journal(folder.path(), &rows).await;
        let text = metadata(&journal, &BTreeMap::new());
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["bytes"], &lines[0]["index"]), (&json!("mine"), &json!("also mine")));
        for (index, line) in lines.iter().enumerate() {
            assert_eq!((&line["vidjob_bytes"], &line["vidjob_vidjob_index"]), (&json!(7), &json!(index)));
            assert_eq!(line["request_id"], line["id"]);
        }
        assert_eq!((lines[1].get("bytes"), lines[1].get("index")), (None, None));
    }
}
