//! Lines that are not as they were written, and which items they may hide. No I/O.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A line that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file that it stands in.
    pub path: PathBuf,
    /// Its number, from 1.
    pub number: u64,
    /// The item it seems to be about. The damage may be in its name, too.
    pub id: Option<String>,
}

impl Damage {
    /// The place of the line.
    #[must_use]
    pub fn words(&self) -> String {
        format!("line {} of {} is damaged", self.number, self.path.display())
    }
}

/// All damaged lines of a journal.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    lines: Vec<Damage>,
    by_id: HashMap<String, usize>,
    /// A line without a claim behind it: the name that it holds may be what was damaged.
    uncovered: Option<usize>,
    paths: HashSet<PathBuf>,
}

impl Damaged {
    /// Takes in lines of one file. They are `covered` where claims tell which items were bought.
    pub(super) fn add(&mut self, lines: Vec<Damage>, covered: bool) {
        for line in lines {
            let at = self.lines.len();
            if let Some(id) = &line.id {
                self.by_id.entry(id.clone()).or_insert(at);
            }
            if !covered {
                self.uncovered.get_or_insert(at);
            }
            self.paths.insert(line.path.clone());
            self.lines.push(line);
        }
    }

    pub(super) fn lines(&self) -> &[Damage] {
        &self.lines
    }

    pub(super) fn is_in(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// The line that may hide a purchase of this item.
    pub(super) fn hides(&self, id: &str, is_known: bool) -> Option<&Damage> {
        let unknown = if is_known { None } else { self.uncovered };
        self.lines.get(self.by_id.get(id).copied().or(unknown)?)
    }
}
