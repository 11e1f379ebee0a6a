//! `VideoRequest` and the values that its fields are made of.

use std::hash::Hash;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use serde::{Deserialize, Serialize};

use super::arguments::{flag, number, text, whole, wrong_type};
use super::values::{Validate, from_dict, from_json, hash, reduce, repr, to_dict, value_methods};
use super::{blocking, errors, json, media};
use crate::client::VideoClient;
use crate::error::Error;
use crate::redact::text_for_message;
use crate::request::{self, Audio, Operation};

// ---- the parts --------------------------------------------------------------------------------

/// The id of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    file_id: String,
}

/// A file that the service already has.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct FileId {
    inner: File,
}

impl FileId {
    fn from_inner(inner: File) -> Self {
        Self { inner }
    }

    pub(super) fn of(file_id: String) -> Self {
        Self::from_inner(File { file_id })
    }

    pub(super) fn id(&self) -> &str {
        &self.inner.file_id
    }
}

value_methods!(FileId {
    #[new]
    fn new(file_id: &Any<'_>) -> PyResult<Self> {
        text("file_id", file_id).map(Self::of)
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("file_id",)
    }

    #[getter]
    fn file_id(&self) -> &str {
        self.id()
    }
});

/// One of the service's voices.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Voice {
    inner: Named,
}

/// The id of a voice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    voice_id: String,
}

impl Voice {
    fn from_inner(inner: Named) -> Self {
        Self { inner }
    }
}

value_methods!(Voice {
    #[new]
    fn new(voice_id: &Any<'_>) -> PyResult<Self> {
        Ok(Self::from_inner(Named { voice_id: text("voice_id", voice_id)? }))
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("voice_id",)
    }

    #[getter]
    fn voice_id(&self) -> &str {
        &self.inner.voice_id
    }
});

/// A frame for a moment of the video.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct Keyframe {
    inner: request::Keyframe,
}

impl Keyframe {
    fn from_inner(inner: request::Keyframe) -> Self {
        Self { inner }
    }
}

value_methods!(Keyframe {
    #[new]
    fn new(image: &Any<'_>, timestamp: &Any<'_>) -> PyResult<Self> {
        let timestamp = number("timestamp", timestamp)?;
        Ok(Self::from_inner(request::Keyframe { image: media::media("keyframes", image)?, timestamp }))
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("image", "timestamp")
    }

    #[getter]
    fn image<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        media::to_python(py, &self.inner.image)
    }

    #[getter]
    fn timestamp(&self) -> f64 {
        self.inner.timestamp
    }
});

/// How the service keeps a file.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct StorageOptions {
    inner: request::StorageOptions,
}

impl StorageOptions {
    fn from_inner(inner: request::StorageOptions) -> Self {
        Self { inner }
    }
}

value_methods!(StorageOptions {
    #[new]
    #[pyo3(signature = (filename, expires_after=None, public_url=false, public_url_expires_after=None))]
    fn new(
        py: Python<'_>,
        filename: &Any<'_>,
        expires_after: Option<Any<'_>>,
        public_url: bool,
        public_url_expires_after: Option<Any<'_>>,
    ) -> PyResult<Self> {
        let seconds = |field, argument: Option<Any<'_>>| argument.map(|argument| whole(field, &argument)).transpose();
        let inner = request::StorageOptions {
            filename: text("filename", filename)?,
            expires_after: seconds("expires_after", expires_after)?,
            public_url,
            public_url_expires_after: seconds("public_url_expires_after", public_url_expires_after)?,
        };
        inner.check().map_err(|error| errors::raise(py, error))?;
        Ok(Self::from_inner(inner))
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str, &'static str) {
        ("filename", "expires_after", "public_url", "public_url_expires_after")
    }

    #[getter]
    fn filename(&self) -> &str {
        &self.inner.filename
    }

    #[getter]
    fn expires_after(&self) -> Option<i64> {
        self.inner.expires_after
    }

    #[getter]
    fn public_url(&self) -> bool {
        self.inner.public_url
    }

    #[getter]
    fn public_url_expires_after(&self) -> Option<i64> {
        self.inner.public_url_expires_after
    }
});

// ---- the whole --------------------------------------------------------------------------------

/// An order for one video.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct VideoRequest {
    pub(super) inner: request::VideoRequest,
}

impl VideoRequest {
    fn from_inner(inner: request::VideoRequest) -> Self {
        Self { inner }
    }
}

impl Validate for File {}
impl Validate for Named {}
impl Validate for request::Keyframe {}

impl Validate for request::StorageOptions {
    fn validate(&self) -> crate::Result<()> {
        self.check()
    }
}

impl Validate for request::VideoRequest {
    fn malformed(py: Python<'_>, path: &str, words: &str) -> PyErr {
        let first = path.split(['.', '[']).next().unwrap_or_default();
        let field = FIELDS.into_iter().find(|field| *field == first).unwrap_or("request");
        let place = if field == "request" { String::new() } else { format!("{path}: ") };
        errors::raise(py, Error::invalid(field, format!("{place}{words}")))
    }

    fn validate(&self) -> crate::Result<()> {
        self.check()
    }
}

type Any<'py> = Bound<'py, PyAny>;

value_methods!(VideoRequest {
    #[new]
    #[pyo3(signature = (prompt=None, *, operation="generate", video=None, image=None, reference_images=None,
        reference_audios=None, last_frame=None, keyframes=None, duration=None, aspect_ratio=None, resolution=None,
        generate_audio=None, model=None, user=None, upload_url=None, storage_options=None, extra=None))]
    #[expect(clippy::too_many_arguments, reason = "a constructor names every field")]
    fn new(
        py: Python<'_>,
        prompt: Option<Any<'_>>,
        #[pyo3(from_py_with = operation_word)] operation: &'static str,
        video: Option<Any<'_>>,
        image: Option<Any<'_>>,
        reference_images: Option<Any<'_>>,
        reference_audios: Option<Any<'_>>,
        last_frame: Option<Any<'_>>,
        keyframes: Option<Any<'_>>,
        duration: Option<Any<'_>>,
        aspect_ratio: Option<Any<'_>>,
        resolution: Option<Any<'_>>,
        generate_audio: Option<Any<'_>>,
        model: Option<Any<'_>>,
        user: Option<Any<'_>>,
        upload_url: Option<Any<'_>>,
        storage_options: Option<Any<'_>>,
        extra: Option<Any<'_>>,
    ) -> PyResult<Self> {
        let one = |field, argument: Option<Any<'_>>| argument.map(|argument| media::media(field, &argument)).transpose();
        let said = |field, argument: Option<Any<'_>>| argument.map(|argument| text(field, &argument)).transpose();
        let inner = request::VideoRequest {
            operation: operation_of(operation).unwrap_or_default(),
            prompt: said("prompt", prompt)?,
            video: one("video", video)?,
            image: one("image", image)?,
            reference_images: many("reference_images", reference_images, |item| media::media("reference_images", item))?,
            reference_audios: many("reference_audios", reference_audios, audio)?,
            last_frame: one("last_frame", last_frame)?,
            keyframes: many("keyframes", keyframes, keyframe)?,
            duration: duration.map(|duration| whole("duration", &duration)).transpose()?,
            aspect_ratio: said("aspect_ratio", aspect_ratio)?,
            resolution: said("resolution", resolution)?,
            generate_audio: generate_audio.map(|audio| flag("generate_audio", &audio)).transpose()?,
            model: said("model", model)?,
            user: said("user", user)?,
            upload_url: said("upload_url", upload_url)?,
            storage_options: storage_options.map(|options| storage(&options)).transpose()?,
            extra: extra.map(|extra| json::object("extra", &extra)).transpose()?.unwrap_or_default(),
        };
        inner.check().map_err(|error| errors::raise(py, error))?;
        Ok(Self::from_inner(inner))
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("prompt",)
    }

    #[classattr]
    fn _fields(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, FIELDS)
    }

    /// The JSON body that would be sent, with media shortened.
    fn preview<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let request = self.inner.clone();
        let body = blocking::block_on(py, None, |_| VideoClient::preview(request))?;
        to_dict(py, &body)
    }

    /// The same request, with the files that it names as the working directory makes them now.
    fn _anchored(&self) -> Self {
        Self::from_inner(self.inner.clone().anchored())
    }

    #[getter]
    fn path(&self) -> &'static str {
        self.inner.operation.path()
    }

    #[getter]
    fn operation(&self) -> &'static str {
        self.inner.operation.as_str()
    }

    #[getter]
    fn prompt(&self) -> Option<&str> {
        self.inner.prompt.as_deref()
    }

    #[getter]
    fn video<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        self.inner.video.as_ref().map(|video| media::to_python(py, video)).transpose()
    }

    #[getter]
    fn image<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        self.inner.image.as_ref().map(|image| media::to_python(py, image)).transpose()
    }

    #[getter]
    fn reference_images<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let images = self.inner.reference_images.iter().map(|image| media::to_python(py, image));
        PyTuple::new(py, images.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn reference_audios<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let audios = self.inner.reference_audios.iter().map(|audio| match audio {
            Audio::VoiceId(voice_id) => {
                let inner = Named { voice_id: voice_id.clone() };
                Ok(Bound::new(py, Voice::from_inner(inner))?.into_any())
            },
            Audio::Url(url) => Ok(PyString::new(py, url).into_any()),
        });
        PyTuple::new(py, audios.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn last_frame<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        self.inner.last_frame.as_ref().map(|image| media::to_python(py, image)).transpose()
    }

    #[getter]
    fn keyframes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let keyframes = self.inner.keyframes.iter().map(|keyframe| Bound::new(py, Keyframe::from_inner(keyframe.clone())));
        PyTuple::new(py, keyframes.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn duration(&self) -> Option<i64> {
        self.inner.duration
    }

    #[getter]
    fn aspect_ratio(&self) -> Option<&str> {
        self.inner.aspect_ratio.as_deref()
    }

    #[getter]
    fn resolution(&self) -> Option<&str> {
        self.inner.resolution.as_deref()
    }

    #[getter]
    fn generate_audio(&self) -> Option<bool> {
        self.inner.generate_audio
    }

    #[getter]
    fn model(&self) -> Option<&str> {
        self.inner.model.as_deref()
    }

    #[getter]
    fn user(&self) -> Option<&str> {
        self.inner.user.as_deref()
    }

    #[getter]
    fn upload_url(&self) -> Option<&str> {
        self.inner.upload_url.as_deref()
    }

    #[getter]
    fn storage_options(&self) -> Option<StorageOptions> {
        self.inner.storage_options.clone().map(StorageOptions::from_inner)
    }

    #[getter]
    fn extra<'py>(&self, py: Python<'py>) -> PyResult<Option<Any<'py>>> {
        if self.inner.extra.is_empty() {
            return Ok(None);
        }
        to_dict(py, &self.inner.extra).map(Some)
    }
});

const FIELDS: [&str; 17] = [
    "prompt",
    "operation",
    "video",
    "image",
    "reference_images",
    "reference_audios",
    "last_frame",
    "keyframes",
    "duration",
    "aspect_ratio",
    "resolution",
    "generate_audio",
    "model",
    "user",
    "upload_url",
    "storage_options",
    "extra",
];

fn operation_of(word: &str) -> Option<Operation> {
    Operation::ALL.into_iter().find(|operation| operation.as_str() == word)
}

fn operation_word(argument: &Any<'_>) -> PyResult<&'static str> {
    let word = text("operation", argument)?;
    operation_of(&word).map(Operation::as_str).ok_or_else(|| {
        let words =
            format!("operation must be \"generate\", \"edit\" or \"extend\", not {:?}", text_for_message(&word));
        errors::raise(argument.py(), Error::invalid("operation", words))
    })
}

/// The items of a sequence; a single item in its place is a mistake that is worth a word.
fn many<T>(field: &'static str, argument: Option<Any<'_>>, read: impl Fn(&Any<'_>) -> PyResult<T>) -> PyResult<Vec<T>> {
    let Some(argument) = argument else { return Ok(Vec::new()) };
    let is_sequence = argument.is_instance_of::<pyo3::types::PyList>() || argument.is_instance_of::<PyTuple>();
    if !is_sequence {
        return Err(PyTypeError::new_err(format!("{field} must be a list or a tuple")));
    }
    argument.try_iter()?.map(|item| read(&item?)).collect()
}

fn audio(argument: &Any<'_>) -> PyResult<Audio> {
    if let Ok(voice) = argument.cast::<Voice>() {
        return Ok(Audio::VoiceId(voice.get().inner.voice_id.clone()));
    }
    if !argument.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("reference_audios takes Voice values and addresses of clips (str)"));
    }
    text("reference_audios", argument).map(Audio::Url)
}

fn keyframe(argument: &Any<'_>) -> PyResult<request::Keyframe> {
    let keyframe = argument.cast::<Keyframe>().map_err(|_| PyTypeError::new_err("keyframes takes Keyframe values"))?;
    Ok(keyframe.get().inner.clone())
}

fn storage(argument: &Any<'_>) -> PyResult<request::StorageOptions> {
    let options = argument.cast::<StorageOptions>();
    let wrong = |_| wrong_type("storage_options", "a StorageOptions", argument);
    Ok(options.map_err(wrong)?.get().inner.clone())
}
