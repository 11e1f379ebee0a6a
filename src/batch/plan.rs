//! Decides what to do next for an item. Pure: the journal's entry and the caller's rules in, one step out.

use std::path::Path;

use super::rules::{OnExisting, OnUnknown, Retry, Rules};
use crate::error::{DownloadErrorKind, Error, Result};
use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, AttemptState, Entry};
use crate::saved_file::Download;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum NextStep {
    /// The file was saved.
    Nothing {
        job: Box<VideoJob>,
        file: Download,
    },
    /// The job is done; its file is missing.
    Fetch(Box<VideoJob>),
    /// The job was accepted.
    Follow {
        job: Box<VideoJob>,
        accepted_at: f64,
        estimate: i64,
    },
    Submit,
}

/// What is wanted: the item, the fingerprint of its request, and the service to create it with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a str,
    pub(super) sha256: &'a str,
    pub(super) service: &'a str,
    /// The folder of the journal, for messages.
    pub(super) journal: &'a Path,
    /// The argument that renders an existing item again, for messages.
    pub(super) overwrite: &'a str,
}

/// The next step for an item, from what the journal has recorded.
///
/// Nothing is submitted while the current attempt is unknown, accepted or done, unless `rules` ask for exactly that.
pub(super) fn plan(entry: &Entry, wanted: Wanted<'_>, rules: Rules) -> Result<NextStep> {
    if rules.on_existing == OnExisting::Error && !entry.attempts.is_empty() {
        return Err(exists(&format!("the journal already has an item {:?}", wanted.id), wanted.overwrite));
    }
    let Some(last) = entry.current() else { return Ok(NextStep::Submit) };
    let step = after(last, wanted.sha256, rules)?;
    let is_bound = matches!(step, NextStep::Follow { .. } | NextStep::Fetch(_));
    let is_elsewhere = !last.order.service.is_empty() && last.order.service != wanted.service;
    if !is_bound || !is_elsewhere {
        return Ok(step);
    }
    if rules.on_existing == OnExisting::Overwrite {
        return Ok(NextStep::Submit);
    }
    let message = format!(
        "the job of this item was created at {} and is available only there, not at {} (journal: {}); use that \
         base_url",
        last.order.service,
        wanted.service,
        wanted.journal.display()
    );
    Err(Error::invalid("base_url", message))
}

fn after(last: &Attempt, sha256: &str, rules: Rules) -> Result<NextStep> {
    let is_other_request = !last.order.request_sha256.is_empty() && last.order.request_sha256 != sha256;
    match &last.state {
        AttemptState::Refused { .. } => Ok(NextStep::Submit),
        AttemptState::Over { .. } | AttemptState::Saved { .. } if rules.on_existing == OnExisting::Overwrite => {
            Ok(NextStep::Submit)
        }
        _ if is_other_request => Err(Error::invalid(
            "id",
            "the journal has another request under this id; use another id, or another folder",
        )),
        AttemptState::Unknown { .. } if rules.on_unknown == OnUnknown::Resubmit => Ok(NextStep::Submit),
        AttemptState::Unknown { error, request_id } => Err(unknown(last, error.as_deref(), request_id.clone())),
        AttemptState::Accepted { request_id, other_ids, at } => {
            let job = Box::new(VideoJob::pending(request_id).also_named(other_ids));
            let estimate = last.order.estimate_ticks.unwrap_or_default();
            Ok(NextStep::Follow { job, accepted_at: *at, estimate })
        }
        AttemptState::Over { job } => after_end(job, rules.retry),
        AttemptState::Saved { job, file } => Ok(NextStep::Nothing { job: job.clone(), file: file.clone() }),
    }
}

fn after_end(job: &VideoJob, retry: Retry) -> Result<NextStep> {
    if job.status == JobStatus::Done && !job.is_blocked() {
        return Ok(NextStep::Fetch(Box::new(job.clone())));
    }
    match retry {
        Retry::Unbilled if job.status == JobStatus::Failed && !job.is_blocked() => Ok(NextStep::Submit),
        Retry::Failed if !job.is_blocked() => Ok(NextStep::Submit),
        // A job that ended without a video is an error.
        _ => job.clone().into_result().map(|job| NextStep::Fetch(Box::new(job))),
    }
}

fn unknown(attempt: &Attempt, error: Option<&str>, request_id: Option<String>) -> Error {
    let what = error.map_or("the program ended before the response arrived", cause);
    Error::SubmitUnknown {
        message: format!(
            "an earlier create has no known outcome ({what}; sent{} as {}): a job may exist and be billed; look for it in the \
             provider's console, or pass on_unknown=\"resubmit\" to submit it again",
            to_service(attempt),
            attempt.name
        ),
        status_code: None,
        request_id,
    }
}

fn to_service(attempt: &Attempt) -> String {
    let service = &attempt.order.service;
    if service.is_empty() { String::new() } else { format!(" to {service}") }
}

/// The cause in a recorded message, without the advice that follows it.
fn cause(message: &str) -> &str {
    message.split("a job may exist").next().unwrap_or(message).trim_end_matches([' ', ':', ';'])
}

/// The error for something that is already there, with how to replace it.
pub(super) fn exists(message: &str, overwrite: &str) -> Error {
    Error::download(DownloadErrorKind::Other, format!("{message}; pass {overwrite} to render it again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobError, Video};
    use crate::journal::IntentDetails;

    const SERVICE: &str = "https://api.cometapi.com";
    const SHA256: &str = "a1";

    fn job(status: JobStatus) -> Box<VideoJob> {
        Box::new(VideoJob { status, ..VideoJob::pending("job-1") })
    }

    fn blocked() -> Box<VideoJob> {
        let error = JobError { code: None, message: "Generated video rejected by content moderation.".into() };
        Box::new(VideoJob { error: Some(error), ..*job(JobStatus::Failed) })
    }

    fn withheld() -> Box<VideoJob> {
        let video = Video { respect_moderation: Some(false), ..Video::default() };
        Box::new(VideoJob { video: Some(video), ..*job(JobStatus::Done) })
    }

    fn saved() -> AttemptState {
        let file = Download { path: "a.mp4".into(), bytes: 1, sha256: "b2".into(), content_type: None };
        AttemptState::Saved { job: job(JobStatus::Done), file }
    }

    fn accepted() -> AttemptState {
        AttemptState::Accepted { request_id: "job-1".into(), other_ids: Vec::new(), at: 1.0 }
    }

    fn over(job: Box<VideoJob>) -> AttemptState {
        AttemptState::Over { job }
    }

    fn entry(state: AttemptState, request_sha256: &str, service: &str) -> Entry {
        let details = IntentDetails {
            request_sha256: request_sha256.into(),
            service: service.into(),
            estimate_ticks: Some(7),
            ..IntentDetails::default()
        };
        Entry::of(Attempt::new("attempt-1", 0.0, details, state))
    }

    fn planned(entry: &Entry, rules: Rules) -> String {
        let wanted =
            Wanted { id: "a", sha256: SHA256, service: SERVICE, journal: Path::new("a/.vidjob"), overwrite: "" };
        match plan(entry, wanted, rules) {
            Ok(NextStep::Nothing { .. }) => "nothing".into(),
            Ok(NextStep::Fetch(_)) => "fetch".into(),
            Ok(NextStep::Follow { accepted_at, estimate, .. }) => format!("follow {accepted_at} {estimate}"),
            Ok(NextStep::Submit) => "submit".into(),
            Err(Error::SubmitUnknown { .. }) => "unknown".into(),
            Err(Error::JobFailed(_)) => "failed".into(),
            Err(Error::JobBlocked(_)) => "blocked".into(),
            Err(Error::JobExpired(_)) => "expired".into(),
            Err(Error::InvalidRequest { field, .. }) => format!("invalid {field}"),
            Err(Error::Download(_)) => "exists".into(),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn each_state_has_one_next_step_under_each_rule() {
        let refused = || AttemptState::Refused { error: "no".into() };
        let lost = || AttemptState::Unknown { error: None, request_id: None };
        let resume = Rules::default();
        let overwrite = Rules { on_existing: OnExisting::Overwrite, ..resume };
        let resubmit = Rules { on_unknown: OnUnknown::Resubmit, ..resume };
        let failed_again = Rules { retry: Retry::Failed, ..resume };
        let unbilled_again = Rules { retry: Retry::Unbilled, ..resume };
        let table = [
            ("refused", refused(), ["submit", "submit", "submit", "submit", "submit"]),
            ("unknown", lost(), ["unknown", "unknown", "submit", "unknown", "unknown"]),
            ("accepted", accepted(), ["follow 1 7"; 5]),
            ("done", over(job(JobStatus::Done)), ["fetch", "submit", "fetch", "fetch", "fetch"]),
            ("failed", over(job(JobStatus::Failed)), ["failed", "submit", "failed", "submit", "submit"]),
            ("expired", over(job(JobStatus::Expired)), ["expired", "submit", "expired", "submit", "expired"]),
            ("blocked", over(blocked()), ["blocked", "submit", "blocked", "blocked", "blocked"]),
            ("withheld", over(withheld()), ["blocked", "submit", "blocked", "blocked", "blocked"]),
            ("saved", saved(), ["nothing", "submit", "nothing", "nothing", "nothing"]),
        ];
        for (name, state, steps) in table {
            let entry = entry(state, SHA256, SERVICE);
            let rules = [resume, overwrite, resubmit, failed_again, unbilled_again];
            assert_eq!(rules.map(|rules| planned(&entry, rules)), steps, "{name}");
            let refuse = Rules { on_existing: OnExisting::Error, ..resume };
            assert_eq!(planned(&entry, refuse), "exists", "{name}");
        }
        assert_eq!(planned(&Entry::default(), resume), "submit");
    }

    #[test]
    fn the_error_of_an_unknown_create_gives_its_advice_once() {
        let recorded =
            "the create was sent and its response was lost (reset): a job may exist and be billed; look for it";
        let lost = AttemptState::Unknown { error: Some(recorded.into()), request_id: None };
        let wanted =
            Wanted { id: "a", sha256: SHA256, service: SERVICE, journal: Path::new("a/.vidjob"), overwrite: "" };
        let message = plan(&entry(lost, SHA256, SERVICE), wanted, Rules::default()).unwrap_err().to_string();
        assert!(
            message.contains(
                "(the create was sent and its response was lost (reset); sent to https://api.cometapi.com as attempt-1)"
            ),
            "{message}"
        );
        assert_eq!(message.matches("a job may exist").count(), 1, "{message}");
    }

    #[test]
    fn another_request_under_the_same_id_is_refused_unless_nothing_is_paid_for() {
        for (state, step) in
            [(accepted(), "invalid id"), (saved(), "invalid id"), (over(job(JobStatus::Done)), "invalid id")]
        {
            assert_eq!(planned(&entry(state, "other", SERVICE), Rules::default()), step);
        }
        let refused = AttemptState::Refused { error: "no".into() };
        assert_eq!(planned(&entry(refused, "other", SERVICE), Rules::default()), "submit");
        assert_eq!(planned(&entry(accepted(), "", SERVICE), Rules::default()), "follow 1 7", "earlier versions");
    }

    #[test]
    fn a_job_is_polled_only_at_the_service_that_created_it() {
        let elsewhere = "https://api.x.ai";
        let overwrite = Rules { on_existing: OnExisting::Overwrite, ..Rules::default() };
        for (state, resumed, overwritten) in [
            (accepted(), "invalid base_url", "submit"),
            (over(job(JobStatus::Done)), "invalid base_url", "submit"),
            (saved(), "nothing", "submit"),
        ] {
            let entry = entry(state, SHA256, elsewhere);
            assert_eq!(planned(&entry, Rules::default()), resumed);
            assert_eq!(planned(&entry, overwrite), overwritten);
        }
        assert_eq!(planned(&entry(accepted(), SHA256, ""), Rules::default()), "follow 1 7", "earlier versions");
    }
}
