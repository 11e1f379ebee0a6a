//! Keeping the file: fetched safely, resumed when broken off, whole or absent.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::Url;

use crate::config::Config;
use crate::error::{DownloadErrorKind, Error, Result, Trouble, bare_url};
use crate::event::{Event, Events};
use crate::http::trouble_at_proxy;
use crate::resolver::{BehindProxy, PublicOnly};
use crate::retry::Backoff;
use crate::tls::{self, Trust};

mod address;
mod boxes;
mod headers;
mod target;
#[cfg(test)]
mod tests;
mod transfer;
mod writer;

pub use target::check_target;

use address::{Rules, is_this_machine, unsafe_url};
use target::Temporary;
use transfer::{Part, Setback, Transfer, follow, is_gone};
use writer::{Writer, Written};

/// How many files are fetched at once.
const TRANSFERS: usize = 64;

/// How a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The largest file that is kept.
    pub max_bytes: u64,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 2 << 30, overwrite: false }
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
    pub request_id: Option<&'a str>,
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
    backoff: Backoff,
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

impl Files {
    /// A client for files beside the API's.
    pub fn new(config: &Config) -> Result<Self> {
        Self::with_backoff(config, Backoff::default())
    }

    fn with_backoff(config: &Config, backoff: Backoff) -> Result<Self> {
        let files = Self(Arc::new(Shared {
            config: config.clone(),
            rules: Rules::new(config),
            behind_proxy: BehindProxy::new(config.base_url.host_str().unwrap_or_default()),
            clients: Mutex::default(),
            backoff,
            slots: Semaphore::new(TRANSFERS),
        }));
        // What is wrong with the set-up should show now and not after something was paid for.
        files.client(files.route(&config.base_url)?)?;
        Ok(files)
    }

    /// Fetches the file of `order` and puts it in place.
    ///
    /// When the link has expired, `refresh` is asked once for another one.
    pub async fn keep<F, R>(&self, order: Order<'_>, events: &Events, refresh: F) -> Result<Download>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Option<String>>> + Send,
    {
        // The semaphore is never closed.
        let _slot = self.0.slots.acquire().await.ok();
        let secrets = &self.0.config.secrets;
        let kept = self.fetch(&order, events, refresh).await.map(|file| secrets.hidden_in_download(file));
        kept.map_err(|error| secrets.hidden_in_error(error)).map_err(|error| match order.request_id {
            Some(id) => error.concerning(id),
            None => error,
        })
    }

    /// Whether a link is good, as far as its server says: trouble on the way says nothing.
    pub async fn is_good(&self, link: &str) -> Result<bool> {
        let url = self.absolute(link)?;
        let first_byte = Some(Part { range: "bytes=0-0".into(), unchanged: None });
        let answer = follow(self, &url, first_byte.as_ref()).await;
        Ok(!answer.is_ok_and(|response| is_gone(response.status())))
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
        let link = self.0.rules.link(order.link)?;
        let (path, options) = (order.path.to_owned(), order.options.clone());
        let (file, temporary) = blocking(move || Temporary::create(&path, &options)).await?;
        let mut transfer = Transfer::new(self, Writer::start(file, order.path.to_owned()), order, events);
        if let Some(status) = self.pursue(&mut transfer, &link, events).await? {
            let fresh = self.fresh(refresh().await?.as_deref(), &link, status)?;
            transfer.start_over().await?;
            if let Some(status) = self.pursue(&mut transfer, &fresh, events).await? {
                return Err(expired(&fresh, status));
            }
        }
        let Transfer { writer, kept, content_type, .. } = transfer;
        let written = writer.finish().await?;
        let sha256 = blocking(move || put_in_place(temporary, written)).await?;
        Ok(Download { path: order.path.to_owned(), bytes: kept, sha256, content_type })
    }

    /// Tries until the file is whole or there is no hope; a status means that `link` has expired.
    async fn pursue(&self, transfer: &mut Transfer<'_>, link: &Url, events: &Events) -> Result<Option<StatusCode>> {
        let mut most = transfer.furthest;
        let mut failures = 0;
        loop {
            let (why, retry_after) = match transfer.attempt(link).await {
                Ok(()) => return Ok(None),
                Err(Setback::Expired(status)) => return Ok(Some(status)),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Passing { why, retry_after }) => (why, retry_after),
            };
            // What counts is the furthest ever reached, or a file that changes all the time would never end.
            let furthest = transfer.furthest;
            if furthest > most {
                (most, failures) = (furthest, 0);
            }
            failures += 1;
            if failures > self.0.config.max_retries {
                return Err(given_up(transfer, link, why));
            }
            let delay = self.0.backoff.delay(failures.saturating_sub(1), fastrand::f64(), retry_after);
            events.tell(|| Event::Retry {
                path: link.path().to_owned(),
                attempt: failures,
                delay,
                reason: why.to_string(),
            });
            tokio::time::sleep(delay).await;
        }
    }

    fn fresh(&self, fresh: Option<&str>, old: &Url, status: StatusCode) -> Result<Url> {
        let Some(fresh) = fresh else { return Err(expired(old, status)) };
        // The same link again is worth one more try: a file may be there a moment after its link.
        self.0.rules.link(fresh)
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

fn expired(link: &Url, status: StatusCode) -> Error {
    Error::download(
        DownloadErrorKind::VideoUrlExpired,
        format!(
            "the link {} is no longer good (HTTP {}), and the service gives no other; links last about a day",
            bare_url(link),
            status.as_u16()
        ),
    )
}

fn given_up(transfer: &Transfer<'_>, link: &Url, why: Error) -> Error {
    if !transfer.answered {
        return why;
    }
    let of = transfer.size.map_or_else(|| "an unknown number".into(), |total| total.to_string());
    Error::download(
        DownloadErrorKind::IncompleteDownload,
        format!("{} of {of} bytes of {} arrived; lastly: {why}", transfer.furthest, bare_url(link)),
    )
}
