//! Estimated cost of a render. The cost reported by the service replaces it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::media::Media;
use crate::request::{Operation, VideoRequest};

const TICKS_PER_USD: f64 = 1e10;
const DEFAULT_MODEL: &str = "grok-imagine-video";
const DEFAULT_RESOLUTION: &str = "480p";
const DEFAULT_SECONDS: f64 = 8.0;
const DEFAULT_ADDED_SECONDS: f64 = 6.0;
/// Longest source of an edit and of an extension, used when the length of a source is unknown.
const LONGEST_SOURCE: f64 = 8.7;
const LONGEST_EXTENDED: f64 = 15.0;
/// Added for each second of the source of an edit or extension.
const USD_PER_SOURCE_SECOND: f64 = 0.01;
/// Highest resolution of edits and extensions.
const MAX_CHANGE_RESOLUTION: &str = "720p";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the prices of a model")]
pub struct Price {
    /// US dollars per second of video, by resolution.
    pub per_second: BTreeMap<String, f64>,
    /// US dollars per input image.
    #[serde(default)]
    pub per_image: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(BTreeMap<String, Price>);

impl Default for Prices {
    /// Price lists and bills seen until 2026-11-26. None shows the price of an input image on 1.5-lite; that of 1.5 is
    /// used.
    fn default() -> Self {
        let price = |per_second: &[(&str, f64)], per_image: f64| Price {
            per_second: per_second.iter().map(|(size, usd)| ((*size).to_owned(), *usd)).collect(),
            per_image,
        };
        let base = price(&[("480p", 0.05), ("720p", 0.07)], 0.002);
        let newer = price(&[("480p", 0.08), ("720p", 0.14), ("1080p", 0.25)], 0.01);
        let lite = price(&[("480p", 0.02), ("720p", 0.03), ("1080p", 0.14)], 0.01);
        let models = [
            (DEFAULT_MODEL, &base),
            ("grok-imagine-video-beta", &base),
            ("grok-imagine-video-1.5", &newer),
            ("grok-imagine-video-1.5-preview", &newer),
            ("grok-imagine-video-1.5-2026-05-30", &newer),
            ("grok-imagine-video-1.5-lite", &lite),
        ];
        Self(models.map(|(name, price)| (name.to_owned(), price.clone())).into())
    }
}

impl Prices {
    /// Adds `others`, which replace known prices.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub fn check(&self) -> Result<()> {
        let amounts = self.0.values().flat_map(|price| price.per_second.values().chain([&price.per_image]));
        if amounts.into_iter().all(|usd| usd.is_finite() && *usd >= 0.0) {
            return Ok(());
        }
        Err(Error::invalid("prices", "prices must be amounts in US dollars, 0 or more"))
    }

    /// The error for a request without a price under a limit.
    #[must_use]
    pub fn unknown(request: &VideoRequest) -> Error {
        let model = request.sent_model().unwrap_or(DEFAULT_MODEL);
        let resolution = Self::resolution(request);
        let message =
            format!("max_cost_usd needs a price, and none is known for {model} at {resolution}; pass prices=");
        Error::invalid("model", message)
    }

    fn resolution(request: &VideoRequest) -> &str {
        match request.operation {
            Operation::Generate => request.sent_resolution().unwrap_or(DEFAULT_RESOLUTION),
            Operation::Edit | Operation::Extend => MAX_CHANGE_RESOLUTION,
        }
    }

    /// Estimated cost in ticks; `None` if the model or resolution has no price.
    #[must_use]
    pub fn estimate(&self, request: &VideoRequest) -> Option<i64> {
        let price = self.0.get(request.sent_model().unwrap_or(DEFAULT_MODEL))?;
        let per_second = price.per_second.get(Self::resolution(request))?;
        let (seconds, source) = seconds(request);
        let usd = per_second * seconds + USD_PER_SOURCE_SECOND * source + price.per_image * images(request);
        Some(ticks(usd))
    }
}

/// Seconds of the render and of the source.
fn seconds(request: &VideoRequest) -> (f64, f64) {
    // `extra` may contain a negative duration; the estimate is never negative.
    let requested = request.sent_duration().map(|seconds| seconds.max(0.0));
    let source = match &request.video {
        Some(Media::Job(job) | Media::Saved(job, _)) => job.video.as_ref().and_then(|video| video.duration),
        Some(Media::Video(video)) => video.duration,
        _ => None,
    };
    match request.operation {
        Operation::Generate => (requested.unwrap_or(DEFAULT_SECONDS), 0.0),
        Operation::Edit => {
            let source = source.unwrap_or(LONGEST_SOURCE);
            (source, source)
        }
        Operation::Extend => (requested.unwrap_or(DEFAULT_ADDED_SECONDS), source.unwrap_or(LONGEST_EXTENDED)),
    }
}

fn images(request: &VideoRequest) -> f64 {
    u32::try_from(request.image_count()).map_or(0.0, f64::from)
}

/// Ticks in US dollars, to be read by people: ticks are the exact amount.
#[expect(clippy::cast_precision_loss, reason = "rounded to 16 digits")]
#[must_use]
pub fn usd(ticks: i128) -> f64 {
    ticks as f64 / TICKS_PER_USD
}

/// Ticks in US dollars as text: to the cent, or with up to four digits more where they matter.
#[must_use]
pub fn usd_text(ticks: i128) -> String {
    let text = format!("{:.6}", usd(ticks));
    let zeros = text.len() - text.trim_end_matches('0').len();
    text[..text.len() - zeros.min(4)].to_owned()
}

/// US dollars in ticks, saturating.
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
#[must_use]
pub fn ticks(usd: f64) -> i64 {
    (usd * TICKS_PER_USD).round() as i64
}

/// Sums costs without overflow. Costs are never negative.
pub(super) fn total(costs: impl IntoIterator<Item = impl Into<i128>>) -> i128 {
    costs.into_iter().map(|cost| cost.into().max(0)).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn estimate(prices: &Prices, fields: Value) -> Option<f64> {
        let request = serde_json::from_value(fields).unwrap();
        prices.estimate(&request).map(|ticks| f64::from(i32::try_from(ticks / 100_000).unwrap()) / 100_000.0)
    }

    #[test]
    fn estimates_match_bills() {
        const NEW: &str = "grok-imagine-video-1.5";
        let image = "https://a.example/i.png";
        let cases = [
            (json!({"duration": 1}), 500_000_000),
            (json!({"duration": 5}), 2_500_000_000),
            (json!({"duration": 1, "model": NEW}), 800_000_000),
            (json!({"duration": 1, "model": NEW, "image": image}), 900_000_000),
            (json!({"duration": 1, "model": NEW, "reference_images": [image, image]}), 1_000_000_000),
            (json!({"duration": 1, "model": NEW, "resolution": "1080p"}), 2_500_000_000),
        ];
        for (fields, ticks) in cases {
            let request = serde_json::from_value(fields.clone()).unwrap();
            assert_eq!(Prices::default().estimate(&request), Some(ticks), "{fields}");
        }
    }

    #[test]
    fn every_known_model_has_a_price_for_each_of_its_resolutions() {
        let lists = [
            ("grok-imagine-video", [Some(0.05), Some(0.07), None]),
            ("grok-imagine-video-beta", [Some(0.05), Some(0.07), None]),
            ("grok-imagine-video-1.5", [Some(0.08), Some(0.14), Some(0.25)]),
            ("grok-imagine-video-1.5-preview", [Some(0.08), Some(0.14), Some(0.25)]),
            ("grok-imagine-video-1.5-2026-05-30", [Some(0.08), Some(0.14), Some(0.25)]),
            ("grok-imagine-video-1.5-lite", [Some(0.02), Some(0.03), Some(0.14)]),
        ];
        for (model, prices) in lists {
            for (resolution, usd) in ["480p", "720p", "1080p"].into_iter().zip(prices) {
                let fields = json!({"duration": 1, "model": model, "resolution": resolution});
                assert_eq!(estimate(&Prices::default(), fields), usd, "{model} {resolution}");
            }
        }
    }

    #[test]
    fn estimates_include_extra() {
        let cases = [
            (json!({"extra": {"duration": 15}}), Some(0.75)),
            (json!({"extra": {"seconds": 15}}), Some(0.75)),
            (json!({"duration": 1, "extra": {"model": "grok-imagine-video-1.5"}}), Some(0.08)),
            (json!({"duration": 1, "extra": {"resolution": "720p"}}), Some(0.07)),
            (json!({"duration": 1, "extra": {"model": 7}}), None),
            (json!({"extra": {"duration": -100}}), Some(0.0)),
        ];
        for (fields, usd) in cases {
            assert_eq!(estimate(&Prices::default(), fields.clone()), usd, "{fields}");
        }
    }

    #[test]
    fn amounts_are_written_to_the_cent_or_with_their_digits() {
        let cases =
            [(0, "0.00"), (20_000_000_000, "2.00"), (4_020_000_000, "0.402"), (1_000_000, "0.0001"), (1, "0.00")];
        for (ticks, text) in cases {
            assert_eq!(usd_text(ticks), text);
        }
    }

    #[test]
    fn sums_of_costs_never_wrap() {
        const MAX: i128 = i64::MAX as i128;
        let cases: [(&[i64], i128); 5] = [
            (&[], 0),
            (&[1, 2], 3),
            (&[i64::MAX, 1], MAX + 1),
            (&[i64::MAX, i64::MAX, i64::MAX], 3 * MAX),
            (&[i64::MIN, -1, 5], 5),
        ];
        for (costs, sum) in cases {
            assert_eq!(total(costs.iter().copied()), sum, "{costs:?}");
        }
        for (usd, expected) in [(1.0, 10_000_000_000), (1e300, i64::MAX), (f64::INFINITY, i64::MAX), (0.0, 0)] {
            assert_eq!(ticks(usd), expected, "{usd}");
        }
        let dear = json!({"m": {"per_second": {"480p": 1e308}, "per_image": 1e308}});
        let prices = Prices::default().with(serde_json::from_value(dear).unwrap());
        let request = serde_json::from_value(json!({"model": "m", "image": "https://a.example/i.png"})).unwrap();
        assert_eq!(prices.estimate(&request), Some(i64::MAX));
    }

    #[test]
    fn estimates_match_price_lists() {
        let image = "https://a.example/i.png";
        let cases = [
            (json!({"prompt": "x"}), Some(0.40)),
            (json!({"prompt": "x", "duration": 5}), Some(0.25)),
            (json!({"prompt": "x", "duration": 5, "resolution": "720p"}), Some(0.35)),
            (json!({"prompt": "x", "duration": 5, "image": image}), Some(0.252)),
            (
                json!({"prompt": "x", "duration": 10, "model": "grok-imagine-video-1.5", "resolution": "720p"}),
                Some(1.4),
            ),
            (json!({"prompt": "x", "model": "grok-of-tomorrow"}), None),
            (json!({"prompt": "x", "resolution": "1080p"}), None),
            (json!({"prompt": "x", "operation": "edit", "video": image}), Some(0.696)),
            (json!({"prompt": "x", "operation": "extend", "video": image, "duration": 4}), Some(0.43)),
        ];
        for (fields, usd) in cases {
            assert_eq!(estimate(&Prices::default(), fields.clone()), usd, "{fields}");
        }
    }

    #[test]
    fn prices_of_the_caller_override_known_prices() {
        let own = json!({"grok-of-tomorrow": {"per_second": {"480p": 1.0}}, "grok-imagine-video": {"per_second": {"480p": 0.0}}});
        let prices = Prices::default().with(serde_json::from_value(own).unwrap());
        assert_eq!(estimate(&prices, json!({"prompt": "x", "model": "grok-of-tomorrow"})), Some(8.0));
        assert_eq!(estimate(&prices, json!({"prompt": "x"})), Some(0.0));
        assert!(prices.check().is_ok());
        let bad: Prices = serde_json::from_value(json!({"m": {"per_second": {"480p": -1.0}}})).unwrap();
        assert!(bad.check().is_err());
    }
}
