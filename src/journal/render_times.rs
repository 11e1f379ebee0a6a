//! How long renders took, by kind: what a journal teaches the pacing of later ones. No I/O.

use std::collections::{HashMap, VecDeque};

use super::record::IntentDetails;
use crate::pacing::RenderTimes;

/// Of each kind so many of the latest are remembered: services change.
const REMEMBERED: usize = 256;
/// A fit is made anew once there are so many times as many durations as it was made of.
const GROWTH: f64 = 1.1;

/// What makes renders take about the same time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RenderKind {
    service: String,
    operation: String,
    model: Option<String>,
    duration: Option<i64>,
    resolution: Option<String>,
}

/// The durations of one sort.
#[derive(Debug, Default)]
struct PastRender {
    seconds: VecDeque<f64>,
    count: f64,
    fitted: f64,
    fit: Option<RenderTimes>,
}

/// The durations of all sorts.
#[derive(Debug, Default)]
pub(super) struct RenderTimeIndex(HashMap<RenderKind, PastRender>);

impl RenderTimeIndex {
    /// Takes one duration in.
    pub(super) fn learn(&mut self, order: &IntentDetails, seconds: f64) {
        let past = self.0.entry(sort(order)).or_default();
        if past.seconds.len() == REMEMBERED {
            past.seconds.pop_front();
        }
        past.seconds.push_back(seconds);
        past.count += 1.0;
    }

    /// What is known of renders like this one.
    pub(super) fn known(&mut self, order: &IntentDetails) -> Option<RenderTimes> {
        let past = self.0.get_mut(&sort(order))?;
        if past.count > past.fitted * GROWTH {
            past.fitted = past.count;
            past.fit = RenderTimes::from_durations(past.seconds.make_contiguous());
        }
        past.fit
    }
}

fn sort(order: &IntentDetails) -> RenderKind {
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
    fn renders_of_one_sort_teach_nothing_of_another() {
        let mut times = RenderTimeIndex::default();
        for seconds in [58.0, 60.0, 61.0, 59.0, 62.0, 60.5, 57.0, 63.0] {
            assert_eq!(times.known(&order(5)), None);
            times.learn(&order(5), seconds);
        }
        assert!(times.known(&order(5)).is_some());
        assert_eq!(times.known(&order(10)), None);
        assert_eq!(times.known(&IntentDetails { service: "elsewhere".into(), ..order(5) }), None);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let (mut times, mut recent) = (RenderTimeIndex::default(), RenderTimeIndex::default());
        for count in 0..2 * REMEMBERED {
            let seconds = if count < REMEMBERED { 10.0 } else { 60.0 };
            times.learn(&order(5), seconds);
            if count >= REMEMBERED {
                recent.learn(&order(5), seconds);
            }
        }
        assert_eq!(times.known(&order(5)), recent.known(&order(5)));
        assert_eq!(times.0.values().next().unwrap().seconds.len(), REMEMBERED);
    }

    #[test]
    fn a_fit_is_kept_until_there_is_clearly_more_to_learn_from() {
        let mut times = RenderTimeIndex::default();
        (0..100).for_each(|_| times.learn(&order(5), 60.0));
        let first = times.known(&order(5));
        times.learn(&order(5), 90.0);
        assert_eq!(times.known(&order(5)), first);
        (0..20).for_each(|_| times.learn(&order(5), 90.0));
        assert_ne!(times.known(&order(5)), first);
    }
}
