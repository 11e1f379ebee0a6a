//! The journal of one folder, as this process reads and writes it.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::error::{Error, JournalErrorKind, Result};
use crate::job::VideoJob;
use crate::pacing::RenderTimes;
use crate::process::{Liveness, Owner};
use crate::saved_file::Download;
use crate::threads::blocking;
use crate::wire::response::other_ids;

use super::claims::{self, ClaimOwner, Claims};
use super::damage::Damage;
use super::heartbeat::{self, Heartbeat};
use super::loaded::{Loaded, Segment};
use super::paths::canonical;
use super::record::{self, Columns, IntentDetails, Kind, Line};
use super::runs::Runs;
use super::segment::{self, Flush, Writer};
use super::state::{Attempt, AttemptState, Entry};
use super::store::{Folder, Store};

/// The name of a journal's folder inside the folder whose files it records.
pub const FOLDER: &str = ".vidjob";

/// How many folders are remembered by what they are called.
const FOLDERS_REMEMBERED: usize = 256;
/// An age beyond which it matters whose clock it was measured by.
const AGE_IN_DOUBT: Duration = Duration::from_secs(10 * 60);
/// How long a call that was interrupted may hold on to its item.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest that may pass between a claim and the sending: a process that was stopped in between may be taken for
/// dead, and its item for unknown.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// A journal, as this process knows and writes it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    loaded: Mutex<Loaded>,
    /// Told whenever an item is released.
    released: Notify,
    own: Mutex<Option<Own>>,
    /// Held while a segment is begun, so that there is one.
    beginning: tokio::sync::Mutex<()>,
    pub(super) claims: Claims,
    pub(super) runs: Runs,
}

#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) writer: Arc<Writer>,
    pub(super) number: usize,
}

/// Which attempt a line is about.
#[derive(Debug, Clone, Copy)]
pub struct AttemptRef<'a> {
    /// The item.
    pub id: &'a str,
    /// The name that the create was sent under.
    pub attempt: &'a str,
}

/// An attempt that is about to be made.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// The name that the create will be sent under.
    pub attempt: String,
    /// Its number.
    pub n: u32,
    /// The attempt that it follows.
    pub follows: Option<String>,
}

/// An item that this process is at work on.
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
            beginning: tokio::sync::Mutex::default(),
            claims: Claims::new(Arc::clone(&store)),
            runs: Runs::new(store),
        }
    }

    /// Where its lines are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that its paths start from.
    #[must_use]
    pub fn base_dir(&self) -> &Path {
        match self.folder.parent() {
            Some(parent) if self.folder.file_name().is_some_and(|name| name == FOLDER) => parent,
            _ => &self.folder,
        }
    }

    /// A path as it stands in the journal: the same however it is spelled, and good wherever the folder is moved to
    /// together with what lies around it. Blocks.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        let path = self.canonical_file(path);
        pathdiff::diff_paths(&path, self.base_dir()).unwrap_or(path)
    }

    /// A file's path in its canonical folder: the file itself need not be there, and may be a link.
    fn canonical_file(&self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return canonical(path) };
        if !folder.is_absolute() {
            return canonical(folder).join(name);
        }
        if let Some(loaded) = self.lock().canonical.get(folder) {
            return loaded.join(name);
        }
        let found = canonical(folder);
        let file = found.join(name);
        if !found.is_dir() {
            // It may yet become a link.
            return file;
        }
        let mut loaded = self.lock();
        // Thousands of items have one folder, or each its own.
        if loaded.canonical.len() == FOLDERS_REMEMBERED {
            loaded.canonical.clear();
        }
        loaded.canonical.insert(folder.to_owned(), found);
        file
    }

    /// A path of the journal, from here.
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

    /// Reads what others have written since. Blocks.
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
                // Merged into another in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(|error| self.unreadable(&error))?,
            }
        }
        Ok(())
    }

    /// Reads claims whose lines are not known: their writers died just then, or their lines are gone.
    pub async fn adopt_claims(&self) -> Result<()> {
        let (loaded, in_doubt) = {
            let loaded = self.lock();
            let is_in_doubt = |(id, entry): (&str, &Entry)| {
                let current =
                    entry.current().filter(|current| matches!(current.state, AttemptState::Unknown { .. }))?;
                Some((id.to_owned(), current.clone()))
            };
            let keys = loaded.state.entries().map(|(id, _)| claims::key(id)).collect();
            (keys, loaded.state.entries().filter_map(is_in_doubt).collect::<Vec<_>>())
        };
        let lines = self.claims.unknown(&loaded).await.map_err(|error| self.unreadable(&error))?;
        for record in lines {
            self.adopt(record);
        }
        for (id, attempt) in in_doubt {
            self.look_again(&id, &attempt).await?;
        }
        Ok(())
    }

    /// Reads the claims of one item of which no line is known.
    pub async fn adopt_claims_of(&self, id: &str) -> Result<()> {
        if self.entry(id).is_some_and(|entry| !entry.attempts.is_empty()) {
            return Ok(());
        }
        for record in self.claims.of_item(id).await.map_err(|error| self.unreadable(&error))? {
            self.adopt(record);
        }
        Ok(())
    }

    fn adopt(&self, record: Line) {
        let mut loaded = self.lock();
        if record.event == Kind::Accepted {
            return loaded.state.take(usize::MAX, record);
        }
        if record.event != Kind::Intent {
            return loaded.state.take_claim(usize::MAX, record);
        }
        loaded.segments.push(Segment {
            path: PathBuf::new(),
            offset: None,
            owner: record.owner.clone(),
            version: record::VERSION,
        });
        let number = loaded.segments.len() - 1;
        loaded.state.take_claim(number, record);
    }

    /// What is known of one item.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<Entry> {
        self.lock().state.entry(id).cloned()
    }

    /// What is known of all items, in the order of their first lines.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, Entry)> {
        self.lock().state.entries().map(|(id, entry)| (id.to_owned(), entry.clone())).collect()
    }

    /// The item under which the same request for the same file was bought before, if it has another name: earlier
    /// versions named items by paths as they were spelled.
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

    /// Whether an absolute path of an earlier version is that of `path`, also after the folder was moved or copied.
    fn is_same_file(&self, earlier: &Path, path: &Path) -> bool {
        let path = self.canonical_file(path);
        if self.canonical_file(earlier) == path {
            return true;
        }
        let Some(folder) = earlier.parent() else { return false };
        // A journal that lies beside its files came along with them.
        let was_beside = !folder.exists() || folder.join(FOLDER).exists();
        was_beside && path.parent() == Some(self.base_dir()) && earlier.file_name() == path.file_name()
    }

    /// Takes a file on for an item, unless it is that of another item at which somebody is at work.
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

    /// The lines that are not as they were written.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.lock().damage.lines().to_vec()
    }

    /// The damaged line that may hide a purchase of this item.
    #[must_use]
    pub fn damage_of(&self, id: &str) -> Option<Damage> {
        let loaded = self.lock();
        loaded.damage.hides(id, loaded.state.entry(id).is_some()).cloned()
    }

    /// How long renders like the one that bought a job took, if that is known.
    #[must_use]
    pub fn render_times_of(&self, request_id: &str) -> Option<RenderTimes> {
        self.lock().state.render_times_of(request_id)
    }

    /// Refuses an item on which another process is at work.
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

    /// How long ago a job was accepted: by the clock that was written down, or by that of the file system where this
    /// has run for less.
    pub async fn age_of(self: &Arc<Self>, attempt: &Attempt, accepted_at: f64) -> Option<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let age = now.checked_sub(Duration::try_from_secs_f64(accepted_at).ok()?)?;
        if age < AGE_IN_DOUBT {
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
                // What this process is at is known without asking.
                Liveness::Alive => !owner.is_this_process(),
                Liveness::Dead => false,
                Liveness::Remote => heartbeat::is_fresh(&journal.folder, &owner),
            })
        })
        .await
    }

    // ---- whose turn it is ---------------------------------------------------------------------

    /// Takes an item on, unless this process is at it.
    pub async fn claim(self: &Arc<Self>, id: &str) -> Result<Claim> {
        let taken = async {
            loop {
                let released = self.released.notified();
                if self.lock().active.insert(id.to_owned()) {
                    return;
                }
                released.await;
            }
        };
        if tokio::time::timeout(RELEASE_TIMEOUT, taken).await.is_err() {
            return Err(already_running(&format!("{id:?}"), &Owner::this_process(), &self.folder));
        }
        self.enter();
        Ok(Claim { journal: Arc::clone(self), id: id.to_owned() })
    }

    /// Tells others that this process goes on with an attempt that another one began.
    pub async fn take_over(&self, which: AttemptRef<'_>) -> Result<()> {
        self.append(about(which, Kind::Claimed), Flush::ToSystem).await
    }

    /// Tells others that this process is no longer at an item which is not at its end.
    fn release(&self, id: &str) {
        if let Some(own) = self.own() {
            let mut loaded = self.lock();
            let held =
                loaded.state.entry(id).and_then(Entry::current).filter(|attempt| attempt.holder == Some(own.number));
            if let Some(attempt) = held.filter(|attempt| attempt.state.is_open()) {
                let record = about(AttemptRef { id, attempt: &attempt.name }, Kind::Released);
                loaded.state.take(own.number, record.clone());
                drop(loaded);
                // Without it others would take this process's word for longer than they need, and no more.
                let _ = own.writer.begin_append(&record, Flush::ToSystem);
            }
        }
        self.lock().active.remove(id);
        self.released.notify_waiters();
        self.leave();
    }

    /// Keeps the segment open and the heartbeat going while somebody is at work.
    pub(super) fn enter(&self) {
        if let Some(own) = self.own() {
            own.writer.enter();
        }
        let mut loaded = self.lock();
        if loaded.heartbeat.is_none() {
            loaded.heartbeat = Heartbeat::begin(&self.folder);
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

    /// Removes what processes that ended left half written: here, and where the files of unfinished items go. Blocks.
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

    /// Takes note of segments that were merged into a new one.
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

    /// Claims an attempt and announces it; on the disk when this returns. `false` means that somebody else was first.
    pub async fn begin(
        &self,
        id: &str,
        next: &NewAttempt,
        order: IntentDetails,
        columns: Option<Columns>,
    ) -> Result<bool> {
        let intent = Line {
            order: Some(order),
            columns,
            n: Some(next.n),
            follows: next.follows.clone(),
            owner: Owner::this_process(),
            ..about(AttemptRef { id, attempt: &next.attempt }, Kind::Intent)
        };
        match self.claims.take(next.n, &intent).await.map_err(|error| self.unwritable(&error))? {
            ClaimOwner::Mine => {}
            ClaimOwner::Theirs(record) => {
                self.adopt(*record);
                return Ok(false);
            }
        }
        let written = self.append(intent, Flush::ToDisk).await;
        if written.is_err() {
            // Nothing was sent: the next call may try again.
            let _ = self.claims.give_up(id, next.n).await;
        }
        written.map(|()| true)
    }

    /// Whether attempt `n` may still be sent.
    pub async fn may_send(&self, id: &str, n: u32) -> Result<bool> {
        self.claims.is_superseded(id, n).await.map(|is_late| !is_late).map_err(|error| self.unwritable(&error))
    }

    /// A create without an item is about to be sent. On the disk when this returns.
    pub async fn intent(&self, which: AttemptRef<'_>, order: IntentDetails) -> Result<()> {
        self.append(Line { order: Some(order), ..about(which, Kind::Intent) }, Flush::ToDisk).await
    }

    /// A create was accepted, and nobody here follows the job for this journal. On the disk when this returns.
    pub async fn accepted_and_released(&self, which: AttemptRef<'_>, job: &VideoJob) -> Result<()> {
        self.accepted(which, job, None).await?;
        // Without it others would take this process's word for longer than they need, and no more.
        let _ = self.append(about(which, Kind::Released), Flush::ToSystem).await;
        Ok(())
    }

    /// A create was accepted. On the disk when this returns; if it cannot be, it is kept in memory and written as soon
    /// as the disk allows.
    pub async fn accepted(&self, which: AttemptRef<'_>, job: &VideoJob, n: Option<u32>) -> Result<()> {
        let (request_id, other_ids) = (Some(job.request_id.clone()), other_ids(job));
        let record = Line { n, request_id, other_ids, ..about(which, Kind::Accepted) };
        let Err(error) = self.append(record.clone(), Flush::ToDisk).await else { return Ok(()) };
        // Another file may have room where the journal's has none.
        let _ = self.claims.keep_accepted(&record).await;
        Err(error.with_request_id(&job.request_id))
    }

    /// A create came to nothing.
    pub async fn rejected(&self, which: AttemptRef<'_>, error: &Error) -> Result<()> {
        let kind = if matches!(error, Error::SubmitUnknown { .. }) { Kind::Unknown } else { Kind::Refused };
        let request_id = match error {
            Error::SubmitUnknown { request_id, .. } => request_id.clone(),
            _ => None,
        };
        let record = Line { error: Some(error.to_string()), request_id, ..about(which, kind) };
        self.append(record, Flush::ToSystem).await
    }

    /// The columns of an item are others than before.
    pub fn described(&self, id: &str, columns: &Columns) {
        let Some(own) = self.own() else { return };
        let record = Line { id: id.to_owned(), columns: Some(columns.clone()), ..Line::new(Kind::Described) };
        // Outputs repeat them, and nothing else depends on them.
        let _ = own.writer.begin_append(&record, Flush::ToSystem);
        self.lock().state.take(own.number, record);
    }

    /// A job is over, after a time that is known or is not. Jobs that were not bought under this journal are none of
    /// its business.
    ///
    /// Boxed: it is needed at the end of a wait alone, and thousands wait.
    pub fn terminal<'a>(
        &'a self,
        job: &'a VideoJob,
        render_time: Option<Duration>,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            let Some((id, attempt, names)) = self.unfinished(job) else { return Ok(()) };
            // The answer as it was received is long, and is nobody's need again.
            let job = VideoJob { raw: None, ..job.clone() }.also_named(&names);
            let which = AttemptRef { id: &id, attempt: &attempt };
            let record = Line {
                request_id: Some(job.request_id.clone()),
                job: Some(Box::new(job)),
                render_seconds: render_time.map(|time| time.as_secs_f64()),
                ..about(which, Kind::Terminal)
            };
            self.append(record, Flush::ToSystem).await
        })
    }

    /// The file of a job was kept.
    pub async fn saved(self: &Arc<Self>, request_id: &str, file: &Download) -> Result<()> {
        let Some((id, attempt)) = self.attempt_of(request_id) else { return Ok(()) };
        let (journal, path) = (Arc::clone(self), file.path.clone());
        let path = blocking(move || Ok(journal.relative(&path))).await?;
        let record = Line {
            request_id: Some(request_id.to_owned()),
            path: Some(path),
            bytes: Some(file.bytes),
            sha256: Some(file.sha256.clone()),
            content_type: file.content_type.clone(),
            ..about(AttemptRef { id: &id, attempt: &attempt }, Kind::Saved)
        };
        self.append(record, Flush::ToSystem).await
    }

    /// Looks again at an attempt without an outcome: its acceptance may stand where the journal's file could not take
    /// it, and its claim may have been given up.
    pub async fn look_again(&self, id: &str, attempt: &Attempt) -> Result<()> {
        let n = attempt.n.unwrap_or(claims::FIRST);
        if let Some(record) = self.claims.accepted(id, n).await.map_err(|error| self.unreadable(&error))? {
            self.adopt(record);
        } else if attempt.is_only_claimed
            && !self.claims.is_there(id, n).await.map_err(|error| self.unreadable(&error))?
        {
            self.lock().state.forget_claim(id, &attempt.name);
        }
        Ok(())
    }

    /// The attempt that bought a job which is not over as far as is known, and the job's other ids.
    fn unfinished(&self, job: &VideoJob) -> Option<(String, String, Vec<String>)> {
        let loaded = self.lock();
        let (id, attempt) = loaded.state.of_job(&job.request_id)?;
        let names = match &attempt.state {
            AttemptState::Accepted { other_ids, .. } => other_ids.clone(),
            AttemptState::Unknown { .. } => other_ids(job),
            _ => return None,
        };
        Some((id.to_owned(), attempt.name.clone(), names))
    }

    fn attempt_of(&self, request_id: &str) -> Option<(String, String)> {
        let loaded = self.lock();
        loaded.state.of_job(request_id).map(|(id, attempt)| (id.to_owned(), attempt.name.clone()))
    }

    async fn append(&self, record: Line, flush: Flush) -> Result<()> {
        let own = self.own_or_begin().await?;
        let written = own.writer.append(&record, flush).await.map_err(|error| self.unwritable(&error));
        // What has happened is known here, whether or not it could be written.
        if written.is_ok() || !matches!(record.event, Kind::Intent | Kind::Claimed) {
            self.lock().state.take(own.number, record);
        }
        written
    }

    pub(super) fn own(&self) -> Option<Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn own_or_begin(&self) -> Result<Own> {
        if let Some(own) = self.own() {
            return Ok(own);
        }
        let _alone = self.beginning.lock().await;
        if let Some(own) = self.own() {
            return Ok(own);
        }
        let folder = self.folder.clone();
        let writer = tokio::task::spawn_blocking(move || Writer::begin(&folder, &Owner::this_process()))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
            .map_err(|error| self.unwritable(&error))?;
        let mut loaded = self.lock();
        let users = loaded.active.len() + usize::from(loaded.has_run);
        (0..users).for_each(|_| writer.enter());
        let (path, number) = (writer.path.clone(), loaded.segments.len());
        loaded.by_path.insert(path.clone(), number);
        loaded.segments.push(Segment { path, offset: None, owner: Owner::this_process(), version: record::VERSION });
        let own = Own { writer: Arc::new(writer), number };
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(own.clone());
        Ok(own)
    }

    /// Whether its folder is as it was left.
    pub(super) fn is_usable(&self) -> bool {
        let is_idle = {
            let loaded = self.lock();
            loaded.active.is_empty() && !loaded.has_run
        };
        match self.own() {
            Some(own) => !is_idle || !own.writer.is_settled() || own.writer.is_in_place(),
            // Read, and not written yet: the files that were read must still be there.
            None => !is_idle || self.lock().segments.first().is_none_or(|segment| segment.path.exists()),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let words = format!("the journal in {} cannot be read: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, words, error.raw_os_error())
    }

    pub(super) fn unwritable(&self, error: &io::Error) -> Error {
        let words = format!("the journal in {} cannot be written: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, words, error.raw_os_error())
    }
}

pub(super) fn about(which: AttemptRef<'_>, event: Kind) -> Line {
    Line { id: which.id.to_owned(), attempt: which.attempt.to_owned(), ..Line::new(event) }
}

pub(super) fn already_running(what: &str, owner: &Owner, folder: &Path) -> Error {
    let words = format!("{what} is already running ({}), by the journal in {}", owner.words(), folder.display());
    Error::journal(JournalErrorKind::AlreadyRunning, words, None)
}
