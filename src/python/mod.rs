//! The Python bindings: the only place that names pyo3.

mod arguments;
mod asyncio;
mod batch;
mod blocking;
mod checked;
mod client;
mod display;
mod errors;
mod events;
mod faults;
mod file_id;
mod interrupt;
mod json;
mod lifecycle;
mod listener;
mod media;
mod outcome;
mod plain_objects;
mod process_bound;
mod registry;
mod request;
mod runtime;
mod simulator;
mod value_class;
mod values;
mod vocabulary;
mod waker;

/// The compiled part of vidjob; its own names are private, and may change.
#[pyo3::pymodule(name = "_native")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::arguments::{describe_type, describe_value};
    #[pymodule_export]
    use super::batch::{Batch, Outcome, estimate_usd, fingerprint, process_tag, read_journal};
    #[pymodule_export]
    use super::client::{Client, Watch, check_target};
    #[pymodule_export]
    use super::file_id::FileId;
    #[pymodule_export]
    use super::media::{encode_png, kind_of_text, path_advice};
    #[pymodule_export]
    use super::registry::{lookup, register};
    #[pymodule_export]
    use super::request::{Keyframe, StorageOptions, VideoRequest, Voice};
    #[pymodule_export]
    use super::simulator::Simulator;
    #[pymodule_export]
    use super::values::{Download, FileOutput, JobError, Usage, Video, VideoJob};
    #[pymodule_export]
    use super::vocabulary::{error_names, event_names, is_terminal_status, request_fields, statuses};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::registry::prepare(module)?;
        super::lifecycle::register(module)
    }
}
