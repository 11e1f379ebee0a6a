//! Create, query, wait for and keep xAI (Grok) video jobs.
//!
//! Data flows one way: [`client`] builds a request with [`wire::request`], hands it to
//! [`http`], reads the answer with [`wire::response`] and returns a value of [`job`].

pub mod batch;
pub mod client;
pub mod config;
pub mod download;
pub mod error;
pub mod event;
pub mod http;
pub mod job;
pub mod journal;
mod limiter;
pub mod media;
mod offload;
pub mod pacing;
pub mod process;
mod proxies;
pub mod request;
mod resolver;
pub mod retry;
mod secrets;
pub mod simulator;
mod tls;
pub mod upload;
pub mod watch;
pub mod wire;

#[cfg(feature = "python")]
mod python;

pub use client::VideoClient;
pub use config::{Config, Settings};
pub use error::{Error, Result};
pub use job::{FileOutput, JobError, JobStatus, Usage, Video, VideoJob};
pub use media::Media;
pub use request::VideoRequest;
