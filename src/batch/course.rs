//! The course of one item: what the journal says of it, and what is left to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{RwLock, Semaphore};
use tokio::time::Instant;

use super::budget::{Budget, Stop};
use super::prices::Prices;
use crate::client::VideoClient;
use crate::download::{self, Download};
use crate::error::{ApiErrorKind, DownloadErrorKind, Error, Result};
use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, Claim, Entry, Journal, Order, State};
use crate::request::VideoRequest;
use crate::watch::{Ended, Patience};

/// What to do about what is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Go on from there.
    #[default]
    Resume,
    /// Make it anew, and replace the file.
    Overwrite,
    /// Refuse.
    Error,
}

/// What to do about a create of which nobody knows whether it was bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Report it.
    #[default]
    Hold,
    /// Buy it, perhaps for the second time.
    Resubmit,
}

/// Which failures are bought again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// None.
    #[default]
    Never,
    /// Those that moderation has nothing to do with.
    Failed,
    /// All: the caller asked for this very item.
    All,
}

/// How items are worked through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// What to do about what is there already.
    pub on_existing: OnExisting,
    /// What to do about creates without an outcome.
    pub on_unknown: OnUnknown,
    /// Which failures are bought again.
    pub retry: Retry,
    /// Whether kept files are hashed again, and not only measured.
    pub verify: bool,
}

/// One video that is wanted.
#[derive(Debug, Clone)]
pub struct Item {
    /// The caller's name for it.
    pub id: String,
    /// What is asked for.
    pub request: VideoRequest,
    /// The request's fingerprint.
    pub sha256: String,
    /// Where the file goes.
    pub path: PathBuf,
}

/// A video that was made, now or before.
#[derive(Debug, Clone)]
pub struct Made {
    /// The job, done.
    pub job: VideoJob,
    /// The file, kept.
    pub file: Download,
    /// Whether nothing was left to do.
    pub resumed: bool,
}

/// How items are brought to their end.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) journal: Arc<Journal>,
    /// The service that items are bought from.
    pub(crate) service: String,
    pub(crate) rules: Rules,
    pub(crate) budget: Budget,
    pub(crate) prices: Prices,
    pub(crate) downloads: Semaphore,
    pub(crate) patience: Patience,
    pub(crate) max_bytes: u64,
    pub(crate) deadline: Option<Instant>,
    /// Held by every create that is on its way.
    pub(crate) under_way: Arc<RwLock<()>>,
    /// Creates at once: each is in doubt until it is answered, should this process end.
    pub(crate) creates: Semaphore,
}

/// How many creates a course sends at once.
pub(crate) const CREATES: usize = 32;

/// What is left to do.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    Nothing { job: Box<VideoJob>, file: Download },
    Fetch(Box<VideoJob>),
    Follow { request_id: String, accepted_at: f64, estimate: i64 },
    Buy,
}

/// An item's end, with the last that is known of its job.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) seen: Seen,
    pub(crate) result: Result<Made>,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The last that is known of the job.
    pub(crate) job: Option<VideoJob>,
    /// From acceptance to the end of the job, if both were seen.
    pub(crate) render_time: Option<Duration>,
}

impl Course {
    /// Brings one item to its end.
    pub(crate) async fn run(&self, client: &VideoClient, item: &Item) -> End {
        let mut seen = Seen::default();
        let result = self.advance(client, item, &mut seen).await;
        let result = match (result, &seen.job) {
            (Err(error), Some(job)) => Err(error.concerning(&job.request_id)),
            (result, _) => result,
        };
        End { seen, result }
    }

    /// What an item is that has its end already. Cheap, and buys nothing.
    pub(crate) fn is_done(&self, item: &Item) -> Option<Result<Made>> {
        if self.rules.on_existing == OnExisting::Error {
            return None;
        }
        let entry = self.journal.entry(&item.id)?;
        match self.next(&entry, &item.sha256) {
            Ok(Next::Nothing { job, file }) if !self.rules.verify => match self.intact(&file) {
                Ok(true) => Some(Ok(self.made_before(*job, file))),
                _ => None,
            },
            _ => None,
        }
    }

    async fn advance(&self, client: &VideoClient, item: &Item, seen: &mut Seen) -> Result<Made> {
        let claim = Arc::new(Box::pin(self.journal.claim(&item.id)).await?);
        let job = match self.left_to_do(item, seen)? {
            Next::Nothing { job, file } => {
                if Box::pin(self.check_intact(&file)).await? {
                    return Ok(self.made_before(*job, file));
                }
                *job
            }
            Next::Fetch(job) => *job,
            Next::Follow { request_id, accepted_at, estimate } => {
                self.budget.reopen();
                let job = VideoJob::pending(&request_id);
                Box::pin(self.follow(client, job, instant_of(accepted_at), estimate, seen)).await?
            }
            Next::Buy => {
                // The semaphore is never closed.
                let slot = self.creates.acquire().await.ok();
                // Boxed: what one phase needs is free again in the next, and thousands wait.
                let (job, estimate) = Box::pin(self.buy(client, item, &claim)).await?;
                drop(slot);
                seen.job = Some(job.clone());
                Box::pin(self.follow(client, job, None, estimate, seen)).await?
            }
        };
        let file = Box::pin(self.fetch(client, &job, &item.path)).await?;
        Ok(Made { job, file, resumed: false })
    }

    /// What is left to do for an item, and what was seen of it before.
    fn left_to_do(&self, item: &Item, seen: &mut Seen) -> Result<Next> {
        let entry = self.journal.entry(&item.id).unwrap_or_default();
        if self.rules.on_existing == OnExisting::Error && !entry.attempts.is_empty() {
            return Err(exists(&format!("the journal tells of {:?} already", item.id)));
        }
        seen.job = entry.last().and_then(|attempt| attempt.state.job());
        self.next(&entry, &item.sha256)
    }

    /// What is left to do for an item, by what the journal says of it.
    fn next(&self, entry: &Entry, sha256: &str) -> Result<Next> {
        let left = next(entry, sha256, self.rules)?;
        let Some(last) = entry.last().filter(|last| !last.order.service.is_empty()) else { return Ok(left) };
        match left {
            Next::Follow { .. } | Next::Fetch(_) if last.order.service != self.service => {
                if self.rules.on_existing == OnExisting::Overwrite {
                    return Ok(Next::Buy);
                }
                let words = format!("this was bought from {}, and only there it can be had", last.order.service);
                Err(Error::invalid("base_url", words))
            }
            left => Ok(left),
        }
    }

    // ---- steps --------------------------------------------------------------------------------

    async fn buy(&self, client: &VideoClient, item: &Item, claim: &Arc<Claim>) -> Result<(VideoJob, i64)> {
        self.check_target(&item.path)?;
        let prepared = client.prepare(item.request.clone()).await?;
        let estimate = self.prices.estimate(&item.request);
        self.check_deadline()?;
        self.budget.reserve(estimate).await?;
        let estimate = estimate.unwrap_or_default();
        client.turn().await;
        if let Some(stop) = self.budget.stopped() {
            self.budget.give_back(estimate);
            return Err(stop.error());
        }
        let order = Order {
            path: Some(self.journal.relative(&item.path)),
            service: self.service.clone(),
            ..order(&item.request, &item.sha256, estimate)
        };
        // A create that is on its way is heard to its end, whoever has stopped waiting for it.
        let (client, journal, id) = (client.clone(), Arc::clone(&self.journal), item.id.clone());
        let under_way = Arc::clone(&self.under_way).read_owned().await;
        let claim = Arc::clone(claim);
        let create = tokio::spawn(async move {
            let _held = (under_way, claim);
            client.buy(&journal, &id, order, &prepared).await
        });
        let bought = create.await.unwrap_or_else(|_| Err(Stop::Caller.error()));
        if let Err(error) = &bought {
            self.take_refusal(error, estimate);
        }
        bought.map(|job| (job, estimate))
    }

    /// What a create that failed means for the money, and for all others.
    fn take_refusal(&self, error: &Error, estimate: i64) {
        match error {
            // It is billed, or may be, and stays counted.
            Error::SubmitUnknown { .. } => self.budget.settle(estimate, estimate),
            Error::Journal(trouble) if trouble.request_id.is_some() => self.budget.settle(estimate, estimate),
            _ => self.budget.give_back(estimate),
        }
        let Error::Api(refusal) = error else { return };
        match refusal.kind {
            ApiErrorKind::Authentication | ApiErrorKind::PermissionDenied => self.budget.stop(Stop::Key),
            ApiErrorKind::InsufficientBalance => self.budget.stop(Stop::Balance),
            _ => {}
        }
    }

    async fn follow(
        &self,
        client: &VideoClient,
        job: VideoJob,
        accepted: Option<Instant>,
        estimate: i64,
        seen: &mut Seen,
    ) -> Result<VideoJob> {
        let known = self.journal.render_times_of(&job.request_id);
        let ended = async { client.follow(job, Patience { known, ..self.patience_left() }, accepted)?.await }.await;
        let Ended { job, render_time } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.budget.settle(estimate, estimate);
                if let Error::WaitTimeout { job, .. } = &error {
                    seen.job = Some((**job).clone());
                }
                return Err(error);
            }
        };
        *seen = Seen { job: Some(job.clone()), render_time };
        self.budget.settle(estimate, cost(&job, estimate));
        self.journal.terminal(&job, render_time).await?;
        job.into_result()
    }

    async fn fetch(&self, client: &VideoClient, job: &VideoJob, path: &Path) -> Result<Download> {
        // The semaphore is never closed.
        let _slot = self.downloads.acquire().await.ok();
        let options = self.options();
        let file = if path.is_file() && !options.overwrite {
            self.recognise(client, job, path, &options).await?
        } else {
            client.keep(job, path, &options).await?
        };
        self.journal.saved(&job.request_id, &file).await?;
        Ok(file)
    }

    /// A file that is there already is this job's if its content is: a run may have ended between putting it in
    /// place and writing that down.
    async fn recognise(
        &self,
        client: &VideoClient,
        job: &VideoJob,
        path: &Path,
        options: &download::Options,
    ) -> Result<Download> {
        let beside = self.journal.folder().join(format!("{:016x}.mp4", fastrand::u64(..)));
        let fetched = client.keep(job, &beside, options).await?;
        let (there, sha256) = (path.to_owned(), fetched.sha256.clone());
        let is_same = tokio::task::spawn_blocking(move || {
            // What is left in the journal's folder harms nobody.
            let _ = std::fs::remove_file(&beside);
            super::fingerprint::of_file(&there).is_ok_and(|sum| sum == sha256)
        });
        if is_same.await.unwrap_or(false) {
            return Ok(Download { path: path.to_owned(), ..fetched });
        }
        Err(exists(&format!("{} is there and is not this job's video", path.display())))
    }

    // ---- checks -------------------------------------------------------------------------------

    fn options(&self) -> download::Options {
        download::Options { max_bytes: self.max_bytes, overwrite: self.rules.on_existing == OnExisting::Overwrite }
    }

    fn check_target(&self, path: &Path) -> Result<()> {
        let is_taken = self.rules.retry != Retry::All && !self.options().overwrite && path.is_file();
        if is_taken {
            let words =
                format!("{} is there, is not of this journal's making, and is not adopted by its name", path.display());
            return Err(exists(&words));
        }
        download::check_target(path, &self.options())
    }

    fn check_deadline(&self) -> Result<()> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.budget.stop(Stop::Deadline);
            return Err(Stop::Deadline.error());
        }
        Ok(())
    }

    fn patience_left(&self) -> Patience {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = match (self.patience.timeout, left) {
            (Some(timeout), Some(left)) => Some(timeout.min(left)),
            (timeout, left) => timeout.or(left),
        };
        Patience { timeout: timeout.map(|timeout| timeout.max(Duration::from_millis(1))), ..self.patience }
    }

    /// Whether a kept file is still there; one of another size is nobody's to replace.
    fn intact(&self, file: &Download) -> Result<bool> {
        let path = self.journal.absolute(&file.path);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() == file.bytes => Ok(true),
            Ok(_) => Err(exists(&format!("{} is there and is not what was kept there", path.display()))),
            Err(_) => Ok(false),
        }
    }

    async fn check_intact(&self, file: &Download) -> Result<bool> {
        let is_there = self.intact(file)?;
        if !is_there || !self.rules.verify {
            return Ok(is_there);
        }
        let path = self.journal.absolute(&file.path);
        let (there, sha256) = (path.clone(), file.sha256.clone());
        let same =
            tokio::task::spawn_blocking(move || super::fingerprint::of_file(&there).is_ok_and(|sum| sum == sha256));
        if same.await.unwrap_or(false) {
            return Ok(true);
        }
        Err(exists(&format!("{} is there and its hash is not the one it was kept with", path.display())))
    }

    fn made_before(&self, job: VideoJob, file: Download) -> Made {
        let path = self.journal.absolute(&file.path);
        Made { job, file: Download { path, ..file }, resumed: true }
    }
}

/// What a request is recorded as.
pub(crate) fn order(request: &VideoRequest, sha256: &str, estimate: i64) -> Order {
    Order {
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

/// A moment of the past by the wall's clock; `None` where the clock of whoever wrote it down differs.
fn instant_of(at: f64) -> Option<Instant> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Instant::now().checked_sub(now.checked_sub(Duration::try_from_secs_f64(at).ok()?)?)
}

/// What is left to do for an item, by what the journal says of it.
fn next(entry: &Entry, sha256: &str, rules: Rules) -> Result<Next> {
    let Some(last) = entry.last() else { return Ok(Next::Buy) };
    let estimate = last.order.estimate_ticks.unwrap_or_default();
    let is_other = !last.order.request_sha256.is_empty() && last.order.request_sha256 != sha256;
    let anew = rules.on_existing == OnExisting::Overwrite;
    match &last.state {
        State::Refused { .. } => Ok(Next::Buy),
        State::Over { .. } | State::Saved { .. } if anew => Ok(Next::Buy),
        _ if is_other => Err(Error::invalid(
            "id",
            "the journal has another request under this id; take another id, or another folder",
        )),
        State::Unknown { .. } if rules.on_unknown == OnUnknown::Resubmit => Ok(Next::Buy),
        State::Unknown { error } => Err(lost(last, error.as_deref())),
        State::Accepted { request_id, at } => {
            Ok(Next::Follow { request_id: request_id.clone(), accepted_at: *at, estimate })
        }
        State::Over { job } if job.status == JobStatus::Done && !job.is_blocked() => Ok(Next::Fetch(job.clone())),
        State::Over { job } => match rules.retry {
            Retry::All => Ok(Next::Buy),
            Retry::Failed if !job.is_blocked() => Ok(Next::Buy),
            // One that is over and not done is an error.
            _ => job.as_ref().clone().into_result().map(|job| Next::Fetch(Box::new(job))),
        },
        State::Saved { job, file } => Ok(Next::Nothing { job: job.clone(), file: file.clone() }),
    }
}

fn lost(attempt: &Attempt, error: Option<&str>) -> Error {
    let what = error.unwrap_or("the program ended before the answer came");
    Error::SubmitUnknown {
        message: format!(
            "an earlier create has no known outcome ({what}; sent as {}): a job may exist and be billed; look for it in the \
             provider's console, or pass on_unknown=\"resubmit\" to buy it again",
            attempt.name
        ),
        status_code: None,
        request_id: None,
    }
}

/// What a job that is over cost: what the service reports, else what was expected of one that is done.
pub(crate) fn cost(job: &VideoJob, estimate: i64) -> i64 {
    match (&job.usage, job.status) {
        (Some(usage), _) => usage.cost_in_usd_ticks,
        (None, JobStatus::Done) => estimate,
        (None, _) => 0,
    }
}

fn exists(message: &str) -> Error {
    Error::download(DownloadErrorKind::Other, format!("{message}; on_existing=\"overwrite\" makes it anew"))
}
