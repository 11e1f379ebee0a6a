//! The journal of one folder, as this process reads and writes it.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::claims::{self, ClaimOwner, Claims};
use super::damage::Damage;
use super::heartbeat::{self, Heartbeat};
use super::loaded::{LoadedJournal, Segment};
use super::paths::canonical;
use super::record::{self, EventKind, IntentDetails, Line, Row};
use super::runs::Runs;
use super::segment::{self, Flush, SegmentWriter};
use super::state::{Attempt, AttemptState, Entry};
use super::store::{Folder, Store};
use crate::error::{Error, JournalErrorKind, Result};
use crate::job::VideoJob;
use crate::pacing::RenderTimes;
use crate::process::{Liveness, Owner};
use crate::saved_file::Download;
use crate::threads::blocking;
use crate::wire::response::other_ids;

/// The name of a journal's folder inside the folder whose files it records.
pub const FOLDER: &str = ".vidjob";

/// How many canonical folders are cached.
const MAX_CACHED_FOLDERS: usize = 256;
/// Ages above this are checked against the clock of the file system.
const MAX_TRUSTED_AGE: Duration = Duration::from_secs(10 * 60);
/// How long an interrupted call may keep its item.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum time between a claim and its create. A process suspended for longer may count as dead, and its item as
/// unknown.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    loaded: Mutex<LoadedJournal>,
    /// Notified whenever an item is released.
    released: Notify,
    own: Mutex<Option<OwnSegment>>,
    /// Held while the own segment is created, so that there is only one.
    creating: tokio::sync::Mutex<()>,
    pub(super) claims: Claims,
    pub(super) runs: Runs,
}

#[derive(Debug, Clone)]
pub(super) struct OwnSegment {
    pub(super) writer: Arc<SegmentWriter>,
    pub(super) number: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct AttemptRef<'a> {
    /// Of the item.
    pub id: &'a str,
    /// The idempotency key.
    pub attempt: &'a str,
}

#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// The idempotency key.
    pub attempt: String,
    pub n: u32,
    /// The previous attempt.
    pub follows: Option<String>,
}

/// An item that this process works on, released on drop.
#[derive(Debug)]
pub struct Claim {
    journal: Arc<Journal>,
    id: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.journal.release(&self.id);
    }
}

impl Journal {
    pub(super) fn new(folder: &Path) -> Self {
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
        Self {
            folder: folder.to_owned(),
            loaded: Mutex::default(),
            released: Notify::new(),
            own: Mutex::default(),
            creating: tokio::sync::Mutex::default(),
            claims: Claims::new(Arc::clone(&store)),
            runs: Runs::new(store),
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that its paths are relative to.
    #[must_use]
    pub fn base_dir(&self) -> &Path {
        match self.folder.parent() {
            Some(parent) if self.folder.file_name().is_some_and(|name| name == FOLDER) => parent,
            _ => &self.folder,
        }
    }

    /// A path as written to the journal: independent of its spelling, and still valid when the folder is moved together
    /// with its files. Blocks.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        let path = self.canonical_file(path);
        pathdiff::diff_paths(&path, self.base_dir()).unwrap_or(path)
    }

    /// A path with a canonical folder. The file itself need not exist, and may be a link.
    fn canonical_file(&self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return canonical(path) };
        if !folder.is_absolute() {
            return canonical(folder).join(name);
        }
        if let Some(cached) = self.lock().canonical.get(folder) {
            return cached.join(name);
        }
        let found = canonical(folder);
        let file = found.join(name);
        if !found.is_dir() {
            // The folder may be created as a link later.
            return file;
        }
        let mut loaded = self.lock();
        // There may be thousands of folders.
        if loaded.canonical.len() == MAX_CACHED_FOLDERS {
            loaded.canonical.clear();
        }
        loaded.canonical.insert(folder.to_owned(), found);
        file
    }

    /// The absolute path of a path in the journal.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let mut whole = self.base_dir().to_owned();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => drop(whole.pop()),
                part => whole.push(part),
            }
        }
        whole
    }

    // ---- reading ------------------------------------------------------------------------------

    /// Reads new lines of other writers. Blocks.
    pub fn refresh(&self) -> Result<()> {
        let files = match std::fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.unreadable(&error)),
        };
        let mut paths: Vec<_> = files
            .filter_map(|file| {
                let file = file.ok()?;
                let path = file.path();
                path.extension().is_some_and(|extension| extension == segment::EXTENSION).then_some((path, file))
            })
            .collect();
        paths.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut loaded = self.lock();
        for (path, file) in paths {
            match loaded.read(&path, &file) {
                // Merged into another segment in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(|error| self.unreadable(&error))?,
            }
        }
        Ok(())
    }

    /// Reads claims without lines: their writers died in between, or the lines were lost.
    pub async fn adopt_claims(&self) -> Result<()> {
        let (known_keys, in_doubt) = {
            let loaded = self.lock();
            let is_in_doubt = |(id, entry): (&str, &Entry)| {
                let current =
                    entry.current().filter(|current| matches!(current.state, AttemptState::Unknown { .. }))?;
                Some((id.to_owned(), current.clone()))
            };
            let keys = loaded.state.entries().map(|(id, _)| claims::key(id)).collect();
            (keys, loaded.state.entries().filter_map(is_in_doubt).collect::<Vec<_>>())
        };
        let lines = self.claims.unknown(&known_keys).await.map_err(|error| self.unreadable(&error))?;
        for line in lines {
            self.adopt(line);
        }
        for (id, attempt) in in_doubt {
            self.refresh_attempt(&id, &attempt).await?;
        }
        Ok(())
    }

    /// Reads the claims of one item without lines.
    pub async fn adopt_claims_of(&self, id: &str) -> Result<()> {
        if self.entry(id).is_some_and(|entry| !entry.attempts.is_empty()) {
            return Ok(());
        }
        for line in self.claims.of_item(id).await.map_err(|error| self.unreadable(&error))? {
            self.adopt(line);
        }
        Ok(())
    }

    fn adopt(&self, line: Line) {
        let mut loaded = self.lock();
        if line.event == EventKind::Accepted {
            return loaded.state.apply(usize::MAX, line);
        }
        if line.event != EventKind::Intent {
            return loaded.state.apply_claim(usize::MAX, line);
        }
        loaded.segments.push(Segment {
            path: PathBuf::new(),
            offset: None,
            owner: line.owner.clone(),
            version: record::VERSION,
        });
        let number = loaded.segments.len() - 1;
        loaded.state.apply_claim(number, line);
    }

    #[must_use]
    pub fn entry(&self, id: &str) -> Option<Entry> {
        self.lock().state.entry(id).cloned()
    }

    /// All items, in the order of their first lines.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, Entry)> {
        self.lock().state.entries().map(|(id, entry)| (id.to_owned(), entry.clone())).collect()
    }

    /// The item of the same request for the same file under another ID: earlier versions derived IDs from paths without
    /// normalizing them.
    #[must_use]
    pub fn same_render(&self, id: &str, sha256: &str, path: &Path) -> Option<String> {
        let candidates: Vec<(String, PathBuf)> = {
            let loaded = self.lock();
            if loaded.state.entry(id).is_some() {
                return None;
            }
            let earlier = |(other, entry): (&str, &Entry)| {
                let order = &entry.current()?.order;
                let path = order.path.as_ref().filter(|path| path.is_absolute())?;
                let is_same =
                    order.request_sha256 == sha256 && other.ends_with(&id[id.rfind('#').unwrap_or_default()..]);
                is_same.then(|| (other.to_owned(), path.clone()))
            };
            loaded.state.entries().filter_map(earlier).collect()
        };
        candidates.into_iter().find(|(_, earlier)| self.is_same_file(earlier, path)).map(|(other, _)| other)
    }

    /// Whether an absolute path of an earlier version is the same file as `path`, also after the folder was moved or
    /// copied.
    fn is_same_file(&self, earlier: &Path, path: &Path) -> bool {
        let path = self.canonical_file(path);
        if self.canonical_file(earlier) == path {
            return true;
        }
        let Some(folder) = earlier.parent() else { return false };
        // A journal next to its files was moved together with them.
        let was_moved = !folder.exists() || folder.join(FOLDER).exists();
        was_moved && path.parent() == Some(self.base_dir()) && earlier.file_name() == path.file_name()
    }

    /// Claims a file for an item, unless a process works on another item with the same file.
    pub async fn claim_file(self: &Arc<Self>, id: &str, path: &Path) -> Result<Claim> {
        let claim = self.claim(&format!("file {}", path.display())).await?;
        let others: Vec<(String, Attempt)> = {
            let loaded = self.lock();
            let is_other = |(other, entry): (&str, &Entry)| {
                let current = entry.current()?;
                let is_open = other != id && current.state.is_open() && current.order.path.as_deref() == Some(path);
                is_open.then(|| (other.to_owned(), current.clone()))
            };
            loaded.state.entries().filter_map(is_other).collect()
        };
        for (other, attempt) in others {
            self.check_not_busy(&other, &attempt).await?;
        }
        Ok(claim)
    }

    /// All damaged lines.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.lock().damage.lines().to_vec()
    }

    /// The damaged line that may hide a purchase of this item.
    #[must_use]
    pub fn damage_of(&self, id: &str) -> Option<Damage> {
        let loaded = self.lock();
        loaded.damage.hiding(id, loaded.state.entry(id).is_some()).cloned()
    }

    /// Render times of the same kind as the job.
    #[must_use]
    pub fn render_times_of(&self, request_id: &str) -> Option<RenderTimes> {
        self.lock().state.render_times_of(request_id)
    }

    /// Refuses an item that another process works on.
    pub async fn check_not_busy(self: &Arc<Self>, id: &str, attempt: &Attempt) -> Result<()> {
        let own = self.own().map(|own| own.number);
        let Some(holder) = attempt.holder.filter(|holder| own != Some(*holder)) else { return Ok(()) };
        let of_segment = |segment: &Segment| (segment.owner.clone(), segment.path.clone(), segment.version);
        let Some((owner, path, version)) = self.lock().segments.get(holder).map(of_segment) else { return Ok(()) };
        let is_busy = match version {
            1 => blocking(move || Ok(segment::is_locked(&path))).await?,
            _ => self.is_alive(&owner).await?,
        };
        if is_busy { Err(already_running(&format!("{id:?}"), &owner, &self.folder)) } else { Ok(()) }
    }

    /// How long ago a job was accepted: the smaller age of the recorded time and of the file in the file system, as
    /// clocks may be wrong.
    pub async fn age_of(self: &Arc<Self>, attempt: &Attempt, accepted_at: f64) -> Option<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let age = now.checked_sub(Duration::try_from_secs_f64(accepted_at).ok()?)?;
        if age < MAX_TRUSTED_AGE {
            return Some(age);
        }
        let path = attempt.accepted_by.and_then(|number| Some(self.lock().segments.get(number)?.path.clone()));
        let folder = self.folder.clone();
        let measured = blocking(move || Ok(path.and_then(|path| heartbeat::age_of(&folder, &path)))).await;
        Some(measured.ok().flatten().map_or(age, |measured| age.min(measured)))
    }

    pub(super) async fn is_alive(self: &Arc<Self>, owner: &Owner) -> Result<bool> {
        let (journal, owner) = (Arc::clone(self), owner.clone());
        blocking(move || {
            Ok(match owner.liveness() {
                // The items of this process are in `active`.
                Liveness::Alive => !owner.is_this_process(),
                Liveness::Dead => false,
                Liveness::Remote => heartbeat::is_fresh(&journal.folder, &owner),
            })
        })
        .await
    }

    // ---- claims -------------------------------------------------------------------------------

    /// Claims an item within this process.
    pub async fn claim(self: &Arc<Self>, id: &str) -> Result<Claim> {
        let claimed = async {
            loop {
                let released = self.released.notified();
                if self.lock().active.insert(id.to_owned()) {
                    return;
                }
                released.await;
            }
        };
        if tokio::time::timeout(RELEASE_TIMEOUT, claimed).await.is_err() {
            return Err(already_running(&format!("{id:?}"), &Owner::this_process(), &self.folder));
        }
        self.enter();
        Ok(Claim { journal: Arc::clone(self), id: id.to_owned() })
    }

    /// Records that this process continues an attempt of another one.
    pub async fn take_over(&self, which: AttemptRef<'_>) -> Result<()> {
        self.append(about(which, EventKind::Claimed), Flush::ToSystem).await
    }

    /// Records that this process stopped working on an unfinished item.
    fn release(&self, id: &str) {
        if let Some(own) = self.own() {
            let mut loaded = self.lock();
            let held =
                loaded.state.entry(id).and_then(Entry::current).filter(|attempt| attempt.holder == Some(own.number));
            if let Some(attempt) = held.filter(|attempt| attempt.state.is_open()) {
                let line = about(AttemptRef { id, attempt: &attempt.name }, EventKind::Released);
                loaded.state.apply(own.number, line.clone());
                drop(loaded);
                // On failure, others wait for this process longer than necessary.
                let _ = own.writer.begin_append(&line, Flush::ToSystem);
            }
        }
        self.lock().active.remove(id);
        self.released.notify_waiters();
        self.leave();
    }

    /// Keeps the segment open and the heartbeat running while items are in progress.
    pub(super) fn enter(&self) {
        if let Some(own) = self.own() {
            own.writer.enter();
        }
        let mut loaded = self.lock();
        if loaded.heartbeat.is_none() {
            loaded.heartbeat = Heartbeat::start(&self.folder);
        }
    }

    fn leave(&self) {
        if let Some(own) = self.own() {
            own.writer.leave();
        }
        let mut loaded = self.lock();
        if loaded.active.is_empty() && !loaded.has_run {
            loaded.heartbeat = None;
        }
    }

    /// Removes temporary files of ended processes from the journal and from the folders of unfinished items. Blocks.
    pub(super) fn remove_abandoned(&self) {
        let unfinished = |(_, entry): (&str, &Entry)| {
            let current = entry.current().filter(|attempt| attempt.state.is_open())?;
            Some(self.absolute(current.order.path.as_ref()?).parent()?.to_owned())
        };
        let mut folders: HashSet<_> = self.lock().state.entries().filter_map(unfinished).collect();
        folders.insert(self.folder.clone());
        for folder in &folders {
            crate::process::remove_abandoned(folder);
        }
    }

    /// Replaces segments that were merged into a new one.
    pub(super) fn replace(&self, old: &[PathBuf], new: &Path, version: u8) {
        let mut loaded = self.lock();
        for path in old {
            if let Some(segment) = loaded.by_path.remove(path).and_then(|at| loaded.segments.get_mut(at)) {
                segment.offset = None;
            }
        }
        let number = loaded.segments.len();
        loaded.by_path.insert(new.to_owned(), number);
        let owner = Owner::default();
        loaded.segments.push(Segment { path: new.to_owned(), offset: None, owner, version });
    }

    pub(super) fn end_run(&self) {
        self.lock().has_run = false;
        self.leave();
    }

    // ---- writing ------------------------------------------------------------------------------

    /// Claims an attempt and writes its intent to the disk. `false` means that another process claimed it first.
    pub async fn begin(&self, id: &str, next: &NewAttempt, order: IntentDetails, row: Option<Row>) -> Result<bool> {
        let intent = Line {
            order: Some(order),
            n: Some(next.n),
            follows: next.follows.clone(),
            owner: Owner::this_process(),
            ..about(AttemptRef { id, attempt: &next.attempt }, EventKind::Intent)
        }
        .of_row(row);
        match self.claims.acquire(next.n, &intent).await.map_err(|error| self.unwritable(&error))? {
            ClaimOwner::Mine => {}
            ClaimOwner::Theirs(line) => {
                self.adopt(*line);
                return Ok(false);
            }
        }
        let written = self.append(intent, Flush::ToDisk).await;
        if written.is_err() {
            // Nothing was sent, so another call may claim the attempt.
            let _ = self.claims.release(id, next.n).await;
        }
        written.map(|()| true)
    }

    /// Whether attempt `n` may still be sent.
    pub async fn may_send(&self, id: &str, n: u32) -> Result<bool> {
        self.claims.is_superseded(id, n).await.map(|is_late| !is_late).map_err(|error| self.unwritable(&error))
    }

    /// Writes the intent of a create without an item to the disk.
    pub async fn intent(&self, which: AttemptRef<'_>, order: IntentDetails) -> Result<()> {
        self.append(Line { order: Some(order), ..about(which, EventKind::Intent) }, Flush::ToDisk).await
    }

    /// Writes an acceptance to the disk, for a job that this process does not poll on behalf of the journal.
    pub async fn accepted_and_released(&self, which: AttemptRef<'_>, job: &VideoJob) -> Result<()> {
        self.accepted(which, job, None).await?;
        // On failure, others wait for this process longer than necessary.
        let _ = self.append(about(which, EventKind::Released), Flush::ToSystem).await;
        Ok(())
    }

    /// Writes an acceptance to the disk. On failure the line stays in memory and is retried.
    pub async fn accepted(&self, which: AttemptRef<'_>, job: &VideoJob, n: Option<u32>) -> Result<()> {
        let (request_id, other_ids) = (Some(job.request_id.clone()), other_ids(job));
        let line = Line { n, request_id, other_ids, ..about(which, EventKind::Accepted) };
        let Err(error) = self.append(line.clone(), Flush::ToDisk).await else { return Ok(()) };
        // Another file may be writable when the segment is not.
        let _ = self.claims.save_accepted(&line).await;
        Err(error.with_request_id(&job.request_id))
    }

    /// Records that a create was refused, or that its outcome is unknown.
    pub async fn rejected(&self, which: AttemptRef<'_>, error: &Error) -> Result<()> {
        let kind = if matches!(error, Error::SubmitUnknown { .. }) { EventKind::Unknown } else { EventKind::Refused };
        let request_id = match error {
            Error::SubmitUnknown { request_id, .. } => request_id.clone(),
            _ => None,
        };
        let line = Line { error: Some(error.to_string()), request_id, ..about(which, kind) };
        self.append(line, Flush::ToSystem).await
    }

    /// Records the changed row of an item.
    pub fn described(&self, id: &str, row: &Row) {
        let Some(own) = self.own() else { return };
        let line = Line { id: id.to_owned(), ..Line::new(EventKind::Described) }.of_row(Some(row.clone()));
        // Only outputs depend on them.
        let _ = own.writer.begin_append(&line, Flush::ToSystem);
        self.lock().state.apply(own.number, line);
    }

    /// Records the end of a job. Jobs that are not in the journal are ignored.
    ///
    /// Boxed to keep the futures of thousands of waits small.
    pub fn terminal<'a>(
        &'a self,
        job: &'a VideoJob,
        render_time: Option<Duration>,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let Some((id, attempt, other_ids)) = self.unfinished(job) else { return Ok(()) };
            // The raw response is long, and not needed again.
            let job = VideoJob { raw: None, ..job.clone() }.also_named(&other_ids);
            let which = AttemptRef { id: &id, attempt: &attempt };
            let line = Line {
                request_id: Some(job.request_id.clone()),
                job: Some(Box::new(job)),
                render_seconds: render_time.map(|time| time.as_secs_f64()),
                ..about(which, EventKind::Terminal)
            };
            self.append(line, Flush::ToSystem).await
        })
    }

    /// Records the file of a job.
    pub async fn saved(self: &Arc<Self>, request_id: &str, file: &Download) -> Result<()> {
        let Some((id, attempt)) = self.attempt_of(request_id) else { return Ok(()) };
        let (journal, path) = (Arc::clone(self), file.path.clone());
        let path = blocking(move || Ok(journal.relative(&path))).await?;
        let line = Line {
            request_id: Some(request_id.to_owned()),
            path: Some(path),
            bytes: Some(file.bytes),
            sha256: Some(file.sha256.clone()),
            content_type: file.content_type.clone(),
            ..about(AttemptRef { id: &id, attempt: &attempt }, EventKind::Saved)
        };
        self.append(line, Flush::ToSystem).await
    }

    /// Updates an attempt with unknown outcome: its acceptance may be stored outside the segment, or its claim released.
    pub async fn refresh_attempt(&self, id: &str, attempt: &Attempt) -> Result<()> {
        let n = attempt.n.unwrap_or(claims::FIRST);
        if let Some(line) = self.claims.accepted(id, n).await.map_err(|error| self.unreadable(&error))? {
            self.adopt(line);
        } else if attempt.is_only_claimed
            && !self.claims.exists(id, n).await.map_err(|error| self.unreadable(&error))?
        {
            self.lock().state.remove_claim(id, &attempt.name);
        }
        Ok(())
    }

    /// Item, attempt and other IDs of a job that is not known to have ended.
    fn unfinished(&self, job: &VideoJob) -> Option<(String, String, Vec<String>)> {
        let loaded = self.lock();
        let (id, attempt) = loaded.state.of_job(&job.request_id)?;
        let other_ids = match &attempt.state {
            AttemptState::Accepted { other_ids, .. } => other_ids.clone(),
            AttemptState::Unknown { .. } => other_ids(job),
            _ => return None,
        };
        Some((id.to_owned(), attempt.name.clone(), other_ids))
    }

    fn attempt_of(&self, request_id: &str) -> Option<(String, String)> {
        let loaded = self.lock();
        loaded.state.of_job(request_id).map(|(id, attempt)| (id.to_owned(), attempt.name.clone()))
    }

    async fn append(&self, line: Line, flush: Flush) -> Result<()> {
        let own = self.own_or_begin().await?;
        let written = own.writer.append(&line, flush).await.map_err(|error| self.unwritable(&error));
        // Facts count in this process even if they could not be written.
        if written.is_ok() || !matches!(line.event, EventKind::Intent | EventKind::Claimed) {
            self.lock().state.apply(own.number, line);
        }
        written
    }

    pub(super) fn own(&self) -> Option<OwnSegment> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn own_or_begin(&self) -> Result<OwnSegment> {
        if let Some(own) = self.own() {
            return Ok(own);
        }
        let _alone = self.creating.lock().await;
        if let Some(own) = self.own() {
            return Ok(own);
        }
        let folder = self.folder.clone();
        let writer = tokio::task::spawn_blocking(move || SegmentWriter::begin(&folder, &Owner::this_process()))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
            .map_err(|error| self.unwritable(&error))?;
        let mut loaded = self.lock();
        let users = loaded.active.len() + usize::from(loaded.has_run);
        (0..users).for_each(|_| writer.enter());
        let (path, number) = (writer.path.clone(), loaded.segments.len());
        loaded.by_path.insert(path.clone(), number);
        loaded.segments.push(Segment { path, offset: None, owner: Owner::this_process(), version: record::VERSION });
        let own = OwnSegment { writer: Arc::new(writer), number };
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(own.clone());
        Ok(own)
    }

    /// Whether the folder was neither removed nor replaced since the last use.
    pub(super) fn is_usable(&self) -> bool {
        let is_idle = {
            let loaded = self.lock();
            loaded.active.is_empty() && !loaded.has_run
        };
        match self.own() {
            Some(own) => !is_idle || !own.writer.is_idle() || own.writer.is_in_place(),
            // Only read so far: the files that were read must still exist.
            None => !is_idle || self.lock().segments.first().is_none_or(|segment| segment.path.exists()),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LoadedJournal> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let message = format!("the journal in {} cannot be read: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, message, error.raw_os_error())
    }

    pub(super) fn unwritable(&self, error: &io::Error) -> Error {
        let message = format!("the journal in {} cannot be written: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, message, error.raw_os_error())
    }
}

pub(super) fn about(which: AttemptRef<'_>, event: EventKind) -> Line {
    Line { id: which.id.to_owned(), attempt: which.attempt.to_owned(), ..Line::new(event) }
}

/// What runs in a folder, for messages.
pub(super) const BATCH: &str = "a batch";

pub(super) fn already_running(what: &str, owner: &Owner, folder: &Path) -> Error {
    let is_own_batch = what == BATCH && owner.is_this_process();
    let hint = if is_own_batch { "read that one to its end, or close it" } else { "wait until it has ended" };
    let message =
        format!("{what} is already running ({}) with the journal in {}; {hint}", owner.description(), folder.display());
    Error::journal(JournalErrorKind::AlreadyRunning, message, None)
}
