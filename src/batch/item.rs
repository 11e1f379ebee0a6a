//! One item of a batch, and what became of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::job::VideoJob;
use crate::journal::Columns;
use crate::request::VideoRequest;
use crate::saved_file::Download;

/// One video that is wanted.
#[derive(Debug, Clone)]
pub struct Item {
    /// The caller's name for it.
    pub id: String,
    /// What is asked for.
    pub request: VideoRequest,
    /// The request's fingerprint.
    pub sha256: String,
    /// Where the file goes.
    pub path: PathBuf,
    /// What else stood in its row.
    pub columns: Option<Columns>,
}

/// A video that was made, now or before.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The job, done.
    pub job: VideoJob,
    /// The file, kept.
    pub file: Download,
    /// Whether nothing was left to do.
    pub resumed: bool,
}

/// An item's end, with the last that is known of its job.
#[derive(Debug)]
pub(crate) struct ItemOutcome {
    pub(crate) seen: LastSeen,
    pub(crate) result: Result<Rendered>,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    /// The last that is known of the job.
    pub(crate) job: Option<VideoJob>,
    /// From acceptance to the end of the job, if both were seen.
    pub(crate) render_time: Option<Duration>,
    /// What the caller should know besides.
    pub(crate) warning: Option<String>,
    /// Whether the job is that of an earlier attempt, and another one is to be made.
    pub(super) is_earlier: bool,
}

impl LastSeen {
    /// What has happened counts, whether or not it could be written down; it is written once the disk allows.
    pub(super) fn note(&mut self, written: Result<()>) {
        if let Err(error) = written {
            self.warning.get_or_insert_with(|| format!("what became of a job is not recorded yet: {error}"));
        }
    }
}
