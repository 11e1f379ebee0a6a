//! The tokio runtimes: one with workers, and one that runs on the threads of blocking callers. A query that is not
//! passed to another thread takes half the time.

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
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Lifetime of an idle thread for blocking work.
const KEEP_ALIVE: Duration = Duration::from_secs(24 * 3600);

/// Locked only while attached and never across Python code: on a build with a GIL no other
/// thread can hold it at the moment of a fork.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// Likewise. It runs only while a caller blocks on it.
static CURRENT_THREAD: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);
static CLOSED: AtomicBool = AtomicBool::new(false);
/// Threads that return from a blocking wait into the interpreter.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// The thread that waits for them at shutdown.
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

/// Starts the workers in a watched thread: when the system has no threads left, tokio panics, and may then wait
/// forever.
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
            // From now on, one thread for blocking work exists: without more threads, such work is queued.
            runtime.block_on(runtime.spawn_blocking(|| ())).map_err(io::Error::other)?;
            Ok(runtime)
        });
        // The receiver may have timed out.
        let _ = sender.send(started.unwrap_or_else(|_| Err(no_threads())));
    });
    starter.map_err(|_| no_threads())?;
    receiver.recv_timeout(START_TIMEOUT).unwrap_or_else(|_| Err(no_threads()))
}

/// Whether the system allows the threads that the runtime starts with.
fn check_threads() -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let mut threads = Vec::new();
    for _ in 0..=WORKERS {
        let gate = Arc::clone(&gate);
        // All at once: they could always be started one after another.
        threads.push(std::thread::Builder::new().name("vidjob-check".into()).spawn(move || drop(gate.lock())));
    }
    drop(closed);
    let mut result = Ok(());
    for thread in threads {
        match thread {
            // It cannot fail.
            Ok(thread) => drop(thread.join()),
            Err(_) => result = Err(no_threads()),
        }
    }
    result
}

pub(super) fn no_threads() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "no thread can be started: this process or system has reached its limit")
}

/// The runtime on the callers' threads, started on first use.
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

/// Processes I/O that became ready while the runtime was not running, closed connections above all.
pub(super) async fn poll_pending_io() {
    // The first yield polls the sockets, the second one runs the tasks that they wake.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

/// Processes pending I/O of the callers' runtime, if it was started.
pub(super) fn drain(py: Python<'_>) {
    let runtime = CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(runtime) = runtime {
        py.detach(|| runtime.block_on(poll_pending_io()));
    }
}

pub(super) fn is_closed() -> bool {
    CLOSED.load(Ordering::SeqCst)
}

/// Guards the return of a thread into the interpreter, which may be closing.
///
/// Python before 3.14 ends a thread that attaches after finalisation by unwinding its stack,
/// which aborts the process if Rust frames are on it. So a thread that comes too late sleeps
/// until the process ends, and `shutdown` waits for those that came just in time.
pub(super) struct AttachGuard;

impl AttachGuard {
    /// Call it detached, before attaching.
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

/// Waits until all threads have returned, up to `timeout`. Call it detached, after [`close`].
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

/// Marks the runtimes as closed, and returns those that were started.
pub(super) fn close(py: Python<'_>) -> (Option<Runtime>, Option<Arc<Runtime>>) {
    CLOSED.store(true, Ordering::SeqCst);
    let workers = RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    let current_thread = CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
    (workers, current_thread)
}

/// Allows a new interpreter to start the runtimes again.
pub(super) fn reopen() {
    CLOSED.store(false, Ordering::SeqCst);
}

/// After a fork: the workers and what they own belong to the parent.
pub(super) fn forget(py: Python<'_>) {
    std::mem::forget(RUNTIME.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    std::mem::forget(CURRENT_THREAD.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take());
    RETURNING.store(0, Ordering::SeqCst);
}
