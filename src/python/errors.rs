//! Errors become exceptions here, and nowhere else.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::registry;
use super::values::VideoJob;
use crate::error::{ApiErrorKind, DownloadErrorKind, Error, JournalErrorKind};

/// The exception that stands for `error`.
pub(super) fn raise(py: Python<'_>, error: Error) -> PyErr {
    build(py, error).unwrap_or_else(|failure| failure)
}

fn build(py: Python<'_>, error: Error) -> PyResult<PyErr> {
    let message = error.to_string();
    let fields = PyDict::new(py);
    let class = match error {
        Error::Configuration(_) => "ConfigurationError",
        Error::InvalidRequest { field, .. } => {
            fields.set_item("field", field)?;
            "InvalidRequest"
        }
        Error::Api(error) => {
            fields.set_item("status_code", error.status_code)?;
            fields.set_item("code", error.code)?;
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("retry_after", error.retry_after.map(|pause| pause.as_secs_f64()))?;
            fields.set_item("body", error.body)?;
            api_class(error.kind)
        }
        Error::ConnectionFailed(failure) => {
            fields.set_item("request_id", failure.request_id)?;
            "ConnectionFailed"
        }
        Error::RequestTimeout(failure) => {
            fields.set_item("request_id", failure.request_id)?;
            "RequestTimeout"
        }
        Error::InvalidResponse { body, request_id, .. } => {
            fields.set_item("body", body)?;
            fields.set_item("request_id", request_id)?;
            "InvalidResponse"
        }
        Error::SubmitUnknown { status_code, request_id, .. } => {
            fields.set_item("status_code", status_code)?;
            fields.set_item("request_id", request_id)?;
            "SubmitUnknown"
        }
        Error::JobFailed(job) => of_job(&fields, *job, "JobFailed")?,
        Error::JobExpired(job) => of_job(&fields, *job, "JobExpired")?,
        Error::JobBlocked(job) => of_job(&fields, *job, "JobBlocked")?,
        Error::WaitTimeout { job, .. } => of_job(&fields, *job, "WaitTimeout")?,
        Error::Download(error) => {
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("errno", error.errno)?;
            download_class(error.kind)
        }
        Error::Journal(error) => {
            fields.set_item("request_id", error.request_id)?;
            fields.set_item("errno", error.errno)?;
            match error.kind {
                JournalErrorKind::AlreadyRunning => "AlreadyRunning",
                JournalErrorKind::Other => "JournalError",
            }
        }
        Error::NotBought(_) => "NotBought",
    };
    let class = registry::get(py, "exception")?.call1((class,))?.cast_into::<PyType>()?;
    Ok(PyErr::from_value(class.call((message,), Some(&fields))?))
}

fn of_job(fields: &Bound<'_, PyDict>, job: crate::job::VideoJob, class: &'static str) -> PyResult<&'static str> {
    fields.set_item("request_id", &job.request_id)?;
    fields.set_item("job", VideoJob::from_inner(job))?;
    Ok(class)
}

fn api_class(kind: ApiErrorKind) -> &'static str {
    match kind {
        ApiErrorKind::Authentication => "AuthenticationError",
        ApiErrorKind::PermissionDenied => "PermissionDenied",
        ApiErrorKind::InsufficientBalance => "InsufficientBalance",
        ApiErrorKind::NotFound => "NotFound",
        ApiErrorKind::BadRequest => "BadRequest",
        ApiErrorKind::RateLimited => "RateLimited",
        ApiErrorKind::Server => "ServerError",
        ApiErrorKind::Other => "APIError",
    }
}

fn download_class(kind: DownloadErrorKind) -> &'static str {
    match kind {
        DownloadErrorKind::VideoUrlExpired => "VideoUrlExpired",
        DownloadErrorKind::UnsafeUrl => "UnsafeUrl",
        DownloadErrorKind::NotAVideo => "NotAVideo",
        DownloadErrorKind::IncompleteDownload => "IncompleteDownload",
        DownloadErrorKind::TooLarge => "TooLarge",
        DownloadErrorKind::Other => "DownloadError",
    }
}
