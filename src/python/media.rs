//! Converts images and videos of all kinds into the core's media.

use std::path::PathBuf;

use bytes::Bytes;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use super::arguments::{not_utf8, text};
use super::file_id::FileId;
use super::{errors, registry, values};
use crate::media::{Media, TextKind, png};

/// One image or video. `field` is its place in the request.
pub(super) fn media(field: &'static str, argument: &Bound<'_, PyAny>) -> PyResult<Media> {
    let py = argument.py();
    if argument.is_instance_of::<PyString>() {
        return Media::of_text(field, &text(field, argument)?).map_err(|error| errors::raise(py, error));
    }
    if argument.is_instance_of::<PyBytes>() || argument.is_instance_of::<PyByteArray>() {
        return in_memory(argument);
    }
    if let Ok(file) = argument.cast::<FileId>() {
        return Ok(Media::FileId(file.get().id().to_owned()));
    }
    if let Ok(job) = argument.cast::<values::VideoJob>() {
        return Ok(Media::Job(Box::new(job.get().inner.clone())));
    }
    if let Ok(saved) = argument.cast::<values::Download>() {
        return Ok(Media::File(saved.get().saved_path().to_owned()));
    }
    if let Ok(video) = argument.cast::<values::Video>() {
        return Ok(Media::Video(video.get().inner.clone()));
    }
    if argument.hasattr(intern!(py, "__fspath__"))? {
        let path = argument.extract::<PathBuf>().map_err(|error| not_utf8(py, field, error))?;
        return Ok(Media::File(path));
    }
    let found = registry::get(py, "media.encode")?.call1((argument, field))?;
    match found.extract::<(Option<Bound<'_, values::VideoJob>>, Option<PathBuf>)>() {
        Ok((Some(job), Some(path))) => Ok(Media::Saved(Box::new(job.get().inner.clone()), path)),
        Ok((Some(job), None)) => Ok(Media::Job(Box::new(job.get().inner.clone()))),
        Ok((None, Some(path))) => Ok(Media::File(path)),
        _ => in_memory(&found),
    }
}

/// What a text in place of a video looks like: `address`, `other_address`, `path`, `request_id` or `words`.
#[pyfunction]
pub(super) fn kind_of_text(text: &Bound<'_, PyString>) -> &'static str {
    TextKind::of(&text.to_string_lossy()).as_str()
}

/// The message about a path in a text.
#[pyfunction]
pub(super) fn path_advice(field: &str, text: &Bound<'_, PyString>) -> String {
    crate::media::path_advice(field, &text.to_string_lossy())
}

/// Borrows Python's bytes; a `bytearray`, which may change, is copied.
fn in_memory(argument: &Bound<'_, PyAny>) -> PyResult<Media> {
    let bytes: PyBackedBytes = argument.extract()?;
    Ok(Media::Data(Bytes::from_owner(bytes)))
}

/// The Python object of a medium.
pub(super) fn to_python<'py>(py: Python<'py>, media: &Media) -> PyResult<Bound<'py, PyAny>> {
    Ok(match media {
        Media::Url(url) => PyString::new(py, url).into_any(),
        Media::Data(bytes) => PyBytes::new(py, bytes).into_any(),
        Media::File(path) => path.as_path().into_pyobject(py)?.into_any(),
        Media::FileId(id) => Bound::new(py, FileId::of(id.clone()))?.into_any(),
        Media::Job(job) => Bound::new(py, values::VideoJob::from_inner((**job).clone()))?.into_any(),
        Media::JobId(id) => PyString::new(py, id).into_any(),
        Media::Saved(job, path) => {
            let job = Bound::new(py, values::VideoJob::from_inner((**job).clone()))?;
            let id = job.get().inner.request_id.clone();
            registry::get(py, "RenderResult")?.call1((id, job, path.as_path()))?
        }
        Media::Video(video) => Bound::new(py, values::Video::from_inner(video.clone()))?.into_any(),
    })
}

/// Encodes the pixels of an array as PNG.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python gives it away")]
pub(super) fn encode_png(
    py: Python<'_>,
    width: u32,
    height: u32,
    channels: usize,
    pixels: PyBackedBytes,
) -> PyResult<Bound<'_, PyBytes>> {
    let channels = png::Channels::of(channels).ok_or_else(|| {
        pyo3::exceptions::PyValueError::new_err(format!("a pixel has 3 or 4 channels, not {channels}"))
    })?;
    let file = py.detach(|| png::png(width, height, channels, &pixels));
    Ok(PyBytes::new(py, &file.map_err(|error| errors::raise(py, error))?))
}
