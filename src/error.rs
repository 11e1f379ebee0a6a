//! The one error type of the crate. The Python exceptions mirror its variants.

use std::time::Duration;

use crate::job::{JobStatus, VideoJob};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No API key, a bad base URL, an unreadable CA file.
    #[error("{0}")]
    Configuration(String),
    /// Refused before anything is sent.
    #[error("{message}")]
    InvalidRequest { field: &'static str, message: String },
    #[error("{}", .0.message)]
    Api(Box<ApiError>),
    /// DNS, TCP, TLS, or a reset connection.
    #[error("{}", .0.message)]
    ConnectionFailed(Box<TransportError>),
    /// One exchange took longer than the client's timeout.
    #[error("{}", .0.message)]
    RequestTimeout(Box<TransportError>),
    /// The response violates the documented contract.
    #[error("{message}")]
    InvalidResponse { message: String, body: String, request_id: Option<String>, status_code: u16 },
    /// A create was sent and its response was lost: a job may exist and be billed.
    #[error("{message}")]
    SubmitUnknown { message: String, status_code: Option<u16>, request_id: Option<String> },
    #[error("{}", failed(.0))]
    JobFailed(Box<VideoJob>),
    /// The video was made, but the service no longer has it.
    #[error("job {} has expired and its video is gone; submit the request again", .0.request_id)]
    JobExpired(Box<VideoJob>),
    #[error("{}", blocked(.0))]
    JobBlocked(Box<VideoJob>),
    #[error("{}", still_running(.job, *.waited, *.limit, .last.as_deref()))]
    WaitTimeout {
        job: Box<VideoJob>,
        /// Time spent waiting; for [`WaitLimit::Age`], the age of the job.
        waited: Duration,
        /// Which limit ended the wait.
        limit: WaitLimit,
        /// The error of the last poll, if it failed.
        last: Option<Box<str>>,
    },
    #[error("{}", .0.message)]
    Download(Box<DownloadError>),
    #[error("{}", .0.message)]
    Journal(Box<JournalError>),
    #[error("{}", .0.message)]
    NotSubmitted(Box<NotSubmitted>),
}

/// An item was not submitted, because a limit was reached or the service refused an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct NotSubmitted {
    pub message: String,
    /// The name of the limit or cause.
    pub limit: Option<&'static str>,
    /// Spent or reserved in the folder.
    pub spent_usd: Option<f64>,
    /// Of the item.
    pub estimate_usd: Option<f64>,
}

impl NotSubmitted {
    /// Not because of a limit.
    pub(crate) fn because(message: impl Into<String>) -> Error {
        let message = message.into();
        Error::NotSubmitted(Box::new(Self { message, limit: None, spent_usd: None, estimate_usd: None }))
    }
}

/// Which limit ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitLimit {
    Timeout,
    Age,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Decided by status, code and message together.
    pub kind: ApiErrorKind,
    pub status_code: u16,
    pub code: Option<String>,
    /// The service's message, or ours if it sent none.
    pub message: String,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    pub body: String,
    /// The message says that nothing was started (no channel for the model).
    pub not_started: bool,
    /// The body is an HTML page, which proxies send and APIs do not.
    pub is_page: bool,
}

#[cfg(test)]
impl ApiError {
    pub(crate) fn of(kind: ApiErrorKind, status_code: u16) -> Self {
        Self {
            kind,
            status_code,
            code: None,
            message: "no".into(),
            request_id: None,
            retry_after: None,
            body: String::new(),
            not_started: false,
            is_page: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiErrorKind {
    /// The key is missing or wrong.
    Authentication,
    /// For example a key without access to the model.
    PermissionDenied,
    /// No money left.
    InsufficientBalance,
    /// No such job, model or path.
    NotFound,
    /// Rejected because of its content; an unchanged retry fails again.
    BadRequest,
    RateLimited,
    Server,
    Other,
}

/// A failure between this process and the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// Without query strings.
    pub message: String,
    pub request_id: Option<String>,
    /// The request never left this machine: DNS, connect or TLS failed.
    pub not_sent: bool,
    /// A retry cannot help, for example with an untrusted certificate.
    pub permanent: bool,
}

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadError {
    pub kind: DownloadErrorKind,
    /// Without query strings.
    pub message: String,
    pub request_id: Option<String>,
    /// Set for disk errors.
    pub errno: Option<i32>,
}

/// Kinds of [`DownloadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DownloadErrorKind {
    VideoUrlExpired,
    /// The link leads to a private address or an unsupported scheme.
    UnsafeUrl,
    NotAVideo,
    IncompleteDownload,
    TooLarge,
    /// The disk, an existing target, a job without a link.
    Other,
}

/// Why the journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalError {
    pub kind: JournalErrorKind,
    /// What happened and what to do.
    pub message: String,
    pub request_id: Option<String>,
    /// Set for disk errors.
    pub errno: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JournalErrorKind {
    /// Another running process holds the claim.
    AlreadyRunning,
    Other,
}

impl Error {
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidRequest { field, message: message.into() }
    }

    /// [`Error::with_request_id`] adds the job.
    pub fn download(kind: DownloadErrorKind, message: impl Into<String>) -> Self {
        Self::Download(Box::new(DownloadError { kind, message: message.into(), request_id: None, errno: None }))
    }

    /// A disk error while `doing` something.
    #[must_use]
    pub fn disk(doing: &str, error: &std::io::Error) -> Self {
        Self::Download(Box::new(DownloadError {
            kind: DownloadErrorKind::Other,
            message: format!("{doing}: {error}"),
            request_id: None,
            errno: error.raw_os_error(),
        }))
    }

    /// `errno` is set for disk errors.
    pub fn journal(kind: JournalErrorKind, message: impl Into<String>, errno: Option<i32>) -> Self {
        Self::Journal(Box::new(JournalError { kind, message: message.into(), request_id: None, errno }))
    }

    /// Adds the job's id, unless the error already has one.
    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        match &mut self {
            Self::Api(error) => fill(&mut error.request_id, id),
            Self::ConnectionFailed(error) | Self::RequestTimeout(error) => fill(&mut error.request_id, id),
            Self::InvalidResponse { request_id, .. } => fill(request_id, id),
            Self::Download(error) => fill(&mut error.request_id, id),
            Self::Journal(error) => fill(&mut error.request_id, id),
            _ => {}
        }
        self
    }

    /// Appends advice to the message of an API or transport error; leaves the others unchanged.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        let message = match &mut self {
            Self::Api(error) => &mut error.message,
            Self::ConnectionFailed(error) | Self::RequestTimeout(error) => &mut error.message,
            Self::InvalidResponse { message, .. } => message,
            _ => return self,
        };
        message.push_str("; ");
        message.push_str(note);
        self
    }

    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status_code),
            Self::InvalidResponse { status_code, .. } => Some(*status_code),
            Self::SubmitUnknown { status_code, .. } => *status_code,
            _ => None,
        }
    }

    /// `Retry-After` of the response, or the reset time in its message.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(error) => error.retry_after,
            _ => None,
        }
    }
}

fn fill(slot: &mut Option<String>, id: &str) {
    slot.get_or_insert_with(|| id.to_owned());
}

fn still_running(job: &VideoJob, waited: Duration, limit: WaitLimit, last: Option<&str>) -> String {
    let (id, status, seconds) = (&job.request_id, job.status.as_str(), waited.as_secs_f64());
    let message = match limit {
        _ if job.is_terminal() => {
            format!(
                "the download for job {id} did not finish within {seconds:.0} s; the job is done, so download it again"
            )
        }
        WaitLimit::Timeout => {
            format!(
                "job {id} is still {status} after {seconds:.0} s; it still runs and is billed, so wait for it again"
            )
        }
        WaitLimit::Age => format!(
            "job {id} is still {status} {seconds:.0} s after its creation, longer than max_job_age, and is probably \
             lost; poll it once with get, or wait with a larger max_job_age"
        ),
    };
    last.map_or_else(|| message.clone(), |last| format!("{message} (the last poll failed: {last})"))
}

fn failed(job: &VideoJob) -> String {
    let reason = job.error.as_ref().map_or("the service gave no reason", |error| error.message.as_str());
    format!("job {} failed: {reason}", job.request_id)
}

fn blocked(job: &VideoJob) -> String {
    let reason = job.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
    format!("the video of job {} was withheld by moderation{reason}", job.request_id)
}

impl VideoJob {
    /// The job if it is not a failure, otherwise the matching error.
    pub fn into_result(self) -> Result<Self> {
        if self.is_blocked() {
            return Err(Error::JobBlocked(Box::new(self)));
        }
        match self.status {
            JobStatus::Failed => Err(Error::JobFailed(Box::new(self))),
            JobStatus::Expired => Err(Error::JobExpired(Box::new(self))),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobError, Video};

    #[test]
    fn failed_blocked_and_expired_jobs_become_errors() {
        let mut job = VideoJob::pending("a");
        job.status = JobStatus::Done;
        assert!(job.clone().into_result().is_ok());
        job.video = Some(Video { url: None, duration: None, respect_moderation: Some(false), ..Video::default() });
        assert!(matches!(job.clone().into_result(), Err(Error::JobBlocked(_))));
        job.status = JobStatus::Failed;
        assert!(matches!(job.clone().into_result(), Err(Error::JobFailed(_))));
        job.error = Some(JobError { code: None, message: "Generated video rejected by content moderation.".into() });
        assert!(matches!(job.clone().into_result(), Err(Error::JobBlocked(_))));
        job.status = JobStatus::Expired;
        assert!(matches!(job.into_result(), Err(Error::JobExpired(_))));
    }
}
