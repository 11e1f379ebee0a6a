//! `FileId`: media that the service already stores.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use serde::{Deserialize, Serialize};

use super::arguments::{Required, refuse_unknown, text};
use super::value_class::{Validate, value_methods};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    file_id: String,
}

/// A file that the service already has.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct FileId {
    inner: File,
}

impl FileId {
    fn from_inner(inner: File) -> Self {
        Self { inner }
    }

    pub(super) fn of(file_id: String) -> Self {
        Self::from_inner(File { file_id })
    }

    pub(super) fn id(&self) -> &str {
        &self.inner.file_id
    }
}

value_methods!(FileId {
    #[new]
    #[pyo3(signature = (file_id=Required::Missing, **unknown), text_signature = "(file_id)")]
    fn new(py: Python<'_>, file_id: Required<'_>, unknown: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        refuse_unknown::<Self>(py, unknown)?;
        text("file_id", &file_id.get("FileId", "file_id")?).map(Self::of)
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("file_id",)
    }

    #[getter]
    fn file_id(&self) -> &str {
        self.id()
    }
});

impl Validate for File {}
