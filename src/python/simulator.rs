//! The simulator for Python.

#![expect(clippy::doc_markdown, reason = "the methods have the docstrings of the stub")]

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use super::checked::{Whole, unknown, value_of};
use super::faults::{self, Details};
use crate::simulator::{Options, Progress, ScriptedResponse, Shape};

/// Simulates the service on loopback: no key, no cost, no network. A context manager.
///
/// It answers as documented, renders in simulated time, serves real MP4 files, and records every create, so that a
/// test can assert what was bought.
///
/// `client` returns a client that polls every 0.02 s. Any other client of this ``base_url`` needs no key, and polls at
/// its normal pace, between 1 s and 10 s: pass it ``poll_interval=0.1`` to notice the end of a short render at once.
/// With pytest, use the fixture ``vidjob_simulator``.
///
/// Args:
///     shape: The API to imitate: ``"cometapi"``, ``"envelope"`` (CometAPI's earlier edition) or ``"xai"``.
///     port: Port on 127.0.0.1; 0 takes any.
///     seed: Determines the render time and outcome of the n-th job.
///     render_seconds: Median render time in seconds.
///     spread: Sigma of the lognormal render time; 0 makes all equal.
///     queue_seconds: Time in the queue before rendering, in seconds.
///     progress: Whether and how progress is reported: ``"linear"``, ``"stalling"``, or ``None`` to leave it out.
///     link_seconds: How long a video's link is valid, in seconds.
///     creates_per_second: Above it, creates get 429.
///     requests_per_second: Above it, every request gets 429.
///     api_key: The only key to accept; ``None`` accepts any.
///     video_bytes: Pads each MP4 file to this size.
///
/// Raises:
///     OSError: The port is taken.
///     ValueError: A word is unknown, or a number is out of range.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Simulator(crate::simulator::Simulator);

const SHAPES: [(&str, Shape); 3] = [("cometapi", Shape::Cometapi), ("envelope", Shape::Envelope), ("xai", Shape::Xai)];
const PROGRESS: [(&str, Progress); 2] = [("linear", Progress::Linear), ("stalling", Progress::Stalling)];

fn progress(py: Python<'_>, word: Option<&str>) -> PyResult<Progress> {
    let Some(word) = word else { return Ok(Progress::None) };
    let found = PROGRESS.iter().find(|(known, _)| *known == word);
    found.map(|(_, progress)| *progress).ok_or_else(|| unknown(py, "progress", word, &["linear", "stalling", "None"]))
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (shape="cometapi", *, port=Whole(0), seed=Whole(0), render_seconds=8.0, spread=0.35, queue_seconds=0.0,
        progress=Some("linear"), link_seconds=86400.0, creates_per_second=None, requests_per_second=None,
        api_key=None, video_bytes=None), text_signature = "(shape='cometapi', *, port=0, seed=0, render_seconds=8.0, \
        spread=0.35, queue_seconds=0.0, progress='linear', link_seconds=86400.0, creates_per_second=None, \
        requests_per_second=None, api_key=None, video_bytes=None)")]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every setting")]
    fn new(
        py: Python<'_>,
        shape: &str,
        port: Whole,
        seed: Whole,
        render_seconds: f64,
        spread: f64,
        queue_seconds: f64,
        progress: Option<&str>,
        link_seconds: f64,
        creates_per_second: Option<f64>,
        requests_per_second: Option<f64>,
        api_key: Option<String>,
        video_bytes: Option<Whole>,
    ) -> PyResult<Self> {
        let options = Options {
            shape: value_of(py, "shape", shape, &SHAPES)?,
            port: port.within("port", "0 to 65535", |_| true)?,
            seed: seed.at_least("seed", 0)?,
            render_seconds,
            spread,
            queue_seconds,
            progress: self::progress(py, progress)?,
            link_seconds,
            creates_per_second,
            requests_per_second,
            api_key,
            video_bytes: video_bytes.map(|bytes| bytes.at_least("video_bytes", 0)).transpose()?,
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

    /// How often the injected faults have still to fire; a test asserts that it is 0.
    ///
    /// A fault counts ``times`` times, also while ``after`` has not passed. Responses set with ``respond`` do not
    /// count.
    #[getter]
    fn faults_left(&self) -> u64 {
        self.0.faults_left()
    }

    /// Returns a client of this simulator; takes the arguments of ``VideoClient``.
    ///
    /// It has the simulator's ``api_key``, polls every 0.02 s and waits at most 0.01 s before the first retry. Pass
    /// ``poll_interval=None`` for the usual pace, between 1 s and 10 s.
    #[pyo3(signature = (**settings))]
    fn client<'py>(&self, py: Python<'py>, settings: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
        let all = PyDict::new(py);
        all.set_item("base_url", self.base_url())?;
        if let Some(key) = self.0.api_key() {
            all.set_item("api_key", key)?;
        }
        all.set_item("poll_interval", 0.02)?;
        all.set_item("retry_delay", 0.01)?;
        if let Some(settings) = settings {
            all.update(settings.as_mapping())?;
        }
        super::registry::get(py, "VideoClient")?.call((), Some(&all))
    }

    /// Injects a fault into the next matching requests.
    ///
    ///     kind            on                     what happens
    ///     --------------  ---------------------  ---------------------------------------------------------
    ///     lost_response   create, get, download  the request is carried out; its response is lost
    ///     reset           create, get, download  the connection is reset before anything is done
    ///     truncated       create, get, download  the body ends half way
    ///     hang            create, get, download  the response is late by `seconds`
    ///     rate_limited    create, get, download  429, with `retry_after`; nothing is done
    ///     server_error    create, get, download  `status` (500 to 599, default 500); nothing is done
    ///     wrong_type      create, get, download  an HTML page under 200; nothing is done
    ///     garbage         create, get, download  random bytes under 200; nothing is done
    ///     oversized       create, get, download  1 MiB of JSON; nothing is done
    ///     no_money        create, get, download  out of credit: `status` 429 (default), 402, 403 or 200
    ///     odd_answer      create, get, download  nothing about the job, in a `form`; nothing is done
    ///     odd_body        create, get            the right response, in a `form` that strict readers refuse
    ///     job_fails       create                 the job fails
    ///     job_moderated   create                 moderation blocks the video; the job is billed
    ///     job_expires     create                 the job expires
    ///     job_ends        create                 the job ends with another gateway's word, the `form`
    ///     link_elsewhere  create, get            the link is in another field, the `form`
    ///     not_found_yet   get                    404, as if the job were not visible yet
    ///     link_expired    download               `status` (400 to 499, default 403) until the next get
    ///     late_file       download               `status` (default 404; 2xx has no body): no file there yet
    ///
    /// A fault of a job (``job_...``, ``link_elsewhere``) fires when a create is accepted; ``link_elsewhere`` on a get
    /// fires when the job is done. Faults of the same requests fire in the order in which they were injected.
    ///
    /// Args:
    ///     kind: The fault.
    ///     on: ``create``, ``get`` or ``download``.
    ///     times: The number of requests that fail.
    ///     after: The number of matching requests that pass first.
    ///     status: The HTTP status of ``server_error``, ``no_money``, ``link_expired`` (with 400 the body says
    ///         ``ExpiredToken``) or ``late_file``.
    ///     retry_after: Value of the ``Retry-After`` header of ``rate_limited``, in seconds. Default: no header.
    ///     seconds: The length of a ``hang``. Default: 1.
    ///     form: The variant; the first one is the default. Of ``job_ends``: ``aborted``, ``rejected``,
    ///         ``moderated``, ``blocked``, ``timeout``, ``timed_out``, ``cancelled``, ``error``. Of
    ///         ``link_elsewhere``: ``metadata.url``, ``videos[0].url``, ``result.video_url``, ``output.url``,
    ///         ``output.video_url``, ``data[0].url``, ``data.url``, ``video_url``. Of ``odd_answer``: ``empty``,
    ///         ``html``, ``cut``, ``text``, ``object``, ``busy`` (all under 200), ``forbidden`` (403), ``not_found``
    ///         (404). Of ``odd_body``: ``bom``, ``nan``, ``huge_number``, ``surrogate``, ``latin1``, ``line_break``,
    ///         ``tab``, ``deep``, ``gzip``.
    ///
    /// Raises:
    ///     ValueError: A word is unknown, the kind makes no difference in such a request or does not use a detail, or a
    ///         number is out of range.
    #[pyo3(signature = (kind, *, on, times=Whole(1), after=Whole(0), status=None, retry_after=None, seconds=None,
        form=None), text_signature = "($self, kind, *, on, times=1, after=0, status=None, retry_after=None, \
        seconds=None, form=None)")]
    #[expect(clippy::too_many_arguments, reason = "a fault has as many properties")]
    fn inject(
        &self,
        py: Python<'_>,
        kind: &str,
        on: &str,
        times: Whole,
        after: Whole,
        status: Option<Whole>,
        retry_after: Option<f64>,
        seconds: Option<f64>,
        form: Option<&str>,
    ) -> PyResult<()> {
        let details = Details { status, retry_after, seconds, form };
        self.0.inject(faults::fault(py, kind, on, times, after, &details)?);
        Ok(())
    }

    /// Sets the response to the next matching request. Several are used in order.
    ///
    /// A request with a fault that replaces its response leaves it for the next one.
    ///
    /// Args:
    ///     on: ``create``, ``get`` or ``download``.
    ///     status: The HTTP status, from 200 to 599.
    ///     headers: The headers; there are no others but the length and the date.
    ///     body: The body; a ``str`` is sent in UTF-8.
    ///
    /// Raises:
    ///     ValueError: ``on`` is unknown, or HTTP does not allow the status or a header.
    #[pyo3(signature = (on, *, status=Whole(200), headers=None, body=Body(Bytes::new())),
        text_signature = "($self, on, *, status=200, headers=None, body=b'')")]
    fn respond(
        &self,
        py: Python<'_>,
        on: &str,
        status: Whole,
        headers: Option<BTreeMap<String, String>>,
        body: Body,
    ) -> PyResult<()> {
        let on = faults::endpoint(py, on)?;
        let status = status.within("status", "200 to 599", |status| (200..600).contains(&status))?;
        let headers: Vec<_> = headers.unwrap_or_default().into_iter().collect();
        for (name, value) in &headers {
            if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value).is_err() {
                return Err(PyValueError::new_err(format!("HTTP does not allow the header {name:?}: {value:?}")));
            }
        }
        self.0.respond(on, ScriptedResponse { status, headers, body: body.0 });
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
