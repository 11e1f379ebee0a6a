//! How values are displayed in a notebook.

use pyo3::intern;
use pyo3::prelude::*;

use super::registry;

/// A value as `IPython` shows it, by MIME type.
pub(super) fn bundle<'py>(
    value: &Bound<'py, PyAny>,
    include: Option<Bound<'py, PyAny>>,
    exclude: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    registry::get(value.py(), "notebook.bundle")?.call1((value, include, exclude))
}

/// A value as it stands in a list of others.
pub(super) fn pretty(value: &Bound<'_, PyAny>, printer: &Bound<'_, PyAny>) -> PyResult<()> {
    let text = registry::get(value.py(), "notebook.text")?.call1((value,))?;
    printer.call_method1(intern!(value.py(), "text"), (text,)).map(drop)
}

/// The methods by which `IPython` shows a value, among the other methods of its class.
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
