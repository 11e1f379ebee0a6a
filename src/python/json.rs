//! Converts Python objects into JSON values. An error names the place of the object that is not JSON.

use std::cell::Cell;
use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple};
use serde_json::{Map, Number, Value};

use super::arguments::{describe_value, wrong_type};
use super::errors;
use crate::error::Error;
use crate::redact::shorten;

/// Levels of lists and objects. Most readers end at 128, and around this there are a few more; what holds itself ends
/// here, too.
const MAX_DEPTH: usize = 100;
/// What holds the same list many times over would never end.
const MAX_VALUES: usize = 1_000_000;
const MAX_SHOWN: usize = 80;

type Any<'py> = Bound<'py, PyAny>;

/// A mapping as a JSON object. `field` is the argument.
pub(super) fn object(field: &'static str, argument: &Any<'_>) -> PyResult<Map<String, Value>> {
    let reader = Reader { field, left: Cell::new(MAX_VALUES) };
    let Some(entries) = entries(argument)? else {
        return Err(wrong_type(field, "a dict of JSON types", argument));
    };
    reader.object(field, &entries, 1)
}

/// What stands in a mapping, all at once: it may change while it is read.
fn entries<'py>(value: &Any<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
    if let Ok(dict) = value.cast::<PyDict>() {
        return Ok(Some(dict.items()));
    }
    value.cast::<PyMapping>().ok().map(PyMappingMethods::items).transpose()
}

struct Reader {
    field: &'static str,
    left: Cell<usize>,
}

impl Reader {
    fn value(&self, place: &str, value: &Any<'_>, depth: usize) -> PyResult<Value> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(self.refused(value, self.field, format!("it holds more than {MAX_VALUES} values")));
        };
        self.left.set(left);
        if value.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(flag) = value.cast::<PyBool>() {
            return Ok(Value::Bool(flag.is_true()));
        }
        if let Ok(text) = value.cast::<PyString>() {
            return self.text(place, text).map(Value::String);
        }
        if value.is_instance_of::<PyInt>() {
            return self.whole(place, value);
        }
        if let Ok(number) = value.cast::<PyFloat>() {
            let finite = Number::from_f64(number.value()).map(Value::Number);
            return finite
                .ok_or_else(|| self.refused(value, place, format!("JSON has no {}; leave it out", number.value())));
        }
        self.nested(place, value, depth + 1)
    }

    fn nested(&self, place: &str, value: &Any<'_>, depth: usize) -> PyResult<Value> {
        if depth > MAX_DEPTH {
            let words = format!("it is nested more than {MAX_DEPTH} levels deep, or holds itself");
            return Err(self.refused(value, place, words));
        }
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            let items = value.try_iter()?.enumerate();
            return items.map(|(index, item)| self.value(&format!("{place}[{index}]"), &item?, depth)).collect();
        }
        let Some(entries) = entries(value)? else {
            let place = shorten(place, MAX_SHOWN);
            let words = format!("{place} must be of a JSON type, not {}", describe_value(value));
            return Err(errors::raise(value.py(), Error::invalid(self.field, words)));
        };
        self.object(place, &entries, depth).map(Value::Object)
    }

    fn object(&self, place: &str, entries: &Bound<'_, PyList>, depth: usize) -> PyResult<Map<String, Value>> {
        let mut object = Map::new();
        for entry in entries {
            let (key, value): (Any<'_>, Any<'_>) = entry.extract()?;
            let Ok(name) = key.cast::<PyString>() else {
                let words = format!("keys must be of str, not {}", key.get_type().name()?);
                return Err(self.refused(&key, place, words));
            };
            let name = self.text(place, name)?;
            let value = self.value(&format!("{place}.{name}"), &value, depth)?;
            object.insert(name, value);
        }
        Ok(object)
    }

    fn text(&self, place: &str, text: &Bound<'_, PyString>) -> PyResult<String> {
        let words = "a text holds a lone surrogate (half of an emoji), which cannot be sent";
        text.to_str().map(str::to_owned).map_err(|_| self.refused(text, place, words))
    }

    /// Larger numbers would be rounded by whoever reads them.
    fn whole(&self, place: &str, value: &Any<'_>) -> PyResult<Value> {
        if let Ok(number) = value.extract::<i64>() {
            return Ok(number.into());
        }
        let words = "a number has more than 64 bits; pass it as a str";
        value.extract::<u64>().map(Value::from).map_err(|_| self.refused(value, place, words))
    }

    fn refused(&self, at: &Any<'_>, place: &str, words: impl Display) -> PyErr {
        let words = format!("{}: {words}", shorten(place, MAX_SHOWN));
        errors::raise(at.py(), Error::invalid(self.field, words))
    }
}
