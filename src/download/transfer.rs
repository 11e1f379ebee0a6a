//! The attempts to download one file.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::Response;
use tokio::time::Instant;
use url::Url;

use super::client::FileClient;
use super::headers::{Validator, content_type, is_error_page, size_from_range};
use super::http_error::{HttpError, Reason};
use super::mp4_check::{Length, Mp4Check, Mp4Defect};
use super::options::DownloadRequest;
use super::throughput::Throughput;
use super::url_policy::unsafe_url;
use super::writer::FileWriter;
use crate::error::{DownloadErrorKind, Error, Result, TransportError};
use crate::event::{Event, Events};
use crate::redact::url_without_secrets;
use crate::transport::resolver::Refused;
use crate::transport::{error_chain, headers};

const MAX_REDIRECTS: u32 = 5;
/// ISO media files begin with a short `ftyp` box; the two zeros of its size exclude texts with `ftyp` in this place.
const SIGNATURE: [Option<u8>; 8] = [Some(0), Some(0), None, None, Some(b'f'), Some(b't'), Some(b'y'), Some(b'p')];
/// How much of an error body is read to find the reason, and for how long.
const EXCERPT: usize = 4 << 10;
const EXCERPT_TIMEOUT: Duration = Duration::from_secs(5);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

pub(super) enum AttemptError {
    Retryable {
        error: Error,
        retry_after: Option<Duration>,
    },
    /// The file has the announced size, but is not whole.
    Defective {
        error: Error,
        size: u64,
    },
    /// There is no file behind the link, or not yet.
    NoFile(HttpError),
    /// Most likely a page about an expired link.
    NotAVideo(Error),
    /// Retrying is pointless.
    Permanent(Error),
}

impl AttemptError {
    pub(super) fn message(&self) -> String {
        match self {
            Self::Retryable { error, .. }
            | Self::Defective { error, .. }
            | Self::NotAVideo(error)
            | Self::Permanent(error) => error.to_string(),
            Self::NoFile(http_error) => http_error.message(),
        }
    }
}

type Attempt<T> = std::result::Result<T, AttemptError>;

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Permanent(error)
    }
}

pub(super) struct Transfer<'a> {
    client: &'a FileClient,
    pub(super) writer: FileWriter,
    max_bytes: u64,
    progress: Progress<'a>,
    /// The first bytes, until there are enough to recognise a video.
    head: BytesMut,
    pub(super) saved_bytes: u64,
    /// The most bytes of all attempts.
    pub(super) most_received: u64,
    /// The size of the file that is being saved.
    total: Option<u64>,
    /// The last announced size; not reset when the download starts over.
    pub(super) announced_size: Option<u64>,
    validator: Option<Validator>,
    mp4_check: Mp4Check,
    /// Whether the file comes from several responses.
    is_resumed: bool,
    pub(super) content_type: Option<String>,
    /// The content type, if it is one of error pages. Only used in messages: the content decides.
    error_page_type: Option<String>,
    /// Whether any response arrived from the file's own server.
    pub(super) is_answered: bool,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        client: &'a FileClient,
        writer: FileWriter,
        request: &DownloadRequest<'a>,
        events: &'a Events,
    ) -> Self {
        Self {
            client,
            writer,
            max_bytes: request.options.max_bytes,
            progress: Progress { events, request_id: request.job.map(|job| job.request_id.as_str()), last: None },
            head: BytesMut::new(),
            saved_bytes: 0,
            most_received: 0,
            total: None,
            announced_size: None,
            validator: None,
            mp4_check: Mp4Check::default(),
            is_resumed: false,
            content_type: None,
            error_page_type: None,
            is_answered: false,
        }
    }

    /// Fetches what is missing; `Ok` means that the file is whole.
    pub(super) async fn attempt(&mut self, url: &Url) -> Attempt<()> {
        self.head.clear();
        if self.validator.is_none() || self.saved_bytes == 0 {
            self.start_over().await?;
        }
        let response = follow(self.client, url, self.missing_range().as_ref()).await?;
        self.is_answered = true;
        let response = self.begin(response).await?;
        self.read(response).await
    }

    /// Discards everything received so far.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.head.clear();
        self.total = None;
        self.validator = None;
        self.mp4_check = Mp4Check::default();
        self.is_resumed = false;
        if self.saved_bytes > 0 {
            self.saved_bytes = 0;
            self.writer.start_over().await?;
        }
        Ok(())
    }

    /// How much of the file was received, for messages.
    pub(super) fn received(&self) -> String {
        let size = self.announced_size.map_or_else(|| "an unknown number of".into(), |size| size.to_string());
        format!("{} of {size} bytes", self.most_received)
    }

    /// The part that is still missing, if the rest can be requested.
    fn missing_range(&self) -> Option<RangeRequest> {
        let validator = self.validator.as_ref().filter(|_| self.saved_bytes > 0)?;
        Some(RangeRequest { range: format!("bytes={}-", self.saved_bytes), if_range: Some(validator.value.clone()) })
    }

    /// Checks the status and the headers of a response.
    async fn begin(&mut self, response: Response) -> Attempt<Response> {
        let url = url_without_secrets(response.url());
        let retry = |message: String| AttemptError::Retryable {
            error: incomplete(message),
            retry_after: retry_after(&response),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let size = size_from_range(response.headers(), self.saved_bytes, self.total, self.validator.as_ref());
                let Some(size) = size else {
                    self.start_over().await?;
                    return Err(retry(format!("{url} sent another part of the file than the requested one")));
                };
                self.total = Some(size);
                self.is_resumed = self.saved_bytes > 0;
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.start_over().await?;
                return Err(retry(format!("{url} has no such part of the file (HTTP 416)")));
            }
            StatusCode::PRECONDITION_FAILED if self.saved_bytes > 0 => {
                self.start_over().await?;
                return Err(retry(format!("the file of {url} has changed (HTTP 412)")));
            }
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => return Err(not_yet(&response)),
            status if status.is_success() && response.content_length() == Some(0) => return Err(not_yet(&response)),
            // Proxies use other success statuses, such as 203. The content decides.
            status if status.is_success() => {
                self.start_over().await?;
                self.total = response.content_length();
            }
            status if is_retryable_status(status) => {
                return Err(retry(format!("{url} answered HTTP {}", status.as_u16())));
            }
            _ => return Err(no_file(response).await),
        }
        self.announced_size = self.total.or(self.announced_size);
        self.take_headers(&response)?;
        self.progress.emit_now(self.saved_bytes, self.total);
        Ok(response)
    }

    fn take_headers(&mut self, response: &Response) -> Result<()> {
        if let Some(total) = self.total {
            self.check_size(total)?;
        }
        let kind = content_type(response.headers());
        self.error_page_type = kind.clone().filter(|kind| is_error_page(kind));
        self.content_type = kind.or(self.content_type.take());
        if self.saved_bytes == 0 {
            self.validator = Validator::of(response.headers());
        }
        Ok(())
    }

    fn check_size(&self, bytes: u64) -> Result<()> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        let message = format!("the file has at least {bytes} bytes, more than max_bytes={}", self.max_bytes);
        Err(Error::download(DownloadErrorKind::TooLarge, message))
    }

    async fn read(&mut self, mut response: Response) -> Attempt<()> {
        let url = url_without_secrets(response.url());
        let mut throughput = Throughput::new(self.client.config().timeout);
        while let Some(chunk) = next_chunk(&mut response, &mut throughput).await? {
            self.append(chunk, &url).await?;
            if self.mp4_check.cannot_be_video() {
                break;
            }
        }
        self.check_end(&response).await
    }

    /// Checks the file at the end of a response.
    async fn check_end(&mut self, response: &Response) -> Attempt<()> {
        let url = url_without_secrets(response.url());
        let received = self.saved_bytes + self.head.len() as u64;
        let retry = |message: String| AttemptError::Retryable { error: incomplete(message), retry_after: None };
        if received == 0 && self.total.is_none() {
            return Err(not_yet(response));
        }
        if self.saved_bytes == 0 && !begins_like_a_video(&self.head) {
            return Err(self.not_a_video(&url, &self.head));
        }
        if let Some(total) = self.total.filter(|total| *total != received && !self.mp4_check.cannot_be_video()) {
            if received > total {
                self.start_over().await?;
            }
            return Err(retry(format!("{url} sent {received} bytes instead of {total}")));
        }
        let Some(defect) = self.defect() else {
            self.progress.emit_now(self.saved_bytes, Some(self.saved_bytes));
            return Ok(());
        };
        let message = format!("the file of {url} ({received} bytes) {}", defect.message());
        match (defect, self.total) {
            // The parts may belong to two versions.
            _ if self.is_resumed => {
                self.start_over().await?;
                Err(retry(message))
            }
            (Mp4Defect::NotBoxes, _) => Err(not_a_video(message).into()),
            (_, None) => Err(retry(message)),
            (_, Some(size)) => {
                self.start_over().await?;
                Err(AttemptError::Defective { error: incomplete(message), size })
            }
        }
    }

    fn defect(&self) -> Option<Mp4Defect> {
        let length = if self.total.is_some() { Length::Announced } else { Length::Unknown };
        // Fewer bytes than the signature are not saved.
        if self.saved_bytes == 0 { Some(Mp4Defect::Truncated) } else { self.mp4_check.defect(length) }
    }

    async fn append(&mut self, chunk: Bytes, url: &str) -> Attempt<()> {
        let chunk = if self.saved_bytes > 0 {
            chunk
        } else {
            self.head.extend_from_slice(&chunk);
            if self.head.len() < SIGNATURE.len() {
                return Ok(());
            }
            let head = self.head.split().freeze();
            if !begins_like_a_video(&head) {
                return Err(self.not_a_video(url, &head));
            }
            head
        };
        let saved = self.saved_bytes + chunk.len() as u64;
        self.check_size(saved)?;
        self.mp4_check.push(&chunk);
        self.writer.append(chunk).await?;
        self.saved_bytes = saved;
        self.most_received = self.most_received.max(saved);
        self.progress.emit(self.saved_bytes, self.total);
        Ok(())
    }

    fn not_a_video(&self, url: &str, head: &[u8]) -> AttemptError {
        let message = if let Some(kind) = &self.error_page_type {
            format!("{url} sent {kind:?} instead of a video, most likely an error page")
        } else {
            let beginning = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
            format!("{url} sent something else than an MP4 file: it begins with {beginning:?}")
        };
        AttemptError::NotAVideo(not_a_video(message))
    }
}

/// The next bytes, unless they arrive too slowly.
async fn next_chunk(response: &mut Response, throughput: &mut Throughput) -> Attempt<Option<Bytes>> {
    let too_slow = |url: &Url, received: u64| {
        let message =
            format!("{} took too long: it sent {received} bytes within the client's timeout", url_without_secrets(url));
        let failure = TransportError { message, request_id: None, not_sent: false, permanent: false };
        AttemptError::Retryable { error: Error::RequestTimeout(Box::new(failure)), retry_after: None }
    };
    loop {
        let (start, left) = (Instant::now(), throughput.left());
        let result = tokio::time::timeout(left, response.chunk()).await;
        let (waited, bytes) = match &result {
            Ok(Ok(Some(chunk))) => (start.elapsed(), chunk.len()),
            Ok(_) => (Duration::ZERO, 0),
            Err(_) => (left, 0),
        };
        throughput.count(waited, bytes).map_err(|received| too_slow(response.url(), received))?;
        if let Ok(chunk) = result {
            return chunk.map_err(|error| attempt_error(response.url(), error));
        }
    }
}

async fn no_file(mut response: Response) -> AttemptError {
    let (url, status, retry_after) = (response.url().clone(), response.status(), retry_after(&response));
    let text = beginning(&mut response).await;
    let reason = Reason::of(status, &text);
    AttemptError::NoFile(HttpError { url: url_without_secrets(&url), status, reason, retry_after })
}

/// The beginning of a body, as far as it arrives in time.
async fn beginning(response: &mut Response) -> String {
    let mut bytes = BytesMut::new();
    let read = async {
        while bytes.len() < EXCERPT
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
    };
    // A timeout leaves the bytes received so far.
    let _ = tokio::time::timeout(EXCERPT_TIMEOUT, read).await;
    String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]).into_owned()
}

fn not_yet(response: &Response) -> AttemptError {
    AttemptError::NoFile(HttpError {
        url: url_without_secrets(response.url()),
        status: response.status(),
        reason: Reason::NotYet,
        retry_after: retry_after(response),
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    headers::retry_after(response.headers(), SystemTime::now())
}

pub(super) struct RangeRequest {
    pub(super) range: String,
    /// The validator of the version that is being saved.
    pub(super) if_range: Option<HeaderValue>,
}

/// The response at the end of the redirects, each of which is checked like the first URL.
pub(super) async fn follow(client: &FileClient, url: &Url, part: Option<&RangeRequest>) -> Attempt<Response> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = request(client, &url, part).await?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let Some(location) = response.headers().get(LOCATION).map(headers::location) else {
            return Ok(response);
        };
        url = client.url_policy().redirect(&url, &location)?;
    }
    Err(unsafe_url(format!(
        "the link redirects more than {MAX_REDIRECTS} times, last to {}",
        url_without_secrets(&url)
    ))
    .into())
}

async fn request(client: &FileClient, url: &Url, part: Option<&RangeRequest>) -> Attempt<Response> {
    let mut request = client.get(url).await?;
    if let Some(part) = part {
        request = request.header(RANGE, &part.range);
        if let Some(validator) = &part.if_range {
            request = request.header(IF_RANGE, validator.clone());
        }
    }
    request.send().await.map_err(|error| match client.proxy_failure(url, &error) {
        Some(proxy_error) if resolver_refusal(&error).is_none() => {
            AttemptError::Retryable { error: proxy_error, retry_after: None }
        }
        _ => attempt_error(url, error),
    })
}

/// Requests the first byte; `None` if the link is usable, as far as its server says.
pub(super) async fn probe(client: &FileClient, url: &Url) -> Option<HttpError> {
    let first_byte = RangeRequest { range: "bytes=0-0".into(), if_range: None };
    // A failed connection says nothing about the link.
    let response = follow(client, url, Some(&first_byte)).await.ok()?;
    let attempt_error = match response.status() {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => not_yet(&response),
        status if status.is_success() && response.content_length() == Some(0) => not_yet(&response),
        status if status.is_client_error() && !is_retryable_status(status) => no_file(response).await,
        _ => return None,
    };
    match attempt_error {
        AttemptError::NoFile(http_error) => Some(http_error),
        _ => None,
    }
}

/// Emits progress events, but not for every chunk.
struct Progress<'a> {
    events: &'a Events,
    request_id: Option<&'a str>,
    last: Option<Instant>,
}

impl Progress<'_> {
    fn emit(&mut self, received: u64, total: Option<u64>) {
        if self.last.is_none_or(|last| last.elapsed() >= PROGRESS_INTERVAL) {
            self.emit_now(received, total);
        }
    }

    fn emit_now(&mut self, received: u64, total: Option<u64>) {
        self.last = Some(Instant::now());
        self.events.emit(|| Event::Download { request_id: self.request_id.map(Into::into), received, total });
    }
}

fn is_retryable_status(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether this may be the beginning of a video; a short head is compared as far as it goes.
fn begins_like_a_video(head: &[u8]) -> bool {
    head.iter().zip(SIGNATURE).all(|(byte, expected)| expected.is_none_or(|expected| *byte == expected))
}

fn incomplete(message: String) -> Error {
    Error::download(DownloadErrorKind::IncompleteDownload, message)
}

fn not_a_video(message: String) -> Error {
    Error::download(DownloadErrorKind::NotAVideo, message)
}

fn attempt_error(url: &Url, error: reqwest::Error) -> AttemptError {
    let error = error.without_url();
    if let Some(refused) = resolver_refusal(&error) {
        return AttemptError::Permanent(unsafe_url(format!("refused {}: {refused}", url_without_secrets(url))));
    }
    let reasons = error_chain::describe(&error);
    if error.is_builder() {
        return AttemptError::Permanent(unsafe_url(format!(
            "the link {} cannot be requested: {reasons}",
            url_without_secrets(url)
        )));
    }
    let url = url_without_secrets(url);
    let failed = |what: String| {
        let message = format!("{what}: {reasons}");
        Box::new(TransportError { message, request_id: None, not_sent: error.is_connect(), permanent: false })
    };
    let error = if error.is_timeout() {
        Error::RequestTimeout(failed(format!("{url} took too long to respond")))
    } else if error.is_connect() {
        Error::ConnectionFailed(failed(format!("could not connect to {url}")))
    } else {
        Error::ConnectionFailed(failed(format!("the connection broke while downloading {url}")))
    };
    AttemptError::Retryable { error, retry_after: None }
}

/// The resolver's refusal, unwrapped from the HTTP client's error.
fn resolver_refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref() {
            return Some(refused);
        }
        next = cause.source();
    }
    None
}
