//! What the progress seen so far says about the end.

use std::time::Duration;

/// A point of the past: seconds, and percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Point {
    at: f64,
    percent: f64,
}

/// The progress seen so far: a few points, however long the job takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct History {
    /// Where it stood still most lately: at the start, or in a halt.
    still: Point,
    /// The first point of the present movement, the last change, and what was seen last.
    first: Option<Point>,
    changed: Option<Point>,
    last: Point,
    /// Between when the end must be, if all since `first` was one steady movement.
    window: Option<(f64, f64)>,
    /// The greatest common step of all percents.
    step: u8,
}

/// What is to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Forecast {
    /// Nothing can be said.
    Unclear,
    /// The end is expected in this span of time.
    Ends { early: f64, late: f64 },
    /// The end was expected before now.
    Overdue { by: f64 },
}

/// Progress that should have moved by more than this and did not has stalled.
const STALL: f64 = 3.0;
/// The coarsest steps that are reported.
const COARSEST: u8 = 10;
/// With only one point, so much of the time to the expected end passes before the next question.
const HALF_WAY: f64 = 0.6;
/// After a halt, less: when it ended is not known.
const AFTER_HALT: f64 = 0.3;

impl History {
    /// Remembers what was seen at `elapsed`.
    pub fn saw(&mut self, elapsed: Duration, progress: Option<u8>) {
        let point = Point { at: elapsed.as_secs_f64(), percent: progress.map_or(self.last.percent, f64::from) };
        if point.percent < self.last.percent || point.at < self.last.at {
            // As after a new start: what was before says nothing any more.
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

    /// What to expect at `elapsed`.
    pub(super) fn outlook(&self, elapsed: f64) -> Forecast {
        let Some((early, late)) = self.window else { return Forecast::Unclear };
        if late <= elapsed {
            return Forecast::Overdue { by: elapsed - late };
        }
        // What has been seen not to be over is not over yet.
        Forecast::Ends { early: early.max(elapsed), late }
    }

    fn step(&self) -> f64 {
        // One percent alone does not show its step; coarser than this nobody reports.
        f64::from(self.step.clamp(1, COARSEST))
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
            // Each further point narrows the window, as long as they agree.
            Some((sooner, later)) if later < f64::MAX && early.max(sooner) < late.min(later) => {
                Some((early.max(sooner), late.min(later)))
            }
            _ => Some((early, late)),
        };
    }

    /// The movement began at some time after `still`: ask once more on the way to the end.
    fn after_one(&self, first: Point) -> (f64, f64) {
        let slowest = (first.at - self.still.at) / (first.percent - self.still.percent);
        let part = if self.still.percent > 0.0 { AFTER_HALT } else { HALF_WAY };
        (first.at + part * slowest * (100.0 - first.percent), f64::MAX)
    }

    /// A percent stands for all up to the next one, at both ends of the line.
    fn after_two(&self, first: Point, changed: Point) -> (f64, f64) {
        let (span, step) = (changed.at - first.at, self.step());
        let risen = changed.percent - first.percent;
        let slow = (risen - step).max(0.5 * step) / span;
        let fast = (risen + step) / span;
        let early = changed.at + (100.0 - changed.percent - step).max(0.0) / fast;
        (early, changed.at + (100.0 - changed.percent) / slow)
    }

    /// Whether it should have moved clearly by now, and did not.
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
