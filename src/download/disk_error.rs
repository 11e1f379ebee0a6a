//! Errors of the file system while a file is saved, with advice.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::Error;

pub(super) fn disk_error(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull => "; free some space there, or choose another folder",
        ErrorKind::QuotaExceeded => "; free some of your quota there, or choose another folder",
        ErrorKind::PermissionDenied => "; choose a folder that you may write to",
        ErrorKind::ReadOnlyFilesystem => "; choose a folder that can be written to",
        ErrorKind::FileTooLarge => "; choose a folder on a file system for large files",
        ErrorKind::InvalidFilename => "; choose a shorter or simpler name",
        _ => "",
    };
    let mut disk_error = Error::disk(&format!("{} cannot be written", path.display()), error);
    if let Error::Download(details) = &mut disk_error {
        details.message.push_str(advice);
    }
    disk_error
}
