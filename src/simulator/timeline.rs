//! The state of a job as a pure function of its age.

use super::options::Progress;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobEnd {
    Done,
    Failed,
    Moderated,
    Expired,
    /// With a status of other gateways.
    Other(&'static str),
}

/// Fixed when the job is created. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct JobTimeline {
    pub(super) queue: f64,
    pub(super) render: f64,
    pub(super) end: JobEnd,
    pub(super) progress: Progress,
    /// Where stalling progress halts, from 0 to 1.
    pub(super) halt: f64,
    /// Whether the first responses are empty, in the shape of xAI.
    pub(super) empty_first_responses: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobState {
    Accepted,
    Queued,
    Processing(Option<u8>),
    Over(JobEnd),
}

/// The part of the timeline in which responses contain only the ID.
const ACCEPTED_PART: f64 = 0.05;

impl JobTimeline {
    /// The timeline of the `number`-th job. It depends on the seed and the number alone.
    pub(super) fn of(seed: u64, number: u64, median: f64, spread: f64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
        Self {
            queue: 0.0,
            render: median * (spread * normal).exp(),
            end: JobEnd::Done,
            progress: Progress::Linear,
            halt: 0.2 + 0.6 * rng.f64(),
            empty_first_responses: rng.bool(),
        }
    }

    /// From acceptance to the end.
    pub(super) fn length(&self) -> f64 {
        self.queue + self.render
    }

    pub(super) fn state_at(&self, age: f64) -> JobState {
        if age >= self.length() {
            return JobState::Over(self.end);
        }
        if age < self.length() * ACCEPTED_PART {
            return JobState::Accepted;
        }
        if age < self.queue {
            return JobState::Queued;
        }
        let part = ((age - self.queue) / self.render).clamp(0.0, 1.0);
        JobState::Processing(match self.progress {
            Progress::Linear => Some(percent(part)),
            Progress::Stalling => Some(percent(self.stalled(part))),
            Progress::None => None,
        })
    }

    /// Rises quickly to the halt, stays there for a third of the time, and continues.
    fn stalled(&self, part: f64) -> f64 {
        match part {
            early if early < 0.3 => self.halt * early / 0.3,
            middle if middle < 0.65 => self.halt,
            late => self.halt + (1.0 - self.halt) * (late - 0.65) / 0.35,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=99")]
fn percent(part: f64) -> u8 {
    (part * 100.0).clamp(0.0, 99.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> JobTimeline {
        JobTimeline {
            queue: 2.0,
            render: 10.0,
            end: JobEnd::Done,
            progress: Progress::Linear,
            halt: 0.4,
            empty_first_responses: false,
        }
    }

    #[test]
    fn a_job_passes_through_all_states() {
        let timeline = timeline();
        let states: Vec<_> = [0.0, 1.0, 2.0, 7.0, 11.99, 12.0, 1e9].map(|age| timeline.state_at(age)).into();
        assert_eq!(
            states,
            [
                JobState::Accepted,
                JobState::Queued,
                JobState::Processing(Some(0)),
                JobState::Processing(Some(50)),
                JobState::Processing(Some(99)),
                JobState::Over(JobEnd::Done),
                JobState::Over(JobEnd::Done),
            ]
        );
    }

    #[test]
    fn stalling_progress_halts_and_never_falls() {
        let timeline = JobTimeline { progress: Progress::Stalling, ..timeline() };
        let seen: Vec<_> = (0..100)
            .filter_map(|step| match timeline.state_at(2.0 + f64::from(step) / 10.0) {
                JobState::Processing(percent) => percent,
                _ => None,
            })
            .collect();
        assert!(seen.is_sorted(), "{seen:?}");
        assert_eq!(seen[30..60], [40; 30]);
        assert_eq!(JobTimeline { progress: Progress::None, ..timeline }.state_at(5.0), JobState::Processing(None));
    }

    #[test]
    fn render_times_depend_on_seed_and_number_alone() {
        let draw = |seed| (0..500).map(|number| JobTimeline::of(seed, number, 60.0, 0.4).render).collect::<Vec<_>>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let mut sorted = draw(7);
        sorted.sort_by(f64::total_cmp);
        assert!((50.0..72.0).contains(&sorted[250]), "the median is the requested one: {}", sorted[250]);
        assert!((JobTimeline::of(1, 1, 3.0, 0.0).render - 3.0).abs() < 1e-9);
    }
}
