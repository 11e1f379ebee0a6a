//! The service on loopback, for tests and demonstrations: all endpoints, all documented shapes,
//! simulated render times, real MP4 files, and faults by script. It shares no decoding with the client.

mod answers;
mod body;
mod check;
mod clips;
mod clock;
mod connection;
mod files;
mod ledger;
mod links;
mod malformed;
mod server;
mod timeline;
mod upload;

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

pub use ledger::{Accepted, Logged};

/// Whose answers are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// `CometAPI`'s flat form.
    #[default]
    Cometapi,
    /// `CometAPI`'s earlier form: the job inside an envelope.
    Envelope,
    /// xAI's own form.
    Xai,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "cometapi" => Ok(Self::Cometapi),
            "envelope" => Ok(Self::Envelope),
            "xai" => Ok(Self::Xai),
            other => Err(format!("{other:?} is not a shape: cometapi, envelope or xai")),
        }
    }
}

/// Whether and how progress is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// In step with time.
    #[default]
    Linear,
    /// In jumps, with halts between.
    Stalling,
    /// Not at all.
    None,
}

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose answers are given.
    pub shape: Shape,
    /// Port on 127.0.0.1; 0 takes any.
    pub port: u16,
    /// The n-th job's render time and fate depend on this alone.
    pub seed: u64,
    /// Median render time.
    pub render_seconds: f64,
    /// Sigma of the lognormal render time.
    pub spread: f64,
    /// Time in the queue before rendering.
    pub queue_seconds: f64,
    /// Whether and how progress is reported.
    pub progress: Progress,
    /// How long a link is good.
    pub link_seconds: f64,
    /// Above it, creates get 429.
    pub creates_per_second: Option<f64>,
    /// Above it, every request to the API gets 429.
    pub requests_per_second: Option<f64>,
    /// The one key that is good; `None` takes any.
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
    fn check(&self) -> std::io::Result<()> {
        let seconds = [self.render_seconds, self.spread, self.queue_seconds, self.link_seconds];
        let rates = [self.creates_per_second, self.requests_per_second];
        let is_span = |number: f64| number.is_finite() && number >= 0.0;
        if seconds.into_iter().all(is_span) && rates.into_iter().flatten().all(|rate| rate > 0.0) {
            return Ok(());
        }
        let words = "times and spread must be numbers from 0 up, and rates above 0";
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, words))
    }
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A create.
    Create,
    /// A query.
    Get,
    /// A file.
    Download,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// The request is carried out, and the connection ends without an answer.
    LostResponse,
    /// The connection is reset before anything is done.
    Reset,
    /// 429.
    RateLimited {
        /// `Retry-After`, in seconds.
        retry_after: Option<f64>,
    },
    /// A 5xx.
    ServerError {
        /// Which.
        status: u16,
    },
    /// The body ends half way.
    Truncated,
    /// An HTML page under status 200.
    WrongType,
    /// Random bytes under status 200.
    Garbage,
    /// The answer comes late.
    Hang {
        /// By how many seconds.
        seconds: f64,
    },
    /// More JSON than any client should read.
    Oversized,
    /// The job created will fail.
    JobFails,
    /// The job created will be withheld by moderation.
    JobModerated,
    /// The job created will end expired.
    JobExpires,
    /// The job created will end with a word of other gateways.
    JobEnds {
        /// Which: one of `WORDS`.
        word: &'static str,
    },
    /// The job created, or this query, has the link in another place.
    LinkElsewhere {
        /// Where: one of `PLACES`.
        place: &'static str,
    },
    /// The link is no longer good; a query gives a fresh one.
    LinkExpired {
        /// What the old link is answered with from now on.
        status: u16,
    },
    /// The link is good, and the file is not there yet.
    LateFile {
        /// What it is answered with.
        status: u16,
    },
    /// The query is answered as if the job did not exist.
    NotFoundYet,
    /// No money is left, and nothing is done.
    NoMoney {
        /// The status under which that is said; 200 is one of them.
        status: u16,
    },
    /// An answer that says nothing of the job; nothing is done.
    OddAnswer(OddAnswer),
    /// The right answer, in a form that strict readers refuse.
    OddBody(OddBody),
}

impl FaultKind {
    /// Whether it makes a difference in such a request.
    #[must_use]
    pub fn can_happen_on(self, on: Endpoint) -> bool {
        match self {
            Self::JobFails | Self::JobModerated | Self::JobExpires | Self::JobEnds { .. } => on == Endpoint::Create,
            Self::LinkElsewhere { .. } | Self::OddBody(_) => on != Endpoint::Download,
            Self::NotFoundYet => on == Endpoint::Get,
            Self::LinkExpired { .. } | Self::LateFile { .. } => on == Endpoint::Download,
            _ => true,
        }
    }
}

/// How other gateways say that a job is over and has no video.
pub const WORDS: [&str; 8] =
    ["aborted", "rejected", "moderated", "blocked", "timeout", "timed_out", "cancelled", "error"];

/// Where other gateways have the link.
pub const PLACES: [&str; 8] = [
    "metadata.url",
    "videos[0].url",
    "result.video_url",
    "output.url",
    "output.video_url",
    "data[0].url",
    "data.url",
    "video_url",
];

/// Answers that say nothing of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddAnswer {
    /// Nothing under status 200.
    Empty,
    /// An HTML page under status 200.
    Html,
    /// JSON that ends too early, under status 200.
    Cut,
    /// A proxy's words under status 200.
    Text,
    /// An object without fields under status 200.
    Object,
    /// "system busy" under status 200.
    Busy,
    /// 403, and an HTML page.
    Forbidden,
    /// 404.
    NotFound,
}

impl OddAnswer {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("empty", Self::Empty),
        ("html", Self::Html),
        ("cut", Self::Cut),
        ("text", Self::Text),
        ("object", Self::Object),
        ("busy", Self::Busy),
        ("forbidden", Self::Forbidden),
        ("not_found", Self::NotFound),
    ];
}

/// Forms of a JSON answer that strict readers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddBody {
    /// A byte-order mark before it.
    Bom,
    /// NaN in a field.
    Nan,
    /// A number too large for a double.
    HugeNumber,
    /// Half an emoji in a text.
    Surrogate,
    /// A text in Latin-1.
    Latin1,
    /// A bare line break in a text.
    LineBreak,
    /// A bare tab in a text.
    Tab,
    /// Two hundred lists in each other.
    Deep,
    /// Compressed, whatever the request accepts.
    Gzip,
}

impl OddBody {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("bom", Self::Bom),
        ("nan", Self::Nan),
        ("huge_number", Self::HugeNumber),
        ("surrogate", Self::Surrogate),
        ("latin1", Self::Latin1),
        ("line_break", Self::LineBreak),
        ("tab", Self::Tab),
        ("deep", Self::Deep),
        ("gzip", Self::Gzip),
    ];
}

/// A fault by script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// In which requests.
    pub on: Endpoint,
    /// For how many of them.
    pub times: u32,
    /// How many pass unharmed first.
    pub after: u32,
}

/// An answer by script.
#[derive(Debug, Clone)]
pub struct ScriptedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The running service; it stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shape: Shape,
    ledger: Arc<Mutex<ledger::Ledger>>,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Simulator {
    /// Starts the service on a thread of its own; it listens when this returns.
    pub fn start(options: Options) -> std::io::Result<Self> {
        options.check()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shape = options.shape;
        let ledger = Arc::new(Mutex::new(ledger::Ledger::new(options, address)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("vidjob-simulator".into()).spawn({
            let ledger = Arc::clone(&ledger);
            move || runtime.block_on(server::run(listener, ledger, stopped))
        })?;
        Ok(Self { address, shape, ledger, running: Mutex::new(Some((stop, thread))) })
    }

    /// What to give a client.
    #[must_use]
    pub fn base_url(&self) -> String {
        let prefix = if self.shape == Shape::Xai { "v1" } else { "grok/v1" };
        format!("http://{}/{prefix}", self.address)
    }

    /// Scripts a fault.
    pub fn inject(&self, fault: Fault) {
        ledger::lock(&self.ledger).faults.push_back(fault);
    }

    /// Scripts the answer to the next matching request; several are used in order.
    pub fn respond(&self, on: Endpoint, answer: ScriptedResponse) {
        ledger::lock(&self.ledger).canned.push_back((on, answer));
    }

    /// Stops the simulator's clock: jobs, links and rate limits stay as they are.
    pub fn pause(&self) {
        ledger::lock(&self.ledger).clock.pause();
    }

    /// Lets a paused clock go on from where it was paused.
    pub fn resume(&self) {
        ledger::lock(&self.ledger).clock.resume();
    }

    /// Moves the clock ahead, whether it is paused or not; `seconds` is finite and not negative.
    pub fn advance(&self, seconds: f64) -> std::io::Result<()> {
        if !seconds.is_finite() || seconds < 0.0 {
            let words = format!("seconds must be a finite number from 0 up, not {seconds}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, words));
        }
        ledger::lock(&self.ledger).clock.advance(seconds);
        Ok(())
    }

    /// Every create that was accepted, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        ledger::lock(&self.ledger).accepted()
    }

    /// The last requests that came, with the answers' status.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        ledger::lock(&self.ledger).requests.iter().cloned().collect()
    }

    /// Stops the service and closes its port.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((stop, thread)) = running else { return };
        drop(stop);
        // A panic there has been reported by then.
        let _ = thread.join();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}
