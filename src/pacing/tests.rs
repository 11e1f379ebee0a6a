//! Simulations without a clock, and the targets they must reach.

#![expect(clippy::unnecessary_wraps, reason = "all kinds of reports share one type")]

use proptest::prelude::*;

use super::*;

/// Mean delay and mean number of requests over many renders.
#[derive(Debug, Clone, Copy)]
struct Figures {
    delay: f64,
    requests: f64,
}

impl Figures {
    fn product(self) -> f64 {
        self.delay * self.requests
    }
}

/// Reported progress at a fraction of the render, from 0 to 1.
type Report = fn(f64) -> Option<u8>;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn percent(part: f64) -> u8 {
    (part * 100.0).clamp(0.0, 99.0) as u8
}

fn none(_: f64) -> Option<u8> {
    None
}
fn linear(part: f64) -> Option<u8> {
    Some(percent(part))
}
fn coarse(part: f64) -> Option<u8> {
    Some(percent(part) / 10 * 10)
}
/// Reaches 60 % early, stalls for a third of the time, and continues.
fn stalling(part: f64) -> Option<u8> {
    Some(percent(match part {
        early if early < 0.3 => 2.0 * early,
        middle if middle < 0.65 => 0.6,
        late => 0.6 + 0.4 * (late - 0.65) / 0.35,
    }))
}
/// Stays at 99 % for the second half.
fn stuck(part: f64) -> Option<u8> {
    Some(percent(2.0 * part))
}

/// One render of `queue + render` seconds: the delay until the end is seen, and the number of requests.
fn one(
    pacing: Pacing,
    queue: f64,
    render: f64,
    report: Report,
    known: Option<&RenderTimes>,
    jitter: &mut fastrand::Rng,
) -> (f64, f64) {
    let mut history = History::default();
    let mut at = 0.0;
    let mut requests = 0.0;
    loop {
        let delay = pacing.next_delay(&PollContext {
            elapsed: Duration::from_secs_f64(at),
            history: &history,
            retry_after: None,
            deadline: None,
            jitter: jitter.f64(),
            known,
        });
        at += delay.as_secs_f64();
        requests += 1.0;
        if at >= queue + render {
            return (at - queue - render, requests);
        }
        assert!(requests < 10_000.0, "no end");
        history.record(Duration::from_secs_f64(at), if at < queue { None } else { report((at - queue) / render) });
    }
}

fn normal(chance: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - chance.f64()).ln()).sqrt() * (std::f64::consts::TAU * chance.f64()).cos()
}

fn durations(median: f64, sigma: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut chance = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| median * (sigma * normal(&mut chance)).exp()).collect()
}

fn simulate(
    pacing: Pacing,
    median: f64,
    sigma: f64,
    queue: f64,
    report: Report,
    known: Option<&RenderTimes>,
) -> Figures {
    let mut jitter = fastrand::Rng::with_seed(11);
    let renders = durations(median, sigma, 4000, 5);
    let (mut delay, mut requests) = (0.0, 0.0);
    for render in &renders {
        let (late, polls) = one(pacing, queue, *render, report, known, &mut jitter);
        delay += late;
        requests += polls;
    }
    Figures { delay: delay / 4000.0, requests: requests / 4000.0 }
}

fn fixed(seconds: f64) -> Pacing {
    Pacing::Fixed(Duration::from_secs_f64(seconds))
}

const MEDIANS: [f64; 4] = [12.0, 30.0, 60.0, 120.0];
const SIGMAS: [f64; 4] = [0.1, 0.2, 0.4, 0.6];

fn grid() -> impl Iterator<Item = (f64, f64)> {
    MEDIANS.into_iter().flat_map(|median| SIGMAS.into_iter().map(move |sigma| (median, sigma)))
}

#[test]
fn progress_gives_subsecond_delay_with_fewer_requests_than_every_five_seconds() {
    for (median, sigma) in grid() {
        let ours = simulate(Pacing::default(), median, sigma, 0.0, linear, None);
        let five = simulate(fixed(5.0), median, sigma, 0.0, linear, None);
        assert!(ours.delay < 0.5, "{median} {sigma}: {ours:?}");
        // For a render of 12 s, polling every 5 s takes three requests, which cannot be improved on.
        let slack = if median < 20.0 { 1.1 } else { 1.0 };
        assert!(ours.requests < five.requests * slack, "{median} {sigma}: {ours:?} against {five:?}");
    }
}

#[test]
fn queued_jobs_are_predicted_too() {
    for (median, sigma) in grid() {
        let ours = simulate(Pacing::default(), median, sigma, 20.0, linear, None);
        let five = simulate(fixed(5.0), median, sigma, 20.0, linear, None);
        assert!(ours.delay < 0.75, "{median} {sigma}: {ours:?}");
        assert!(ours.product() < five.product() / 2.0);
    }
}

#[test]
fn unusual_progress_is_no_worse_than_none() {
    for (median, sigma) in grid() {
        let without = simulate(Pacing::default(), median, sigma, 0.0, none, None);
        for (name, report) in [("coarse", coarse as Report), ("stalling", stalling), ("stuck", stuck)] {
            let ours = simulate(Pacing::default(), median, sigma, 0.0, report, None);
            assert!(ours.delay < without.delay * 1.6, "{name} {median} {sigma}: {ours:?} against {without:?}");
            // Useless progress costs one or two polls before it is recognised.
            assert!(
                ours.requests < without.requests * 1.1 + 2.0,
                "{name} {median} {sigma}: {ours:?} against {without:?}"
            );
        }
    }
}

#[test]
fn without_knowledge_pacing_is_no_worse_than_the_best_fixed_interval() {
    for (median, sigma) in grid() {
        let ours = simulate(Pacing::default(), median, sigma, 0.0, none, None);
        let best = [1.0, 2.0, 3.0, 5.0, 8.0]
            .map(|seconds| simulate(fixed(seconds), median, sigma, 0.0, none, None).product())
            .into_iter()
            .fold(f64::MAX, f64::min);
        assert!(ours.product() <= best, "{median} {sigma}: {} against {best}", ours.product());
    }
}

#[test]
fn known_render_times_reach_a_tenth_above_the_optimum() {
    for (sigma, floor) in [(0.1, 5.9), (0.2, 11.2), (0.4, 20.5), (0.6, 29.1)] {
        let exact = RenderTimes::exact(60.0, sigma).floor();
        assert!((exact - floor).abs() < 0.1, "the floor of the design: {exact}");
        for (count, slack) in [(200, 1.10), (20, 1.25)] {
            let known = RenderTimes::from_durations(&durations(60.0, sigma, count, 77)).unwrap();
            let ours = simulate(Pacing::default(), 60.0, sigma, 0.0, none, Some(&known));
            assert!(ours.product() <= floor * slack, "{sigma} from {count}: {} {ours:?}", ours.product());
        }
    }
}

#[test]
fn renders_outside_the_sample_are_polled_as_if_nothing_were_known() {
    let known = RenderTimes::from_durations(&durations(60.0, 0.1, 200, 77)).unwrap();
    for median in [120.0, 600.0, 1800.0] {
        let misled = simulate(Pacing::default(), median, 0.1, 0.0, none, Some(&known));
        let ours = simulate(Pacing::default(), median, 0.1, 0.0, none, None);
        assert!(misled.product() < ours.product() * 1.1, "{median}: {misled:?} against {ours:?}");
        assert!(misled.requests < ours.requests + 10.0, "{median}: {misled:?} against {ours:?}");
    }
}

#[test]
fn too_few_durations_are_ignored() {
    assert_eq!(RenderTimes::from_durations(&[60.0; 7]), None);
    assert_eq!(RenderTimes::from_durations(&[f64::NAN; 50]), None);
    assert!(RenderTimes::from_durations(&[60.0; 8]).is_some());
}

#[test]
fn a_fixed_interval_is_used_as_it_is() {
    let history = History::default();
    let context = PollContext {
        elapsed: Duration::ZERO,
        history: &history,
        retry_after: None,
        deadline: None,
        jitter: 0.9,
        known: None,
    };
    assert_eq!(fixed(0.37).next_delay(&context), Duration::from_secs_f64(0.37));
    let deadline = PollContext { deadline: Some(Duration::from_millis(100)), ..context };
    assert_eq!(fixed(0.37).next_delay(&deadline), Duration::from_millis(100));
    let throttled = PollContext { retry_after: Some(Duration::from_secs(7)), ..context };
    assert_eq!(fixed(0.37).next_delay(&throttled), Duration::from_secs(7));
    let throttled = PollContext { retry_after: Some(Duration::from_secs(7000)), ..context };
    assert_eq!(fixed(0.37).next_delay(&throttled), Duration::from_secs(60));
}

#[test]
fn history_stays_small() {
    assert!(size_of::<History>() < 128);
}

proptest! {
    #[test]
    fn delays_are_bounded_for_any_history(
        observed in proptest::collection::vec((0.0..1e6_f64, proptest::option::of(0_u8..=255)), 0..40),
        elapsed in prop_oneof![Just(0.0), 0.0..1e7_f64],
        jitter in 0.0..=1.0_f64,
        deadline in proptest::option::of(0.0..1e4_f64),
        retry_after in proptest::option::of(0.0..1e9_f64),
        past in proptest::collection::vec(1e-3..1e5_f64, 0..30),
    ) {
        let mut history = History::default();
        for (at, percent) in observed {
            history.record(Duration::from_secs_f64(at), percent);
        }
        let known = RenderTimes::from_durations(&past);
        let delay = Pacing::default().next_delay(&PollContext {
            elapsed: Duration::from_secs_f64(elapsed),
            history: &history,
            retry_after: retry_after.map(Duration::from_secs_f64),
            deadline: deadline.map(Duration::from_secs_f64),
            jitter,
            known: known.as_ref(),
        });
        let left = deadline.map_or(Duration::MAX, Duration::from_secs_f64);
        prop_assert!(delay >= Duration::from_secs(1).min(left));
        prop_assert!(delay <= left);
        if known.is_none() {
            prop_assert!(delay <= Duration::from_secs_f64(retry_after.unwrap_or(0.0).clamp(10.0, 60.0)));
        }
    }
}
