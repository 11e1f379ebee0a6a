//! Predicts the end of a render from its progress.

use std::time::Duration;

/// Seconds and percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Point {
    at: f64,
    percent: f64,
}

/// The progress so far, in constant space.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct History {
    /// The latest standstill: at the start, or in a stall.
    still: Point,
    /// First point of the current movement, last change, and last observation.
    first: Option<Point>,
    changed: Option<Point>,
    last: Point,
    /// Earliest and latest end, if the progress since `first` is steady.
    window: Option<(f64, f64)>,
    /// Greatest common divisor of all percentages.
    step: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Forecast {
    /// Not enough progress to predict.
    Unclear,
    /// The predicted window, in seconds since the creation.
    Ends { early: f64, late: f64 },
    /// Seconds since the latest predicted end.
    Overdue { by: f64 },
}

/// Progress that is behind by more percent than this has stalled.
const STALL: f64 = 3.0;
/// Coarsest step that services report.
const MAX_STEP: u8 = 10;
/// After a single point, the fraction of the predicted remaining time before the next poll.
const FIRST_POINT_FRACTION: f64 = 0.6;
/// The same after a stall, whose end is unknown.
const AFTER_STALL_FRACTION: f64 = 0.3;

impl History {
    /// Records the progress observed at `elapsed`.
    pub fn record(&mut self, elapsed: Duration, progress: Option<u8>) {
        let point = Point { at: elapsed.as_secs_f64(), percent: progress.map_or(self.last.percent, f64::from) };
        if point.percent < self.last.percent || point.at < self.last.at {
            // Progress or time went back, as after a restart: earlier points no longer apply.
            *self = Self { still: point, last: point, ..Self::default() };
            return;
        }
        if self.has_stalled_at(point) {
            *self = Self { still: point, last: point, step: self.step, ..Self::default() };
            return;
        }
        if point.percent > self.last.percent {
            self.moved(point, progress.unwrap_or_default());
        } else if self.first.is_none() {
            self.still = point;
        }
        self.last = point;
    }

    /// Predicts the end, as seen at `elapsed`.
    pub(super) fn forecast(&self, elapsed: f64) -> Forecast {
        let Some((early, late)) = self.window else { return Forecast::Unclear };
        if late <= elapsed {
            return Forecast::Overdue { by: elapsed - late };
        }
        // The job was unfinished at `elapsed`, so it ends later.
        Forecast::Ends { early: early.max(elapsed), late }
    }

    fn step(&self) -> f64 {
        // A single percentage does not show its step.
        f64::from(self.step.clamp(1, MAX_STEP))
    }

    fn moved(&mut self, point: Point, percent: u8) {
        self.step = greatest_common_divisor(self.step, percent);
        self.changed = Some(point);
        let Some(first) = self.first else {
            self.first = Some(point);
            self.window = Some(self.after_one(point));
            return;
        };
        let (early, late) = self.after_two(first, point);
        self.window = match self.window {
            // Each further point narrows the window, as long as the windows overlap.
            Some((sooner, later)) if later < f64::MAX && early.max(sooner) < late.min(later) => {
                Some((early.max(sooner), late.min(later)))
            }
            _ => Some((early, late)),
        };
    }

    /// The movement began some time after `still`: poll once more before the predicted end.
    fn after_one(&self, first: Point) -> (f64, f64) {
        let slowest = (first.at - self.still.at) / (first.percent - self.still.percent);
        let part = if self.still.percent > 0.0 { AFTER_STALL_FRACTION } else { FIRST_POINT_FRACTION };
        (first.at + part * slowest * (100.0 - first.percent), f64::MAX)
    }

    /// A reported percentage stands for all values up to the next step.
    fn after_two(&self, first: Point, changed: Point) -> (f64, f64) {
        let (span, step) = (changed.at - first.at, self.step());
        let risen = changed.percent - first.percent;
        let slow = (risen - step).max(0.5 * step) / span;
        let fast = (risen + step) / span;
        let early = changed.at + (100.0 - changed.percent - step).max(0.0) / fast;
        (early, changed.at + (100.0 - changed.percent) / slow)
    }

    /// Whether progress is clearly behind the pace so far.
    fn has_stalled_at(&self, point: Point) -> bool {
        let (Some(first), Some(changed)) = (self.first, self.changed) else { return false };
        if point.percent > changed.percent {
            return false;
        }
        let from = if changed == first { self.still } else { first };
        let pace = (changed.percent - from.percent) / (changed.at - from.at);
        (point.at - changed.at) * pace > self.step() + STALL
    }
}

fn greatest_common_divisor(a: u8, b: u8) -> u8 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
