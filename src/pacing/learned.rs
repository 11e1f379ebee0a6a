//! The poll rate that follows from the durations of past renders.

/// A lognormal fit of the durations of similar renders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RenderTimes {
    /// Mean of the logarithms.
    mu: f64,
    /// Standard deviation of the logarithms.
    sigma: f64,
    /// Scales the rate so that the mean delay is `MEAN_DELAY`.
    scale: f64,
}

/// Fewer samples say too little.
const MIN_SAMPLES: usize = 8;
/// Lower bound: equal durations in the past do not guarantee equal durations in future.
const MIN_SIGMA: f64 = 0.03;
/// Mean delay in seconds between the end of a render and the poll that sees it. The product of delay and requests is
/// the same at any scale; at this one there are enough polls for rounding to a whole number to matter little.
const MEAN_DELAY: f64 = 0.75;
/// Steps of the numeric integrals, over the logarithm of time.
const STEPS: u32 = 400;
/// Range of the integrals around the median, in sigmas.
const INTEGRAL_RANGE: f64 = 6.0;
/// A render that takes longer than this, in sigmas, is outside the sample: one in thirty thousand.
const SAMPLE_RANGE: f64 = 4.0;

impl RenderTimes {
    /// Fits durations in seconds; `None` if there are too few.
    #[must_use]
    pub fn from_durations(seconds: &[f64]) -> Option<Self> {
        let logs: Vec<f64> = seconds.iter().filter(|s| s.is_finite() && **s > 0.0).map(|s| s.ln()).collect();
        if logs.len() < MIN_SAMPLES {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = logs.len() as f64;
        let mu = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|log| (log - mu).powi(2)).sum::<f64>() / (count - 1.0);
        // A small sample understates the spread.
        let sigma = (variance * (1.0 + 1.0 / count)).sqrt().max(MIN_SIGMA);
        let unscaled = Self { mu, sigma, scale: 1.0 };
        // Mean delay = ∫ f / (2 r) with r = scale · √(f/S).
        let delay = unscaled.integral(|f, survival| (f * survival).sqrt()) / 2.0;
        Some(Self { scale: delay / MEAN_DELAY, ..unscaled })
    }

    /// Whether a render that has taken this long still fits the sample.
    pub(super) fn covers(&self, elapsed: f64) -> bool {
        elapsed < (self.mu + SAMPLE_RANGE * self.sigma).exp()
    }

    /// Seconds from `elapsed` to the next poll: until the integral of the rate reaches one.
    pub(super) fn next(&self, elapsed: f64) -> f64 {
        let farthest = (self.mu + INTEGRAL_RANGE * self.sigma).exp();
        let mut at = elapsed.max(0.0);
        let mut sum = 0.0;
        let step = (self.mu.exp() * self.sigma / 40.0).max(0.005);
        while at < farthest.max(elapsed + 10.0) {
            let added = self.rate(at + step / 2.0) * step;
            if sum + added >= 1.0 {
                return at + step * (1.0 - sum) / added - elapsed;
            }
            sum += added;
            at += step;
            if at - elapsed > 10.0 && at > farthest {
                break;
            }
        }
        at - elapsed
    }

    /// Polls per second at `at` seconds: proportional to the square root of the hazard.
    fn rate(&self, at: f64) -> f64 {
        let z = (at.max(1e-9).ln() - self.mu) / self.sigma;
        // Far outside of the sample the hazard is unknown; the rate stays constant.
        let z = z.min(INTEGRAL_RANGE / 2.0);
        let at = (self.mu + z * self.sigma).exp();
        let density = normal_density(z) / (at * self.sigma);
        self.scale * (density / upper_tail(z)).sqrt()
    }

    /// `∫ g(f, S) dt`, by the midpoint rule over the logarithm of time.
    fn integral(&self, g: impl Fn(f64, f64) -> f64) -> f64 {
        let width = 2.0 * INTEGRAL_RANGE / f64::from(STEPS);
        (0..STEPS)
            .map(|step| {
                let z = -INTEGRAL_RANGE + (f64::from(step) + 0.5) * width;
                let at = (self.mu + z * self.sigma).exp();
                g(normal_density(z) / (at * self.sigma), upper_tail(z)) * at * self.sigma * width
            })
            .sum()
    }

    /// Least possible product of mean delay and mean number of requests.
    #[cfg(test)]
    pub(super) fn floor(&self) -> f64 {
        self.integral(|f, survival| (f * survival).sqrt()).powi(2) / 2.0
    }

    /// A distribution with known parameters, for comparison.
    #[cfg(test)]
    pub(super) fn exact(median: f64, sigma: f64) -> Self {
        Self { mu: median.ln(), sigma, scale: 1.0 }
    }
}

fn normal_density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// Upper tail of the normal distribution, by Zelen and Severo's formula 26.2.17 (error below 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let terms = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    normal_density(z) * terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t)
}
