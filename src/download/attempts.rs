//! Whether a file is asked for once more, and when. No I/O, no clock of its own.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// So much more of a file sets the count of failures back; of a small file a hundredth does.
const PROGRESS: u64 = 64 << 10;
/// However well it goes on.
const MOST_ATTEMPTS: u32 = 1000;

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) backoff: Backoff,
    /// How long a file may be missing behind its link: it may reach the server later than the link the caller.
    pub(super) absence: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { backoff: Backoff::default(), absence: Duration::from_secs(60) }
    }
}

/// The attempts at one file.
#[derive(Debug)]
pub(super) struct AttemptCounter {
    waiting: Waiting,
    max_retries: u32,
    attempts: u32,
    failures: u32,
    /// What was there when the failures were last set back.
    reached: u64,
    absences: u32,
    missing_since: Option<Instant>,
    /// The size of the last file that came and was not whole.
    flawed: Option<u64>,
}

impl AttemptCounter {
    pub(super) fn new(waiting: Waiting, max_retries: u32) -> Self {
        Self {
            waiting,
            max_retries,
            attempts: 0,
            failures: 0,
            reached: 0,
            absences: 0,
            missing_since: None,
            flawed: None,
        }
    }

    /// The delay after an attempt that broke off, unless there were enough. `reached` is the most that ever came,
    /// or a file that changes all the time would never end. `jitter` is uniform in `[0, 1)`.
    pub(super) fn after_failure(
        &mut self,
        reached: u64,
        size: Option<u64>,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        (self.missing_since, self.absences) = (None, 0);
        let enough = size.map_or(PROGRESS, |size| (size / 100).clamp(1, PROGRESS));
        if reached >= self.reached.saturating_add(enough) {
            (self.reached, self.failures) = (reached, 0);
        }
        self.attempts += 1;
        self.failures += 1;
        if self.failures > self.max_retries || self.attempts >= MOST_ATTEMPTS {
            return None;
        }
        Some(self.waiting.backoff.delay(self.failures - 1, jitter, retry_after))
    }

    /// The delay after a file that came entirely and is not whole: it may still be on its way to the server, unless
    /// it is the same again.
    pub(super) fn after_flaw(&mut self, size: u64, jitter: f64) -> Option<Duration> {
        if self.flawed.replace(size) == Some(size) {
            return None;
        }
        self.after_failure(0, None, None, jitter)
    }

    /// The delay after an answer that has no file, unless it was missing for too long.
    pub(super) fn after_absence(
        &mut self,
        now: Instant,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let since = *self.missing_since.get_or_insert(now);
        let left = self.waiting.absence.saturating_sub(now.saturating_duration_since(since));
        self.attempts += 1;
        self.absences += 1;
        if left.is_zero() || self.attempts >= MOST_ATTEMPTS {
            return None;
        }
        // A last look when the time is over is right.
        Some(self.waiting.backoff.delay(self.absences - 1, jitter, retry_after).min(left))
    }

    /// How often it was tried again for the same reason.
    pub(super) fn again(&self) -> u32 {
        self.failures.max(self.absences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(max_retries: u32) -> AttemptCounter {
        AttemptCounter::new(Waiting::default(), max_retries)
    }

    /// How many attempts are made when each brings `step` more bytes of a file of `size`.
    fn attempts(max_retries: u32, step: u64, size: Option<u64>) -> u64 {
        let mut tries = tries(max_retries);
        (1..=10_000).find(|attempt| tries.after_failure(attempt * step, size, None, 0.5).is_none()).unwrap()
    }

    #[test]
    fn one_more_byte_at_each_attempt_does_not_set_the_failures_back() {
        assert_eq!(attempts(2, 1, Some(100_000)), 3);
        assert_eq!(attempts(2, 0, Some(100_000)), 3);
        assert_eq!(attempts(2, 1000, None), 3);
        assert_eq!(attempts(0, 1_000_000, Some(10_000_000)), 1);
    }

    #[test]
    fn attempts_that_get_on_are_many_and_not_endless() {
        assert_eq!(attempts(2, 1000, Some(100_000)), u64::from(MOST_ATTEMPTS));
        assert_eq!(attempts(2, 64 << 10, None), u64::from(MOST_ATTEMPTS));
        // What several attempts bring is added up.
        assert_eq!(attempts(2, 500, Some(100_000)), u64::from(MOST_ATTEMPTS));
    }

    #[test]
    fn a_flawed_file_is_asked_for_again_until_it_is_the_same_twice() {
        let mut growing = tries(3);
        let looks: Vec<_> = [10, 20, 30, 40].iter().map(|size| growing.after_flaw(*size, 0.5).is_some()).collect();
        assert_eq!(looks, [true, true, true, false]);
        let mut same = tries(3);
        assert_eq!((same.after_flaw(10, 0.5).is_some(), same.after_flaw(10, 0.5)), (true, None));
    }

    #[test]
    fn a_missing_file_is_waited_for_and_not_for_ever() {
        let mut tries = tries(0);
        let start = Instant::now();
        let (mut now, mut looks) = (start, 0);
        while let Some(delay) = tries.after_absence(now, None, 0.999) {
            assert!(delay <= Duration::from_secs(8));
            (now, looks) = (now + delay, looks + 1);
        }
        assert_eq!((now - start).as_secs(), 60, "the last look is when the time is over");
        assert!((8..15).contains(&looks), "{looks}");
    }

    #[test]
    fn the_servers_word_on_when_to_look_again_is_kept_within_the_time() {
        let mut tries = tries(0);
        let now = Instant::now();
        let minute = Some(Duration::from_secs(50));
        assert_eq!(tries.after_absence(now, minute, 0.0), minute);
        let later = now + Duration::from_secs(50);
        assert_eq!(tries.after_absence(later, minute, 0.0), Some(Duration::from_secs(10)));
    }
}
