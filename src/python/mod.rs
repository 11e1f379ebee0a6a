//! The Python face: the only place that names pyo3.

mod arguments;
mod batch;
mod bell;
mod bridge;
mod client;
mod display;
mod engine;
mod errors;
mod events;
mod json;
mod media;
mod owned;
mod request;
mod simulator;
mod values;
mod vocabulary;

/// The compiled part of vidjob; its own names are private, and may change.
#[pyo3::pymodule(name = "_native")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::batch::{Batch, Outcome, estimate_usd, fingerprint, process_tag, read_journal};
    #[pymodule_export]
    use super::client::{Client, Watch, check_target};
    #[pymodule_export]
    use super::media::encode_png;
    #[pymodule_export]
    use super::request::{FileId, Keyframe, StorageOptions, VideoRequest, Voice};
    #[pymodule_export]
    use super::simulator::Simulator;
    #[pymodule_export]
    use super::values::{Download, FileOutput, JobError, Usage, Video, VideoJob};
    #[pymodule_export]
    use super::vocabulary::{error_names, event_names, is_terminal_status, request_fields, statuses};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::engine::register(module)
    }
}
