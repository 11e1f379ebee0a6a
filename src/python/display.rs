//! How values are displayed in a notebook.

use pyo3::intern;
use pyo3::prelude::*;

use super::registry;

/// The output for `IPython`, by MIME type.
pub(super) fn bundle<'py>(
    value: &Bound<'py, PyAny>,
    include: Option<Bound<'py, PyAny>>,
    exclude: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    registry::get(value.py(), "notebook.bundle")?.call1((value, include, exclude))
}

/// Prints a value as part of a list.
pub(super) fn pretty(value: &Bound<'_, PyAny>, printer: &Bound<'_, PyAny>) -> PyResult<()> {
    let text = registry::get(value.py(), "notebook.text")?.call1((value,))?;
    printer.call_method1(intern!(value.py(), "text"), (text,)).map(drop)
}

/// Adds the methods that `IPython` calls to display a value.
macro_rules! displayed_value {
    ($class:ident { $($own:tt)* }) => {
        $crate::python::value_class::value_methods!($class {
            $($own)*

            #[pyo3(signature = (include=None, exclude=None))]
            fn _repr_mimebundle_<'py>(
                slf: &Bound<'py, Self>,
                include: Option<Bound<'py, PyAny>>,
                exclude: Option<Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                $crate::python::display::bundle(slf.as_any(), include, exclude)
            }

            fn _repr_pretty_(slf: &Bound<'_, Self>, p: &Bound<'_, PyAny>, cycle: bool) -> PyResult<()> {
                let _ = cycle;
                $crate::python::display::pretty(slf.as_any(), p)
            }
        });
    };
}

pub(super) use displayed_value;
