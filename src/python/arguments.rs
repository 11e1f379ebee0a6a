//! Converts Python arguments into the core's types.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyException, PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString, PyType};

use super::{errors, registry, value_class, values};
use crate::download::Options;
use crate::error::{Error, Result};
use crate::job::VideoJob;
use crate::redact::sanitize;
use crate::watch::WaitOptions;

// ---- plain values -----------------------------------------------------------------------------

/// A string. Python's may contain lone surrogates, which neither UTF-8 nor JSON can encode.
pub(super) fn text(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<String> {
    let expected = match field {
        "aspect_ratio" => "a str such as '16:9'",
        "resolution" => "a str such as '720p'",
        _ => "a str",
    };
    let text = argument.cast::<PyString>().map_err(|_| wrong_type(field, expected, argument))?;
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

const SECONDS: &str = "a number of seconds";
const WHOLE_SECONDS: &str = "a whole number of seconds, an int";

pub(super) fn whole_seconds(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<i64> {
    if is_bool(argument) {
        return Err(wrong_type(field, WHOLE_SECONDS, argument));
    }
    argument.extract().map_err(|error| not_a_number(field, WHOLE_SECONDS, argument, error))
}

pub(super) fn seconds(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<f64> {
    if is_bool(argument) {
        return Err(wrong_type(field, SECONDS, argument));
    }
    let number: f64 = argument.extract().map_err(|error| not_a_number(field, SECONDS, argument, error))?;
    if !number.is_finite() {
        let error = Error::invalid(field, format!("{field} must be a finite number, not {number}"));
        return Err(errors::raise(argument.py(), error));
    }
    Ok(number)
}

fn not_a_number(field: &'static str, expected: &str, argument: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = argument.py();
    if error.is_instance_of::<PyTypeError>(py) {
        return wrong_type(field, expected, argument);
    }
    if error.is_instance_of::<PyOverflowError>(py) {
        return errors::raise(py, Error::invalid(field, format!("{field} is a number out of range")));
    }
    if error.is_instance_of::<PyException>(py) {
        return errors::raise(py, Error::invalid(field, format!("{field} must be {expected}: {error}")));
    }
    error
}

/// Whether a value is a truth value, also one of another library, which converts to a number.
fn is_bool(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyBool>() || type_name(value).starts_with("bool")
}

pub(super) fn flag(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<bool> {
    argument.extract().map_err(|_| wrong_type(field, "a bool", argument))
}

// ---- wrong types ------------------------------------------------------------------------------

/// Characters of a value that a message shows.
const MAX_SHOWN: usize = 60;

/// The exception for an argument of a wrong type.
pub(super) fn wrong_type(field: &'static str, expected: &str, argument: &Bound<'_, PyAny>) -> PyErr {
    let message = format!("{field} must be {expected}, not {}", describe_value(argument));
    errors::raise(argument.py(), Error::invalid(field, message))
}

/// A value for messages: numbers and texts, shortened and without secrets, with their type; of all others the type.
#[pyfunction]
pub(super) fn describe_value(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".to_owned();
    }
    match shown(value) {
        Some(shown) => format!("{shown} ({})", type_name(value)),
        None => describe_type(value),
    }
}

/// The type of a value, for messages that must not show the value.
#[pyfunction]
pub(super) fn describe_type(value: &Bound<'_, PyAny>) -> String {
    if let Ok(class) = value.cast::<PyType>() {
        return class.name().map_or_else(|_| "a class".to_owned(), |name| format!("the class {name}"));
    }
    if value.is_instance_of::<PyBytes>() {
        return "bytes".to_owned();
    }
    let name = type_name(value);
    if name == "coroutine" {
        return "a coroutine; await it first".to_owned();
    }
    let is_vowel = name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) || name == "ndarray";
    let article = if is_vowel { "an" } else { "a" };
    format!("{article} {name}")
}

fn shown(value: &Bound<'_, PyAny>) -> Option<String> {
    if let Ok(text) = value.cast::<PyString>() {
        let safe = sanitize(&text.to_string_lossy(), MAX_SHOWN);
        return PyString::new(value.py(), &safe).repr().ok().map(|quoted| quoted.to_string());
    }
    is_number(value).then(|| value.str().ok()).flatten().map(|digits| sanitize(&digits.to_string_lossy(), MAX_SHOWN))
}

/// Whether a value is one number, and not an array of them.
fn is_number(value: &Bound<'_, PyAny>) -> bool {
    let class = value.get_type();
    let has = |name: &str| class.hasattr(name).unwrap_or(false);
    let is_single = value.getattr_opt("shape").map(|shape| shape.is_none_or(|shape| shape.len().is_ok_and(|n| n == 0)));
    (has("__index__") || has("__float__")) && is_single.unwrap_or(false)
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

// ---- keywords ---------------------------------------------------------------------------------

/// A required argument that may be missing: then a misspelt keyword is the better message.
pub(super) enum Required<'py> {
    Missing,
    Given(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Required<'py> {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(argument.to_owned()))
    }
}

impl<'py> Required<'py> {
    pub(super) fn get(self, class: &str, field: &'static str) -> PyResult<Bound<'py, PyAny>> {
        let missing = || PyTypeError::new_err(format!("{class}() missing required argument: '{field}'"));
        self.given().ok_or_else(missing)
    }

    pub(super) fn given(self) -> Option<Bound<'py, PyAny>> {
        match self {
            Self::Given(argument) => Some(argument),
            Self::Missing => None,
        }
    }
}

/// Refuses keywords that the constructor of `T` does not have.
pub(super) fn refuse_unknown<T: PyTypeInfo>(py: Python<'_>, unknown: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let Some(name) = unknown.and_then(|unknown| unknown.keys().iter().next()) else { return Ok(()) };
    let class = T::type_object(py);
    let error =
        registry::get(py, "checks.unknown_keyword")?.call1((class.name()?, name, value_class::fields(&class)?))?;
    Err(PyErr::from_value(error))
}

// ---- jobs -------------------------------------------------------------------------------------

/// A `VideoJob`, or its ID.
pub(super) struct JobArgument(pub(super) VideoJob);

impl<'a, 'py> FromPyObject<'a, 'py> for JobArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let expected = "a VideoJob or the request_id of one (a str)";
        job(&argument)?.map(Self).ok_or_else(|| wrong_type("job", expected, &argument))
    }
}

/// A job, or `None` for a value of another type.
fn job(argument: &Bound<'_, PyAny>) -> PyResult<Option<VideoJob>> {
    if let Ok(job) = argument.cast::<values::VideoJob>() {
        return Ok(Some(job.get().inner.clone()));
    }
    let is_id = argument.is_instance_of::<PyString>();
    is_id.then(|| text("request_id", argument).map(VideoJob::pending)).transpose()
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
        let expected = "a VideoJob, the request_id of one (a str) or a Video";
        job(&argument)?.map(Self::Job).ok_or_else(|| wrong_type("job_or_video", expected, &argument))
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
