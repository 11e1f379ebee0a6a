//! Scripted faults.

use super::endpoint::Endpoint;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// The request is carried out, and the connection ends without a response.
    LostResponse,
    /// The connection is reset before the request is carried out.
    Reset,
    RateLimited {
        /// `Retry-After`, in seconds.
        retry_after: Option<f64>,
    },
    ServerError {
        status: u16,
    },
    /// The body ends after one half.
    Truncated,
    /// An HTML page under status 200.
    WrongType,
    /// Random bytes under status 200.
    Garbage,
    /// The response is delayed.
    Hang {
        seconds: f64,
    },
    /// More JSON than a client should read.
    Oversized,
    JobFails,
    JobModerated,
    JobExpires,
    /// The job ends with a status of other gateways.
    JobEnds {
        /// One of `WORDS`.
        word: &'static str,
    },
    /// The created job, or this query, has the link in another field.
    LinkElsewhere {
        /// One of `PLACES`.
        place: &'static str,
    },
    /// The link expires; a query returns a new one.
    LinkExpired {
        /// Of responses to the old link from now on.
        status: u16,
    },
    /// The link is valid, but the file is not there yet.
    LateFile {
        /// Of the response.
        status: u16,
    },
    /// The response to the query is that of an unknown job.
    NotFoundYet,
    /// The balance is insufficient, and the request is not carried out.
    NoMoney {
        /// Services use several, 200 among them.
        status: u16,
    },
    /// A response without information on the job; the request is not carried out.
    OddAnswer(OddAnswer),
    /// The right response, in a form that strict JSON readers refuse.
    OddBody(OddBody),
}

impl FaultKind {
    /// Whether the fault has an effect on requests of this kind.
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

    /// Whether it is set on a job when that is accepted. A create that is refused does not use it up.
    pub(super) fn is_set_on_job(self, on: Endpoint) -> bool {
        on == Endpoint::Create
            && matches!(
                self,
                Self::JobFails
                    | Self::JobModerated
                    | Self::JobExpires
                    | Self::JobEnds { .. }
                    | Self::LinkElsewhere { .. }
            )
    }

    /// Whether it affects only responses about a job that is done: others have no link.
    pub(super) fn needs_link(self, on: Endpoint) -> bool {
        on == Endpoint::Get && matches!(self, Self::LinkElsewhere { .. })
    }

    /// Whether it affects the response, whatever that is.
    pub(super) fn applies_to_any_response(self) -> bool {
        matches!(self, Self::LostResponse | Self::Truncated | Self::Hang { .. } | Self::OddBody(_))
    }
}

/// Statuses of other gateways for a job that ended without a video.
pub const WORDS: [&str; 8] =
    ["aborted", "rejected", "moderated", "blocked", "timeout", "timed_out", "cancelled", "error"];

/// Fields in which other gateways put the link.
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

/// Responses without information on the job. The status is 200 where no other is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddAnswer {
    Empty,
    Html,
    /// Truncated JSON.
    Cut,
    /// A proxy's error message.
    Text,
    /// An object without fields.
    Object,
    /// "system busy".
    Busy,
    /// 403 with an HTML page.
    Forbidden,
    NotFound,
}

impl OddAnswer {
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

/// Forms of JSON that strict readers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddBody {
    /// A byte-order mark.
    Bom,
    Nan,
    /// A number too large for a double.
    HugeNumber,
    /// Half of a surrogate pair in a string.
    Surrogate,
    /// A string in Latin-1.
    Latin1,
    /// A bare line break in a string.
    LineBreak,
    /// A bare tab in a string.
    Tab,
    /// Two hundred nested lists.
    Deep,
    /// Compressed, even if the request does not accept it.
    Gzip,
}

impl OddBody {
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

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    pub on: Endpoint,
    /// The number of affected requests.
    pub times: u64,
    /// The number of unaffected requests before them.
    pub after: u64,
}
