//! Blocking calls: a future runs to its end while the caller's thread waits. Ctrl-C interrupts them.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use super::interrupt::InterruptGuard;
use super::listener::{emit, ticking, wants_ticks};
use super::outcome::{Outcome, into_python};
use super::runtime::{self, AttachGuard};
use crate::error::Result;
use crate::event::{Event, Events};

/// Interval at which a call on the main thread checks for signals.
const SLICE: Duration = Duration::from_millis(50);

enum CallStep<T> {
    Event(Event),
    Done(Outcome<T>),
    /// Time to check for signals.
    Slice,
    /// The runtime was shut down.
    Dropped,
}

/// A running future, from the side of the waiting thread.
trait PendingWork<T>: Send {
    /// Waits for the next step. Called detached.
    fn next(&mut self, slice: Duration) -> CallStep<T>;

    /// Events that have arrived, without waiting.
    fn rest(&mut self) -> Vec<Event>;
}

/// Runs `work` on the workers.
pub(super) fn block_on<F, T>(
    py: Python<'_>,
    listener: Option<&Py<PyAny>>,
    work: impl FnOnce(Events) -> F,
) -> PyResult<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let handle = runtime::handle(py)?;
    let is_ticking = wants_ticks(py, listener)?;
    serve(py, listener, WorkerTask::begin(&handle, listener.is_some(), is_ticking, work))
}

/// Runs `work` on the caller's own thread. For short calls: passing a query to a worker and its response back
/// costs more than the query. `work` must use a client that is `driven_by_caller`.
pub(super) fn block_on_current_thread<F, T>(
    py: Python<'_>,
    listener: Option<&Py<PyAny>>,
    work: impl FnOnce(Events) -> F,
) -> PyResult<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let runtime = runtime::current_thread(py)?;
    serve(py, listener, CurrentThreadTask::begin(runtime, listener.is_some(), work))
}

fn serve<T: Send>(py: Python<'_>, listener: Option<&Py<PyAny>>, mut work: impl PendingWork<T>) -> PyResult<T> {
    let mut slice = SLICE;
    let mut interrupt_guard = None;
    loop {
        let (step, returning) = py.detach(|| {
            let step = work.next(slice);
            (step, AttachGuard::enter())
        });
        drop(returning);
        let emitted = match step {
            CallStep::Done(outcome) => return into_python(py, outcome),
            CallStep::Event(event) => emit(py, listener, event),
            CallStep::Slice => py.check_signals().and_then(|()| {
                slice = next_slice(py)?;
                if slice == SLICE && interrupt_guard.is_none() {
                    interrupt_guard = Some(InterruptGuard::install(py)?);
                }
                Ok(())
            }),
            CallStep::Dropped => {
                return Err(PyRuntimeError::new_err("the call was dropped: the interpreter is shutting down"));
            }
        };
        if let Err(error) = emitted {
            emit_rest(py, listener, &mut work);
            return Err(error);
        }
    }
}

/// A future on the workers. Dropping it cancels the work.
struct WorkerTask<T> {
    task: JoinHandle<()>,
    receiver: mpsc::Receiver<Message<T>>,
}

enum Message<T> {
    Event(Event),
    Done(Outcome<T>),
}

impl<T: Send + 'static> WorkerTask<T> {
    fn begin<F>(handle: &Handle, is_heard: bool, is_ticking: bool, work: impl FnOnce(Events) -> F) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel();
        let events = if is_heard {
            let sender = sender.clone();
            Events::to(move |event| drop(sender.send(Message::Event(event))))
        } else {
            Events::default()
        };
        let future = ticking(is_ticking.then(|| events.clone()), work(events));
        let task = handle.spawn(async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            let _ = sender.send(Message::Done(outcome));
        });
        Self { task, receiver }
    }
}

impl<T: Send> PendingWork<T> for WorkerTask<T> {
    fn next(&mut self, slice: Duration) -> CallStep<T> {
        match self.receiver.recv_timeout(slice) {
            Ok(Message::Event(event)) => CallStep::Event(event),
            Ok(Message::Done(outcome)) => CallStep::Done(outcome),
            Err(RecvTimeoutError::Timeout) => CallStep::Slice,
            Err(RecvTimeoutError::Disconnected) => CallStep::Dropped,
        }
    }

    fn rest(&mut self) -> Vec<Event> {
        let is_event = |message| if let Message::Event(event) = message { Some(event) } else { None };
        self.receiver.try_iter().filter_map(is_event).collect()
    }
}

impl<T> Drop for WorkerTask<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A future that runs only while its caller waits.
struct CurrentThreadTask<T> {
    runtime: Arc<Runtime>,
    work: Pin<Box<dyn Future<Output = Outcome<T>> + Send>>,
    outcome: Option<Outcome<T>>,
    receiver: Option<mpsc::Receiver<Event>>,
}

impl<T: Send + 'static> CurrentThreadTask<T> {
    fn begin<F>(runtime: Arc<Runtime>, is_heard: bool, work: impl FnOnce(Events) -> F) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (events, receiver) = if is_heard {
            let (sender, receiver) = mpsc::channel();
            (Events::to(move |event| drop(sender.send(event))), Some(receiver))
        } else {
            (Events::default(), None)
        };
        let work = work(events);
        let work = async move {
            runtime::poll_pending_io().await;
            AssertUnwindSafe(work).catch_unwind().await
        };
        Self { runtime, work: Box::pin(work), outcome: None, receiver }
    }
}

impl<T: Send> PendingWork<T> for CurrentThreadTask<T> {
    fn next(&mut self, slice: Duration) -> CallStep<T> {
        let Self { runtime, work, outcome, receiver } = self;
        let step = poll_fn(|context| {
            if outcome.is_none()
                && let Poll::Ready(ended) = work.as_mut().poll(context)
            {
                *outcome = Some(ended);
            }
            // The work itself emits events, so they are visible after each poll.
            match receiver.as_ref().and_then(|receiver| receiver.try_recv().ok()) {
                Some(event) => Poll::Ready(CallStep::Event(event)),
                None => outcome.take().map_or(Poll::Pending, |outcome| Poll::Ready(CallStep::Done(outcome))),
            }
        });
        runtime.block_on(async { tokio::time::timeout(slice, step).await.unwrap_or(CallStep::Slice) })
    }

    fn rest(&mut self) -> Vec<Event> {
        self.receiver.iter().flat_map(mpsc::Receiver::try_iter).collect()
    }
}

/// An interrupted call still emits what has happened: a job may have been accepted.
fn emit_rest<T>(py: Python<'_>, listener: Option<&Py<PyAny>>, work: &mut impl PendingWork<T>) {
    for event in work.rest() {
        // The caller sees the first error.
        let _ = emit(py, listener, event);
    }
}

/// Only the main thread receives signals.
fn next_slice(py: Python<'_>) -> PyResult<Duration> {
    let threading = py.import(intern!(py, "threading"))?;
    let here = threading.call_method0(intern!(py, "get_ident"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?.getattr(intern!(py, "ident"))?;
    Ok(if here.eq(main)? { SLICE } else { Duration::from_secs(3600) })
}
