//! Where the file is saved: in a temporary file in the same folder, renamed at the end.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::disk_error::disk_error;
use super::options::Options;
use super::writer::WrittenFile;
use crate::error::{DownloadErrorKind, Error, Result};

/// C's error numbers, the same wherever Python runs.
const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;

/// The name of the temporary file must fit wherever the target's does.
const MAX_NAME_PREFIX: usize = 50;

/// Refuses a target that cannot be written, before anything is bought for it.
///
/// Creates and removes a temporary file in its folder, as nothing less shows that files can be created there.
pub fn check_target(path: &Path, options: &Options) -> Result<()> {
    TemporaryFile::create(path, options).map(drop)
}

/// Removed when dropped, unless it was persisted.
pub(super) struct TemporaryFile {
    path: TempPath,
    target: PathBuf,
    overwrite: bool,
}

impl TemporaryFile {
    /// Checks that `path` may be written, and creates a temporary file for it.
    pub(super) fn create(path: &Path, options: &Options) -> Result<(File, Self)> {
        let name = checked_name(path)?;
        check_vacant(path, options.overwrite)?;
        let folder = folder_of(path);
        let file = create_in(folder, &name).map_err(|error| match error.kind() {
            // For instance /proc and /dev.
            ErrorKind::NotFound if folder.is_dir() => path_error(
                ENOENT,
                format!("files cannot be created in the folder {}; choose another one", folder.display()),
            ),
            ErrorKind::NotFound => {
                path_error(ENOENT, format!("the folder of {} does not exist; create it", path.display()))
            }
            _ => disk_error(path, &error),
        })?;
        let (file, temporary) = file.into_parts();
        Ok((file, Self { path: temporary, target: path.to_owned(), overwrite: options.overwrite }))
    }

    /// Flushes the file to the disk and gives it the target's name. Blocks.
    pub(super) fn persist(self, written: &WrittenFile) -> Result<()> {
        let Self { path, target, overwrite } = self;
        written.file.sync_all().map_err(|error| disk_error(&target, &error))?;
        let renamed =
            if overwrite { path.persist(&target).map_err(|error| error.error) } else { persist_new(path, &target) };
        renamed.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => already_exists(&target),
            _ => disk_error(&target, &error),
        })?;
        sync_folder(folder_of(&target));
        Ok(())
    }
}

fn checked_name(path: &Path) -> Result<String> {
    let text = path.as_os_str().to_string_lossy();
    if text.is_empty() || text.contains('\0') {
        return Err(path_error(EINVAL, format!("{text:?} is not a file name")));
    }
    match path.file_name() {
        Some(name) if !text.ends_with(std::path::is_separator) => Ok(name.to_string_lossy().into_owned()),
        _ => Err(is_folder(path)),
    }
}

fn check_vacant(path: &Path, overwrite: bool) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(disk_error(path, &error)),
        Ok(_) => {}
    }
    // A dangling link has no metadata, and may be replaced.
    let metadata = std::fs::metadata(path).ok();
    if metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
        return Err(is_folder(path));
    }
    if !overwrite {
        return Err(already_exists(path));
    }
    if metadata.is_some_and(|metadata| !metadata.is_file()) {
        return Err(path_error(EINVAL, format!("{} is not a regular file; choose another path", path.display())));
    }
    Ok(())
}

fn create_in(folder: &Path, name: &str) -> io::Result<NamedTempFile> {
    let name: String = name.chars().take(MAX_NAME_PREFIX).collect();
    // The tag tells later processes whether the writer is still alive.
    let prefix = format!(".{name}.{}.", crate::process::tag());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The umask applies, as for any file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn persist_new(temporary: TempPath, target: &Path) -> io::Result<()> {
    let Err(failure) = temporary.persist_noclobber(target) else { return Ok(()) };
    match failure.error.kind() {
        ErrorKind::AlreadyExists => Err(failure.error),
        _ if target.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
        // Some file systems have neither hard links nor a rename that does not replace; the check above must do.
        _ => failure.path.persist(target).map_err(|error| error.error),
    }
}

/// Makes the rename durable. Several file systems refuse it, and the file is in place anyway, so errors are ignored.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

fn already_exists(path: &Path) -> Error {
    path_error(EEXIST, format!("{} already exists; pass overwrite=True to replace it", path.display()))
}

fn is_folder(path: &Path) -> Error {
    path_error(EISDIR, format!("{} is a folder; add a file name", path.display()))
}

fn path_error(errno: i32, message: String) -> Error {
    let mut error = Error::download(DownloadErrorKind::Other, message);
    if let Error::Download(details) = &mut error {
        details.errno = Some(errno);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERWRITE: Options = Options { max_bytes: 1 << 31, overwrite: true, deadline: None };

    fn refused(path: &Path, options: &Options) -> (Option<i32>, String) {
        match check_target(path, options) {
            Err(Error::Download(error)) => (error.errno, error.message),
            other => panic!("{other:?}"),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn write(path: &Path, options: &Options, text: &[u8]) -> (TemporaryFile, WrittenFile) {
        let (mut file, temporary) = TemporaryFile::create(path, options).unwrap();
        io::Write::write_all(&mut file, text).unwrap();
        (temporary, WrittenFile { file, sha256: String::new() })
    }

    #[test]
    fn checking_a_target_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        check_target(&folder.path().join("a.mp4"), &Options::default()).unwrap();
        check_target(Path::new("no-such-file-here.mp4"), &Options::default()).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn targets_that_cannot_be_written_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("there.mp4"), b"x").unwrap();
        let (errno, message) = refused(&at("there.mp4"), &Options::default());
        assert!(errno == Some(EEXIST) && message.contains("overwrite=True"), "{message}");
        check_target(&at("there.mp4"), &OVERWRITE).unwrap();
        for options in [&Options::default(), &OVERWRITE] {
            assert_eq!(refused(folder.path(), options).0, Some(EISDIR));
            assert_eq!(refused(&at("new/"), options).0, Some(EISDIR));
            assert_eq!(refused(Path::new(""), options).0, Some(EINVAL));
            assert_eq!(refused(Path::new(".."), options).0, Some(EISDIR));
            let (errno, message) = refused(&at("missing/a.mp4"), options);
            assert!(errno == Some(ENOENT) && message.contains("create it"), "{message}");
            assert!(refused(&at("there.mp4/a.mp4"), options).0.is_some());
            assert!(refused(&at(&"x".repeat(300)), options).0.is_some());
        }
        assert_eq!(names(folder.path()), ["there.mp4"]);
    }

    #[test]
    fn a_name_of_maximum_length_fits() {
        let folder = tempfile::tempdir().unwrap();
        check_target(&folder.path().join("ż".repeat(125) + ".mp4"), &Options::default()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_refused_and_dangling_links_replaced() {
        assert_eq!(refused(Path::new("/dev/null"), &OVERWRITE).0, Some(EINVAL));
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.mp4");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(refused(&link, &Options::default()).0, Some(EEXIST));
        check_target(&link, &OVERWRITE).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_saved_file_has_ordinary_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        File::create(folder.path().join("ordinary")).unwrap();
        let (temporary, written) = write(&folder.path().join("saved"), &Options::default(), b"x");
        temporary.persist(&written).unwrap();
        assert_eq!(mode("saved"), mode("ordinary"));
    }

    #[test]
    fn a_target_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.mp4");
        let (temporary, written) = write(&target, &Options::default(), b"ours");
        assert!(names(folder.path())[0].starts_with(".a.mp4."));
        std::fs::write(&target, b"theirs").unwrap();
        let Err(Error::Download(error)) = temporary.persist(&written) else { panic!("replaced") };
        assert_eq!(error.errno, Some(EEXIST));
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a.mp4"]);
    }

    #[test]
    fn overwrite_replaces_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.mp4");
        std::fs::write(&target, b"theirs").unwrap();
        let (temporary, written) = write(&target, &OVERWRITE, b"ours");
        temporary.persist(&written).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"ours");
        assert_eq!(names(folder.path()), ["a.mp4"]);
    }

    #[test]
    fn the_error_of_a_full_disk_has_advice() {
        let Error::Download(error) = disk_error(Path::new("a.mp4"), &ErrorKind::StorageFull.into()) else { panic!() };
        assert!(error.message.contains("a.mp4") && error.message.contains("free some space"), "{}", error.message);
    }
}
