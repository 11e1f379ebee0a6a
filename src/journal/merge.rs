//! Merges small segments when a run ends: every process that wrote to the journal leaves one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::loaded::Segment;
use super::log::Journal;
use super::record::{EventKind, Line};
use super::{heartbeat, segment};
use crate::process::Liveness;

/// After this time without a line, a process on another host counts as ended.
const REMOTE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Merges the segments of ended writers. Blocks.
///
/// A reader that finds the old files and the new one reads lines twice, which has no effect.
pub(super) fn merge(journal: &Arc<Journal>) -> io::Result<()> {
    let (paths, version) = mergeable(journal);
    if paths.len() < 2 {
        return Ok(());
    }
    let mut text = Vec::new();
    for path in &paths {
        text.extend(lasting_lines(path)?);
    }
    let new = segment::write_whole(journal.folder(), version, &text)?;
    for path in &paths {
        std::fs::remove_file(path)?;
    }
    journal.replace(&paths, &new, version);
    Ok(())
}

/// The segments of ended writers, the oldest first, and the lowest version among them.
fn mergeable(journal: &Arc<Journal>) -> (Vec<PathBuf>, u8) {
    let known = journal.lock();
    let is_undamaged = |path: &Path| !known.damage.is_in(path);
    let read = known.segments.iter().filter(|segment| segment.offset.is_some() && is_undamaged(&segment.path));
    let ended: Vec<_> = read.filter(|segment| is_ended(journal.folder(), segment)).collect();
    let version = ended.iter().map(|segment| segment.version).min().unwrap_or_default();
    let mut paths: Vec<_> = ended.iter().map(|segment| segment.path.clone()).collect();
    paths.sort();
    (paths, version)
}

fn is_ended(folder: &Path, segment: &Segment) -> bool {
    let is_old = || {
        !heartbeat::is_fresh(folder, &segment.owner)
            && heartbeat::age_of(folder, &segment.path).is_some_and(|age| age > REMOTE_TIMEOUT)
    };
    // The writer has not written its first line yet.
    if segment.version == 0 {
        return false;
    }
    match segment.owner.pid {
        // Merged earlier.
        None => true,
        Some(_) => match segment.owner.liveness() {
            Liveness::Dead => true,
            Liveness::Remote => is_old(),
            Liveness::Alive => false,
        },
    }
}

/// The lines of a segment, without those that only name the working process.
fn lasting_lines(path: &Path) -> io::Result<Vec<u8>> {
    let is_lasting = |line: &[u8]| {
        let event = Line::decode(line.trim_ascii_end()).map(|line| line.event);
        line.ends_with(b"\n")
            && !matches!(event, None | Some(EventKind::Open | EventKind::Claimed | EventKind::Released))
    };
    let text = std::fs::read(path)?;
    Ok(text.split_inclusive(|byte| *byte == b'\n').filter(|line| is_lasting(line)).flatten().copied().collect())
}
