//! What to download, and how the file is saved.

use std::path::Path;

use tokio::time::Instant;

use crate::job::VideoJob;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A larger file is refused.
    pub max_bytes: u64,
    pub overwrite: bool,
    /// When the download ends, whole or not.
    pub deadline: Option<Instant>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 2 << 30, overwrite: false, deadline: None }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct DownloadRequest<'a> {
    /// The service's link; it may be relative.
    pub link: &'a str,
    pub path: &'a Path,
    pub options: &'a Options,
    /// The job that made the file, if known.
    pub job: Option<&'a VideoJob>,
}
