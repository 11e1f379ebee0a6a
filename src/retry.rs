//! What is worth trying again, and when. Decisions are pure; only [`Retries::run`] sleeps.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ApiErrorKind, Error, Result};
use crate::event::{Event, Events};

/// The longest `Retry-After` that is waited for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential backoff with full jitter: uniform between nothing and a bound that doubles.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::doubling_from(Duration::from_millis(500))
    }
}

/// A model without a free channel is not to be had within seconds.
const NO_CHANNEL: Backoff = Backoff { first: Duration::from_secs(10), most: MAX_RETRY_AFTER };

impl Backoff {
    /// The bound doubles four times.
    #[must_use]
    pub fn doubling_from(first: Duration) -> Self {
        Self { first, most: first.saturating_mul(16) }
    }

    /// The delay before repetition number `attempt`, counted from 0. `jitter` is uniform in `[0, 1)`.
    /// The service's own word is a lower bound.
    pub(crate) fn delay(self, attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(1 << attempt.min(16)).min(self.most);
        let delay = bound.mul_f64(jitter.clamp(0.0, 1.0));
        retry_after.map_or(delay, |asked| asked.min(MAX_RETRY_AFTER).max(delay))
    }
}

/// Whether an exchange that may be repeated at will (a query) is worth repeating.
#[must_use]
pub fn worth_repeating(error: &Error) -> bool {
    match error {
        Error::ConnectionFailed(trouble) | Error::RequestTimeout(trouble) => !trouble.permanent,
        Error::Api(error) => {
            matches!(error.kind, ApiErrorKind::RateLimited | ApiErrorKind::Server)
                || matches!(error.status_code, 408 | 425)
                || (error.kind == ApiErrorKind::Other && is_success(error.status_code))
        }
        // An answer cut short, a page of a proxy: the next one may be whole. A redirect stays one.
        Error::InvalidResponse { status_code, .. } => is_success(*status_code),
        _ => false,
    }
}

fn is_success(status_code: u16) -> bool {
    (200..300).contains(&status_code)
}

/// Whether a create certainly did not start, so that sending it again buys nothing twice.
#[must_use]
pub fn certainly_not_started(error: &Error) -> bool {
    match error {
        Error::ConnectionFailed(trouble) | Error::RequestTimeout(trouble) => trouble.not_sent && !trouble.permanent,
        Error::Api(error) => error.kind == ApiErrorKind::RateLimited || error.not_started,
        _ => false,
    }
}

/// The delay before repetition number `attempt`, counted from 0. `jitter` is uniform in `[0, 1)`.
#[must_use]
pub fn backoff(usual: Backoff, error: &Error, attempt: u32, jitter: f64) -> Duration {
    if matches!(error, Error::Api(error) if error.not_started) {
        return NO_CHANNEL.delay(attempt, 0.5 + jitter / 2.0, error.retry_after());
    }
    usual.delay(attempt, jitter, error.retry_after())
}

/// Repeats an exchange while that is right.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// How often at the most.
    pub most: u32,
    /// How long to wait before each.
    pub backoff: Backoff,
    /// Which failures are worth it.
    pub when: fn(&Error) -> bool,
    /// No pause lasts beyond this moment.
    pub until: Option<Instant>,
}

impl Retries {
    /// Runs `exchange` until it succeeds, fails for good or has been repeated often enough.
    /// `slow_down` is told of every 429, so that the whole client pauses.
    pub async fn run<T, F: Future<Output = Result<T>>>(
        self,
        path: &str,
        events: &Events,
        slow_down: impl Fn(Duration),
        mut exchange: impl FnMut() -> F,
    ) -> Result<T> {
        let mut attempt = 0;
        loop {
            let error = match exchange().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let delay = backoff(self.backoff, &error, attempt, fastrand::f64());
            if is_rate_limit(&error) {
                slow_down(delay);
            }
            if attempt == self.most || !(self.when)(&error) {
                return Err(error);
            }
            attempt += 1;
            events.tell(|| Event::Retry { path: path.to_owned(), attempt, delay, reason: error.to_string() });
            let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
            tokio::time::sleep(left.map_or(delay, |left| delay.min(left))).await;
        }
    }
}

fn is_rate_limit(error: &Error) -> bool {
    matches!(error, Error::Api(error) if error.kind == ApiErrorKind::RateLimited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ApiError, Trouble};

    fn invalid(status_code: u16) -> Error {
        Error::InvalidResponse { message: String::new(), body: String::new(), request_id: None, status_code }
    }

    fn trouble(not_sent: bool, permanent: bool) -> Trouble {
        Trouble { message: "no".into(), request_id: None, not_sent, permanent }
    }

    /// (error, a query is repeated, a create is repeated)
    fn table() -> Vec<(Error, bool, bool)> {
        let plain = |kind, status| Error::Api(Box::new(ApiError::of(kind, status)));
        vec![
            (Error::ConnectionFailed(Box::new(trouble(true, false))), true, true),
            (Error::ConnectionFailed(Box::new(trouble(false, false))), true, false),
            (Error::ConnectionFailed(Box::new(trouble(true, true))), false, false),
            (Error::RequestTimeout(Box::new(trouble(true, false))), true, true),
            (Error::RequestTimeout(Box::new(trouble(false, false))), true, false),
            (plain(ApiErrorKind::RateLimited, 429), true, true),
            (plain(ApiErrorKind::InsufficientBalance, 429), false, false),
            (plain(ApiErrorKind::Server, 500), true, false),
            (plain(ApiErrorKind::Server, 503), true, false),
            (
                Error::Api(Box::new(ApiError { not_started: true, ..ApiError::of(ApiErrorKind::Server, 503) })),
                true,
                true,
            ),
            (plain(ApiErrorKind::Server, 524), true, false),
            (plain(ApiErrorKind::Other, 408), true, false),
            (plain(ApiErrorKind::Other, 425), true, false),
            (plain(ApiErrorKind::BadRequest, 400), false, false),
            (plain(ApiErrorKind::BadRequest, 500), false, false),
            (plain(ApiErrorKind::Authentication, 401), false, false),
            (plain(ApiErrorKind::NotFound, 404), false, false),
            (plain(ApiErrorKind::Other, 418), false, false),
            (plain(ApiErrorKind::Other, 200), true, false),
            (plain(ApiErrorKind::RateLimited, 200), true, true),
            (plain(ApiErrorKind::Server, 200), true, false),
            (plain(ApiErrorKind::NotFound, 200), false, false),
            (plain(ApiErrorKind::InsufficientBalance, 200), false, false),
            (Error::SubmitUnknown { message: String::new(), status_code: Some(502), request_id: None }, false, false),
            (invalid(200), true, false),
            (invalid(302), false, false),
        ]
    }

    #[test]
    fn what_is_repeated() {
        for (error, query, create) in table() {
            assert_eq!(worth_repeating(&error), query, "query: {error:?}");
            assert_eq!(certainly_not_started(&error), create, "create: {error:?}");
        }
    }

    fn backoff(error: &Error, attempt: u32, jitter: f64) -> Duration {
        super::backoff(Backoff::default(), error, attempt, jitter)
    }

    #[test]
    fn the_first_delay_may_be_another() {
        let error = Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)));
        let quick = Backoff::doubling_from(Duration::from_millis(10));
        let most: Vec<_> = (0..6).map(|attempt| super::backoff(quick, &error, attempt, 1.0).as_millis()).collect();
        assert_eq!(most, [10, 20, 40, 80, 160, 160]);
    }

    #[test]
    fn backoff_doubles_up_to_a_bound_and_honours_the_service() {
        let error = Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)));
        let most: Vec<_> = (0..6).map(|attempt| backoff(&error, attempt, 1.0).as_millis()).collect();
        assert_eq!(most, [500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(backoff(&error, 3, 0.0), Duration::ZERO);
        assert_eq!(backoff(&error, u32::MAX, 0.5), Duration::from_secs(4));
        let asked = |seconds| {
            let mut limited = ApiError::of(ApiErrorKind::RateLimited, 429);
            limited.retry_after = Some(Duration::from_secs(seconds));
            Error::Api(Box::new(limited))
        };
        assert_eq!(backoff(&asked(7), 0, 0.5), Duration::from_secs(7));
        assert_eq!(backoff(&asked(0), 1, 0.5), Duration::from_millis(500));
        assert_eq!(backoff(&asked(3723), 0, 0.5), MAX_RETRY_AFTER);
        let busy = Error::Api(Box::new(ApiError { not_started: true, ..ApiError::of(ApiErrorKind::Server, 503) }));
        assert!(backoff(&busy, 0, 0.0) >= Duration::from_secs(5), "not within seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_followed_by_no_delay_and_no_event() {
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = std::sync::Arc::clone(&heard);
        let events = Events::to(move |event| {
            if let Event::Retry { attempt, delay, .. } = event {
                told.lock().unwrap().push((attempt, delay));
            }
        });
        for most in [0, 3] {
            heard.lock().unwrap().clear();
            let start = tokio::time::Instant::now();
            let mut calls = Vec::new();
            let exchange = || {
                calls.push(start.elapsed());
                std::future::ready(Err(Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)))))
            };
            let result: Result<()> = Retries { most, backoff: Backoff::default(), when: worth_repeating, until: None }
                .run("/x", &events, |_| {}, exchange)
                .await;
            assert!(result.is_err());
            assert_eq!(u32::try_from(calls.len()).unwrap(), most + 1);
            assert_eq!(calls.last(), Some(&start.elapsed()), "nothing is waited for after the last attempt");
            let heard = heard.lock().unwrap();
            let attempts: Vec<u32> = heard.iter().map(|(attempt, _)| *attempt).collect();
            assert_eq!(attempts, (1..=most).collect::<Vec<_>>());
            let delays: Duration = heard.iter().map(|(_, delay)| *delay).sum();
            assert!(start.elapsed() >= delays);
            // The clock counts in milliseconds.
            assert!(start.elapsed() <= delays + Duration::from_millis(u64::from(most) * 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_lasts_beyond_the_end() {
        let limited =
            ApiError { retry_after: Some(Duration::from_secs(30)), ..ApiError::of(ApiErrorKind::RateLimited, 429) };
        let start = Instant::now();
        let until = Some(start + Duration::from_secs(2));
        let retries = Retries { most: 1, backoff: Backoff::default(), when: worth_repeating, until };
        let exchange = || std::future::ready(Err::<(), _>(Error::Api(Box::new(limited.clone()))));
        assert!(retries.run("/x", &Events::default(), |_| {}, exchange).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_slows_everyone_and_success_ends_it() {
        let mut limited = ApiError::of(ApiErrorKind::RateLimited, 429);
        limited.retry_after = Some(Duration::from_secs(5));
        let paused = std::cell::Cell::new(Duration::ZERO);
        let mut calls = 0;
        let start = tokio::time::Instant::now();
        let result = Retries { most: 3, backoff: Backoff::default(), when: worth_repeating, until: None }
            .run(
                "/x",
                &Events::default(),
                |pause| paused.set(pause),
                || {
                    calls += 1;
                    std::future::ready(if calls == 1 { Err(Error::Api(Box::new(limited.clone()))) } else { Ok(calls) })
                },
            )
            .await;
        assert_eq!(result.unwrap(), 2);
        assert_eq!(paused.get(), Duration::from_secs(5));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
