//! The course of one item: what the journal says of it, and what is left to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLock, Semaphore};
use tokio::time::Instant;

use super::budget::{Budget, Stop};
use super::fingerprint::fingerprint;
use super::prices::Prices;
use crate::client::{Bought, Purchase, Submission, VideoClient};
use crate::download::{self, Download};
use crate::error::{ApiErrorKind, DownloadErrorKind, Error, JournalErrorKind, Result};
use crate::job::{JobStatus, VideoJob};
use crate::journal::{Attempt, Claim, Columns, Entry, Journal, Order, Run, State, Which};
use crate::offload::blocking;
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
    /// What else stood in its row.
    pub columns: Option<Columns>,
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
    /// The run that this belongs to, if it is one through a whole folder.
    pub(crate) run: Option<Arc<Run>>,
    /// Held by every create that is on its way.
    pub(crate) under_way: Arc<RwLock<()>>,
    /// Creates at once: each is in doubt until it is answered, should this process end.
    pub(crate) creates: Semaphore,
}

/// How often in a row somebody else may be first before that cannot be so.
const MOST_LOST: u32 = 20;
/// How many creates a course sends at once.
pub(crate) const CREATES: usize = 32;

/// What is left to do.
#[derive(Debug, Clone, PartialEq)]
enum Next {
    Nothing { job: Box<VideoJob>, file: Download },
    Fetch(Box<VideoJob>),
    Follow { job: Box<VideoJob>, accepted_at: f64, estimate: i64 },
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
    /// What the caller should know besides.
    pub(crate) warning: Option<String>,
    /// Whether the job is that of an earlier attempt, and another one is to be made.
    is_earlier: bool,
}

impl Seen {
    /// What has happened counts, whether or not it could be written down; it is written once the disk allows.
    fn note(&mut self, written: Result<()>) {
        if let Err(error) = written {
            self.warning.get_or_insert_with(|| format!("what became of a job is not recorded yet: {error}"));
        }
    }
}

impl Course {
    /// The item that a request for one file is.
    pub(crate) async fn item_of_file(&self, request: VideoRequest, path: &Path) -> Result<Item> {
        let (journal, path) = (Arc::clone(&self.journal), path.to_owned());
        blocking(move || {
            let sha256 = fingerprint(&request)?;
            let mark = sha256.get(..16).unwrap_or_default();
            let id = format!("{}#{mark}", journal.relative(&path).display());
            let id = journal.same_render(&id, &sha256, &path).unwrap_or(id);
            Ok(Item { id, request, sha256, path, columns: None })
        })
        .await
    }

    /// Brings one item to its end.
    pub(crate) async fn run(&self, client: &VideoClient, item: &Item) -> End {
        let mut seen = Seen::default();
        let result = self.advance(client, item, &mut seen).await;
        let result = match (result, &seen.job) {
            // An earlier attempt's job has nothing to do with a create that failed.
            (Err(error), Some(job)) if !seen.is_earlier => Err(error.concerning(&job.request_id)),
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
        match self.next(&entry, &item.sha256, self.rules) {
            Ok(Next::Nothing { job, file }) if !self.rules.verify => match self.intact(&file) {
                Ok(true) => Some(Ok(self.made_before(*job, file))),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes note of columns that are others than they were.
    pub(crate) fn describe(&self, item: &Item) {
        let Some(columns) = &item.columns else { return };
        let entry = self.journal.entry(&item.id);
        if entry.is_some_and(|entry| !entry.attempts.is_empty() && entry.columns() != Some(columns)) {
            self.journal.described(&item.id, columns);
        }
    }

    async fn advance(&self, client: &VideoClient, item: &Item, seen: &mut Seen) -> Result<Made> {
        let claim = Arc::new(Box::pin(self.journal.claim(&item.id)).await?);
        let _file = match &self.run {
            // A run has read all claims at its beginning, and gives each item a file of its own.
            Some(_) => None,
            None => Some(Box::pin(self.begin_alone(item)).await?),
        };
        let (mut rules, mut lost) = (self.rules, 0);
        let job = loop {
            match Box::pin(self.left_to_do(item, rules, seen)).await? {
                Next::Nothing { job, file } => {
                    if Box::pin(self.check_intact(&file)).await? {
                        return Ok(self.made_before(*job, file));
                    }
                    break *job;
                }
                Next::Fetch(job) => break *job,
                Next::Follow { job, accepted_at, estimate } => {
                    self.budget.reopen();
                    let began = Box::pin(self.began(&item.id, accepted_at)).await;
                    break Box::pin(self.follow(client, *job, began, estimate, seen)).await?;
                }
                Next::Buy => {
                    // The semaphore is never closed.
                    let slot = self.creates.acquire().await.ok();
                    // Boxed: what one phase needs is free again in the next, and thousands wait.
                    let bought = Box::pin(self.buy(client, item, &claim)).await?;
                    drop(slot);
                    let Some((Bought { job, warning }, estimate)) = bought else {
                        // Somebody else was first, and has made anew what was to be made anew.
                        lost += 1;
                        if lost == MOST_LOST {
                            return Err(self.contradiction(&item.id));
                        }
                        rules = rules.after_lost_race(self.journal.entry(&item.id).as_ref().and_then(Entry::current));
                        continue;
                    };
                    (seen.job, seen.warning, seen.is_earlier) = (Some(job.clone()), warning, false);
                    break Box::pin(self.follow(client, job, None, estimate, seen)).await?;
                }
            }
        };
        let file = Box::pin(self.fetch(client, &job, &item.path, seen)).await?;
        Ok(Made { job, file, resumed: false })
    }

    /// What is left to do for an item on which nobody else is at work, and what was seen of it before.
    async fn left_to_do(&self, item: &Item, rules: Rules, seen: &mut Seen) -> Result<Next> {
        let mut entry = self.journal.entry(&item.id).unwrap_or_default();
        if let Some(current) = entry.current().filter(|current| current.state.is_open()) {
            self.journal.check_not_busy(&item.id, current).await?;
        }
        if let Some(lost) = entry.current().filter(|current| matches!(current.state, State::Unknown { .. })) {
            self.journal.look_again(&item.id, lost).await?;
            entry = self.journal.entry(&item.id).unwrap_or_default();
        }
        if rules.on_existing == OnExisting::Error && !entry.attempts.is_empty() {
            return Err(exists(&format!("the journal tells of {:?} already", item.id)));
        }
        seen.job = entry.current().and_then(|attempt| attempt.state.job());
        let next = self.next(&entry, &item.sha256, rules)?;
        seen.is_earlier = next == Next::Buy;
        if next == Next::Buy {
            self.check_not_hidden(&item.id, rules)?;
            return Ok(next);
        }
        if let Some(current) = entry.current().filter(|current| current.state.is_open()) {
            self.journal.take_over(Which { id: &item.id, attempt: &current.name }).await?;
            // Whoever began it may have left half a file behind.
            if let (None, Some(folder)) = (&self.run, item.path.parent().map(Path::to_owned)) {
                blocking(move || {
                    crate::process::remove_abandoned(&folder);
                    Ok(())
                })
                .await?;
            }
        }
        Ok(next)
    }

    /// Reads what a run reads at its beginning, and takes the item's file on.
    async fn begin_alone(&self, item: &Item) -> Result<Claim> {
        self.journal.adopt_claims_of(&item.id).await?;
        let (journal, path) = (Arc::clone(&self.journal), item.path.clone());
        let path = blocking(move || Ok(journal.relative(&path))).await?;
        self.journal.claim_file(&item.id, &path).await
    }

    /// When a job that is followed on was accepted.
    async fn began(&self, id: &str, accepted_at: f64) -> Option<Instant> {
        let entry = self.journal.entry(id)?;
        Instant::now().checked_sub(self.journal.age_of(entry.current()?, accepted_at).await?)
    }

    /// Claims that are taken again and again by attempts of which nothing can be known.
    fn contradiction(&self, id: &str) -> Error {
        let words = format!(
            "the claims of {id:?} in {} do not agree with its lines: nothing is bought; look for its job in the \
             provider's console",
            self.journal.folder().display()
        );
        Error::journal(JournalErrorKind::Other, words, None)
    }

    /// Refuses to buy what a damaged line may say was bought.
    fn check_not_hidden(&self, id: &str, rules: Rules) -> Result<()> {
        if rules.on_unknown == OnUnknown::Resubmit {
            return Ok(());
        }
        let Some(damage) = self.journal.damage_of(id) else { return Ok(()) };
        let words = format!(
            "{}, and may tell of {id:?}: it is not bought; look for its job in the provider's console, or pass \
             on_unknown=\"resubmit\" to buy it all the same",
            damage.words()
        );
        Err(Error::journal(JournalErrorKind::Other, words, None))
    }

    /// What is left to do for an item, by what the journal says of it.
    fn next(&self, entry: &Entry, sha256: &str, rules: Rules) -> Result<Next> {
        let left = next(entry, sha256, rules)?;
        let Some(last) = entry.current().filter(|last| !last.order.service.is_empty()) else { return Ok(left) };
        match left {
            Next::Follow { .. } | Next::Fetch(_) if last.order.service != self.service => {
                if rules.on_existing == OnExisting::Overwrite {
                    return Ok(Next::Buy);
                }
                let words = format!("this was bought from {}, and only there it can be had", last.order.service);
                Err(Error::invalid("base_url", words))
            }
            left => Ok(left),
        }
    }

    // ---- steps --------------------------------------------------------------------------------

    /// Buys an item, as the attempt that follows all that is known. Nothing comes back when somebody else was first.
    async fn buy(&self, client: &VideoClient, item: &Item, claim: &Arc<Claim>) -> Result<Option<(Bought, i64)>> {
        if let Err(taken) = self.check_target(&item.path) {
            return self.unless_known_now(item, taken).await;
        }
        let prepared = client.prepare(item.request.clone()).await?;
        let estimate = self.prices.estimate(&item.request);
        self.check_deadline()?;
        self.budget.reserve(estimate).await?;
        let estimate = estimate.unwrap_or_default();
        let turn = match client.turn_until(self.deadline).await {
            Ok(turn) => turn,
            Err(error) => {
                self.budget.give_back(estimate);
                return Err(self.check_deadline().err().unwrap_or(error));
            }
        };
        if let Some(stop) =
            self.check_run().await?.or_else(|| self.budget.stopped().filter(|stop| stop.bars_reserved()))
        {
            self.budget.give_back(estimate);
            return Err(stop.error());
        }
        let order = Order {
            path: Some(self.journal.relative(&item.path)),
            service: self.service.clone(),
            ..order(&item.request, &item.sha256, estimate)
        };
        let entry = self.journal.entry(&item.id).unwrap_or_default();
        let (n, follows) = (entry.next_number(), entry.current().map(|attempt| attempt.name.clone()));
        // A create that is on its way is heard to its end, whoever has stopped waiting for it.
        let (client, journal, id, columns) =
            (client.clone(), Arc::clone(&self.journal), item.id.clone(), item.columns.clone());
        let until = self.deadline;
        let under_way = Arc::clone(&self.under_way).read_owned().await;
        let claim = Arc::clone(claim);
        let submission = Submission::begin();
        let create = tokio::spawn(async move {
            let _held = (under_way, claim, submission);
            client.buy(turn, &journal, Purchase { id: &id, n, follows, order, columns, until }, &prepared).await
        });
        let bought = create.await.unwrap_or_else(|_| Err(Stop::Caller.error()));
        match bought {
            Ok(Some(bought)) => Ok(Some((bought, estimate))),
            Ok(None) => {
                self.budget.give_back(estimate);
                self.refresh().await?;
                Ok(None)
            }
            Err(error) => {
                self.take_refusal(&error, estimate);
                if matches!(error, Error::NotBought(_)) {
                    self.check_deadline()?;
                }
                Err(error)
            }
        }
    }

    /// What a target that is taken means: whoever rendered the same item just now has put its file there.
    async fn unless_known_now<T>(&self, item: &Item, taken: Error) -> Result<Option<T>> {
        let before = self.journal.entry(&item.id);
        self.refresh().await?;
        if self.journal.entry(&item.id) == before { Err(taken) } else { Ok(None) }
    }

    async fn refresh(&self) -> Result<()> {
        let journal = Arc::clone(&self.journal);
        blocking(move || journal.refresh()).await
    }

    /// Why a run may buy nothing more: another one took the folder over.
    async fn check_run(&self) -> Result<Option<Stop>> {
        let Some(run) = &self.run else { return Ok(None) };
        let is_over = run.is_superseded().await?;
        if is_over {
            self.budget.stop(Stop::Superseded);
        }
        Ok(is_over.then_some(Stop::Superseded))
    }

    /// What a create that failed means for the money, and for all others.
    fn take_refusal(&self, error: &Error, estimate: i64) {
        match error {
            // It is billed, or may be, and stays counted.
            Error::SubmitUnknown { .. } => self.budget.settle(estimate, estimate),
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
        (seen.job, seen.render_time) = (Some(job.clone()), render_time);
        self.budget.settle(estimate, cost(&job, estimate));
        seen.note(self.journal.terminal(&job, render_time).await);
        job.into_result()
    }

    async fn fetch(&self, client: &VideoClient, job: &VideoJob, path: &Path, seen: &mut Seen) -> Result<Download> {
        // The semaphore is never closed.
        let _slot = self.downloads.acquire().await.ok();
        let options = self.options();
        let file = if path.is_file() && !options.overwrite {
            self.recognise(client, job, path, &options).await?
        } else {
            match client.keep(job, path, &options).await {
                // Somebody else who follows the same job was faster.
                Err(_) if path.is_file() && !options.overwrite => self.recognise(client, job, path, &options).await?,
                kept => kept?,
            }
        };
        seen.note(self.journal.saved(&job.request_id, &file).await);
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
        let name = format!(".recognised.{}.{:016x}.part", crate::process::tag(), fastrand::u64(..));
        let beside = self.journal.folder().join(name);
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
        let words = format!(
            "{} is there and is not the video of job {}, which is paid for: download that job to another path",
            path.display(),
            job.request_id
        );
        Err(Error::download(DownloadErrorKind::Other, words))
    }

    // ---- checks -------------------------------------------------------------------------------

    fn options(&self) -> download::Options {
        download::Options {
            max_bytes: self.max_bytes,
            overwrite: self.rules.on_existing == OnExisting::Overwrite,
            deadline: self.deadline,
        }
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

impl Rules {
    /// What a caller does whose attempt somebody else has made: it takes what came of that. Where nothing but a claim
    /// is left of it, that was no race, and nobody has done what the caller asked for yet.
    fn after_lost_race(self, theirs: Option<&Attempt>) -> Self {
        let on_existing = if self.on_existing == OnExisting::Overwrite { OnExisting::Resume } else { self.on_existing };
        let is_abandoned = theirs.is_some_and(Attempt::is_only_claimed);
        let on_unknown = if is_abandoned { self.on_unknown } else { OnUnknown::Hold };
        Self { on_existing, on_unknown, retry: Retry::Never, ..self }
    }
}

/// What is left to do for an item, by what the journal says of it. Nothing is bought while the attempt that counts is
/// unknown, accepted or done, unless the caller asks for just that.
fn next(entry: &Entry, sha256: &str, rules: Rules) -> Result<Next> {
    let Some(last) = entry.current() else { return Ok(Next::Buy) };
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
        State::Unknown { error, request_id } => Err(lost(last, error.as_deref(), request_id.clone())),
        State::Accepted { request_id, other_ids, at } => {
            let job = Box::new(VideoJob::pending(request_id).also_named(other_ids));
            Ok(Next::Follow { job, accepted_at: *at, estimate })
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

fn lost(attempt: &Attempt, error: Option<&str>, request_id: Option<String>) -> Error {
    let what = error.unwrap_or("the program ended before the answer came");
    Error::SubmitUnknown {
        message: format!(
            "an earlier create has no known outcome ({what}; sent as {}): a job may exist and be billed; look for it in the \
             provider's console, or pass on_unknown=\"resubmit\" to buy it again",
            attempt.name
        ),
        status_code: None,
        request_id,
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
