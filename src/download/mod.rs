//! Keeping the file: fetched safely, resumed when broken off, whole or absent.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::config::Config;
use crate::error::{DownloadErrorKind, Error, Result, TransportError, WaitLimit};
use crate::event::{Event, Events};
use crate::job::VideoJob;
use crate::redact::url_without_secrets;
use crate::saved_file::Download;
use crate::transport::failure::proxy_failure;
use crate::transport::resolver::{BehindProxy, PublicOnly};
use crate::transport::tls::{self, Trust};

mod attempts;
mod headers;
mod http_error;
mod mp4_check;
mod target;
#[cfg(test)]
mod tests;
mod throughput;
mod transfer;
mod url_policy;
mod writer;

pub use target::check_target;

use attempts::{AttemptCounter, Waiting};
use http_error::{HttpError, Reason};
use target::Temporary;
use transfer::{AttemptError, Transfer, look};
use url_policy::{Rules, is_this_machine, unsafe_url};
use writer::{Writer, Written};

/// How many files are fetched at once.
const TRANSFERS: usize = 64;
/// No download takes longer, whatever its server sends: its link would have expired by the next day.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// How a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The largest file that is kept.
    pub max_bytes: u64,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
    /// When the download ends, whole or not.
    pub deadline: Option<Instant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 2 << 30, overwrite: false, deadline: None }
    }
}

/// One file to keep.
#[derive(Debug, Clone, Copy)]
pub struct DownloadRequest<'a> {
    /// The service's link; it may be relative.
    pub link: &'a str,
    /// Where the file goes.
    pub path: &'a Path,
    /// How it is kept.
    pub options: &'a Options,
    /// The job whose file it is, if known.
    pub job: Option<&'a VideoJob>,
}

/// What one look at a link says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// Good, as far as its server says: trouble on the way says nothing.
    Good,
    /// Without a file: expired, or too early.
    Missing,
    /// Expired.
    Gone,
    /// Refused for a reason of its own.
    Refused,
}

/// The HTTP client for files: without cookies, without extra headers, and with the key for the API alone.
#[derive(Debug, Clone)]
pub struct Files(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    rules: Rules,
    behind_proxy: BehindProxy,
    clients: Mutex<HashMap<Route, Client>>,
    waiting: Waiting,
    /// Each transfer holds a thread that writes, and of these there are not many.
    slots: Semaphore,
}

/// What a client for one hop must be able to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Route {
    /// Host and port of the proxy that resolves the name.
    proxy: Option<String>,
    encrypted: bool,
}

/// How long one download may take.
struct Clock {
    start: Instant,
    end: Instant,
}

impl Clock {
    fn start(order: &DownloadRequest<'_>) -> Self {
        let start = Instant::now();
        let longest = start + LONGEST;
        Self { start, end: order.options.deadline.map_or(longest, |deadline| deadline.min(longest)) }
    }

    fn check(&self, order: &DownloadRequest<'_>) -> Result<()> {
        if self.end > Instant::now() { Ok(()) } else { Err(self.over(order, "nothing")) }
    }

    /// The time is over. Behind a deadline the job is as it was, and its file can be fetched another time.
    fn over(&self, order: &DownloadRequest<'_>, extent: &str) -> Error {
        let waited = self.start.elapsed();
        match order.job {
            Some(job) if self.end < self.start + LONGEST => {
                Error::WaitTimeout { job: Box::new(job.clone()), waited, limit: WaitLimit::Timeout, last: None }
            }
            _ => Error::download(
                DownloadErrorKind::IncompleteDownload,
                format!("{extent} arrived within {} s, and that is too long: download it again", waited.as_secs()),
            ),
        }
    }
}

impl From<Reason> for LinkStatus {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Expired | Reason::Malformed => Self::Gone,
            Reason::Missing | Reason::NotYet => Self::Missing,
            Reason::Refused => Self::Refused,
        }
    }
}

impl Files {
    /// A client for files beside the API's.
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_waiting(config, Waiting { backoff: config.backoff, ..Waiting::default() })
    }

    fn with_waiting(config: &Config, waiting: Waiting) -> Result<Self> {
        let files = Self(Arc::new(Shared {
            config: config.clone(),
            rules: Rules::new(config),
            behind_proxy: BehindProxy::new(config.base_url.host_str().unwrap_or_default()),
            clients: Mutex::default(),
            waiting,
            slots: Semaphore::new(TRANSFERS),
        }));
        // What is wrong with the set-up should show now and not after something was paid for.
        files.client(files.route(&config.base_url)?)?;
        Ok(files)
    }

    /// Fetches the file of `order` and puts it in place.
    ///
    /// When the link has no file, `refresh` is asked once for another one; then the file is waited for.
    pub async fn keep<F, R>(&self, order: DownloadRequest<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let secrets = &self.0.config.secrets;
        let kept = self.fetch(&order, events, refresh).await.map(|file| secrets.hidden_in_download(file));
        kept.map_err(|error| secrets.hidden_in_error(error)).map_err(|error| match order.job {
            Some(job) => error.with_request_id(&job.request_id),
            None => error,
        })
    }

    /// What its server says about a link.
    pub async fn link_status(&self, link: &str) -> Result<LinkStatus> {
        let http_error = look(self, &self.0.rules.link(link)?).await;
        Ok(http_error.map_or(LinkStatus::Good, |http_error| http_error.reason.into()))
    }

    /// Whether the file of a link is there, or comes if it is waited for.
    pub async fn appears(&self, link: &str) -> Result<bool> {
        let link = self.0.rules.link(link)?;
        let mut attempts = AttemptCounter::new(self.0.waiting, self.0.config.max_retries);
        while let Some(http_error) = look(self, &link).await {
            let Some(delay) = pause_before_another_look(&mut attempts, &http_error) else { return Ok(false) };
            tokio::time::sleep(delay).await;
        }
        Ok(true)
    }

    /// A link with its host.
    pub fn absolute(&self, link: &str) -> Result<Url> {
        self.0.rules.link(link).map_err(|error| self.0.config.secrets.hidden_in_error(error))
    }

    async fn fetch<F, R>(&self, order: &DownloadRequest<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let clock = Clock::start(order);
        let link = self.0.rules.link(order.link)?;
        // The semaphore is never closed.
        let _slot = timeout_at(clock.end, self.0.slots.acquire()).await.map_err(|_| clock.over(order, "nothing"))?.ok();
        clock.check(order)?;
        let (path, options) = (order.path.to_owned(), order.options.clone());
        let (file, temporary) = blocking(move || Temporary::create(&path, &options)).await?;
        let mut transfer = Transfer::new(self, Writer::start(file, order.path.to_owned()), order, events);
        let brought = timeout_at(clock.end, self.fetch_with_retries(&mut transfer, link, order, events, refresh)).await;
        brought.unwrap_or_else(|_| Err(clock.over(order, &transfer.extent())))?;
        let Transfer { writer, kept, content_type, .. } = transfer;
        let written = writer.finish().await?;
        let sha256 = blocking(move || put_in_place(temporary, written)).await?;
        Ok(Download { path: order.path.to_owned(), bytes: kept, sha256, content_type })
    }

    /// Tries until the file is whole or there is no hope.
    async fn fetch_with_retries<F, R>(
        &self,
        transfer: &mut Transfer<'_>,
        mut link: Url,
        order: &DownloadRequest<'_>,
        events: &Events,
        refresh: F,
    ) -> Result<()>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let mut refresh = Some(refresh);
        let mut attempts = AttemptCounter::new(self.0.waiting, self.0.config.max_retries);
        loop {
            let attempt_error = match transfer.attempt(&link).await {
                Ok(()) => return Ok(()),
                Err(attempt_error) => attempt_error,
            };
            if matches!(attempt_error, AttemptError::Refused(_) | AttemptError::NoVideo(_))
                && let Some(ask) = refresh.take()
                && let Some(fresh) = self.fresh(ask().await, order, &attempt_error)?
                && fresh != link
            {
                transfer.start_over().await?;
                link = fresh;
                continue;
            }
            let Some(delay) = pause(&mut attempts, &attempt_error, transfer) else {
                return Err(given_up(transfer, &link, attempt_error));
            };
            events.emit(|| Event::Retry {
                path: link.path().to_owned(),
                attempt: attempts.again(),
                delay,
                reason: attempt_error.words(),
            });
            tokio::time::sleep(delay).await;
        }
    }

    /// The link that the job has now. A bare video has no job to be asked.
    fn fresh(
        &self,
        fresh: Result<Option<String>>,
        order: &DownloadRequest<'_>,
        attempt_error: &AttemptError,
    ) -> Result<Option<Url>> {
        match (fresh, attempt_error) {
            (Ok(Some(fresh)), _) => self.0.rules.link(&fresh).map(Some),
            (Ok(None), AttemptError::Refused(http_error)) if order.job.is_some() => {
                Err(http_error.clone().into_error())
            }
            (Err(error), AttemptError::Refused(_)) => Err(error),
            // What came says more than why there is no other link.
            _ => Ok(None),
        }
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// A request for `url`, with the key if `url` is the API's.
    async fn get(&self, url: &Url) -> Result<RequestBuilder> {
        let route = self.route(url)?;
        if route.proxy.is_some() && !self.0.rules.is_at_home() {
            let allowed = self.0.behind_proxy.check(url.host_str().unwrap_or_default()).await;
            allowed.map_err(|refused| {
                unsafe_url(format!("the link {} is refused: {refused}", url_without_secrets(url)))
            })?;
        }
        let request = self.client(route)?.get(url.clone());
        let request = request.header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity");
        if !self.0.rules.is_api(url) {
            return Ok(request);
        }
        Ok(request.bearer_auth(self.0.config.api_key.reveal()))
    }

    fn route(&self, url: &Url) -> Result<Route> {
        let config = &self.0.config;
        let is_direct = config.proxies.given().is_none() && is_this_machine(url);
        let proxy = if is_direct { None } else { config.proxies.before(url)? };
        Ok(Route { proxy, encrypted: url.scheme() == "https" })
    }

    /// What a failed connection means when it is the proxy's failure.
    fn proxy_failure(&self, url: &Url, error: &reqwest::Error) -> Option<Error> {
        let message = proxy_failure(error, &self.route(url).ok()?.proxy?)?;
        let failure = TransportError { message, request_id: None, not_sent: true, permanent: false };
        Some(Error::ConnectionFailed(Box::new(failure)))
    }

    /// Clients are made when first needed, as loading the certificate store takes a while.
    fn client(&self, route: Route) -> Result<Client> {
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&route) {
            return Ok(client.clone());
        }
        let client = self.build(&route)?;
        clients.insert(route, client.clone());
        Ok(client)
    }

    fn build(&self, route: &Route) -> Result<Client> {
        let trust = if route.encrypted { Trust::System } else { Trust::Given };
        // Silence for this long ends an attempt; the whole may take as long as it takes.
        let mut builder = tls::trusting(&self.0.config, trust)?.read_timeout(self.0.config.timeout);
        if route.proxy.is_none() {
            builder = builder.no_proxy();
        }
        if !self.0.rules.is_at_home() {
            let public = PublicOnly::new(self.0.config.base_url.host_str().unwrap_or_default());
            builder = builder.dns_resolver(public.beside(route.proxy.as_deref()));
        }
        tls::build(builder)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::download(DownloadErrorKind::Other, "the file could not be written: the runtime is shutting down"))
    })
}

fn put_in_place(temporary: Temporary, written: Written) -> Result<String> {
    temporary.keep(&written)?;
    Ok(written.sha256)
}

/// The delay before the next attempt, if there is to be one.
fn pause(attempts: &mut AttemptCounter, attempt_error: &AttemptError, transfer: &Transfer<'_>) -> Option<Duration> {
    let (reached, known, jitter) = (transfer.furthest, transfer.size, fastrand::f64());
    match attempt_error {
        AttemptError::Passing { retry_after, .. } => attempts.after_failure(reached, known, *retry_after, jitter),
        AttemptError::Flawed { size, .. } => attempts.after_flaw(*size, jitter),
        AttemptError::Refused(http_error) => pause_before_another_look(attempts, http_error),
        AttemptError::NoVideo(_) | AttemptError::Final(_) => None,
    }
}

fn pause_before_another_look(attempts: &mut AttemptCounter, http_error: &HttpError) -> Option<Duration> {
    let may_pass = http_error.reason.may_pass();
    may_pass.then(|| attempts.after_absence(Instant::now(), http_error.retry_after, fastrand::f64())).flatten()
}

fn given_up(transfer: &Transfer<'_>, link: &Url, attempt_error: AttemptError) -> Error {
    match attempt_error {
        AttemptError::Passing { why, .. } if transfer.answered => {
            let (extent, link) = (transfer.extent(), url_without_secrets(link));
            Error::download(DownloadErrorKind::IncompleteDownload, format!("{extent} of {link} arrived; lastly: {why}"))
        }
        AttemptError::Passing { why, .. }
        | AttemptError::Flawed { why, .. }
        | AttemptError::NoVideo(why)
        | AttemptError::Final(why) => why,
        AttemptError::Refused(http_error) => http_error.into_error(),
    }
}
