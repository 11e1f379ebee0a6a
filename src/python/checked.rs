//! Arguments of which only some values are known, and errors that name these.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyAny;

/// The error about an unknown value of an argument: names the nearest known one, and all of them.
pub(super) fn unknown(py: Python<'_>, argument: &str, given: &str, known: &[&str]) -> PyErr {
    let given_shown = crate::redact::shorten(given, 60);
    PyValueError::new_err(match nearest(py, given, known) {
        Some(near) => {
            let others: Vec<_> = known.iter().filter(|word| **word != near).copied().collect();
            format!(
                "{argument} {given_shown:?} is not known: did you mean {near}? The others are {}",
                listed(&others, "and")
            )
        }
        None => format!("{argument} {given_shown:?} is not known; use {}", listed(known, "or")),
    })
}

/// The value of a word, which must be a known one.
pub(super) fn value_of<T: Copy>(py: Python<'_>, argument: &str, word: &str, known: &[(&str, T)]) -> PyResult<T> {
    let found = known.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        unknown(py, argument, word, &words)
    })
}

/// The known word that is spelled most like the given one.
fn nearest(py: Python<'_>, given: &str, known: &[&str]) -> Option<String> {
    let found = || {
        let matches = py.import("difflib")?.call_method1("get_close_matches", (given.to_lowercase(), known, 1))?;
        matches.extract::<Vec<String>>()
    };
    found().ok()?.pop()
}

/// Words as in a sentence: `a, b or c`.
pub(super) fn listed(words: &[&str], before_last: &str) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [words @ .., last] => format!("{} {before_last} {last}", words.join(", ")),
    }
}

/// A whole number of Python, which may be too large for any argument.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) i128);

impl<'a, 'py> FromPyObject<'a, 'py> for Whole {
    type Error = PyErr;

    fn extract(number: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match number.extract() {
            Ok(number) => Ok(Self(number)),
            Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => {
                Ok(Self(if number.lt(0)? { i128::MIN } else { i128::MAX }))
            }
            Err(error) => Err(error),
        }
    }
}

impl Whole {
    /// The number, limited to 64 bits.
    pub(super) fn at_least(self, name: &str, least: u64) -> PyResult<u64> {
        let number = self.0.clamp(-1, u64::MAX.into());
        let number = u64::try_from(number).ok().filter(|number| *number >= least);
        number.ok_or_else(|| PyValueError::new_err(format!("{name} must be at least {least}, not {}", self.0)))
    }

    /// The number, if it is one of those that `expected` describes.
    pub(super) fn within(self, name: &str, expected: &str, allows: impl Fn(u16) -> bool) -> PyResult<u16> {
        let number = u16::try_from(self.0).ok().filter(|number| allows(*number));
        number.ok_or_else(|| PyValueError::new_err(format!("{name} must be {expected}, not {}", self.0)))
    }
}

pub(super) fn seconds(name: &str, number: f64) -> PyResult<f64> {
    if number.is_finite() && number >= 0.0 {
        return Ok(number);
    }
    Err(PyValueError::new_err(format!("{name} must be a finite number of at least 0, not {number}")))
}
