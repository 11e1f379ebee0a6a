//! Values as plain Python objects, by way of JSON text.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Serialize;

/// A value as plain Python objects.
pub(super) fn to_dict<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    from_json_text(py, &to_json(value)?)
}

/// JSON text as plain Python objects.
pub(super) fn from_json_text<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    json_module(py)?.call_method1("loads", (text,))
}

/// A value as JSON text.
pub(super) fn to_json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Python objects as JSON text.
pub(super) fn dump(data: &Bound<'_, PyAny>) -> PyResult<String> {
    json_module(data.py())?.call_method1("dumps", (data,))?.extract()
}

fn json_module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("json")
}
