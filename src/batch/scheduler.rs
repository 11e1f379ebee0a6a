//! Runs the items of a batch, a bounded number at a time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::budget::Budget;
use super::cost::spent;
use super::executor::Executor;
use super::item::{Item, ItemOutcome, LastSeen, Rendered};
use super::rules::Rules;
use crate::api::ApiClient;
use crate::download;
use crate::error::{NotSubmitted, Result};
use crate::event::{Event, Events};
use crate::job::VideoJob;
use crate::journal::{AttemptState, Entry, Journal};
use crate::pricing::{self, Prices};
use crate::request::VideoRequest;
use crate::stop_reason::StopReason;
use crate::watch::WaitOptions;

/// Creates without a response at once.
const CREATES: usize = 32;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Settings {
    pub concurrency: usize,
    pub max_downloads: usize,
    /// Includes what earlier runs in the folder have spent.
    pub max_cost_usd: Option<f64>,
    /// Jobs of this run.
    pub max_jobs: Option<u64>,
    /// From the start of this run.
    pub deadline: Option<Duration>,
    pub rules: Rules,
    pub prices: Prices,
    pub wait_options: WaitOptions,
    pub max_bytes: u64,
    pub input: Input,
}

/// How many items will be fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A known number: each of them gets an outcome, whatever stops the batch.
    Finite,
    /// Perhaps without end: after a stop, no further one is taken.
    Stream,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 32,
            max_downloads: 16,
            max_cost_usd: None,
            max_jobs: None,
            deadline: None,
            rules: Rules::default(),
            prices: Prices::default(),
            wait_options: WaitOptions::default(),
            max_bytes: download::Options::default().max_bytes,
            input: Input::Finite,
        }
    }
}

#[derive(Debug)]
pub struct Outcome {
    pub id: String,
    /// The last snapshot.
    pub job: Option<VideoJob>,
    /// From acceptance to the end of the job, if both were observed.
    pub render_time: Option<Duration>,
    pub warning: Option<String>,
    /// Whether this run created the job.
    pub bought: bool,
    pub result: Result<Rendered>,
}

impl Outcome {
    fn without_work(id: String, result: Result<Rendered>) -> Self {
        let job = result.as_ref().ok().map(|made| made.job.clone());
        Self { id, job, render_time: None, warning: None, bought: false, result }
    }

    /// A task ended without an outcome.
    fn lost(id: String, failure: &JoinError) -> Self {
        let words = format!("internal error in vidjob, please report it: {failure}");
        Self::without_work(id, Err(NotSubmitted::because(words)))
    }
}

/// What a batch needs or has finished.
#[derive(Debug)]
pub enum BatchStep {
    NeedsItem,
    ItemFinished(Box<Outcome>),
    /// All items are finished, and no more will come.
    Drained,
}

/// Controls a batch while another call waits for its next step.
#[derive(Debug, Clone)]
pub struct BatchHandle {
    executor: Arc<Executor>,
    in_flight: Arc<AtomicUsize>,
}

impl BatchHandle {
    /// Stops creates; jobs under way continue.
    pub fn stop(&self) {
        self.executor.budget.stop(StopReason::Caller);
    }

    #[must_use]
    pub fn stopped(&self) -> Option<StopReason> {
        self.executor.budget.stopped()
    }

    /// The base URL of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.executor.service
    }

    #[must_use]
    pub fn spent_usd(&self) -> f64 {
        self.executor.budget.spent_usd()
    }

    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub struct Batch {
    api: ApiClient,
    executor: Arc<Executor>,
    concurrency: usize,
    input: Input,
    tasks: JoinSet<Outcome>,
    in_flight: Arc<AtomicUsize>,
    names: HashMap<Id, String>,
    events: Option<mpsc::UnboundedReceiver<Event>>,
    sender: Option<mpsc::UnboundedSender<Event>>,
    is_open: bool,
}

impl Batch {
    /// A batch under `journal`. `observation` says whether its events are wanted.
    pub(crate) async fn begin(
        api: &ApiClient,
        journal: Arc<Journal>,
        settings: Settings,
        observation: Observation,
    ) -> Result<Self> {
        settings.prices.check()?;
        let run = Arc::new(journal.run().await?);
        journal.adopt_claims().await?;
        let spent = pricing::total(journal.entries().iter().map(|(_, entry)| spent(entry)));
        let budget = Budget::new(settings.max_cost_usd.map(pricing::ticks), spent, settings.max_jobs);
        let (sender, events) = mpsc::unbounded_channel();
        let is_observed = observation == Observation::Events;
        Ok(Self {
            api: api.clone(),
            executor: Arc::new(Executor {
                journal,
                service: api.config().service().to_owned(),
                rules: settings.rules,
                budget: Arc::new(budget),
                prices: settings.prices,
                downloads: Semaphore::new(settings.max_downloads.max(1)),
                wait_options: settings.wait_options,
                max_bytes: settings.max_bytes,
                deadline: settings.deadline.and_then(|time| Instant::now().checked_add(time)),
                run: Some(Arc::clone(&run)),
                creates_under_way: TaskTracker::new(),
                admission: Admission::new(CREATES),
            }),
            concurrency: settings.concurrency.max(1),
            input: settings.input,
            tasks: JoinSet::new(),
            in_flight: Arc::default(),
            names: HashMap::new(),
            events: is_observed.then_some(events),
            sender: is_observed.then_some(sender),
            is_open: true,
        })
    }

    /// Waits for the next step, and passes events on meanwhile.
    pub async fn step(&mut self, listener: &Events) -> BatchStep {
        loop {
            if self.has_room() {
                self.emit_queued(listener);
                return BatchStep::NeedsItem;
            }
            tokio::select! {
                biased;
                event = next_event(&mut self.events) => listener.emit(|| event),
                ended = self.tasks.join_next_with_id() => {
                    self.in_flight.store(self.tasks.len(), Ordering::SeqCst);
                    self.emit_queued(listener);
                    return match ended {
                        Some(Ok((id, outcome))) => {
                            self.names.remove(&id);
                            BatchStep::ItemFinished(Box::new(outcome))
                        }
                        Some(Err(failure)) => {
                            let id = self.names.remove(&failure.id()).unwrap_or_default();
                            BatchStep::ItemFinished(Box::new(Outcome::lost(id, &failure)))
                        }
                        None => BatchStep::Drained,
                    };
                }
            }
        }
    }

    #[must_use]
    pub fn has_room(&self) -> bool {
        self.check_deadline();
        let takes_items = self.input == Input::Finite || self.executor.budget.stopped().is_none();
        self.is_open && takes_items && self.tasks.len() < self.concurrency
    }

    /// Starts an item; one that needs no work is returned at once. Must be called on a runtime.
    pub fn feed(&mut self, item: Item) -> Option<Outcome> {
        if let Some(result) = self.executor.immediate(&item) {
            self.executor.describe(&item);
            return Some(Outcome::without_work(item.id, result));
        }
        let place = self.executor.admission.place();
        let (executor, api) = (Arc::clone(&self.executor), self.api.observed(self.events_of(&item.id)));
        let name = item.id.clone();
        let handle = self.tasks.spawn(async move {
            executor.describe(&item);
            let ItemOutcome { seen: LastSeen { job, render_time, warning, is_bought: bought, .. }, result } =
                executor.run(&api, &item, place).await;
            Outcome { id: item.id, job, render_time, warning, bought, result }
        });
        self.names.insert(handle.id(), name);
        self.in_flight.store(self.tasks.len(), Ordering::SeqCst);
        None
    }

    /// The outcome of an item that was fed before, if the journal has it. Submits nothing.
    #[must_use]
    pub fn known(&self, item: &Item) -> Option<Outcome> {
        let result = self.executor.known(item)?;
        Some(Outcome::without_work(item.id.clone(), result))
    }

    /// Starts all unfinished items of the journal, and returns their number. Must be called on a runtime.
    pub fn feed_unfinished(&mut self) -> usize {
        let items = unfinished(&self.executor.journal);
        let count = items.len();
        for item in items {
            if let Some(folder) = item.path.parent() {
                // If this fails, the item's download fails with the reason.
                let _ = std::fs::create_dir_all(folder);
            }
            self.feed(item);
        }
        self.finish();
        count
    }

    pub fn finish(&mut self) {
        self.is_open = false;
    }

    /// Cancels all items, after creates under way are recorded.
    pub async fn close(&mut self) {
        self.executor.budget.stop(StopReason::Caller);
        self.tasks.shutdown().await;
        self.executor.creates_under_way.close();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.executor.creates_under_way.wait()).await;
        if let Some(run) = &self.executor.run {
            run.end().await;
        }
    }

    #[must_use]
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.executor.journal)
    }

    #[must_use]
    pub fn handle(&self) -> BatchHandle {
        BatchHandle { executor: Arc::clone(&self.executor), in_flight: Arc::clone(&self.in_flight) }
    }

    fn check_deadline(&self) {
        if self.executor.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.executor.budget.stop(StopReason::Deadline);
        }
    }

    fn events_of(&self, id: &str) -> Events {
        let Some(sender) = self.sender.clone() else { return Events::default() };
        let id: Arc<str> = id.into();
        Events::to(move |event| {
            // The receiver is gone once the batch is.
            let _ = sender.send(Event::OfItem { id: Arc::clone(&id), event: Box::new(event) });
        })
    }

    fn emit_queued(&mut self, listener: &Events) {
        while let Some(event) = self.events.as_mut().and_then(|events| events.try_recv().ok()) {
            listener.emit(|| event);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    Events,
    /// Events are not made at all.
    None,
}

async fn next_event(events: &mut Option<mpsc::UnboundedReceiver<Event>>) -> Event {
    let received = match events {
        Some(events) => events.recv().await,
        None => None,
    };
    match received {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

/// The items whose jobs are paid for and unfinished. Their requests are not needed again.
fn unfinished(journal: &Journal) -> Vec<Item> {
    let open = |(id, entry): (String, Entry)| {
        let attempt = entry.current()?.clone();
        let job = match &attempt.state {
            AttemptState::Accepted { .. } => attempt.state.job()?,
            AttemptState::Over { job } if job.as_ref().clone().into_result().is_ok() => (**job).clone(),
            _ => return None,
        };
        let path = attempt.order.path.unwrap_or_else(|| PathBuf::from(format!("videos/{}.mp4", job.file_stem())));
        let (sha256, path) = (attempt.order.request_sha256, journal.absolute(&path));
        Some(Item { id, request: VideoRequest::default(), sha256, path, row: entry.row().cloned() })
    };
    journal.entries().into_iter().filter_map(open).collect()
}
