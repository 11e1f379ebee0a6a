//! Executes one item: submits, polls, downloads, and records each step.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Place};
use super::budget::{Budget, Reservation};
use super::cost::cost;
use super::item::{Item, ItemOutcome, LastSeen, Rendered};
use super::plan::{NextStep, Wanted, exists, plan};
use super::rules::{OnExisting, OnUnknown, Rules};
use crate::api::ApiClient;
use crate::download;
use crate::error::{ApiErrorKind, DownloadErrorKind, Error, JournalErrorKind, Result};
use crate::job::VideoJob;
use crate::journal::{AttemptRef, AttemptState, Claim, Entry, IntentDetails, Journal, Run};
use crate::pricing::Prices;
use crate::request::VideoRequest;
use crate::request::fingerprint::{file_sha256, fingerprint};
use crate::saved_file::Download;
use crate::stop_reason::StopReason;
use crate::submission::{self, CreateAttempt, CreatedJob, intent_details};
use crate::threads::blocking;
use crate::watch::{FinishedJob, WaitOptions};

#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) journal: Arc<Journal>,
    pub(crate) service: String,
    pub(crate) rules: Rules,
    pub(crate) budget: Arc<Budget>,
    pub(crate) prices: Prices,
    pub(crate) downloads: Semaphore,
    pub(crate) wait_options: WaitOptions,
    pub(crate) max_bytes: u64,
    pub(crate) deadline: Option<Instant>,
    /// `None` for a single render, which takes no folder.
    pub(crate) run: Option<Arc<Run>>,
    /// Creates under way are recorded even when their item is cancelled.
    pub(crate) creates_under_way: TaskTracker,
    pub(super) admission: Admission,
}

/// Lost races in a row after which the claims contradict the lines.
const MAX_LOST_RACES: u32 = 20;

impl Executor {
    /// The item of a single render, identified by path and request.
    pub(crate) async fn item_of_file(&self, request: VideoRequest, path: &Path) -> Result<Item> {
        let (journal, path) = (Arc::clone(&self.journal), path.to_owned());
        blocking(move || {
            let sha256 = fingerprint(&request)?;
            let mark = sha256.get(..16).unwrap_or_default();
            let id = format!("{}#{mark}", journal.relative(&path).display());
            let id = journal.same_render(&id, &sha256, &path).unwrap_or(id);
            Ok(Item { id, request, sha256, path, row: None })
        })
        .await
    }

    /// `place` decides when the item is submitted, if it is.
    pub(super) async fn run(&self, api: &ApiClient, item: &Item, place: Place) -> ItemOutcome {
        let mut seen = LastSeen::default();
        let result = self.advance(api, item, place, &mut seen).await;
        if result.is_err() && seen.is_earlier {
            // The job of an earlier attempt does not belong to the error of a new create.
            seen.job = None;
        }
        let result = match &seen.job {
            Some(job) => result.map_err(|error| error.with_request_id(&job.request_id)),
            None => result,
        };
        ItemOutcome { seen, result }
    }

    /// The result of an item that needs no work: it is finished, or nothing is submitted any more. Cheap: polls and
    /// downloads nothing.
    pub(super) fn immediate(&self, item: &Item) -> Option<Result<Rendered>> {
        let entry = self.journal.entry(&item.id).unwrap_or_default();
        match self.plan(&entry, item, self.rules) {
            Ok(NextStep::Nothing { job, file }) if !self.rules.verify => match self.has_saved_size(&file) {
                Ok(true) => Some(Ok(self.already_rendered(*job, file))),
                _ => None,
            },
            Ok(NextStep::Submit) => self.budget.stopped().map(|why| Err(self.refusal(why, item))),
            _ => None,
        }
    }

    /// The result of an item that this or an earlier run has finished. Submits nothing, whatever the rules are.
    pub(super) fn known(&self, item: &Item) -> Option<Result<Rendered>> {
        let entry = self.journal.entry(&item.id)?;
        match self.plan(&entry, item, Rules::default()) {
            Ok(NextStep::Nothing { job, file }) => Some(Ok(self.already_rendered(*job, file))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Records a row that has changed.
    pub(crate) fn describe(&self, item: &Item) {
        let Some(row) = &item.row else { return };
        let entry = self.journal.entry(&item.id);
        if entry.is_some_and(|entry| !entry.attempts.is_empty() && entry.row() != Some(row)) {
            self.journal.described(&item.id, row);
        }
    }

    async fn advance(&self, api: &ApiClient, item: &Item, place: Place, seen: &mut LastSeen) -> Result<Rendered> {
        let claim = Arc::new(Box::pin(self.journal.claim(&item.id)).await?);
        let _file = match &self.run {
            // A run has read all claims, and each of its items has its own file.
            Some(_) => None,
            None => Some(Box::pin(self.claim_single(item)).await?),
        };
        let (mut rules, mut lost_races, mut place) = (self.rules, 0, Some(place));
        let job = loop {
            let next = Box::pin(self.next_step(item, rules, seen)).await?;
            // Later items do not wait for one that is not submitted.
            let place = place.take().filter(|_| next == NextStep::Submit);
            match next {
                NextStep::Nothing { job, file } => {
                    if Box::pin(self.is_intact(&file)).await? {
                        return Ok(self.already_rendered(*job, file));
                    }
                    break *job;
                }
                NextStep::Fetch(job) => break *job,
                NextStep::Follow { job, accepted_at, estimate } => {
                    let reservation = self.budget.resume(estimate);
                    let accepted = Box::pin(self.accepted_instant(&item.id, accepted_at)).await;
                    break Box::pin(self.follow(api, *job, accepted, reservation, seen)).await?;
                }
                NextStep::Submit => {
                    let place = place.unwrap_or_else(|| self.admission.place());
                    // Boxed: the memory of one phase is free in the next, and thousands wait.
                    let created = Box::pin(self.submit(api, item, &claim, place)).await?;
                    let Some((CreatedJob { job, warning }, reservation)) = created else {
                        lost_races += 1;
                        if lost_races == MAX_LOST_RACES {
                            return Err(self.contradicting_claims(&item.id));
                        }
                        rules = rules.after_lost_race(self.journal.entry(&item.id).as_ref().and_then(Entry::current));
                        continue;
                    };
                    (seen.job, seen.warning, seen.is_earlier) = (Some(job.clone()), warning, false);
                    seen.is_bought = true;
                    break Box::pin(self.follow(api, job, None, reservation, seen)).await?;
                }
            }
        };
        let file = Box::pin(self.fetch(api, &job, &item.path, seen)).await?;
        Ok(Rendered { job, file, resumed: false })
    }

    /// The next step for an item that no other process is working on.
    async fn next_step(&self, item: &Item, rules: Rules, seen: &mut LastSeen) -> Result<NextStep> {
        let mut entry = self.journal.entry(&item.id).unwrap_or_default();
        if let Some(current) = entry.current().filter(|current| current.state.is_open()) {
            self.journal.check_not_busy(&item.id, current).await?;
        }
        if let Some(lost) = entry.current().filter(|current| matches!(current.state, AttemptState::Unknown { .. })) {
            self.journal.refresh_attempt(&item.id, lost).await?;
            entry = self.journal.entry(&item.id).unwrap_or_default();
        }
        let planned = self.plan(&entry, item, rules);
        if rules.on_existing != OnExisting::Error {
            seen.job = entry.current().and_then(|attempt| attempt.state.job());
        }
        // The item of this call is another one than that job's.
        seen.is_earlier = matches!(planned, Ok(NextStep::Submit) | Err(Error::InvalidRequest { field: "id", .. }));
        let next = planned?;
        if next == NextStep::Submit {
            self.check_damage(&item.id, rules)?;
            return Ok(next);
        }
        if let Some(current) = entry.current().filter(|current| current.state.is_open()) {
            self.journal.take_over(AttemptRef { id: &item.id, attempt: &current.name }).await?;
            // The process that began it may have left a partial file.
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

    /// Does for one item what a run does at its start, and claims its file.
    async fn claim_single(&self, item: &Item) -> Result<Claim> {
        self.journal.adopt_claims_of(&item.id).await?;
        let (journal, path) = (Arc::clone(&self.journal), item.path.clone());
        let path = blocking(move || Ok(journal.relative(&path))).await?;
        self.journal.claim_file(&item.id, &path).await
    }

    /// When a job from an earlier run was accepted.
    async fn accepted_instant(&self, id: &str, accepted_at: f64) -> Option<Instant> {
        let entry = self.journal.entry(id)?;
        Instant::now().checked_sub(self.journal.age_of(entry.current()?, accepted_at).await?)
    }

    /// Claims exist for attempts that the journal does not contain.
    fn contradicting_claims(&self, id: &str) -> Error {
        let message = format!(
            "the claims of item {id:?} in {} contradict its lines, so nothing was submitted; look for its job in the \
             provider's console",
            self.journal.folder().display()
        );
        Error::journal(JournalErrorKind::Other, message, None)
    }

    /// Refuses a create that a damaged line may already contain.
    fn check_damage(&self, id: &str, rules: Rules) -> Result<()> {
        if rules.on_unknown == OnUnknown::Resubmit {
            return Ok(());
        }
        let Some(damage) = self.journal.damage_of(id) else { return Ok(()) };
        let message = format!(
            "{}, and may record item {id:?}, so it was not submitted; look for its job in the provider's console, or pass \
             on_unknown=\"resubmit\" to submit it anyway",
            damage.words()
        );
        Err(Error::journal(JournalErrorKind::Other, message, None))
    }

    fn plan(&self, entry: &Entry, item: &Item, rules: Rules) -> Result<NextStep> {
        plan(
            entry,
            Wanted {
                id: &item.id,
                sha256: &item.sha256,
                service: &self.service,
                journal: self.journal.folder(),
                overwrite: self.overwrite(),
            },
            rules,
        )
    }

    // ---- steps --------------------------------------------------------------------------------

    /// Submits an item's create as its next attempt. `None` means that another caller was first.
    async fn submit(
        &self,
        api: &ApiClient,
        item: &Item,
        claim: &Arc<Claim>,
        place: Place,
    ) -> Result<Option<(CreatedJob, Reservation)>> {
        let Place { create, reserving, sending: turn } = place;
        if let Err(taken) = self.check_target(&item.path) {
            return self.recheck_target(item, taken).await;
        }
        let ready = async {
            let create = create.await;
            let prepared = api.prepare(item.request.clone()).await?;
            Ok((create, prepared, reserving.await))
        };
        let (_create, prepared, reserving) = tokio::select! {
            biased;
            // Nothing is reserved yet: a slow item holds up neither a stop nor the deadline.
            why = self.stopped() => return Err(self.refusal(why, item)),
            ready = ready => ready?,
        };
        let estimate = self.prices.estimate(&item.request);
        if estimate.is_none() && self.budget.is_limited() {
            return Err(Prices::unknown(&item.request));
        }
        let reserved = self.budget.reserve(estimate.unwrap_or_default()).await;
        let mut reservation = reserved.map_err(|why| self.refusal(why, item))?;
        let permit = api.acquire_create_permit_until(self.deadline).await;
        let permit = permit.map_err(|error| self.check_deadline(item).err().unwrap_or(error))?;
        drop(reserving);
        if let Some(why) = self.superseded().await?.or_else(|| self.budget.stopped().filter(|why| why.bars_reserved()))
        {
            drop(reservation);
            return Err(self.refusal(why, item));
        }
        let details = IntentDetails {
            path: Some(self.journal.relative(&item.path)),
            service: self.service.clone(),
            ..intent_details(&item.request, &item.sha256, reservation.amount())
        };
        let entry = self.journal.entry(&item.id).unwrap_or_default();
        let (n, follows) = (entry.next_number(), entry.current().map(|attempt| attempt.name.clone()));
        let (api, journal, id, row) = (api.clone(), Arc::clone(&self.journal), item.id.clone(), item.row.clone());
        let until = self.deadline;
        let (claim, budget) = (Arc::clone(claim), Arc::clone(&self.budget));
        let create = self.creates_under_way.track_future(async move {
            let _claim = claim;
            let attempt = CreateAttempt { id: &id, n, follows, details, row, until, turn };
            let barred = || budget.stopped().filter(|why| why.bars_reserved());
            let created = submission::submit(&api, permit, &journal, attempt, &prepared, barred).await;
            match &created {
                Ok(Some(_)) | Err(Error::SubmitUnknown { .. }) => reservation.spend(),
                // Before the reservation is returned, which would admit one more create.
                Err(error) => stop_after(error).into_iter().for_each(|why| budget.stop(why)),
                Ok(None) => {}
            }
            created.map(|created| created.map(|created| (created, reservation)))
        });
        let created =
            submission::run_to_end(create).await.unwrap_or_else(|| Err(self.refusal(StopReason::Caller, item)));
        match created {
            Ok(None) => self.refresh().await?,
            Err(error @ Error::NotSubmitted(_)) => {
                self.check_deadline(item)?;
                return Err(self.budget.stopped().map_or(error, |why| self.refusal(why, item)));
            }
            Err(_) | Ok(Some(_)) => {}
        }
        created
    }

    /// An existing target may be the file of this item, saved by another process just now.
    async fn recheck_target<T>(&self, item: &Item, taken: Error) -> Result<Option<T>> {
        let before = self.journal.entry(&item.id);
        self.refresh().await?;
        if self.journal.entry(&item.id) == before { Err(taken) } else { Ok(None) }
    }

    async fn refresh(&self) -> Result<()> {
        let journal = Arc::clone(&self.journal);
        blocking(move || journal.refresh()).await
    }

    /// Stops this run if another one has taken the folder over.
    async fn superseded(&self) -> Result<Option<StopReason>> {
        let Some(run) = &self.run else { return Ok(None) };
        let is_over = run.is_superseded().await?;
        if is_over {
            self.budget.stop(StopReason::Superseded);
        }
        Ok(is_over.then_some(StopReason::Superseded))
    }

    async fn follow(
        &self,
        api: &ApiClient,
        job: VideoJob,
        accepted: Option<Instant>,
        reservation: Reservation,
        seen: &mut LastSeen,
    ) -> Result<VideoJob> {
        let known = self.journal.render_times_of(&job.request_id);
        let ended = async { api.follow(job, WaitOptions { known, ..self.remaining_wait() }, accepted)?.await }.await;
        let FinishedJob { job, render_time } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                if let Error::WaitTimeout { job, .. } = &error {
                    seen.job = Some((**job).clone());
                }
                return Err(error);
            }
        };
        (seen.job, seen.render_time) = (Some(job.clone()), render_time);
        let cost = cost(&job, reservation.amount());
        reservation.settle(cost);
        seen.note(self.journal.terminal(&job, render_time).await);
        job.into_result()
    }

    async fn fetch(&self, api: &ApiClient, job: &VideoJob, path: &Path, seen: &mut LastSeen) -> Result<Download> {
        // The semaphore is never closed.
        let _slot = self.downloads.acquire().await.ok();
        let options = self.options();
        let file = if path.is_file() && !options.overwrite {
            self.verify_existing(api, job, path, &options).await?
        } else {
            match api.fetch(job, path, &options).await {
                // Another process may have saved the same file.
                Err(_) if path.is_file() && !options.overwrite => {
                    self.verify_existing(api, job, path, &options).await?
                }
                kept => kept?,
            }
        };
        seen.note(self.journal.saved(&job.request_id, &file).await);
        Ok(file)
    }

    /// Accepts an existing file if its content is the job's: a run may have ended between the rename and its record.
    async fn verify_existing(
        &self,
        api: &ApiClient,
        job: &VideoJob,
        path: &Path,
        options: &download::Options,
    ) -> Result<Download> {
        let name = format!(".recognised.{}.{:016x}.part", crate::process::tag(), fastrand::u64(..));
        let unverified = self.journal.folder().join(name);
        let fetched = api.fetch(job, &unverified, options).await?;
        // A file left in the journal's folder does no harm.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_file(unverified)).await;
        if has_hash(path, &fetched.sha256).await {
            return Ok(Download { path: path.to_owned(), ..fetched });
        }
        let message = format!(
            "{} already exists and is not the video of job {}; download that job to another path",
            path.display(),
            job.request_id
        );
        Err(Error::download(DownloadErrorKind::Other, message))
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
        let is_taken = self.run.is_some() && !self.options().overwrite && path.is_file();
        if is_taken {
            let message = format!("{} already exists and was not created by this journal", path.display());
            return Err(exists(&message, self.overwrite()));
        }
        download::check_target(path, &self.options())
    }

    fn check_deadline(&self, item: &Item) -> Result<()> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.budget.stop(StopReason::Deadline);
            return Err(self.refusal(StopReason::Deadline, item));
        }
        Ok(())
    }

    /// The caller's argument that renders an existing item again.
    fn overwrite(&self) -> &'static str {
        if self.run.is_some() { "on_existing=\"overwrite\"" } else { "overwrite=True" }
    }

    /// Returns once nothing more is submitted.
    async fn stopped(&self) -> StopReason {
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = self.budget.when_stopped() => why,
            () = deadline => {
                self.budget.stop(StopReason::Deadline);
                StopReason::Deadline
            }
        }
    }

    fn refusal(&self, why: StopReason, item: &Item) -> Error {
        self.budget.refusal(why, self.prices.estimate(&item.request))
    }

    fn remaining_wait(&self) -> WaitOptions {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = match (self.wait_options.timeout, left) {
            (Some(timeout), Some(left)) => Some(timeout.min(left)),
            (timeout, left) => timeout.or(left),
        };
        WaitOptions { timeout: timeout.map(|timeout| timeout.max(Duration::from_millis(1))), ..self.wait_options }
    }

    /// Whether a saved file still exists. A file of another size is not replaced.
    fn has_saved_size(&self, file: &Download) -> Result<bool> {
        let path = self.journal.absolute(&file.path);
        match std::fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() == file.bytes => Ok(true),
            Ok(_) => Err(self.changed(&path, "has changed since it was saved")),
            Err(_) => Ok(false),
        }
    }

    fn changed(&self, path: &Path, what: &str) -> Error {
        let message = format!(
            "{} {what}; move it away to download the video again at no cost, or pass {} to buy it again",
            path.display(),
            self.overwrite()
        );
        Error::download(DownloadErrorKind::Other, message)
    }

    async fn is_intact(&self, file: &Download) -> Result<bool> {
        let is_there = self.has_saved_size(file)?;
        if !is_there || !self.rules.verify {
            return Ok(is_there);
        }
        let path = self.journal.absolute(&file.path);
        if has_hash(&path, &file.sha256).await {
            return Ok(true);
        }
        Err(self.changed(&path, "has changed since it was saved: its hash differs"))
    }

    fn already_rendered(&self, job: VideoJob, file: Download) -> Rendered {
        let path = self.journal.absolute(&file.path);
        Rendered { job, file: Download { path, ..file }, resumed: true }
    }
}

async fn has_hash(path: &Path, sha256: &str) -> bool {
    let path = path.to_owned();
    let hash = tokio::task::spawn_blocking(move || file_sha256(&path)).await;
    matches!(hash, Ok(Ok(hash)) if hash == sha256)
}

/// Why no other create can succeed after this error, if that is so.
fn stop_after(error: &Error) -> Option<StopReason> {
    let Error::Api(refusal) = error else { return None };
    match refusal.kind {
        ApiErrorKind::Authentication | ApiErrorKind::PermissionDenied => Some(StopReason::Key),
        ApiErrorKind::InsufficientBalance => Some(StopReason::Balance),
        _ => None,
    }
}
