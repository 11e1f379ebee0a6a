//! The client: all verbs, with a journal where one is configured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::api::ApiClient;
use crate::batch::{self, Batch, Observation, OnExisting, OnUnknown, RenderSettings};
use crate::config::Config;
use crate::download;
use crate::error::{Error, Result};
use crate::event::Events;
use crate::job::VideoJob;
use crate::journal::{IntentDetails, Journal};
use crate::pricing::Prices;
use crate::request::{Operation, VideoRequest};
use crate::saved_file::Download;
use crate::submission::{intent_details, new_attempt_name, run_to_end, submit_single};
use crate::threads::blocking;
use crate::watch::{FinishedJob, WaitOptions, Watch};

pub use crate::batch::RenderOutput;

/// A client of the service. Clones share connections, limits and the journal.
#[derive(Debug, Clone)]
pub struct VideoClient {
    api: ApiClient,
    journal: Arc<OnceCell<Arc<Journal>>>,
}

impl VideoClient {
    /// Creates a client. It connects on first use.
    pub fn new(config: Arc<Config>) -> Result<Self> {
        Ok(Self { api: ApiClient::new(config)?, journal: Arc::default() })
    }

    /// The same client, with another observer.
    #[must_use]
    pub fn observed(&self, events: Events) -> Self {
        Self { api: self.api.observed(events), ..self.clone() }
    }

    /// The same client for a runtime that runs only while a caller blocks on it. Its polls have
    /// their own connections, because no other runtime could drive them.
    #[must_use]
    pub fn driven_by_caller(&self) -> Self {
        Self { api: self.api.driven_by_caller(), ..self.clone() }
    }

    /// Polls a job once.
    pub async fn get(&self, job: &VideoJob) -> Result<VideoJob> {
        self.api.get(job).await
    }

    /// Yields each change of a job until it is over.
    pub fn watch(&self, job: VideoJob, wait_options: WaitOptions) -> Result<Watch<ApiClient>> {
        self.api.watch(job, wait_options)
    }

    /// Waits until a job is done.
    pub async fn wait(&self, job: VideoJob, wait_options: WaitOptions) -> Result<VideoJob> {
        let journal = self.journal().await?;
        let known = journal.and_then(|journal| journal.render_times_of(&job.request_id));
        let FinishedJob { job, render_time } =
            self.api.follow(job, WaitOptions { known, ..wait_options }, None)?.await?;
        if let Some(journal) = journal {
            journal.terminal(&job, render_time).await?;
        }
        job.into_result()
    }

    /// Creates a job from a prompt, an image or references.
    pub async fn generate(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Generate, request).await
    }

    /// Creates a job that edits a video.
    pub async fn edit(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Edit, request).await
    }

    /// Creates a job that extends a video.
    pub async fn extend(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Extend, request).await
    }

    /// Downloads the file of a job.
    pub async fn download(&self, job: &VideoJob, path: &Path, options: &download::Options) -> Result<Download> {
        let file = self.api.fetch(job, path, options).await?;
        if let Some(journal) = self.journal().await? {
            journal.saved(&job.request_id, &file).await?;
        }
        Ok(file)
    }

    /// Downloads the file behind a link whose job is not known.
    pub async fn download_link(&self, link: &str, path: &Path, options: &download::Options) -> Result<Download> {
        self.api.fetch_link(link, path, options).await
    }

    /// The JSON body of a request, its media shortened. Links of earlier renders stay unchanged.
    pub async fn preview(request: VideoRequest) -> Result<serde_json::Value> {
        ApiClient::preview(request).await
    }

    /// Creates a job, waits for it and downloads its file, or continues where an earlier call stopped.
    pub async fn render(
        &self,
        request: VideoRequest,
        path: &Path,
        wait_options: WaitOptions,
        options: &download::Options,
        on_unknown: OnUnknown,
    ) -> Result<RenderOutput> {
        request.check()?;
        if request.upload_url.is_some() {
            let words = "upload_url cannot be used with render, which saves the file here; use generate and wait";
            return Err(Error::invalid("upload_url", words));
        }
        let journal = self.journal_of(path).await?;
        let on_existing = if options.overwrite { OnExisting::Overwrite } else { OnExisting::Resume };
        let settings = RenderSettings { on_existing, on_unknown, wait_options, max_bytes: options.max_bytes };
        batch::render_one(&self.api, journal, settings, request, path).await
    }

    /// A batch that renders into `folder`, with its journal there. `observation` says whether its events are wanted.
    pub async fn render_many(
        &self,
        folder: &Path,
        settings: batch::Settings,
        observation: Observation,
    ) -> Result<Batch> {
        let folder = folder.to_owned();
        let journal = blocking(move || Journal::in_dir(&folder)).await?;
        Batch::begin(&self.api, journal, settings, observation).await
    }

    /// A batch of what the journal in `folder` has left to do.
    pub async fn resume(&self, folder: &Path, settings: batch::Settings, observation: Observation) -> Result<Batch> {
        let folder = folder.to_owned();
        let journal = blocking(move || Journal::open(&folder)).await?;
        Batch::begin(&self.api, journal, settings, observation).await
    }

    async fn create_by(&self, verb: Operation, request: VideoRequest) -> Result<VideoJob> {
        if request.operation != verb {
            let (is, verb) = (request.operation.as_str(), verb.as_str());
            return Err(Error::invalid(
                "operation",
                format!("the request's operation is {is:?}, not {verb:?}; pass it to {is}"),
            ));
        }
        self.create(request).await
    }

    async fn create(&self, request: VideoRequest) -> Result<VideoJob> {
        let estimate = Prices::default().estimate(&request).unwrap_or_default();
        let service = self.api.config().service().to_owned();
        let details = IntentDetails { service, ..intent_details(&request, "", estimate) };
        let prepared = self.api.prepare(request).await?;
        let journal = self.journal().await?.cloned();
        let permit = self.api.acquire_create_permit().await;
        let Some(journal) = journal else {
            return self.api.submit(permit, &prepared, &new_attempt_name(), None, || async { Ok(()) }).await;
        };
        let api = self.api.clone();
        let create = async move { submit_single(&api, permit, &journal, details, &prepared).await };
        let closing = || Err(Error::invalid("client", "the runtime is shutting down"));
        run_to_end(create).await.unwrap_or_else(closing)
    }

    /// The journal of single creates, where the client has one.
    pub async fn journal(&self) -> Result<Option<&Arc<Journal>>> {
        let Some(folder) = self.api.config().journal.clone() else { return Ok(None) };
        let open = || blocking(move || Journal::open(&folder));
        self.journal.get_or_try_init(open).await.map(Some)
    }

    /// The journal that records a file: the client's own, or the one of the file's folder.
    async fn journal_of(&self, path: &Path) -> Result<Arc<Journal>> {
        if let Some(journal) = self.journal().await? {
            let journal = Arc::clone(journal);
            return blocking(move || journal.refresh().map(|()| journal)).await;
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        blocking(move || Journal::in_dir(&folder)).await
    }
}
