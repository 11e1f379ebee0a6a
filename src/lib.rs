//! Create, poll and download xAI (Grok) video jobs.
//!
//! Dependencies point one way, in the order of this list: values without I/O, then what is asked for, JSON, one
//! exchange, when to poll, files, the verbs, the journal, batches, the client, and on top the simulator and Python.

pub mod backoff;
pub mod config;
pub mod error;
pub mod event;
mod hexadecimal;
pub mod job;
mod lenient_json;
pub mod process;
mod proxies;
mod redact;
pub mod request_id;
pub mod response;
mod saved_file;
mod secrets;
mod stop_reason;
mod threads;

pub mod media;
pub mod request;

mod body_part;

pub mod wire;

pub mod transport;

pub mod pacing;
pub mod pricing;
pub mod watch;

pub mod download;

pub mod api;

pub mod journal;

mod submission;

pub mod batch;

pub mod client;

pub mod simulator;

#[cfg(feature = "python")]
mod python;

pub use client::VideoClient;
pub use config::{Config, Settings};
pub use error::{Error, Result};
pub use job::{FileOutput, JobError, JobStatus, Usage, Video, VideoJob};
pub use media::Media;
pub use request::VideoRequest;
pub use saved_file::Download;
