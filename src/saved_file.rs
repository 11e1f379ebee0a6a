//! What is known of a file that was saved. No I/O.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file that was saved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Download {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its type, if the service named it.
    pub content_type: Option<String>,
}
