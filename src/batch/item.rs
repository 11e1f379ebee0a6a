//! One item of a batch, and its outcome.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::job::VideoJob;
use crate::journal::Row;
use crate::request::VideoRequest;
use crate::saved_file::Download;

#[derive(Debug, Clone)]
pub struct Item {
    pub id: String,
    pub request: VideoRequest,
    pub sha256: String,
    pub path: PathBuf,
    pub row: Option<Row>,
}

#[derive(Debug, Clone)]
pub struct Rendered {
    pub job: VideoJob,
    pub file: Download,
    /// Whether an earlier run had finished it.
    pub resumed: bool,
}

#[derive(Debug)]
pub(crate) struct ItemOutcome {
    pub(crate) seen: LastSeen,
    pub(crate) result: Result<Rendered>,
}

/// What is known even if the item fails.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    /// The last snapshot.
    pub(crate) job: Option<VideoJob>,
    /// From acceptance to the end of the job, if both were observed.
    pub(crate) render_time: Option<Duration>,
    pub(crate) warning: Option<String>,
    /// Whether `job` belongs to an earlier attempt.
    pub(super) is_earlier: bool,
    /// Whether the job was created by this run.
    pub(super) is_bought: bool,
}

impl LastSeen {
    /// A record that cannot be written is kept in memory and written once the disk allows.
    pub(super) fn note(&mut self, written: Result<()>) {
        if let Err(error) = written {
            self.warning.get_or_insert_with(|| format!("the outcome of a job is not recorded yet: {error}"));
        }
    }
}
