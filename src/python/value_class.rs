//! Common methods of value classes: frozen, equal and hashable by value, and JSON inside.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple, PyType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::plain_objects::{dump, to_json};
use crate::redact::text_for_message;

pub(super) fn from_json<T: DeserializeOwned + Validate>(py: Python<'_>, text: &str) -> PyResult<T> {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let value: T = serde_path_to_error::deserialize(reader).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        // The caller never saw the text, so a position in it does not help.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let words = error.to_string();
        T::malformed(py, &path, words.strip_suffix(&place).unwrap_or(&words))
    })?;
    value.validate(py)?;
    Ok(value)
}

pub(super) fn from_dict<T: DeserializeOwned + Validate>(data: &Bound<'_, PyAny>) -> PyResult<T> {
    let py = data.py();
    let text = dump(data).map_err(|error| {
        let is_of_the_data = error.is_instance_of::<PyException>(py);
        if is_of_the_data { T::malformed(py, ".", &error.value(py).to_string()) } else { error }
    })?;
    from_json(py, &text)
}

/// Checks beyond the types of the fields.
pub(super) trait Validate {
    /// The exception for a malformed value. `path` is its place.
    fn malformed(_py: Python<'_>, path: &str, words: &str) -> PyErr {
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        PyValueError::new_err(format!("{place}{words}"))
    }

    fn validate(&self, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }
}

/// The names of the fields: those that a pattern matches by position, unless the class says otherwise.
pub(super) fn fields<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyTuple>> {
    let fields = class.getattr_opt("_fields")?.map_or_else(|| class.getattr("__match_args__"), Ok)?;
    Ok(fields.cast_into()?)
}

/// `Name(field=value, ...)`, leaving out what is not set after the first field.
pub(super) fn repr(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let class = value.get_type();
    let mut shown = Vec::new();
    for field in fields(&class)? {
        let field: String = field.extract()?;
        let content = value.getattr(field.as_str())?;
        if shown.is_empty() || !is_unset(&content) {
            shown.push(format!("{field}={}", show(&content)?));
        }
    }
    Ok(format!("{}({})", class.name()?, shown.join(", ")))
}

fn is_unset(content: &Bound<'_, PyAny>) -> bool {
    content.is_none() || content.cast::<PyTuple>().is_ok_and(PyTupleMethods::is_empty)
}

/// Shows the length of bytes, and no query of an address, because a signed one is a key to the file.
fn show(content: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(bytes) = content.cast::<PyBytes>() {
        return Ok(format!("<{} bytes>", bytes.as_bytes().len()));
    }
    if let Ok(items) = content.cast::<PyTuple>() {
        return Ok(format!("[{}]", joined(items.iter())?));
    }
    if let Ok(items) = content.cast::<PyList>() {
        return Ok(format!("[{}]", joined(items.iter())?));
    }
    if let Ok(fields) = content.cast::<PyDict>() {
        let fields = fields.iter().map(|(name, value)| Ok(format!("{}: {}", name.repr()?, show(&value)?)));
        return Ok(format!("{{{}}}", fields.collect::<PyResult<Vec<_>>>()?.join(", ")));
    }
    if let Ok(text) = content.cast::<PyString>()
        && let Ok(text) = text.to_str()
        && (text.contains(":/") || text.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")))
    {
        return Ok(PyString::new(content.py(), &text_for_message(text)).repr()?.to_string());
    }
    Ok(content.repr()?.to_string())
}

fn joined<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<String> {
    Ok(items.map(|item| show(&item)).collect::<PyResult<Vec<_>>>()?.join(", "))
}

/// Pickling: the class's own `_from_json` on the value's JSON.
pub(super) fn reduce<'py>(
    class: &Bound<'py, PyType>,
    value: &impl Serialize,
) -> PyResult<(Bound<'py, PyAny>, (String,))> {
    Ok((class.getattr("_from_json")?, (to_json(value)?,)))
}

pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Adds the common methods, which use the field `inner`.
macro_rules! value_methods {
    ($class:ident { $($own:tt)* }) => {
        #[pymethods]
        impl $class {
            $($own)*

            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::python::plain_objects::to_dict(py, &self.inner)
            }

            #[classmethod]
            fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
                $crate::python::value_class::from_dict::<_>(data).map(Self::from_inner)
            }

            #[classmethod]
            fn _from_json(class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
                $crate::python::value_class::from_json::<_>(class.py(), text).map(Self::from_inner)
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
                $crate::python::value_class::reduce(&slf.get_type(), &slf.get().inner)
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                $crate::python::value_class::repr(slf.as_any())
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
                other.cast::<Self>().is_ok_and(|other| other.get().inner == self.inner)
            }

            fn __hash__(&self) -> u64 {
                $crate::python::value_class::hash(&self.inner)
            }

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
                slf
            }
        }
    };
}

pub(super) use value_methods;
