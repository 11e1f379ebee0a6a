//! Whether bytes arrive fast enough. No clock of its own.

use std::time::Duration;

/// Bytes per second. A slower download is attempted again.
const MIN_RATE: f64 = 1024.0;

#[derive(Debug)]
pub(super) struct Throughput {
    window: Duration,
    waited: Duration,
    received: u64,
}

impl Throughput {
    /// `window` is at most the timeout for silence.
    pub(super) fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, received: 0 }
    }

    pub(super) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Adds the bytes that arrived after a wait. The error is the number of bytes in a window that was too slow.
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

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
    fn least(&self) -> u64 {
        (self.window.as_secs_f64() * MIN_RATE) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_byte_per_second_is_too_slow_and_a_kilobyte_is_not() {
        let mut throughput = Throughput::new(3 * SECOND);
        assert_eq!((throughput.count(SECOND, 1), throughput.count(SECOND, 1)), (Ok(()), Ok(())));
        assert_eq!(throughput.left(), SECOND);
        assert_eq!(throughput.count(SECOND, 1), Err(3));
        let mut throughput = Throughput::new(3 * SECOND);
        assert!((0..100).all(|_| throughput.count(SECOND, 1024).is_ok()));
    }

    #[test]
    fn each_window_is_judged_by_itself() {
        let mut throughput = Throughput::new(2 * SECOND);
        assert_eq!(throughput.count(SECOND / 10, 1_000_000), Ok(()));
        assert_eq!(throughput.count(2 * SECOND, 0), Ok(()));
        assert_eq!(throughput.left(), 2 * SECOND);
        assert_eq!(throughput.count(2 * SECOND, 100), Err(100));
    }

    #[test]
    fn bytes_without_a_wait_take_no_time() {
        let mut throughput = Throughput::new(SECOND);
        assert!((0..10_000).all(|_| throughput.count(Duration::ZERO, 1).is_ok()));
    }
}
