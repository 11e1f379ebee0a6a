//! How to treat items, creates and failures that exist already.

use crate::journal::Attempt;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Continue from there.
    #[default]
    Resume,
    /// Render again, and replace the file.
    Overwrite,
    Error,
}

/// What to do with a create whose outcome is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    #[default]
    Hold,
    /// Submit it again, at the risk of paying twice.
    Resubmit,
}

/// Which failed jobs are created again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    #[default]
    Never,
    /// Those that moderation did not block.
    Failed,
    /// Those that ended without a video, which are not billed.
    Unbilled,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    pub on_existing: OnExisting,
    pub on_unknown: OnUnknown,
    /// Which failed jobs are created again.
    pub retry: Retry,
    /// Whether saved files are hashed again, in addition to comparing sizes.
    pub verify: bool,
}

impl Rules {
    /// The rules after another caller made the attempt first: accept its outcome. An attempt of which only a claim is
    /// left was abandoned, so what the caller asked for is still to be done.
    pub(super) fn after_lost_race(self, theirs: Option<&Attempt>) -> Self {
        let on_existing = if self.on_existing == OnExisting::Overwrite { OnExisting::Resume } else { self.on_existing };
        let is_abandoned = theirs.is_some_and(Attempt::is_only_claimed);
        let on_unknown = if is_abandoned { self.on_unknown } else { OnUnknown::Hold };
        Self { on_existing, on_unknown, retry: Retry::Never, ..self }
    }
}
