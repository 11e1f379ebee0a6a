//! Identifies processes, and checks whether another one is still running. No file locks: forked children inherit them,
//! and some file systems have none.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A process, as others can identify it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// In the kernel's clock ticks since boot. Process IDs are reused; the pair is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The boot and the process namespace in which `pid` and `started` are valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// How many nested forks have statics of their own.
pub(crate) const GENERATIONS: usize = 64;

/// The number of nested forks that led to this process, below [`GENERATIONS`].
///
/// A forked child takes other statics than its parent: a thread of the parent may hold any lock at the moment of the
/// fork.
pub(crate) fn generation() -> usize {
    /// The process ID in the upper half, the generation in the lower.
    static CURRENT: AtomicU64 = AtomicU64::new(0);
    const LOWER: u64 = u32::MAX as u64;
    let this = u64::from(std::process::id()) << 32;
    let next = |known: u64| if known & !LOWER == this { known } else { this | (known & LOWER).wrapping_add(1) & LOWER };
    let before = CURRENT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |known| Some(next(known)));
    let generation = before.map_or(0, next) & LOWER;
    usize::try_from(generation).unwrap_or_default() % GENERATIONS
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    Dead,
    /// On another host or in another container, so its state is unknown.
    Remote,
}

impl Owner {
    pub(crate) fn this_process() -> Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        let pid = std::process::id();
        let this = THIS.get_or_init(|| Self::with_id(pid));
        // A forked child inherits the value of its parent.
        if this.pid == Some(pid) { this.clone() } else { Self::with_id(pid) }
    }

    fn with_id(pid: u32) -> Self {
        Self { pid: Some(pid), host: Some(host()), started: start_of(pid).map(|(_, at)| at), machine: machine() }
    }

    pub(crate) fn is_this_process(&self) -> bool {
        self.pid == Some(std::process::id()) && self.liveness() == Liveness::Alive
    }

    /// For messages.
    pub(crate) fn description(&self) -> String {
        if self.is_this_process() {
            return format!("this process, {}", std::process::id());
        }
        let pid = self.pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"));
        self.host.as_ref().map_or_else(|| pid.clone(), |host| format!("{pid} on {host}"))
    }

    /// Reads `/proc`: blocks, but not for long.
    pub(crate) fn liveness(&self) -> Liveness {
        let (Some(pid), Some(host_of_owner)) = (self.pid, &self.host) else { return Liveness::Dead };
        if *host_of_owner != host() {
            return Liveness::Remote;
        }
        match (&self.machine, machine()) {
            (Some(theirs), Some(ours)) if *theirs != ours => {
                // No process survives a reboot; processes of another container are invisible.
                if boot_of(theirs) == boot_of(&ours) { Liveness::Remote } else { Liveness::Dead }
            }
            _ => local(pid, self.started),
        }
    }
}

/// Part of the names of temporary files. Other processes find out from it whether the owner is still running.
pub(crate) fn tag() -> String {
    let this = Owner::this_process();
    let (pid, started) = (this.pid.unwrap_or_default(), this.started.unwrap_or_default());
    format!("{:04x}-{pid:x}-{started:x}", host_hash())
}

/// Removes temporary files of ended processes from `folder`. Blocks.
pub(crate) fn remove_abandoned(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".part")) else { continue };
        // The name of the target, which may contain dots, the tag, and a random part.
        if name.rsplit('.').nth(1).is_some_and(is_of_ended_process) {
            // Another process may have removed it already.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a [`tag`] belongs to a process that ran on this host and has ended.
fn is_of_ended_process(tag: &str) -> bool {
    let mut parts = tag.split('-').map(|part| u64::from_str_radix(part, 16).ok());
    let (Some(Some(host)), Some(Some(pid)), Some(Some(started)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(pid) = u32::try_from(pid) else { return false };
    host == u64::from(host_hash()) && local(pid, (started > 0).then_some(started)) == Liveness::Dead
}

/// A hash of this host and its process namespace, which stays the same after a reboot.
fn host_hash() -> u16 {
    let this = Owner::this_process();
    let mut hasher = DefaultHasher::new();
    this.host.hash(&mut hasher);
    this.machine.as_deref().and_then(|machine| machine.rsplit('/').next()).hash(&mut hasher);
    let [low, high, ..] = hasher.finish().to_le_bytes();
    u16::from_le_bytes([low, high])
}

fn boot_of(machine: &str) -> &str {
    machine.split('/').next().unwrap_or_default()
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// The boot and the process namespace, on Linux.
fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}/{digits}", boot.trim()))
}

fn local(pid: u32, started: Option<u64>) -> Liveness {
    if !Path::new("/proc/self/stat").exists() {
        return exists(pid);
    }
    match start_of(pid) {
        Some((state, at)) if !matches!(state, 'Z' | 'X') && started.is_none_or(|started| started == at) => {
            Liveness::Alive
        }
        _ => Liveness::Dead,
    }
}

/// The state and the start time of a process. A zombie still has both.
fn start_of(pid: u32) -> Option<(char, u64)> {
    const START: usize = 19;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The process name may contain spaces and brackets; the fields after its last bracket do not.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(START - 1)?.parse().ok()?))
}

#[cfg(unix)]
fn exists(pid: u32) -> Liveness {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return Liveness::Dead };
    match rustix::process::test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => Liveness::Dead,
        _ => Liveness::Alive,
    }
}

#[cfg(not(unix))]
fn exists(_pid: u32) -> Liveness {
    Liveness::Remote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = start_of(child.id()).map(|(_, at)| at);
        let owner = Owner { pid: Some(child.id()), started, ..Owner::this_process() };
        assert_eq!(owner.liveness(), Liveness::Alive);
        child.kill().unwrap();
        while start_of(child.id()).is_some_and(|(state, _)| state != 'Z') {
            std::thread::yield_now();
        }
        if start_of(child.id()).is_some() {
            assert_eq!(owner.liveness(), Liveness::Dead, "a zombie counts as ended");
        }
        child.wait().unwrap();
        assert_eq!(owner.liveness(), Liveness::Dead);
    }

    #[test]
    fn only_temporary_files_of_ended_processes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let of_child = format!("{:04x}-{:x}-1", host_hash(), child.id());
        child.wait().unwrap();
        let (dead, alive) = (format!(".a.b.mp4.{of_child}.xyz.part"), format!(".a.mp4.{}.xyz.part", tag()));
        let others = [alive.as_str(), ".a.mp4.xyz.part", "a.mp4", &format!(".a.{of_child}.mp4")];
        for name in others.iter().chain([&dead.as_str()]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove_abandoned(folder.path());
        assert!(!folder.path().join(dead).exists());
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }

    #[test]
    fn only_tags_of_ended_local_processes_count() {
        assert!(!is_of_ended_process(&tag()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let of_child = format!("{:04x}-{:x}-1", host_hash(), child.id());
        child.wait().unwrap();
        assert!(is_of_ended_process(&of_child));
        let elsewhere = format!("{:04x}-{:x}-1", host_hash() ^ 1, child.id());
        for other in [elsewhere.as_str(), "", "a", "x-y-z", "1-2", "1-2-3-4"] {
            assert!(!is_of_ended_process(other), "{other}");
        }
    }

    #[test]
    fn a_reused_process_id_is_another_process() {
        let this = Owner::this_process();
        assert!(this.is_this_process());
        if let Some(started) = this.started {
            let before = Owner { started: Some(started - 1), ..this.clone() };
            assert_eq!(before.liveness(), Liveness::Dead);
        }
        let legacy = Owner { started: None, machine: None, ..this.clone() };
        assert_eq!(legacy.liveness(), Liveness::Alive);
        assert_eq!(Owner { host: Some("elsewhere".into()), ..this.clone() }.liveness(), Liveness::Remote);
        assert_eq!(Owner::default().liveness(), Liveness::Dead);
        if let Some(machine) = &this.machine {
            let container = format!("{}/7", boot_of(machine));
            assert_eq!(Owner { machine: Some(container), ..this.clone() }.liveness(), Liveness::Remote);
            assert_eq!(Owner { machine: Some("boot/7".into()), ..this }.liveness(), Liveness::Dead);
        }
    }
}
