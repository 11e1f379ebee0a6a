//! When is the end noticed, and after how many questions? Schedules of ours and of the peers, on the same renders.
//!
//! No clock and no network: a schedule is a function, and time is a number. Answers take no time, which favours
//! those who ask most. `cargo bench --bench pacing` prints JSON.
//!
//! Render times are lognormal: they are positive, skewed to the right, and products of many causes (length of the
//! queue, load, resolution). `sigma` is 0.1 for a service without load, 0.6 for a crowded one.

#![expect(clippy::print_stdout, reason = "its figures go to standard output")]
#![expect(clippy::unnecessary_wraps, reason = "all kinds of reports share one type")]

use std::time::Duration;

use serde_json::{Value, json};
use vidjob::pacing::{History, Pacing, PollContext, RenderTimes};

/// Renders of each distribution.
const RENDERS: usize = 20_000;
const MEDIANS: [f64; 3] = [30.0, 60.0, 120.0];
const SIGMAS: [f64; 4] = [0.1, 0.2, 0.4, 0.6];
/// The intervals whose curve is to be stayed below.
const INTERVALS: [f64; 10] = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0];

/// What progress is reported at a part of the render, from 0 to 1.
type Report = fn(f64) -> Option<u8>;

/// How a client asks.
enum Schedule {
    /// Every so many seconds, from the start or after the first interval.
    Fixed { seconds: f64, begins_at_once: bool },
    /// As vidjob does, with what it knows of earlier renders.
    Paced(Option<RenderTimes>),
}

fn main() {
    let distributions: Vec<Value> = reports()
        .into_iter()
        .flat_map(|(name, report)| {
            MEDIANS
                .into_iter()
                .flat_map(move |median| SIGMAS.into_iter().map(move |sigma| (name, report, median, sigma)))
        })
        .map(|(name, report, median, sigma)| distribution(name, report, median, sigma))
        .collect();
    println!("{}", json!({ "renders": RENDERS, "distributions": distributions }));
}

fn reports() -> [(&'static str, Report); 3] {
    [("without progress", |_| None), ("linear progress", linear), ("stalling progress", stalling)]
}

fn linear(part: f64) -> Option<u8> {
    Some(percent(part))
}

/// Runs ahead to 60 %, halts for a third of the time, and goes on.
fn stalling(part: f64) -> Option<u8> {
    Some(percent(match part {
        early if early < 0.3 => 2.0 * early,
        middle if middle < 0.65 => 0.6,
        late => 0.6 + 0.4 * (late - 0.65) / 0.35,
    }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 99")]
fn percent(part: f64) -> u8 {
    (part * 100.0).clamp(0.0, 99.0) as u8
}

/// The peers' schedules, as their sources have them (`benches/peer_schedules.md`), and ours.
fn schedules(median: f64, sigma: f64) -> Vec<(&'static str, Schedule)> {
    let fixed = |seconds, begins_at_once| Schedule::Fixed { seconds, begins_at_once };
    let learned = |count, seed| RenderTimes::from_durations(&durations(median, sigma, count, seed));
    vec![
        ("xai-sdk 1.21", fixed(1.0, true)),
        ("openai 3.54", fixed(1.0, true)),
        ("fal-client 1.0", fixed(0.1, true)),
        ("replicate 1.0", fixed(0.5, false)),
        ("@ai-sdk/xai 5", fixed(5.0, false)),
        ("vidjob", Schedule::Paced(None)),
        ("vidjob after 20 renders", Schedule::Paced(learned(20, 77))),
        ("vidjob after 200 renders", Schedule::Paced(learned(200, 78))),
    ]
}

fn distribution(name: &str, report: Report, median: f64, sigma: f64) -> Value {
    let renders = durations(median, sigma, RENDERS, 5);
    let told = |schedule: &Schedule| figures(schedule, &renders, report);
    let schedules: Vec<Value> = schedules(median, sigma)
        .into_iter()
        .map(|(name, schedule)| {
            let mut told = told(&schedule);
            told["name"] = name.into();
            told["is_ours"] = matches!(schedule, Schedule::Paced(_)).into();
            told
        })
        .collect();
    let frontier: Vec<Value> = INTERVALS
        .into_iter()
        .map(|seconds| {
            let mut told = told(&Schedule::Fixed { seconds, begins_at_once: false });
            told["interval"] = seconds.into();
            told
        })
        .collect();
    json!({
        "name": format!("{name}, median {median} s, sigma {sigma}"),
        "progress": name, "median": median, "sigma": sigma,
        "floor": floor(median, sigma), "schedules": schedules, "frontier": frontier,
    })
}

fn figures(schedule: &Schedule, renders: &[f64], report: Report) -> Value {
    let mut chance = fastrand::Rng::with_seed(11);
    let mut delays = Vec::with_capacity(renders.len());
    let mut requests = 0.0;
    for render in renders {
        let (delay, asked) = one(schedule, *render, report, &mut chance);
        delays.push(delay);
        requests += asked;
    }
    delays.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = delays.len() as f64;
    let mean = delays.iter().sum::<f64>() / count;
    let p95 = delays.get(delays.len() * 95 / 100).copied().unwrap_or_default();
    let requests = requests / count;
    json!({ "delay_mean": mean, "delay_p95": p95, "requests": requests, "product": mean * requests })
}

/// When the end of one render is noticed after it, and with how many requests.
fn one(schedule: &Schedule, render: f64, report: Report, chance: &mut fastrand::Rng) -> (f64, f64) {
    let mut history = History::default();
    let (mut at, mut requests) = match schedule {
        Schedule::Fixed { begins_at_once: true, .. } => (0.0, 1.0),
        _ => (0.0, 0.0),
    };
    loop {
        at += match schedule {
            Schedule::Fixed { seconds, .. } => *seconds,
            Schedule::Paced(known) => paced(at, &history, known.as_ref(), chance.f64()),
        };
        requests += 1.0;
        if at >= render {
            return (at - render, requests);
        }
        history.record(Duration::from_secs_f64(at), report(at / render));
    }
}

fn paced(at: f64, history: &History, known: Option<&RenderTimes>, jitter: f64) -> f64 {
    let situation =
        PollContext { elapsed: Duration::from_secs_f64(at), history, retry_after: None, deadline: None, jitter, known };
    Pacing::default().next_delay(&situation).as_secs_f64()
}

fn durations(median: f64, sigma: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut chance = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| median * (sigma * normal(&mut chance)).exp()).collect()
}

fn normal(chance: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - chance.f64()).ln()).sqrt() * (std::f64::consts::TAU * chance.f64()).cos()
}

/// What no schedule without progress can go below: `(∫ √(f·S) dt)² / 2`, of mean delay times mean requests.
fn floor(median: f64, sigma: f64) -> f64 {
    let steps = 40_000;
    let width = 16.0 / f64::from(steps);
    let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let mut survival = 1.0;
    let mut sum = 0.0;
    for step in 0..steps {
        let z = -8.0 + (f64::from(step) + 0.5) * width;
        survival -= density(z) * width;
        let at = median * (sigma * z).exp();
        sum += (density(z) / (at * sigma) * survival.max(0.0)).sqrt() * at * sigma * width;
    }
    sum * sum / 2.0
}
