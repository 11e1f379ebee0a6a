//! Many renders at once: each item is submitted once, and none is lost.

mod admission;
mod budget;
mod cost;
mod elsewhere;
mod executor;
mod item;
mod metadata;
mod plan;
mod records;
mod rules;
mod scheduler;
mod single;

pub use budget::Budget;
pub use elsewhere::elsewhere;
pub use item::{Item, Rendered};
pub use metadata::{lacks_rows, metadata};
pub use records::{Record, records};
pub use rules::{OnExisting, OnUnknown, Retry, Rules};
pub use scheduler::{Batch, BatchHandle, BatchStep, Input, Observation, Outcome, Settings};
pub use single::RenderOutput;
pub(crate) use single::{RenderSettings, render_one};
