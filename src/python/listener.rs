//! Passes events to Python, on the caller's own thread: Python code never runs on a worker.

use std::future::Future;
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

use super::events;
use crate::event::{Event, Events};

/// Interval of ticks while nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// A Python callable for events, or `None`.
pub(super) type Listener = Option<Py<PyAny>>;

/// Calls the listener with one event.
pub(super) fn emit(py: Python<'_>, listener: Option<&Py<PyAny>>, event: Event) -> PyResult<()> {
    let Some(listener) = listener else { return Ok(()) };
    let (description, job) = events::describe(py, event)?;
    listener.call1(py, (description, job))?;
    Ok(())
}

/// Whether the listener shows progress, and needs ticks.
pub(super) fn wants_ticks(py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<bool> {
    let Some(listener) = listener else { return Ok(false) };
    listener.getattr(py, intern!(py, "wants_ticks"))?.is_truthy(py)
}

/// The same work, with a tick for `listener` at each interval.
pub(super) async fn ticking<T>(listener: Option<Events>, work: impl Future<Output = T>) -> T {
    let Some(listener) = listener else { return work.await };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(TICK) => listener.emit(|| Event::Tick),
        }
    }
}
