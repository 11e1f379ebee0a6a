//! One attempt after another at the bytes of one file.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::Response;
use tokio::time::Instant;
use url::Url;

use super::headers::{Validator, content_type, is_an_error_page, size_by_rest};
use super::http_error::{HttpError, Reason};
use super::mp4_check::{Boxes, Length, Mp4Defect};
use super::throughput::Throughput;
use super::url_policy::unsafe_url;
use super::writer::Writer;
use super::{DownloadRequest, Files};
use crate::error::{DownloadErrorKind, Error, Result, TransportError};
use crate::event::{Event, Events};
use crate::redact::url_without_secrets;
use crate::transport::error_chain;
use crate::transport::resolver::Refused;

const MAX_REDIRECTS: u32 = 5;
/// How ISO media files begin: with a box named `ftyp`, whose list of brands is short. A text that says `ftyp` at the
/// right place announces a longer one.
const BEGINNING: [Option<u8>; 8] = [Some(0), Some(0), None, None, Some(b'f'), Some(b't'), Some(b'y'), Some(b'p')];
/// As much of an error answer, and for as long, as tells what it is about.
const EXCERPT: usize = 4 << 10;
const EXCERPT_TIME: Duration = Duration::from_secs(5);
const BETWEEN_EVENTS: Duration = Duration::from_millis(100);

/// Why an attempt did not bring the whole file.
pub(super) enum AttemptError {
    /// Another attempt may do better.
    Passing { why: Error, retry_after: Option<Duration> },
    /// The file came as long as it was announced, and is not whole.
    Flawed { why: Error, size: u64 },
    /// There is no file behind the link, or not yet.
    Refused(HttpError),
    /// Something else than a video came: a page about an expired link, most likely.
    NoVideo(Error),
    /// There is no point in trying again.
    Final(Error),
}

impl AttemptError {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Passing { why, .. } | Self::Flawed { why, .. } | Self::NoVideo(why) | Self::Final(why) => {
                why.to_string()
            }
            Self::Refused(http_error) => http_error.words(),
        }
    }
}

type Attempt<T> = std::result::Result<T, AttemptError>;

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// A file on its way.
pub(super) struct Transfer<'a> {
    files: &'a Files,
    pub(super) writer: Writer,
    max_bytes: u64,
    progress: Progress<'a>,
    /// The first bytes, until there are enough to tell a video.
    head: BytesMut,
    pub(super) kept: u64,
    /// The most that was ever kept, whatever was thrown away since.
    pub(super) furthest: u64,
    /// The size of the file that is being kept.
    total: Option<u64>,
    /// The size last announced.
    pub(super) size: Option<u64>,
    validator: Option<Validator>,
    mp4_check: Boxes,
    /// Whether it comes from several answers.
    is_pieced: bool,
    pub(super) content_type: Option<String>,
    /// The type, if it is one of error pages. The content decides, and this words the refusal.
    page_type: Option<String>,
    /// Whether an answer ever came from where the file is.
    pub(super) answered: bool,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(files: &'a Files, writer: Writer, order: &DownloadRequest<'a>, events: &'a Events) -> Self {
        Self {
            files,
            writer,
            max_bytes: order.options.max_bytes,
            progress: Progress { events, request_id: order.job.map(|job| job.request_id.as_str()), last: None },
            head: BytesMut::new(),
            kept: 0,
            furthest: 0,
            total: None,
            size: None,
            validator: None,
            mp4_check: Boxes::default(),
            is_pieced: false,
            content_type: None,
            page_type: None,
            answered: false,
        }
    }

    /// Fetches what is missing; `Ok` means that the file is whole.
    pub(super) async fn attempt(&mut self, url: &Url) -> Attempt<()> {
        self.head.clear();
        if self.validator.is_none() || self.kept == 0 {
            self.start_over().await?;
        }
        let response = follow(self.files, url, self.rest().as_ref()).await?;
        self.answered = true;
        let response = self.begin(response).await?;
        self.read(response).await
    }

    /// Forgets all that came so far.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.head.clear();
        self.total = None;
        self.validator = None;
        self.mp4_check = Boxes::default();
        self.is_pieced = false;
        if self.kept > 0 {
            self.kept = 0;
            self.writer.start_over().await?;
        }
        Ok(())
    }

    /// How much of it ever came, in words.
    pub(super) fn extent(&self) -> String {
        let of = self.size.map_or_else(|| "an unknown number".into(), |total| total.to_string());
        format!("{} of {of} bytes", self.furthest)
    }

    /// What is missing of a file of which something was kept.
    fn rest(&self) -> Option<RangeRequest> {
        let validator = self.validator.as_ref().filter(|_| self.kept > 0)?;
        Some(RangeRequest { range: format!("bytes={}-", self.kept), unchanged: Some(validator.value.clone()) })
    }

    /// Judges an answer by its status and headers.
    async fn begin(&mut self, response: Response) -> Attempt<Response> {
        let url = url_without_secrets(response.url());
        let again =
            |words: String| AttemptError::Passing { why: incomplete(words), retry_after: asked_pause(&response) };
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let size = size_by_rest(response.headers(), self.kept, self.total, self.validator.as_ref());
                let Some(size) = size else {
                    self.start_over().await?;
                    return Err(again(format!("{url} answered with another part of the file than the one asked for")));
                };
                self.total = Some(size);
                self.is_pieced = self.kept > 0;
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.start_over().await?;
                return Err(again(format!("{url} has no such part of the file (HTTP 416)")));
            }
            StatusCode::PRECONDITION_FAILED if self.kept > 0 => {
                self.start_over().await?;
                return Err(again(format!("{url} has another file by now (HTTP 412)")));
            }
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => return Err(not_yet(&response)),
            status if status.is_success() && response.content_length() == Some(0) => return Err(not_yet(&response)),
            // Caches and proxies have successes of their own, such as 203. The content decides.
            status if status.is_success() => {
                self.start_over().await?;
                self.total = response.content_length();
            }
            status if may_pass(status) => return Err(again(format!("{url} answered HTTP {}", status.as_u16()))),
            _ => return Err(refused(response).await),
        }
        self.size = self.total.or(self.size);
        self.take_headers(&response)?;
        self.progress.emit_now(self.kept, self.total);
        Ok(response)
    }

    fn take_headers(&mut self, response: &Response) -> Result<()> {
        if let Some(total) = self.total {
            self.check_size(total)?;
        }
        let kind = content_type(response.headers());
        self.page_type = kind.clone().filter(|kind| is_an_error_page(kind));
        self.content_type = kind.or(self.content_type.take());
        if self.kept == 0 {
            self.validator = Validator::of(response.headers());
        }
        Ok(())
    }

    fn check_size(&self, bytes: u64) -> Result<()> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        let words = format!("the file has {bytes} bytes or more, and max_bytes is {}", self.max_bytes);
        Err(Error::download(DownloadErrorKind::TooLarge, words))
    }

    async fn read(&mut self, mut response: Response) -> Attempt<()> {
        let url = url_without_secrets(response.url());
        let mut throughput = Throughput::new(self.files.config().timeout);
        while let Some(chunk) = next_chunk(&mut response, &mut throughput).await? {
            self.take(chunk, &url).await?;
            if self.mp4_check.is_hopeless() {
                break;
            }
        }
        self.judge(&response).await
    }

    /// Judges what came when nothing more comes.
    async fn judge(&mut self, response: &Response) -> Attempt<()> {
        let url = url_without_secrets(response.url());
        let came = self.kept + self.head.len() as u64;
        let passing = |words: String| AttemptError::Passing { why: incomplete(words), retry_after: None };
        if came == 0 && self.total.is_none() {
            return Err(not_yet(response));
        }
        if self.kept == 0 && !begins_like_a_video(&self.head) {
            return Err(self.no_video(&url, &self.head));
        }
        if let Some(total) = self.total.filter(|total| *total != came && !self.mp4_check.is_hopeless()) {
            if came > total {
                self.start_over().await?;
            }
            return Err(passing(format!("{url} sent {came} bytes and had announced {total}")));
        }
        let Some(flaw) = self.flaw() else {
            self.progress.emit_now(self.kept, Some(self.kept));
            return Ok(());
        };
        let words = format!("the file of {url}, of {came} bytes, {}", flaw.words());
        match (flaw, self.total) {
            // What was pieced together may be two files.
            _ if self.is_pieced => {
                self.start_over().await?;
                Err(passing(words))
            }
            (Mp4Defect::Foreign, _) => Err(not_a_video(words).into()),
            (_, None) => Err(passing(words)),
            (_, Some(size)) => {
                self.start_over().await?;
                Err(AttemptError::Flawed { why: incomplete(words), size })
            }
        }
    }

    /// What is wrong with the file, should this be all of it.
    fn flaw(&self) -> Option<Mp4Defect> {
        let length = if self.total.is_some() { Length::Announced } else { Length::Unknown };
        // Less than the beginning of a video is kept nowhere.
        if self.kept == 0 { Some(Mp4Defect::Cut) } else { self.mp4_check.flaw(length) }
    }

    async fn take(&mut self, chunk: Bytes, url: &str) -> Attempt<()> {
        let chunk = if self.kept > 0 {
            chunk
        } else {
            self.head.extend_from_slice(&chunk);
            if self.head.len() < BEGINNING.len() {
                return Ok(());
            }
            let head = self.head.split().freeze();
            if !begins_like_a_video(&head) {
                return Err(self.no_video(url, &head));
            }
            head
        };
        let kept = self.kept + chunk.len() as u64;
        self.check_size(kept)?;
        self.mp4_check.follow(&chunk);
        self.writer.append(chunk).await?;
        self.kept = kept;
        self.furthest = self.furthest.max(kept);
        self.progress.emit(self.kept, self.total);
        Ok(())
    }

    /// What came in place of a video.
    fn no_video(&self, url: &str, head: &[u8]) -> AttemptError {
        let words = if let Some(kind) = &self.page_type {
            format!("{url} gave {kind:?} in place of a video: an error page, most likely")
        } else {
            let beginning = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
            format!("what {url} gave is not an MP4 file: it begins with {beginning:?}")
        };
        AttemptError::NoVideo(not_a_video(words))
    }
}

/// The next bytes, unless they come too slowly.
async fn next_chunk(response: &mut Response, throughput: &mut Throughput) -> Attempt<Option<Bytes>> {
    let too_slow = |url: &Url, received: u64| {
        let message =
            format!("{} took too long: it sent {received} bytes within the client's timeout", url_without_secrets(url));
        let failure = TransportError { message, request_id: None, not_sent: false, permanent: false };
        AttemptError::Passing { why: Error::RequestTimeout(Box::new(failure)), retry_after: None }
    };
    loop {
        let (asked, left) = (Instant::now(), throughput.left());
        let answer = tokio::time::timeout(left, response.chunk()).await;
        let (waited, bytes) = match &answer {
            Ok(Ok(Some(chunk))) => (asked.elapsed(), chunk.len()),
            Ok(_) => (Duration::ZERO, 0),
            Err(_) => (left, 0),
        };
        throughput.count(waited, bytes).map_err(|received| too_slow(response.url(), received))?;
        if let Ok(answer) = answer {
            return answer.map_err(|error| attempt_error(response.url(), error));
        }
    }
}

/// What an answer says that is no file.
async fn refused(mut response: Response) -> AttemptError {
    let (url, status, retry_after) = (response.url().clone(), response.status(), asked_pause(&response));
    let text = beginning(&mut response).await;
    let reason = Reason::of(status, &text);
    AttemptError::Refused(HttpError { url: url_without_secrets(&url), status, reason, retry_after })
}

/// The beginning of an answer's body, as far as it comes.
async fn beginning(response: &mut Response) -> String {
    let mut bytes = BytesMut::new();
    let read = async {
        while bytes.len() < EXCERPT
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
    };
    // What came by then is all there is to go by.
    let _ = tokio::time::timeout(EXCERPT_TIME, read).await;
    String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]).into_owned()
}

fn not_yet(response: &Response) -> AttemptError {
    AttemptError::Refused(HttpError {
        url: url_without_secrets(response.url()),
        status: response.status(),
        reason: Reason::NotYet,
        retry_after: asked_pause(response),
    })
}

fn asked_pause(response: &Response) -> Option<Duration> {
    crate::transport::headers::retry_after(response.headers(), SystemTime::now())
}

/// A part of a file.
pub(super) struct RangeRequest {
    pub(super) range: String,
    /// What says that it is still the same file.
    pub(super) unchanged: Option<HeaderValue>,
}

/// The answer at the end of the redirects, each of which is checked like the first address.
pub(super) async fn follow(files: &Files, url: &Url, part: Option<&RangeRequest>) -> Attempt<Response> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = request(files, &url, part).await?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let Some(location) = response.headers().get(LOCATION).map(crate::transport::headers::location) else {
            return Ok(response);
        };
        url = files.rules().redirect(&url, &location)?;
    }
    Err(unsafe_url(format!(
        "the link redirects more than {MAX_REDIRECTS} times, lastly to {}",
        url_without_secrets(&url)
    ))
    .into())
}

async fn request(files: &Files, url: &Url, part: Option<&RangeRequest>) -> Attempt<Response> {
    let mut request = files.get(url).await?;
    if let Some(part) = part {
        request = request.header(RANGE, &part.range);
        if let Some(validator) = &part.unchanged {
            request = request.header(IF_RANGE, validator.clone());
        }
    }
    request.send().await.map_err(|error| match files.proxy_failure(url, &error) {
        Some(why) if http_error(&error).is_none() => AttemptError::Passing { why, retry_after: None },
        _ => attempt_error(url, error),
    })
}

/// What one look at a link says about it; `None` if it is good, as far as its server says.
pub(super) async fn look(files: &Files, url: &Url) -> Option<HttpError> {
    let first_byte = RangeRequest { range: "bytes=0-0".into(), unchanged: None };
    // Trouble on the way says nothing.
    let response = follow(files, url, Some(&first_byte)).await.ok()?;
    let attempt_error = match response.status() {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => not_yet(&response),
        status if status.is_success() && response.content_length() == Some(0) => not_yet(&response),
        status if status.is_client_error() && !may_pass(status) => refused(response).await,
        _ => return None,
    };
    match attempt_error {
        AttemptError::Refused(http_error) => Some(http_error),
        _ => None,
    }
}

/// Tells how far the transfer is, but not at every chunk.
struct Progress<'a> {
    events: &'a Events,
    request_id: Option<&'a str>,
    last: Option<Instant>,
}

impl Progress<'_> {
    fn emit(&mut self, received: u64, total: Option<u64>) {
        if self.last.is_none_or(|last| last.elapsed() >= BETWEEN_EVENTS) {
            self.emit_now(received, total);
        }
    }

    fn emit_now(&mut self, received: u64, total: Option<u64>) {
        self.last = Some(Instant::now());
        self.events.emit(|| Event::Download { request_id: self.request_id.map(Into::into), received, total });
    }
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Whether this is the beginning of a video, as far as it goes.
fn begins_like_a_video(head: &[u8]) -> bool {
    head.iter().zip(BEGINNING).all(|(byte, expected)| expected.is_none_or(|expected| *byte == expected))
}

fn incomplete(message: String) -> Error {
    Error::download(DownloadErrorKind::IncompleteDownload, message)
}

fn not_a_video(message: String) -> Error {
    Error::download(DownloadErrorKind::NotAVideo, message)
}

fn attempt_error(url: &Url, error: reqwest::Error) -> AttemptError {
    let error = error.without_url();
    if let Some(refused) = http_error(&error) {
        return AttemptError::Final(unsafe_url(format!("the link {} is refused: {refused}", url_without_secrets(url))));
    }
    let reasons = error_chain::described(&error);
    if error.is_builder() {
        return AttemptError::Final(unsafe_url(format!(
            "the link {} cannot be asked for: {reasons}",
            url_without_secrets(url)
        )));
    }
    let failed = |what: &str| {
        let message = format!("{} {what}: {reasons}", url_without_secrets(url));
        Box::new(TransportError { message, request_id: None, not_sent: error.is_connect(), permanent: false })
    };
    let why = if error.is_timeout() {
        Error::RequestTimeout(failed("took too long to answer"))
    } else if error.is_connect() {
        Error::ConnectionFailed(failed("cannot be connected to"))
    } else {
        Error::ConnectionFailed(failed("broke off"))
    };
    AttemptError::Passing { why, retry_after: None }
}

/// The resolver's refusal, from under what the HTTP client wrapped it in.
fn http_error(error: &reqwest::Error) -> Option<&Refused> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref() {
            return Some(refused);
        }
        next = cause.source();
    }
    None
}
