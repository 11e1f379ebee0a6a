//! Runs: only one batch at a time works in a folder.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::{BATCH, Journal, already_running};
use super::merge;
use super::store::Created;
use crate::error::Result;
use crate::process::Owner;
use crate::threads::blocking;

/// A process that was idle for this long may have been suspended.
pub(super) const SUSPENSION_THRESHOLD: Duration = Duration::from_secs(1);

/// The exclusive right to run a batch in a folder, until it is dropped.
#[derive(Debug)]
pub struct Run {
    journal: Arc<Journal>,
    number: u64,
    has_ended: AtomicBool,
    last_check: Mutex<Instant>,
}

impl Run {
    /// Whether another run has taken over, which may happen while this process is suspended.
    ///
    /// Checked only after a pause: a process that was not suspended does not count as dead.
    pub(crate) async fn is_superseded(&self) -> Result<bool> {
        let now = Instant::now();
        let last = std::mem::replace(&mut *self.last_check.lock().unwrap_or_else(PoisonError::into_inner), now);
        if now.duration_since(last) < SUSPENSION_THRESHOLD {
            return Ok(false);
        }
        self.journal.runs.is_superseded(self.number).await.map_err(|error| self.journal.unwritable(&error))
    }

    /// Ends the run: merges segments and lets others start their run.
    pub(crate) async fn end(&self) {
        let journal = Arc::clone(&self.journal);
        // On failure, the next run merges.
        let _ = blocking(move || merge::merge(&journal).map_err(|error| journal.unwritable(&error))).await;
        let has_ended = self.journal.runs.end(self.number).await.is_ok();
        if has_ended && !self.has_ended.swap(true, Ordering::SeqCst) {
            self.journal.end_run();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.has_ended.swap(true, Ordering::SeqCst) {
            return;
        }
        self.journal.end_run();
        let (runs, number) = (self.journal.runs.clone(), self.number);
        let end = async move { drop(runs.end(number).await) };
        // Without a runtime, other runs can start only after this process has ended.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(end);
        }
    }
}

impl Journal {
    /// Starts a run, unless another one is in progress.
    pub async fn run(self: &Arc<Self>) -> Result<Run> {
        if std::mem::replace(&mut self.lock().has_run, true) {
            return Err(already_running(BATCH, &Owner::this_process(), self.folder()));
        }
        let read = Arc::clone(self);
        let begun = match blocking(move || read.refresh()).await {
            Ok(()) => self.begin_run().await,
            Err(error) => Err(error),
        };
        let number = match begun {
            Ok(number) => number,
            Err(error) => {
                self.lock().has_run = false;
                return Err(error);
            }
        };
        self.enter();
        let journal = Arc::clone(self);
        blocking(move || {
            journal.remove_abandoned();
            Ok(())
        })
        .await?;
        Ok(Run {
            journal: Arc::clone(self),
            number,
            has_ended: AtomicBool::new(false),
            last_check: Mutex::new(Instant::now()),
        })
    }

    async fn begin_run(self: &Arc<Self>) -> Result<u64> {
        let unwritable = |error: io::Error| self.unwritable(&error);
        let owner = Owner::this_process();
        loop {
            let latest = self.runs.latest().await.map_err(unwritable)?;
            if let Some(other) = latest.as_ref().and_then(|latest| latest.owner.as_ref())
                && *other != owner
                && self.is_alive(other).await?
            {
                return Err(already_running(BATCH, other, self.folder()));
            }
            let number = latest.map_or(1, |latest| latest.number.saturating_add(1));
            if self.runs.begin(number, &owner).await.map_err(unwritable)? == Created::New {
                return Ok(number);
            }
        }
    }
}
