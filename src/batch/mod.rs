//! Many renders at once, none lost and none bought twice.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

mod budget;
pub(crate) mod course;
mod fingerprint;
mod metadata;
mod prices;
mod records;

pub use budget::{Budget, Stop};
pub use course::{Item, Made, OnExisting, OnUnknown, Retry, Rules};
pub use fingerprint::fingerprint;
pub use metadata::{lacks_columns, metadata};
pub use prices::{Price, Prices, ticks};
pub use records::{Record, records};

use crate::client::VideoClient;
use crate::download;
use crate::error::{Error, Result};
use crate::event::{Event, Events};
use crate::job::VideoJob;
use crate::journal::{Entry, Journal, State};
use crate::offload::blocking;
use crate::request::VideoRequest;
use crate::watch::Patience;
use course::{Course, End, Seen};

/// How long creates that are on their way are heard when a batch is closed.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How a batch is worked through.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Renders under way at once.
    pub concurrency: usize,
    /// Files fetched at once.
    pub max_downloads: usize,
    /// What may be spent under this journal, in US dollars.
    pub max_cost_usd: Option<f64>,
    /// How many jobs may be bought in this run.
    pub max_jobs: Option<u64>,
    /// How long this run may take.
    pub deadline: Option<Duration>,
    /// What to do about what is there.
    pub rules: Rules,
    /// What renders are expected to cost.
    pub prices: Prices,
    /// How long to wait for one job, and how often to ask.
    pub patience: Patience,
    /// The largest file that is kept.
    pub max_bytes: u64,
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
            patience: Patience::default(),
            max_bytes: download::Options::default().max_bytes,
        }
    }
}

/// What became of one item.
#[derive(Debug)]
pub struct Outcome {
    /// The item.
    pub id: String,
    /// The last that is known of its job.
    pub job: Option<VideoJob>,
    /// From acceptance to the end of the job, if both were seen.
    pub render_time: Option<Duration>,
    /// What the caller should know besides.
    pub warning: Option<String>,
    /// The file, or what went wrong.
    pub result: Result<Made>,
}

/// What a batch has to say.
#[derive(Debug)]
pub enum Step {
    /// There is room for one more item.
    Wants,
    /// One is at its end.
    Ended(Box<Outcome>),
    /// All are, and no more will come.
    Over,
}

/// A hold on a batch that works while somebody waits for it.
#[derive(Debug, Clone)]
pub struct Reins {
    course: Arc<Course>,
    in_flight: Arc<AtomicUsize>,
}

impl Reins {
    /// Buys nothing more; what is under way goes on.
    pub fn stop(&self) {
        self.course.budget.stop(Stop::Caller);
    }

    /// Why nothing more is bought, if that is so.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.course.budget.stopped()
    }

    /// What was spent or reserved under this journal, in US dollars.
    #[must_use]
    pub fn spent_usd(&self) -> f64 {
        self.course.budget.spent_usd()
    }

    /// How many items are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// Renders under way.
#[derive(Debug)]
pub struct Batch {
    client: VideoClient,
    course: Arc<Course>,
    concurrency: usize,
    tasks: JoinSet<Outcome>,
    in_flight: Arc<AtomicUsize>,
    names: HashMap<Id, String>,
    events: Option<mpsc::UnboundedReceiver<Event>>,
    told: Option<mpsc::UnboundedSender<Event>>,
    is_open: bool,
}

impl Batch {
    /// A batch whose journal is in `folder`.
    ///
    /// `observation` tells whether somebody will listen to its events.
    pub async fn open(
        client: &VideoClient,
        folder: &Path,
        settings: Settings,
        observation: Observation,
    ) -> Result<Self> {
        let folder = folder.to_owned();
        let journal = blocking(move || Journal::beside(&folder)).await?;
        Self::begin(client, journal, settings, observation).await
    }

    /// A batch of what the journal in `folder` has left to do.
    pub async fn resume(
        client: &VideoClient,
        folder: &Path,
        settings: Settings,
        observation: Observation,
    ) -> Result<Self> {
        let folder = folder.to_owned();
        let journal = blocking(move || Journal::open(&folder)).await?;
        Self::begin(client, journal, settings, observation).await
    }

    async fn begin(
        client: &VideoClient,
        journal: Arc<Journal>,
        settings: Settings,
        observation: Observation,
    ) -> Result<Self> {
        settings.prices.check()?;
        let run = Arc::new(journal.run().await?);
        journal.adopt_claims().await?;
        let spent = prices::total(journal.entries().iter().map(|(_, entry)| spent(entry)));
        let budget = Budget::new(settings.max_cost_usd.map(ticks), spent, settings.max_jobs);
        let (told, events) = mpsc::unbounded_channel();
        let is_observed = observation == Observation::Told;
        Ok(Self {
            client: client.clone(),
            course: Arc::new(Course {
                journal,
                service: client.service(),
                rules: settings.rules,
                budget,
                prices: settings.prices,
                downloads: Semaphore::new(settings.max_downloads.max(1)),
                patience: settings.patience,
                max_bytes: settings.max_bytes,
                deadline: settings.deadline.and_then(|time| Instant::now().checked_add(time)),
                run: Some(Arc::clone(&run)),
                under_way: Arc::default(),
                creates: Semaphore::new(course::CREATES),
            }),
            concurrency: settings.concurrency.max(1),
            tasks: JoinSet::new(),
            in_flight: Arc::default(),
            names: HashMap::new(),
            events: is_observed.then_some(events),
            told: is_observed.then_some(told),
            is_open: true,
        })
    }

    /// What there is to do or to know next. Events are told while it waits.
    pub async fn step(&mut self, listener: &Events) -> Step {
        loop {
            if self.has_room() {
                self.tell_the_rest(listener);
                return Step::Wants;
            }
            tokio::select! {
                biased;
                event = next_event(&mut self.events) => listener.tell(|| event),
                ended = self.tasks.join_next_with_id() => {
                    self.in_flight.store(self.tasks.len(), Ordering::SeqCst);
                    self.tell_the_rest(listener);
                    return match ended {
                        Some(Ok((id, outcome))) => {
                            self.names.remove(&id);
                            Step::Ended(Box::new(outcome))
                        }
                        Some(Err(failure)) => {
                            let id = self.names.remove(&failure.id()).unwrap_or_default();
                            let words = format!("internal error in vidjob, please report it: {failure}");
                            Step::Ended(Box::new(Outcome { id, job: None, render_time: None, warning: None, result: Err(Error::NotBought(words)) }))
                        }
                        None => Step::Over,
                    };
                }
            }
        }
    }

    /// Whether one more item is wanted now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.check_deadline();
        self.is_open && self.tasks.len() < self.concurrency && self.course.budget.stopped().is_none()
    }

    /// Takes an item in; one that has its end already is given back at once. Must be called on a runtime.
    pub fn feed(&mut self, item: Item) -> Option<Outcome> {
        if let Some(result) = self.course.is_done(&item) {
            self.course.describe(&item);
            let job = result.as_ref().ok().map(|made| made.job.clone());
            return Some(Outcome { id: item.id, job, render_time: None, warning: None, result });
        }
        let (course, client) = (Arc::clone(&self.course), self.client.observed(self.events_of(&item.id)));
        let name = item.id.clone();
        let handle = self.tasks.spawn(async move {
            course.describe(&item);
            let End { seen: Seen { job, render_time, warning, .. }, result } = course.run(&client, &item).await;
            Outcome { id: item.id, job, render_time, warning, result }
        });
        self.names.insert(handle.id(), name);
        self.in_flight.store(self.tasks.len(), Ordering::SeqCst);
        None
    }

    /// Takes in what was bought and is not at its end; gives how many items that are. Must be called on a runtime.
    pub fn feed_unfinished(&mut self) -> usize {
        let items = unfinished(&self.course.journal);
        let count = items.len();
        for item in items {
            if let Some(folder) = item.path.parent() {
                // If it cannot be made, the item's own error will say so.
                let _ = std::fs::create_dir_all(folder);
            }
            self.feed(item);
        }
        self.finish();
        count
    }

    /// No more items will come.
    pub fn finish(&mut self) {
        self.is_open = false;
    }

    /// Lets go of all that is under way, once the creates that are on their way have been heard.
    pub async fn close(&mut self) {
        self.course.budget.stop(Stop::Caller);
        self.tasks.shutdown().await;
        let _ = tokio::time::timeout(LAST_WORDS, self.course.under_way.write()).await;
        if let Some(run) = &self.course.run {
            run.end().await;
        }
    }

    /// The journal of this batch.
    #[must_use]
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.course.journal)
    }

    /// A hold on this batch.
    #[must_use]
    pub fn reins(&self) -> Reins {
        Reins { course: Arc::clone(&self.course), in_flight: Arc::clone(&self.in_flight) }
    }

    fn check_deadline(&self) {
        if self.course.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.course.budget.stop(Stop::Deadline);
        }
    }

    fn events_of(&self, id: &str) -> Events {
        let Some(told) = self.told.clone() else { return Events::default() };
        let id: Arc<str> = id.into();
        Events::to(move |event| {
            // Nobody listens any more once the batch is gone.
            let _ = told.send(Event::OfItem { id: Arc::clone(&id), event: Box::new(event) });
        })
    }

    fn tell_the_rest(&mut self, listener: &Events) {
        while let Some(event) = self.events.as_mut().and_then(|events| events.try_recv().ok()) {
            listener.tell(|| event);
        }
    }
}

/// Whether somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Events are told.
    Told,
    /// Events are not even made.
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

/// What was spent on an item, or must be counted as spent.
fn spent(entry: &Entry) -> i128 {
    let of_attempt = |attempt: &crate::journal::Attempt| {
        let estimate = attempt.order.estimate_ticks.unwrap_or_default();
        match &attempt.state {
            State::Refused { .. } => 0,
            State::Unknown { .. } | State::Accepted { .. } => estimate,
            State::Over { job } | State::Saved { job, .. } => course::cost(job, estimate),
        }
    };
    prices::total(entry.attempts.iter().map(of_attempt))
}

/// The items that are bought and not at their end. Their requests are of no more use, and are left out.
fn unfinished(journal: &Journal) -> Vec<Item> {
    let open = |(id, entry): (String, Entry)| {
        let attempt = entry.current()?.clone();
        let job = match &attempt.state {
            State::Accepted { .. } => attempt.state.job()?,
            State::Over { job } if job.as_ref().clone().into_result().is_ok() => (**job).clone(),
            _ => return None,
        };
        let path = attempt.order.path.unwrap_or_else(|| PathBuf::from(format!("videos/{}.mp4", job.file_stem())));
        let (sha256, path) = (attempt.order.request_sha256, journal.absolute(&path));
        Some(Item { id, request: VideoRequest::default(), sha256, path, columns: entry.columns().cloned() })
    };
    journal.entries().into_iter().filter_map(open).collect()
}
