//! Keeping the file: fetched safely, resumed when broken off, whole or absent.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::config::Config;
use crate::error::{DownloadErrorKind, Error, Result, Trouble, WaitLimit, bare_url};
use crate::event::{Event, Events};
use crate::http::trouble_at_proxy;
use crate::job::VideoJob;
use crate::resolver::{BehindProxy, PublicOnly};
use crate::tls::{self, Trust};

mod address;
mod boxes;
mod headers;
mod pace;
mod refusal;
mod target;
#[cfg(test)]
mod tests;
mod transfer;
mod tries;
mod writer;

pub use target::check_target;

use address::{Rules, is_this_machine, unsafe_url};
use refusal::{Reason, Refusal};
use target::Temporary;
use transfer::{Setback, Transfer, look};
use tries::{Tries, Waiting};
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

/// A file that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Download {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its type, if the service named it.
    pub content_type: Option<String>,
}

/// One file to keep.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
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
pub enum Standing {
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
    fn start(order: &Order<'_>) -> Self {
        let start = Instant::now();
        let longest = start + LONGEST;
        Self { start, end: order.options.deadline.map_or(longest, |deadline| deadline.min(longest)) }
    }

    fn check(&self, order: &Order<'_>) -> Result<()> {
        if self.end > Instant::now() { Ok(()) } else { Err(self.over(order, "nothing")) }
    }

    /// The time is over. Behind a deadline the job is as it was, and its file can be fetched another time.
    fn over(&self, order: &Order<'_>, extent: &str) -> Error {
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

impl From<Reason> for Standing {
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
    pub async fn keep<F, R>(&self, order: Order<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let secrets = &self.0.config.secrets;
        let kept = self.fetch(&order, events, refresh).await.map(|file| secrets.hidden_in_download(file));
        kept.map_err(|error| secrets.hidden_in_error(error)).map_err(|error| match order.job {
            Some(job) => error.concerning(&job.request_id),
            None => error,
        })
    }

    /// What its server says about a link.
    pub async fn standing(&self, link: &str) -> Result<Standing> {
        let refusal = look(self, &self.0.rules.link(link)?).await;
        Ok(refusal.map_or(Standing::Good, |refusal| refusal.reason.into()))
    }

    /// Whether the file of a link is there, or comes if it is waited for.
    pub async fn appears(&self, link: &str) -> Result<bool> {
        let link = self.0.rules.link(link)?;
        let mut tries = Tries::new(self.0.waiting, self.0.config.max_retries);
        while let Some(refusal) = look(self, &link).await {
            let Some(delay) = pause_before_another_look(&mut tries, &refusal) else { return Ok(false) };
            tokio::time::sleep(delay).await;
        }
        Ok(true)
    }

    /// A link with its host.
    pub fn absolute(&self, link: &str) -> Result<Url> {
        self.0.rules.link(link).map_err(|error| self.0.config.secrets.hidden_in_error(error))
    }

    async fn fetch<F, R>(&self, order: &Order<'_>, events: &Events, refresh: F) -> Result<Download>
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
        let brought = timeout_at(clock.end, self.bring(&mut transfer, link, order, events, refresh)).await;
        brought.unwrap_or_else(|_| Err(clock.over(order, &transfer.extent())))?;
        let Transfer { writer, kept, content_type, .. } = transfer;
        let written = writer.finish().await?;
        let sha256 = blocking(move || put_in_place(temporary, written)).await?;
        Ok(Download { path: order.path.to_owned(), bytes: kept, sha256, content_type })
    }

    /// Tries until the file is whole or there is no hope.
    async fn bring<F, R>(
        &self,
        transfer: &mut Transfer<'_>,
        mut link: Url,
        order: &Order<'_>,
        events: &Events,
        refresh: F,
    ) -> Result<()>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let mut refresh = Some(refresh);
        let mut tries = Tries::new(self.0.waiting, self.0.config.max_retries);
        loop {
            let setback = match transfer.attempt(&link).await {
                Ok(()) => return Ok(()),
                Err(setback) => setback,
            };
            if matches!(setback, Setback::Refused(_) | Setback::NoVideo(_))
                && let Some(ask) = refresh.take()
                && let Some(fresh) = self.fresh(ask().await, order, &setback)?
                && fresh != link
            {
                transfer.start_over().await?;
                link = fresh;
                continue;
            }
            let Some(delay) = pause(&mut tries, &setback, transfer) else {
                return Err(given_up(transfer, &link, setback));
            };
            events.tell(|| Event::Retry {
                path: link.path().to_owned(),
                attempt: tries.again(),
                delay,
                reason: setback.words(),
            });
            tokio::time::sleep(delay).await;
        }
    }

    /// The link that the job has now. A bare video has no job to be asked.
    fn fresh(&self, fresh: Result<Option<String>>, order: &Order<'_>, setback: &Setback) -> Result<Option<Url>> {
        match (fresh, setback) {
            (Ok(Some(fresh)), _) => self.0.rules.link(&fresh).map(Some),
            (Ok(None), Setback::Refused(refusal)) if order.job.is_some() => Err(refusal.clone().into_error()),
            (Err(error), Setback::Refused(_)) => Err(error),
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
            allowed.map_err(|refused| unsafe_url(format!("the link {} is refused: {refused}", bare_url(url))))?;
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
    fn trouble_at_proxy(&self, url: &Url, error: &reqwest::Error) -> Option<Error> {
        let message = trouble_at_proxy(error, &self.route(url).ok()?.proxy?)?;
        let trouble = Trouble { message, request_id: None, not_sent: true, permanent: false };
        Some(Error::ConnectionFailed(Box::new(trouble)))
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
fn pause(tries: &mut Tries, setback: &Setback, transfer: &Transfer<'_>) -> Option<Duration> {
    let (reached, known, jitter) = (transfer.furthest, transfer.size, fastrand::f64());
    match setback {
        Setback::Passing { retry_after, .. } => tries.after_failure(reached, known, *retry_after, jitter),
        Setback::Flawed { size, .. } => tries.after_flaw(*size, jitter),
        Setback::Refused(refusal) => pause_before_another_look(tries, refusal),
        Setback::NoVideo(_) | Setback::Final(_) => None,
    }
}

fn pause_before_another_look(tries: &mut Tries, refusal: &Refusal) -> Option<Duration> {
    let may_pass = refusal.reason.may_pass();
    may_pass.then(|| tries.after_absence(Instant::now(), refusal.retry_after, fastrand::f64())).flatten()
}

fn given_up(transfer: &Transfer<'_>, link: &Url, setback: Setback) -> Error {
    match setback {
        Setback::Passing { why, .. } if transfer.answered => {
            let (extent, link) = (transfer.extent(), bare_url(link));
            Error::download(DownloadErrorKind::IncompleteDownload, format!("{extent} of {link} arrived; lastly: {why}"))
        }
        Setback::Passing { why, .. } | Setback::Flawed { why, .. } | Setback::NoVideo(why) | Setback::Final(why) => why,
        Setback::Refused(refusal) => refusal.into_error(),
    }
}
