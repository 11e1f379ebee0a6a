//! Damaged lines, and the items that they may hide. No I/O.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A damaged line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// The line number, from 1.
    pub number: u64,
    /// The item that the line seems to be about. Its ID may be damaged, too.
    pub id: Option<String>,
}

impl Damage {
    #[must_use]
    pub fn words(&self) -> String {
        format!("line {} of {} is damaged", self.number, self.path.display())
    }
}

#[derive(Debug, Default)]
pub(super) struct Damaged {
    lines: Vec<Damage>,
    by_id: HashMap<String, usize>,
    /// A line without a claim. It may hide any item, as its ID may be damaged.
    unclaimed: Option<usize>,
    paths: HashSet<PathBuf>,
}

impl Damaged {
    /// `has_claims` says whether claims show which items of the segment were bought.
    pub(super) fn add(&mut self, lines: Vec<Damage>, has_claims: bool) {
        for line in lines {
            let at = self.lines.len();
            if let Some(id) = &line.id {
                self.by_id.entry(id.clone()).or_insert(at);
            }
            if !has_claims {
                self.unclaimed.get_or_insert(at);
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
    pub(super) fn hiding(&self, id: &str, is_known: bool) -> Option<&Damage> {
        let unknown = if is_known { None } else { self.unclaimed };
        self.lines.get(self.by_id.get(id).copied().or(unknown)?)
    }
}
