//! Names that Python shares with the core. Other lists of them are made from these, or tests compare them.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors;
use crate::event::Event;
use crate::job::JobStatus;
use crate::request::FIELDS;

/// The fields of a request except `operation`.
#[pyfunction]
pub(super) fn request_fields(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    super::plain_objects::to_dict(py, &FIELDS)
}

#[pyfunction]
pub(super) fn statuses(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let statuses = PyDict::new(py);
    for status in JobStatus::ALL {
        statuses.set_item(status.as_str(), status.is_terminal())?;
    }
    Ok(statuses)
}

#[pyfunction]
pub(super) fn is_terminal_status(status: &str) -> bool {
    JobStatus::of(status).is_some_and(JobStatus::is_terminal)
}

#[pyfunction]
pub(super) fn event_names() -> Vec<&'static str> {
    Event::NAMES.to_vec()
}

#[pyfunction]
pub(super) fn error_names() -> Vec<&'static str> {
    errors::classes()
}
