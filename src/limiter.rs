//! A gate that all calls of one client pass: spaced by a rate, and shut for a while after a 429.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets callers through one `interval` apart.
#[derive(Debug)]
pub(crate) struct Limiter {
    interval: Duration,
    gate: Mutex<Gate>,
}

#[derive(Debug)]
struct Gate {
    next: Instant,
    shut_until: Instant,
}

impl Limiter {
    /// At most `per_second` callers a second; `None` spaces nobody.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let now = Instant::now();
        Self {
            interval: per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            gate: Mutex::new(Gate { next: now, shut_until: now }),
        }
    }

    /// Returns when the caller may go.
    pub(crate) async fn admit(&self) {
        let mut turn = self.reserve();
        loop {
            // The timer's grain is a millisecond: a turn that has come must not wait for it.
            if turn > Instant::now() {
                tokio::time::sleep_until(turn).await;
            }
            // The gate may have been shut while this caller slept.
            let open = self.lock().shut_until;
            if open <= Instant::now() {
                return;
            }
            turn = if self.interval.is_zero() { open } else { self.reserve() };
        }
    }

    /// Lets nobody through for `pause` from now.
    pub(crate) fn shut_for(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut gate = self.lock();
        gate.shut_until = gate.shut_until.max(until);
        gate.next = gate.next.max(until);
    }

    fn reserve(&self) -> Instant {
        let mut gate = self.lock();
        let turn = gate.next.max(Instant::now());
        gate.next = turn + self.interval;
        turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_are_spaced() {
        let limiter = Limiter::new(Some(2.0));
        let start = Instant::now();
        for _ in 0..5 {
            limiter.admit().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let limiter = Limiter::new(None);
        let start = Instant::now();
        for _ in 0..1000 {
            limiter.admit().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shut_gate_holds_everyone_sleepers_too() {
        let limiter = std::sync::Arc::new(Limiter::new(Some(1.0)));
        limiter.admit().await;
        let start = Instant::now();
        let sleeper = tokio::spawn({
            let limiter = limiter.clone();
            async move {
                limiter.admit().await;
                start.elapsed()
            }
        });
        tokio::task::yield_now().await;
        limiter.shut_for(Duration::from_secs(30));
        limiter.admit().await;
        assert!(start.elapsed() >= Duration::from_secs(30));
        assert!(sleeper.await.unwrap() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_the_rate_still_holds() {
        let limiter = std::sync::Arc::new(Limiter::new(Some(1.0)));
        limiter.shut_for(Duration::from_secs(10));
        let start = Instant::now();
        let times = futures_util::future::join_all((0..3).map(|_| async {
            limiter.admit().await;
            start.elapsed().as_secs()
        }))
        .await;
        assert_eq!(times, [10, 11, 12]);
    }
}
