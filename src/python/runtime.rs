//! The tokio runtimes, whose lives are tied to the interpreter's: one with workers, and one that runs on the threads
//! of those who wait in it. A query that is not handed to another thread takes half the time.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::Thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use tokio::runtime::{Builder, Handle, Runtime};

const WORKERS: usize = 2;
/// How long the start may take.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle thread for work that blocks stays.
const KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);

/// Locked only while attached and never across Python code: on a build with a GIL no other
/// thread can hold it at the moment of a fork.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// Likewise. It runs while somebody blocks on it, and stands still otherwise.
static CURRENT_THREAD: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
static CLOSED: AtomicBool = AtomicBool::new(false);
/// Threads on their way from a blocking wait back into the interpreter.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// The thread that waits for them.
static SHUTDOWN_THREAD: Mutex<Option<Thread>> = Mutex::new(None);

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
pub(super) fn current_thread(py: Python<'_>) -> PyResult<Arc<Runtime>> {
    if is_closed() {
        return Err(PyRuntimeError::new_err("the interpreter is shutting down"));
    }
    let mut runtime = CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(Arc::clone(runtime));
    }
    let started = Builder::new_current_thread().thread_name("vidjob").enable_all().build()?;
    Ok(Arc::clone(runtime.insert(Arc::new(started))))
}

/// What became ready while the callers' runtime stood still is seen to: connections that were closed, above all.
pub(super) async fn poll_pending_io() {
    // The first turn looks at the sockets, the second one runs what waits for them.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Lets the callers' runtime catch up, if there is one.
pub(super) fn drain(py: Python<'_>) {
    let runtime = CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(runtime) = runtime {
        py.detach(|| runtime.block_on(poll_pending_io()));
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
pub(super) struct AttachGuard;

impl AttachGuard {
    /// To be called detached, before attaching again.
    pub(super) fn enter() -> Self {
        RETURNING.fetch_add(1, Ordering::SeqCst);
        if is_closed() {
            RETURNING.fetch_sub(1, Ordering::SeqCst);
            wake_shutdown();
            loop {
                std::thread::park();
            }
        }
        Self
    }
}

impl Drop for AttachGuard {
    fn drop(&mut self) {
        RETURNING.fetch_sub(1, Ordering::SeqCst);
        if is_closed() {
            wake_shutdown();
        }
    }
}

fn wake_shutdown() {
    if let Some(thread) = &*SHUTDOWN_THREAD.lock().unwrap_or_else(PoisonError::into_inner) {
        thread.unpark();
    }
}

/// Waits until no thread is on its way back, or for `timeout`. To be called detached, after [`close`].
pub(super) fn wait_for_attaching_threads(timeout: Duration) {
    *SHUTDOWN_THREAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
    let deadline = Instant::now() + timeout;
    while RETURNING.load(Ordering::SeqCst) > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

/// Starts nothing more, and hands over what was started.
pub(super) fn close(py: Python<'_>) -> (Option<Runtime>, Option<Arc<Runtime>>) {
    CLOSED.store(true, Ordering::SeqCst);
    let workers = RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    let current_thread = CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    (workers, current_thread)
}

/// Lets an interpreter that was begun after the last one ended start the runtimes again.
pub(super) fn reopen() {
    CLOSED.store(false, Ordering::SeqCst);
}

/// After a fork: the workers are the parent's, and what they held must not be touched.
pub(super) fn forget(py: Python<'_>) {
    std::mem::forget(RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    std::mem::forget(CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    RETURNING.store(0, Ordering::SeqCst);
}
