//! The simulator for Python.

#![expect(clippy::doc_markdown, reason = "the methods have the docstrings of the stub")]

use std::collections::BTreeMap;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use crate::simulator::{
    Endpoint, Fault, FaultKind, OddAnswer, OddBody, Options, PLACES, Progress, ScriptedResponse, Shape, WORDS,
};

/// The service on loopback, in this process.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Simulator(crate::simulator::Simulator);

const ENDPOINTS: [(&str, Endpoint); 3] =
    [("create", Endpoint::Create), ("get", Endpoint::Get), ("download", Endpoint::Download)];

/// The kinds of faults.
const FAULTS: &str = "lost_response, reset, rate_limited, server_error, truncated, wrong_type, garbage, hang, oversized, \
    job_fails, job_moderated, job_expires, job_ends, link_elsewhere, link_expired, late_file, not_found_yet, no_money, \
    odd_answer or odd_body";

fn wrong(what: &str, value: &str, expected: &str) -> PyErr {
    PyValueError::new_err(format!("{what} must be {expected}, not {value:?}"))
}

fn shape(word: &str) -> PyResult<Shape> {
    word.parse().map_err(|_| wrong("shape", word, "cometapi, envelope or xai"))
}

fn progress(word: Option<&str>) -> PyResult<Progress> {
    match word {
        Some("linear") => Ok(Progress::Linear),
        Some("stalling") => Ok(Progress::Stalling),
        None => Ok(Progress::None),
        Some(other) => Err(wrong("progress", other, "linear, stalling or None")),
    }
}

fn on(word: &str) -> PyResult<Endpoint> {
    let found = ENDPOINTS.iter().find(|(known, _)| *known == word);
    found.map(|(_, endpoint)| *endpoint).ok_or_else(|| wrong("on", word, "create, get or download"))
}

/// The form of this name; the first one if none is named.
fn form<T: Copy>(name: Option<&str>, known: &[(&'static str, T)]) -> PyResult<T> {
    let found = known.iter().find(|(known, _)| name.is_none_or(|name| name == *known));
    found.map(|(_, form)| *form).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        PyValueError::new_err(format!("form {:?} is not one of {}", name.unwrap_or_default(), names.join(", ")))
    })
}

/// Details of a fault, which only some kinds have.
struct Details<'a> {
    status: Option<u16>,
    retry_after: Option<f64>,
    seconds: f64,
    form: Option<&'a str>,
}

fn fault(kind: &str, details: &Details<'_>) -> PyResult<FaultKind> {
    let Details { status, retry_after, seconds, form: name } = *details;
    Ok(match kind {
        "lost_response" => FaultKind::LostResponse,
        "reset" => FaultKind::Reset,
        "rate_limited" => FaultKind::RateLimited { retry_after },
        "server_error" => FaultKind::ServerError { status: status.unwrap_or(500) },
        "truncated" => FaultKind::Truncated,
        "wrong_type" => FaultKind::WrongType,
        "garbage" => FaultKind::Garbage,
        "hang" => FaultKind::Hang { seconds },
        "oversized" => FaultKind::Oversized,
        "job_fails" => FaultKind::JobFails,
        "job_moderated" => FaultKind::JobModerated,
        "job_expires" => FaultKind::JobExpires,
        "job_ends" => FaultKind::JobEnds { word: form(name, &WORDS.map(|word| (word, word)))? },
        "link_elsewhere" => FaultKind::LinkElsewhere { place: form(name, &PLACES.map(|place| (place, place)))? },
        "link_expired" => FaultKind::LinkExpired { status: status.unwrap_or(403) },
        "late_file" => FaultKind::LateFile { status: status.unwrap_or(404) },
        "not_found_yet" => FaultKind::NotFoundYet,
        "no_money" => FaultKind::NoMoney { status: status.unwrap_or(429) },
        "odd_answer" => FaultKind::OddAnswer(form(name, &OddAnswer::ALL)?),
        "odd_body" => FaultKind::OddBody(form(name, &OddBody::ALL)?),
        other => return Err(wrong("kind", other, FAULTS)),
    })
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (shape="cometapi", *, port=0, seed=0, render_seconds=8.0, spread=0.35, queue_seconds=0.0,
        progress=Some("linear"), link_seconds=86400.0, creates_per_second=None, requests_per_second=None,
        api_key=None, video_bytes=None))]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every setting")]
    fn new(
        py: Python<'_>,
        shape: &str,
        port: u16,
        seed: u64,
        render_seconds: f64,
        spread: f64,
        queue_seconds: f64,
        progress: Option<&str>,
        link_seconds: f64,
        creates_per_second: Option<f64>,
        requests_per_second: Option<f64>,
        api_key: Option<String>,
        video_bytes: Option<u64>,
    ) -> PyResult<Self> {
        let options = Options {
            shape: self::shape(shape)?,
            port,
            seed,
            render_seconds,
            spread,
            queue_seconds,
            progress: self::progress(progress)?,
            link_seconds,
            creates_per_second,
            requests_per_second,
            api_key,
            video_bytes,
        };
        let started = py.detach(|| crate::simulator::Simulator::start(options));
        Ok(Self(started.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput => PyValueError::new_err(error.to_string()),
            _ => error.into(),
        })?))
    }

    /// The ``base_url`` for clients.
    #[getter]
    fn base_url(&self) -> String {
        self.0.base_url()
    }

    /// Every accepted create, in order. Texts over 1 MiB in a body are shortened.
    #[getter]
    fn accepted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        super::plain_objects::to_dict(py, &self.0.accepted())
    }

    /// The last 10,000 requests, with the status of the response.
    #[getter]
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        super::plain_objects::to_dict(py, &self.0.requests())
    }

    /// Returns a client of this simulator; takes the arguments of ``VideoClient``.
    ///
    /// It polls every 0.02 s and waits at most 0.01 s before the first retry. Pass ``poll_interval=None`` for the
    /// usual pace.
    #[pyo3(signature = (**settings))]
    fn client<'py>(&self, py: Python<'py>, settings: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
        let all = PyDict::new(py);
        all.set_item("api_key", "simulator")?;
        all.set_item("base_url", self.base_url())?;
        all.set_item("poll_interval", 0.02)?;
        all.set_item("retry_delay", 0.01)?;
        if let Some(settings) = settings {
            all.update(settings.as_mapping())?;
        }
        super::registry::get(py, "VideoClient")?.call((), Some(&all))
    }

    /// Injects a fault into the next matching requests.
    ///
    /// Faults of the connection: ``lost_response`` (the request is carried out, its response is lost), ``reset``
    /// (before anything is done), ``truncated`` (the body ends half way), ``hang`` (the response is late).
    ///
    /// Responses that replace the right one, with nothing done: ``rate_limited`` (429), ``server_error``,
    /// ``wrong_type`` (an HTML page with status 200), ``garbage`` (random bytes with status 200), ``oversized`` (1 MiB
    /// of JSON), ``no_money`` (an out-of-credit error with ``status`` 429, 402, 403 or 200), ``odd_answer`` (does not
    /// describe the job).
    ///
    /// Faults of a job, set on its create: ``job_fails``, ``job_moderated``, ``job_expires``, ``job_ends`` (with a
    /// status word of other gateways), ``link_elsewhere`` (the link is in another field; on a get, in one response).
    ///
    /// On a get: ``not_found_yet`` (404). On a create or a get: ``odd_body`` (the right response, in a form that strict
    /// parsers reject).
    ///
    /// On a download: ``link_expired`` (until the job is polled again), ``late_file`` (the link is valid, the file does
    /// not exist yet).
    ///
    /// Args:
    ///     kind: The fault.
    ///     on: ``create``, ``get`` or ``download``.
    ///     times: The number of requests that fail.
    ///     after: The number of matching requests that pass first.
    ///     status: The status of a ``server_error`` (default: 500), ``no_money`` (429), ``link_expired`` (403; with
    ///         400 the body says ``ExpiredToken``) or ``late_file`` (404; 202 and 200 have no body).
    ///     retry_after: Value of the ``Retry-After`` header of ``rate_limited``, in seconds.
    ///     seconds: The length of a ``hang``.
    ///     form: The variant; the first one is the default. Of ``job_ends``: ``aborted``, ``rejected``,
    ///         ``moderated``, ``blocked``, ``timeout``, ``timed_out``, ``cancelled``, ``error``. Of
    ///         ``link_elsewhere``: ``metadata.url``, ``videos[0].url``, ``result.video_url``, ``output.url``,
    ///         ``output.video_url``, ``data[0].url``, ``data.url``, ``video_url``. Of ``odd_answer``: ``empty``,
    ///         ``html``, ``cut``, ``text``, ``object``, ``busy`` (all under 200), ``forbidden`` (403),
    ///         ``not_found`` (404). Of ``odd_body``: ``bom``, ``nan``, ``huge_number``, ``surrogate``, ``latin1``,
    ///         ``line_break``, ``tab``, ``deep``, ``gzip``.
    ///
    /// Raises:
    ///     ValueError: The kind or form is unknown, or makes no difference in such a request.
    #[pyo3(signature = (kind, *, on, times=1, after=0, status=None, retry_after=None, seconds=1.0, form=None))]
    #[expect(clippy::too_many_arguments, reason = "a fault has as many properties")]
    fn inject(
        &self,
        kind: &str,
        on: &str,
        times: u32,
        after: u32,
        status: Option<u16>,
        retry_after: Option<f64>,
        seconds: f64,
        form: Option<&str>,
    ) -> PyResult<()> {
        let (name, place) = (kind, self::on(on)?);
        let kind = fault(name, &Details { status, retry_after, seconds, form })?;
        if !kind.can_happen_on(place) {
            let good =
                ENDPOINTS.iter().filter(|(_, place)| kind.can_happen_on(*place)).map(|(word, _)| format!("{word:?}"));
            let good = good.collect::<Vec<_>>().join(" or ");
            let message = format!("fault {name:?} makes no difference on={on:?}; use on={good}");
            return Err(PyValueError::new_err(message));
        }
        self.0.inject(Fault { kind, on: place, times, after });
        Ok(())
    }

    /// Sets the response to the next matching request. Several are used in order.
    #[pyo3(signature = (on, *, status=200, headers=None, body=Body(Bytes::new())))]
    fn respond(&self, on: &str, status: u16, headers: Option<BTreeMap<String, String>>, body: Body) -> PyResult<()> {
        let headers = headers.unwrap_or_default().into_iter().collect();
        self.0.respond(self::on(on)?, ScriptedResponse { status, headers, body: body.0 });
        Ok(())
    }

    /// Stops the simulator's clock, so that a test does not depend on how fast the machine is.
    ///
    /// Jobs, links and rate limits stay as they are until ``advance`` or ``resume`` is called. Requests are still
    /// answered, and the client's own waits still take real time. Pausing twice is fine.
    fn pause(&self) {
        self.0.pause();
    }

    /// Lets a paused clock run again.
    fn resume(&self) {
        self.0.resume();
    }

    /// Moves the simulator's clock ahead at once, whether it is paused or not.
    ///
    /// Args:
    ///     seconds: A job that renders for 8 seconds is done after ``advance(8)``.
    ///
    /// Raises:
    ///     ValueError: ``seconds`` is negative or not finite.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        self.0.advance(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Stops the service. Closing twice is fine.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (kind, error, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) {
        let _ = (kind, error, traceback);
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("Simulator(base_url={:?})", self.base_url())
    }
}

/// `bytes`, or a `str` in UTF-8.
struct Body(Bytes);

impl<'a, 'py> FromPyObject<'a, 'py> for Body {
    type Error = PyErr;

    fn extract(body: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = body.extract::<String>() {
            return Ok(Self(text.into()));
        }
        Ok(Self(body.extract::<Vec<u8>>()?.into()))
    }
}
