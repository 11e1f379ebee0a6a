//! The verbs, for Python: one future for each, and two ways out of it.

#![expect(clippy::needless_pass_by_value, reason = "pyo3 hands arguments over by value")]

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::bridge::{self, Call, Listener};
use super::{errors, values};
use crate::client::{Rendered, VideoClient};
use crate::config::{Config, Secret, Settings};
use crate::download::Options;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::job::VideoJob;
use crate::watch::Patience;
use crate::wire::request::Generation;

/// What a closed client says.
const CLOSED: &str = "this client is closed; make a new VideoClient";

/// A `VideoJob`, or the id of one.
pub(super) struct JobArgument(VideoJob);

impl<'a, 'py> FromPyObject<'a, 'py> for JobArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(job) = argument.cast::<values::VideoJob>() {
            return Ok(Self(job.get().inner.clone()));
        }
        let request_id: String = argument
            .extract()
            .map_err(|_| PyTypeError::new_err("a job must be a VideoJob or the request_id of one, a str"))?;
        Ok(Self(VideoJob::pending(request_id)))
    }
}

/// What can be downloaded: a job, or a video whose job is not known.
enum Source {
    Job(VideoJob),
    Link(String),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Source {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(video) = argument.cast::<values::Video>() {
            let link = video.get().url().ok_or_else(|| {
                let error =
                    Error::invalid("job_or_video", "this video has no url: it was withheld or delivered elsewhere");
                errors::raise(argument.py(), error)
            })?;
            return Ok(Self::Link(link.to_owned()));
        }
        Ok(Self::Job(argument.extract::<JobArgument>()?.0))
    }
}

/// How a download is to be done.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Keep {
    path: PathBuf,
    max_bytes: u64,
    overwrite: bool,
}

impl Keep {
    fn options(&self) -> Options {
        Options { max_bytes: self.max_bytes, overwrite: self.overwrite }
    }
}

/// How long to wait, and how often to ask.
#[derive(Clone, Copy, FromPyObject)]
#[pyo3(from_item_all)]
struct Waiting {
    timeout: Option<f64>,
    poll_interval: Option<f64>,
}

impl Waiting {
    fn patience(self) -> Result<Patience> {
        let timeout = self.timeout.map(|seconds| span("timeout", seconds)).transpose()?;
        let poll_interval = self.poll_interval.map(|seconds| span("poll_interval", seconds)).transpose()?;
        if poll_interval.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::invalid("poll_interval", "poll_interval must be above 0 seconds"));
        }
        Ok(Patience { timeout, poll_interval })
    }
}

fn span(field: &'static str, seconds: f64) -> Result<Duration> {
    if seconds == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::invalid(field, format!("{field} must be a number of seconds from 0 up, not {seconds}")))
}

/// The fields of a create from a prompt.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Prompted {
    prompt: String,
    duration: Option<i64>,
    aspect_ratio: Option<String>,
    resolution: Option<String>,
    model: Option<String>,
    user: Option<String>,
    extra: Option<Py<PyAny>>,
}

impl Prompted {
    fn generation(self, py: Python<'_>) -> PyResult<Generation> {
        let extra = match self.extra {
            Some(extra) => object(extra.bind(py))?,
            None => serde_json::Map::new(),
        };
        Ok(Generation {
            prompt: self.prompt,
            model: self.model,
            duration: self.duration,
            aspect_ratio: self.aspect_ratio,
            resolution: self.resolution,
            user: self.user,
            extra,
        })
    }
}

fn object(extra: &Bound<'_, PyAny>) -> PyResult<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str(&values::dump(extra)?).map_err(|_| {
        let error = Error::invalid("extra", "extra must be a dict of JSON types; its keys are merged into the body");
        errors::raise(extra.py(), error)
    })
}

// ---- the client -------------------------------------------------------------------------------

enum State {
    /// Built on first use, and anew after a fork: connections do not survive it.
    Open(Option<(u32, VideoClient)>),
    Closed,
}

/// The native client behind `vidjob.VideoClient`.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Client {
    config: Arc<Config>,
    state: Mutex<State>,
}

impl Client {
    fn core(&self, py: Python<'_>) -> PyResult<VideoClient> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let pid = std::process::id();
        let State::Open(core) = &mut *state else {
            drop(state);
            return Err(errors::raise(py, Error::invalid("client", CLOSED)));
        };
        if let Some((owner, client)) = core {
            if *owner == pid {
                return Ok(client.clone());
            }
            // The parent's workers, which its connections belong to, are not in this process.
            std::mem::forget(core.take());
        }
        match VideoClient::new(Arc::clone(&self.config)) {
            Ok(client) => Ok(core.insert((pid, client)).1.clone()),
            Err(error) => {
                drop(state);
                Err(errors::raise(py, error))
            }
        }
    }

    /// Builds the future of one verb from what the caller passed, once the events are known.
    fn verb<F, T>(&self, py: Python<'_>, work: impl FnOnce(VideoClient) -> F) -> PyResult<impl FnOnce(Events) -> F>
    where
        F: Future<Output = Result<T>>,
    {
        let core = self.core(py)?;
        Ok(move |events| work(core.observed(events)))
    }

    fn block_on<F, T>(&self, py: Python<'_>, listener: Listener, work: impl FnOnce(VideoClient) -> F) -> PyResult<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        bridge::block_on(py, listener.as_ref(), self.verb(py, work)?)
    }

    fn awaitable<F, T>(&self, py: Python<'_>, listener: Listener, work: impl FnOnce(VideoClient) -> F) -> PyResult<Call>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: for<'p> IntoPyObject<'p> + Send + 'static,
    {
        bridge::awaitable(py, listener, self.verb(py, work)?)
    }
}

// Each verb, once, as a function from a client to a future.

fn get(job: JobArgument) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| Box::pin(async move { client.get(&job.0.request_id).await.map(values::VideoJob::from_inner) })
}

fn wait(job: JobArgument, waiting: Waiting) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| {
        Box::pin(async move { client.wait(job.0, waiting.patience()?).await.map(values::VideoJob::from_inner) })
    }
}

fn generate(generation: Generation) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| Box::pin(async move { client.generate(&generation).await.map(values::VideoJob::from_inner) })
}

fn download(source: Source, keep: Keep) -> impl FnOnce(VideoClient) -> BoxFuture<values::Download> {
    move |client| {
        Box::pin(async move {
            let kept = match source {
                Source::Job(job) => client.download(&job, &keep.path, &keep.options()).await?,
                Source::Link(link) => client.download_link(&link, &keep.path, &keep.options()).await?,
            };
            Ok(values::Download::from_inner(kept))
        })
    }
}

type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;
type Kept = (values::VideoJob, values::Download);

fn render(generation: Generation, waiting: Waiting, keep: Keep) -> impl FnOnce(VideoClient) -> BoxFuture<Kept> {
    move |client| {
        Box::pin(async move {
            let Rendered { job, file } =
                client.render(&generation, &keep.path, waiting.patience()?, &keep.options()).await?;
            Ok((values::VideoJob::from_inner(job), values::Download::from_inner(file)))
        })
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, api_key=None, base_url=None, timeout=None, max_retries=None, requests_per_second=None,
        creates_per_second=None, max_concurrent_requests=None, proxy=None, ca_file=None, headers=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every setting")]
    fn new(
        py: Python<'_>,
        api_key: Option<&str>,
        base_url: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u32>,
        requests_per_second: Option<f64>,
        creates_per_second: Option<f64>,
        max_concurrent_requests: Option<usize>,
        proxy: Option<String>,
        ca_file: Option<PathBuf>,
        headers: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let settings = Settings {
            api_key: api_key.map(Secret::new),
            base_url,
            timeout,
            max_retries,
            requests_per_second,
            creates_per_second,
            max_concurrent_requests,
            proxy,
            ca_file,
            headers,
        };
        let config =
            Config::resolve(settings, |name| std::env::var(name).ok()).map_err(|error| errors::raise(py, error))?;
        Ok(Self { config: Arc::new(config), state: Mutex::new(State::Open(None)) })
    }

    #[getter]
    fn base_url(&self) -> String {
        self.config.endpoint("")
    }

    #[getter]
    fn key_variable(&self) -> Option<&'static str> {
        self.config.key_variable
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        matches!(*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner), State::Closed)
    }

    fn close(&self, py: Python<'_>) {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let was = std::mem::replace(&mut *state, State::Closed);
        drop(state);
        match was {
            State::Open(Some((owner, client))) if owner != std::process::id() => std::mem::forget(client),
            was => drop(was),
        }
    }

    #[pyo3(signature = (job, *, listener))]
    fn get(&self, py: Python<'_>, job: JobArgument, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, get(job))
    }

    #[pyo3(signature = (job, *, listener))]
    fn get_async(&self, py: Python<'_>, job: JobArgument, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, get(job))
    }

    #[pyo3(signature = (job, waiting, *, listener))]
    fn wait(
        &self,
        py: Python<'_>,
        job: JobArgument,
        waiting: Waiting,
        listener: Listener,
    ) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, wait(job, waiting))
    }

    #[pyo3(signature = (job, waiting, *, listener))]
    fn wait_async(&self, py: Python<'_>, job: JobArgument, waiting: Waiting, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, wait(job, waiting))
    }

    fn watch(&self, py: Python<'_>, job: JobArgument, waiting: Waiting) -> PyResult<Watch> {
        let core = self.core(py)?;
        let watch = waiting.patience().and_then(|patience| core.watch(job.0, patience));
        let watch = watch.map_err(|error| errors::raise(py, error))?;
        Ok(Watch { owner: std::process::id(), inner: Arc::new(tokio::sync::Mutex::new(watch)) })
    }

    #[pyo3(signature = (prompted, *, listener))]
    fn generate(&self, py: Python<'_>, prompted: Prompted, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, generate(prompted.generation(py)?))
    }

    #[pyo3(signature = (prompted, *, listener))]
    fn generate_async(&self, py: Python<'_>, prompted: Prompted, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, generate(prompted.generation(py)?))
    }

    #[pyo3(signature = (source, keep, *, listener))]
    fn download(&self, py: Python<'_>, source: Source, keep: Keep, listener: Listener) -> PyResult<values::Download> {
        self.block_on(py, listener, download(source, keep))
    }

    #[pyo3(signature = (source, keep, *, listener))]
    fn download_async(&self, py: Python<'_>, source: Source, keep: Keep, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, download(source, keep))
    }

    #[pyo3(signature = (prompted, waiting, keep, *, listener))]
    fn render(
        &self,
        py: Python<'_>,
        prompted: Prompted,
        waiting: Waiting,
        keep: Keep,
        listener: Listener,
    ) -> PyResult<Kept> {
        self.block_on(py, listener, render(prompted.generation(py)?, waiting, keep))
    }

    #[pyo3(signature = (prompted, waiting, keep, *, listener))]
    fn render_async(
        &self,
        py: Python<'_>,
        prompted: Prompted,
        waiting: Waiting,
        keep: Keep,
        listener: Listener,
    ) -> PyResult<Call> {
        self.awaitable(py, listener, render(prompted.generation(py)?, waiting, keep))
    }
}

// ---- watching ---------------------------------------------------------------------------------

/// The changes of one job.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Watch {
    owner: u32,
    inner: Arc<tokio::sync::Mutex<crate::watch::Watch<VideoClient>>>,
}

impl Watch {
    fn step(&self) -> PyResult<impl FnOnce(Events) -> BoxFuture<Option<values::VideoJob>>> {
        if self.owner != std::process::id() {
            return Err(PyRuntimeError::new_err("this watch was begun before a fork; begin a new one in this process"));
        }
        let watch = Arc::clone(&self.inner);
        Ok(move |events| -> BoxFuture<_> {
            Box::pin(async move {
                let mut watch = watch.lock().await;
                watch.observe(events);
                watch.next().await.transpose().map(|job| job.map(values::VideoJob::from_inner))
            })
        })
    }
}

#[pymethods]
impl Watch {
    /// The next change, or `None` after the terminal one.
    #[pyo3(signature = (*, listener))]
    fn next(&self, py: Python<'_>, listener: Listener) -> PyResult<Option<values::VideoJob>> {
        bridge::block_on(py, listener.as_ref(), self.step()?)
    }

    #[pyo3(signature = (*, listener))]
    fn next_async(&self, py: Python<'_>, listener: Listener) -> PyResult<Call> {
        bridge::awaitable(py, listener, self.step()?)
    }
}
