//! The verbs of the service. None of them writes a journal.

mod aliases;
mod client;
mod fetch;
mod get;
mod media_inputs;
mod submit;
mod watch;

pub use client::ApiClient;
pub(crate) use submit::PreparedCreate;
