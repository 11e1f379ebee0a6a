//! Many renders at once: each item is submitted once, and none is lost.

mod budget;
mod cost;
mod executor;
mod item;
mod metadata;
mod plan;
mod records;
mod rules;
mod scheduler;
mod single;

pub use budget::Budget;
pub use item::{Item, Rendered};
pub use metadata::{lacks_columns, metadata};
pub use records::{Record, records};
pub use rules::{OnExisting, OnUnknown, Retry, Rules};
pub use scheduler::{Batch, BatchHandle, BatchStep, Observation, Outcome, Settings};
pub use single::RenderOutput;
pub(crate) use single::{RenderSettings, render_one};
