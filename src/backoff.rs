//! Delays between retries. Pure.

use std::time::Duration;

/// A longer `Retry-After` is cut to this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential backoff with full jitter: uniform between zero and a bound that doubles.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::doubling_from(Duration::from_millis(500))
    }
}

impl Backoff {
    /// The bound doubles four times.
    #[must_use]
    pub fn doubling_from(first: Duration) -> Self {
        Self { first, most: first.saturating_mul(16) }
    }

    /// Delay before retry number `attempt`, counted from 0. `jitter` is uniform in `[0, 1)`. `retry_after` is a lower
    /// bound.
    pub(crate) fn delay(self, attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(1 << attempt.min(16)).min(self.most);
        let delay = bound.mul_f64(jitter.clamp(0.0, 1.0));
        retry_after.map_or(delay, |requested| requested.min(MAX_RETRY_AFTER).max(delay))
    }
}
