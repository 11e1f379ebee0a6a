//! Hooks for the interpreter's exit and for forks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{asyncio, runtime};
use crate::{journal, submission};

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Limit of the wait for creates under way: a job that was paid for must not be lost.
const PENDING_SUBMISSIONS_TIMEOUT: Duration = Duration::from_secs(10);

/// Interpreters of this process that use the runtimes: the last one stops them.
static INTERPRETERS: AtomicUsize = AtomicUsize::new(0);

/// `atexit`: stops the workers while the interpreter still works.
#[pyfunction]
fn shutdown(py: Python<'_>) {
    if INTERPRETERS.fetch_sub(1, Ordering::SeqCst) > 1 {
        return;
    }
    let (workers, current_thread) = runtime::close(py);
    py.detach(|| {
        if let Some(workers) = &workers {
            workers.block_on(async {
                // A create that is still not recorded has an unknown outcome.
                let _ = tokio::time::timeout(PENDING_SUBMISSIONS_TIMEOUT, submission::all_recorded()).await;
            });
        }
        journal::flush_all();
        runtime::wait_for_attaching_threads(SHUTDOWN_TIMEOUT);
        if let Some(workers) = workers {
            workers.shutdown_timeout(SHUTDOWN_TIMEOUT);
        }
        // A thread that is still blocked in it never returns: see `AttachGuard`.
        if let Some(current_thread) = current_thread.and_then(Arc::into_inner) {
            current_thread.shutdown_background();
        }
    });
}

/// `os.register_at_fork(after_in_child=...)`.
#[pyfunction]
fn after_fork(py: Python<'_>) {
    runtime::forget(py);
    asyncio::forget_loops(py);
}

/// Registers the hooks of this interpreter.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    INTERPRETERS.fetch_add(1, Ordering::SeqCst);
    runtime::reopen();
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(shutdown, module)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}
