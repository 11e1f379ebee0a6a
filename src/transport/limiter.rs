//! Limits the rate of all requests of a client, and pauses them after a 429.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets callers through one `interval` apart, in their order of arrival.
#[derive(Debug)]
pub(crate) struct Limiter {
    interval: Duration,
    /// When the next caller may proceed. The first caller in the queue holds the lock while it sleeps, so a cancelled
    /// caller uses up no slot.
    next: tokio::sync::Mutex<Instant>,
    paused_until: Mutex<Instant>,
}

impl Limiter {
    /// `None` sets no rate.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        let now = Instant::now();
        Self {
            interval: per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            next: tokio::sync::Mutex::new(now),
            paused_until: Mutex::new(now),
        }
    }

    pub(crate) async fn acquire(&self) {
        if self.interval.is_zero() {
            return self.sleep_until(Instant::now()).await;
        }
        let mut next = self.next.lock().await;
        self.sleep_until(*next).await;
        *next = Instant::now() + self.interval;
    }

    pub(crate) fn pause_for(&self, pause: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + pause);
    }

    /// Sleeps until `due`, or until the pause ends if that is later.
    async fn sleep_until(&self, mut due: Instant) {
        loop {
            due = due.max(*self.paused_until.lock().unwrap_or_else(PoisonError::into_inner));
            // Timers have a resolution of a millisecond; a caller that is due must not wait for it.
            if due <= Instant::now() {
                return;
            }
            // The pause may begin, or be extended, meanwhile.
            tokio::time::sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_are_spaced_by_the_interval() {
        let limiter = Limiter::new(Some(2.0));
        let start = Instant::now();
        for _ in 0..5 {
            limiter.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_callers_do_not_wait() {
        let limiter = Limiter::new(None);
        let start = Instant::now();
        for _ in 0..1000 {
            limiter.acquire().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_delays_all_callers_including_sleeping_ones() {
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
    async fn cancelled_callers_use_up_no_slot() {
        let limiter = Limiter::new(Some(1.0));
        limiter.acquire().await;
        let start = Instant::now();
        let gave_up = (0..1000).map(|_| tokio::time::timeout(Duration::from_millis(500), limiter.acquire()));
        assert!(futures_util::future::join_all(gave_up).await.iter().all(Result::is_err));
        limiter.acquire().await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_still_applies_after_a_pause() {
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
