//! Converts the outcome of a future into a Python result or exception.

use std::any::Any;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::{errors, runtime};
use crate::error::Result;

/// The result of a future, or its panic.
pub(super) type Outcome<T> = std::result::Result<Result<T>, Box<dyn Any + Send>>;

/// The value, or the exception to raise.
pub(super) fn into_python<T>(py: Python<'_>, outcome: Outcome<T>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::raise(py, error)),
        Err(panic) => Err(panicked(panic.as_ref())),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    // Tokio panics when no thread can be started.
    if text.starts_with("OS can't spawn worker thread") {
        return runtime::no_threads().into();
    }
    PyRuntimeError::new_err(format!("internal error in vidjob, please report it: {text}"))
}
