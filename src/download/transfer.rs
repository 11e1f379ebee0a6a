//! One attempt after another at the bytes of one file.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::Response;
use url::Url;

use super::address::unsafe_url;
use super::boxes::Boxes;
use super::headers::{Validator, content_type, is_an_error_page, size_by_rest};
use super::writer::Writer;
use super::{Files, Order};
use crate::error::{DownloadErrorKind, Error, Result, Trouble, bare_url};
use crate::event::{Event, Events};
use crate::resolver::Refused;
use crate::tls;

const MAX_REDIRECTS: u32 = 5;
/// The smallest box that can stand at the beginning of a video, less its list of brands.
const SMALLEST_FILE: usize = 12;
const BETWEEN_EVENTS: Duration = Duration::from_millis(100);

/// Why an attempt did not bring the whole file.
pub(super) enum Setback {
    /// Another attempt may do better.
    Passing { why: Error, retry_after: Option<Duration> },
    /// The link is no longer good.
    Expired(StatusCode),
    /// There is no point in trying again.
    Final(Error),
}

type Attempt<T> = std::result::Result<T, Setback>;

impl From<Error> for Setback {
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
    boxes: Boxes,
    pub(super) content_type: Option<String>,
    /// Whether an answer ever came from where the file is.
    pub(super) answered: bool,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(files: &'a Files, writer: Writer, order: &Order<'a>, events: &'a Events) -> Self {
        Self {
            files,
            writer,
            max_bytes: order.options.max_bytes,
            progress: Progress { events, request_id: order.request_id, last: None },
            head: BytesMut::new(),
            kept: 0,
            furthest: 0,
            total: None,
            size: None,
            validator: None,
            boxes: Boxes::default(),
            content_type: None,
            answered: false,
        }
    }

    /// Fetches what is missing; `Ok` means that the file is whole.
    pub(super) async fn attempt(&mut self, url: &Url) -> Attempt<()> {
        self.head.clear();
        if self.validator.is_none() {
            self.start_over().await?;
        }
        let response = follow(self.files, url, self.rest().as_ref()).await?;
        self.answered = true;
        self.begin(&response).await?;
        self.read(response).await
    }

    /// Forgets all that came so far.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.head.clear();
        self.total = None;
        self.validator = None;
        self.boxes = Boxes::default();
        if self.kept > 0 {
            self.kept = 0;
            self.writer.start_over().await?;
        }
        Ok(())
    }

    /// What is missing of a file of which something was kept.
    fn rest(&self) -> Option<Part> {
        let validator = self.validator.as_ref().filter(|_| self.kept > 0)?;
        Some(Part { range: format!("bytes={}-", self.kept), unchanged: Some(validator.value.clone()) })
    }

    /// Judges an answer by its status and headers.
    async fn begin(&mut self, response: &Response) -> Attempt<()> {
        let url = bare_url(response.url());
        let again = |words: String| Setback::Passing {
            why: Error::download(DownloadErrorKind::IncompleteDownload, words),
            retry_after: crate::http::retry_after(response.headers(), std::time::SystemTime::now()),
        };
        match response.status() {
            StatusCode::OK => {
                self.start_over().await?;
                self.total = response.content_length();
            }
            StatusCode::PARTIAL_CONTENT => {
                let size = size_by_rest(response.headers(), self.kept, self.total, self.validator.as_ref());
                let Some(size) = size else {
                    self.start_over().await?;
                    return Err(again(format!("{url} answered with another part of the file than the one asked for")));
                };
                self.total = Some(size);
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.start_over().await?;
                return Err(again(format!("{url} has no such part of the file (HTTP 416)")));
            }
            status if is_gone(status) => return Err(Setback::Expired(status)),
            status if may_pass(status) => return Err(again(format!("{url} answered HTTP {}", status.as_u16()))),
            status if status.is_success() => {
                return Err(not_a_video(format!("{url} answered HTTP {}, without a file", status.as_u16())).into());
            }
            status => {
                let words = format!("{url} refused the download: HTTP {}", status.as_u16());
                return Err(Error::download(DownloadErrorKind::Other, words).into());
            }
        }
        self.size = self.total.or(self.size);
        self.check_headers(response)?;
        self.progress.tell_now(self.kept, self.total);
        Ok(())
    }

    fn check_headers(&mut self, response: &Response) -> Result<()> {
        let kind = content_type(response.headers());
        if let Some(kind) = kind.as_deref().filter(|kind| is_an_error_page(kind)) {
            let url = bare_url(response.url());
            return Err(not_a_video(format!("{url} gave {kind:?} in place of a video: an error page, most likely")));
        }
        if let Some(total) = self.total {
            self.check_size(total)?;
        }
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
        let url = response.url().clone();
        while let Some(chunk) = response.chunk().await.map_err(|error| setback(&url, error))? {
            self.take(chunk).await?;
        }
        let came = self.kept + self.head.len() as u64;
        match self.total {
            Some(total) if total != came => {
                if came > total {
                    self.start_over().await?;
                }
                let words = format!("{} sent {came} bytes and had announced {total}", bare_url(&url));
                Err(Setback::Passing {
                    why: Error::download(DownloadErrorKind::IncompleteDownload, words),
                    retry_after: None,
                })
            }
            None if self.kept > 0 && !self.boxes.may_end() => {
                let words = format!("{} ended after {came} bytes, in the middle of the video", bare_url(&url));
                Err(Setback::Passing {
                    why: Error::download(DownloadErrorKind::IncompleteDownload, words),
                    retry_after: None,
                })
            }
            _ if self.kept == 0 => Err(not_a_video(format!("{} gave a file of {came} bytes", bare_url(&url))).into()),
            _ => {
                self.progress.tell_now(self.kept, Some(self.kept));
                Ok(())
            }
        }
    }

    async fn take(&mut self, chunk: Bytes) -> Result<()> {
        let chunk = if self.kept > 0 {
            chunk
        } else {
            self.head.extend_from_slice(&chunk);
            if self.head.len() < SMALLEST_FILE {
                return Ok(());
            }
            let head = self.head.split().freeze();
            check_type(&head)?;
            head
        };
        let kept = self.kept + chunk.len() as u64;
        self.check_size(kept)?;
        self.boxes.follow(&chunk);
        self.writer.append(chunk).await?;
        self.kept = kept;
        self.furthest = self.furthest.max(kept);
        self.progress.tell(self.kept, self.total);
        Ok(())
    }
}

/// A part of a file.
pub(super) struct Part {
    pub(super) range: String,
    /// What says that it is still the same file.
    pub(super) unchanged: Option<HeaderValue>,
}

/// The answer at the end of the redirects, each of which is checked like the first address.
pub(super) async fn follow(files: &Files, url: &Url, part: Option<&Part>) -> Attempt<Response> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = request(files, &url, part).await?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let Some(location) = response.headers().get(LOCATION).map(crate::http::location) else { return Ok(response) };
        url = files.rules().redirect(&url, &location)?;
    }
    Err(unsafe_url(format!("the link redirects more than {MAX_REDIRECTS} times, lastly to {}", bare_url(&url))).into())
}

async fn request(files: &Files, url: &Url, part: Option<&Part>) -> Attempt<Response> {
    let mut request = files.get(url).await?;
    if let Some(part) = part {
        request = request.header(RANGE, &part.range);
        if let Some(validator) = &part.unchanged {
            request = request.header(IF_RANGE, validator.clone());
        }
    }
    request.send().await.map_err(|error| match files.trouble_at_proxy(url, &error) {
        Some(why) if refusal(&error).is_none() => Setback::Passing { why, retry_after: None },
        _ => setback(url, error),
    })
}

/// Whether a link is no longer good.
pub(super) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// Tells how far the transfer is, but not at every chunk.
struct Progress<'a> {
    events: &'a Events,
    request_id: Option<&'a str>,
    last: Option<Instant>,
}

impl Progress<'_> {
    fn tell(&mut self, received: u64, total: Option<u64>) {
        if self.last.is_none_or(|last| last.elapsed() >= BETWEEN_EVENTS) {
            self.tell_now(received, total);
        }
    }

    fn tell_now(&mut self, received: u64, total: Option<u64>) {
        self.last = Some(Instant::now());
        self.events.tell(|| Event::Download { request_id: self.request_id.map(Into::into), received, total });
    }
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// ISO media files say `ftyp` in their first box.
fn check_type(head: &[u8]) -> Result<()> {
    if head.get(4..8) == Some(b"ftyp") {
        return Ok(());
    }
    let beginning = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
    Err(not_a_video(format!("what came is not an MP4 file: it begins with {beginning:?}")))
}

fn not_a_video(message: String) -> Error {
    Error::download(DownloadErrorKind::NotAVideo, message)
}

fn setback(url: &Url, error: reqwest::Error) -> Setback {
    let error = error.without_url();
    if let Some(refused) = refusal(&error) {
        return Setback::Final(unsafe_url(format!("the link {} is refused: {refused}", bare_url(url))));
    }
    let reasons = tls::causes(&error);
    if error.is_builder() {
        return Setback::Final(unsafe_url(format!("the link {} cannot be asked for: {reasons}", bare_url(url))));
    }
    let trouble = |what: &str| {
        let message = format!("{} {what}: {reasons}", bare_url(url));
        Box::new(Trouble { message, request_id: None, not_sent: error.is_connect(), permanent: false })
    };
    let why = if error.is_timeout() {
        Error::RequestTimeout(trouble("took too long to answer"))
    } else if error.is_connect() {
        Error::ConnectionFailed(trouble("cannot be connected to"))
    } else {
        Error::ConnectionFailed(trouble("broke off"))
    };
    Setback::Passing { why, retry_after: None }
}

/// The resolver's refusal, from under what the HTTP client wrapped it in.
fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref() {
            return Some(refused);
        }
        next = cause.source();
    }
    None
}
