//! The values that Python sees.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::display::displayed_value;
use super::plain_objects::{dump, from_json_text};
use super::value_class::{Validate, value_methods};
use crate::job::{self, JobStatus};

const TICKS_EXPONENT: i32 = -10;

impl Validate for job::Video {}
impl Validate for job::FileOutput {}
impl Validate for job::Usage {}
impl Validate for job::JobError {}
impl Validate for job::VideoJob {}
impl Validate for crate::saved_file::Download {}

/// The video of a job.
#[pyclass(frozen, module = "vidjob", from_py_object)]
#[derive(Clone)]
pub(super) struct Video {
    pub(super) inner: job::Video,
}

impl Video {
    pub(super) fn from_inner(inner: job::Video) -> Self {
        Self { inner }
    }
}

displayed_value!(Video {
    #[new]
    #[pyo3(signature = (url=None, duration=None, respect_moderation=None, file_output=None, storage_error=None))]
    fn new(
        url: Option<String>,
        duration: Option<f64>,
        respect_moderation: Option<bool>,
        file_output: Option<FileOutput>,
        storage_error: Option<String>,
    ) -> PyResult<Self> {
        if duration.is_some_and(|seconds| !seconds.is_finite()) {
            return Err(PyValueError::new_err("duration must be a finite number of seconds"));
        }
        let file_output = file_output.map(|file| Box::new(file.inner));
        Ok(Self::from_inner(job::Video { url, duration, respect_moderation, file_output, storage_error }))
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str) {
        ("url", "duration", "respect_moderation", "file_output", "storage_error")
    }

    #[getter]
    pub(super) fn url(&self) -> Option<&str> {
        self.inner.url.as_deref()
    }

    #[getter]
    fn duration(&self) -> Option<f64> {
        self.inner.duration
    }

    #[getter]
    fn respect_moderation(&self) -> Option<bool> {
        self.inner.respect_moderation
    }

    #[getter]
    fn file_output(&self) -> Option<FileOutput> {
        self.inner.file_output.clone().map(|file| FileOutput::from_inner(*file))
    }

    #[getter]
    fn storage_error(&self) -> Option<&str> {
        self.inner.storage_error.as_deref()
    }
});

/// A file that the service stores.
#[pyclass(frozen, module = "vidjob", from_py_object)]
#[derive(Clone)]
pub(super) struct FileOutput {
    inner: job::FileOutput,
}

impl FileOutput {
    fn from_inner(inner: job::FileOutput) -> Self {
        Self { inner }
    }
}

value_methods!(FileOutput {
    #[new]
    #[pyo3(signature = (file_id=None, filename=None, expires_at=None, public_url=None, public_url_expires_at=None,
        public_url_error=None))]
    fn new(
        file_id: Option<String>,
        filename: Option<String>,
        expires_at: Option<i64>,
        public_url: Option<String>,
        public_url_expires_at: Option<i64>,
        public_url_error: Option<String>,
    ) -> Self {
        Self::from_inner(job::FileOutput {
            file_id,
            filename,
            expires_at,
            public_url,
            public_url_expires_at,
            public_url_error,
        })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str) {
        ("file_id", "filename", "expires_at", "public_url", "public_url_expires_at", "public_url_error")
    }

    #[getter]
    fn file_id(&self) -> Option<&str> {
        self.inner.file_id.as_deref()
    }

    #[getter]
    fn filename(&self) -> Option<&str> {
        self.inner.filename.as_deref()
    }

    #[getter]
    fn expires_at(&self) -> Option<i64> {
        self.inner.expires_at
    }

    #[getter]
    fn public_url(&self) -> Option<&str> {
        self.inner.public_url.as_deref()
    }

    #[getter]
    fn public_url_expires_at(&self) -> Option<i64> {
        self.inner.public_url_expires_at
    }

    #[getter]
    fn public_url_error(&self) -> Option<&str> {
        self.inner.public_url_error.as_deref()
    }
});

/// What a job cost.
#[pyclass(frozen, module = "vidjob", from_py_object)]
#[derive(Clone)]
pub(super) struct Usage {
    inner: job::Usage,
}

impl Usage {
    fn from_inner(inner: job::Usage) -> Self {
        Self { inner }
    }
}

value_methods!(Usage {
    #[new]
    fn new(cost_in_usd_ticks: i64) -> Self {
        Self::from_inner(job::Usage { cost_in_usd_ticks })
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("cost_in_usd_ticks",)
    }

    #[getter]
    fn cost_in_usd_ticks(&self) -> i64 {
        self.inner.cost_in_usd_ticks
    }

    #[getter]
    fn cost_usd<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ticks = py.import("decimal")?.getattr("Decimal")?.call1((self.inner.cost_in_usd_ticks,))?;
        ticks.call_method1("scaleb", (TICKS_EXPONENT,))
    }
});

/// Why a job failed.
#[pyclass(frozen, module = "vidjob", from_py_object)]
#[derive(Clone)]
pub(super) struct JobError {
    inner: job::JobError,
}

impl JobError {
    fn from_inner(inner: job::JobError) -> Self {
        Self { inner }
    }
}

value_methods!(JobError {
    #[new]
    #[pyo3(signature = (code, message))]
    fn new(code: Option<String>, message: String) -> Self {
        Self::from_inner(job::JobError { code, message })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("code", "message")
    }

    #[getter]
    fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    #[getter]
    fn message(&self) -> &str {
        &self.inner.message
    }
});

/// One snapshot of a job.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct VideoJob {
    pub(super) inner: job::VideoJob,
    raw: PyOnceLock<Py<PyAny>>,
}

impl VideoJob {
    pub(super) fn from_inner(inner: job::VideoJob) -> Self {
        Self { inner, raw: PyOnceLock::new() }
    }
}

displayed_value!(VideoJob {
    #[new]
    #[pyo3(signature = (request_id, status=None, progress=None, model=None, video=None, usage=None, error=None, raw=None))]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every field")]
    fn new(
        request_id: String,
        status: Option<&str>,
        progress: Option<u8>,
        model: Option<String>,
        video: Option<Video>,
        usage: Option<Usage>,
        error: Option<JobError>,
        raw: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if progress.is_some_and(|percent| percent > 100) {
            return Err(PyValueError::new_err("progress must be 0 to 100"));
        }
        let raw = raw.map(dump).transpose()?.map(Arc::from);
        Ok(Self::from_inner(job::VideoJob {
            request_id,
            status: status.map_or(Ok(JobStatus::Pending), status_from)?,
            progress,
            model,
            video: video.map(|video| video.inner),
            usage: usage.map(|usage| usage.inner),
            error: error.map(|error| error.inner),
            raw,
        }))
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static str) {
        ("request_id", "status", "progress", "model", "video", "usage", "error")
    }

    #[getter]
    fn request_id(&self) -> &str {
        &self.inner.request_id
    }

    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        status_to(py, self.inner.status)
    }

    #[getter]
    fn progress(&self) -> Option<u8> {
        self.inner.progress
    }

    #[getter]
    fn model(&self) -> Option<&str> {
        self.inner.model.as_deref()
    }

    #[getter]
    fn video(&self) -> Option<Video> {
        self.inner.video.clone().map(Video::from_inner)
    }

    #[getter]
    fn usage(&self) -> Option<Usage> {
        self.inner.usage.map(Usage::from_inner)
    }

    #[getter]
    fn error(&self) -> Option<JobError> {
        self.inner.error.clone().map(JobError::from_inner)
    }

    #[getter]
    fn raw(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let Some(raw) = &self.inner.raw else { return Ok(None) };
        let parse = || Ok::<_, PyErr>(from_json_text(py, raw)?.unbind());
        Ok(Some(self.raw.get_or_try_init(py, parse)?.clone_ref(py)))
    }

    #[getter]
    fn is_terminal(&self) -> bool {
        self.inner.is_terminal()
    }
});

/// A saved file.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Download {
    inner: crate::saved_file::Download,
}

impl Download {
    pub(super) fn from_inner(inner: crate::saved_file::Download) -> Self {
        Self { inner }
    }

    pub(super) fn saved_path(&self) -> &std::path::Path {
        &self.inner.path
    }
}

displayed_value!(Download {
    #[new]
    #[pyo3(signature = (path, bytes, sha256, content_type=None))]
    fn new(path: PathBuf, bytes: u64, sha256: String, content_type: Option<String>) -> Self {
        Self::from_inner(crate::saved_file::Download { path, bytes, sha256, content_type })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("path", "bytes", "sha256", "content_type")
    }

    #[getter]
    fn path(&self) -> &std::path::Path {
        &self.inner.path
    }

    #[getter]
    fn bytes(&self) -> u64 {
        self.inner.bytes
    }

    #[getter]
    fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.content_type.as_deref()
    }
});

// ---- status ----------------------------------------------------------------------------------

/// Python's `JobStatus` member.
fn status_to(py: Python<'_>, status: JobStatus) -> PyResult<Bound<'_, PyAny>> {
    static MEMBERS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();
    let members = MEMBERS.get_or_try_init(py, || {
        let class = super::registry::get(py, "JobStatus")?;
        JobStatus::ALL.iter().map(|status| Ok::<_, PyErr>(class.call1((status.as_str(),))?.unbind())).collect()
    })?;
    Ok(members[status as usize].bind(py).clone())
}

fn status_from(word: &str) -> PyResult<JobStatus> {
    JobStatus::of(word).ok_or_else(|| PyValueError::new_err(format!("{word:?} is not a status of a job")))
}
