//! The native batch behind `render_many`, driven one step at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::asyncio::{self, Call};
use super::blocking;
use super::listener::Listener;
use super::process_bound::ProcessBound;
use super::request::VideoRequest;
use super::{errors, json, runtime, values};
use crate::batch::{self, BatchHandle, BatchStep, Input, Item, OnExisting, OnUnknown, Retry, Rules, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::journal::{Columns, Damage, Journal, Row};
use crate::pricing::{Prices, usd};
use crate::stop_reason::StopReason;
use crate::watch::WaitOptions;

#[derive(FromPyObject)]
pub(super) struct Options {
    concurrency: usize,
    max_downloads: usize,
    max_cost_usd: Option<f64>,
    max_jobs: Option<u64>,
    deadline: Option<f64>,
    on_existing: String,
    on_unknown: String,
    retry_failed: bool,
    verify: bool,
    prices: Option<Py<PyAny>>,
    timeout: Option<f64>,
    poll_interval: Option<f64>,
    max_bytes: u64,
    is_finite: bool,
}

impl Options {
    pub(super) fn settings(&self, py: Python<'_>) -> PyResult<Settings> {
        let prices = match &self.prices {
            Some(prices) => Prices::default().with(prices_from(prices.bind(py))?),
            None => Prices::default(),
        };
        self.checked(prices).map_err(|error| errors::raise(py, error))
    }

    fn checked(&self, prices: Prices) -> Result<Settings> {
        if self.concurrency == 0 || self.max_downloads == 0 {
            let field = if self.concurrency == 0 { "concurrency" } else { "max_downloads" };
            return Err(Error::invalid(field, format!("{field} must be at least 1, not 0")));
        }
        if let Some(usd) = self.max_cost_usd.filter(|usd| !usd.is_finite() || *usd < 0.0) {
            let message = format!("max_cost_usd must be a number of US dollars from 0 up, not {usd}");
            return Err(Error::invalid("max_cost_usd", message));
        }
        let span =
            |field, seconds: Option<f64>| seconds.map(|seconds| super::arguments::span(field, seconds)).transpose();
        Ok(Settings {
            concurrency: self.concurrency,
            max_downloads: self.max_downloads,
            max_cost_usd: self.max_cost_usd,
            max_jobs: self.max_jobs,
            deadline: span("deadline", self.deadline)?,
            rules: Rules {
                on_existing: on_existing(&self.on_existing)?,
                on_unknown: on_unknown(&self.on_unknown)?,
                retry: if self.retry_failed { Retry::Failed } else { Retry::Never },
                verify: self.verify,
            },
            prices,
            wait_options: WaitOptions {
                timeout: span("timeout", self.timeout)?,
                poll_interval: span("poll_interval", self.poll_interval)?.filter(|pause| *pause > Duration::ZERO),
                known: None,
            },
            max_bytes: self.max_bytes,
            input: if self.is_finite { Input::Finite } else { Input::Stream },
        })
    }
}

/// Prices by model, as a dict.
pub(super) fn prices_from(prices: &Bound<'_, PyAny>) -> PyResult<Prices> {
    let refused = |words: String| {
        let hint = "expected {model: {\"per_second\": {\"480p\": usd}, \"per_image\": usd}}";
        errors::raise(prices.py(), Error::invalid("prices", format!("prices: {words}; {hint}")))
    };
    let read: Prices =
        serde_json::from_value(json::object("prices", prices)?.into()).map_err(|error| refused(error.to_string()))?;
    read.check().map_err(|error| errors::raise(prices.py(), error))?;
    Ok(read)
}

fn on_existing(word: &str) -> Result<OnExisting> {
    match word {
        "resume" => Ok(OnExisting::Resume),
        "overwrite" => Ok(OnExisting::Overwrite),
        "error" => Ok(OnExisting::Error),
        _ => Err(Error::invalid("on_existing", "on_existing must be \"resume\", \"overwrite\" or \"error\"")),
    }
}

pub(super) fn on_unknown(word: &str) -> Result<OnUnknown> {
    match word {
        "hold" => Ok(OnUnknown::Hold),
        "resubmit" => Ok(OnUnknown::Resubmit),
        _ => Err(Error::invalid("on_unknown", "on_unknown must be \"hold\" or \"resubmit\"")),
    }
}

#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Outcome {
    id: String,
    job: Option<crate::job::VideoJob>,
    render_time: Option<Duration>,
    warning: Option<String>,
    bought: bool,
    result: std::result::Result<(crate::saved_file::Download, bool), Error>,
}

impl Outcome {
    fn of(outcome: batch::Outcome) -> Self {
        let job = outcome.job.or_else(|| outcome.result.as_ref().ok().map(|made| made.job.clone()));
        Self {
            id: outcome.id,
            job,
            render_time: outcome.render_time,
            warning: outcome.warning,
            bought: outcome.bought,
            result: outcome.result.map(|made| (made.file, made.resumed)),
        }
    }
}

#[pymethods]
impl Outcome {
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    #[getter]
    fn job(&self) -> Option<values::VideoJob> {
        self.job.clone().map(values::VideoJob::from_inner)
    }

    #[getter]
    fn file(&self) -> Option<values::Download> {
        self.result.as_ref().ok().map(|(file, _)| values::Download::from_inner(file.clone()))
    }

    #[getter]
    fn render_seconds(&self) -> Option<f64> {
        self.render_time.map(|time| time.as_secs_f64())
    }

    #[getter]
    fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    #[getter]
    fn bought(&self) -> bool {
        self.bought
    }

    #[getter]
    fn resumed(&self) -> bool {
        matches!(self.result, Ok((_, true)))
    }

    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = self.result.as_ref().err()?;
        Some(errors::raise(py, error.clone()).into_value(py).into_any())
    }
}

/// An interrupted step releases its batch within this time.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

type Shared = Arc<tokio::sync::Mutex<batch::Batch>>;

#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Batch(ProcessBound<Core>);

struct Core {
    handle: BatchHandle,
    /// Needed after the end of the batch, to write its output files.
    journal: Arc<Journal>,
    /// `None` once closed.
    inner: Mutex<Option<Shared>>,
}

impl Batch {
    pub(super) fn new(inner: batch::Batch) -> Self {
        let (handle, journal) = (inner.handle(), inner.journal());
        let inner = Mutex::new(Some(Arc::new(tokio::sync::Mutex::new(inner))));
        Self(ProcessBound::new(Core { handle, journal, inner }))
    }

    fn core(&self) -> PyResult<&Core> {
        let forked =
            || PyRuntimeError::new_err("this batch was started before a fork; start a new one in this process");
        self.0.get().ok_or_else(forked)
    }

    fn shared(&self, py: Python<'_>) -> PyResult<Shared> {
        let inner = self.core()?.inner.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).clone();
        inner.ok_or_else(|| PyRuntimeError::new_err("this batch is closed"))
    }

    /// Makes a call that does not wait. An interrupted step may still hold the batch for a moment.
    fn now<T>(&self, py: Python<'_>, call: impl FnOnce(&mut batch::Batch) -> T) -> PyResult<T> {
        let (shared, runtime) = (self.shared(py)?, runtime::handle(py)?);
        if let Ok(mut batch) = Arc::clone(&shared).try_lock_owned() {
            return Ok(call(&mut batch));
        }
        let locked = async { tokio::time::timeout(RELEASE_TIMEOUT, shared.lock_owned()).await.ok() };
        let mut batch = py
            .detach(|| runtime.block_on(locked))
            .ok_or_else(|| PyRuntimeError::new_err("another call is waiting for this batch"))?;
        Ok(call(&mut batch))
    }
}

/// The attributes of an item in Python.
#[derive(FromPyObject)]
struct GivenItem {
    id: String,
    request: Py<VideoRequest>,
    sha256: String,
    path: PathBuf,
    index: u64,
    /// The columns of its row, as JSON.
    recorded: String,
}

impl GivenItem {
    fn with_row(&self, row: Option<Row>) -> Item {
        let (id, sha256, path) = (self.id.clone(), self.sha256.clone(), self.path.clone());
        Item { id, request: self.request.get().inner.clone(), sha256, path, row }
    }
}

/// An outcome, or whether one more item is wanted.
type StepResult = (Option<Outcome>, bool);

async fn step(batch: Shared, events: Events) -> Result<StepResult> {
    Ok(match batch.lock().await.step(&events).await {
        BatchStep::NeedsItem => (None, true),
        BatchStep::ItemFinished(outcome) => (Some(Outcome::of(*outcome)), false),
        BatchStep::Drained => (None, false),
    })
}

#[pymethods]
impl Batch {
    #[pyo3(signature = (*, listener))]
    #[expect(clippy::needless_pass_by_value, reason = "Python gives it away")]
    fn step(&self, py: Python<'_>, listener: Listener) -> PyResult<StepResult> {
        let batch = self.shared(py)?;
        blocking::block_on(py, listener.as_ref(), |events| step(batch, events))
    }

    #[pyo3(signature = (*, listener))]
    fn step_async(&self, py: Python<'_>, listener: Listener) -> PyResult<Call> {
        let batch = self.shared(py)?;
        asyncio::awaitable(py, listener, |events| step(batch, events))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python gives it away")]
    fn feed(&self, py: Python<'_>, item: GivenItem) -> PyResult<Option<Outcome>> {
        let columns = Columns::parse(&item.recorded).map_err(|error| {
            errors::raise(py, Error::invalid("columns", format!("the columns cannot be recorded: {error}")))
        })?;
        let item = item.with_row(Some(Row { index: Some(item.index), columns }));
        let runtime = runtime::handle(py)?;
        self.now(py, |batch| {
            let _runtime = runtime.enter();
            batch.feed(item).map(Outcome::of)
        })
    }

    /// The outcome of an item that was fed before, or `None` if the journal has none. Submits nothing.
    #[expect(clippy::needless_pass_by_value, reason = "Python gives it away")]
    fn known(&self, py: Python<'_>, item: GivenItem) -> PyResult<Option<Outcome>> {
        self.now(py, |batch| batch.known(&item.with_row(None)).map(Outcome::of))
    }

    /// The number of items that other services have, by their base URL; of these ids, or of the whole journal.
    #[expect(clippy::needless_pass_by_value, reason = "Python gives it away")]
    fn elsewhere(&self, ids: Option<BTreeSet<String>>) -> PyResult<BTreeMap<String, usize>> {
        let core = self.core()?;
        Ok(batch::elsewhere(&core.journal, core.handle.service(), ids.as_ref()))
    }

    /// Starts all unfinished items of the journal, and returns their number.
    fn feed_unfinished(&self, py: Python<'_>) -> PyResult<usize> {
        let runtime = runtime::handle(py)?;
        self.now(py, |batch| {
            let _runtime = runtime.enter();
            batch.feed_unfinished()
        })
    }

    /// Whether one more item is wanted now. Much cheaper than a step.
    fn has_room(&self, py: Python<'_>) -> PyResult<bool> {
        let shared = self.shared(py)?;
        let Ok(batch) = shared.try_lock() else { return Ok(false) };
        Ok(batch.has_room())
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.now(py, batch::Batch::finish)
    }

    fn stop(&self) -> PyResult<()> {
        self.core()?.handle.stop();
        Ok(())
    }

    #[getter]
    fn stopped(&self) -> PyResult<Option<&'static str>> {
        Ok(self.core()?.handle.stopped().map(StopReason::as_str))
    }

    #[getter]
    fn spent_usd(&self) -> PyResult<f64> {
        Ok(self.core()?.handle.spent_usd())
    }

    #[getter]
    fn in_flight(&self) -> PyResult<usize> {
        Ok(self.core()?.handle.in_flight())
    }

    /// Whether the journal has this request under this ID.
    fn knows(&self, id: &str, sha256: &str) -> PyResult<bool> {
        let entry = self.core()?.journal.entry(id);
        Ok(entry.is_some_and(|entry| entry.current().is_some_and(|attempt| attempt.order.request_sha256 == sha256)))
    }

    /// Whether the journal lacks rows of some of its videos.
    fn lacks_rows(&self, py: Python<'_>) -> PyResult<bool> {
        let journal = &self.core()?.journal;
        Ok(py.detach(|| batch::lacks_rows(journal)))
    }

    /// The lines of `metadata.jsonl`; `earlier` are columns that the journal may lack, as JSON.
    fn metadata(&self, py: Python<'_>, earlier: HashMap<String, String>) -> PyResult<String> {
        let journal = &self.core()?.journal;
        Ok(py.detach(|| {
            let earlier = earlier.into_iter().filter_map(|(id, text)| Some((id, Columns::parse(&text).ok()?)));
            batch::metadata(journal, &earlier.collect())
        }))
    }

    /// The damaged lines of the journal.
    fn damage(&self) -> PyResult<Vec<String>> {
        Ok(self.core()?.journal.damage().iter().map(Damage::words).collect())
    }

    /// Cancels all items. Their jobs keep running, and can be resumed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(core) = self.0.get() else { return Ok(()) };
        let inner = core.inner.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
        let Some(batch) = inner else { return Ok(()) };
        // A step in another thread may hold the batch for a moment, and go on submitting.
        core.handle.stop();
        blocking::block_on(py, None, |_| async move {
            batch.lock().await.close().await;
            Ok(())
        })
    }
}

/// The estimated cost of a request in US dollars, or `None` if no price is known.
#[pyfunction]
#[pyo3(signature = (request, prices=None))]
pub(super) fn estimate_usd(
    request: &Bound<'_, VideoRequest>,
    prices: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<f64>> {
    let prices = match prices {
        Some(prices) => Prices::default().with(prices_from(prices)?),
        None => Prices::default(),
    };
    Ok(prices.estimate(&request.get().inner).map(|ticks| usd(ticks.into())))
}

/// Identifies this process in the names of temporary files.
#[pyfunction]
pub(super) fn process_tag() -> String {
    crate::process::tag()
}

/// The SHA-256 of a request and the contents of its files.
#[pyfunction]
pub(super) fn fingerprint(py: Python<'_>, request: &Bound<'_, VideoRequest>) -> PyResult<String> {
    let request = request.get().inner.clone();
    py.detach(|| crate::request::fingerprint::fingerprint(&request)).map_err(|error| errors::raise(py, error))
}

/// The records of a journal as plain JSON types, and its damaged lines.
#[pyfunction]
pub(super) fn read_journal(py: Python<'_>, folder: PathBuf) -> PyResult<(Bound<'_, PyAny>, Vec<String>)> {
    let (records, damage) = blocking::block_on(py, None, |_| async move { batch::records(&folder).await })?;
    Ok((super::plain_objects::to_dict(py, &records)?, damage.iter().map(Damage::words).collect()))
}
