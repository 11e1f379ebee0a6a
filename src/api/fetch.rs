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
    /// Keeps the file of a job, and tells no journal.
    pub(crate) async fn fetch(&self, job: &VideoJob, path: &Path, options: &download::Options) -> Result<Download> {
        self.check_id(&job.request_id)?;
        download::check_target(path, options)?;
        // A bare id says nothing of a link, and a link may have expired since it was seen.
        let is_lost = job.url().is_some_and(|link| self.config().secrets.is_link_lost(link));
        let job = if job.is_terminal() && !is_lost { job.clone() } else { self.get(job).await? };
        let link = link(&job)?;
        let refresh = || async { Ok(self.get(&job).await?.url().map(str::to_owned)) };
        let order = DownloadRequest { link, path, options, job: Some(&job) };
        self.files()?.save(order, &self.events, refresh).await
    }

    /// Keeps the file behind a link of which the job is not known.
    pub(crate) async fn fetch_link(&self, link: &str, path: &Path, options: &download::Options) -> Result<Download> {
        download::check_target(path, options)?;
        if self.config().secrets.is_link_lost(link) {
            let words = "the link of this video holds a key, which is not kept with it: give the job of the video";
            return Err(Error::invalid("job_or_video", words));
        }
        let order = DownloadRequest { link, path, options, job: None };
        self.files()?.save(order, &self.events, || async { Ok(None) }).await
    }

    /// What its server says about a link to a file.
    pub(super) async fn link_status(&self, link: &str) -> Result<LinkStatus> {
        if self.config().secrets.is_link_lost(link) {
            return Ok(LinkStatus::Gone);
        }
        self.files()?.link_status(link).await
    }

    /// Whether a link without a file has one if it is waited for.
    pub(super) async fn appears(&self, link: &str) -> Result<bool> {
        if self.config().secrets.is_link_lost(link) {
            return Ok(false);
        }
        self.files()?.wait_until_available(link).await
    }

    /// A link as the service itself can follow it.
    pub(super) fn absolute(&self, link: &str) -> Result<PreparedMedia> {
        self.files()?.absolute(link).map(|url| PreparedMedia::Url(url.into()))
    }
}

fn link(job: &VideoJob) -> Result<&str> {
    if let Some(link) = job.url() {
        return Ok(link);
    }
    let job = job.clone().into_result()?;
    let message = if job.is_terminal() { no_link(&job) } else { "the job is not done yet: wait for it first".into() };
    Err(Error::download(DownloadErrorKind::Other, message).with_request_id(&job.request_id))
}

fn no_link(job: &VideoJob) -> String {
    let fields = job.raw.as_deref().map(response::field_names).filter(|fields| !fields.is_empty());
    let fields = fields.map(|fields| format!(" (fields received: {fields})")).unwrap_or_default();
    format!(
        "the job is done, and its answer holds no link to a video{fields}; \
         if the request had the file delivered or stored elsewhere, it is there"
    )
}
