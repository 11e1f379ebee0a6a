//! The verbs, for Python: one future for each, and two ways out of it.

#![expect(clippy::needless_pass_by_value, reason = "pyo3 hands arguments over by value")]

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::arguments::{JobArgument, Keep, Source, Waiting};
use super::bridge::{self, BoxFuture, Call, Listener};
use super::owned::Owned;
use super::{batch, engine, errors, values};
use crate::batch::{Observation, OnUnknown};
use crate::client::{Rendered, VideoClient};
use crate::config::{Config, Secret, Settings};
use crate::error::{Error, Result};
use crate::event::Events;
use crate::request::VideoRequest;

/// What a closed client says.
const CLOSED: &str = "this client is closed; make a new VideoClient";

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
    /// Why nothing may be sent.
    fault: Option<String>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(core) = state
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
    move |client| Box::pin(async move { client.get(&job.0).await.map(values::VideoJob::from_inner) })
}

fn wait(job: JobArgument, waiting: Waiting) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| {
        Box::pin(async move { client.wait(job.0, waiting.patience()?).await.map(values::VideoJob::from_inner) })
    }
}

fn generate(request: VideoRequest) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| Box::pin(async move { client.generate(request).await.map(values::VideoJob::from_inner) })
}

fn edit(request: VideoRequest) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| Box::pin(async move { client.edit(request).await.map(values::VideoJob::from_inner) })
}

fn extend(request: VideoRequest) -> impl FnOnce(VideoClient) -> BoxFuture<values::VideoJob> {
    move |client| Box::pin(async move { client.extend(request).await.map(values::VideoJob::from_inner) })
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

/// A request as Python gives it.
type Order<'py> = Bound<'py, super::request::VideoRequest>;
type Kept = (values::VideoJob, values::Download, Option<String>);

fn render(
    request: VideoRequest,
    waiting: Waiting,
    keep: Keep,
    on_unknown: OnUnknown,
) -> impl FnOnce(VideoClient) -> BoxFuture<Kept> {
    move |client| {
        Box::pin(async move {
            let Rendered { job, file, warning } =
                client.render(request, &keep.path, waiting.patience()?, &keep.options(), on_unknown).await?;
            Ok((values::VideoJob::from_inner(job), values::Download::from_inner(file), warning))
        })
    }
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
        max_retries: Option<u32>,
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
            max_retries,
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
        // What is no text is made one that nothing takes, or it would be passed over.
        let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let config = Config::resolve(settings, environment).map_err(|error| errors::raise(py, error))?;
        Ok(Self { config: Arc::new(config), state: Mutex::new(State::Open(None)), fault: None })
    }

    /// Another client of the same configuration, which shares connections and limits with this one.
    fn copy(&self, py: Python<'_>) -> Self {
        let state = match &*self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner) {
            State::Open(Some((owner, client))) if *owner == std::process::id() => {
                State::Open(Some((*owner, client.clone())))
            }
            State::Open(_) => State::Open(None),
            State::Closed => State::Closed,
        };
        Self { config: Arc::clone(&self.config), state: Mutex::new(state), fault: self.fault.clone() }
    }

    /// A client of the same configuration that sends nothing, and says why.
    fn barred(&self, fault: String) -> Self {
        Self { config: Arc::clone(&self.config), state: Mutex::new(State::Open(None)), fault: Some(fault) }
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
            was => {
                drop(was);
                engine::tidy(py);
            }
        }
    }

    #[pyo3(signature = (job, *, listener))]
    fn get(&self, py: Python<'_>, job: JobArgument, listener: Listener) -> PyResult<values::VideoJob> {
        let work = self.verb(py, |client| get(job)(client.driven_by_caller()))?;
        bridge::block_here(py, listener.as_ref(), work)
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
        Ok(Watch(Owned::new(Arc::new(tokio::sync::Mutex::new(watch)))))
    }

    #[pyo3(signature = (request, *, listener))]
    fn generate(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, generate(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (request, *, listener))]
    fn generate_async(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, generate(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (request, *, listener))]
    fn edit(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, edit(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (request, *, listener))]
    fn edit_async(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, edit(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (request, *, listener))]
    fn extend(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<values::VideoJob> {
        self.block_on(py, listener, extend(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (request, *, listener))]
    fn extend_async(&self, py: Python<'_>, request: &Order<'_>, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, extend(request.get().inner.clone().anchored()))
    }

    #[pyo3(signature = (source, keep, *, listener))]
    fn download(&self, py: Python<'_>, source: Source, keep: Keep, listener: Listener) -> PyResult<values::Download> {
        self.block_on(py, listener, download(source, keep))
    }

    #[pyo3(signature = (source, keep, *, listener))]
    fn download_async(&self, py: Python<'_>, source: Source, keep: Keep, listener: Listener) -> PyResult<Call> {
        self.awaitable(py, listener, download(source, keep))
    }

    #[pyo3(signature = (request, waiting, keep, on_unknown, *, listener))]
    fn render(
        &self,
        py: Python<'_>,
        request: &Order<'_>,
        waiting: Waiting,
        keep: Keep,
        on_unknown: &str,
        listener: Listener,
    ) -> PyResult<Kept> {
        let on_unknown = batch::on_unknown(on_unknown).map_err(|error| errors::raise(py, error))?;
        self.block_on(py, listener, render(request.get().inner.clone().anchored(), waiting, keep, on_unknown))
    }

    #[pyo3(signature = (request, waiting, keep, on_unknown, *, listener))]
    fn render_async(
        &self,
        py: Python<'_>,
        request: &Order<'_>,
        waiting: Waiting,
        keep: Keep,
        on_unknown: &str,
        listener: Listener,
    ) -> PyResult<Call> {
        let on_unknown = batch::on_unknown(on_unknown).map_err(|error| errors::raise(py, error))?;
        self.awaitable(py, listener, render(request.get().inner.clone().anchored(), waiting, keep, on_unknown))
    }

    /// Opens a batch whose journal is beside `folder`'s files. Reads that journal.
    fn render_many(
        &self,
        py: Python<'_>,
        folder: PathBuf,
        options: batch::Options,
        is_observed: bool,
    ) -> PyResult<batch::Batch> {
        let settings = options.settings(py)?;
        let core = self.core(py)?;
        let observation = if is_observed { Observation::Told } else { Observation::None };
        let opened = bridge::block_on(py, None, |_| async move {
            crate::batch::Batch::open(&core, &folder, settings, observation).await
        });
        opened.map(batch::Batch::new)
    }

    /// Opens a batch for what a journal's folder has left to do.
    fn resume(
        &self,
        py: Python<'_>,
        journal: PathBuf,
        options: batch::Options,
        is_observed: bool,
    ) -> PyResult<batch::Batch> {
        let settings = options.settings(py)?;
        let core = self.core(py)?;
        let observation = if is_observed { Observation::Told } else { Observation::None };
        let opened = bridge::block_on(py, None, |_| async move {
            crate::batch::Batch::resume(&core, &journal, settings, observation).await
        });
        opened.map(batch::Batch::new)
    }
}

/// Refuses a path that no file can be kept at, as a download would.
#[pyfunction]
pub(super) fn check_target(py: Python<'_>, keep: Keep) -> PyResult<()> {
    crate::download::check_target(&keep.path, &keep.options()).map_err(|error| errors::raise(py, error))
}

// ---- watching ---------------------------------------------------------------------------------

/// The changes of one job.
#[pyclass(frozen, module = "vidjob._native")]
pub(super) struct Watch(Owned<Arc<tokio::sync::Mutex<crate::watch::Watch<VideoClient>>>>);

impl Watch {
    fn step(&self) -> PyResult<impl FnOnce(Events) -> BoxFuture<Option<values::VideoJob>>> {
        let forked = || PyRuntimeError::new_err("this watch was begun before a fork; begin a new one in this process");
        let watch = Arc::clone(self.0.get().ok_or_else(forked)?);
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
