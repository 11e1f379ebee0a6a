//! Polls a job once.

use super::client::ApiClient;
use crate::error::{ApiErrorKind, Error, Result};
use crate::job::VideoJob;
use crate::request_id::path_segment;
use crate::transport::retry::is_retryable;
use crate::watch::{PollJob, Snapshot};
use crate::wire::response;

impl ApiClient {
    /// Polls a job once.
    pub(crate) async fn get(&self, job: &VideoJob) -> Result<VideoJob> {
        self.check_id(&job.request_id)?;
        self.remember_aliases(job);
        Ok(self.poll(&job.request_id).await?.job)
    }
}

impl PollJob for ApiClient {
    async fn poll(&self, request_id: &str) -> Result<Snapshot> {
        let (name, others) = self.aliases().of(request_id);
        match self.ask_by(&name, request_id).await {
            Err(error) if is_not_visible_yet(&error) => {
                if let Some(snapshot) = self.ask_by_others(others, request_id).await {
                    return Ok(snapshot);
                }
                if self.is_recently_created(request_id) {
                    return Ok(Snapshot { job: VideoJob::pending(request_id), retry_after: None });
                }
                Err(error.with_request_id(request_id))
            }
            Err(error) => Err(error.with_request_id(request_id)),
            snapshot => snapshot,
        }
    }
}

impl ApiClient {
    /// Polls the job `request_id` under the ID `name`.
    async fn ask_by(&self, name: &str, request_id: &str) -> Result<Snapshot> {
        let http = self.http();
        let (events, path) = (&self.events, &format!("/videos/{}", path_segment(name)));
        let retries = self.retries(is_retryable, None);
        retries
            .run(
                path,
                events,
                |pause| http.slow_down(pause),
                || async move {
                    let answer = http.get(path, self.pool, events).await?;
                    let job = self.with_link(&answer, |answer| response::job(request_id, answer))?;
                    Ok(Snapshot { job, retry_after: answer.retry_after })
                },
            )
            .await
    }

    /// Polls the job under its other IDs, and keeps the one that works.
    async fn ask_by_others(&self, others: Vec<String>, request_id: &str) -> Option<Snapshot> {
        for other in others {
            if let Ok(snapshot) = self.ask_by(&other, request_id).await {
                self.aliases().prefer(request_id, &other);
                return Some(snapshot);
            }
        }
        None
    }
}

/// Whether the response may mean that a new job is not visible yet.
fn is_not_visible_yet(error: &Error) -> bool {
    matches!(error, Error::Api(error)
        if error.kind == ApiErrorKind::NotFound || (error.kind == ApiErrorKind::BadRequest && error.status_code == 400))
}
