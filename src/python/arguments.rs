//! What Python callers pass, read into what the core takes.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::{errors, values};
use crate::download::Options;
use crate::error::{Error, Result};
use crate::job::VideoJob;
use crate::watch::Patience;

/// A `VideoJob`, or the id of one.
pub(super) struct JobArgument(pub(super) VideoJob);

impl<'a, 'py> FromPyObject<'a, 'py> for JobArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(job) = argument.cast::<values::VideoJob>() {
            return Ok(Self(job.get().inner.clone()));
        }
        let request_id: String = argument
            .extract()
            .map_err(|_| PyTypeError::new_err("a job must be a VideoJob or the request_id of one, a str"))?;
        Ok(Self(VideoJob::pending(request_id)))
    }
}

/// What can be downloaded: a job, or a video whose job is not known.
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
                    Error::invalid("job_or_video", "this video has no url: it was withheld or delivered elsewhere");
                errors::raise(argument.py(), error)
            })?;
            return Ok(Self::Link(link.to_owned()));
        }
        Ok(Self::Job(argument.extract::<JobArgument>()?.0))
    }
}

/// How a download is to be done.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Keep {
    pub(super) path: PathBuf,
    max_bytes: u64,
    overwrite: bool,
}

impl Keep {
    pub(super) fn options(&self) -> Options {
        Options { max_bytes: self.max_bytes, overwrite: self.overwrite, deadline: None }
    }
}

/// How long to wait, and how often to ask.
#[derive(Clone, Copy, FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Waiting {
    timeout: Option<f64>,
    poll_interval: Option<f64>,
}

impl Waiting {
    pub(super) fn patience(self) -> Result<Patience> {
        let timeout = self.timeout.map(|seconds| span("timeout", seconds)).transpose()?;
        let poll_interval = self.poll_interval.map(|seconds| span("poll_interval", seconds)).transpose()?;
        if poll_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::invalid("poll_interval", "poll_interval must be above 0 seconds"));
        }
        Ok(Patience { timeout, poll_interval, known: None })
    }
}

pub(super) fn span(field: &'static str, seconds: f64) -> Result<Duration> {
    if seconds == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::invalid(field, format!("{field} must be a number of seconds from 0 up, not {seconds}")))
}
