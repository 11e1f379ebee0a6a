//! What this process knows of a journal: all that was read, and who is at work.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::damage::Damaged;
use super::heartbeat::Heartbeat;
use super::record::{self, Kind};
use super::segment;
use super::state::JournalState;
use crate::process::Owner;

#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) state: JournalState,
    pub(super) segments: Vec<Segment>,
    pub(super) by_path: HashMap<PathBuf, usize>,
    pub(super) damage: Damaged,
    /// What this process is at work on.
    pub(super) active: HashSet<String>,
    /// Folders as they are called without links, by what they were called.
    pub(super) canonical: HashMap<PathBuf, PathBuf>,
    /// Whether this process works through the folder.
    pub(super) has_run: bool,
    pub(super) heartbeat: Option<Heartbeat>,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// How far it was read, in bytes and lines; of the own one nothing needs to be.
    pub(super) offset: Option<(u64, u64)>,
    pub(super) owner: Owner,
    pub(super) version: u8,
}

impl Loaded {
    /// Reads what a segment holds beyond what was read before. Blocks.
    pub(super) fn read(&mut self, path: &Path, file: &std::fs::DirEntry) -> io::Result<()> {
        let number = self.by_path.get(path).copied().unwrap_or(self.segments.len());
        if number == self.segments.len() {
            self.by_path.insert(path.to_owned(), number);
            let owner = Owner::default();
            self.segments.push(Segment { path: path.to_owned(), offset: Some((0, 0)), owner, version: 0 });
        }
        let Some(segment) = self.segments.get_mut(number) else { return Ok(()) };
        let Some(offset) = segment.offset else { return Ok(()) };
        // Thousands of writers may have come and gone; those that wrote no more need not be read again.
        if offset.0 > 0 && file.metadata()?.len() <= offset.0 {
            return Ok(());
        }
        let contents = segment::read(path, offset)?;
        segment.offset = Some(contents.end);
        for record in contents.lines {
            if record.event == Kind::Open {
                (segment.owner, segment.version) = (record.owner, record.v);
                continue;
            }
            self.state.take(number, record);
        }
        let version = self.segments.get(number).map_or(0, |segment| segment.version);
        self.damage.add(contents.damage, version >= record::VERSION);
        Ok(())
    }
}
