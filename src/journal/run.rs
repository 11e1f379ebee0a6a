//! The right to work through a whole folder.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::{Journal, already_running};
use super::merge;
use super::store::Created;
use crate::error::Result;
use crate::process::Owner;
use crate::threads::blocking;

/// A process that did nothing for so long may have been suspended.
pub(super) const STANDSTILL: Duration = Duration::from_secs(1);

/// The right to work through a whole folder, as long as it lives.
#[derive(Debug)]
pub struct Run {
    journal: Arc<Journal>,
    number: u64,
    has_ended: AtomicBool,
    /// When it was last looked whether another run has taken over.
    checked: Mutex<Instant>,
}

impl Run {
    /// Whether another run has taken over, as it may when this process stood still for long.
    ///
    /// Looked up again only when some time has passed: a process that did not stand still was not taken for dead.
    pub(crate) async fn is_superseded(&self) -> Result<bool> {
        let now = Instant::now();
        let last = std::mem::replace(&mut *self.checked.lock().unwrap_or_else(PoisonError::into_inner), now);
        if now.duration_since(last) < STANDSTILL {
            return Ok(false);
        }
        self.journal.runs.is_superseded(self.number).await.map_err(|error| self.journal.unwritable(&error))
    }

    /// Ends the run: tidies the journal up and lets others begin theirs.
    pub(crate) async fn end(&self) {
        let journal = Arc::clone(&self.journal);
        // What is not merged now is merged later.
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
        // Without a runtime this process must end before others may begin.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(end);
        }
    }
}

impl Journal {
    /// Takes the whole folder on, unless somebody else has.
    pub async fn run(self: &Arc<Self>) -> Result<Run> {
        if std::mem::replace(&mut self.lock().has_run, true) {
            return Err(already_running("a batch", &Owner::this_process(), self.folder()));
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
            checked: Mutex::new(Instant::now()),
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
                return Err(already_running("a batch", other, self.folder()));
            }
            let number = latest.map_or(1, |latest| latest.number.saturating_add(1));
            if self.runs.begin(number, &owner).await.map_err(unwritable)? == Created::New {
                return Ok(number);
            }
        }
    }
}
