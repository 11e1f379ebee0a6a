//! The runs of a folder: one at a time, decided by claims and not by locks.

use std::io;
use std::sync::Arc;

use super::record::{EventKind, Line};
use super::store::{Created, Store};
use crate::process::Owner;

const RUNS: &str = "runs";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LatestRun {
    pub(super) number: u64,
    /// `None` if the run has ended.
    pub(super) owner: Option<Owner>,
}

#[derive(Debug, Clone)]
pub(super) struct Runs {
    store: Arc<dyn Store>,
}

impl Runs {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub(super) async fn latest(&self) -> io::Result<Option<LatestRun>> {
        let numbers = self.numbers().await?;
        let Some(number) = numbers.into_iter().max() else { return Ok(None) };
        if self.store.read(&ended(number)).await?.is_some() {
            return Ok(Some(LatestRun { number, owner: None }));
        }
        let content = self.store.read(&begun(number)).await?;
        let line = content.and_then(|content| Line::decode(content.trim_ascii_end()));
        Ok(Some(LatestRun { number, owner: Some(line.map(|line| line.owner).unwrap_or_default()) }))
    }

    /// Starts run `number`, unless another process has.
    pub(super) async fn begin(&self, number: u64, owner: &Owner) -> io::Result<Created> {
        let line = Line { owner: owner.clone(), ..Line::new(EventKind::Open) };
        let content = line.encode().map_err(io::Error::other)?;
        let created = self.store.create(&begun(number), content.into_bytes()).await?;
        if created == Created::New {
            // Only the last run is needed.
            for old in self.numbers().await?.into_iter().filter(|old| *old < number) {
                self.store.remove(&begun(old)).await?;
                self.store.remove(&ended(old)).await?;
            }
        }
        Ok(created)
    }

    /// Marks the end of run `number`.
    pub(super) async fn end(&self, number: u64) -> io::Result<()> {
        self.store.create(&ended(number), Vec::new()).await.map(|_| ())
    }

    /// Whether another run took over from run `number`.
    pub(super) async fn is_superseded(&self, number: u64) -> io::Result<bool> {
        // The run that took over may have been superseded itself, and its files removed.
        Ok(self.numbers().await?.into_iter().any(|other| other > number))
    }

    async fn numbers(&self) -> io::Result<Vec<u64>> {
        let names = self.store.list(RUNS).await?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".run")?.parse().ok()).collect())
    }
}

fn begun(number: u64) -> String {
    format!("{RUNS}/{number}.run")
}

fn ended(number: u64) -> String {
    format!("{RUNS}/{number}.end")
}
