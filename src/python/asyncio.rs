//! Awaitable calls: a future runs on the workers, and the event loop receives its result.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyCFunction;
use pyo3::{IntoPyObjectExt, intern};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::listener::{Listener, TICK, emit, ticking, wants_ticks};
use super::outcome::into_python;
use super::runtime;
use super::waker::LoopWaker;
use crate::error::Result;
use crate::event::{Event, Events};

type Completer = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// An event or a result on its way to an event loop.
enum Completion {
    Event { future: Py<PyAny>, listener: Py<PyAny>, event: Box<Event> },
    Done { future: Py<PyAny>, completer: Completer },
}

/// Completions for one event loop. The first one wakes the loop; the others are delivered with it.
struct LoopQueue {
    event_loop: Py<PyAny>,
    waiting: Mutex<Vec<Completion>>,
    /// The loop's callback. It holds the queue weakly: a cycle through Python would never be freed.
    drain: OnceLock<Py<PyAny>>,
    waker: OnceLock<LoopWaker>,
    pending: AtomicUsize,
    ticking: AtomicBool,
}

/// Counts a pending call while it lives.
struct PendingCall(Arc<LoopQueue>);

impl PendingCall {
    fn begin(queue: &Arc<LoopQueue>, handle: &Handle) -> Self {
        queue.pending.fetch_add(1, Ordering::SeqCst);
        if !queue.ticking.swap(true, Ordering::SeqCst) {
            handle.spawn(tick(Arc::clone(queue)));
        }
        Self(Arc::clone(queue))
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Wakes a loop periodically while calls are pending. A notebook's kernel cancels the cell in a signal handler
/// that does not wake the loop: otherwise the cell would run until the call ends.
async fn tick(queue: Arc<LoopQueue>) {
    loop {
        while queue.pending.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(TICK).await;
            queue.wake();
        }
        queue.ticking.store(false, Ordering::SeqCst);
        // A call may have started just before, and rely on this task.
        if queue.pending.load(Ordering::SeqCst) == 0 || queue.ticking.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

/// By the address of the loop. Locked only while attached, and never across Python code.
static LOOP_QUEUES: LazyLock<Mutex<HashMap<usize, Arc<LoopQueue>>>> = LazyLock::new(Mutex::default);

/// After a fork: the loops belong to the parent, and a worker may have been writing to their queues.
pub(super) fn forget_loops(py: Python<'_>) {
    std::mem::forget(std::mem::take(&mut *lock(&LOOP_QUEUES, py)));
}

fn lock<'a, T>(mutex: &'a Mutex<T>, py: Python<'_>) -> std::sync::MutexGuard<'a, T> {
    mutex.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
}

impl LoopQueue {
    fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let address = event_loop.as_ptr() as usize;
        if let Some(queue) = lock(&LOOP_QUEUES, py).get(&address) {
            return Ok(Arc::clone(queue));
        }
        // A queue keeps its loop alive, so an address stays unique while it is listed.
        let dead = Self::take_closed(py)?;
        let queue = Arc::new(Self {
            event_loop: event_loop.clone().unbind(),
            waiting: Mutex::default(),
            drain: OnceLock::new(),
            waker: OnceLock::new(),
            pending: AtomicUsize::new(0),
            ticking: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&queue);
        let drain = PyCFunction::new_closure(py, None, None, move |arguments, _| {
            if let Some(queue) = weak.upgrade() {
                queue.deliver_all(arguments.py());
            }
        })?;
        if let Some(waker) = LoopWaker::register(event_loop, drain.as_any())? {
            let _ = queue.waker.set(waker);
        }
        let _ = queue.drain.set(drain.into_any().unbind());
        let queue = Arc::clone(lock(&LOOP_QUEUES, py).entry(address).or_insert(queue));
        drop(dead);
        Ok(queue)
    }

    /// Removes the queues of closed loops, to be dropped outside the lock.
    fn take_closed(py: Python<'_>) -> PyResult<Vec<Arc<Self>>> {
        let all: Vec<_> = lock(&LOOP_QUEUES, py).iter().map(|(key, queue)| (*key, Arc::clone(queue))).collect();
        let mut dead = Vec::new();
        for (address, queue) in all {
            if queue.event_loop.call_method0(py, intern!(py, "is_closed"))?.is_truthy(py)? {
                dead.extend(lock(&LOOP_QUEUES, py).remove(&address));
            }
        }
        Ok(dead)
    }

    /// Queues a completion, from a worker. Returns whether the caller has to wake the loop.
    fn push(&self, completion: Completion) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(completion);
        waiting.len() == 1
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            return waker.wake();
        }
        Python::try_attach(|py| {
            if let Some(drain) = self.drain.get() {
                // A closed loop waits for nothing.
                let _ = self.event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (drain,));
            }
        });
    }

    /// Delivers everything that is queued, on the loop's thread.
    fn deliver_all(&self, py: Python<'_>) {
        if let Some(waker) = self.waker.get() {
            waker.drain();
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting, py));
        for completion in waiting {
            // A failure must not keep the others from their callers.
            if let Err(error) = completion.deliver(py) {
                error.write_unraisable(py, None);
            }
        }
    }
}

impl Completion {
    fn deliver(self, py: Python<'_>) -> PyResult<()> {
        let (Self::Event { future, .. } | Self::Done { future, .. }) = &self;
        let future = future.clone_ref(py).into_bound(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        let result = match self {
            Self::Event { listener, event, .. } => match emit(py, Some(&listener), *event) {
                Err(error) if !future.call_method0(intern!(py, "done"))?.is_truthy()? => Err(error),
                _ => return Ok(()),
            },
            Self::Done { completer, .. } => completer(py),
        };
        match result {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => future.call_method1(intern!(py, "set_exception"), (without_stop_iteration(py, error),))?,
        };
        Ok(())
    }
}

/// A listener may raise `StopIteration`, which a future refuses.
fn without_stop_iteration(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let wrapped = PyRuntimeError::new_err("a callback raised StopIteration");
    wrapped.set_cause(py, Some(error));
    wrapped
}

/// An awaitable call. Dropping it, as a cancellation does, cancels the work.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Call {
    /// Iterates the `asyncio.Future` of the result.
    steps: Py<PyAny>,
    /// Dropping it stops the work.
    _stop: oneshot::Sender<()>,
}

#[pymethods]
impl Call {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // The result arrives in a StopIteration.
        self.steps.call_method0(py, intern!(py, "__next__"))
    }
}

/// Starts the work, and returns an awaitable for its result.
pub(super) fn awaitable<F, T>(py: Python<'_>, listener: Listener, work: impl FnOnce(Events) -> F) -> PyResult<Call>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: for<'p> IntoPyObject<'p> + Send + 'static,
{
    let event_loop = pyo3_async_runtimes::get_running_loop(py)?;
    let handle = runtime::handle(py)?;
    let py_future = event_loop.call_method0(intern!(py, "create_future"))?;
    let steps = py_future.call_method0(intern!(py, "__await__"))?.unbind();
    let (stop, stopped) = oneshot::channel();
    let queue = LoopQueue::of(&event_loop)?;
    let future = py_future.unbind();
    let is_ticking = wants_ticks(py, listener.as_ref())?;
    let events = events_for(py, &queue, &future, listener);
    let work = ticking(is_ticking.then(|| events.clone()), work(events));
    let pending = PendingCall::begin(&queue, &handle);
    handle.spawn(async move {
        let _pending = pending;
        let outcome = tokio::select! {
            biased;
            _ = stopped => return,
            outcome = AssertUnwindSafe(work).catch_unwind() => outcome,
        };
        let completer: Completer = Box::new(move |py| into_python(py, outcome)?.into_bound_py_any(py));
        if queue.push(Completion::Done { future, completer }) {
            // Other results that are ready join this wake-up: waking a loop is the most expensive part.
            tokio::task::yield_now().await;
            queue.wake();
        }
    });
    Ok(Call { steps, _stop: stop })
}

fn events_for(py: Python<'_>, queue: &Arc<LoopQueue>, future: &Py<PyAny>, listener: Listener) -> Events {
    let Some(listener) = listener else { return Events::default() };
    let target = Arc::new((future.clone_ref(py), listener));
    let queue = Arc::clone(queue);
    Events::to(move |event| {
        let target = Arc::clone(&target);
        let copies = Python::try_attach(|py| (target.0.clone_ref(py), target.1.clone_ref(py)));
        if let Some((future, listener)) = copies
            && queue.push(Completion::Event { future, listener, event: Box::new(event) })
        {
            queue.wake();
        }
    })
}
