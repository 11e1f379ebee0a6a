//! What a caller wants done about what is there already.

use crate::journal::Attempt;

/// What to do about what is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Go on from there.
    #[default]
    Resume,
    /// Make it anew, and replace the file.
    Overwrite,
    /// Refuse.
    Error,
}

/// What to do about a create of which nobody knows whether it was bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Report it.
    #[default]
    Hold,
    /// Buy it, perhaps for the second time.
    Resubmit,
}

/// Which failures are bought again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// None.
    #[default]
    Never,
    /// Those that moderation has nothing to do with.
    Failed,
    /// All: the caller asked for this very item.
    All,
}

/// How items are worked through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// What to do about what is there already.
    pub on_existing: OnExisting,
    /// What to do about creates without an outcome.
    pub on_unknown: OnUnknown,
    /// Which failures are bought again.
    pub retry: Retry,
    /// Whether kept files are hashed again, and not only measured.
    pub verify: bool,
}

impl Rules {
    /// What a caller does whose attempt somebody else has made: it takes what came of that. Where nothing but a claim
    /// is left of it, that was no race, and nobody has done what the caller asked for yet.
    pub(super) fn after_lost_race(self, theirs: Option<&Attempt>) -> Self {
        let on_existing = if self.on_existing == OnExisting::Overwrite { OnExisting::Resume } else { self.on_existing };
        let is_abandoned = theirs.is_some_and(Attempt::is_only_claimed);
        let on_unknown = if is_abandoned { self.on_unknown } else { OnUnknown::Hold };
        Self { on_existing, on_unknown, retry: Retry::Never, ..self }
    }
}
