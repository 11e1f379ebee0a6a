//! One exchange with the API.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BodyCollector;
use super::content_coding;
use super::failure::{Peer, transport_error};
use super::headers::{codings, location, retry_after};
use crate::config::Config;
use crate::error::{Error, Result, TransportError};
use crate::event::{Event, Events};
use crate::response::Response;
use crate::transport::limiter::Limiter;
use crate::transport::tls;
use crate::transport::upload::{Upload, UploadProgress};

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
pub struct CreatePermit(
    #[expect(dead_code, reason = "the slot is held by its being there")] Option<OwnedSemaphorePermit>,
);

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
    /// The job that a partial response names.
    job_named_by: fn(&Response) -> Option<String>,
}

impl Http {
    /// A way to the API that `config` names. Nothing is connected yet.
    pub fn new(config: Arc<Config>, job_named_by: fn(&Response) -> Option<String>) -> Result<Self> {
        Ok(Self {
            queries: build(&config, usize::MAX)?,
            callers_queries: OnceLock::new(),
            creates: OnceLock::new(),
            requests_gate: Limiter::new(config.requests_per_second),
            creates_gate: Limiter::new(config.creates_per_second),
            slots: Arc::new(Semaphore::new(config.max_concurrent_requests)),
            config,
            job_named_by,
        })
    }

    /// Asks for `path`.
    pub(crate) async fn get(&self, path: &str, pool: Pool, events: &Events) -> Result<Response> {
        let send = || async {
            let request = self.queries_of(pool)?.get(self.config.endpoint(path)).timeout(self.config.timeout);
            match request.send().await {
                Ok(response) => self.read(response).await,
                Err(error) => Err(self.transport_error(error)),
            }
        };
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        self.requests_gate.acquire().await;
        self.exchange("GET", path, events, send).await
    }

    /// Returns when one create may be sent at once. Each sending takes a turn of its own.
    pub async fn acquire_create_permit(&self) -> CreatePermit {
        self.creates_gate.acquire().await;
        self.requests_gate.acquire().await;
        // The semaphore is never closed.
        CreatePermit(Arc::clone(&self.slots).acquire_owned().await.ok())
    }

    /// Sends a create in its turn. `name` tells repetitions of the same create from new ones.
    ///
    /// A large body takes its time: the client's timeout begins anew with every part of it that has left.
    pub async fn create(
        &self,
        permit: CreatePermit,
        path: &str,
        body: &Upload,
        name: &str,
        events: &Events,
    ) -> Result<Response> {
        let request = self
            .creator()?
            .post(self.config.endpoint(path))
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, name);
        // The clock of the sending runs from its beginning, and not while this waits for its turn.
        let send = || async {
            let (stream, progress) = body.begin();
            let answer = self.answer(request.body(stream), &progress);
            tokio::pin!(answer);
            tokio::select! {
                biased;
                result = &mut answer => result,
                // An answer that came while this process stood still is read before it is given up.
                () = progress.stalled(self.config.timeout) => match tokio::time::timeout(LAST_LOOK, answer).await {
                    Ok(result) => result,
                    Err(_) => Err(self.no_answer(&progress)),
                },
            }
        };
        let answer = self.exchange("POST", path, events, send).await;
        drop(permit);
        answer
    }

    /// Lets no request out for `pause`.
    pub fn slow_down(&self, pause: Duration) {
        self.requests_gate.pause_for(pause);
        // Or the creates would pile up behind the other gate, and leave in a burst.
        self.creates_gate.pause_for(pause);
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

    async fn exchange<F: Future<Output = Result<Response>>>(
        &self,
        method: &'static str,
        path: &str,
        events: &Events,
        send: impl FnOnce() -> F,
    ) -> Result<Response> {
        let start = tokio::time::Instant::now();
        // Boxed once it is its turn: thousands wait for theirs, and few are under way.
        let result = Box::pin(send()).await.map_err(|error| self.config.secrets.hidden_in_error(error));
        events.emit(|| Event::Request {
            method,
            path: path.to_owned(),
            status_code: result.as_ref().ok().map(|answer| answer.status),
            elapsed: start.elapsed(),
        });
        result
    }

    /// The answer to a create. One that did not leave entirely cannot have started anything, unless the service
    /// says that it has.
    async fn answer(&self, request: reqwest::RequestBuilder, progress: &UploadProgress) -> Result<Response> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(unsent(self.transport_error(error), progress)),
        };
        progress.response_started();
        let status = response.status();
        let is_early = !progress.is_complete() && !status.is_success();
        let answer = match collect(response, &self.way()).await {
            Ok(answer) => Ok(self.without_key(answer)),
            Err(broken) => Err(self.with_named_job(broken)),
        };
        if is_early && (answer.is_err() || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT) {
            let words = format!("answered HTTP {} before all of the request had left", status.as_u16());
            return Err(Error::ConnectionFailed(Box::new(self.not_sent(&words))));
        }
        answer
    }

    /// The error of a response that broke off, with the id of the job that it began with.
    fn with_named_job(&self, broken: BrokenResponse) -> Error {
        match ((self.job_named_by)(&broken.begun), broken.begun.status) {
            (Some(id), 200..=299) => broken.error.with_request_id(&id),
            _ => broken.error,
        }
    }

    fn not_sent(&self, words: &str) -> TransportError {
        let host = self.config.base_url.host_str().unwrap_or_default();
        TransportError { message: format!("{host} {words}"), request_id: None, not_sent: true, permanent: false }
    }

    fn no_answer(&self, progress: &UploadProgress) -> Error {
        let host = self.config.base_url.host_str().unwrap_or_default();
        let transport_error = TransportError {
            message: format!("no answer from {host} within the client's timeout"),
            request_id: None,
            not_sent: progress.nothing_received(),
            permanent: false,
        };
        Error::RequestTimeout(Box::new(transport_error))
    }

    async fn read(&self, response: reqwest::Response) -> Result<Response> {
        read(response, &self.way()).await.map(|answer| self.without_key(answer))
    }

    /// Some services repeat the key, also in what is no error. From here on it is not seen again.
    fn without_key(&self, answer: Response) -> Response {
        let secrets = &self.config.secrets;
        let location = answer.location.map(|address| secrets.hidden_in(address));
        match secrets.hidden_in_body(&answer.body) {
            Some(body) => Response { original: Some(answer.body), body, location, ..answer },
            None => Response { location, ..answer },
        }
    }

    fn transport_error(&self, error: reqwest::Error) -> Error {
        transport_error(error, &self.way())
    }

    fn way(&self) -> Peer<'_> {
        let config = &self.config;
        Peer { host: config.base_url.host_str().unwrap_or_default(), proxy: config.proxy_before_api() }
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
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(content_coding::ACCEPTED));
    let builder = tls::builder(config)?.default_headers(headers).pool_max_idle_per_host(idle_connections);
    tls::build(builder)
}

/// Reads an answer, of whatever status, to its end.
async fn read(response: reqwest::Response, way: &Peer<'_>) -> Result<Response> {
    collect(response, way).await.map_err(|broken| broken.error)
}

/// An answer that broke off, and what had come of it.
#[derive(Debug)]
struct BrokenResponse {
    error: Error,
    begun: Response,
}

async fn collect(mut response: reqwest::Response, way: &Peer<'_>) -> std::result::Result<Response, BrokenResponse> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let retry_after = retry_after(headers, SystemTime::now());
    let location = headers.get(LOCATION).map(location);
    let mut collected = BodyCollector::new(codings(headers));
    let end = loop {
        match tokio::time::timeout(LULL, response.chunk()).await {
            Ok(Ok(Some(part))) if collected.push(&part).is_continue() => {}
            Ok(Ok(_)) => break Ok(()),
            Ok(Err(error)) => break Err(transport_error(error, way)),
            Err(_) if collected.is_whole() => break Ok(()),
            Err(_) => {}
        }
    };
    let (body, is_cut) = collected.finish();
    let answer = Response { status, retry_after, location, body, is_cut, original: None };
    match end {
        // An object that is whole needs nothing of what a wrong length may still promise.
        Err(error) if !answer.is_whole() => Err(BrokenResponse { error, begun: answer }),
        _ => Ok(answer),
    }
}

/// What trouble before any answer means for a create: one that did not leave entirely cannot have started anything.
fn unsent(error: Error, progress: &UploadProgress) -> Error {
    if let Some(unread) = progress.failure() {
        let field = unread.field;
        return Error::invalid(field, format!("{field}: {}; nothing was created", unread.reason));
    }
    let mark = |mut transport_error: Box<TransportError>| {
        transport_error.not_sent |= progress.nothing_received();
        transport_error
    };
    match error {
        Error::ConnectionFailed(transport_error) => Error::ConnectionFailed(mark(transport_error)),
        Error::RequestTimeout(transport_error) => Error::RequestTimeout(mark(transport_error)),
        other => other,
    }
}
