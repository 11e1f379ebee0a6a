//! The verbs for Python: one future each, which a blocking and an async method run.

#![expect(clippy::needless_pass_by_value, reason = "pyo3 hands arguments over by value")]

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::arguments::{JobArgument, Source, Target, Waiting};
use super::asyncio::{self, Call};
use super::blocking;
use super::listener::Listener;
use super::process_bound::ProcessBound;
use super::{batch, errors, runtime, values};
use crate::api::ApiClient;
use crate::batch::{Observation, OnUnknown};
use crate::client::{RenderOutput, VideoClient};
use crate::config::{Config, KeySource, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::request::VideoRequest;
use crate::secrets::Secret;

const CLOSED: &str = "this client is closed; create a new VideoClient";

// ---- the client -------------------------------------------------------------------------------

enum ClientState {
    /// Built on first use, and again after a fork, which connections do not survive.
    Open(Option<(u32, VideoClient)>),
    Closed,
}

/// The native client of `vidjob.VideoClient`.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Client {
    config: Arc<Config>,
    state: Mutex<ClientState>,
    /// The reason why this client sends nothing.
    fault: Option<String>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let ClientState::Open(core) = state
            && core.as_ref().is_some_and(|(owner, _)| *owner != std::process::id())
        {
            std::mem::forget(core.take());
        }
    }
}

impl Client {
    fn core(&self, py: Python<'_>) -> PyResult<VideoClient> {
        if let Some(fault) = &self.fault {
            return Err(errors::raise(py, Error::Configuration(fault.clone())));
        }
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let pid = std::process::id();
        let ClientState::Open(core) = &mut *state else {
            drop(state);
            return Err(errors::raise(py, Error::invalid("client", CLOSED)));
        };
        if let Some((owner, client)) = core {
            if *owner == pid {
                return Ok(client.clone());
            }
            // Its connections belong to workers of the parent process.
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

    /// A verb on this client, ready to receive its observer.
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
        blocking::block_on(py, listener.as_ref(), self.verb(py, work)?)
    }

    fn awaitable<F, T>(&self, py: Python<'_>, listener: Listener, work: impl FnOnce(VideoClient) -> F) -> PyResult<Call>
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: for<'p> IntoPyObject<'p> + Send + 'static,
    {
        asyncio::awaitable(py, listener, self.verb(py, work)?)
    }
}

// Each verb, once, as a future.

async fn get(client: VideoClient, job: JobArgument) -> Result<values::VideoJob> {
    client.get(&job.0).await.map(values::VideoJob::from_inner)
}

async fn wait(client: VideoClient, job: JobArgument, waiting: Waiting) -> Result<values::VideoJob> {
    client.wait(job.0, waiting.wait_options()?).await.map(values::VideoJob::from_inner)
}

async fn generate(client: VideoClient, request: VideoRequest) -> Result<values::VideoJob> {
    client.generate(request).await.map(values::VideoJob::from_inner)
}

async fn edit(client: VideoClient, request: VideoRequest) -> Result<values::VideoJob> {
    client.edit(request).await.map(values::VideoJob::from_inner)
}

async fn extend(client: VideoClient, request: VideoRequest) -> Result<values::VideoJob> {
    client.extend(request).await.map(values::VideoJob::from_inner)
}

async fn download(client: VideoClient, source: Source, target: Target) -> Result<values::Download> {
    let file = match source {
        Source::Job(job) => client.download(&job, &target.path, &target.options()).await?,
        Source::Link(link) => client.download_link(&link, &target.path, &target.options()).await?,
    };
    Ok(values::Download::from_inner(file))
}

async fn render(
    client: VideoClient,
    request: VideoRequest,
    waiting: Waiting,
    target: Target,
    on_unknown: OnUnknown,
) -> Result<RenderResult> {
    let RenderOutput { job, file, resumed, bought, warning } =
        client.render(request, &target.path, waiting.wait_options()?, &target.options(), on_unknown).await?;
    Ok((values::VideoJob::from_inner(job), values::Download::from_inner(file), resumed, bought, warning))
}

type RequestArgument<'py> = Bound<'py, super::request::VideoRequest>;
/// The job, its file, whether an earlier call had finished it, whether this one created it, and a warning.
type RenderResult = (values::VideoJob, values::Download, bool, bool, Option<String>);

/// The request with absolute paths: the working directory may change.
fn anchored(request: &RequestArgument<'_>) -> VideoRequest {
    request.get().inner.clone().anchored()
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*, api_key=None, base_url=None, timeout=None, max_retries=None, requests_per_second=None,
        creates_per_second=None, max_concurrent_requests=None, proxy=None, ca_file=None, headers=Vec::new(), journal=None,
        max_job_age=None, poll_interval=None, retry_delay=None))]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every setting")]
    fn new(
        py: Python<'_>,
        api_key: Option<&str>,
        base_url: Option<String>,
        timeout: Option<f64>,
        max_retries: Option<u64>,
        requests_per_second: Option<f64>,
        creates_per_second: Option<f64>,
        max_concurrent_requests: Option<usize>,
        proxy: Option<String>,
        ca_file: Option<PathBuf>,
        headers: Vec<(String, String)>,
        journal: Option<PathBuf>,
        max_job_age: Option<f64>,
        poll_interval: Option<f64>,
        retry_delay: Option<f64>,
    ) -> PyResult<Self> {
        let settings = Settings {
            api_key: api_key.map(Secret::new),
            base_url,
            timeout,
            max_retries: max_retries.map(|retries| u32::try_from(retries).unwrap_or(u32::MAX)),
            requests_per_second,
            creates_per_second,
            max_concurrent_requests,
            proxy,
            ca_file,
            headers,
            journal,
            max_job_age,
            poll_interval,
            retry_delay,
        };
        // A value that is not UTF-8 must be refused, not ignored.
        let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let config = Config::resolve(settings, environment).map_err(|error| errors::raise(py, error))?;
        Ok(Self { config: Arc::new(config), state: Mutex::new(ClientState::Open(None)), fault: None })
    }

    /// Another client with the same configuration, connections and limits.
    fn copy(&self, py: Python<'_>) -> Self {
        let state = match &*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) {
            ClientState::Open(Some((owner, client))) if *owner == std::process::id() => {
                ClientState::Open(Some((*owner, client.clone())))
            }
            ClientState::Open(_) => ClientState::Open(None),
            ClientState::Closed => ClientState::Closed,
        };
        Self { config: Arc::clone(&self.config), state: Mutex::new(state), fault: self.fault.clone() }
    }

    /// A client with the same configuration that raises `fault` at every call.
    fn barred(&self, fault: String) -> Self {
        Self { config: Arc::clone(&self.config), state: Mutex::new(ClientState::Open(None)), fault: Some(fault) }
    }

    #[getter]
    fn base_url(&self) -> &str {
        self.config.service()
    }

    #[getter]
    fn host(&self) -> &str {
        self.config.base_url.host_str().unwrap_or_default()
    }

    #[getter]
    fn key_variable(&self) -> Option<&'static str> {
        match self.config.key_source {
            KeySource::Variable(name) => Some(name),
            KeySource::Argument | KeySource::Placeholder => None,
        }
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        matches!(*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner), ClientState::Closed)
    }

    fn close(&self, py: Python<'_>) {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let was = std::mem::replace(&mut *state, ClientState::Closed);
        drop(state);
        match was {
            ClientState::Open(Some((owner, client))) if owner != std::process::id() => std::mem::forget(client),
            was => {
                drop(was);
                runtime::drain(py);
            }
        }
    }

    #[pyo3(signature = (job, *, listener))]
    fn get(&self, py: Python<'_>, job: JobArgument, listener: Listener) -> PyResult<values::VideoJob> {
        let work = self.verb(py, |client| get(client.driven_by_caller(), job))?;
        blocking::block_on_current_thread(py, listener.as_ref(), work)
    }

    #[pyo3(signature = (job, *, listener))]
    fn get_async(&self, py: Python<'_>, job: JobArgument, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| get(client, job))
    }

    #[pyo3(signature = (job, waiting, *, listener))]
    fn wait(
        &self,
        py: Python<'_>,
        job: JobArgument,
        waiting: Waiting,
        listener: Listener,
    ) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, |client| wait(client, job, waiting))
    }

    #[pyo3(signature = (job, waiting, *, listener))]
    fn wait_async(&self, py: Python<'_>, job: JobArgument, waiting: Waiting, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| wait(client, job, waiting))
    }

    fn watch(&self, py: Python<'_>, job: JobArgument, waiting: Waiting) -> PyResult<Watch> {
        let core = self.core(py)?;
        let watch = waiting.wait_options().and_then(|wait_options| core.watch(job.0, wait_options));
        let watch = watch.map_err(|error| errors::raise(py, error))?;
        Ok(Watch(ProcessBound::new(Arc::new(tokio::sync::Mutex::new(watch)))))
    }

    #[pyo3(signature = (request, *, listener))]
    fn generate(
        &self,
        py: Python<'_>,
        request: &RequestArgument<'_>,
        listener: Listener,
    ) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, |client| generate(client, anchored(request)))
    }

    #[pyo3(signature = (request, *, listener))]
    fn generate_async(&self, py: Python<'_>, request: &RequestArgument<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| generate(client, anchored(request)))
    }

    #[pyo3(signature = (request, *, listener))]
    fn edit(&self, py: Python<'_>, request: &RequestArgument<'_>, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, |client| edit(client, anchored(request)))
    }

    #[pyo3(signature = (request, *, listener))]
    fn edit_async(&self, py: Python<'_>, request: &RequestArgument<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| edit(client, anchored(request)))
    }

    #[pyo3(signature = (request, *, listener))]
    fn extend(&self, py: Python<'_>, request: &RequestArgument<'_>, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, |client| extend(client, anchored(request)))
    }

    #[pyo3(signature = (request, *, listener))]
    fn extend_async(&self, py: Python<'_>, request: &RequestArgument<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| extend(client, anchored(request)))
    }

    #[pyo3(signature = (source, target, *, listener))]
    fn download(
        &self,
        py: Python<'_>,
        source: Source,
        target: Target,
        listener: Listener,
    ) -> PyResult<values::Download> {
        self.block_on(py, listener, |client| download(client, source, target))
    }

    #[pyo3(signature = (source, target, *, listener))]
    fn download_async(&self, py: Python<'_>, source: Source, target: Target, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, |client| download(client, source, target))
    }

    #[pyo3(signature = (request, waiting, target, on_unknown, *, listener))]
    fn render(
        &self,
        py: Python<'_>,
        request: &RequestArgument<'_>,
        waiting: Waiting,
        target: Target,
        on_unknown: &str,
        listener: Listener,
    ) -> PyResult<RenderResult> {
        let on_unknown = batch::on_unknown(on_unknown).map_err(|error| errors::raise(py, error))?;
        self.block_on(py, listener, |client| render(client, anchored(request), waiting, target, on_unknown))
    }

    #[pyo3(signature = (request, waiting, target, on_unknown, *, listener))]
    fn render_async(
        &self,
        py: Python<'_>,
        request: &RequestArgument<'_>,
        waiting: Waiting,
        target: Target,
        on_unknown: &str,
        listener: Listener,
    ) -> PyResult<Call> {
        let on_unknown = batch::on_unknown(on_unknown).map_err(|error| errors::raise(py, error))?;
        self.awaitable(py, listener, |client| render(client, anchored(request), waiting, target, on_unknown))
    }

    /// Opens a batch with its journal in `folder`. Reads the journal.
    fn render_many(
        &self,
        py: Python<'_>,
        folder: PathBuf,
        options: batch::Options,
        is_observed: bool,
    ) -> PyResult<batch::Batch> {
        let settings = options.settings(py)?;
        let core = self.core(py)?;
        let observation = if is_observed { Observation::Events } else { Observation::None };
        let opened =
            blocking::block_on(py, None, |_| async move { core.render_many(&folder, settings, observation).await });
        opened.map(batch::Batch::new)
    }

    /// Opens a batch of the unfinished items of a journal.
    fn resume(
        &self,
        py: Python<'_>,
        journal: PathBuf,
        options: batch::Options,
        is_observed: bool,
    ) -> PyResult<batch::Batch> {
        let settings = options.settings(py)?;
        let core = self.core(py)?;
        let observation = if is_observed { Observation::Events } else { Observation::None };
        let opened =
            blocking::block_on(py, None, |_| async move { core.resume(&journal, settings, observation).await });
        opened.map(batch::Batch::new)
    }
}

/// Raises the error that a download to this path would raise.
#[pyfunction]
pub(super) fn check_target(py: Python<'_>, target: Target) -> PyResult<()> {
    crate::download::check_target(&target.path, &target.options()).map_err(|error| errors::raise(py, error))
}

// ---- watching ---------------------------------------------------------------------------------

#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Watch(ProcessBound<SharedWatch>);

type SharedWatch = Arc<tokio::sync::Mutex<crate::watch::Watch<ApiClient>>>;

async fn next_change(watch: SharedWatch, events: Events) -> Result<Option<values::VideoJob>> {
    let mut watch = watch.lock().await;
    watch.observe(events);
    watch.next().await.transpose().map(|job| job.map(values::VideoJob::from_inner))
}

impl Watch {
    fn shared(&self) -> PyResult<SharedWatch> {
        let forked =
            || PyRuntimeError::new_err("this watch was started before a fork; start a new one in this process");
        self.0.get().map(Arc::clone).ok_or_else(forked)
    }
}

#[pymethods]
impl Watch {
    /// The next change, or `None` after the terminal one.
    #[pyo3(signature = (*, listener))]
    fn next(&self, py: Python<'_>, listener: Listener) -> PyResult<Option<values::VideoJob>> {
        let watch = self.shared()?;
        blocking::block_on(py, listener.as_ref(), |events| next_change(watch, events))
    }

    #[pyo3(signature = (*, listener))]
    fn next_async(&self, py: Python<'_>, listener: Listener) -> PyResult<Call> {
        let watch = self.shared()?;
        asyncio::awaitable(py, listener, |events| next_change(watch, events))
    }
}
