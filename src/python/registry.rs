//! Objects of the Python package that lower layers use, registered by name when the package is imported.
//!
//! The compiled part imports no module of the package: dependencies point one way.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The attribute of the module that holds the loaders: each interpreter has its own.
const LOADERS: &str = "_loaders";

/// Registers an object. `load` imports and returns it, and is called at each lookup.
#[pyfunction]
#[pyo3(pass_module)]
pub(super) fn register(module: &Bound<'_, PyModule>, name: &str, load: &Bound<'_, PyAny>) -> PyResult<()> {
    module.getattr(LOADERS)?.cast_into::<PyDict>()?.set_item(name, load)
}

/// Returns a registered object.
#[pyfunction]
#[pyo3(pass_module)]
pub(super) fn lookup<'py>(module: &Bound<'py, PyModule>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let loaders = module.getattr(LOADERS)?.cast_into::<PyDict>()?;
    let missing = || PyRuntimeError::new_err(format!("{name} is not registered: import vidjob first"));
    loaders.get_item(name)?.ok_or_else(missing)?.call0()
}

/// Adds the loaders to the module.
pub(super) fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.setattr(LOADERS, PyDict::new(module.py()))
}

/// The object that is registered as `name`.
pub(super) fn get<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    lookup(&py.import(intern!(py, "vidjob._native"))?, name)
}
