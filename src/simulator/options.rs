//! How the simulated service behaves.

use std::cmp::Ordering;

/// The response format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// `CometAPI`'s flat format.
    #[default]
    Cometapi,
    /// `CometAPI`'s earlier format: the job inside an envelope.
    Envelope,
    /// xAI's own format.
    Xai,
}

/// How jobs report progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Proportional to time.
    #[default]
    Linear,
    /// With halts.
    Stalling,
    None,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub shape: Shape,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Determines the render time and the outcome of the n-th job.
    pub seed: u64,
    /// Median render time.
    pub render_seconds: f64,
    /// Sigma of the lognormal render time.
    pub spread: f64,
    /// Time in the queue before rendering.
    pub queue_seconds: f64,
    pub progress: Progress,
    /// Lifetime of a link.
    pub link_seconds: f64,
    /// Creates above this rate get 429.
    pub creates_per_second: Option<f64>,
    /// Requests to the API above this rate get 429.
    pub requests_per_second: Option<f64>,
    /// The only valid key; `None` accepts any.
    pub api_key: Option<String>,
    /// Pads each file to this size.
    pub video_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            port: 0,
            seed: 0,
            render_seconds: 8.0,
            spread: 0.35,
            queue_seconds: 0.0,
            progress: Progress::default(),
            link_seconds: 86_400.0,
            creates_per_second: None,
            requests_per_second: None,
            api_key: None,
            video_bytes: None,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> std::io::Result<()> {
        let spans = [
            ("render_seconds", self.render_seconds),
            ("spread", self.spread),
            ("queue_seconds", self.queue_seconds),
            ("link_seconds", self.link_seconds),
        ];
        if let Some((name, number)) = spans.into_iter().find(|(_, number)| !number.is_finite() || *number < 0.0) {
            return Err(wrong(format!("{name} must be a finite number of at least 0, not {number}")));
        }
        let rates =
            [("creates_per_second", self.creates_per_second), ("requests_per_second", self.requests_per_second)];
        for (name, rate) in rates {
            // NaN is refused, too.
            if let Some(rate) = rate.filter(|rate| !matches!(rate.partial_cmp(&0.0), Some(Ordering::Greater))) {
                return Err(wrong(format!("{name} must be greater than 0, not {rate}")));
            }
        }
        if self.api_key.as_deref().is_some_and(|key| !is_key(key)) {
            return Err(wrong(
                "api_key must consist of visible ASCII characters; a client can send no other key".into(),
            ));
        }
        Ok(())
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn wrong(message: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, message)
}
