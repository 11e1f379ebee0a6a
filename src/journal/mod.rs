//! The journal: a folder of JSON lines, one file per writer, and claims that keep two writers from sending the same
//! attempt.

mod claims;
mod damage;
mod heartbeat;
mod loaded;
mod log;
mod merge;
mod paths;
mod record;
mod registry;
mod render_times;
mod run;
mod runs;
mod segment;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub use damage::Damage;
pub(crate) use log::SEND_TIMEOUT;
pub use log::{AttemptRef, Claim, FOLDER, Journal, NewAttempt};
pub use record::{Columns, EventKind, IntentDetails, Line, Row};
#[cfg(feature = "python")]
pub(crate) use registry::flush_all;
pub use run::Run;
pub use state::{Attempt, AttemptState, Entry};
