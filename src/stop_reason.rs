//! Why a batch no longer submits. No I/O.

use crate::error::{Error, NotSubmitted};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// `max_cost_usd` is spent or reserved.
    Budget,
    /// `max_jobs` is reached.
    Jobs,
    Deadline,
    Key,
    Balance,
    Caller,
    Superseded,
}

impl StopReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Jobs => "max_jobs",
            Self::Deadline => "deadline",
            Self::Key => "key",
            Self::Balance => "balance",
            Self::Caller => "caller",
            Self::Superseded => "superseded",
        }
    }

    /// Whether items with a reservation are held back too. A reached limit does not affect them.
    #[must_use]
    pub const fn bars_reserved(self) -> bool {
        !matches!(self, Self::Budget | Self::Jobs)
    }

    /// The error of an item that was not submitted for this reason.
    #[must_use]
    pub fn error(self) -> Error {
        Error::NotSubmitted(Box::new(NotSubmitted {
            message: format!("not submitted: {}", self.description()),
            limit: Some(self.as_str()),
            spent_usd: None,
            estimate_usd: None,
        }))
    }

    /// What happened, for messages.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Budget => "max_cost_usd would be exceeded",
            Self::Jobs => "max_jobs is reached",
            Self::Deadline => "the deadline has passed",
            Self::Key => "the service rejects the API key",
            Self::Balance => "the balance at the service is used up",
            Self::Caller => "the batch was stopped",
            Self::Superseded => "another run took over this folder while this process was suspended",
        }
    }
}
