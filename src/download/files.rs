//! Downloads files: retries, resumes and refreshes links until a file is whole, then puts it in place.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::attempts::{AttemptCounter, RetryDelays};
use super::client::FileClient;
use super::deadline::Deadline;
use super::http_error::HttpError;
use super::link_status::LinkStatus;
use super::options::DownloadRequest;
use super::target::TemporaryFile;
use super::transfer::{AttemptError, Transfer, probe};
use super::writer::{FileWriter, WrittenFile};
use crate::config::Config;
use crate::error::{DownloadErrorKind, Error, Result};
use crate::event::{Event, Events};
use crate::redact::url_without_secrets;
use crate::saved_file::Download;

/// Each download holds a thread that writes, so their number is limited.
const MAX_CONCURRENT_DOWNLOADS: usize = 64;

#[derive(Debug, Clone)]
pub struct Files(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: FileClient,
    retry_delays: RetryDelays,
    slots: Semaphore,
}

impl Files {
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_retry_delays(config, RetryDelays { backoff: config.backoff, ..RetryDelays::default() })
    }

    pub(super) fn with_retry_delays(config: &Config, retry_delays: RetryDelays) -> Result<Self> {
        let slots = Semaphore::new(MAX_CONCURRENT_DOWNLOADS);
        Ok(Self(Arc::new(Shared { client: FileClient::new(config)?, retry_delays, slots })))
    }

    /// Downloads a file and puts it in place.
    ///
    /// When the link has no file, `refresh` is called once for another link.
    pub async fn save<F, R>(&self, request: DownloadRequest<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let secrets = &self.config().secrets;
        let saved = self.fetch(&request, events, refresh).await.map(|file| secrets.hidden_in_download(file));
        saved.map_err(|error| secrets.hidden_in_error(error)).map_err(|error| match request.job {
            Some(job) => error.with_request_id(&job.request_id),
            None => error,
        })
    }

    pub async fn link_status(&self, link: &str) -> Result<LinkStatus> {
        let http_error = probe(&self.0.client, &self.0.client.url_policy().link(link)?).await;
        Ok(http_error.map_or(LinkStatus::Good, |http_error| http_error.reason.into()))
    }

    /// Waits for the file of a link; `false` if it does not appear.
    pub async fn wait_until_available(&self, link: &str) -> Result<bool> {
        let link = self.0.client.url_policy().link(link)?;
        let mut attempts = self.attempts();
        while let Some(http_error) = probe(&self.0.client, &link).await {
            let Some(delay) = delay_while_missing(&mut attempts, &http_error) else { return Ok(false) };
            tokio::time::sleep(delay).await;
        }
        Ok(true)
    }

    /// A link of the service as an absolute URL.
    pub fn absolute(&self, link: &str) -> Result<Url> {
        self.0.client.url_policy().link(link).map_err(|error| self.config().secrets.hidden_in_error(error))
    }

    async fn fetch<F, R>(&self, request: &DownloadRequest<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let deadline = Deadline::start(request);
        let link = self.0.client.url_policy().link(request.link)?;
        let slot = timeout_at(deadline.end, self.0.slots.acquire()).await;
        // The semaphore is never closed.
        let _slot = slot.map_err(|_| deadline.exceeded(request, "nothing"))?.ok();
        deadline.check(request)?;
        let (path, options) = (request.path.to_owned(), request.options.clone());
        let (file, temporary) = blocking(move || TemporaryFile::create(&path, &options)).await?;
        let writer = FileWriter::start(file, request.path.to_owned());
        let mut transfer = Transfer::new(&self.0.client, writer, request, events);
        let fetching = self.fetch_with_retries(&mut transfer, link, request, events, refresh);
        let fetched = timeout_at(deadline.end, fetching).await;
        fetched.unwrap_or_else(|_| Err(deadline.exceeded(request, &transfer.received())))?;
        let Transfer { writer, saved_bytes, content_type, .. } = transfer;
        let written = writer.finish().await?;
        let sha256 = blocking(move || put_in_place(temporary, written)).await?;
        Ok(Download { path: request.path.to_owned(), bytes: saved_bytes, sha256, content_type })
    }

    async fn fetch_with_retries<F, R>(
        &self,
        transfer: &mut Transfer<'_>,
        mut link: Url,
        request: &DownloadRequest<'_>,
        events: &Events,
        refresh: F,
    ) -> Result<()>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let mut refresh = Some(refresh);
        let mut attempts = self.attempts();
        loop {
            let error = match transfer.attempt(&link).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if matches!(error, AttemptError::NoFile(_) | AttemptError::NotAVideo(_))
                && let Some(refresh) = refresh.take()
                && let Some(fresh) = self.fresh_link(refresh().await, request, &error)?
                && fresh != link
            {
                transfer.start_over().await?;
                link = fresh;
                continue;
            }
            let Some(delay) = retry_delay(&mut attempts, &error, transfer) else {
                return Err(final_error(transfer, &link, error));
            };
            events.emit(|| Event::Retry {
                path: link.path().to_owned(),
                attempt: attempts.repeated(),
                delay,
                reason: error.message(),
            });
            tokio::time::sleep(delay).await;
        }
    }

    /// The link that the job has now, if it has another one. A bare video has no job to query.
    fn fresh_link(
        &self,
        refreshed: Result<Option<String>>,
        request: &DownloadRequest<'_>,
        error: &AttemptError,
    ) -> Result<Option<Url>> {
        match (refreshed, error) {
            (Ok(Some(fresh)), _) => self.0.client.url_policy().link(&fresh).map(Some),
            (Ok(None), AttemptError::NoFile(http_error)) if request.job.is_some() => {
                Err(http_error.clone().into_error())
            }
            (Err(error), AttemptError::NoFile(_)) => Err(error),
            // The content that arrived says more than the reason why there is no other link.
            _ => Ok(None),
        }
    }

    fn attempts(&self) -> AttemptCounter {
        AttemptCounter::new(self.0.retry_delays, self.config().max_retries)
    }

    fn config(&self) -> &Config {
        self.0.client.config()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::download(DownloadErrorKind::Other, "the file could not be written: the runtime is shutting down"))
    })
}

fn put_in_place(temporary: TemporaryFile, written: WrittenFile) -> Result<String> {
    temporary.persist(&written)?;
    Ok(written.sha256)
}

/// The delay before the next attempt; `None` ends the download.
fn retry_delay(attempts: &mut AttemptCounter, error: &AttemptError, transfer: &Transfer<'_>) -> Option<Duration> {
    let (reached, size, jitter) = (transfer.most_received, transfer.announced_size, fastrand::f64());
    match error {
        AttemptError::Retryable { retry_after, .. } => attempts.after_failure(reached, size, *retry_after, jitter),
        AttemptError::Defective { size, .. } => attempts.after_defect(*size, jitter),
        AttemptError::NoFile(http_error) => delay_while_missing(attempts, http_error),
        AttemptError::NotAVideo(_) | AttemptError::Permanent(_) => None,
    }
}

fn delay_while_missing(attempts: &mut AttemptCounter, http_error: &HttpError) -> Option<Duration> {
    if !http_error.reason.may_pass() {
        return None;
    }
    attempts.after_absence(Instant::now(), http_error.retry_after, fastrand::f64())
}

fn final_error(transfer: &Transfer<'_>, link: &Url, error: AttemptError) -> Error {
    match error {
        AttemptError::Retryable { error, .. } if transfer.is_answered => {
            let (received, link) = (transfer.received(), url_without_secrets(link));
            let message = format!("only {received} of {link} arrived ({error}); download it again");
            Error::download(DownloadErrorKind::IncompleteDownload, message)
        }
        AttemptError::Retryable { error, .. }
        | AttemptError::Defective { error, .. }
        | AttemptError::NotAVideo(error)
        | AttemptError::Permanent(error) => error,
        AttemptError::NoFile(http_error) => http_error.into_error(),
    }
}
