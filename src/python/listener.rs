//! Tells Python what happens during a call, on the caller's own thread: Python code never runs on a worker.

use std::future::Future;
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

use super::events;
use crate::event::{Event, Events};

/// How often a listener that shows progress is called while nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// A Python callable that takes events, or nobody.
pub(super) type Listener = Option<Py<PyAny>>;

/// Calls the listener with one event.
pub(super) fn emit(py: Python<'_>, listener: Option<&Py<PyAny>>, event: Event) -> PyResult<()> {
    let Some(listener) = listener else { return Ok(()) };
    let (description, job) = events::describe(py, event)?;
    listener.call1(py, (description, job))?;
    Ok(())
}

/// Whether a listener shows something, and wants to hear when nothing happens too.
pub(super) fn wants_ticks(py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<bool> {
    let Some(listener) = listener else { return Ok(false) };
    listener.getattr(py, intern!(py, "wants_ticks"))?.is_truthy(py)
}

/// The same work, telling `listener` now and then that time has passed.
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
