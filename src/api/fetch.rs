//! Downloads the file of a job.

use std::path::Path;

use super::client::ApiClient;
use crate::download::{self, DownloadRequest, LinkStatus};
use crate::error::{DownloadErrorKind, Error, Result};
use crate::job::VideoJob;
use crate::media::PreparedMedia;
use crate::saved_file::Download;
use crate::wire::response;

impl ApiClient {
    /// Downloads the file of a job.
    pub(crate) async fn fetch(&self, job: &VideoJob, path: &Path, options: &download::Options) -> Result<Download> {
        self.check_id(&job.request_id)?;
        download::check_target(path, options)?;
        // A bare ID has no link, and a known link may have expired.
        let is_lost = job.url().is_some_and(|link| self.config().secrets.is_link_lost(link));
        let job = if job.is_terminal() && !is_lost { job.clone() } else { self.get(job).await? };
        let link = link(&job)?;
        let refresh = || async { Ok(self.get(&job).await?.url().map(str::to_owned)) };
        let order = DownloadRequest { link, path, options, job: Some(&job) };
        self.files()?.save(order, &self.events, refresh).await
    }

    /// Downloads the file behind a link whose job is unknown.
    pub(crate) async fn fetch_link(&self, link: &str, path: &Path, options: &download::Options) -> Result<Download> {
        download::check_target(path, options)?;
        if self.config().secrets.is_link_lost(link) {
            let message = "the link of this video holds a key, which is not saved with it; pass the job instead";
            return Err(Error::invalid("job_or_video", message));
        }
        let order = DownloadRequest { link, path, options, job: None };
        self.files()?.save(order, &self.events, || async { Ok(None) }).await
    }

    /// Whether a link still leads to a file.
    pub(super) async fn link_status(&self, link: &str) -> Result<LinkStatus> {
        if self.config().secrets.is_link_lost(link) {
            return Ok(LinkStatus::Gone);
        }
        self.files()?.link_status(link).await
    }

    /// Waits for the file of a link that may be too early.
    pub(super) async fn appears(&self, link: &str) -> Result<bool> {
        if self.config().secrets.is_link_lost(link) {
            return Ok(false);
        }
        self.files()?.wait_until_available(link).await
    }

    /// A link in a form that the service can follow.
    pub(super) fn absolute(&self, link: &str) -> Result<PreparedMedia> {
        self.files()?.absolute(link).map(|url| PreparedMedia::Url(url.into()))
    }
}

fn link(job: &VideoJob) -> Result<&str> {
    if let Some(link) = job.url() {
        return Ok(link);
    }
    let job = job.clone().into_result()?;
    let message = if job.is_terminal() { no_link(&job) } else { "the job is not done; wait for it first".into() };
    Err(Error::download(DownloadErrorKind::Other, message).with_request_id(&job.request_id))
}

fn no_link(job: &VideoJob) -> String {
    let fields = job.raw.as_deref().map(response::field_names).filter(|fields| !fields.is_empty());
    let fields = fields.map(|fields| format!(" (fields received: {fields})")).unwrap_or_default();
    format!(
        "the job is done, but its response has no link to a video{fields}; \
         if the request had the file uploaded or stored elsewhere, find it there"
    )
}
