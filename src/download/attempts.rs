//! Whether a download is attempted again, and when. No I/O, no clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Progress that resets the count of failures; for a small file a hundredth of it is enough.
const MIN_PROGRESS: u64 = 64 << 10;
/// Applies even while every attempt makes progress.
const MAX_ATTEMPTS: u32 = 1000;

#[derive(Debug, Clone, Copy)]
pub(super) struct RetryDelays {
    pub(super) backoff: Backoff,
    /// How long a file may be missing: its link may be announced before it has reached the server.
    pub(super) max_absence: Duration,
}

impl Default for RetryDelays {
    fn default() -> Self {
        Self { backoff: Backoff::default(), max_absence: Duration::from_secs(60) }
    }
}

#[derive(Debug)]
pub(super) struct AttemptCounter {
    retry_delays: RetryDelays,
    max_retries: u32,
    attempts: u32,
    failures: u32,
    /// Bytes received when the count of failures was last reset.
    reached: u64,
    absences: u32,
    missing_since: Option<Instant>,
    /// The size of the last file that arrived whole and was defective.
    defective: Option<u64>,
}

impl AttemptCounter {
    pub(super) fn new(retry_delays: RetryDelays, max_retries: u32) -> Self {
        Self {
            retry_delays,
            max_retries,
            attempts: 0,
            failures: 0,
            reached: 0,
            absences: 0,
            missing_since: None,
            defective: None,
        }
    }

    /// The delay after a failed attempt; `None` ends the download. `reached` is the most that any attempt received:
    /// counted by the current file, one that keeps changing would be fetched forever. `jitter` is uniform in `[0, 1)`.
    pub(super) fn after_failure(
        &mut self,
        reached: u64,
        size: Option<u64>,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        (self.missing_since, self.absences) = (None, 0);
        let enough = size.map_or(MIN_PROGRESS, |size| (size / 100).clamp(1, MIN_PROGRESS));
        if reached >= self.reached.saturating_add(enough) {
            (self.reached, self.failures) = (reached, 0);
        }
        self.attempts += 1;
        self.failures += 1;
        if self.failures > self.max_retries || self.attempts >= MAX_ATTEMPTS {
            return None;
        }
        Some(self.retry_delays.backoff.delay(self.failures - 1, jitter, retry_after))
    }

    /// The delay after a defective file of the announced size. It may still be on its way to the server, unless it
    /// has the same size again.
    pub(super) fn after_defect(&mut self, size: u64, jitter: f64) -> Option<Duration> {
        if self.defective.replace(size) == Some(size) {
            return None;
        }
        self.after_failure(0, None, None, jitter)
    }

    /// The delay after a response without a file; `None` once the file has been missing for too long.
    pub(super) fn after_absence(
        &mut self,
        now: Instant,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let since = *self.missing_since.get_or_insert(now);
        let left = self.retry_delays.max_absence.saturating_sub(now.saturating_duration_since(since));
        self.attempts += 1;
        self.absences += 1;
        if left.is_zero() || self.attempts >= MAX_ATTEMPTS {
            return None;
        }
        // The last attempt is made exactly when the time is over.
        Some(self.retry_delays.backoff.delay(self.absences - 1, jitter, retry_after).min(left))
    }

    /// How often the download was attempted again for the same reason.
    pub(super) fn repeated(&self) -> u32 {
        self.failures.max(self.absences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(max_retries: u32) -> AttemptCounter {
        AttemptCounter::new(RetryDelays::default(), max_retries)
    }

    /// How many attempts are made when each receives `step` more bytes of a file of `size`.
    fn attempts(max_retries: u32, step: u64, size: Option<u64>) -> u64 {
        let mut counter = counter(max_retries);
        (1..=10_000).find(|attempt| counter.after_failure(attempt * step, size, None, 0.5).is_none()).unwrap()
    }

    #[test]
    fn one_more_byte_per_attempt_does_not_reset_the_failures() {
        assert_eq!(attempts(2, 1, Some(100_000)), 3);
        assert_eq!(attempts(2, 0, Some(100_000)), 3);
        assert_eq!(attempts(2, 1000, None), 3);
        assert_eq!(attempts(0, 1_000_000, Some(10_000_000)), 1);
    }

    #[test]
    fn attempts_with_progress_are_many_but_limited() {
        assert_eq!(attempts(2, 1000, Some(100_000)), u64::from(MAX_ATTEMPTS));
        assert_eq!(attempts(2, 64 << 10, None), u64::from(MAX_ATTEMPTS));
        // Progress adds up over several attempts.
        assert_eq!(attempts(2, 500, Some(100_000)), u64::from(MAX_ATTEMPTS));
    }

    #[test]
    fn a_defective_file_is_fetched_again_until_its_size_repeats() {
        let mut growing = counter(3);
        let retried: Vec<_> = [10, 20, 30, 40].iter().map(|size| growing.after_defect(*size, 0.5).is_some()).collect();
        assert_eq!(retried, [true, true, true, false]);
        let mut same = counter(3);
        assert_eq!((same.after_defect(10, 0.5).is_some(), same.after_defect(10, 0.5)), (true, None));
    }

    #[test]
    fn a_missing_file_is_waited_for_but_not_forever() {
        let mut counter = counter(0);
        let start = Instant::now();
        let (mut now, mut attempts) = (start, 0);
        while let Some(delay) = counter.after_absence(now, None, 0.999) {
            assert!(delay <= Duration::from_secs(8));
            (now, attempts) = (now + delay, attempts + 1);
        }
        assert_eq!((now - start).as_secs(), 60, "the last attempt is made when the time is over");
        assert!((8..15).contains(&attempts), "{attempts}");
    }

    #[test]
    fn retry_after_is_honoured_within_the_time_limit() {
        let mut counter = counter(0);
        let now = Instant::now();
        let minute = Some(Duration::from_secs(50));
        assert_eq!(counter.after_absence(now, minute, 0.0), minute);
        let later = now + Duration::from_secs(50);
        assert_eq!(counter.after_absence(later, minute, 0.0), Some(Duration::from_secs(10)));
    }
}
