//! When to poll next: a pure function, without a clock or randomness of its own.
//!
//! With progress, polls are timed for the predicted completion. Without progress but with durations of past renders,
//! the poll rate follows their hazard. Without either, a first delay is followed by a steady interval that widens late:
//! with an unknown render time, the product of mean delay and mean requests is least for a rate that does not fall.

use std::time::Duration;

mod learned;
mod progress;
#[cfg(test)]
mod tests;

pub use learned::RenderTimes;
pub use progress::History;

use progress::Forecast;

/// A longer `Retry-After` is cut to this.
const MAX_RETRY_AFTER: f64 = 60.0;
/// No render takes less.
const FIRST_POLL: f64 = 5.0;
/// Seconds between polls while every moment is equally likely to be the end.
const STEADY_INTERVAL: f64 = 2.0;
/// After the usual render times, the interval grows with the elapsed time.
const WIDEN_AFTER: f64 = 480.0;
/// Delays are shortened by up to this fraction, so that jobs created together do not poll in step.
const JITTER: f64 = 0.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Least delay.
    pub shortest: Duration,
    /// Greatest delay, unless [`RenderTimes`] justify a longer one.
    pub longest: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(10) }
    }
}

/// How to space polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// By progress and by past renders.
    Adaptive(Bounds),
    Fixed(Duration),
}

impl Default for Pacing {
    fn default() -> Self {
        Self::Adaptive(Bounds::default())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct PollContext<'a> {
    /// Since creation, or since the first poll.
    pub elapsed: Duration,
    pub history: &'a History,
    /// `Retry-After` of the last response.
    pub retry_after: Option<Duration>,
    /// Time left until the caller's deadline.
    pub deadline: Option<Duration>,
    /// Uniform in `[0, 1)`, drawn by the caller.
    pub jitter: f64,
    /// Durations of similar renders.
    pub known: Option<&'a RenderTimes>,
}

impl Pacing {
    /// Delay before the next poll.
    #[must_use]
    pub fn next_delay(&self, context: &PollContext<'_>) -> Duration {
        let delay = match self {
            Self::Adaptive(bounds) => adaptive(bounds, context),
            Self::Fixed(interval) => *interval,
        };
        let retry_after = context.retry_after.unwrap_or_default().min(Duration::from_secs_f64(MAX_RETRY_AFTER));
        // A final poll at the deadline itself is intended.
        delay.max(retry_after).min(context.deadline.unwrap_or(Duration::MAX))
    }
}

fn adaptive(bounds: &Bounds, context: &PollContext<'_>) -> Duration {
    let elapsed = context.elapsed.as_secs_f64();
    let (shortest, longest) = (bounds.shortest.as_secs_f64(), bounds.longest.as_secs_f64());
    let longest = longest.max(shortest);
    let shortened = |seconds: f64| seconds * (1.0 - JITTER * context.jitter.clamp(0.0, 1.0));
    let steady = shortened(steady(elapsed)).clamp(shortest, longest);
    let seconds = match (context.history.forecast(elapsed), context.known) {
        (Forecast::Ends { early, late }, _) => aim(elapsed, early, late, shortest, longest, context.jitter),
        // Overdue: widen the interval, up to the one without progress.
        (Forecast::Overdue { by }, _) => shortened(shortest + 0.3 * by).clamp(shortest, steady.max(shortest)),
        (Forecast::Unclear, Some(known)) if known.covers(elapsed) => shortened(known.next(elapsed)).max(shortest),
        (Forecast::Unclear, _) => steady,
    };
    Duration::from_secs_f64(seconds)
}

/// The interval without any knowledge.
fn steady(elapsed: f64) -> f64 {
    if elapsed < FIRST_POLL / 2.0 {
        return FIRST_POLL - elapsed;
    }
    STEADY_INTERVAL * (elapsed / WIDEN_AFTER).max(1.0)
}

/// With an end expected between `early` and `late`: poll at `late` if the window is narrow, otherwise at `early`.
fn aim(elapsed: f64, early: f64, late: f64, shortest: f64, longest: f64, jitter: f64) -> f64 {
    let narrow = late - early <= shortest;
    let target = if narrow { late } else { early };
    let wait = target - elapsed;
    if wait > longest {
        // While the end is far off, polls only narrow the window: spread them.
        return longest * (1.0 - JITTER * jitter.clamp(0.0, 1.0));
    }
    wait.max(shortest)
}
