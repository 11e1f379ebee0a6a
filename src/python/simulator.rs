//! The simulator, for Python.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use crate::simulator::{Canned, Fault, FaultKind, On, Options, Progress, Shape};

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

fn on(word: &str) -> PyResult<On> {
    match word {
        "create" => Ok(On::Create),
        "get" => Ok(On::Get),
        "download" => Ok(On::Download),
        other => Err(wrong("on", other)),
    }
}

fn fault(kind: &str, status: u16, retry_after: Option<f64>, seconds: f64) -> PyResult<FaultKind> {
    Ok(match kind {
        "lost_response" => FaultKind::LostResponse,
        "reset" => FaultKind::Reset,
        "rate_limited" => FaultKind::RateLimited { retry_after },
        "server_error" => FaultKind::ServerError { status },
        "truncated" => FaultKind::Truncated,
        "wrong_type" => FaultKind::WrongType,
        "garbage" => FaultKind::Garbage,
        "hang" => FaultKind::Hang { seconds },
        "oversized" => FaultKind::Oversized,
        "job_fails" => FaultKind::JobFails,
        "job_moderated" => FaultKind::JobModerated,
        "job_expires" => FaultKind::JobExpires,
        "link_expired" => FaultKind::LinkExpired,
        "not_found_yet" => FaultKind::NotFoundYet,
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
        super::values::to_dict(py, &self.0.accepted())
    }

    #[getter]
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        super::values::to_dict(py, &self.0.requests())
    }

    #[pyo3(signature = (**settings))]
    fn client<'py>(&self, py: Python<'py>, settings: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>> {
        let all = PyDict::new(py);
        all.set_item("api_key", "simulator")?;
        all.set_item("base_url", self.base_url())?;
        if let Some(settings) = settings {
            all.update(settings.as_mapping())?;
        }
        py.import("vidjob")?.getattr("VideoClient")?.call((), Some(&all))
    }

    #[pyo3(signature = (kind, *, on, times=1, after=0, status=500, retry_after=None, seconds=1.0))]
    #[expect(clippy::too_many_arguments, reason = "a fault has as many properties")]
    fn inject(
        &self,
        kind: &str,
        on: &str,
        times: u32,
        after: u32,
        status: u16,
        retry_after: Option<f64>,
        seconds: f64,
    ) -> PyResult<()> {
        let kind = fault(kind, status, retry_after, seconds)?;
        self.0.inject(Fault { kind, on: self::on(on)?, times, after });
        Ok(())
    }

    #[pyo3(signature = (on, *, status=200, headers=None, body=Body(Bytes::new())))]
    fn respond(&self, on: &str, status: u16, headers: Option<BTreeMap<String, String>>, body: Body) -> PyResult<()> {
        let headers = headers.unwrap_or_default().into_iter().collect();
        self.0.respond(self::on(on)?, Canned { status, headers, body: body.0 });
        Ok(())
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
