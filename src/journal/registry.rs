//! The journals of this process, one per folder.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::log::{FOLDER, Journal};
use super::paths::canonical;
use crate::error::Result;
use crate::process::{self, GENERATIONS};

/// Journals that stay in memory while unused, as reading a large one again takes time.
const MAX_RECENT: usize = 64;

#[derive(Debug, Default)]
struct JournalCache {
    journals: HashMap<PathBuf, Weak<Journal>>,
    recent: VecDeque<Arc<Journal>>,
}

/// One for each generation of forks.
static CACHES: [Mutex<Option<JournalCache>>; GENERATIONS] = [const { Mutex::new(None) }; GENERATIONS];

fn cache() -> MutexGuard<'static, Option<JournalCache>> {
    CACHES[process::generation()].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// The journal in `folder`, which need not exist yet. Blocks.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let folder = canonical(folder);
        let journal = get(&folder, || Self::new(&folder));
        if journal.is_usable() {
            journal.refresh()?;
            return Ok(journal);
        }
        // The folder was removed or replaced while the journal was unused.
        forget(&journal);
        let journal = get(&folder, || Self::new(&folder));
        journal.refresh()?;
        Ok(journal)
    }

    /// The journal of the files in `folder`. Blocks.
    pub fn in_dir(folder: &Path) -> Result<Arc<Self>> {
        Self::open(&canonical(folder).join(FOLDER))
    }
}

/// The cached journal in `folder`, or a new one made by `open`.
fn get(folder: &Path, open: impl FnOnce() -> Journal) -> Arc<Journal> {
    let mut cache = cache();
    let cache = cache.get_or_insert_default();
    let journal = match cache.journals.get(folder).and_then(Weak::upgrade) {
        Some(journal) => journal,
        None => Arc::new(open()),
    };
    cache.journals.insert(folder.to_owned(), Arc::downgrade(&journal));
    cache.recent.retain(|other| !Arc::ptr_eq(other, &journal));
    cache.recent.push_back(Arc::clone(&journal));
    if cache.recent.len() > MAX_RECENT {
        cache.recent.pop_front();
        cache.journals.retain(|_, journal| journal.strong_count() > 0);
    }
    journal
}

/// Removes a journal from the cache.
fn forget(journal: &Arc<Journal>) {
    let mut cache = cache();
    let Some(cache) = &mut *cache else { return };
    cache.recent.retain(|other| !Arc::ptr_eq(other, journal));
    if cache.journals.get(journal.folder()).is_some_and(|cached| cached.ptr_eq(&Arc::downgrade(journal))) {
        cache.journals.remove(journal.folder());
    }
}

/// The journals in use.
#[cfg(feature = "python")]
fn all() -> Vec<Arc<Journal>> {
    let cache = cache();
    cache.iter().flat_map(|cache| cache.journals.values().filter_map(Weak::upgrade)).collect()
}

/// Retries failed writes. Blocks.
#[cfg(feature = "python")]
pub(crate) fn flush_all() {
    for own in all().iter().filter_map(|journal| journal.own()) {
        // Nothing more can be done at exit.
        let _ = own.writer.flush();
    }
}
