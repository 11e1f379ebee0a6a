//! Prepares media for a request: detects formats, and refreshes the links of earlier renders.

use crate::download::LinkStatus;
use crate::error::{DownloadErrorKind, Error, Result};
use crate::job::{Video, VideoJob};
use crate::media::{Inline, Media, PreparedMedia, Role, look_at_bytes, look_at_file};
use crate::request::{Operation, PrepareMedia};
use crate::request_id::check_request_id;

use super::client::ApiClient;
use crate::threads::blocking;

pub(super) struct MediaPreparer<'a> {
    /// Refreshes links; without one, links stay unchanged.
    pub(super) client: Option<&'a ApiClient>,
    pub(super) operation: Operation,
}

impl PrepareMedia<Media> for MediaPreparer<'_> {
    type Output = PreparedMedia;

    async fn prepare(&self, field: &'static str, role: Role, media: Media) -> Result<PreparedMedia> {
        match media {
            Media::Url(url) => Ok(PreparedMedia::Url(url)),
            Media::FileId(id) if id.trim().is_empty() => {
                Err(Error::invalid(field, format!("{field}: the file_id is empty")))
            }
            Media::FileId(id) => Ok(PreparedMedia::FileId(id)),
            Media::Data(bytes) => self.inline(blocking(move || look_at_bytes(field, role, &bytes)).await?),
            Media::File(path) => self.inline(blocking(move || look_at_file(field, role, &path)).await?),
            Media::Job(_) | Media::JobId(_) | Media::Video(_) | Media::Saved(..) if role == Role::Image => Err(
                Error::invalid(field, format!("{field} takes an image; an earlier render can be edited or extended")),
            ),
            Media::Job(job) => self.job(*job).await,
            Media::JobId(id) => self.job_id(id).await,
            Media::Saved(job, path) => match self.job(*job).await {
                Err(_) if path.is_file() => self.inline(blocking(move || look_at_file(field, role, &path)).await?),
                prepared => prepared,
            },
            Media::Video(video) => self.video(&video).await,
        }
    }
}

impl MediaPreparer<'_> {
    fn inline(&self, inline: Inline) -> Result<PreparedMedia> {
        if let Some(video) = inline.video {
            self.operation.check_source(video)?;
        }
        Ok(PreparedMedia::Inline(inline))
    }

    async fn job(&self, job: VideoJob) -> Result<PreparedMedia> {
        check_request_id(&job.request_id)?;
        let job = self.finished(job)?;
        let video = video_of(&job)?;
        let Some(client) = self.client else { return unchanged(video).ok_or_else(|| no_link(&job.request_id)) };
        if let Some(link) = &video.url
            && client.link_status(link).await? == LinkStatus::Good
        {
            return client.absolute(link);
        }
        link_of(client, &client.get(&job).await?.into_result()?).await
    }

    async fn job_id(&self, id: String) -> Result<PreparedMedia> {
        let Some(client) = self.client else { return Ok(PreparedMedia::Url(format!("(the link of job {id})"))) };
        let job = self.finished(client.get(&VideoJob::pending(id)).await?)?;
        link_of(client, &job).await
    }

    /// The same job, if it has ended with a video that the operation takes.
    fn finished(&self, job: VideoJob) -> Result<VideoJob> {
        if !job.is_terminal() {
            let message = format!("job {} is not finished; wait for it, and pass the result of wait", job.request_id);
            return Err(Error::invalid("video", message));
        }
        let job = job.into_result()?;
        self.check_length(video_of(&job)?)?;
        Ok(job)
    }

    /// A bare video has no job that could be polled for a new link.
    async fn video(&self, video: &Video) -> Result<PreparedMedia> {
        self.check_length(video)?;
        let nothing = || Error::invalid("video", "this video has no url; it was withheld or uploaded elsewhere");
        let Some(client) = self.client.filter(|_| video.url.is_some()) else {
            return unchanged(video).ok_or_else(nothing);
        };
        current_link(client, video).await?.ok_or_else(expired)
    }

    fn check_length(&self, video: &Video) -> Result<()> {
        // Some services report an unknown length as 0.
        video.duration.filter(|seconds| *seconds > 0.0).map_or(Ok(()), |seconds| self.operation.check_length(seconds))
    }
}

fn video_of(job: &VideoJob) -> Result<&Video> {
    job.video.as_ref().ok_or_else(|| no_link(&job.request_id))
}

async fn link_of(client: &ApiClient, job: &VideoJob) -> Result<PreparedMedia> {
    current_link(client, video_of(job)?).await?.ok_or_else(|| expired().with_request_id(&job.request_id))
}

/// The video by its link, or by the file that the service stores.
async fn current_link(client: &ApiClient, video: &Video) -> Result<Option<PreparedMedia>> {
    let kept = stored(video);
    let Some(link) = &video.url else { return Ok(kept) };
    let is_good = match client.link_status(link).await? {
        // A link that refuses this machine may work for the service.
        LinkStatus::Good | LinkStatus::Refused => true,
        LinkStatus::Missing if kept.is_none() => client.appears(link).await?,
        LinkStatus::Missing | LinkStatus::Gone => false,
    };
    if is_good { client.absolute(link).map(Some) } else { Ok(kept) }
}

fn unchanged(video: &Video) -> Option<PreparedMedia> {
    video.url.clone().map(PreparedMedia::Url).or_else(|| stored(video))
}

/// A stored file outlives a link.
fn stored(video: &Video) -> Option<PreparedMedia> {
    video.file_output.as_ref()?.file_id.clone().map(PreparedMedia::FileId)
}

fn no_link(request_id: &str) -> Error {
    Error::invalid("video", format!("the response for job {request_id} has no link to its video"))
}

fn expired() -> Error {
    Error::download(
        DownloadErrorKind::VideoUrlExpired,
        "the link to the earlier video has expired and the service has no new one, so nothing was created; \
         if you saved the file, pass its path",
    )
}
