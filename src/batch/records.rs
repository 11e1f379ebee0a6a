//! A summary of a journal: one record for each item.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::cost::{cost, estimated, spent};
use crate::error::Result;
use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, AttemptState, Damage, Entry, Journal};
use crate::threads::blocking;

/// An item and its last attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    pub id: String,
    /// `unknown`, `refused`, `accepted`, `done`, `failed` or `saved`.
    pub state: &'static str,
    pub request_id: Option<String>,
    /// The base URL of the service that has the job; early journals do not name it.
    pub service: Option<String>,
    /// `generate`, `edit` or `extend`.
    pub operation: String,
    pub prompt: Option<String>,
    pub model: Option<String>,
    /// When the create was sent, in Unix seconds.
    pub created_at: f64,
    pub attempts: usize,
    /// The cost of the last attempt, or the estimate while it is unknown.
    pub cost_in_usd_ticks: i64,
    /// Of all attempts.
    pub spent_in_usd_ticks: i64,
    /// The part of that which is estimated.
    pub estimated_in_usd_ticks: i64,
    /// Of the last attempt.
    pub request_sha256: String,
    /// Whether moderation withheld the video.
    pub is_blocked: bool,
    /// The last snapshot.
    pub job: Option<VideoJob>,
    /// The path of the file, saved or planned.
    pub path: Option<PathBuf>,
    pub bytes: Option<u64>,
    pub sha256: Option<String>,
    pub error: Option<String>,
}

/// All items of the journal in `folder`, in the order of their first lines, and its damaged lines.
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
        service: Some(last.order.service.clone()).filter(|service| !service.is_empty()),
        operation: last.order.operation.clone(),
        prompt: last.order.prompt.clone(),
        model: last.order.model.clone(),
        created_at: last.at,
        attempts,
        cost_in_usd_ticks: cost,
        spent_in_usd_ticks: i64::try_from(spent(entry)).unwrap_or(i64::MAX),
        estimated_in_usd_ticks: i64::try_from(estimated(entry)).unwrap_or(i64::MAX),
        is_blocked: job.as_ref().is_some_and(VideoJob::is_blocked),
        request_sha256: last.order.request_sha256.clone(),
        job,
        path: path.map(|path| journal.absolute(&path)),
        bytes: file.map(|file| file.bytes),
        sha256: file.map(|file| file.sha256.clone()),
        error,
    }
}
