//! The two ways a Rust future is handed to Python: a blocking call, or an awaitable.
//!
//! Either way an optional listener hears of events while the future runs. It is called on the
//! caller's own thread, so Python code never runs on a worker.

use std::any::Any;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyCFunction;
use pyo3::{IntoPyObjectExt, intern};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::bell::Bell;
use super::engine::{self, Return};
use super::{errors, events};
use crate::error::Result;
use crate::event::{Event, Events};

/// How often a blocking call on the main thread looks for Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);
/// How often an event loop is woken while it waits for a call, and whoever shows something is told of the time.
const TICK: Duration = Duration::from_millis(250);

/// What a verb's work is.
pub(super) type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;

type Outcome<T> = std::result::Result<Result<T>, Box<dyn Any + Send>>;

/// A Python callable that takes events, or nobody.
pub(super) type Listener = Option<Py<PyAny>>;

// ---- blocking ---------------------------------------------------------------------------------

/// What a blocking call waits for.
enum Step<T> {
    Event(Event),
    Done(Outcome<T>),
    /// The slice of time is over.
    Slice,
    /// The workers have been stopped.
    Dropped,
}

/// Work under way, as it looks to the thread that waits for it.
trait Underway<T>: Send {
    /// Waits, detached, for the next step.
    fn next(&mut self, slice: Duration) -> Step<T>;

    /// What has been told by now, without waiting.
    fn rest(&mut self) -> Vec<Event>;
}

/// Runs `work` to its end on the workers, detached, letting Ctrl-C through.
pub(super) fn block_on<F, T>(
    py: Python<'_>,
    listener: Option<&Py<PyAny>>,
    work: impl FnOnce(Events) -> F,
) -> PyResult<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let handle = engine::handle(py)?;
    let is_ticking = wants_ticks(py, listener)?;
    serve(py, listener, Spawned::begin(&handle, listener.is_some(), is_ticking, work))
}

/// The same on the caller's own thread, for what is over soon: handing a query to a worker and taking the answer back
/// costs more than the query. `work` must belong to a client that is `driven_by_caller`.
pub(super) fn block_here<F, T>(
    py: Python<'_>,
    listener: Option<&Py<PyAny>>,
    work: impl FnOnce(Events) -> F,
) -> PyResult<T>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let runtime = engine::callers(py)?;
    serve(py, listener, Driven::begin(runtime, listener.is_some(), work))
}

fn serve<T: Send>(py: Python<'_>, listener: Option<&Py<PyAny>>, mut work: impl Underway<T>) -> PyResult<T> {
    let mut slice = SLICE;
    let mut stop_button = None;
    loop {
        let (step, returning) = py.detach(|| {
            let step = work.next(slice);
            (step, Return::announce())
        });
        drop(returning);
        let told = match step {
            Step::Done(outcome) => return settle(py, outcome),
            Step::Event(event) => tell(py, listener, event),
            Step::Slice => py.check_signals().and_then(|()| {
                slice = next_slice(py)?;
                if slice == SLICE && stop_button.is_none() {
                    stop_button = Some(StopButton::wire(py)?);
                }
                Ok(())
            }),
            Step::Dropped => {
                return Err(PyRuntimeError::new_err("the call was dropped: the interpreter is shutting down"));
            }
        };
        if let Err(error) = told {
            tell_the_rest(py, listener, &mut work);
            return Err(error);
        }
    }
}

/// Work on the workers. Left early, it is stopped.
struct Spawned<T> {
    task: JoinHandle<()>,
    receiver: mpsc::Receiver<Message<T>>,
}

enum Message<T> {
    Event(Event),
    Done(Outcome<T>),
}

impl<T: Send + 'static> Spawned<T> {
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

impl<T: Send> Underway<T> for Spawned<T> {
    fn next(&mut self, slice: Duration) -> Step<T> {
        match self.receiver.recv_timeout(slice) {
            Ok(Message::Event(event)) => Step::Event(event),
            Ok(Message::Done(outcome)) => Step::Done(outcome),
            Err(RecvTimeoutError::Timeout) => Step::Slice,
            Err(RecvTimeoutError::Disconnected) => Step::Dropped,
        }
    }

    fn rest(&mut self) -> Vec<Event> {
        let is_event = |message| if let Message::Event(event) = message { Some(event) } else { None };
        self.receiver.try_iter().filter_map(is_event).collect()
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Work that goes on only while its caller waits.
struct Driven<T> {
    runtime: Arc<Runtime>,
    work: Pin<Box<dyn Future<Output = Outcome<T>> + Send>>,
    outcome: Option<Outcome<T>>,
    receiver: Option<mpsc::Receiver<Event>>,
}

impl<T: Send + 'static> Driven<T> {
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
            engine::catch_up().await;
            AssertUnwindSafe(work).catch_unwind().await
        };
        Self { runtime, work: Box::pin(work), outcome: None, receiver }
    }
}

impl<T: Send> Underway<T> for Driven<T> {
    fn next(&mut self, slice: Duration) -> Step<T> {
        let Self { runtime, work, outcome, receiver } = self;
        let step = poll_fn(|context| {
            if outcome.is_none()
                && let Poll::Ready(ended) = work.as_mut().poll(context)
            {
                *outcome = Some(ended);
            }
            // Events are told from within the work, so whoever polls the work sees them.
            match receiver.as_ref().and_then(|receiver| receiver.try_recv().ok()) {
                Some(event) => Poll::Ready(Step::Event(event)),
                None => outcome.take().map_or(Poll::Pending, |outcome| Poll::Ready(Step::Done(outcome))),
            }
        });
        runtime.block_on(async { tokio::time::timeout(slice, step).await.unwrap_or(Step::Slice) })
    }

    fn rest(&mut self) -> Vec<Event> {
        self.receiver.iter().flat_map(mpsc::Receiver::try_iter).collect()
    }
}

/// Whether a listener shows something, and wants to hear when nothing happens too.
fn wants_ticks(py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<bool> {
    let Some(listener) = listener else { return Ok(false) };
    listener.getattr(py, intern!(py, "wants_ticks"))?.is_truthy(py)
}

/// The same work, telling `listener` now and then that time has passed.
async fn ticking<T>(listener: Option<Events>, work: impl Future<Output = T>) -> T {
    let Some(listener) = listener else { return work.await };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(TICK) => listener.tell(|| Event::Tick),
        }
    }
}

/// A call that is left early still tells what has happened by then: a job may have been accepted.
fn tell_the_rest<T>(py: Python<'_>, listener: Option<&Py<PyAny>>, work: &mut impl Underway<T>) {
    for event in work.rest() {
        // The first error is the one that the caller sees.
        let _ = tell(py, listener, event);
    }
}

/// Signals reach only the main thread; others need not wake for them.
fn next_slice(py: Python<'_>) -> PyResult<Duration> {
    let threading = py.import(intern!(py, "threading"))?;
    let here = threading.call_method0(intern!(py, "get_ident"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?.getattr(intern!(py, "ident"))?;
    Ok(if here.eq(main)? { SLICE } else { Duration::from_secs(3600) })
}

/// Lets the stop button of a notebook end this call too, as long as it lives.
struct StopButton<'py>(Bound<'py, PyAny>);

impl<'py> StopButton<'py> {
    fn wire(py: Python<'py>) -> PyResult<Self> {
        let kernel = py.import(intern!(py, "vidjob._kernel"))?;
        Ok(Self(kernel.call_method0(intern!(py, "wire_stop_button"))?))
    }
}

impl Drop for StopButton<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.call0() {
            error.write_unraisable(self.0.py(), Some(&self.0));
        }
    }
}

fn settle<T>(py: Python<'_>, outcome: Outcome<T>) -> PyResult<T> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::raise(py, error)),
        Err(panic) => Err(panicked(panic.as_ref())),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    // Tokio takes it for a bug of the program that the system has no more threads.
    if text.starts_with("OS can't spawn worker thread") {
        return engine::no_threads().into();
    }
    PyRuntimeError::new_err(format!("internal error in vidjob, please report it: {text}"))
}

fn tell(py: Python<'_>, listener: Option<&Py<PyAny>>, event: Event) -> PyResult<()> {
    let Some(listener) = listener else { return Ok(()) };
    let (description, job) = events::describe(py, event)?;
    listener.call1(py, (description, job))?;
    Ok(())
}

// ---- awaitable --------------------------------------------------------------------------------

type Fill = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// What waits for an event loop to take it.
enum Delivery {
    Event { future: Py<PyAny>, listener: Py<PyAny>, event: Box<Event> },
    Done { future: Py<PyAny>, fill: Fill },
}

/// What waits for one event loop. However much it is, the loop is woken once.
struct Mailbox {
    event_loop: Py<PyAny>,
    waiting: Mutex<Vec<Delivery>>,
    /// The loop's callback. It holds the mailbox weakly: a cycle through Python would never be freed.
    drain: OnceLock<Py<PyAny>>,
    bell: OnceLock<Bell>,
    /// How many calls the loop is waiting for.
    pending: AtomicUsize,
    ticking: AtomicBool,
}

/// A call that a loop is waiting for, as long as it lives.
struct Pending(Arc<Mailbox>);

impl Pending {
    fn begin(mailbox: &Arc<Mailbox>, handle: &Handle) -> Self {
        mailbox.pending.fetch_add(1, Ordering::SeqCst);
        if !mailbox.ticking.swap(true, Ordering::SeqCst) {
            handle.spawn(tick(Arc::clone(mailbox)));
        }
        Self(Arc::clone(mailbox))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Wakes a loop now and then while it waits. A notebook's kernel cancels the cell from a signal handler
/// that does not wake the loop: without this, the cell would go on until the call ends.
async fn tick(mailbox: Arc<Mailbox>) {
    loop {
        while mailbox.pending.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(TICK).await;
            mailbox.wake();
        }
        mailbox.ticking.store(false, Ordering::SeqCst);
        // A call may have begun just before, and have left the ticking to this.
        if mailbox.pending.load(Ordering::SeqCst) == 0 || mailbox.ticking.swap(true, Ordering::SeqCst) {
            return;
        }
    }
}

/// By the loop's address. Locked only while attached, and never across Python code.
static MAILBOXES: LazyLock<Mutex<HashMap<usize, Arc<Mailbox>>>> = LazyLock::new(Mutex::default);

/// After a fork: the loops are the parent's, and a worker may have been writing to their mailboxes.
pub(super) fn forget_loops(py: Python<'_>) {
    std::mem::forget(std::mem::take(&mut *lock(&MAILBOXES, py)));
}

fn lock<'a, T>(mutex: &'a Mutex<T>, py: Python<'_>) -> std::sync::MutexGuard<'a, T> {
    mutex.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
}

impl Mailbox {
    /// The mailbox of `event_loop`.
    fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let address = event_loop.as_ptr() as usize;
        if let Some(mailbox) = lock(&MAILBOXES, py).get(&address) {
            return Ok(Arc::clone(mailbox));
        }
        // The mailbox keeps its loop alive, so an address stands for one loop as long as it is listed.
        let dead = Self::take_closed(py)?;
        let mailbox = Arc::new(Self {
            event_loop: event_loop.clone().unbind(),
            waiting: Mutex::default(),
            drain: OnceLock::new(),
            bell: OnceLock::new(),
            pending: AtomicUsize::new(0),
            ticking: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&mailbox);
        let drain = PyCFunction::new_closure(py, None, None, move |arguments, _| {
            if let Some(mailbox) = weak.upgrade() {
                mailbox.empty(arguments.py());
            }
        })?;
        if let Some(bell) = Bell::hang(event_loop, drain.as_any())? {
            let _ = mailbox.bell.set(bell);
        }
        let _ = mailbox.drain.set(drain.into_any().unbind());
        let mailbox = Arc::clone(lock(&MAILBOXES, py).entry(address).or_insert(mailbox));
        drop(dead);
        Ok(mailbox)
    }

    /// Takes the mailboxes of closed loops off the list; to be dropped outside the lock.
    fn take_closed(py: Python<'_>) -> PyResult<Vec<Arc<Self>>> {
        let all: Vec<_> = lock(&MAILBOXES, py).iter().map(|(key, mailbox)| (*key, Arc::clone(mailbox))).collect();
        let mut dead = Vec::new();
        for (address, mailbox) in all {
            if mailbox.event_loop.call_method0(py, intern!(py, "is_closed"))?.is_truthy(py)? {
                dead.extend(lock(&MAILBOXES, py).remove(&address));
            }
        }
        Ok(dead)
    }

    /// Called by workers: puts a delivery in; whoever puts in the first must wake the loop.
    fn put(&self, delivery: Delivery) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(delivery);
        waiting.len() == 1
    }

    fn wake(&self) {
        if let Some(bell) = self.bell.get() {
            return bell.ring();
        }
        Python::try_attach(|py| {
            if let Some(drain) = self.drain.get() {
                // A closed loop has nobody left to tell.
                let _ = self.event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (drain,));
            }
        });
    }

    /// On the loop's own thread: hands out what waits.
    fn empty(&self, py: Python<'_>) {
        if let Some(bell) = self.bell.get() {
            bell.hush();
        }
        let waiting = std::mem::take(&mut *lock(&self.waiting, py));
        for delivery in waiting {
            // One that cannot be handed out must not keep the others from their callers.
            if let Err(error) = delivery.hand_out(py) {
                error.write_unraisable(py, None);
            }
        }
    }
}

impl Delivery {
    fn hand_out(self, py: Python<'_>) -> PyResult<()> {
        let (Self::Event { future, .. } | Self::Done { future, .. }) = &self;
        let future = future.clone_ref(py).into_bound(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        let result = match self {
            Self::Event { listener, event, .. } => match tell(py, Some(&listener), *event) {
                Err(error) if !future.call_method0(intern!(py, "done"))?.is_truthy()? => Err(error),
                _ => return Ok(()),
            },
            Self::Done { fill, .. } => fill(py),
        };
        match result {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
            Err(error) => future.call_method1(intern!(py, "set_exception"), (presentable(py, error),))?,
        };
        Ok(())
    }
}

/// A future refuses `StopIteration`, which a listener may raise.
fn presentable(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let wrapped = PyRuntimeError::new_err("a callback raised StopIteration");
    wrapped.set_cause(py, Some(error));
    wrapped
}

/// A call under way, to be awaited. Dropped before its end, as by a cancellation, it drops the work.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Call {
    /// The iterator of the `asyncio.Future` that ends with the work.
    steps: Py<PyAny>,
    /// The work watches for its being dropped.
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
        // The end comes as a StopIteration that carries the result.
        self.steps.call_method0(py, intern!(py, "__next__"))
    }
}

/// Starts `work` now.
pub(super) fn awaitable<F, T>(py: Python<'_>, listener: Listener, work: impl FnOnce(Events) -> F) -> PyResult<Call>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: for<'p> IntoPyObject<'p> + Send + 'static,
{
    let event_loop = pyo3_async_runtimes::get_running_loop(py)?;
    let handle = engine::handle(py)?;
    let py_future = event_loop.call_method0(intern!(py, "create_future"))?;
    let steps = py_future.call_method0(intern!(py, "__await__"))?.unbind();
    let (stop, stopped) = oneshot::channel();
    let mailbox = Mailbox::of(&event_loop)?;
    let future = py_future.unbind();
    let is_ticking = wants_ticks(py, listener.as_ref())?;
    let events = events_for(py, &mailbox, &future, listener);
    let work = ticking(is_ticking.then(|| events.clone()), work(events));
    let pending = Pending::begin(&mailbox, &handle);
    handle.spawn(async move {
        let _pending = pending;
        let outcome = tokio::select! {
            biased;
            _ = stopped => return,
            outcome = AssertUnwindSafe(work).catch_unwind() => outcome,
        };
        let fill: Fill = Box::new(move |py| settle(py, outcome)?.into_bound_py_any(py));
        if mailbox.put(Delivery::Done { future, fill }) {
            // What else is ready now travels along: waking a loop costs more than all the rest.
            tokio::task::yield_now().await;
            mailbox.wake();
        }
    });
    Ok(Call { steps, _stop: stop })
}

fn events_for(py: Python<'_>, mailbox: &Arc<Mailbox>, future: &Py<PyAny>, listener: Listener) -> Events {
    let Some(listener) = listener else { return Events::default() };
    let addressee = Arc::new((future.clone_ref(py), listener));
    let mailbox = Arc::clone(mailbox);
    Events::to(move |event| {
        let addressee = Arc::clone(&addressee);
        let copies = Python::try_attach(|py| (addressee.0.clone_ref(py), addressee.1.clone_ref(py)));
        if let Some((future, listener)) = copies
            && mailbox.put(Delivery::Event { future, listener, event: Box::new(event) })
        {
            mailbox.wake();
        }
    })
}
