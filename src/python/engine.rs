//! The tokio runtimes, whose lives are tied to the interpreter's: one with workers, and one that runs on the threads
//! of those who wait in it. A query that is not handed to another thread takes half the time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyDict;
use tokio::runtime::{Builder, Handle, Runtime};

const WORKERS: usize = 2;
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Locked only while attached and never across Python code: on a build with a GIL no other
/// thread can hold it at the moment of a fork.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// Likewise. It runs while somebody blocks on it, and stands still otherwise.
static CALLERS: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
static CLOSED: AtomicBool = AtomicBool::new(false);
/// Threads on their way from a blocking wait back into the interpreter.
static RETURNING: AtomicUsize = AtomicUsize::new(0);

/// The runtime, started on first use.
pub(super) fn handle(py: Python<'_>) -> PyResult<Handle> {
    if CLOSED.load(Ordering::Acquire) {
        return Err(PyRuntimeError::new_err("the interpreter is shutting down"));
    }
    let mut runtime = RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("vidjob").enable_all().build()?;
    Ok(runtime.insert(started).handle().clone())
}

/// The runtime that runs on the threads of its callers, started on first use.
pub(super) fn callers(py: Python<'_>) -> PyResult<Arc<Runtime>> {
    if is_closed() {
        return Err(PyRuntimeError::new_err("the interpreter is shutting down"));
    }
    let mut runtime = CALLERS.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(Arc::clone(runtime));
    }
    let started = Builder::new_current_thread().thread_name("vidjob").enable_all().build()?;
    Ok(Arc::clone(runtime.insert(Arc::new(started))))
}

/// What became ready while the callers' runtime stood still is seen to: connections that were closed, above all.
pub(super) async fn catch_up() {
    // The first turn looks at the sockets, the second one runs what waits for them.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Lets the callers' runtime catch up, if there is one.
pub(super) fn tidy(py: Python<'_>) {
    let runtime = CALLERS.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(runtime) = runtime {
        py.detach(|| runtime.block_on(catch_up()));
    }
}

/// Whether the runtimes have been stopped for good.
pub(super) fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

/// A thread's way back into the interpreter, which may be closing just now.
///
/// Python before 3.14 ends a thread that attaches after finalisation by unwinding its stack,
/// which aborts the process when there is Rust on it. So a thread that comes too late sleeps
/// until the process ends, and `shutdown` waits for those that came just in time.
pub(super) struct Return;

impl Return {
    /// To be called detached, before attaching again.
    pub(super) fn announce() -> Self {
        RETURNING.fetch_add(1, Ordering::SeqCst);
        if is_closed() {
            RETURNING.fetch_sub(1, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        }
        Self
    }
}

impl Drop for Return {
    fn drop(&mut self) {
        RETURNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `atexit`: stops the workers while the interpreter is still whole.
#[pyfunction]
fn shutdown(py: Python<'_>) {
    CLOSED.store(true, Ordering::SeqCst);
    let runtime = RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    let callers = CALLERS.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    py.detach(|| {
        let patience = std::time::Instant::now() + SHUTDOWN;
        while RETURNING.load(Ordering::SeqCst) > 0 && std::time::Instant::now() < patience {
            std::thread::sleep(Duration::from_micros(200));
        }
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(SHUTDOWN);
        }
        // A thread that is still in it never comes out: see `Return`.
        if let Some(callers) = callers.and_then(Arc::into_inner) {
            callers.shutdown_background();
        }
    });
}

/// `os.register_at_fork(after_in_child=...)`: the workers are gone, and what they held must not be touched.
#[pyfunction]
fn after_fork(py: Python<'_>) {
    std::mem::forget(RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    std::mem::forget(CALLERS.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    RETURNING.store(0, Ordering::SeqCst);
    super::bridge::forget_loops(py);
}

/// Ties the runtime to the interpreter.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(shutdown, module)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}
