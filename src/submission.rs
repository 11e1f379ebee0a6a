//! Creates under a journal: the intent is recorded before the create is sent, and the outcome after it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::api::{ApiClient, PreparedCreate};
use crate::error::{Error, NotSubmitted, Result};
use crate::job::VideoJob;
use crate::journal::{self, AttemptRef, IntentDetails, Journal, NewAttempt, Row};
use crate::process::{self, GENERATIONS};
use crate::request::VideoRequest;
use crate::stop_reason::StopReason;
use crate::transport::http::CreatePermit;

/// The creates of this process that will be recorded, for each generation of forks.
static PENDING: [OnceLock<TaskTracker>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];

pub(crate) struct CreateAttempt<'a> {
    pub(crate) id: &'a str,
    pub(crate) n: u32,
    pub(crate) follows: Option<String>,
    pub(crate) details: IntentDetails,
    pub(crate) row: Option<Row>,
    /// Not sent after this moment.
    pub(crate) until: Option<Instant>,
    /// The turn among the creates of a batch, which are sent in the order of their items.
    pub(crate) turn: Turn,
}

/// Resolves once all earlier creates are sent.
pub(crate) type Turn = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

#[derive(Debug)]
pub(crate) struct CreatedJob {
    pub(crate) job: VideoJob,
    /// Why it could not be recorded.
    pub(crate) warning: Option<String>,
}

/// Runs a create to its end in a task of its own: its outcome is recorded even when the caller stops waiting.
/// `None` means that the runtime is shutting down.
pub(crate) async fn run_to_end<T: Send + 'static>(
    create: impl Future<Output = Result<T>> + Send + 'static,
) -> Option<Result<T>> {
    let tracked = pending().track_future(create);
    tokio::spawn(tracked).await.ok()
}

/// Returns when no create of this process is pending.
#[cfg(feature = "python")]
pub(crate) async fn all_recorded() {
    let pending = pending();
    pending.close();
    pending.wait().await;
}

fn pending() -> &'static TaskTracker {
    PENDING[process::generation()].get_or_init(TaskTracker::new)
}

/// Submits an item's create under a journal, unless it is `barred` by then. `None` means that another caller claimed the attempt first.
pub(crate) async fn submit(
    api: &ApiClient,
    permit: CreatePermit,
    journal: &Journal,
    attempt: CreateAttempt<'_>,
    prepared: &PreparedCreate,
    barred: impl Fn() -> Option<StopReason>,
) -> Result<Option<CreatedJob>> {
    let CreateAttempt { id, follows, n, details, row, until, turn } = attempt;
    let next = NewAttempt { attempt: new_attempt_name(), n, follows };
    // Taken before the claim is visible: other processes count from there.
    let claimed = Instant::now();
    if !journal.begin(id, &next, details, row).await? {
        return Ok(None);
    }
    let attempt = AttemptRef { id, attempt: &next.attempt };
    let may_send = || async {
        if let Some(why) = barred() {
            return Err(why.error());
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(StopReason::Deadline.error());
        }
        // A suspended process may have been taken for dead meanwhile.
        let is_in_time = claimed.elapsed() < journal::SEND_TIMEOUT || journal.may_send(id, n).await?;
        if is_in_time { Ok(()) } else { Err(claim_too_old()) }
    };
    let sent = if claimed.elapsed() < journal::SEND_TIMEOUT {
        let permit = permit.in_turn(turn.await);
        api.submit(permit, prepared, &next.attempt, until, may_send).await
    } else {
        Err(claim_too_old())
    };
    let job = recorded(journal, attempt, sent).await?;
    // The job is paid for: it is polled even where its acceptance cannot be recorded yet.
    let warning =
        journal.accepted(attempt, &job, Some(n)).await.err().map(|error| {
            format!("job {} was accepted and is polled, but could not be recorded: {error}", job.request_id)
        });
    Ok(Some(CreatedJob { job, warning }))
}

/// Submits a create that belongs to no item.
pub(crate) async fn submit_single(
    api: &ApiClient,
    permit: CreatePermit,
    journal: &Arc<Journal>,
    details: IntentDetails,
    prepared: &PreparedCreate,
) -> Result<VideoJob> {
    let name = new_attempt_name();
    let attempt = AttemptRef { id: &name, attempt: &name };
    let _claim = journal.claim(&name).await?;
    journal.intent(attempt, details).await?;
    let sent = api.submit(permit, prepared, &name, None, || async { Ok(()) }).await;
    let job = recorded(journal, attempt, sent).await?;
    journal.accepted_and_released(attempt, &job).await?;
    Ok(job)
}

/// The name of a create, kept when it is sent again.
pub(crate) fn new_attempt_name() -> String {
    format!("vidjob-{:032x}", fastrand::u128(..))
}

/// What the journal records of a request. `estimate` is in ticks.
pub(crate) fn intent_details(request: &VideoRequest, sha256: &str, estimate: i64) -> IntentDetails {
    IntentDetails {
        operation: request.operation.as_str().to_owned(),
        service: String::new(),
        request_sha256: sha256.to_owned(),
        prompt: request.prompt.clone(),
        model: request.model.clone(),
        duration: request.duration,
        resolution: request.resolution.clone(),
        estimate_ticks: (estimate > 0).then_some(estimate),
        path: None,
    }
}

async fn recorded(journal: &Journal, attempt: AttemptRef<'_>, sent: Result<VideoJob>) -> Result<VideoJob> {
    if let Err(error) = &sent {
        // The error itself says more than that it could not be recorded.
        let _ = journal.rejected(attempt, error).await;
    }
    sent
}

/// Only the owner of a claim knows whether its create was sent; here it was not.
fn claim_too_old() -> Error {
    NotSubmitted::because(
        "not submitted: this process was suspended between claiming the item and sending it; run the same call again",
    )
}
