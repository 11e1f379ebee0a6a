//! Converts events into dictionaries.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::values::VideoJob;
use crate::event::Event;

macro_rules! event_names {
    ($($variant:ident => $name:literal,)*) => {
        impl Event {
            pub(super) const NAMES: &[&str] = &[$($name),*];

            /// Its name in Python and in JSON; that of what happened, where it is of an item.
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                    Self::OfItem { event, .. } => event.name(),
                }
            }
        }
    };
}

event_names! {
    Request => "request",
    Retry => "retry",
    Accepted => "accepted",
    Status => "status",
    Download => "download",
    Tick => "tick",
}

/// An event as a dictionary of plain JSON types, and the job it shows, if it shows one.
pub(super) fn describe(py: Python<'_>, event: Event) -> PyResult<(Bound<'_, PyDict>, Option<VideoJob>)> {
    if let Event::OfItem { id, event } = event {
        let (told, job) = describe(py, *event)?;
        told.set_item("id", &*id)?;
        return Ok((told, job));
    }
    let told = PyDict::new(py);
    told.set_item("event", event.name())?;
    let job = match event {
        Event::Request { method, path, status_code, elapsed } => {
            told.set_item("method", method)?;
            told.set_item("path", path)?;
            told.set_item("status_code", status_code)?;
            told.set_item("elapsed", elapsed.as_secs_f64())?;
            None
        }
        Event::Retry { path, attempt, delay, reason } => {
            told.set_item("path", path)?;
            told.set_item("attempt", attempt)?;
            told.set_item("delay", delay.as_secs_f64())?;
            told.set_item("reason", reason)?;
            None
        }
        Event::Accepted(job) => {
            told.set_item("request_id", &job.request_id)?;
            Some(job)
        }
        Event::Status(job) => {
            told.set_item("request_id", &job.request_id)?;
            told.set_item("status", job.status.as_str())?;
            told.set_item("progress", job.progress)?;
            Some(job)
        }
        Event::Download { request_id, received, total } => {
            told.set_item("request_id", request_id)?;
            told.set_item("received", received)?;
            told.set_item("total", total)?;
            None
        }
        // Of an item: taken apart above.
        Event::Tick | Event::OfItem { .. } => None,
    };
    Ok((told, job.map(VideoJob::from_inner)))
}
