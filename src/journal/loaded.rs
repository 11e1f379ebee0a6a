//! The state of a journal in this process: the lines that were read, and the items in progress.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::damage::Damaged;
use super::heartbeat::Heartbeat;
use super::record::{self, EventKind};
use super::segment;
use super::state::JournalState;
use crate::process::Owner;

#[derive(Debug, Default)]
pub(super) struct LoadedJournal {
    pub(super) state: JournalState,
    pub(super) segments: Vec<Segment>,
    pub(super) by_path: HashMap<PathBuf, usize>,
    pub(super) damage: Damaged,
    /// The items that this process is working on.
    pub(super) active: HashSet<String>,
    /// Canonical folders by the given ones.
    pub(super) canonical: HashMap<PathBuf, PathBuf>,
    /// Whether this process runs a batch in the folder.
    pub(super) has_run: bool,
    pub(super) heartbeat: Option<Heartbeat>,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// How far it was read, in bytes and lines. `None` for the own segment, which is not read.
    pub(super) offset: Option<(u64, u64)>,
    pub(super) owner: Owner,
    pub(super) version: u8,
}

impl LoadedJournal {
    /// Reads the new lines of a segment. Blocks.
    pub(super) fn read(&mut self, path: &Path, file: &std::fs::DirEntry) -> io::Result<()> {
        let number = self.by_path.get(path).copied().unwrap_or(self.segments.len());
        if number == self.segments.len() {
            self.by_path.insert(path.to_owned(), number);
            let owner = Owner::default();
            self.segments.push(Segment { path: path.to_owned(), offset: Some((0, 0)), owner, version: 0 });
        }
        let Some(segment) = self.segments.get_mut(number) else { return Ok(()) };
        let Some(offset) = segment.offset else { return Ok(()) };
        // There may be thousands of segments without new lines.
        if offset.0 > 0 && file.metadata()?.len() <= offset.0 {
            return Ok(());
        }
        let contents = segment::read(path, offset)?;
        segment.offset = Some(contents.end);
        for line in contents.lines {
            if line.event == EventKind::Open {
                (segment.owner, segment.version) = (line.owner, line.v);
                continue;
            }
            self.state.apply(number, line);
        }
        let version = self.segments.get(number).map_or(0, |segment| segment.version);
        self.damage.add(contents.damage, version >= record::VERSION);
        Ok(())
    }
}
