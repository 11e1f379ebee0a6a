//! The journals that this process knows: one for each folder, whoever asks for it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::log::{FOLDER, Journal};
use super::paths::canonical;
use crate::error::Result;

/// Journals that stay in memory when nobody uses them: reading one again takes longer the more it tells.
const REMEMBERED: usize = 64;
/// Forks of forks that each have a cache of their own.
const GENERATIONS: usize = 64;

#[derive(Debug, Default)]
struct JournalCache {
    loaded: HashMap<PathBuf, Weak<Journal>>,
    recent: VecDeque<Arc<Journal>>,
}

/// A child that was forked takes the next cache: a thread of the parent may have held the lock of this one.
static CACHES: [Mutex<Option<JournalCache>>; GENERATIONS] = [const { Mutex::new(None) }; GENERATIONS];
static GENERATION: AtomicUsize = AtomicUsize::new(0);
static PROCESS: AtomicU32 = AtomicU32::new(0);

fn cache() -> MutexGuard<'static, Option<JournalCache>> {
    let (this, before) = (std::process::id(), PROCESS.load(Ordering::SeqCst));
    if before != this && PROCESS.compare_exchange(before, this, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        GENERATION.fetch_add(1, Ordering::SeqCst);
    }
    let at = GENERATION.load(Ordering::SeqCst) % GENERATIONS;
    CACHES[at].lock().unwrap_or_else(PoisonError::into_inner)
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
        // The folder was removed or replaced while nobody was at work in it.
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

/// The journal in `folder`, which `open` makes if this process does not know it.
fn get(folder: &Path, open: impl FnOnce() -> Journal) -> Arc<Journal> {
    let mut cache = cache();
    let cache = cache.get_or_insert_default();
    let journal = match cache.loaded.get(folder).and_then(Weak::upgrade) {
        Some(journal) => journal,
        None => Arc::new(open()),
    };
    cache.loaded.insert(folder.to_owned(), Arc::downgrade(&journal));
    cache.recent.retain(|other| !Arc::ptr_eq(other, &journal));
    cache.recent.push_back(Arc::clone(&journal));
    if cache.recent.len() > REMEMBERED {
        cache.recent.pop_front();
        cache.loaded.retain(|_, journal| journal.strong_count() > 0);
    }
    journal
}

/// Forgets the journal in `folder`: it is no longer what it was.
fn forget(journal: &Arc<Journal>) {
    let mut cache = cache();
    let Some(cache) = &mut *cache else { return };
    cache.recent.retain(|other| !Arc::ptr_eq(other, journal));
    if cache.loaded.get(journal.folder()).is_some_and(|loaded| loaded.ptr_eq(&Arc::downgrade(journal))) {
        cache.loaded.remove(journal.folder());
    }
}

/// All journals in use.
#[cfg(feature = "python")]
fn all() -> Vec<Arc<Journal>> {
    let cache = cache();
    cache.iter().flat_map(|cache| cache.loaded.values().filter_map(Weak::upgrade)).collect()
}

/// Tries once more to write what could not be written. Blocks.
#[cfg(feature = "python")]
pub(crate) fn flush_all() {
    for own in all().iter().filter_map(|journal| journal.own()) {
        // It was tried before, and nothing more can be done at the end.
        let _ = own.writer.flush();
    }
}
