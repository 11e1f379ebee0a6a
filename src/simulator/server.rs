//! The HTTP server: connections, routes and faults.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    RETRY_AFTER,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::check::{self, Operation};
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::fault::{FaultKind, OddBody};
use super::files::{File, RequestedRange};
use super::ledger::{Ledger, Logged, lock};
use super::options::Shape;
use super::responses::{self, JsonResponse};
use super::scripted_response::ScriptedResponse;
use super::timeline::{JobEnd, JobState};
use super::{body, links, malformed, upload};

const MAX_BODY: usize = 256 << 20;
const OVERSIZED: usize = (1 << 20) + 4096;
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Hello</title></head><body>This is not what you want.</body></html>";

type Shared = Arc<Mutex<Ledger>>;
type Body = UnsyncBoxBody<Bytes, Broken>;

/// Ends the connection without a response or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("scripted end of the connection")]
pub(super) struct Broken;

pub(super) async fn run(listener: std::net::TcpListener, ledger: Shared, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    tokio::select! {
        // The sender is dropped to stop the server.
        _ = stopped => {}
        never = accept(listener, ledger) => match never {},
    }
}

async fn accept(listener: TcpListener, ledger: Shared) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&ledger)))),
            // Out of file descriptors: retry when some may be free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream, ledger: Shared) {
    // Short responses must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let connection = TokioIo::new(Connection { stream, reset: Arc::clone(&reset) });
    let service = service_fn(move |request| respond(request, Arc::clone(&ledger), Arc::clone(&reset)));
    // Disconnected clients and scripted disconnects end in an error here.
    let _ = http1::Builder::new().serve_connection(connection, service).await;
}

async fn respond(request: Request<Incoming>, ledger: Shared, reset: Arc<AtomicBool>) -> Result<Response<Body>, Broken> {
    let mut logged = Logged {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        status: None,
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        at: lock(&ledger).now(),
    };
    let result = routed(request, &ledger, &reset).await;
    logged.status = result.as_ref().ok().map(|response| response.status().as_u16());
    lock(&ledger).log(logged);
    result
}

// ---- routes ----------------------------------------------------------------------------------

enum Route {
    Create(String, Operation),
    Get(String),
    Download(String),
}

impl Route {
    fn of(method: &Method, path: &str) -> Option<Self> {
        if let Some(name) = path.strip_prefix("/vidgen/") {
            let id = links::job_of_name(name).to_owned();
            return matches!(*method, Method::GET | Method::HEAD).then_some(Self::Download(id));
        }
        let path = path.strip_prefix("/grok").unwrap_or(path);
        let name = path.strip_prefix("/v1/videos/").or_else(|| path.strip_prefix("/videos/"))?;
        match (method, Operation::from_name(name)) {
            (&Method::POST, Some(operation)) => Some(Self::Create(name.to_owned(), operation)),
            (&Method::GET, None) if !name.contains('/') => Some(Self::Get(name.to_owned())),
            _ => None,
        }
    }

    /// The job that the request is about.
    fn job(&self) -> Option<&str> {
        match self {
            Self::Create(..) => None,
            Self::Get(id) | Self::Download(id) => Some(id),
        }
    }

    fn on(&self) -> Endpoint {
        match self {
            Self::Create(..) => Endpoint::Create,
            Self::Get(_) => Endpoint::Get,
            Self::Download(_) => Endpoint::Download,
        }
    }
}

async fn routed(request: Request<Incoming>, ledger: &Shared, reset: &AtomicBool) -> Result<Response<Body>, Broken> {
    let shape = lock(ledger).options.shape;
    let Some(route) = Route::of(request.method(), request.uri().path()) else {
        return Ok(json(responses::error(shape, 404, "Invalid URL")));
    };
    let on = route.on();
    let fault = lock(ledger).take_fault(on, route.job());
    if let Some(FaultKind::Hang { seconds }) = fault {
        // Longer than a `Duration` is forever.
        tokio::time::sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).await;
    }
    let response = if let Some(response) = without_handler(on, fault, ledger, reset)? {
        // A client that is still sending may not see the response.
        let _ = body::collect(request.into_body(), 0).await;
        response
    } else {
        handled(request, route, ledger, fault).await
    };
    match fault {
        Some(FaultKind::LostResponse) => Err(Broken),
        Some(FaultKind::Truncated) => truncated(response).await,
        Some(FaultKind::OddBody(form)) if on != Endpoint::Download => reshaped(response, form).await,
        _ => Ok(response),
    }
}

async fn handled(
    request: Request<Incoming>,
    route: Route,
    ledger: &Shared,
    fault: Option<FaultKind>,
) -> Response<Body> {
    match route {
        Route::Create(name, operation) => create(request, ledger, &name, operation, fault).await,
        Route::Get(id) => get(request.headers(), ledger, &id, fault).await,
        Route::Download(id) => download(&request, ledger, &id, fault),
    }
}

/// Responses that do not depend on the request: faults, scripted responses and rate limits.
fn without_handler(
    on: Endpoint,
    fault: Option<FaultKind>,
    ledger: &Shared,
    reset: &AtomicBool,
) -> Result<Option<Response<Body>>, Broken> {
    let shape = lock(ledger).options.shape;
    if let Some(response) = fault_response(fault, shape, ledger, reset)? {
        return Ok(Some(response));
    }
    // Another response than the right one would hide the other faults.
    if fault.is_none_or(FaultKind::applies_to_any_response) {
        let response = lock(ledger).take_scripted(on);
        if let Some(response) = response {
            return Ok(Some(scripted(response)));
        }
    }
    let is_throttled = on != Endpoint::Download && lock(ledger).is_throttled(on);
    Ok(is_throttled.then(|| too_many(shape, Some(1.0))))
}

/// Faults that replace the response.
fn fault_response(
    fault: Option<FaultKind>,
    shape: Shape,
    ledger: &Shared,
    reset: &AtomicBool,
) -> Result<Option<Response<Body>>, Broken> {
    Ok(Some(match fault {
        Some(FaultKind::Reset) => {
            reset.store(true, Ordering::Relaxed);
            return Err(Broken);
        }
        Some(FaultKind::RateLimited { retry_after }) => too_many(shape, retry_after),
        Some(FaultKind::NoMoney { status }) => json(responses::no_money(status)),
        Some(FaultKind::OddAnswer(form)) => {
            let (status, content_type, body) = responses::odd_answer(form);
            response(status, content_type, body.into())
        }
        Some(FaultKind::ServerError { status }) => json(responses::error(shape, status, "The service is in trouble.")),
        Some(FaultKind::WrongType) => response(200, "text/html; charset=utf-8", PAGE.into()),
        Some(FaultKind::Garbage) => response(200, "application/json", garbage(ledger)),
        Some(FaultKind::Oversized) => {
            response(200, "application/json", format!("{{\"padding\":\"{}\"}}", "x".repeat(OVERSIZED)).into())
        }
        _ => return Ok(None),
    }))
}

fn garbage(ledger: &Shared) -> Bytes {
    let mut bytes = BytesMut::zeroed(512);
    lock(ledger).rng.fill(&mut bytes);
    bytes.freeze()
}

async fn create(
    request: Request<Incoming>,
    ledger: &Shared,
    name: &str,
    operation: Operation,
    fault: Option<FaultKind>,
) -> Response<Body> {
    let shape = lock(ledger).options.shape;
    let refuse = |status, message: &str| json(responses::error(shape, status, message));
    let headers = request.headers().clone();
    if !header(&headers, CONTENT_TYPE).starts_with("application/json") {
        return refuse(415, "Expected request with `Content-Type: application/json`");
    }
    let Some(body) = body::collect(request.into_body(), MAX_BODY).await else {
        return refuse(413, "The request body is too large.");
    };
    let Ok(serde_json::Value::Object(body)) = serde_json::from_slice(&body) else {
        return refuse(422, "Failed to parse the request body as JSON");
    };
    let purchase = match check::purchase(operation, &body, &|source| lock(ledger).own(source)) {
        Ok(purchase) => purchase,
        Err((status, message)) => return refuse(status, &message),
    };
    let mut ledger = lock(ledger);
    if let Some(refusal) = key_refusal(&ledger, &headers) {
        return json(refusal);
    }
    let idempotency_key = headers.get("x-idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    // One request has one fault.
    let fault = if fault.is_none() { ledger.take_job_fault() } else { None };
    json(responses::created(&ledger.accept(name, body, idempotency_key, purchase, fault)))
}

async fn get(headers: &HeaderMap, ledger: &Shared, request_id: &str, fault: Option<FaultKind>) -> Response<Body> {
    let shape = lock(ledger).options.shape;
    if let Some(refusal) = key_refusal(&lock(ledger), headers) {
        return json(refusal);
    }
    if fault == Some(FaultKind::NotFoundYet) {
        return json(responses::unknown_job(shape));
    }
    let Some(state) = lock(ledger).query(request_id) else { return json(responses::unknown_job(shape)) };
    if state == JobState::Over(JobEnd::Done) {
        let upload = lock(ledger).take_upload(request_id);
        if let Some((address, file)) = upload {
            // Uploaded before the response; the task completes even if the client disconnects.
            let _ = tokio::spawn(async move { upload::put(&address, file).await }).await;
        }
    }
    let link_field = match fault {
        Some(FaultKind::LinkElsewhere { place }) => Some(place),
        _ => None,
    };
    let response = responses::status(&mut lock(ledger), request_id, state, link_field);
    json(response.unwrap_or_else(|| responses::unknown_job(shape)))
}

/// A missing key gets 401; a wrong key gets 401, or 400 from xAI.
fn key_refusal(ledger: &Ledger, headers: &HeaderMap) -> Option<JsonResponse> {
    let shape = ledger.options.shape;
    let Some(key) = header(headers, AUTHORIZATION).strip_prefix("Bearer ").filter(|key| !key.is_empty()) else {
        return Some(responses::error(shape, 401, "No API key provided."));
    };
    if ledger.options.api_key.as_deref().is_none_or(|valid| valid == key) {
        return None;
    }
    Some(match shape {
        Shape::Xai => responses::error(shape, 400, "Incorrect API key provided. Obtain one from the console."),
        _ => responses::error(shape, 401, "Invalid token"),
    })
}

fn download(request: &Request<Incoming>, ledger: &Shared, id: &str, fault: Option<FaultKind>) -> Response<Body> {
    let shared = Arc::clone(ledger);
    let mut ledger = lock(ledger);
    if let Some(FaultKind::LinkExpired { status }) = fault {
        ledger.expire_link(id, status);
    }
    let signature = request.uri().query().map(links::signature).unwrap_or_default();
    if !ledger.is_valid_link(id, signature) {
        let (status, content_type, body) = links::refusal(ledger.link_refusal(id));
        return response(status, content_type, body.into());
    }
    if let Some(FaultKind::LateFile { status }) = fault {
        let (status, content_type, body) = links::not_yet(status);
        return response(status, content_type, body.into());
    }
    let Some(file) = ledger.file(id) else { return response(404, "text/plain", "no such file".into()) };
    let range = file.requested_range(request.headers());
    drop(ledger);
    let whole_sent =
        (range == RequestedRange::Whole && request.method() == Method::GET).then(|| (shared, id.to_owned()));
    send(file, range, whole_sent)
}

fn send(file: File, range: RequestedRange, whole_sent: Option<(Shared, String)>) -> Response<Body> {
    let size = file.size();
    let (status, from, to) = match range {
        RequestedRange::Whole => (StatusCode::OK, 0, size - 1),
        RequestedRange::Range { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        RequestedRange::Unsatisfiable => {
            let mut response = response(416, "text/plain", Bytes::new());
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let etag = file.etag.clone();
    let pieces = futures_util::stream::unfold((file, from, whole_sent), move |(file, at, mut whole_sent)| async move {
        if at > to {
            return None;
        }
        let piece = file.piece(at, to);
        let at = at + piece.len() as u64;
        if at > to
            && let Some((ledger, id)) = whole_sent.take()
            && let Some(job) = lock(&ledger).job(&id)
        {
            job.entry.downloads += 1;
        }
        Some((Ok::<_, Broken>(Frame::data(piece)), (file, at, whole_sent)))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "video/mp4");
    set(&mut response, CONTENT_LENGTH, &(to - from + 1).to_string());
    set(&mut response, ACCEPT_RANGES, "bytes");
    set(&mut response, ETAG, &etag);
    set(&mut response, LAST_MODIFIED, "Mon, 23 Nov 2026 00:00:00 GMT");
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {from}-{to}/{size}"));
    }
    response
}

// ---- responses -------------------------------------------------------------------------------

fn response(status: u16, content_type: &str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    // A scripted status may be invalid.
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !content_type.is_empty() {
        set(&mut response, CONTENT_TYPE, content_type);
    }
    response
}

fn json((status, body): JsonResponse) -> Response<Body> {
    match body {
        Some(body) => response(status, "application/json", body.to_string().into()),
        None => response(status, "", Bytes::new()),
    }
}

fn too_many(shape: Shape, retry_after: Option<f64>) -> Response<Body> {
    let message = "Too many requests. Requests per Second (actual/limit): 2/1";
    let mut response = json(responses::error(shape, 429, message));
    if let Some(seconds) = retry_after {
        set(&mut response, RETRY_AFTER, &seconds.to_string());
    }
    response
}

fn scripted(script: ScriptedResponse) -> Response<Body> {
    let mut response = response(script.status, "", script.body);
    for (name, value) in script.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// The same response, whose body is truncated.
async fn truncated(response: Response<Body>) -> Result<Response<Body>, Broken> {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    if body.is_empty() {
        return Err(Broken);
    }
    parts.headers.insert(CONTENT_LENGTH, body.len().into());
    let half = body.slice(..body.len() / 2);
    let frames = futures_util::stream::unfold(Some(half), |half| async move {
        if let Some(half) = half {
            return Some((Ok(Frame::data(half)), None));
        }
        // The half must be sent before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Err(Broken), None))
    });
    Ok(Response::from_parts(parts, StreamBody::new(frames).boxed_unsync()))
}

/// The same response in another form.
async fn reshaped(response: Response<Body>, form: OddBody) -> Result<Response<Body>, Broken> {
    let (mut parts, body) = response.into_parts();
    let body = malformed::reshaped(body.collect().await?.to_bytes(), form);
    parts.headers.remove(CONTENT_LENGTH);
    if form == OddBody::Gzip {
        parts.headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    }
    Ok(Response::from_parts(parts, Full::new(body).map_err(|never| match never {}).boxed_unsync()))
}

fn set(response: &mut Response<Body>, name: http::HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
