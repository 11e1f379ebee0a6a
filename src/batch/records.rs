//! What a journal tells, one record for each item.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::cost::cost;
use crate::error::Result;
use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, AttemptState, Damage, Entry, Journal};
use crate::threads::blocking;

/// One item, as its last attempt stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The caller's name for it.
    pub id: String,
    /// `unknown`, `refused`, `accepted`, `done`, `failed` or `saved`.
    pub state: &'static str,
    /// The job.
    pub request_id: Option<String>,
    /// `generate`, `edit` or `extend`.
    pub operation: String,
    /// What to show.
    pub prompt: Option<String>,
    /// The model asked for.
    pub model: Option<String>,
    /// When the create was sent, in Unix seconds.
    pub created_at: f64,
    /// How many attempts there were.
    pub attempts: usize,
    /// What it cost, or is expected to, in ticks.
    pub cost_in_usd_ticks: i64,
    /// The last that is known of the job.
    pub job: Option<VideoJob>,
    /// Where the file is, or is to go.
    pub path: Option<PathBuf>,
    /// The file's size.
    pub bytes: Option<u64>,
    /// The file's SHA-256.
    pub sha256: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// All items of the journal in `folder`, in the order of their first lines, and the lines that cannot be read.
pub async fn records(folder: &Path) -> Result<(Vec<Record>, Vec<Damage>)> {
    let folder = folder.to_owned();
    let journal = blocking(move || Journal::open(&folder)).await?;
    journal.adopt_claims().await?;
    let record = |(id, entry): (String, Entry)| entry.current().map(|current| of(&journal, id, &entry, current));
    Ok((journal.entries().into_iter().filter_map(record).collect(), journal.damage()))
}

fn of(journal: &Journal, id: String, entry: &Entry, last: &Attempt) -> Record {
    let attempts = entry.attempts.len();
    let job = last.state.job();
    let estimate = last.order.estimate_ticks.unwrap_or_default();
    let (state, cost, file, error) = match &last.state {
        AttemptState::Unknown { error, .. } => ("unknown", estimate, None, error.clone()),
        AttemptState::Refused { error } => ("refused", 0, None, Some(error.clone())),
        AttemptState::Accepted { .. } => ("accepted", estimate, None, None),
        AttemptState::Over { job } if job.status == JobStatus::Done && !job.is_blocked() => {
            ("done", cost(job, estimate), None, None)
        }
        AttemptState::Over { job } => {
            let reason = job.as_ref().clone().into_result().err().map(|error| error.to_string());
            ("failed", cost(job, estimate), None, reason)
        }
        AttemptState::Saved { job, file } => ("saved", cost(job, estimate), Some(file), None),
    };
    let path = file.map(|file| file.path.clone()).or_else(|| last.order.path.clone());
    Record {
        id,
        state,
        request_id: last.state.request_id().map(str::to_owned),
        operation: last.order.operation.clone(),
        prompt: last.order.prompt.clone(),
        model: last.order.model.clone(),
        created_at: last.at,
        attempts,
        cost_in_usd_ticks: cost,
        job,
        path: path.map(|path| journal.absolute(&path)),
        bytes: file.map(|file| file.bytes),
        sha256: file.map(|file| file.sha256.clone()),
        error,
    }
}
