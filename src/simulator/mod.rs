//! The service on loopback, for tests and demonstrations: all endpoints, all documented response formats, simulated
//! render times, real MP4 files, and scripted faults. It shares no decoding with the client.

mod body;
mod check;
mod clips;
mod clock;
mod connection;
mod endpoint;
mod fault;
#[cfg(test)]
mod fault_tests;
mod files;
mod ledger;
mod lifecycle;
mod links;
mod malformed;
mod options;
mod responses;
mod scripted_response;
mod server;
mod timeline;
mod upload;

pub use endpoint::Endpoint;
pub use fault::{Fault, FaultKind, OddAnswer, OddBody, PLACES, WORDS};
pub use ledger::{Accepted, Logged};
pub use lifecycle::Simulator;
pub use options::{Options, Progress, Shape};
pub use scripted_response::ScriptedResponse;
