//! Models: what they support and what they cost.

use super::operation::Operation;
use super::refusal::{Refusal, bad_request};
use super::resolution::Resolution;

pub(super) const BASE: [&str; 2] = ["grok-imagine-video", "grok-imagine-video-beta"];
const NEWER: [&str; 3] =
    ["grok-imagine-video-1.5", "grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"];
const LITE: &str = "grok-imagine-video-1.5-lite";

/// A hundredth of a US dollar.
pub(super) const CENT: i64 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    Base,
    Newer,
    Lite,
}

impl Model {
    /// The maximum number of reference images, and of seconds of a video that uses them.
    pub(super) fn references(self) -> (usize, u32) {
        match self {
            Self::Base => (7, 10),
            Self::Newer => (14, 15),
            Self::Lite => (0, 0),
        }
    }

    pub(super) fn per_second(self, resolution: Resolution) -> i64 {
        CENT * match (self, resolution) {
            (Self::Base, Resolution::P480) => 5,
            (Self::Base, _) => 7,
            (Self::Newer, Resolution::P480) => 8,
            (Self::Newer, Resolution::P720) | (Self::Lite, Resolution::P1080) => 14,
            (Self::Newer, Resolution::P1080) => 25,
            (Self::Lite, Resolution::P480) => 2,
            (Self::Lite, Resolution::P720) => 3,
        }
    }

    /// Price of an input image.
    pub(super) fn per_image(self) -> i64 {
        if self == Self::Base { CENT / 5 } else { CENT }
    }
}

pub(super) fn model(operation: Operation, name: &str) -> Result<Model, Refusal> {
    let model = match name {
        LITE => Model::Lite,
        _ if BASE.contains(&name) => Model::Base,
        _ if NEWER.contains(&name) => Model::Newer,
        _ => return Err((404, format!("The model {name} does not exist or your team does not have access to it."))),
    };
    if operation != Operation::Generation && model != Model::Base {
        return Err(bad_request("this model does not support video editing or extension"));
    }
    Ok(model)
}
