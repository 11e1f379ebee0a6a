//! Converts errors into exceptions.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::registry;
use super::values::VideoJob;
use crate::error::{ApiErrorKind, DownloadErrorKind, Error, JournalErrorKind};

pub(super) fn raise(py: Python<'_>, error: Error) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

fn build(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let message = error.to_string();
    let fields = PyDict::new(py);
    let class = error.class();
    match error {
        Error::Configuration(_) => {}
        Error::NotSubmitted(error) => {
            fields.set_item("limit", error.limit)?;
            fields.set_item("spent_usd", error.spent_usd)?;
            fields.set_item("estimate_usd", error.estimate_usd)?;
        }
        Error::InvalidRequest { field, .. } => {
            fields.set_item("field", field)?;
        }
        Error::Api(error) => {
            fields.set_item("status_code", error.status_code)?;
            fields.set_item("code", error.code)?;
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("retry_after", error.retry_after.map(|pause| pause.as_secs_f64()))?;
            fields.set_item("body", error.body)?;
        }
        Error::ConnectionFailed(failure) | Error::RequestTimeout(failure) => {
            fields.set_item("request_id", failure.request_id)?;
        }
        Error::InvalidResponse { body, request_id, .. } => {
            fields.set_item("body", body)?;
            fields.set_item("request_id", request_id)?;
        }
        Error::SubmitUnknown { status_code, request_id, .. } => {
            fields.set_item("status_code", status_code)?;
            fields.set_item("request_id", request_id)?;
        }
        Error::JobFailed(job) | Error::JobExpired(job) | Error::JobBlocked(job) | Error::WaitTimeout { job, .. } => {
            fields.set_item("request_id", &job.request_id)?;
            fields.set_item("job", VideoJob::from_inner(*job))?;
        }
        Error::Download(error) => {
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("errno", error.errno)?;
        }
        Error::Journal(error) => {
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("errno", error.errno)?;
        }
    }
    let class = registry::get(py, "errors")?.get_item(class)?.cast_into::<PyType>()?;
    Ok(PyErr::from_value(class.call((message,), Some(&fields))?))
}

macro_rules! classes {
    ($kind:ident $((by kind: $($nested:ident),*))?: $($variant:ident => $class:literal,)*) => {
        impl $kind {
            /// The name of the exception class.
            fn class(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $class,)*
                    $($(Self::$nested(error) => error.kind.class(),)*)?
                }
            }
        }

        impl Classes for $kind {
            const CLASSES: &[&str] = &[$($class),*];
        }
    };
}

trait Classes {
    /// Every exception class that stands for an error of this kind.
    const CLASSES: &[&str];
}

classes! { Error (by kind: Api, Download, Journal):
    Configuration => "ConfigurationError",
    InvalidRequest => "InvalidRequest",
    ConnectionFailed => "ConnectionFailed",
    RequestTimeout => "RequestTimeout",
    InvalidResponse => "InvalidResponse",
    SubmitUnknown => "SubmitUnknown",
    JobFailed => "JobFailed",
    JobExpired => "JobExpired",
    JobBlocked => "JobBlocked",
    WaitTimeout => "WaitTimeout",
    NotSubmitted => "NotSubmitted",
}

classes! { ApiErrorKind:
    Authentication => "AuthenticationError",
    PermissionDenied => "PermissionDenied",
    InsufficientBalance => "InsufficientBalance",
    NotFound => "NotFound",
    BadRequest => "BadRequest",
    RateLimited => "RateLimited",
    Server => "ServerError",
    Other => "APIError",
}

classes! { DownloadErrorKind:
    VideoUrlExpired => "VideoUrlExpired",
    UnsafeUrl => "UnsafeUrl",
    NotAVideo => "NotAVideo",
    IncompleteDownload => "IncompleteDownload",
    TooLarge => "TooLarge",
    Other => "DownloadError",
}

classes! { JournalErrorKind:
    AlreadyRunning => "AlreadyRunning",
    Other => "JournalError",
}

/// Every exception class that can be raised.
pub(super) fn classes() -> Vec<&'static str> {
    [Error::CLASSES, ApiErrorKind::CLASSES, DownloadErrorKind::CLASSES, JournalErrorKind::CLASSES].concat()
}
