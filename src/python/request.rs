//! `VideoRequest` and the classes of its fields.

use std::hash::Hash;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple, PyType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::arguments::{Required, flag, refuse_unknown, seconds, text, whole_seconds, wrong_type};
use super::value_class::{Validate, value_methods};
use super::{blocking, errors, json, media};
use crate::client::VideoClient;
use crate::error::Error;
use crate::media::Media;
use crate::redact::text_for_message;
use crate::request::{self, Audio, FIELDS, Operation, request_fields};

// ---- the parts --------------------------------------------------------------------------------

/// A voice of the service.
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
    #[pyo3(signature = (voice_id=Required::Missing, **unknown), text_signature = "(voice_id)")]
    fn new(py: Python<'_>, voice_id: Required<'_>, unknown: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        refuse_unknown::<Self>(py, unknown)?;
        Ok(Self::from_inner(Named { voice_id: text("voice_id", &voice_id.get("Voice", "voice_id")?)? }))
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

/// An image to show at a given time of the video.
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
    #[pyo3(signature = (image=Required::Missing, timestamp=Required::Missing, **unknown),
        text_signature = "(image, timestamp)")]
    fn new(
        py: Python<'_>,
        image: Required<'_>,
        timestamp: Required<'_>,
        unknown: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        refuse_unknown::<Self>(py, unknown)?;
        let (image, timestamp) = (image.get("Keyframe", "image")?, timestamp.get("Keyframe", "timestamp")?);
        let timestamp = seconds("timestamp", &timestamp)?;
        Ok(Self::from_inner(request::Keyframe { image: media::media("image", &image)?, timestamp }))
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
    #[pyo3(
        signature = (filename=Required::Missing, expires_after=None, public_url=Required::Missing,
            public_url_expires_after=None, **unknown),
        text_signature = "(filename, expires_after=None, public_url=False, public_url_expires_after=None)"
    )]
    fn new(
        py: Python<'_>,
        filename: Required<'_>,
        expires_after: Option<Any<'_>>,
        public_url: Required<'_>,
        public_url_expires_after: Option<Any<'_>>,
        unknown: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        refuse_unknown::<Self>(py, unknown)?;
        let whole = |field, argument: Option<Any<'_>>| argument.map(|given| whole_seconds(field, &given)).transpose();
        let inner = request::StorageOptions {
            filename: text("filename", &filename.get("StorageOptions", "filename")?)?,
            expires_after: whole("expires_after", expires_after)?,
            public_url: public_url.given().map_or(Ok(false), |given| flag("public_url", &given))?,
            public_url_expires_after: whole("public_url_expires_after", public_url_expires_after)?,
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

/// A request for one video.
#[pyclass(frozen, module = "vidjob")]
pub(super) struct VideoRequest {
    pub(super) inner: request::VideoRequest,
}

impl VideoRequest {
    fn from_inner(inner: request::VideoRequest) -> Self {
        Self { inner }
    }
}

impl Validate for Named {}
impl Validate for request::Keyframe {}

impl Validate for request::StorageOptions {
    fn validate(&self, py: Python<'_>) -> PyResult<()> {
        self.check().map_err(|error| errors::raise(py, error))
    }
}

impl Validate for request::VideoRequest {
    fn malformed(py: Python<'_>, path: &str, words: &str) -> PyErr {
        let first = path.split(['.', '[']).next().unwrap_or_default();
        let mut names = FIELDS.iter().map(|field| field.name).chain(["operation"]);
        let field = names.find(|name| *name == first).unwrap_or("request");
        let place = if field == "request" { String::new() } else { format!("{path}: ") };
        errors::raise(py, Error::invalid(field, format!("{place}{words}")))
    }

    fn validate(&self, py: Python<'_>) -> PyResult<()> {
        self.check().map_err(|error| errors::raise(py, error))
    }
}

type Any<'py> = Bound<'py, PyAny>;

/// Makes the class from the rows in `request/fields.rs`: one argument and one property each.
macro_rules! class {
    (
        $class:ident
        $prompt:ident: $_a:ty, $_b:ident, $_c:literal, $_d:tt, $_e:literal;
        $($name:ident: $type:ty, $kind:ident, $key:literal, $operations:tt, $description:literal;)*
    ) => {
        value_methods!($class {
            #[new]
            #[pyo3(
                signature = ($prompt=None, *, operation="generate", $($name=None),*, **unknown),
                text_signature = "(prompt=None, *, operation='generate', video=None, image=None, \
                    reference_images=None, reference_audios=None, last_frame=None, keyframes=None, duration=None, \
                    aspect_ratio=None, resolution=None, generate_audio=None, model=None, user=None, upload_url=None, \
                    storage_options=None, extra=None)"
            )]
            #[expect(clippy::too_many_arguments, reason = "a constructor names every field")]
            fn new(
                py: Python<'_>,
                $prompt: Option<Any<'_>>,
                #[pyo3(from_py_with = operation_word)] operation: &'static str,
                $($name: Option<Any<'_>>,)*
                unknown: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<Self> {
                refuse_unknown::<Self>(py, unknown)?;
                let inner = request::VideoRequest {
                    operation: operation_of(operation).unwrap_or_default(),
                    $prompt: Argument::read(stringify!($prompt), $prompt)?,
                    $($name: Argument::read(stringify!($name), $name)?),*
                };
                inner.check().map_err(|error| errors::raise(py, error))?;
                Ok(Self::from_inner(inner))
            }

            #[classattr]
            fn __match_args__() -> (&'static str,) {
                (stringify!($prompt),)
            }

            #[classattr]
            fn _fields(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, [stringify!($prompt), "operation", $(stringify!($name)),*])
            }

            /// The JSON body that would be sent, with media shortened.
            fn preview<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let request = self.inner.clone();
                let body = blocking::block_on(py, None, |_| VideoClient::preview(request))?;
                super::plain_objects::to_dict(py, &body)
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
            fn $prompt<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
                self.inner.$prompt.show(py)
            }

            $(
                #[getter]
                fn $name<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
                    self.inner.$name.show(py)
                }
            )*
        });
    };
}

request_fields!(class VideoRequest);

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

// ---- the fields -------------------------------------------------------------------------------

/// A field's value as an argument and as a property.
trait Argument: Sized {
    fn read(field: &'static str, argument: Option<Any<'_>>) -> PyResult<Self>;

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>>;
}

trait Single: Sized {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self>;

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>>;
}

impl<T: Single> Argument for Option<T> {
    fn read(field: &'static str, argument: Option<Any<'_>>) -> PyResult<Self> {
        argument.map(|argument| T::read(field, &argument)).transpose()
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.as_ref().map_or_else(|| Ok(py.None().into_bound(py)), |value| value.show(py))
    }
}

impl<T: Single> Argument for Vec<T> {
    /// A single item in place of a sequence gets its own message.
    fn read(field: &'static str, argument: Option<Any<'_>>) -> PyResult<Self> {
        let Some(argument) = argument else { return Ok(Self::new()) };
        let is_sequence = argument.is_instance_of::<PyList>() || argument.is_instance_of::<PyTuple>();
        if !is_sequence {
            return Err(wrong_type(field, "a list or a tuple", &argument));
        }
        argument.try_iter()?.map(|item| T::read(field, &item?)).collect()
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let items = self.iter().map(|item| item.show(py)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, items)?.into_any())
    }
}

impl Argument for Map<String, Value> {
    fn read(field: &'static str, argument: Option<Any<'_>>) -> PyResult<Self> {
        Ok(argument.map(|argument| json::object(field, &argument)).transpose()?.unwrap_or_default())
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        if self.is_empty() { Ok(py.None().into_bound(py)) } else { super::plain_objects::to_dict(py, self) }
    }
}

impl Single for String {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        text(field, argument)
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(PyString::new(py, self).into_any())
    }
}

impl Single for i64 {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        whole_seconds(field, argument)
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(self.into_pyobject(py)?.into_any())
    }
}

impl Single for bool {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        flag(field, argument)
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(PyBool::new(py, *self).to_owned().into_any())
    }
}

impl Single for Media {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        media::media(field, argument)
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        media::to_python(py, self)
    }
}

impl Single for Audio {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        if let Ok(voice) = argument.cast::<Voice>() {
            return Ok(Self::VoiceId(voice.get().inner.voice_id.clone()));
        }
        if !argument.is_instance_of::<PyString>() {
            return Err(wrong_type(field, "a list of Voice values and addresses of clips (str)", argument));
        }
        text(field, argument).map(Self::Url)
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        match self {
            Self::VoiceId(voice_id) => {
                Ok(Bound::new(py, Voice::from_inner(Named { voice_id: voice_id.clone() }))?.into_any())
            }
            Self::Url(url) => Ok(PyString::new(py, url).into_any()),
        }
    }
}

impl Single for request::Keyframe {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        let wrong = |_| wrong_type(field, "a list of Keyframe values", argument);
        Ok(argument.cast::<Keyframe>().map_err(wrong)?.get().inner.clone())
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(Bound::new(py, Keyframe::from_inner(self.clone()))?.into_any())
    }
}

impl Single for request::StorageOptions {
    fn read(field: &'static str, argument: &Any<'_>) -> PyResult<Self> {
        let wrong = |_| wrong_type(field, "a StorageOptions", argument);
        Ok(argument.cast::<StorageOptions>().map_err(wrong)?.get().inner.clone())
    }

    fn show<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(Bound::new(py, StorageOptions::from_inner(self.clone()))?.into_any())
    }
}
