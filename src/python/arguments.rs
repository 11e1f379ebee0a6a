//! Converts Python arguments into the core's types.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyException, PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

use super::{errors, values};
use crate::download::Options;
use crate::error::{Error, Result};
use crate::job::VideoJob;
use crate::watch::WaitOptions;

// ---- plain values -----------------------------------------------------------------------------

/// A string. Python's may contain lone surrogates, which neither UTF-8 nor JSON can encode.
pub(super) fn text(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = argument.cast::<PyString>().map_err(|_| wrong_type(field, "a str", argument))?;
    text.to_str().map(str::to_owned).map_err(|error| not_utf8(argument.py(), field, error))
}

/// Replaces the error for a string that cannot be encoded.
pub(super) fn not_utf8(py: Python<'_>, field: &'static str, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyUnicodeEncodeError>(py) {
        return error;
    }
    let start = error.value(py).getattr(intern!(py, "start")).and_then(|start| start.extract::<usize>());
    let place = start.map_or_else(|_| String::new(), |start| format!(" at character {start}"));
    let words = format!(
        "{field} has a lone surrogate{place} (half of an emoji, or bytes that are not UTF-8) and cannot be sent; \
         fix the text"
    );
    errors::raise(py, Error::invalid(field, words))
}

pub(super) fn whole(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<i64> {
    if argument.is_instance_of::<PyBool>() {
        return Err(wrong_type(field, "an int", argument));
    }
    argument.extract().map_err(|error| not_a_number(field, "an int", argument, error))
}

pub(super) fn number(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<f64> {
    if argument.is_instance_of::<PyBool>() {
        return Err(wrong_type(field, "a number", argument));
    }
    let number: f64 = argument.extract().map_err(|error| not_a_number(field, "a number", argument, error))?;
    if !number.is_finite() {
        let error = Error::invalid(field, format!("{field} must be a finite number, not {number}"));
        return Err(errors::raise(argument.py(), error));
    }
    Ok(number)
}

fn not_a_number(field: &'static str, kind: &str, argument: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = argument.py();
    if error.is_instance_of::<PyTypeError>(py) {
        return wrong_type(field, kind, argument);
    }
    if error.is_instance_of::<PyOverflowError>(py) {
        return errors::raise(py, Error::invalid(field, format!("{field} is a number out of range")));
    }
    if error.is_instance_of::<PyException>(py) {
        return errors::raise(py, Error::invalid(field, format!("{field} must be {kind}: {error}")));
    }
    error
}

pub(super) fn flag(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<bool> {
    argument.extract().map_err(|_| wrong_type(field, "a bool", argument))
}

pub(super) fn wrong_type(field: &str, kind: &str, argument: &Bound<'_, PyAny>) -> PyErr {
    let given = argument.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{field} must be {kind}, not {given}"))
}

// ---- jobs -------------------------------------------------------------------------------------

/// A `VideoJob`, or its ID.
pub(super) struct JobArgument(pub(super) VideoJob);

impl<'a, 'py> FromPyObject<'a, 'py> for JobArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(job) = argument.cast::<values::VideoJob>() {
            return Ok(Self(job.get().inner.clone()));
        }
        if !argument.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("a job must be a VideoJob or the request_id of one, a str"));
        }
        Ok(Self(VideoJob::pending(text("request_id", &argument)?)))
    }
}

/// A job, or the link of a video whose job is unknown.
pub(super) enum Source {
    Job(VideoJob),
    Link(String),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Source {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(video) = argument.cast::<values::Video>() {
            let link = video.get().url().ok_or_else(|| {
                let error =
                    Error::invalid("job_or_video", "this video has no url; it was withheld or uploaded elsewhere");
                errors::raise(argument.py(), error)
            })?;
            return Ok(Self::Link(link.to_owned()));
        }
        Ok(Self::Job(argument.extract::<JobArgument>()?.0))
    }
}

#[derive(FromPyObject)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    max_bytes: u64,
    overwrite: bool,
}

impl Target {
    pub(super) fn options(&self) -> Options {
        Options { max_bytes: self.max_bytes, overwrite: self.overwrite, deadline: None }
    }
}

#[derive(Clone, Copy, FromPyObject)]
pub(super) struct Waiting {
    timeout: Option<f64>,
    poll_interval: Option<f64>,
}

impl Waiting {
    pub(super) fn wait_options(self) -> Result<WaitOptions> {
        let timeout = self.timeout.map(|seconds| span("timeout", seconds)).transpose()?;
        let poll_interval = self.poll_interval.map(|seconds| span("poll_interval", seconds)).transpose()?;
        if poll_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::invalid("poll_interval", "poll_interval must be above 0 seconds"));
        }
        Ok(WaitOptions { timeout, poll_interval, known: None })
    }
}

pub(super) fn span(field: &'static str, seconds: f64) -> Result<Duration> {
    if seconds == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::invalid(field, format!("{field} must be a number of seconds from 0 up, not {seconds}")))
}
