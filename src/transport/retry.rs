//! Which errors are retried, and when. Decisions are pure; only [`Retries::run`] sleeps.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, MAX_RETRY_AFTER};
use crate::error::{ApiErrorKind, Error, Result};
use crate::event::{Event, Events};

/// A model without a free channel does not become available within seconds.
const NO_CHANNEL: Backoff = Backoff { first: Duration::from_secs(10), most: MAX_RETRY_AFTER };

/// Whether a query, which may be repeated freely, is retried.
#[must_use]
pub fn is_retryable(error: &Error) -> bool {
    match error {
        Error::ConnectionFailed(error) | Error::RequestTimeout(error) => !error.permanent,
        Error::Api(error) => {
            matches!(error.kind, ApiErrorKind::RateLimited | ApiErrorKind::Server)
                || matches!(error.status_code, 408 | 425)
                || (error.kind == ApiErrorKind::Other && is_success(error.status_code))
        }
        // A truncated response or the page of a proxy may not recur. A redirect does.
        Error::InvalidResponse { status_code, .. } => is_success(*status_code),
        _ => false,
    }
}

fn is_success(status_code: u16) -> bool {
    (200..300).contains(&status_code)
}

/// Whether a create certainly did not start, so that sending it again cannot buy twice.
#[must_use]
pub fn is_safe_to_resubmit(error: &Error) -> bool {
    match error {
        Error::ConnectionFailed(error) | Error::RequestTimeout(error) => error.not_sent && !error.permanent,
        Error::Api(error) => error.kind == ApiErrorKind::RateLimited || error.not_started,
        _ => false,
    }
}

/// The delay before retry number `attempt`, counted from 0. `jitter` is uniform in `[0, 1)`.
#[must_use]
pub fn backoff(usual: Backoff, error: &Error, attempt: u32, jitter: f64) -> Duration {
    if matches!(error, Error::Api(error) if error.not_started) {
        return NO_CHANNEL.delay(attempt, 0.5 + jitter / 2.0, error.retry_after());
    }
    usual.delay(attempt, jitter, error.retry_after())
}

#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// Maximum number of retries.
    pub most: u32,
    pub backoff: Backoff,
    /// Whether an error is retried.
    pub when: fn(&Error) -> bool,
    /// No delay lasts beyond this time.
    pub until: Option<Instant>,
}

impl Retries {
    /// Runs `exchange` until it succeeds, fails permanently or runs out of retries. `slow_down` is called for every 429,
    /// so that the whole client pauses.
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
            events.emit(|| Event::Retry { path: path.to_owned(), attempt, delay, reason: error.to_string() });
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
    use crate::error::{ApiError, TransportError};

    fn invalid(status_code: u16) -> Error {
        Error::InvalidResponse { message: String::new(), body: String::new(), request_id: None, status_code }
    }

    fn transport_error(not_sent: bool, permanent: bool) -> TransportError {
        TransportError { message: "no".into(), request_id: None, not_sent, permanent }
    }

    /// (error, a query is retried, a create is retried)
    fn table() -> Vec<(Error, bool, bool)> {
        let plain = |kind, status| Error::Api(Box::new(ApiError::of(kind, status)));
        vec![
            (Error::ConnectionFailed(Box::new(transport_error(true, false))), true, true),
            (Error::ConnectionFailed(Box::new(transport_error(false, false))), true, false),
            (Error::ConnectionFailed(Box::new(transport_error(true, true))), false, false),
            (Error::RequestTimeout(Box::new(transport_error(true, false))), true, true),
            (Error::RequestTimeout(Box::new(transport_error(false, false))), true, false),
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
    fn which_errors_are_retried() {
        for (error, query, create) in table() {
            assert_eq!(is_retryable(&error), query, "query: {error:?}");
            assert_eq!(is_safe_to_resubmit(&error), create, "create: {error:?}");
        }
    }

    fn backoff(error: &Error, attempt: u32, jitter: f64) -> Duration {
        super::backoff(Backoff::default(), error, attempt, jitter)
    }

    #[test]
    fn the_first_delay_is_configurable() {
        let error = Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)));
        let quick = Backoff::doubling_from(Duration::from_millis(10));
        let most: Vec<_> = (0..6).map(|attempt| super::backoff(quick, &error, attempt, 1.0).as_millis()).collect();
        assert_eq!(most, [10, 20, 40, 80, 160, 160]);
    }

    #[test]
    fn backoff_doubles_up_to_a_limit_and_honours_retry_after() {
        let error = Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)));
        let most: Vec<_> = (0..6).map(|attempt| backoff(&error, attempt, 1.0).as_millis()).collect();
        assert_eq!(most, [500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(backoff(&error, 3, 0.0), Duration::ZERO);
        assert_eq!(backoff(&error, u32::MAX, 0.5), Duration::from_secs(4));
        let rate_limited = |seconds| {
            let mut limited = ApiError::of(ApiErrorKind::RateLimited, 429);
            limited.retry_after = Some(Duration::from_secs(seconds));
            Error::Api(Box::new(limited))
        };
        assert_eq!(backoff(&rate_limited(7), 0, 0.5), Duration::from_secs(7));
        assert_eq!(backoff(&rate_limited(0), 1, 0.5), Duration::from_millis(500));
        assert_eq!(backoff(&rate_limited(3723), 0, 0.5), MAX_RETRY_AFTER);
        let busy = Error::Api(Box::new(ApiError { not_started: true, ..ApiError::of(ApiErrorKind::Server, 503) }));
        assert!(backoff(&busy, 0, 0.0) >= Duration::from_secs(5), "not within seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn no_delay_and_no_event_follow_the_last_attempt() {
        let retries = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let recorded = std::sync::Arc::clone(&retries);
        let events = Events::to(move |event| {
            if let Event::Retry { attempt, delay, .. } = event {
                recorded.lock().unwrap().push((attempt, delay));
            }
        });
        for most in [0, 3] {
            retries.lock().unwrap().clear();
            let start = tokio::time::Instant::now();
            let mut calls = Vec::new();
            let exchange = || {
                calls.push(start.elapsed());
                std::future::ready(Err(Error::Api(Box::new(ApiError::of(ApiErrorKind::Server, 500)))))
            };
            let result: Result<()> = Retries { most, backoff: Backoff::default(), when: is_retryable, until: None }
                .run("/x", &events, |_| {}, exchange)
                .await;
            assert!(result.is_err());
            assert_eq!(u32::try_from(calls.len()).unwrap(), most + 1);
            assert_eq!(calls.last(), Some(&start.elapsed()), "nothing is waited for after the last attempt");
            let retries = retries.lock().unwrap();
            let attempts: Vec<u32> = retries.iter().map(|(attempt, _)| *attempt).collect();
            assert_eq!(attempts, (1..=most).collect::<Vec<_>>());
            let delays: Duration = retries.iter().map(|(_, delay)| *delay).sum();
            assert!(start.elapsed() >= delays);
            // Timers have a resolution of a millisecond.
            assert!(start.elapsed() <= delays + Duration::from_millis(u64::from(most) * 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_delay_lasts_beyond_the_deadline() {
        let limited =
            ApiError { retry_after: Some(Duration::from_secs(30)), ..ApiError::of(ApiErrorKind::RateLimited, 429) };
        let start = Instant::now();
        let until = Some(start + Duration::from_secs(2));
        let retries = Retries { most: 1, backoff: Backoff::default(), when: is_retryable, until };
        let exchange = || std::future::ready(Err::<(), _>(Error::Api(Box::new(limited.clone()))));
        assert!(retries.run("/x", &Events::default(), |_| {}, exchange).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_pauses_the_client_until_a_request_succeeds() {
        let mut limited = ApiError::of(ApiErrorKind::RateLimited, 429);
        limited.retry_after = Some(Duration::from_secs(5));
        let paused = std::cell::Cell::new(Duration::ZERO);
        let mut calls = 0;
        let start = tokio::time::Instant::now();
        let result = Retries { most: 3, backoff: Backoff::default(), when: is_retryable, until: None }
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
