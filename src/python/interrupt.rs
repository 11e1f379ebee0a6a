//! Lets the stop button of a notebook interrupt a blocking call.

use pyo3::prelude::*;

use super::registry;

/// Installed while it lives.
pub(super) struct InterruptGuard<'py>(Bound<'py, PyAny>);

impl<'py> InterruptGuard<'py> {
    pub(super) fn install(py: Python<'py>) -> PyResult<Self> {
        Ok(Self(registry::get(py, "notebook.interrupt_guard")?.call0()?))
    }
}

impl Drop for InterruptGuard<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.call0() {
            error.write_unraisable(self.0.py(), Some(&self.0));
        }
    }
}
