//! How long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// A service that asks for more than this is asked again anyway.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential, with full jitter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(8) }
    }
}

impl Backoff {
    /// The delay after failure number `failures`, counted from 1.
    pub(super) fn delay(self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.most);
        let jittered = ceiling.mul_f64(fastrand::f64());
        retry_after.map_or(jittered, |asked| asked.min(LONGEST_RETRY_AFTER) + jittered.min(self.first))
    }
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound() {
        let longest = |failures| {
            let delays = (0..200).map(|_| Backoff::default().delay(failures, None));
            delays.max().unwrap()
        };
        assert!(longest(1) <= Duration::from_millis(500));
        assert!(longest(3) > Duration::from_secs(1) && longest(3) <= Duration::from_secs(2));
        assert!(longest(1000) > Duration::from_secs(4) && longest(1000) <= Duration::from_secs(8));
    }

    #[test]
    fn the_service_is_heard_up_to_a_minute() {
        let delay = |seconds| Backoff::default().delay(1, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!(delay(20), 20);
        assert_eq!(delay(86_400), 60);
    }

    #[test]
    fn retry_after_in_both_forms() {
        let read = |value: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(read(&soon).is_some_and(|delay| (98..=100).contains(&delay.as_secs())));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
