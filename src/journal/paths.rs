//! Canonical paths of folders that need not exist.

use std::path::{Path, PathBuf};

/// The canonical path of a folder, as far as it exists.
pub(super) fn canonical(folder: &Path) -> PathBuf {
    if let Ok(found) = std::fs::canonicalize(folder) {
        return found;
    }
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => whole,
    }
}
