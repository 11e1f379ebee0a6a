//! The journals that this process knows: one for each folder, whoever asks for it.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Journal;

/// Journals that stay in memory when nobody uses them: reading one again takes longer the more it tells.
const REMEMBERED: usize = 64;
/// Forks of forks that each have a shelf of their own.
const GENERATIONS: usize = 64;

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<PathBuf, Weak<Journal>>,
    recent: VecDeque<Arc<Journal>>,
}

/// A child that was forked takes the next shelf: a thread of the parent may have held the lock of this one.
static SHELVES: [Mutex<Option<Shelf>>; GENERATIONS] = [const { Mutex::new(None) }; GENERATIONS];
static GENERATION: AtomicUsize = AtomicUsize::new(0);
static PROCESS: AtomicU32 = AtomicU32::new(0);

fn shelf() -> MutexGuard<'static, Option<Shelf>> {
    let (this, before) = (std::process::id(), PROCESS.load(Ordering::SeqCst));
    if before != this && PROCESS.compare_exchange(before, this, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        GENERATION.fetch_add(1, Ordering::SeqCst);
    }
    let at = GENERATION.load(Ordering::SeqCst) % GENERATIONS;
    SHELVES[at].lock().unwrap_or_else(PoisonError::into_inner)
}

/// The journal in `folder`, which `open` makes if this process does not know it.
pub(super) fn get(folder: &Path, open: impl FnOnce() -> Journal) -> Arc<Journal> {
    let mut shelf = shelf();
    let shelf = shelf.get_or_insert_default();
    let journal = match shelf.known.get(folder).and_then(Weak::upgrade) {
        Some(journal) => journal,
        None => Arc::new(open()),
    };
    shelf.known.insert(folder.to_owned(), Arc::downgrade(&journal));
    shelf.recent.retain(|other| !Arc::ptr_eq(other, &journal));
    shelf.recent.push_back(Arc::clone(&journal));
    if shelf.recent.len() > REMEMBERED {
        shelf.recent.pop_front();
        shelf.known.retain(|_, journal| journal.strong_count() > 0);
    }
    journal
}

/// Forgets the journal in `folder`: it is no longer what it was.
pub(super) fn forget(journal: &Arc<Journal>) {
    let mut shelf = shelf();
    let Some(shelf) = &mut *shelf else { return };
    shelf.recent.retain(|other| !Arc::ptr_eq(other, journal));
    if shelf.known.get(journal.folder()).is_some_and(|known| known.ptr_eq(&Arc::downgrade(journal))) {
        shelf.known.remove(journal.folder());
    }
}

/// All journals in use.
#[cfg(feature = "python")]
pub(super) fn all() -> Vec<Arc<Journal>> {
    let shelf = shelf();
    shelf.iter().flat_map(|shelf| shelf.known.values().filter_map(Weak::upgrade)).collect()
}
