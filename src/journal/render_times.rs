//! Past render times, from which the end of later renders is predicted. No I/O.

use std::collections::{HashMap, VecDeque};

use super::record::IntentDetails;
use crate::pacing::RenderTimes;

/// Only the latest render times of each kind are used, as services change.
const MAX_SAMPLES: usize = 256;
/// Refit once the sample has grown by this factor.
const REFIT_GROWTH: f64 = 1.1;

/// Renders of one kind take about the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RenderKind {
    service: String,
    operation: String,
    model: Option<String>,
    duration: Option<i64>,
    resolution: Option<String>,
}

#[derive(Debug, Default)]
struct RenderTimeSample {
    seconds: VecDeque<f64>,
    count: f64,
    fitted: f64,
    fit: Option<RenderTimes>,
}

#[derive(Debug, Default)]
pub(super) struct RenderTimeIndex(HashMap<RenderKind, RenderTimeSample>);

impl RenderTimeIndex {
    pub(super) fn add(&mut self, order: &IntentDetails, seconds: f64) {
        let past = self.0.entry(kind(order)).or_default();
        if past.seconds.len() == MAX_SAMPLES {
            past.seconds.pop_front();
        }
        past.seconds.push_back(seconds);
        past.count += 1.0;
    }

    /// The distribution for renders of the same kind.
    pub(super) fn render_times(&mut self, order: &IntentDetails) -> Option<RenderTimes> {
        let past = self.0.get_mut(&kind(order))?;
        if past.count > past.fitted * REFIT_GROWTH {
            past.fitted = past.count;
            past.fit = RenderTimes::from_durations(past.seconds.make_contiguous());
        }
        past.fit
    }
}

fn kind(order: &IntentDetails) -> RenderKind {
    RenderKind {
        service: order.service.clone(),
        operation: order.operation.clone(),
        model: order.model.clone(),
        duration: order.duration,
        resolution: order.resolution.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(duration: i64) -> IntentDetails {
        IntentDetails { operation: "generate".into(), duration: Some(duration), ..IntentDetails::default() }
    }

    #[test]
    fn kinds_of_renders_are_independent() {
        let mut times = RenderTimeIndex::default();
        for seconds in [58.0, 60.0, 61.0, 59.0, 62.0, 60.5, 57.0, 63.0] {
            assert_eq!(times.render_times(&order(5)), None);
            times.add(&order(5), seconds);
        }
        assert!(times.render_times(&order(5)).is_some());
        assert_eq!(times.render_times(&order(10)), None);
        assert_eq!(times.render_times(&IntentDetails { service: "elsewhere".into(), ..order(5) }), None);
    }

    #[test]
    fn old_render_times_are_dropped() {
        let (mut times, mut recent) = (RenderTimeIndex::default(), RenderTimeIndex::default());
        for count in 0..2 * MAX_SAMPLES {
            let seconds = if count < MAX_SAMPLES { 10.0 } else { 60.0 };
            times.add(&order(5), seconds);
            if count >= MAX_SAMPLES {
                recent.add(&order(5), seconds);
            }
        }
        assert_eq!(times.render_times(&order(5)), recent.render_times(&order(5)));
        assert_eq!(times.0.values().next().unwrap().seconds.len(), MAX_SAMPLES);
    }

    #[test]
    fn a_fit_is_reused_until_the_sample_has_grown() {
        let mut times = RenderTimeIndex::default();
        (0..100).for_each(|_| times.add(&order(5), 60.0));
        let first = times.render_times(&order(5));
        times.add(&order(5), 90.0);
        assert_eq!(times.render_times(&order(5)), first);
        (0..20).for_each(|_| times.add(&order(5), 90.0));
        assert_ne!(times.render_times(&order(5)), first);
    }
}
