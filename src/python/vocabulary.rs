//! The words that Python shares with the core: what lists them again is made of these or compared with them.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors;
use crate::event::Event;
use crate::job::JobStatus;
use crate::request::FIELDS;

/// The fields of a request but `operation`: name, key in the JSON body, kind, operations that take it, description.
#[pyfunction]
pub(super) fn request_fields(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    super::plain_objects::to_dict(py, &FIELDS)
}

/// Every status, and whether a job with it is over.
#[pyfunction]
pub(super) fn statuses(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let statuses = PyDict::new(py);
    for status in JobStatus::ALL {
        statuses.set_item(status.as_str(), status.is_terminal())?;
    }
    Ok(statuses)
}

/// Whether a job with this status is over.
#[pyfunction]
pub(super) fn is_terminal_status(status: &str) -> bool {
    JobStatus::of(status).is_some_and(JobStatus::is_terminal)
}

#[pyfunction]
pub(super) fn event_names() -> Vec<&'static str> {
    Event::NAMES.to_vec()
}

/// The exception classes that the core raises.
#[pyfunction]
pub(super) fn error_names() -> Vec<&'static str> {
    errors::classes()
}
