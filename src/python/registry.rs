//! What the Python package registers with the compiled part when it is imported, by name.
//!
//! The compiled part imports no module of the package: dependencies point one way.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The attribute of the module that holds them: each interpreter has its own.
const REGISTERED: &str = "_registered";

/// Registers callables by name. A later one replaces an earlier one.
#[pyfunction]
#[pyo3(pass_module, signature = (**callables))]
pub(super) fn register(module: &Bound<'_, PyModule>, callables: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    let Some(callables) = callables else { return Ok(()) };
    module.getattr(REGISTERED)?.cast_into::<PyDict>()?.update(callables.as_mapping())
}

/// Makes room for what will be registered.
pub(super) fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add(REGISTERED, PyDict::new(module.py()))
}

/// The callable that is registered as `name`.
pub(super) fn get<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import(intern!(py, "vidjob._native"))?;
    let registered = module.getattr(REGISTERED)?.cast_into::<PyDict>()?;
    registered.get_item(name)?.ok_or_else(|| PyRuntimeError::new_err(format!("vidjob is not imported whole: {name}")))
}
