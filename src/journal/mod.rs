//! The memory of what was bought: an append-only folder of JSON lines, one file for each writer, and the claims that
//! keep writers apart.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::download::Download;
use crate::error::{Error, JournalErrorKind, Result};
use crate::job::VideoJob;
use crate::offload::blocking;
use crate::pacing::RenderTimes;
use crate::process::{Liveness, Owner};

mod claims;
mod damage;
mod fold;
mod heartbeat;
mod line;
mod merge;
mod registry;
mod runs;
mod segment;
mod store;
mod times;

pub use damage::Damage;
pub use fold::{Attempt, Entry, State};
pub use line::{Columns, Kind, Line, Order};

use claims::{Claims, Taken};
use damage::Damaged;
use fold::Fold;
use heartbeat::Heartbeat;
use runs::Runs;
use segment::{Flush, Writer};
use store::{Created, Folder, Store};

/// The name of a journal's folder inside the folder whose files it tells of.
pub const FOLDER: &str = ".vidjob";

/// How long a call that was interrupted may hold on to its item.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest that may pass between a claim and the sending: a process that was stopped in between may be taken for
/// dead, and its item for unknown.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// A journal, as this process knows and writes it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    known: Mutex<Known>,
    /// Told whenever an item is released.
    released: Notify,
    own: Mutex<Option<Own>>,
    /// Held while a segment is begun, so that there is one.
    beginning: tokio::sync::Mutex<()>,
    claims: Claims,
    runs: Runs,
}

#[derive(Debug, Default)]
struct Known {
    fold: Fold,
    segments: Vec<Segment>,
    by_path: HashMap<PathBuf, usize>,
    damage: Damaged,
    /// What this process is at work on.
    active: HashSet<String>,
    /// Whether this process works through the folder.
    has_run: bool,
    heartbeat: Option<Heartbeat>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// How far it was read, in bytes and lines; of the own one nothing needs to be.
    offset: Option<(u64, u64)>,
    owner: Owner,
    version: u8,
}

#[derive(Debug, Clone)]
struct Own {
    writer: Arc<Writer>,
    number: usize,
}

/// Which attempt a line is about.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The item.
    pub id: &'a str,
    /// The name that the create was sent under.
    pub attempt: &'a str,
}

/// An attempt that is about to be made.
#[derive(Debug, Clone)]
pub struct Next {
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

/// The right to work through a whole folder, as long as it lives.
#[derive(Debug)]
pub struct Run {
    journal: Arc<Journal>,
    number: u64,
    has_ended: AtomicBool,
}

impl Run {
    /// Whether another run has taken over, as it may when this process stood still for long.
    pub(crate) async fn is_superseded(&self) -> Result<bool> {
        self.journal.runs.is_superseded(self.number).await.map_err(|error| self.journal.unwritable(&error))
    }

    /// Ends the run: tidies the journal up and lets others begin theirs.
    pub(crate) async fn end(&self) {
        let journal = Arc::clone(&self.journal);
        // What is not merged now is merged later.
        let _ = blocking(move || merge::merge(&journal).map_err(|error| journal.unwritable(&error))).await;
        let has_ended = self.journal.runs.end(self.number).await.is_ok();
        if has_ended && !self.has_ended.swap(true, Ordering::SeqCst) {
            self.journal.end_run();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.has_ended.swap(true, Ordering::SeqCst) {
            return;
        }
        self.journal.end_run();
        let (runs, number) = (self.journal.runs.clone(), self.number);
        let end = async move { drop(runs.end(number).await) };
        // Without a runtime this process must end before others may begin.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(end);
        }
    }
}

impl Journal {
    /// The journal in `folder`, which need not exist yet. Blocks.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let folder = canonical(folder);
        let journal = registry::get(&folder, || Self::new(&folder));
        if journal.is_usable() {
            journal.refresh()?;
            return Ok(journal);
        }
        // The folder was removed or replaced while nobody was at work in it.
        registry::forget(&journal);
        let journal = registry::get(&folder, || Self::new(&folder));
        journal.refresh()?;
        Ok(journal)
    }

    /// The journal of the files in `folder`. Blocks.
    pub fn beside(folder: &Path) -> Result<Arc<Self>> {
        Self::open(&canonical(folder).join(FOLDER))
    }

    fn new(folder: &Path) -> Self {
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
        Self {
            folder: folder.to_owned(),
            known: Mutex::default(),
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
    pub fn home(&self) -> &Path {
        match self.folder.parent() {
            Some(parent) if self.folder.file_name().is_some_and(|name| name == FOLDER) => parent,
            _ => &self.folder,
        }
    }

    /// A path as it stands in the journal: the same however it is spelled, and good wherever the folder is moved to
    /// together with what lies around it. Blocks.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        let path = canonical_file(path);
        pathdiff::diff_paths(&path, self.home()).unwrap_or(path)
    }

    /// A path of the journal, from here.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let mut whole = self.home().to_owned();
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
        let mut known = self.lock();
        for (path, file) in paths {
            match known.read(&path, &file) {
                // Merged into another in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(|error| self.unreadable(&error))?,
            }
        }
        Ok(())
    }

    /// Reads claims whose lines are not known: their writers died just then, or their lines are gone.
    pub async fn adopt_claims(&self) -> Result<()> {
        let known = self.lock().fold.entries().map(|(id, _)| claims::key(id)).collect();
        let lines = self.claims.unknown(&known).await.map_err(|error| self.unreadable(&error))?;
        lines.into_iter().for_each(|line| self.adopt(line));
        Ok(())
    }

    fn adopt(&self, line: Line) {
        let mut known = self.lock();
        if line.event == Kind::Accepted {
            return known.fold.take(usize::MAX, line);
        }
        known.segments.push(Segment {
            path: PathBuf::new(),
            offset: None,
            owner: line.owner.clone(),
            version: line::VERSION,
        });
        let number = known.segments.len() - 1;
        known.fold.take_claim(number, line);
    }

    /// What is known of one item.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<Entry> {
        self.lock().fold.entry(id).cloned()
    }

    /// What is known of all items, in the order of their first lines.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, Entry)> {
        self.lock().fold.entries().map(|(id, entry)| (id.to_owned(), entry.clone())).collect()
    }

    /// The item under which the same request for the same file was bought before, if it has another name: earlier
    /// versions named items by paths as they were spelled.
    #[must_use]
    pub fn same_render(&self, id: &str, sha256: &str, path: &Path) -> Option<String> {
        let known = self.lock();
        if known.fold.entry(id).is_some() {
            return None;
        }
        let name = path.file_name();
        let is_same = |(other, entry): &(&str, &Entry)| {
            let Some(order) = entry.current().map(|attempt| &attempt.order) else { return false };
            order.request_sha256 == sha256
                && other.ends_with(&id[id.rfind('#').unwrap_or_default()..])
                && order.path.as_deref().is_some_and(|path| path.is_absolute() && path.file_name() == name)
        };
        known.fold.entries().find(is_same).map(|(other, _)| other.to_owned())
    }

    /// The lines that are not as they were written.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.lock().damage.lines().to_vec()
    }

    /// The damaged line that may hide a purchase of this item.
    #[must_use]
    pub fn damage_of(&self, id: &str) -> Option<Damage> {
        let known = self.lock();
        known.damage.hides(id, known.fold.entry(id).is_some()).cloned()
    }

    /// How long renders like the one that bought a job took, if that is known.
    #[must_use]
    pub fn render_times_of(&self, request_id: &str) -> Option<RenderTimes> {
        self.lock().fold.render_times_of(request_id)
    }

    /// Refuses an item on which another process is at work.
    pub async fn check_not_busy(self: &Arc<Self>, id: &str, attempt: &Attempt) -> Result<()> {
        let own = self.own().map(|own| own.number);
        let Some(holder) = attempt.holder.filter(|holder| own != Some(*holder)) else { return Ok(()) };
        let owner = self.lock().segments.get(holder).map(|segment| segment.owner.clone());
        match owner {
            Some(owner) if self.is_alive(&owner).await? => {
                Err(already_running(&format!("{id:?}"), &owner, &self.folder))
            }
            _ => Ok(()),
        }
    }

    async fn is_alive(self: &Arc<Self>, owner: &Owner) -> Result<bool> {
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
    pub async fn take_over(&self, which: Which<'_>) -> Result<()> {
        self.append(about(which, Kind::Claimed), Flush::ToSystem).await
    }

    /// Tells others that this process is no longer at an item which is not at its end.
    fn release(&self, id: &str) {
        if let Some(own) = self.own() {
            let mut known = self.lock();
            let held = known.fold.entry(id).and_then(Entry::current).filter(|attempt| attempt.holder == Some(own.number));
            if let Some(attempt) = held.filter(|attempt| attempt.state.is_open()) {
                let line = about(Which { id, attempt: &attempt.name }, Kind::Released);
                known.fold.take(own.number, line.clone());
                drop(known);
                // Without it others would take this process's word for longer than they need, and no more.
                let _ = own.writer.begin_append(&line, Flush::ToSystem);
            }
        }
        self.lock().active.remove(id);
        self.released.notify_waiters();
        self.leave();
    }

    /// Keeps the segment open and the heartbeat going while somebody is at work.
    fn enter(&self) {
        if let Some(own) = self.own() {
            own.writer.enter();
        }
        let mut known = self.lock();
        if known.heartbeat.is_none() {
            known.heartbeat = Heartbeat::begin(&self.folder);
        }
    }

    fn leave(&self) {
        if let Some(own) = self.own() {
            own.writer.leave();
        }
        let mut known = self.lock();
        if known.active.is_empty() && !known.has_run {
            known.heartbeat = None;
        }
    }

    /// Takes the whole folder on, unless somebody else has.
    pub async fn run(self: &Arc<Self>) -> Result<Run> {
        if std::mem::replace(&mut self.lock().has_run, true) {
            return Err(already_running("a batch", &Owner::this_process(), &self.folder));
        }
        let read = Arc::clone(self);
        let begun = match blocking(move || read.refresh()).await {
            Ok(()) => self.begin_run().await,
            Err(error) => Err(error),
        };
        let number = match begun {
            Ok(number) => number,
            Err(error) => {
                self.lock().has_run = false;
                return Err(error);
            }
        };
        self.enter();
        let journal = Arc::clone(self);
        blocking(move || {
            journal.remove_abandoned();
            Ok(())
        })
        .await?;
        Ok(Run { journal: Arc::clone(self), number, has_ended: AtomicBool::new(false) })
    }

    /// Removes what processes that ended left half written: here, and where the files of unfinished items go. Blocks.
    fn remove_abandoned(&self) {
        let unfinished = |(_, entry): (&str, &Entry)| {
            let current = entry.current().filter(|attempt| attempt.state.is_open())?;
            Some(self.absolute(current.order.path.as_ref()?).parent()?.to_owned())
        };
        let mut folders: HashSet<_> = self.lock().fold.entries().filter_map(unfinished).collect();
        folders.insert(self.folder.clone());
        folders.iter().for_each(|folder| crate::process::remove_abandoned(folder));
    }

    async fn begin_run(self: &Arc<Self>) -> Result<u64> {
        let unwritable = |error: io::Error| self.unwritable(&error);
        let owner = Owner::this_process();
        loop {
            let latest = self.runs.latest().await.map_err(unwritable)?;
            if let Some(other) = latest.as_ref().and_then(|latest| latest.owner.as_ref())
                && *other != owner
                && self.is_alive(other).await?
            {
                return Err(already_running("a batch", other, &self.folder));
            }
            let number = latest.map_or(1, |latest| latest.number.saturating_add(1));
            if self.runs.begin(number, &owner).await.map_err(unwritable)? == Created::New {
                return Ok(number);
            }
        }
    }

    /// Takes note of segments that were merged into a new one.
    fn replace(&self, old: &[PathBuf], new: &Path, version: u8) {
        let mut known = self.lock();
        for path in old {
            if let Some(segment) = known.by_path.remove(path).and_then(|at| known.segments.get_mut(at)) {
                segment.offset = None;
            }
        }
        let number = known.segments.len();
        known.by_path.insert(new.to_owned(), number);
        let owner = Owner::default();
        known.segments.push(Segment { path: new.to_owned(), offset: None, owner, version });
    }

    fn end_run(&self) {
        self.lock().has_run = false;
        self.leave();
    }

    // ---- writing ------------------------------------------------------------------------------

    /// Claims an attempt and announces it; on the disk when this returns. `false` means that somebody else was first.
    pub async fn begin(&self, id: &str, next: &Next, order: Order, columns: Option<Columns>) -> Result<bool> {
        let intent = Line {
            order: Some(order),
            columns,
            n: Some(next.n),
            follows: next.follows.clone(),
            owner: Owner::this_process(),
            ..about(Which { id, attempt: &next.attempt }, Kind::Intent)
        };
        match self.claims.take(next.n, &intent).await.map_err(|error| self.unwritable(&error))? {
            Taken::Mine => {}
            Taken::Theirs(line) => {
                if let Some(line) = line {
                    self.adopt(*line);
                }
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
    pub async fn intent(&self, which: Which<'_>, order: Order) -> Result<()> {
        self.append(Line { order: Some(order), ..about(which, Kind::Intent) }, Flush::ToDisk).await
    }

    /// A create was accepted, and nobody here follows the job for this journal. On the disk when this returns.
    pub async fn accepted_and_released(&self, which: Which<'_>, request_id: &str) -> Result<()> {
        self.accepted(which, request_id, None).await?;
        self.append(about(which, Kind::Released), Flush::ToSystem).await
    }

    /// A create was accepted. On the disk when this returns; if it cannot be, it is kept in memory and written as soon
    /// as the disk allows.
    pub async fn accepted(&self, which: Which<'_>, request_id: &str, n: Option<u32>) -> Result<()> {
        let line = Line { request_id: Some(request_id.to_owned()), n, ..about(which, Kind::Accepted) };
        let Err(error) = self.append(line.clone(), Flush::ToDisk).await else { return Ok(()) };
        // Another file may have room where the journal's has none.
        let _ = self.claims.keep_accepted(&line).await;
        Err(error.concerning(request_id))
    }

    /// A create came to nothing.
    pub async fn rejected(&self, which: Which<'_>, error: &Error) -> Result<()> {
        let kind = if matches!(error, Error::SubmitUnknown { .. }) { Kind::Unknown } else { Kind::Refused };
        self.append(Line { error: Some(error.to_string()), ..about(which, kind) }, Flush::ToSystem).await
    }

    /// The columns of an item are others than before.
    pub fn described(&self, id: &str, columns: &Columns) {
        let Some(own) = self.own() else { return };
        let line = Line { id: id.to_owned(), columns: Some(columns.clone()), ..Line::new(Kind::Described) };
        // Outputs repeat them, and nothing else depends on them.
        let _ = own.writer.begin_append(&line, Flush::ToSystem);
        self.lock().fold.take(own.number, line);
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
            let Some((id, attempt)) = self.unfinished(job) else { return Ok(()) };
            // The answer as it was received is long, and is nobody's need again.
            let job = VideoJob { raw: None, ..job.clone() };
            let which = Which { id: &id, attempt: &attempt };
            let line = Line {
                request_id: Some(job.request_id.clone()),
                job: Some(Box::new(job)),
                render_seconds: render_time.map(|time| time.as_secs_f64()),
                ..about(which, Kind::Terminal)
            };
            self.append(line, Flush::ToSystem).await
        })
    }

    /// The file of a job was kept.
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
            ..about(Which { id: &id, attempt: &attempt }, Kind::Saved)
        };
        self.append(line, Flush::ToSystem).await
    }

    /// Looks for an acceptance that could not be written into the journal's file.
    pub async fn find_acceptance(&self, id: &str, n: Option<u32>) -> Result<()> {
        let Some(n) = n else { return Ok(()) };
        if let Some(line) = self.claims.accepted(id, n).await.map_err(|error| self.unreadable(&error))? {
            self.adopt(line);
        }
        Ok(())
    }

    fn unfinished(&self, job: &VideoJob) -> Option<(String, String)> {
        let known = self.lock();
        let (id, attempt) = known.fold.of_job(&job.request_id)?;
        let is_news = matches!(attempt.state, State::Unknown { .. } | State::Accepted { .. });
        is_news.then(|| (id.to_owned(), attempt.name.clone()))
    }

    fn attempt_of(&self, request_id: &str) -> Option<(String, String)> {
        let known = self.lock();
        known.fold.of_job(request_id).map(|(id, attempt)| (id.to_owned(), attempt.name.clone()))
    }

    async fn append(&self, line: Line, flush: Flush) -> Result<()> {
        let own = self.own_or_begin().await?;
        let written = own.writer.append(&line, flush).await.map_err(|error| self.unwritable(&error));
        // What has happened is known here, whether or not it could be written.
        if written.is_ok() || !matches!(line.event, Kind::Intent | Kind::Claimed) {
            self.lock().fold.take(own.number, line);
        }
        written
    }

    fn own(&self) -> Option<Own> {
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
        let mut known = self.lock();
        let users = known.active.len() + usize::from(known.has_run);
        (0..users).for_each(|_| writer.enter());
        let (path, number) = (writer.path.clone(), known.segments.len());
        known.by_path.insert(path.clone(), number);
        known.segments.push(Segment { path, offset: None, owner: Owner::this_process(), version: line::VERSION });
        let own = Own { writer: Arc::new(writer), number };
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(own.clone());
        Ok(own)
    }

    /// Whether its folder is as it was left.
    fn is_usable(&self) -> bool {
        let is_idle = {
            let known = self.lock();
            known.active.is_empty() && !known.has_run
        };
        match self.own() {
            Some(own) => !is_idle || !own.writer.is_settled() || own.writer.is_in_place(),
            // Read, and not written yet: the files that were read must still be there.
            None => !is_idle || self.lock().segments.first().is_none_or(|segment| segment.path.exists()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let words = format!("the journal in {} cannot be read: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, words, error.raw_os_error())
    }

    fn unwritable(&self, error: &io::Error) -> Error {
        let words = format!("the journal in {} cannot be written: {error}", self.folder.display());
        Error::journal(JournalErrorKind::Other, words, error.raw_os_error())
    }
}

impl Known {
    fn read(&mut self, path: &Path, file: &std::fs::DirEntry) -> io::Result<()> {
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
        for line in contents.lines {
            if line.event == Kind::Open {
                (segment.owner, segment.version) = (line.owner, line.v);
                continue;
            }
            self.fold.take(number, line);
        }
        let version = self.segments.get(number).map_or(0, |segment| segment.version);
        self.damage.add(contents.damage, version >= line::VERSION);
        Ok(())
    }
}

/// Tries once more to write what could not be written. Blocks.
#[cfg(feature = "python")]
pub(crate) fn flush_all() {
    for own in registry::all().iter().filter_map(|journal| journal.own()) {
        // It was tried before, and nothing more can be done at the end.
        let _ = own.writer.flush();
    }
}

/// A folder as it is called without links, dots and the working directory; as far as it exists.
fn canonical(folder: &Path) -> PathBuf {
    if let Ok(found) = std::fs::canonicalize(folder) {
        return found;
    }
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => whole,
    }
}

/// A file's path, whose folder is canonical: the file itself need not be there, and may be a link.
fn canonical_file(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => canonical(parent).join(name),
        _ => whole,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn about(which: Which<'_>, event: Kind) -> Line {
    Line { id: which.id.to_owned(), attempt: which.attempt.to_owned(), ..Line::new(event) }
}

fn already_running(what: &str, owner: &Owner, folder: &Path) -> Error {
    let words = format!("{what} is already running ({}), by the journal in {}", owner.words(), folder.display());
    Error::journal(JournalErrorKind::AlreadyRunning, words, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobStatus;

    const WHICH: Which<'_> = Which { id: "a", attempt: "vidjob-1" };

    fn order() -> Order {
        Order { operation: "generate".into(), request_sha256: "5e".into(), ..Order::default() }
    }

    fn next(attempt: &str, n: u32) -> Next {
        Next { attempt: attempt.into(), n, follows: None }
    }

    async fn bought(journal: &Journal) {
        assert!(journal.begin("a", &next("vidjob-1", 1), order(), None).await.unwrap());
        journal.accepted(WHICH, "x", Some(1)).await.unwrap();
    }

    /// What another process sees of the same folder.
    fn reader(journal: &Journal) -> Arc<Journal> {
        let reader = Arc::new(Journal::new(journal.folder()));
        reader.refresh().unwrap();
        reader
    }

    fn state(journal: &Journal, id: &str) -> &'static str {
        journal.entry(id).unwrap().current().unwrap().state.as_str()
    }

    fn segment_of(journal: &Journal) -> PathBuf {
        journal.own().unwrap().writer.path.clone()
    }

    /// A process that lives for as long as this value.
    struct Other(std::process::Child);

    impl Other {
        fn begin() -> Self {
            Self(std::process::Command::new("sleep").arg("60").spawn().unwrap())
        }

        fn owner(&self) -> Owner {
            Owner { pid: Some(self.0.id()), started: None, ..Owner::this_process() }
        }

        /// A segment of its writing.
        fn write(&self, folder: &Path, lines: &[Line]) {
            let open = Line { owner: self.owner(), ..Line::new(Kind::Open) };
            let all = std::iter::once(&open).chain(lines);
            let text: String = all.map(|line| line.encode().unwrap()).collect();
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(format!("0-other-{}.jsonl", self.0.id())), text).unwrap();
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn is_busy<T>(result: Result<T>) -> bool {
        matches!(result, Err(Error::Journal(error)) if error.kind == JournalErrorKind::AlreadyRunning)
    }

    #[tokio::test]
    async fn another_process_finds_what_this_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(folder.path()).unwrap();
        assert!(!folder.path().join(FOLDER).exists(), "reading makes nothing");
        bought(&journal).await;
        assert_eq!(reader(&journal).entry("a"), journal.entry("a"));
        let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending("x") };
        journal.terminal(&done, None).await.unwrap();
        journal.terminal(&done, None).await.unwrap();
        let path = folder.path().join("videos/a.mp4");
        let file = Download { path, bytes: 7, sha256: "ab".into(), content_type: None };
        journal.saved("x", &file).await.unwrap();
        let reader = reader(&journal);
        let State::Saved { file, .. } = reader.entry("a").unwrap().current().unwrap().state.clone() else { panic!() };
        assert_eq!(file.path, Path::new("videos/a.mp4"));
        assert_eq!(reader.absolute(&file.path), canonical(folder.path()).join("videos/a.mp4"));
        let text = std::fs::read_to_string(segment_of(&journal)).unwrap();
        assert_eq!(text.lines().count(), 5, "a job is over once");
    }

    #[tokio::test]
    async fn one_file_is_one_path_however_it_is_spelled() {
        let base = tempfile::tempdir().unwrap();
        let home = base.path().join("home");
        std::fs::create_dir_all(home.join("clips")).unwrap();
        let journal = Journal::beside(&home).unwrap();
        let spelled = ["clips/a.mp4", "./clips/a.mp4", "clips/../clips/a.mp4", "clips//a.mp4"];
        for path in spelled {
            assert_eq!(journal.relative(&home.join(path)), Path::new("clips/a.mp4"), "{path}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&home, base.path().join("link")).unwrap();
            assert_eq!(journal.relative(&base.path().join("link/clips/a.mp4")), Path::new("clips/a.mp4"));
            assert!(Arc::ptr_eq(&Journal::beside(&base.path().join("link")).unwrap(), &journal));
        }
        let outside = journal.relative(&base.path().join("b.mp4"));
        assert_eq!(outside, Path::new("../b.mp4"), "good as long as both are moved together");
        assert_eq!(journal.absolute(&outside), canonical(base.path()).join("b.mp4"));
    }

    #[tokio::test]
    async fn render_times_are_learned_from_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        for count in 0..10 {
            let name = format!("job-{count}");
            let which = Which { id: &name, attempt: &name };
            journal.intent(which, order()).await.unwrap();
            journal.accepted(which, &name, None).await.unwrap();
            assert_eq!(journal.render_times_of(&name).is_some(), count > 8);
            let status = if count == 0 { JobStatus::Failed } else { JobStatus::Done };
            let job = VideoJob { status, ..VideoJob::pending(&name) };
            journal.terminal(&job, Some(Duration::from_secs(60 + count))).await.unwrap();
        }
        let reader = reader(&journal);
        assert!(reader.render_times_of("job-3").is_some());
        assert_eq!(reader.render_times_of("job-3"), journal.render_times_of("job-3"));
        assert_eq!(reader.render_times_of("a stranger's"), None);
    }

    #[tokio::test]
    async fn strangers_jobs_are_not_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.terminal(&VideoJob { status: JobStatus::Done, ..VideoJob::pending("y") }, None).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_under_way_in_another_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let other = Other::begin();
        let intent = Line { order: Some(order()), n: Some(1), ..about(WHICH, Kind::Intent) };
        let accepted = Line { request_id: Some("x".into()), ..about(WHICH, Kind::Accepted) };
        other.write(folder.path(), &[intent.clone(), accepted.clone()]);
        journal.refresh().unwrap();
        let entry = journal.entry("a").unwrap();
        let error = journal.check_not_busy("a", entry.current().unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", other.0.id())), "{error}");
        other.write(folder.path(), &[intent, accepted, about(WHICH, Kind::Released)]);
        journal.refresh().unwrap();
        let entry = journal.entry("a").unwrap();
        assert!(journal.check_not_busy("a", entry.current().unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let other = Other::begin();
        other.write(folder.path(), &[Line { order: Some(order()), ..about(WHICH, Kind::Intent) }]);
        journal.refresh().unwrap();
        let entry = journal.entry("a").unwrap();
        assert!(is_busy(journal.check_not_busy("a", entry.current().unwrap()).await));
        drop(other);
        assert!(journal.check_not_busy("a", entry.current().unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn of_all_who_claim_an_attempt_one_announces_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let racers: Vec<_> = (0..8).map(|_| Arc::new(Journal::new(journal.folder()))).collect();
        let begin = |(at, racer): (usize, &Arc<Journal>)| {
            let racer = Arc::clone(racer);
            async move { racer.begin("a", &next(&format!("vidjob-{at}"), 1), order(), None).await.unwrap() }
        };
        let won = futures_util::future::join_all(racers.iter().enumerate().map(begin)).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        journal.refresh().unwrap();
        let winner = format!("vidjob-{}", won.iter().position(|won| *won).unwrap());
        for racer in &racers {
            assert_eq!(racer.entry("a").unwrap().current().unwrap().name, winner, "the losers know who won");
        }
        assert_eq!(journal.entry("a").unwrap().attempts.len(), 1);
    }

    #[tokio::test]
    async fn a_claim_without_a_line_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        bought(&journal).await;
        std::fs::remove_file(segment_of(&journal)).unwrap();
        let reader = reader(&journal);
        assert_eq!(reader.entry("a"), None);
        reader.adopt_claims().await.unwrap();
        assert_eq!(state(&reader, "a"), "unknown");
        assert!(!reader.begin("a", &next("vidjob-2", 1), order(), None).await.unwrap());
    }

    #[tokio::test]
    async fn an_acceptance_that_cannot_be_written_is_kept_beside() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert!(journal.begin("a", &next("vidjob-1", 1), order(), None).await.unwrap());
        let (segment, away) = (segment_of(&journal), folder.path().join("away"));
        std::fs::rename(&segment, &away).unwrap();
        let error = journal.accepted(WHICH, "x", Some(1)).await.unwrap_err();
        assert!(matches!(error, Error::Journal(error) if error.request_id.as_deref() == Some("x")));
        assert_eq!(state(&journal, "a"), "accepted", "this process knows");
        std::fs::copy(&away, folder.path().join("0-kept-1.jsonl")).unwrap();
        let reader = reader(&journal);
        assert_eq!(state(&reader, "a"), "unknown");
        reader.find_acceptance("a", Some(1)).await.unwrap();
        assert_eq!(state(&reader, "a"), "accepted");
    }

    #[tokio::test]
    async fn a_damaged_line_hides_its_item() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        bought(&journal).await;
        let segment = segment_of(&journal);
        let text = std::fs::read_to_string(&segment).unwrap();
        std::fs::write(&segment, text.replacen("\"intent\"", "\"imtent\"", 1)).unwrap();
        let reader = reader(&journal);
        let damage = reader.damage_of("a").unwrap();
        assert_eq!((damage.number, damage.path), (2, segment.clone()));
        assert_eq!(reader.damage_of("b"), None, "claims tell that it was never bought");
        // Version 1 made no claims: the name may be what was damaged.
        let old = text.replace("\"v\":2", "\"v\":1");
        let (head, tail) = old.split_once('\n').unwrap();
        let mut open = Line::decode(text.lines().next().unwrap().as_bytes()).unwrap();
        open.v = 1;
        assert!(head.contains("open"));
        std::fs::write(&segment, open.encode().unwrap() + &tail.replacen("\"a\"", "\"q\"", 1)).unwrap();
        let reader = self::reader(&journal);
        assert!(reader.damage_of("b").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_claim_and_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let claim = journal.claim("a").await.unwrap();
        let error = journal.claim("a").await.unwrap_err().to_string();
        assert!(error.contains("this process"), "{error}");
        drop(claim);
        assert!(journal.claim("a").await.is_ok());
        let run = journal.run().await.unwrap();
        let error = journal.run().await.unwrap_err().to_string();
        assert!(error.contains("already running (this process"), "{error}");
        drop(run);
        assert!(journal.run().await.is_ok());
    }

    #[tokio::test]
    async fn one_run_of_all_processes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let other = Other::begin();
        assert_eq!(journal.runs.begin(1, &other.owner()).await.unwrap(), Created::New);
        let error = journal.run().await.unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", other.0.id())), "{error}");
        drop(other);
        let run = journal.run().await.unwrap();
        assert!(!run.is_superseded().await.unwrap());
        assert_eq!(journal.runs.begin(3, &Owner::this_process()).await.unwrap(), Created::New);
        assert!(run.is_superseded().await.unwrap(), "another run took over while this one stood still");
    }

    #[tokio::test]
    async fn segments_of_the_dead_are_merged_when_a_run_ends() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        for number in 0..5 {
            let (id, other) = (format!("item-{number}"), Other::begin());
            let which = Which { id: &id, attempt: &id };
            let accepted = Line { request_id: Some(format!("job-{number}")), ..about(which, Kind::Accepted) };
            other.write(folder.path(), &[Line { order: Some(order()), ..about(which, Kind::Intent) }, accepted]);
        }
        let alive = Other::begin();
        alive.write(folder.path(), &[about(Which { id: "b", attempt: "b" }, Kind::Claimed)]);
        let run = journal.run().await.unwrap();
        journal.refresh().unwrap();
        let before = journal.entries();
        run.end().await;
        let files = || std::fs::read_dir(folder.path()).unwrap().filter_map(|file| file.ok().map(|file| file.path()));
        let segments = files().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        assert_eq!(segments.count(), 2, "the merged one, and that of the living");
        journal.refresh().unwrap();
        assert_eq!(journal.entries(), before);
        let reader = reader(&journal);
        let names = |journal: &Journal| journal.entries().into_iter().map(|(id, _)| id).collect::<HashSet<_>>();
        assert_eq!(names(&reader), names(&journal));
        assert_eq!(state(&reader, "item-3"), "accepted");
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_between_calls_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(folder.path()).unwrap();
        bought(&journal).await;
        std::fs::remove_dir_all(journal.folder()).unwrap();
        let anew = Journal::beside(folder.path()).unwrap();
        assert_eq!(anew.entry("a"), None);
        bought(&anew).await;
    }

    #[tokio::test]
    async fn nothing_is_announced_in_a_journal_that_was_removed_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(folder.path()).unwrap();
        let claim = journal.claim("b").await.unwrap();
        bought(&journal).await;
        std::fs::remove_dir_all(journal.folder()).unwrap();
        let error = journal.begin("b", &next("vidjob-2", 1), order(), None).await.unwrap_err().to_string();
        assert!(error.contains("removed or replaced"), "{error}");
        drop(claim);
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_written_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let journal = Journal::new(&blocked.join("journal"));
        let error = journal.intent(WHICH, order()).await.unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert!(Journal::open(&blocked).is_err());
    }
}
