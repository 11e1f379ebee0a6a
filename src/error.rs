//! Everything that can go wrong, in one type that the Python exceptions mirror.

use std::time::Duration;

use crate::job::{JobStatus, VideoJob};

/// The result of every fallible function here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The client cannot be set up as told: no key, a bad base URL, an unreadable CA file.
    #[error("{0}")]
    Configuration(String),
    /// Refused here, before anything was sent.
    #[error("{message}")]
    InvalidRequest {
        /// The argument at fault.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The service answered with an error.
    #[error("{}", .0.message)]
    Api(Box<ApiError>),
    /// No connection, or it broke: DNS, TCP, TLS, reset.
    #[error("{}", .0.message)]
    ConnectionFailed(Box<TransportError>),
    /// One exchange took longer than the client's timeout.
    #[error("{}", .0.message)]
    RequestTimeout(Box<TransportError>),
    /// The service answered with something its contract does not allow.
    #[error("{message}")]
    InvalidResponse {
        /// What is wrong with the answer.
        message: String,
        /// The beginning of the answer.
        body: String,
        /// The job asked after, if one was.
        request_id: Option<String>,
        /// The HTTP status of the answer.
        status_code: u16,
    },
    /// A create was sent and its answer was lost: a job may exist and be billed.
    #[error("{message}")]
    SubmitUnknown {
        /// What happened to the answer.
        message: String,
        /// The HTTP status of the answer, if there was one.
        status_code: Option<u16>,
        /// The job that the answer names, where it cannot be asked after.
        request_id: Option<String>,
    },
    /// The job ended without a video.
    #[error("{}", failed(.0))]
    JobFailed(Box<VideoJob>),
    /// The job's video was made and its content is gone.
    #[error("job {} has expired: its video is gone from the service", .0.request_id)]
    JobExpired(Box<VideoJob>),
    /// Moderation withheld the video.
    #[error("{}", blocked(.0))]
    JobBlocked(Box<VideoJob>),
    /// Waiting for the job, or for its file, took longer than allowed.
    #[error("{}", still_running(.job, *.waited, *.limit, .last.as_deref()))]
    WaitTimeout {
        /// The last snapshot.
        job: Box<VideoJob>,
        /// How long was waited, or how old the job is.
        waited: Duration,
        /// Which limit ended the wait.
        limit: WaitLimit,
        /// The error that came in place of the last answer, if one did.
        last: Option<Box<str>>,
    },
    /// The file could not be kept.
    #[error("{}", .0.message)]
    Download(Box<DownloadError>),
    /// The journal could not be used.
    #[error("{}", .0.message)]
    Journal(Box<JournalError>),
    /// Not bought: a limit of the caller, or an earlier refusal, stopped the buying.
    #[error("{0}")]
    NotBought(String),
}

/// What ends a wait for a job that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitLimit {
    /// The timeout of the wait.
    Timeout,
    /// The largest age of a job.
    Age,
}

/// An answer of the service that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// What kind of error, decided by status, code and words together.
    pub kind: ApiErrorKind,
    /// The HTTP status.
    pub status_code: u16,
    /// The service's code, if it gave one.
    pub code: Option<String>,
    /// The service's words, or ours when it gave none.
    pub message: String,
    /// The job asked after, if one was.
    pub request_id: Option<String>,
    /// When to try again, if the service said so.
    pub retry_after: Option<Duration>,
    /// The beginning of the answer.
    pub body: String,
    /// Whether the words say that nothing was started (no channel for the model).
    pub not_started: bool,
    /// Whether it came as an HTML page, which proxies send and APIs do not.
    pub is_page: bool,
}

#[cfg(test)]
impl ApiError {
    /// A refusal without words, for tests.
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

/// The kinds of [`ApiError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiErrorKind {
    /// The key is missing or wrong.
    Authentication,
    /// The key may not do this.
    PermissionDenied,
    /// No money left.
    InsufficientBalance,
    /// No such job, model or path.
    NotFound,
    /// The request is refused as it is.
    BadRequest,
    /// Too many requests.
    RateLimited,
    /// The service's own trouble.
    Server,
    /// Any other error status.
    Other,
}

/// Trouble on the way to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// What happened, without query strings.
    pub message: String,
    /// The job concerned, if one is.
    pub request_id: Option<String>,
    /// Whether the request certainly never left: DNS, connect or TLS.
    pub not_sent: bool,
    /// Whether trying again cannot help: a certificate that is not trusted.
    pub permanent: bool,
}

/// Why a file could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadError {
    /// What kind of error.
    pub kind: DownloadErrorKind,
    /// What happened and what to do, without query strings.
    pub message: String,
    /// The job concerned, if known.
    pub request_id: Option<String>,
    /// The operating system's error number, when it was the disk.
    pub errno: Option<i32>,
}

/// The kinds of [`DownloadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DownloadErrorKind {
    /// The link is no longer good.
    VideoUrlExpired,
    /// The link leads where we do not go.
    UnsafeUrl,
    /// What came is not a video.
    NotAVideo,
    /// The file did not arrive whole.
    IncompleteDownload,
    /// The file is larger than allowed.
    TooLarge,
    /// Anything else: the disk, an existing target, a job without a link.
    Other,
}

/// Why the journal could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalError {
    /// What kind of error.
    pub kind: JournalErrorKind,
    /// What happened and what to do.
    pub message: String,
    /// The job concerned, if one is.
    pub request_id: Option<String>,
    /// The operating system's error number, when it was the disk.
    pub errno: Option<i32>,
}

/// The kinds of [`JournalError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JournalErrorKind {
    /// A living process is at the same work.
    AlreadyRunning,
    /// It cannot be read or written.
    Other,
}

impl Error {
    /// An argument that is refused before anything is sent.
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidRequest { field, message: message.into() }
    }

    /// A download that went wrong; the id is added by [`Error::with_request_id`].
    pub fn download(kind: DownloadErrorKind, message: impl Into<String>) -> Self {
        Self::Download(Box::new(DownloadError { kind, message: message.into(), request_id: None, errno: None }))
    }

    /// The disk's refusal.
    #[must_use]
    pub fn disk(doing: &str, error: &std::io::Error) -> Self {
        Self::Download(Box::new(DownloadError {
            kind: DownloadErrorKind::Other,
            message: format!("{doing}: {error}"),
            request_id: None,
            errno: error.raw_os_error(),
        }))
    }

    /// The journal's trouble.
    pub fn journal(kind: JournalErrorKind, message: impl Into<String>, errno: Option<i32>) -> Self {
        Self::Journal(Box::new(JournalError { kind, message: message.into(), request_id: None, errno }))
    }

    /// The same error, naming the job it concerns.
    #[must_use]
    pub fn with_request_id(mut self, id: &str) -> Self {
        match &mut self {
            Self::Api(error) => fill(&mut error.request_id, id),
            Self::ConnectionFailed(failure) | Self::RequestTimeout(failure) => fill(&mut failure.request_id, id),
            Self::InvalidResponse { request_id, .. } => fill(request_id, id),
            Self::Download(error) => fill(&mut error.request_id, id),
            Self::Journal(error) => fill(&mut error.request_id, id),
            _ => {}
        }
        self
    }

    /// The same error, saying more; for what the service or the way to it did.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        let message = match &mut self {
            Self::Api(error) => &mut error.message,
            Self::ConnectionFailed(failure) | Self::RequestTimeout(failure) => &mut failure.message,
            Self::InvalidResponse { message, .. } => message,
            _ => return self,
        };
        message.push_str("; ");
        message.push_str(note);
        self
    }

    /// The HTTP status that the error came with.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status_code),
            Self::InvalidResponse { status_code, .. } => Some(*status_code),
            Self::SubmitUnknown { status_code, .. } => *status_code,
            _ => None,
        }
    }

    /// When the service says to try again.
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
    let words = match limit {
        _ if job.is_terminal() => {
            format!(
                "the file of job {id} did not arrive within {seconds:.0} s; the job is done: download its file again"
            )
        }
        WaitLimit::Timeout => {
            format!("job {id} is still {status} after {seconds:.0} s; it goes on, and can be waited for again")
        }
        WaitLimit::Age => format!(
            "job {id} is still {status} {seconds:.0} s after its beginning, which is longer than max_job_age: it is \
             probably lost; poll it once with get, or wait with a larger max_job_age"
        ),
    };
    last.map_or_else(|| words.clone(), |last| format!("{words} (lastly, instead of an answer: {last})"))
}

fn failed(job: &VideoJob) -> String {
    let reason = job.error.as_ref().map_or("the service gave no reason", |error| error.message.as_str());
    format!("job {} failed: {reason}", job.request_id)
}

fn blocked(job: &VideoJob) -> String {
    let words = job.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
    format!("the video of job {} was withheld by moderation{words}", job.request_id)
}

impl VideoJob {
    /// The job if it ended well, or the error that its end stands for.
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
    fn a_job_that_ended_badly_is_an_error() {
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
