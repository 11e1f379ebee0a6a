//! Events as Python sees them.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::values::VideoJob;
use crate::event::Event;

/// An event as a dictionary of plain JSON types, and the job it shows, if it shows one.
pub(super) fn describe(py: Python<'_>, event: Event) -> PyResult<(Bound<'_, PyDict>, Option<VideoJob>)> {
    if let Event::OfItem { id, event } = event {
        let (told, job) = describe(py, *event)?;
        told.set_item("id", &*id)?;
        return Ok((told, job));
    }
    let told = PyDict::new(py);
    let job = match event {
        Event::Request { method, path, status_code, elapsed } => {
            told.set_item("event", "request")?;
            told.set_item("method", method)?;
            told.set_item("path", path)?;
            told.set_item("status_code", status_code)?;
            told.set_item("elapsed", elapsed.as_secs_f64())?;
            None
        }
        Event::Retry { path, attempt, delay, reason } => {
            told.set_item("event", "retry")?;
            told.set_item("path", path)?;
            told.set_item("attempt", attempt)?;
            told.set_item("delay", delay.as_secs_f64())?;
            told.set_item("reason", reason)?;
            None
        }
        Event::Accepted(job) => {
            told.set_item("event", "accepted")?;
            told.set_item("request_id", &job.request_id)?;
            Some(job)
        }
        Event::Status(job) => {
            told.set_item("event", "status")?;
            told.set_item("request_id", &job.request_id)?;
            told.set_item("status", job.status.as_str())?;
            told.set_item("progress", job.progress)?;
            Some(job)
        }
        Event::Download { request_id, received, total } => {
            told.set_item("event", "download")?;
            told.set_item("request_id", request_id)?;
            told.set_item("received", received)?;
            told.set_item("total", total)?;
            None
        }
        Event::Tick => {
            told.set_item("event", "tick")?;
            None
        }
        // Taken apart above; an item has no items.
        Event::OfItem { .. } => None,
    };
    Ok((told, job.map(VideoJob::from_inner)))
}
