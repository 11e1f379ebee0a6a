//! The memory of what was bought: an append-only folder of JSON lines, one file for each writer.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::download::Download;
use crate::error::{Error, JournalErrorKind, Result};
use crate::job::VideoJob;
use crate::pacing::RenderTimes;

mod fold;
mod line;
mod segment;
mod times;

pub use fold::{Attempt, Entry, State};
pub use line::{Kind, Line, Order};

use fold::Fold;
use segment::{Flush, Writer};

/// The name of a journal's folder inside the folder whose files it tells of.
pub const FOLDER: &str = ".vidjob";
/// Held by whoever works through a whole folder.
const RUN_LOCK: &str = "run.lock";

/// How long a call that was interrupted may hold on to its item.
const LETTING_GO: Duration = Duration::from_secs(1);

/// A journal, as this process knows and writes it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    known: Mutex<Known>,
    writer: tokio::sync::OnceCell<Own>,
}

#[derive(Debug, Default)]
struct Known {
    fold: Fold,
    segments: Vec<Segment>,
    /// What this process is at work on.
    active: HashSet<String>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// How far it was read; of the own one nothing needs to be.
    offset: Option<u64>,
    owner: Owner,
}

#[derive(Debug)]
struct Own {
    writer: Writer,
    number: usize,
}

/// Who writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The process.
    pub pid: Option<u32>,
    /// Its host.
    pub host: Option<String>,
}

impl Owner {
    fn words(&self) -> String {
        let pid = self.pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"));
        self.host.as_ref().map_or_else(|| pid.clone(), |host| format!("{pid} on {host}"))
    }
}

/// Which attempt a line is about.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The item.
    pub id: &'a str,
    /// The name that the create was sent under.
    pub attempt: &'a str,
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
pub struct Run(#[expect(dead_code, reason = "the lock is held by its being open")] File);

impl Journal {
    /// The journal in `folder`, which need not exist yet. Blocks.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let journal = Self { folder: folder.to_owned(), known: Mutex::default(), writer: tokio::sync::OnceCell::new() };
        journal.refresh()?;
        Ok(Arc::new(journal))
    }

    /// The journal of the files in `folder`. Blocks.
    pub fn beside(folder: &Path) -> Result<Arc<Self>> {
        Self::open(&folder.join(FOLDER))
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

    /// A path as it stands in the journal: good wherever the folder is moved to.
    #[must_use]
    pub fn relative(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix(self.home()).map(Path::to_owned);
        inside.or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
    }

    /// A path of the journal, from here.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.home().join(path)
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
            .filter_map(|file| file.ok().map(|file| file.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == segment::EXTENSION))
            .collect();
        paths.sort();
        let mut known = self.lock();
        for path in paths {
            known.read(&path).map_err(|error| self.unreadable(&error))?;
        }
        Ok(())
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

    /// How long renders like the one that bought a job took, if that is known.
    #[must_use]
    pub fn render_times_of(&self, request_id: &str) -> Option<RenderTimes> {
        self.lock().fold.render_times_of(request_id)
    }

    /// The living process that is at work on an attempt, unless it is this one.
    fn other_owner(&self, attempt: &Attempt) -> Option<Owner> {
        let own = self.writer.get().map(|own| own.number);
        let holder = attempt.holder.filter(|holder| own != Some(*holder))?;
        let known = self.lock();
        let segment = known.segments.get(holder)?;
        segment::is_alive(&segment.path).then(|| segment.owner.clone())
    }

    // ---- whose turn it is ---------------------------------------------------------------------

    /// Takes an item on, unless this process or another living one is at it.
    pub async fn claim(self: &Arc<Self>, id: &str) -> Result<Claim> {
        let busy = |owner: &Owner| already_running(&format!("{id:?}"), owner, &self.folder);
        let attempt = self.entry(id).and_then(|entry| entry.last().cloned());
        let open = attempt.filter(|attempt| attempt.state.is_open());
        if let Some(owner) = open.as_ref().and_then(|attempt| self.other_owner(attempt)) {
            return Err(busy(&owner));
        }
        let began = tokio::time::Instant::now();
        while !self.lock().active.insert(id.to_owned()) {
            if began.elapsed() > LETTING_GO {
                return Err(busy(&Owner { pid: Some(std::process::id()), host: None }));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let claim = Claim { journal: Arc::clone(self), id: id.to_owned() };
        if let Some(attempt) = open {
            let which = Which { id, attempt: &attempt.name };
            self.append(about(which, Kind::Claimed), Flush::ToSystem).await?;
        }
        Ok(claim)
    }

    /// Tells others that this process is no longer at an item which is not at its end.
    fn release(&self, id: &str) {
        let mut known = self.lock();
        known.active.remove(id);
        let Some(own) = self.writer.get() else { return };
        let held = known.fold.entry(id).and_then(Entry::last).filter(|attempt| attempt.holder == Some(own.number));
        let Some(attempt) = held.filter(|attempt| attempt.state.is_open()) else { return };
        let line = about(Which { id, attempt: &attempt.name }, Kind::Released);
        // Without it others would take this process's word for longer than they need, and no more.
        let _ = own.writer.begin_append(&line, Flush::ToSystem);
        known.fold.take(own.number, line);
    }

    /// Takes the whole folder on, unless somebody else has. Blocks.
    pub fn run(&self) -> Result<Run> {
        let unwritable = |error: io::Error| self.unwritable(&error);
        std::fs::create_dir_all(&self.folder).map_err(unwritable)?;
        let path = self.folder.join(RUN_LOCK);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            let line: Option<Line> = serde_json::from_str(&text).ok();
            let owner = line.map(|line| Owner { pid: line.pid, host: line.host }).unwrap_or_default();
            return Err(already_running("this batch", &owner, &self.folder));
        }
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let line = Line { pid: Some(std::process::id()), host: Some(host), ..Line::new(Kind::Open) };
        file.set_len(0).map_err(unwritable)?;
        file.write_all(serde_json::to_string(&line).unwrap_or_default().as_bytes()).map_err(unwritable)?;
        Ok(Run(file))
    }

    // ---- writing ------------------------------------------------------------------------------

    /// A create is about to be sent. On the disk when this returns.
    pub async fn intent(&self, which: Which<'_>, order: Order) -> Result<()> {
        self.append(Line { order: Some(order), ..about(which, Kind::Intent) }, Flush::ToDisk).await
    }

    /// A create was accepted, and nobody here follows the job for this journal. On the disk when this returns.
    pub async fn accepted_and_released(&self, which: Which<'_>, request_id: &str) -> Result<()> {
        self.accepted(which, request_id).await?;
        self.append(about(which, Kind::Released), Flush::ToSystem).await
    }

    /// A create was accepted. On the disk when this returns.
    pub async fn accepted(&self, which: Which<'_>, request_id: &str) -> Result<()> {
        let line = Line { request_id: Some(request_id.to_owned()), ..about(which, Kind::Accepted) };
        self.append(line, Flush::ToDisk).await.map_err(|error| error.concerning(request_id))
    }

    /// A create came to nothing.
    pub async fn rejected(&self, which: Which<'_>, error: &Error) -> Result<()> {
        let kind = if matches!(error, Error::SubmitUnknown { .. }) { Kind::Unknown } else { Kind::Refused };
        self.append(Line { error: Some(error.to_string()), ..about(which, kind) }, Flush::ToSystem).await
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
    pub async fn saved(&self, request_id: &str, file: &Download) -> Result<()> {
        let Some((id, attempt)) = self.attempt_of(request_id) else { return Ok(()) };
        let line = Line {
            request_id: Some(request_id.to_owned()),
            path: Some(self.relative(&file.path)),
            bytes: Some(file.bytes),
            sha256: Some(file.sha256.clone()),
            content_type: file.content_type.clone(),
            ..about(Which { id: &id, attempt: &attempt }, Kind::Saved)
        };
        self.append(line, Flush::ToSystem).await
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
        let own = self.writer.get_or_try_init(|| self.begin()).await?;
        own.writer.append(&line, flush).await.map_err(|error| self.unwritable(&error))?;
        self.lock().fold.take(own.number, line);
        Ok(())
    }

    async fn begin(&self) -> Result<Own> {
        let folder = self.folder.clone();
        let writer = tokio::task::spawn_blocking(move || Writer::begin(&folder))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
            .map_err(|error| self.unwritable(&error))?;
        let mut known = self.lock();
        known.segments.push(Segment { path: writer.path.clone(), offset: None, owner: Owner::default() });
        Ok(Own { number: known.segments.len() - 1, writer })
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
    fn read(&mut self, path: &Path) -> io::Result<()> {
        let known = self.segments.iter().position(|segment| segment.path == path);
        let number = known.unwrap_or(self.segments.len());
        if known.is_none() {
            self.segments.push(Segment { path: path.to_owned(), offset: Some(0), owner: Owner::default() });
        }
        let Some(segment) = self.segments.get_mut(number) else { return Ok(()) };
        let Some(offset) = segment.offset else { return Ok(()) };
        let (lines, end) = segment::read(path, offset)?;
        segment.offset = Some(end);
        for line in lines {
            if line.event == Kind::Open {
                segment.owner = Owner { pid: line.pid, host: line.host.clone() };
            }
            self.fold.take(number, line);
        }
        Ok(())
    }
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

    async fn bought(journal: &Journal) {
        journal.intent(WHICH, order()).await.unwrap();
        journal.accepted(WHICH, "x").await.unwrap();
    }

    #[tokio::test]
    async fn another_process_finds_what_this_one_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(folder.path()).unwrap();
        let reader = Journal::beside(folder.path()).unwrap();
        assert!(!folder.path().join(FOLDER).exists(), "reading makes nothing");
        bought(&journal).await;
        reader.refresh().unwrap();
        assert_eq!(reader.entry("a"), journal.entry("a"));
        let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending("x") };
        journal.terminal(&done, None).await.unwrap();
        journal.terminal(&done, None).await.unwrap();
        let path = folder.path().join("videos/a.mp4");
        let file = Download { path, bytes: 7, sha256: "ab".into(), content_type: None };
        journal.saved("x", &file).await.unwrap();
        reader.refresh().unwrap();
        let State::Saved { file, .. } = reader.entry("a").unwrap().last().unwrap().state.clone() else { panic!() };
        assert_eq!(file.path, Path::new("videos/a.mp4"));
        assert_eq!(reader.absolute(&file.path), folder.path().join("videos/a.mp4"));
        let text = std::fs::read_to_string(&reader.lock().segments[0].path).unwrap();
        assert_eq!(text.lines().count(), 5, "a job is over once");
    }

    #[tokio::test]
    async fn render_times_are_learned_from_what_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        for count in 0..10 {
            let name = format!("job-{count}");
            let which = Which { id: &name, attempt: &name };
            journal.intent(which, order()).await.unwrap();
            journal.accepted(which, &name).await.unwrap();
            assert_eq!(journal.render_times_of(&name).is_some(), count > 8);
            let status = if count == 0 { JobStatus::Failed } else { JobStatus::Done };
            let job = VideoJob { status, ..VideoJob::pending(&name) };
            journal.terminal(&job, Some(Duration::from_secs(60 + count))).await.unwrap();
        }
        let reader = Journal::open(folder.path()).unwrap();
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
    async fn what_is_under_way_elsewhere_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (Journal::open(folder.path()).unwrap(), Journal::open(folder.path()).unwrap());
        bought(&there).await;
        here.refresh().unwrap();
        let error = here.claim("a").await.unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(there);
        // The thread that writes holds the lock, and ends when nobody can ask it any more.
        while here.claim("a").await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_left_alone_may_be_taken_on_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (Journal::open(folder.path()).unwrap(), Journal::open(folder.path()).unwrap());
        let claim = there.claim("a").await.unwrap();
        bought(&there).await;
        drop(claim);
        there.intent(Which { id: "b", attempt: "vidjob-2" }, order()).await.unwrap();
        here.refresh().unwrap();
        assert!(here.claim("a").await.is_ok());
        assert!(here.claim("b").await.is_err());
    }

    #[tokio::test]
    async fn one_claim_and_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let claim = journal.claim("a").await.unwrap();
        assert!(journal.claim("a").await.is_err());
        drop(claim);
        assert!(journal.claim("a").await.is_ok());
        let run = journal.run().unwrap();
        let error = Journal::open(folder.path()).unwrap().run().unwrap_err().to_string();
        assert!(error.contains("already running (process"), "{error}");
        drop(run);
        assert!(journal.run().is_ok());
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_written_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let journal =
            Journal { folder: blocked.join("journal"), known: Mutex::default(), writer: tokio::sync::OnceCell::new() };
        let error = journal.intent(WHICH, order()).await.unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert!(Journal::open(&blocked).is_err());
    }
}
