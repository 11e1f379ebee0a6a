//! A saved file. No I/O.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Download {
    pub path: PathBuf,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// As sent by the file server.
    pub content_type: Option<String>,
}
