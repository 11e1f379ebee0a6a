//! How the simulated service behaves.

use std::str::FromStr;

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

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "cometapi" => Ok(Self::Cometapi),
            "envelope" => Ok(Self::Envelope),
            "xai" => Ok(Self::Xai),
            other => Err(format!("{other:?} is not a shape; use cometapi, envelope or xai")),
        }
    }
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
        let seconds = [self.render_seconds, self.spread, self.queue_seconds, self.link_seconds];
        let rates = [self.creates_per_second, self.requests_per_second];
        let is_span = |number: f64| number.is_finite() && number >= 0.0;
        if seconds.into_iter().all(is_span) && rates.into_iter().flatten().all(|rate| rate > 0.0) {
            return Ok(());
        }
        let message = "times and spread must be at least 0, and rates greater than 0";
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message))
    }
}
