//! Heartbeats for processes on other hosts. Their age is measured by the clock of the shared file system.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::process::Owner;

const WORKERS: &str = "workers";
/// A process counts as alive for this long after its last heartbeat.
const TIMEOUT: Duration = Duration::from_secs(45);
const INTERVAL: Duration = Duration::from_secs(15);

/// Writes heartbeats until it is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    path: PathBuf,
    process: u32,
    task: tokio::task::JoinHandle<()>,
}

impl Heartbeat {
    /// Starts the heartbeat of this process; `None` without a runtime.
    pub(super) fn start(folder: &Path) -> Option<Self> {
        let handle = tokio::runtime::Handle::try_current().ok()?;
        let path = path_of(folder, &Owner::this_process());
        let target = path.clone();
        let task = handle.spawn(async move {
            loop {
                let path = target.clone();
                // Without heartbeats other hosts consider this process dead, and poll the same job as well.
                let _ = tokio::task::spawn_blocking(move || write_heartbeat(&path)).await;
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Some(Self { path, process: std::process::id(), task })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
        // Succeeds when no other process has a heartbeat.
        let _ = self.path.parent().map(std::fs::remove_dir);
    }
}

/// Whether the last heartbeat of a process is recent. Blocks.
pub(super) fn is_fresh(folder: &Path, owner: &Owner) -> bool {
    age_of(folder, &path_of(folder, owner)).is_some_and(|age| age < TIMEOUT)
}

/// How long ago a file of the journal was written, by the clock of the file system: the clocks of hosts differ. Blocks.
pub(super) fn age_of(folder: &Path, path: &Path) -> Option<Duration> {
    let last = modified(path)?;
    let own = path_of(folder, &Owner::this_process());
    let now = write_heartbeat(&own).ok().and_then(|()| modified(&own)).unwrap_or_else(SystemTime::now);
    Some(now.duration_since(last).unwrap_or_default())
}

fn write_heartbeat(path: &Path) -> io::Result<()> {
    let open = || OpenOptions::new().append(true).create(true).open(path);
    let mut file = match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            // Does not create the journal's own folder, which may have been removed on purpose.
            std::fs::create_dir(folder)?;
            open()?
        }
        (opened, _) => opened?,
    };
    file.write_all(b".")
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn path_of(folder: &Path, owner: &Owner) -> PathBuf {
    let host = owner.host.as_deref().unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let namespace = owner.machine.as_deref().and_then(|machine| machine.rsplit('/').next()).unwrap_or_default();
    let (pid, started) = (owner.pid.unwrap_or_default(), owner.started.unwrap_or_default());
    folder.join(WORKERS).join(format!("{host}-{namespace}-{pid}-{started}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_process_is_alive_while_it_writes_heartbeats() {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner { host: Some("elsewhere".into()), ..Owner::this_process() };
        assert!(!is_fresh(folder.path(), &owner));
        let path = path_of(folder.path(), &owner);
        write_heartbeat(&path).unwrap();
        assert!(is_fresh(folder.path(), &owner));
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - TIMEOUT).unwrap();
        assert!(!is_fresh(folder.path(), &owner));
    }

    #[tokio::test]
    async fn a_heartbeat_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let heartbeat = Heartbeat::start(folder.path()).unwrap();
        while !heartbeat.path.exists() {
            tokio::task::yield_now().await;
        }
        let path = heartbeat.path.clone();
        drop(heartbeat);
        assert!(!path.exists());
    }
}
