//! When a download ends, whole or not.

use std::time::Duration;

use tokio::time::Instant;

use super::options::DownloadRequest;
use crate::error::{DownloadErrorKind, Error, Result, WaitLimit};

/// Ends every download, whatever its server sends: links expire after about a day.
const MAX_DURATION: Duration = Duration::from_secs(6 * 60 * 60);

pub(super) struct Deadline {
    start: Instant,
    pub(super) end: Instant,
}

impl Deadline {
    pub(super) fn start(request: &DownloadRequest<'_>) -> Self {
        let start = Instant::now();
        let latest = start + MAX_DURATION;
        Self { start, end: request.options.deadline.map_or(latest, |deadline| deadline.min(latest)) }
    }

    pub(super) fn check(&self, request: &DownloadRequest<'_>) -> Result<()> {
        if self.end > Instant::now() { Ok(()) } else { Err(self.exceeded(request, "nothing")) }
    }

    /// The error at the deadline. A caller's own deadline is a wait timeout: the job is unharmed.
    pub(super) fn exceeded(&self, request: &DownloadRequest<'_>, received: &str) -> Error {
        let waited = self.start.elapsed();
        match request.job {
            Some(job) if self.end < self.start + MAX_DURATION => {
                Error::WaitTimeout { job: Box::new(job.clone()), waited, limit: WaitLimit::Timeout, last: None }
            }
            _ => Error::download(
                DownloadErrorKind::IncompleteDownload,
                format!("the download took too long: {received} arrived in {} s; download it again", waited.as_secs()),
            ),
        }
    }
}
