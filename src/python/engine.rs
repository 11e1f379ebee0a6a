//! The tokio runtimes, whose lives are tied to the interpreter's: one with workers, and one that runs on the threads
//! of those who wait in it. A query that is not handed to another thread takes half the time.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyDict;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::client::{forget_submissions, submissions};

const WORKERS: usize = 2;
/// How long the start may take.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle thread for work that blocks stays.
const KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);
const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long creates that are under way are heard: what they bought must not be lost with the process.
const LAST_SUBMISSIONS: Duration = Duration::from_secs(10);

/// Locked only while attached and never across Python code: on a build with a GIL no other
/// thread can hold it at the moment of a fork.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// Likewise. It runs while somebody blocks on it, and stands still otherwise.
static CALLERS: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
static CLOSED: AtomicBool = AtomicBool::new(false);
/// How many interpreters of this process use the runtimes: one that is destroyed stops nothing of the others.
static INTERPRETERS: AtomicUsize = AtomicUsize::new(0);
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
    Ok(runtime.insert(start()?).handle().clone())
}

/// Starts the workers, where threads can be had. Tokio takes it for a bug when they cannot, and may then wait for ever:
/// so it is watched from here.
fn start() -> io::Result<Runtime> {
    check_threads()?;
    let (sender, receiver) = mpsc::channel();
    let starter = std::thread::Builder::new().name("vidjob-start".into()).spawn(move || {
        let started = std::panic::catch_unwind(|| {
            let runtime = Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .thread_name("vidjob")
                .thread_keep_alive(KEEP_ALIVE)
                .enable_all()
                .build()?;
            // One thread for work that blocks is there from now on: where no more can be had, such work takes turns.
            runtime.block_on(runtime.spawn_blocking(|| ())).map_err(io::Error::other)?;
            Ok(runtime)
        });
        // Whoever waited may have given up.
        let _ = sender.send(started.unwrap_or_else(|_| Err(no_threads())));
    });
    starter.map_err(|_| no_threads())?;
    receiver.recv_timeout(START_TIMEOUT).unwrap_or_else(|_| Err(no_threads()))
}

/// Whether as many threads can be had as the runtime begins with.
fn check_threads() -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let mut threads = Vec::new();
    for _ in 0..=WORKERS {
        let gate = Arc::clone(&gate);
        // All of them at once: one after another would be had where two cannot.
        threads.push(std::thread::Builder::new().name("vidjob-check".into()).spawn(move || drop(gate.lock())));
    }
    drop(closed);
    let mut result = Ok(());
    for thread in threads {
        match thread {
            // It does nothing that could fail.
            Ok(thread) => drop(thread.join()),
            Err(_) => result = Err(no_threads()),
        }
    }
    result
}

pub(super) fn no_threads() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "no thread can be started: this process or system has reached its limit")
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
    if INTERPRETERS.fetch_sub(1, Ordering::SeqCst) > 1 {
        return;
    }
    CLOSED.store(true, Ordering::SeqCst);
    let runtime = RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    let callers = CALLERS.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    py.detach(|| {
        let deadline = std::time::Instant::now() + LAST_SUBMISSIONS;
        while runtime.is_some() && submissions() > 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        crate::journal::flush_all();
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
    forget_submissions();
    super::bridge::forget_loops(py);
}

/// Ties the runtime to the interpreter.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    INTERPRETERS.fetch_add(1, Ordering::SeqCst);
    // The last one may have been destroyed before this one began.
    CLOSED.store(false, Ordering::SeqCst);
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(shutdown, module)?,))?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", wrap_pyfunction!(after_fork, module)?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}
