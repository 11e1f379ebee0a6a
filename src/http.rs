//! One exchange with the API.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Config;
use crate::error::{Error, Result, Trouble};
use crate::event::{Event, Events};
use crate::limiter::Limiter;
use crate::tls;
use crate::upload::{Sending, Upload};
use crate::wire::{self, Answer, Body, coding};

/// The header under which one create keeps its name over safe repetitions; proven effect is not claimed.
const IDEMPOTENCY_KEY: &str = "x-idempotency-key";

/// How long an answer is looked for once it is overdue.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How long more of an answer is waited for that is whole already: some lengths are wrong.
const LULL: Duration = Duration::from_secs(1);

/// Whose connections a query rides on. Each is served by the runtime that it was opened in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Of the runtime with worker threads.
    #[default]
    Workers,
    /// Of a runtime that runs only while somebody waits in it, on the waiting thread.
    Caller,
}

/// The right to send one create now.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the slot is held by its being there")] Option<OwnedSemaphorePermit>);

/// The way to the API: connection pools, one gate for all requests, one for creates.
#[derive(Debug)]
pub struct Http {
    config: Arc<Config>,
    queries: reqwest::Client,
    callers_queries: OnceLock<reqwest::Client>,
    /// Creates never ride on a kept connection: one that the server has just closed would lose
    /// the answer, and leave behind a job nobody knows of.
    creates: OnceLock<reqwest::Client>,
    requests_gate: Limiter,
    creates_gate: Limiter,
    slots: Arc<Semaphore>,
}

impl Http {
    /// A way to the API that `config` names. Nothing is connected yet.
    pub fn new(config: Arc<Config>) -> Result<Self> {
        Ok(Self {
            queries: build(&config, usize::MAX)?,
            callers_queries: OnceLock::new(),
            creates: OnceLock::new(),
            requests_gate: Limiter::new(config.requests_per_second),
            creates_gate: Limiter::new(config.creates_per_second),
            slots: Arc::new(Semaphore::new(config.max_concurrent_requests)),
            config,
        })
    }

    /// Asks for `path`.
    pub(crate) async fn get(&self, path: &str, pool: Pool, events: &Events) -> Result<Answer> {
        let send = || async {
            let request = self.queries_of(pool)?.get(self.config.endpoint(path)).timeout(self.config.timeout);
            match request.send().await {
                Ok(response) => self.read(response).await,
                Err(error) => Err(self.trouble(error)),
            }
        };
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        self.requests_gate.admit().await;
        self.exchange("GET", path, events, send).await
    }

    /// Returns when one create may be sent at once. Each sending takes a turn of its own.
    pub async fn turn(&self) -> Turn {
        self.creates_gate.admit().await;
        self.requests_gate.admit().await;
        // The semaphore is never closed.
        Turn(Arc::clone(&self.slots).acquire_owned().await.ok())
    }

    /// Sends a create in its turn. `name` tells repetitions of the same create from new ones.
    ///
    /// A large body takes its time: the client's timeout begins anew with every part of it that has left.
    pub async fn create(&self, turn: Turn, path: &str, body: &Upload, name: &str, events: &Events) -> Result<Answer> {
        let request = self
            .creator()?
            .post(self.config.endpoint(path))
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, name);
        // The clock of the sending runs from its beginning, and not while this waits for its turn.
        let send = || async {
            let (stream, sending) = body.begin();
            let answer = self.answer(request.body(stream), &sending);
            tokio::pin!(answer);
            tokio::select! {
                biased;
                result = &mut answer => result,
                // An answer that came while this process stood still is read before it is given up.
                () = sending.stalled(self.config.timeout) => match tokio::time::timeout(LAST_LOOK, answer).await {
                    Ok(result) => result,
                    Err(_) => Err(self.no_answer(&sending)),
                },
            }
        };
        let answer = self.exchange("POST", path, events, send).await;
        drop(turn);
        answer
    }

    /// Lets no request out for `pause`.
    pub fn slow_down(&self, pause: Duration) {
        self.requests_gate.shut_for(pause);
        // Or the creates would pile up behind the other gate, and leave in a burst.
        self.creates_gate.shut_for(pause);
    }

    fn queries_of(&self, pool: Pool) -> Result<&reqwest::Client> {
        match pool {
            Pool::Workers => Ok(&self.queries),
            Pool::Caller => built_once(&self.callers_queries, || build(&self.config, usize::MAX)),
        }
    }

    fn creator(&self) -> Result<&reqwest::Client> {
        built_once(&self.creates, || build(&self.config, 0))
    }

    async fn exchange<F: Future<Output = Result<Answer>>>(
        &self,
        method: &'static str,
        path: &str,
        events: &Events,
        send: impl FnOnce() -> F,
    ) -> Result<Answer> {
        let start = tokio::time::Instant::now();
        // Boxed once it is its turn: thousands wait for theirs, and few are under way.
        let result = Box::pin(send()).await.map_err(|error| self.config.secrets.hidden_in_error(error));
        events.tell(|| Event::Request {
            method,
            path: path.to_owned(),
            status_code: result.as_ref().ok().map(|answer| answer.status),
            elapsed: start.elapsed(),
        });
        result
    }

    /// The answer to a create. One that did not leave entirely cannot have started anything, unless the service
    /// says that it has.
    async fn answer(&self, request: reqwest::RequestBuilder, sending: &Sending) -> Result<Answer> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(unsent(self.trouble(error), sending)),
        };
        sending.heard();
        let status = response.status();
        let is_early = !sending.is_complete() && !status.is_success();
        let answer = match collect(response, &self.way()).await {
            Ok(answer) => Ok(self.without_key(answer)),
            Err(broken) => Err(broken.naming_the_job()),
        };
        if is_early && (answer.is_err() || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT) {
            let words = format!("answered HTTP {} before all of the request had left", status.as_u16());
            return Err(Error::ConnectionFailed(Box::new(self.not_sent(&words))));
        }
        answer
    }

    fn not_sent(&self, words: &str) -> Trouble {
        let host = self.config.base_url.host_str().unwrap_or_default();
        Trouble { message: format!("{host} {words}"), request_id: None, not_sent: true, permanent: false }
    }

    fn no_answer(&self, sending: &Sending) -> Error {
        let host = self.config.base_url.host_str().unwrap_or_default();
        let trouble = Trouble {
            message: format!("no answer from {host} within the client's timeout"),
            request_id: None,
            not_sent: sending.is_void(),
            permanent: false,
        };
        Error::RequestTimeout(Box::new(trouble))
    }

    async fn read(&self, response: reqwest::Response) -> Result<Answer> {
        read(response, &self.way()).await.map(|answer| self.without_key(answer))
    }

    /// Some services repeat the key, also in what is no error. From here on it is not seen again.
    fn without_key(&self, answer: Answer) -> Answer {
        let secrets = &self.config.secrets;
        let location = answer.location.map(|address| secrets.hidden_in(address));
        match secrets.hidden_in_body(&answer.body) {
            Some(body) => Answer { original: Some(answer.body), body, location, ..answer },
            None => Answer { location, ..answer },
        }
    }

    fn trouble(&self, error: reqwest::Error) -> Error {
        trouble(error, &self.way())
    }

    fn way(&self) -> Way<'_> {
        let config = &self.config;
        Way { host: config.base_url.host_str().unwrap_or_default(), proxy: config.proxy_before_api() }
    }
}

/// Whom an exchange is with, and through whom.
struct Way<'a> {
    host: &'a str,
    /// Host and port.
    proxy: Option<String>,
}

impl std::fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(proxy) = &self.proxy else { return f.write_str(self.host) };
        write!(f, "{} through the proxy {proxy}", self.host)
    }
}

fn built_once(
    cell: &OnceLock<reqwest::Client>,
    build: impl FnOnce() -> Result<reqwest::Client>,
) -> Result<&reqwest::Client> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let client = build()?;
    Ok(cell.get_or_init(|| client))
}

fn build(config: &Config, idle_connections: usize) -> Result<reqwest::Client> {
    let mut headers = config.headers.clone();
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", config.api_key.reveal()))
        .map_err(|_| Error::Configuration("the key holds a character that HTTP does not allow".into()))?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(coding::ACCEPTED));
    let builder = tls::builder(config)?.default_headers(headers).pool_max_idle_per_host(idle_connections);
    tls::build(builder)
}

/// Reads an answer, of whatever status, to its end.
async fn read(response: reqwest::Response, way: &Way<'_>) -> Result<Answer> {
    collect(response, way).await.map_err(|broken| broken.error)
}

/// An answer that broke off, and what had come of it.
#[derive(Debug)]
struct Broken {
    error: Error,
    begun: Answer,
}

impl Broken {
    /// The error, with the id of the job that the answer to a create began with.
    fn naming_the_job(self) -> Error {
        match (wire::response::begun_id(&self.begun), self.begun.status) {
            (Some(id), 200..=299) => self.error.concerning(&id),
            _ => self.error,
        }
    }
}

async fn collect(mut response: reqwest::Response, way: &Way<'_>) -> std::result::Result<Answer, Broken> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let retry_after = retry_after(headers, SystemTime::now());
    let location = headers.get(LOCATION).map(location);
    let mut collected = Body::new(codings(headers));
    let end = loop {
        match tokio::time::timeout(LULL, response.chunk()).await {
            Ok(Ok(Some(part))) if collected.push(&part).is_continue() => {}
            Ok(Ok(_)) => break Ok(()),
            Ok(Err(error)) => break Err(trouble(error, way)),
            Err(_) if collected.is_whole() => break Ok(()),
            Err(_) => {}
        }
    };
    let (body, is_cut) = collected.finish();
    let answer = Answer { status, retry_after, location, body, is_cut, original: None };
    match end {
        // An object that is whole needs nothing of what a wrong length may still promise.
        Err(error) if !answer.is_whole() => Err(Broken { error, begun: answer }),
        _ => Ok(answer),
    }
}

/// The address in a `Location`, which by right is ASCII and in truth also UTF-8 or Latin-1.
pub(crate) fn location(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Every coding that `Content-Encoding` names, in the order in which they were applied.
fn codings(headers: &HeaderMap) -> String {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What a failed exchange means; its text names the host and never the address.
fn trouble(error: reqwest::Error, way: &Way<'_>) -> Error {
    let at_proxy = way.proxy.as_deref().and_then(|proxy| trouble_at_proxy(&error, proxy));
    let error = error.without_url();
    let permanent = names_certificate(&error);
    let cause = causes(&error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let not_sent = error.is_connect();
    if error.is_timeout() {
        let what = match &way.proxy {
            Some(proxy) if not_sent => format!("no connection through the proxy {proxy}"),
            None if not_sent => format!("no connection to {way}"),
            _ => format!("no answer from {way}"),
        };
        return Error::RequestTimeout(Box::new(Trouble {
            message: format!("{what} within the client's timeout"),
            request_id: None,
            not_sent,
            permanent: false,
        }));
    }
    let what = match at_proxy {
        Some(what) => what,
        None if not_sent => format!("cannot connect to {way}: {cause}"),
        None => format!("the connection broke: {way}: {cause}"),
    };
    let hint = if permanent { "; if a proxy re-signs traffic here, give its certificate as ca_file=..." } else { "" };
    Error::ConnectionFailed(Box::new(Trouble {
        message: format!("{what}{hint}"),
        request_id: None,
        not_sent,
        permanent,
    }))
}

/// What a failed connection means when it is the proxy's failure. The error must still have its address.
pub(crate) fn trouble_at_proxy(error: &reqwest::Error, proxy: &str) -> Option<String> {
    const TUNNEL: &str = "tunnel error: ";
    if !error.is_connect() {
        return None;
    }
    let words: Vec<String> = causes(error).map(ToString::to_string).collect();
    let cause = words.last()?;
    match words.iter().find_map(|words| words.strip_prefix(TUNNEL)) {
        Some("proxy authorization required") => {
            Some(format!("the proxy {proxy} wants a user and password: give them as http://user:password@host:port"))
        }
        Some("unsuccessful") => Some(format!("the proxy {proxy} refuses to connect there")),
        Some(_) => Some(format!("cannot connect to the proxy {proxy}: {}", cause.trim_start_matches(TUNNEL))),
        // Plain HTTP has no tunnel: whoever is connected to is the proxy.
        None if error.url().is_some_and(|url| url.scheme() == "http") => {
            Some(format!("cannot connect to the proxy {proxy}: {cause}"))
        }
        None => None,
    }
}

/// What trouble before any answer means for a create: one that did not leave entirely cannot have started anything.
fn unsent(error: Error, sending: &Sending) -> Error {
    if let Some(unread) = sending.failure() {
        let field = unread.field;
        return Error::invalid(field, format!("{field}: {}; nothing was created", unread.reason));
    }
    let mark = |mut trouble: Box<Trouble>| {
        trouble.not_sent |= sending.is_void();
        trouble
    };
    match error {
        Error::ConnectionFailed(trouble) => Error::ConnectionFailed(mark(trouble)),
        Error::RequestTimeout(trouble) => Error::RequestTimeout(mark(trouble)),
        other => other,
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

fn names_certificate(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        let refused = innermost(cause).downcast_ref::<rustls::Error>();
        matches!(refused, Some(rustls::Error::InvalidCertificate(_)))
    })
}

/// What an I/O error wraps, which its own `source` leaves out.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = inner;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_whatever_its_alphabet() {
        for (bytes, text) in [("/ä".as_bytes(), "/ä"), (b"/\xe4", "/ä"), (b"/a", "/a")] {
            assert_eq!(location(&HeaderValue::from_bytes(bytes).unwrap()), text);
        }
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(77)));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "inf", "NaN", ""] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
