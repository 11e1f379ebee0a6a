//! The values that Python sees: frozen, equal and hashable by what they say, and plain JSON inside.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::display::displayed_value;
use super::errors;
use crate::job::{self, JobStatus};
use crate::redact::text_for_message;

const TICKS_EXPONENT: i32 = -10;

// ---- what all values share -------------------------------------------------------------------

fn json_module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("json")
}

/// A value as plain Python objects.
pub(super) fn to_dict<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    json_module(py)?.call_method1("loads", (to_json(value)?,))
}

fn to_json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

pub(super) fn from_json<T: DeserializeOwned + Validate>(py: Python<'_>, text: &str) -> PyResult<T> {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(reader).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        // Where it stands in a text that the caller never saw is of no help.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let words = error.to_string();
        T::malformed(py, &path, words.strip_suffix(&place).unwrap_or(&words))
    })?;
    value.validate().map_err(|error| errors::raise(py, error))?;
    Ok(value)
}

pub(super) fn from_dict<T: DeserializeOwned + Validate>(data: &Bound<'_, PyAny>) -> PyResult<T> {
    let py = data.py();
    let text = dump(data).map_err(|error| {
        let is_of_the_data = error.is_instance_of::<PyException>(py);
        if is_of_the_data { T::malformed(py, ".", &error.value(py).to_string()) } else { error }
    })?;
    from_json(py, &text)
}

/// What else than its types a value must satisfy.
pub(super) trait Validate {
    /// The exception for what is no such value; `path` is where it stands.
    fn malformed(_py: Python<'_>, path: &str, words: &str) -> PyErr {
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        PyValueError::new_err(format!("{place}{words}"))
    }

    fn validate(&self) -> crate::Result<()> {
        Ok(())
    }
}

impl Validate for job::Video {}
impl Validate for job::FileOutput {}
impl Validate for job::Usage {}
impl Validate for job::JobError {}
impl Validate for job::VideoJob {}
impl Validate for crate::saved_file::Download {}

/// Python objects as JSON text.
pub(super) fn dump(data: &Bound<'_, PyAny>) -> PyResult<String> {
    json_module(data.py())?.call_method1("dumps", (data,))?.extract()
}

/// `Name(field=value, ...)`, leaving out what is not set after the first field. The fields are those that
/// a pattern matches by position, unless the class says otherwise.
pub(super) fn repr(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let class = value.get_type();
    let fields = class.getattr_opt("_fields")?.map_or_else(|| class.getattr("__match_args__"), Ok)?;
    let mut shown = Vec::new();
    for field in fields.cast_into::<PyTuple>()? {
        let field: String = field.extract()?;
        let content = value.getattr(field.as_str())?;
        if shown.is_empty() || !is_unset(&content) {
            shown.push(format!("{field}={}", show(&content)?));
        }
    }
    Ok(format!("{}({})", class.name()?, shown.join(", ")))
}

fn is_unset(content: &Bound<'_, PyAny>) -> bool {
    content.is_none() || content.cast::<PyTuple>().is_ok_and(PyTupleMethods::is_empty)
}

/// Bytes are counted, and what signs an address, which is as good as a key to the file, is left out.
fn show(content: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(bytes) = content.cast::<PyBytes>() {
        return Ok(format!("<{} bytes>", bytes.as_bytes().len()));
    }
    if let Ok(items) = content.cast::<PyTuple>() {
        return Ok(format!("[{}]", joined(items.iter())?));
    }
    if let Ok(items) = content.cast::<PyList>() {
        return Ok(format!("[{}]", joined(items.iter())?));
    }
    if let Ok(fields) = content.cast::<PyDict>() {
        let fields = fields.iter().map(|(name, value)| Ok(format!("{}: {}", name.repr()?, show(&value)?)));
        return Ok(format!("{{{}}}", fields.collect::<PyResult<Vec<_>>>()?.join(", ")));
    }
    if let Ok(text) = content.cast::<PyString>()
        && let Ok(text) = text.to_str()
        && (text.contains(":/") || text.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")))
    {
        return Ok(PyString::new(content.py(), &text_for_message(text)).repr()?.to_string());
    }
    Ok(content.repr()?.to_string())
}

fn joined<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<String> {
    Ok(items.map(|item| show(&item)).collect::<PyResult<Vec<_>>>()?.join(", "))
}

/// Pickling: the class's own `_from_json` on the value's JSON.
pub(super) fn reduce<'py>(
    class: &Bound<'py, PyType>,
    value: &impl Serialize,
) -> PyResult<(Bound<'py, PyAny>, (String,))> {
    Ok((class.getattr("_from_json")?, (to_json(value)?,)))
}

pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The methods that every value has, over its field `inner`.
macro_rules! value_methods {
    ($class:ident { $($own:tt)* }) => {
        #[pymethods]
        impl $class {
            $($own)*

            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                to_dict(py, &self.inner)
            }

            #[classmethod]
            fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
                from_dict::<_>(data).map(Self::from_inner)
            }

            #[classmethod]
            fn _from_json(class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
                from_json::<_>(class.py(), text).map(Self::from_inner)
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                reduce(&slf.get_type(), &slf.get().inner)
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                repr(slf.as_any())
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
                other.cast::<Self>().is_ok_and(|other| other.get().inner == self.inner)
            }

            fn __hash__(&self) -> u64 {
                hash(&self.inner)
            }

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
                slf
            }
        }
    };
}

pub(super) use value_methods;

// ---- the values ------------------------------------------------------------------------------

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

/// A file that the service keeps.
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
        let parse = || Ok::<_, PyErr>(json_module(py)?.call_method1("loads", (&**raw,))?.unbind());
        Ok(Some(self.raw.get_or_try_init(py, parse)?.clone_ref(py)))
    }

    #[getter]
    fn is_terminal(&self) -> bool {
        self.inner.is_terminal()
    }
});

/// A kept file.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Download {
    inner: crate::saved_file::Download,
}

impl Download {
    pub(super) fn from_inner(inner: crate::saved_file::Download) -> Self {
        Self { inner }
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
