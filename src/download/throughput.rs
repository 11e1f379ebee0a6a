//! Whether bytes come fast enough. No clock of its own.

use std::time::Duration;

/// Bytes a second: a video that comes slower than this is better asked for again.
const LEAST_RATE: f64 = 1024.0;

/// What came within one window of time.
#[derive(Debug)]
pub(super) struct Throughput {
    window: Duration,
    waited: Duration,
    received: u64,
}

impl Throughput {
    /// Judges each `window`, which is never longer than a silence may last.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, received: 0 }
    }

    /// What is left of the window.
    pub(super) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Counts what came after a wait; an error tells how little the whole window brought.
    pub(super) fn count(&mut self, waited: Duration, bytes: usize) -> Result<(), u64> {
        self.waited += waited;
        self.received += bytes as u64;
        if self.waited < self.window {
            return Ok(());
        }
        let received = std::mem::take(&mut self.received);
        self.waited = Duration::ZERO;
        if received >= self.least() { Ok(()) } else { Err(received) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates as it is cast")]
    fn least(&self) -> u64 {
        (self.window.as_secs_f64() * LEAST_RATE) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_byte_each_second_is_too_slow_and_a_kilobyte_is_not() {
        let mut pace = Throughput::new(3 * SECOND);
        assert_eq!((pace.count(SECOND, 1), pace.count(SECOND, 1)), (Ok(()), Ok(())));
        assert_eq!(pace.left(), SECOND);
        assert_eq!(pace.count(SECOND, 1), Err(3));
        let mut pace = Throughput::new(3 * SECOND);
        assert!((0..100).all(|_| pace.count(SECOND, 1024).is_ok()));
    }

    #[test]
    fn each_window_is_judged_by_itself() {
        let mut pace = Throughput::new(2 * SECOND);
        assert_eq!(pace.count(SECOND / 10, 1_000_000), Ok(()));
        assert_eq!(pace.count(2 * SECOND, 0), Ok(()));
        assert_eq!(pace.left(), 2 * SECOND);
        assert_eq!(pace.count(2 * SECOND, 100), Err(100));
    }

    #[test]
    fn bytes_that_are_there_at_once_cost_no_time() {
        let mut pace = Throughput::new(SECOND);
        assert!((0..10_000).all(|_| pace.count(Duration::ZERO, 1).is_ok()));
    }
}
