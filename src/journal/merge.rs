//! Many small files become one when a run ends: each process that wrote has left one behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::loaded::Segment;
use super::log::Journal;
use super::record::{Kind, Line};
use super::{heartbeat, segment};
use crate::process::Liveness;

/// After so long without a line, a process on another host is believed to be gone.
const LONG_AGO: Duration = Duration::from_secs(24 * 3600);

/// Merges the segments of writers that are gone. Blocks.
///
/// A reader that meets both the old files and the new one reads lines twice, which changes nothing.
pub(super) fn merge(journal: &Arc<Journal>) -> io::Result<()> {
    let (paths, version) = settled(journal);
    if paths.len() < 2 {
        return Ok(());
    }
    let mut text = Vec::new();
    for path in &paths {
        text.extend(facts(path)?);
    }
    let new = segment::write_whole(journal.folder(), version, &text)?;
    for path in &paths {
        std::fs::remove_file(path)?;
    }
    journal.replace(&paths, &new, version);
    Ok(())
}

/// The segments that nobody writes to any more, the oldest first, and the lowest version among them.
fn settled(journal: &Arc<Journal>) -> (Vec<PathBuf>, u8) {
    let known = journal.lock();
    let is_sound = |path: &Path| !known.damage.is_in(path);
    let read = known.segments.iter().filter(|segment| segment.offset.is_some() && is_sound(&segment.path));
    let over: Vec<_> = read.filter(|segment| is_over(journal.folder(), segment)).collect();
    let version = over.iter().map(|segment| segment.version).min().unwrap_or_default();
    let mut paths: Vec<_> = over.iter().map(|segment| segment.path.clone()).collect();
    paths.sort();
    (paths, version)
}

fn is_over(folder: &Path, segment: &Segment) -> bool {
    let is_old = || {
        !heartbeat::is_fresh(folder, &segment.owner)
            && heartbeat::age_of(folder, &segment.path).is_some_and(|age| age > LONG_AGO)
    };
    // Its writer has not said yet who it is.
    if segment.version == 0 {
        return false;
    }
    match segment.owner.pid {
        // Merged before.
        None => true,
        Some(_) => match segment.owner.liveness() {
            Liveness::Dead => true,
            Liveness::Remote => is_old(),
            Liveness::Alive => false,
        },
    }
}

/// The lines of a segment that say more than who was at work.
fn facts(path: &Path) -> io::Result<Vec<u8>> {
    let says_something = |line: &[u8]| {
        let event = Line::decode(line.trim_ascii_end()).map(|line| line.event);
        line.ends_with(b"\n") && !matches!(event, None | Some(Kind::Open | Kind::Claimed | Kind::Released))
    };
    let text = std::fs::read(path)?;
    Ok(text.split_inclusive(|byte| *byte == b'\n').filter(|line| says_something(line)).flatten().copied().collect())
}
