//! One exchange with the API.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BodyCollector;
use super::content_coding;
use super::failure::{Peer, transport_error};
use super::headers::{content_codings, location, retry_after};
use super::limiter::Limiter;
use super::tls;
use super::upload::{Upload, UploadProgress};
use crate::config::Config;
use crate::error::{Error, Result, TransportError};
use crate::event::{Event, Events};
use crate::response::Response;

/// Idempotency key, reused across retries. Whether the service honours it is undocumented.
const IDEMPOTENCY_KEY: &str = "x-idempotency-key";

/// How long an overdue response is waited for: it may have arrived while this process was suspended.
const OVERDUE_RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long more bytes of a complete response are waited for: some lengths are wrong.
const COMPLETE_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections that a query uses. A connection is served by the runtime that opened it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Those of the runtime with worker threads.
    #[default]
    Workers,
    /// Those of a runtime that runs only while a caller waits, on the waiting thread.
    Caller,
}

/// After this, the next create is sent without waiting for this one: connections may take long.
const LONGEST_TURN: Duration = Duration::from_millis(10);

/// Permission to send one create now.
#[derive(Debug)]
pub struct CreatePermit {
    /// Held until the response is here.
    slot: Option<OwnedSemaphorePermit>,
    /// Held until the request is sent.
    turn: Option<OwnedSemaphorePermit>,
}

impl CreatePermit {
    /// The same permission, with a turn among creates that are sent in order.
    #[must_use]
    pub fn in_turn(self, turn: Option<OwnedSemaphorePermit>) -> Self {
        Self { turn, ..self }
    }
}

/// Sends requests to the API: connection pools, and one rate limiter for all requests and one for creates.
#[derive(Debug)]
pub struct Http {
    config: Arc<Config>,
    queries: reqwest::Client,
    callers_queries: OnceLock<reqwest::Client>,
    /// Creates never reuse a connection: one that the server has just closed would lose the response, and with it the
    /// ID of a paid job.
    creates: OnceLock<reqwest::Client>,
    request_limiter: Limiter,
    create_limiter: Limiter,
    slots: Arc<Semaphore>,
    /// The job ID in a partial response.
    job_id_in: fn(&Response) -> Option<String>,
}

impl Http {
    /// Connects to nothing yet.
    pub fn new(config: Arc<Config>, job_id_in: fn(&Response) -> Option<String>) -> Result<Self> {
        Ok(Self {
            queries: build(&config, usize::MAX)?,
            callers_queries: OnceLock::new(),
            creates: OnceLock::new(),
            request_limiter: Limiter::new(config.requests_per_second),
            create_limiter: Limiter::new(config.creates_per_second),
            slots: Arc::new(Semaphore::new(config.max_concurrent_requests)),
            config,
            job_id_in,
        })
    }

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
        self.request_limiter.acquire().await;
        self.exchange("GET", path, events, send).await
    }

    /// Waits until one create may be sent. Each attempt needs a permit of its own.
    pub async fn acquire_create_permit(&self) -> CreatePermit {
        self.create_limiter.acquire().await;
        self.request_limiter.acquire().await;
        // The semaphore is never closed.
        CreatePermit { slot: Arc::clone(&self.slots).acquire_owned().await.ok(), turn: None }
    }

    /// `idempotency_key` is the same for all attempts of a create.
    ///
    /// The timeout restarts with every part of the body that was sent, as large bodies take time.
    pub async fn create(
        &self,
        permit: CreatePermit,
        path: &str,
        body: &Upload,
        idempotency_key: &str,
        events: &Events,
    ) -> Result<Response> {
        let request = self
            .creator()?
            .post(self.config.endpoint(path))
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, idempotency_key);
        // The timeout starts when the upload begins, and not while it waits for its turn.
        let CreatePermit { slot, turn } = permit;
        let send = || async {
            let (stream, progress) = body.begin();
            let response = self.respond_to_create(request.body(stream), turn, &progress);
            tokio::pin!(response);
            tokio::select! {
                biased;
                result = &mut response => result,
                () = progress.stalled(self.config.timeout) => match tokio::time::timeout(OVERDUE_RESPONSE_TIMEOUT, response).await {
                    Ok(result) => result,
                    Err(_) => Err(self.no_response(&progress)),
                },
            }
        };
        let response = self.exchange("POST", path, events, send).await;
        drop(slot);
        response
    }

    /// Pauses all requests.
    pub fn slow_down(&self, pause: Duration) {
        self.request_limiter.pause_for(pause);
        // Otherwise creates would queue up behind the other limiter, and be sent in a burst.
        self.create_limiter.pause_for(pause);
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
        // Boxed only now: thousands of calls wait for their turn, and few are in progress.
        let result = Box::pin(send()).await.map_err(|error| self.config.secrets.hidden_in_error(error));
        events.emit(|| Event::Request {
            method,
            path: path.to_owned(),
            status_code: result.as_ref().ok().map(|response| response.status),
            elapsed: start.elapsed(),
        });
        result
    }

    /// Sends a create and reads the response. An incomplete request cannot have started anything, unless the response
    /// says that it has.
    async fn respond_to_create(
        &self,
        request: reqwest::RequestBuilder,
        turn: Option<OwnedSemaphorePermit>,
        progress: &UploadProgress,
    ) -> Result<Response> {
        let response = match in_turn(request.send(), turn, progress).await {
            Ok(response) => response,
            Err(error) => return Err(without_response(self.transport_error(error), progress)),
        };
        progress.response_started();
        let status = response.status();
        let is_early = !progress.is_complete() && !status.is_success();
        let result = match collect(response, &self.peer()).await {
            Ok(response) => Ok(self.without_key(response)),
            Err(broken) => Err(self.with_job_id(broken)),
        };
        if is_early && (result.is_err() || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT) {
            let message = format!("answered HTTP {} before the request was complete", status.as_u16());
            return Err(Error::ConnectionFailed(Box::new(self.not_sent(&message))));
        }
        result
    }

    /// The error of a broken response, with the job ID in the part that arrived.
    fn with_job_id(&self, broken: BrokenResponse) -> Error {
        match ((self.job_id_in)(&broken.partial), broken.partial.status) {
            (Some(id), 200..=299) => broken.error.with_request_id(&id),
            _ => broken.error,
        }
    }

    fn not_sent(&self, message: &str) -> TransportError {
        let host = self.config.base_url.host_str().unwrap_or_default();
        TransportError { message: format!("{host} {message}"), request_id: None, not_sent: true, permanent: false }
    }

    fn no_response(&self, progress: &UploadProgress) -> Error {
        let host = self.config.base_url.host_str().unwrap_or_default();
        let transport_error = TransportError {
            message: format!("no response from {host} within the client's timeout"),
            request_id: None,
            not_sent: progress.nothing_received(),
            permanent: false,
        };
        Error::RequestTimeout(Box::new(transport_error))
    }

    async fn read(&self, response: reqwest::Response) -> Result<Response> {
        read(response, &self.peer()).await.map(|response| self.without_key(response))
    }

    /// Removes the API key from a response: some services repeat it, also without an error.
    fn without_key(&self, response: Response) -> Response {
        let secrets = &self.config.secrets;
        let location = response.location.map(|location| secrets.hidden_in(location));
        match secrets.hidden_in_body(&response.body) {
            Some(body) => Response { original: Some(response.body), body, location, ..response },
            None => Response { location, ..response },
        }
    }

    fn transport_error(&self, error: reqwest::Error) -> Error {
        transport_error(error, &self.peer())
    }

    fn peer(&self) -> Peer<'_> {
        let config = &self.config;
        let url = &config.base_url;
        Peer {
            host: url.host_str().unwrap_or_default(),
            port: url.port_or_known_default().unwrap_or_default(),
            proxy: config.proxy_before_api(),
        }
    }
}

/// Runs an exchange, and ends its turn once the request is sent, or after [`LONGEST_TURN`].
async fn in_turn<F: Future>(exchange: F, turn: Option<OwnedSemaphorePermit>, progress: &UploadProgress) -> F::Output {
    let mut exchange = std::pin::pin!(exchange);
    if turn.is_some() {
        tokio::select! {
            biased;
            answer = &mut exchange => return answer,
            _ = tokio::time::timeout(LONGEST_TURN, progress.completed()) => drop(turn),
        }
    }
    exchange.await
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
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", config.api_key.reveal())).map_err(|_| {
        Error::Configuration("the API key contains a character that HTTP does not allow; copy it again".into())
    })?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(content_coding::ACCEPTED));
    let builder = tls::builder(config)?.default_headers(headers).pool_max_idle_per_host(idle_connections);
    tls::build(builder)
}

async fn read(response: reqwest::Response, peer: &Peer<'_>) -> Result<Response> {
    collect(response, peer).await.map_err(|broken| broken.error)
}

/// A response that broke off, and the part that arrived.
#[derive(Debug)]
struct BrokenResponse {
    error: Error,
    partial: Response,
}

async fn collect(mut response: reqwest::Response, peer: &Peer<'_>) -> std::result::Result<Response, BrokenResponse> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let retry_after = retry_after(headers, SystemTime::now());
    let location = headers.get(LOCATION).map(location);
    let mut collected = BodyCollector::new(content_codings(headers));
    let end = loop {
        match tokio::time::timeout(COMPLETE_BODY_TIMEOUT, response.chunk()).await {
            Ok(Ok(Some(part))) if collected.push(&part).is_continue() => {}
            Ok(Ok(_)) => break Ok(()),
            Ok(Err(error)) => break Err(transport_error(error, peer)),
            Err(_) if collected.is_whole() => break Ok(()),
            Err(_) => {}
        }
    };
    let (body, is_cut) = collected.finish();
    let response = Response { status, retry_after, location, body, is_cut, original: None };
    match end {
        // A complete object is valid even if the announced length is wrong.
        Err(error) if !response.is_whole() => Err(BrokenResponse { error, partial: response }),
        _ => Ok(response),
    }
}

/// The error of a create without a response. An incomplete request cannot have started anything.
fn without_response(error: Error, progress: &UploadProgress) -> Error {
    if let Some(unreadable) = progress.failure() {
        let field = unreadable.field;
        return Error::invalid(field, format!("{field}: {}; nothing was created", unreadable.reason));
    }
    let mark_sent = |mut transport_error: Box<TransportError>| {
        transport_error.not_sent |= progress.nothing_received();
        transport_error
    };
    match error {
        Error::ConnectionFailed(transport_error) => Error::ConnectionFailed(mark_sent(transport_error)),
        Error::RequestTimeout(transport_error) => Error::RequestTimeout(mark_sent(transport_error)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::body_part::BodyPart;

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_once_the_request_is_sent_or_has_taken_long() {
        for is_sent in [true, false] {
            let turns = Arc::new(Semaphore::new(1));
            let turn = Arc::clone(&turns).try_acquire_owned().ok();
            let (body, progress) = Upload::new(vec![BodyPart::Text("x".into())]).begin();
            let began = tokio::time::Instant::now();
            let exchange = async {
                if is_sent {
                    body.collect().await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = in_turn(exchange, turn, &progress) => unreachable!("the exchange never ends"),
                next = turns.acquire() => drop(next),
            }
            assert_eq!(began.elapsed() >= LONGEST_TURN, !is_sent);
        }
    }

    #[tokio::test]
    async fn a_turn_ends_with_its_exchange() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().ok();
        let (_, progress) = Upload::new(Vec::new()).begin();
        assert_eq!(in_turn(async { 7 }, turn, &progress).await, 7);
        assert_eq!(turns.available_permits(), 1);
    }
}
