//! When to ask next: a pure function of what is known, without a clock or randomness of its own.
//!
//! Three cases. With progress, the end is predicted and aimed at. Without, but with the durations of
//! past renders, the rate of asking follows their hazard. With nothing, a short silence is followed by
//! a steady interval that widens late: where the render time is unknown, the product of mean delay and
//! mean requests is least for a rate that does not fall.

use std::time::Duration;

mod learned;
mod progress;
#[cfg(test)]
mod tests;

pub use learned::RenderTimes;
pub use progress::History;

use progress::Forecast;

/// The longest that the service is obeyed when it wants to be left alone.
const MAX_RETRY_AFTER: f64 = 60.0;
/// No clip is ready sooner.
const FIRST_LOOK: f64 = 5.0;
/// While any moment is as likely as another to be the end.
const STEADY: f64 = 2.0;
/// The usual render times are over by then: from here on the interval grows in step with time.
const LATE: f64 = 480.0;
/// Delays are shortened by up to this part, so that jobs created together do not ask in step.
const JITTER: f64 = 0.1;

/// The shortest and longest delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Never ask again sooner.
    pub shortest: Duration,
    /// Never wait longer, except after [`RenderTimes`] that justify it.
    pub longest: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(10) }
    }
}

/// How to pace the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// By what is known of the job.
    Adaptive(Bounds),
    /// By the clock, exactly.
    Fixed(Duration),
}

impl Default for Pacing {
    fn default() -> Self {
        Self::Adaptive(Bounds::default())
    }
}

/// What is known when the next question is planned.
#[derive(Debug, Clone, Copy)]
pub struct PollContext<'a> {
    /// Since the job was created or first asked after.
    pub elapsed: Duration,
    /// The progress seen so far.
    pub history: &'a History,
    /// When the service wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Time left until the caller's deadline.
    pub deadline: Option<Duration>,
    /// Uniform in `[0, 1)`, drawn by the caller.
    pub jitter: f64,
    /// How long renders of the same kind took.
    pub known: Option<&'a RenderTimes>,
}

impl Pacing {
    /// How long to wait before the next question.
    #[must_use]
    pub fn next_delay(&self, situation: &PollContext<'_>) -> Duration {
        let delay = match self {
            Self::Adaptive(bounds) => adaptive(bounds, situation),
            Self::Fixed(interval) => *interval,
        };
        let asked = situation.retry_after.unwrap_or_default().min(Duration::from_secs_f64(MAX_RETRY_AFTER));
        // A last question at the deadline itself is right.
        delay.max(asked).min(situation.deadline.unwrap_or(Duration::MAX))
    }
}

fn adaptive(bounds: &Bounds, situation: &PollContext<'_>) -> Duration {
    let elapsed = situation.elapsed.as_secs_f64();
    let (shortest, longest) = (bounds.shortest.as_secs_f64(), bounds.longest.as_secs_f64());
    let longest = longest.max(shortest);
    let shortened = |seconds: f64| seconds * (1.0 - JITTER * situation.jitter.clamp(0.0, 1.0));
    let steady = shortened(steady(elapsed)).clamp(shortest, longest);
    let seconds = match (situation.history.outlook(elapsed), situation.known) {
        (Forecast::Ends { early, late }, _) => aim(elapsed, early, late, shortest, longest, situation.jitter),
        // Late already: ever wider, up to what would be asked without progress.
        (Forecast::Overdue { by }, _) => shortened(shortest + 0.3 * by).clamp(shortest, steady.max(shortest)),
        (Forecast::Unclear, Some(known)) if known.covers(elapsed) => shortened(known.next(elapsed)).max(shortest),
        (Forecast::Unclear, _) => steady,
    };
    Duration::from_secs_f64(seconds)
}

/// The interval when nothing is known.
fn steady(elapsed: f64) -> f64 {
    if elapsed < FIRST_LOOK / 2.0 {
        return FIRST_LOOK - elapsed;
    }
    STEADY * (elapsed / LATE).max(1.0)
}

/// With an end expected between `early` and `late`: ask after it when that is soon told, else before it.
fn aim(elapsed: f64, early: f64, late: f64, shortest: f64, longest: f64, jitter: f64) -> f64 {
    let narrow = late - early <= shortest;
    let target = if narrow { late } else { early };
    let wait = target - elapsed;
    if wait > longest {
        // On the way to a far end each question only narrows the window: spread them.
        return longest * (1.0 - JITTER * jitter.clamp(0.0, 1.0));
    }
    wait.max(shortest)
}
