//! A gate that all calls of one client pass: spaced by a rate, and shut for a while after a 429.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets callers through one `interval` apart, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Limiter {
    interval: Duration,
    /// When the next caller may go. Whoever is first in the queue holds it while asleep: a caller
    /// that gives up takes no turn with it.
    next: tokio::sync::Mutex<Instant>,
    shut_until: Mutex<Instant>,
}

impl Limiter {
    /// At most `per_second` callers a second; `None` spaces nobody.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let now = Instant::now();
        Self {
            interval: per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            next: tokio::sync::Mutex::new(now),
            shut_until: Mutex::new(now),
        }
    }

    /// Returns when the caller may go.
    pub(crate) async fn acquire(&self) {
        if self.interval.is_zero() {
            return self.opened(Instant::now()).await;
        }
        let mut next = self.next.lock().await;
        self.opened(*next).await;
        *next = Instant::now() + self.interval;
    }

    /// Lets nobody through for `pause` from now.
    pub(crate) fn pause_for(&self, pause: Duration) {
        let mut until = self.shut_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + pause);
    }

    /// Returns at `acquire_create_permit`, or when the gate is open again if that is later.
    async fn opened(&self, mut acquire_create_permit: Instant) {
        loop {
            acquire_create_permit =
                acquire_create_permit.max(*self.shut_until.lock().unwrap_or_else(PoisonError::into_inner));
            // The timer's grain is a millisecond: a turn that has come must not wait for it.
            if acquire_create_permit <= Instant::now() {
                return;
            }
            // The gate may be shut, or shut for longer, meanwhile.
            tokio::time::sleep_until(acquire_create_permit).await;
        }
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
            limiter.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let limiter = Limiter::new(None);
        let start = Instant::now();
        for _ in 0..1000 {
            limiter.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shut_gate_holds_everyone_sleepers_too() {
        let limiter = std::sync::Arc::new(Limiter::new(Some(1.0)));
        limiter.acquire().await;
        let start = Instant::now();
        let sleeper = tokio::spawn({
            let limiter = limiter.clone();
            async move {
                limiter.acquire().await;
                start.elapsed()
            }
        });
        tokio::task::yield_now().await;
        limiter.pause_for(Duration::from_secs(30));
        limiter.acquire().await;
        assert!(start.elapsed() >= Duration::from_secs(30));
        assert!(sleeper.await.unwrap() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_take_no_turn() {
        let limiter = Limiter::new(Some(1.0));
        limiter.acquire().await;
        let start = Instant::now();
        let gave_up = (0..1000).map(|_| tokio::time::timeout(Duration::from_millis(500), limiter.acquire()));
        assert!(futures_util::future::join_all(gave_up).await.iter().all(Result::is_err));
        limiter.acquire().await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_the_rate_still_holds() {
        let limiter = std::sync::Arc::new(Limiter::new(Some(1.0)));
        limiter.pause_for(Duration::from_secs(10));
        let start = Instant::now();
        let times = futures_util::future::join_all((0..3).map(|_| async {
            limiter.acquire().await;
            start.elapsed().as_secs()
        }))
        .await;
        assert_eq!(times, [10, 11, 12]);
    }
}
