//! Costs of jobs and items, in ticks.

use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, AttemptState, Entry};
use crate::pricing;

/// The cost of a finished job: as reported, else the estimate if it is done.
pub(crate) fn cost(job: &VideoJob, estimate: i64) -> i64 {
    match (&job.usage, job.status) {
        (Some(usage), _) => usage.cost_in_usd_ticks,
        (None, JobStatus::Done) => estimate,
        (None, _) => 0,
    }
}

/// The cost of an item, with estimates where the cost is unknown.
pub(super) fn spent(entry: &Entry) -> i128 {
    pricing::total(entry.attempts.iter().map(of_attempt))
}

/// The part of that which is estimated, as the service has not reported it.
pub(super) fn estimated(entry: &Entry) -> i128 {
    pricing::total(entry.attempts.iter().filter(|attempt| !is_reported(attempt)).map(of_attempt))
}

fn of_attempt(attempt: &Attempt) -> i64 {
    let estimate = attempt.order.estimate_ticks.unwrap_or_default();
    match &attempt.state {
        AttemptState::Refused { .. } => 0,
        AttemptState::Unknown { .. } | AttemptState::Accepted { .. } => estimate,
        AttemptState::Over { job } | AttemptState::Saved { job, .. } => cost(job, estimate),
    }
}

fn is_reported(attempt: &Attempt) -> bool {
    matches!(&attempt.state, AttemptState::Over { job } | AttemptState::Saved { job, .. } if job.usage.is_some())
}
