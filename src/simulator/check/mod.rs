//! Checks creates as the service does.

mod content;
mod media;
mod model;
mod operation;
mod purchase;
mod read;
mod refusal;
mod resolution;
#[cfg(test)]
mod tests;

pub(super) use media::{OwnFile, VideoInfo};
pub(super) use operation::Operation;
pub(super) use purchase::{Purchase, Storage, Visibility, purchase};
pub(super) use read::Source;
