//! The simulator for Python.

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

fn wrong(what: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{what} {value:?} is not known"))
}

fn shape(word: &str) -> PyResult<Shape> {
    word.parse().map_err(|_| wrong("shape", word))
}

fn progress(word: Option<&str>) -> PyResult<Progress> {
    match word {
        Some("linear") => Ok(Progress::Linear),
        Some("stalling") => Ok(Progress::Stalling),
        None => Ok(Progress::None),
        Some(other) => Err(wrong("progress", other)),
    }
}

fn on(word: &str) -> PyResult<Endpoint> {
    match word {
        "create" => Ok(Endpoint::Create),
        "get" => Ok(Endpoint::Get),
        "download" => Ok(Endpoint::Download),
        other => Err(wrong("on", other)),
    }
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
        other => return Err(wrong("fault", other)),
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

    #[getter]
    fn base_url(&self) -> String {
        self.0.base_url()
    }

    #[getter]
    fn accepted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        super::plain_objects::to_dict(py, &self.0.accepted())
    }

    #[getter]
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        super::plain_objects::to_dict(py, &self.0.requests())
    }

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
            return Err(PyValueError::new_err(format!("fault {name:?} makes no difference on={on:?}")));
        }
        self.0.inject(Fault { kind, on: place, times, after });
        Ok(())
    }

    #[pyo3(signature = (on, *, status=200, headers=None, body=Body(Bytes::new())))]
    fn respond(&self, on: &str, status: u16, headers: Option<BTreeMap<String, String>>, body: Body) -> PyResult<()> {
        let headers = headers.unwrap_or_default().into_iter().collect();
        self.0.respond(self::on(on)?, ScriptedResponse { status, headers, body: body.0 });
        Ok(())
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }

    fn advance(&self, seconds: f64) -> PyResult<()> {
        self.0.advance(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
    }

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
