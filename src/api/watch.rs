//! Polls a job until it is over.

use std::pin::Pin;

use tokio::time::Instant;

use super::client::ApiClient;
use crate::error::Result;
use crate::event::{Event, Events};
use crate::job::VideoJob;
use crate::watch::{FinishedJob, WaitOptions, Watch};

impl ApiClient {
    /// Yields each change of a job until it is over.
    pub(crate) fn watch(&self, job: VideoJob, wait_options: WaitOptions) -> Result<Watch<Self>> {
        self.check_id(&job.request_id)?;
        Ok(self.watch_since(None, job, wait_options))
    }

    /// The job once it is over, successful or not. `accepted` is known for jobs that this client created.
    pub(crate) fn follow(
        &self,
        job: VideoJob,
        wait_options: WaitOptions,
        accepted: Option<Instant>,
    ) -> Result<Pin<Box<dyn Future<Output = Result<FinishedJob>> + Send + '_>>> {
        self.check_id(&job.request_id)?;
        let mut watch = self.watch_since(accepted, job, wait_options);
        // Boxed once: every future above would reserve its size again, and thousands wait.
        Ok(Box::pin(async move { watch.end(|job| self.events.emit(|| Event::Status(job.clone()))).await }))
    }

    fn watch_since(&self, accepted: Option<Instant>, job: VideoJob, wait_options: WaitOptions) -> Watch<Self> {
        let poll_interval = wait_options.poll_interval.or(self.config().poll_interval);
        let wait_options = WaitOptions { poll_interval, ..wait_options };
        self.remember_aliases(&job);
        let own = self.accepted_at(&job.request_id);
        let watch = Watch::new(self.clone(), job, own.or(accepted), wait_options);
        let watch = watch.with_max_age(self.config().max_job_age);
        if own.is_some() { watch.of_known_job() } else { watch }
    }
}

impl Watch<ApiClient> {
    /// Replaces the observer.
    pub fn observe(&mut self, events: Events) {
        let client = self.service_mut();
        *client = client.observed(events);
    }
}
