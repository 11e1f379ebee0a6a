//! Messages on words of which only some are known.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

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
