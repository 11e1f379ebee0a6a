//! stub
use pyo3::prelude::*;
/// x
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Simulator;
