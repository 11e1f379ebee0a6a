//! The files of a journal: each writer appends to its own segment, and all segments are read.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::damage::Damage;
use super::record::{EventKind, Line};
use crate::process::Owner;

/// The extension of a journal's files.
pub(super) const EXTENSION: &str = "jsonl";
/// The delay before failed lines that must not be lost are written again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What a line must survive before the caller continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// A crash of the machine.
    ToDisk,
    /// A crash of the process.
    ToSystem,
}

#[derive(Debug)]
struct AppendRequest {
    text: String,
    flush: Flush,
    /// Whether the line records something that has happened, and must be written later if it cannot be written now.
    is_fact: bool,
    done: oneshot::Sender<io::Result<()>>,
}

/// Appends to one file; concurrent lines share a flush. Holds no thread, and no file descriptor while it is idle.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    pub(super) path: PathBuf,
    queue: Mutex<AppendQueue>,
    output: Mutex<SegmentFile>,
}

#[derive(Debug, Default)]
struct AppendQueue {
    requests: Vec<AppendRequest>,
    is_draining: bool,
    /// Whether lines were taken from the queue and are being written.
    is_writing: bool,
    /// How many users keep the file open.
    users: usize,
}

#[derive(Debug)]
struct SegmentFile {
    file: Option<File>,
    identity: FileIdentity,
    /// The length of the whole lines.
    length: u64,
    /// Whether a partial line follows them.
    has_partial_line: bool,
    /// Facts that could not be written yet.
    unwritten: String,
}

/// Identifies a file regardless of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl FileIdentity {
    #[cfg_attr(not(unix), expect(unused_variables, reason = "file identities exist only on Unix"))]
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self { device: metadata.dev(), inode: metadata.ino() }
        }
        #[cfg(not(unix))]
        Self {}
    }
}

impl SegmentWriter {
    /// Creates a new segment in `folder`. Blocks.
    pub(super) fn begin(folder: &Path, owner: &Owner) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(new_name(owner));
        let mut file = create(&path)?;
        let opened = Line { owner: owner.clone(), ..Line::new(EventKind::Open) };
        let text = opened.encode().map_err(io::Error::other)?;
        file.write_all(text.as_bytes())?;
        sync_folder(folder);
        let identity = FileIdentity::of(&file.metadata()?);
        let length = text.len() as u64;
        let output =
            SegmentFile { file: Some(file), identity, length, has_partial_line: false, unwritten: String::new() };
        Ok(Self { path, queue: Mutex::default(), output: Mutex::new(output) })
    }

    pub(super) async fn append(self: &Arc<Self>, line: &Line, flush: Flush) -> io::Result<()> {
        self.begin_append(line, flush)?.await.unwrap_or_else(|_| Err(writer_ended()))
    }

    /// Queues `line`; the receiver gets the result of writing it.
    pub(super) fn begin_append(
        self: &Arc<Self>,
        line: &Line,
        flush: Flush,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let text = line.encode().map_err(io::Error::other)?;
        let (done, written) = oneshot::channel();
        let is_fact = !matches!(line.event, EventKind::Intent | EventKind::Claimed | EventKind::Released);
        let mut queue = self.queue();
        queue.requests.push(AppendRequest { text, flush, is_fact, done });
        if !std::mem::replace(&mut queue.is_draining, true) {
            drop(queue);
            self.start();
        }
        Ok(written)
    }

    /// Keeps the file open until [`leave`](Self::leave) was called as often.
    pub(super) fn enter(&self) {
        self.queue().users += 1;
    }

    /// Closes the file when the last user leaves.
    pub(super) fn leave(&self) {
        let mut queue = self.queue();
        queue.users = queue.users.saturating_sub(1);
        if queue.users == 0 && !queue.is_draining {
            self.output().file = None;
        }
    }

    /// Whether the writer is unused and everything is written. Blocks.
    pub(super) fn is_idle(&self) -> bool {
        let has_no_users = {
            let queue = self.queue();
            queue.users == 0 && queue.requests.is_empty() && !queue.is_writing
        };
        has_no_users && self.output().unwritten.is_empty()
    }

    /// Whether the file was neither removed nor replaced. Blocks.
    pub(super) fn is_in_place(&self) -> bool {
        self.output().check(&self.path).is_ok()
    }

    /// Retries failed writes. Blocks.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.output().write(&self.path, &[])
    }

    fn start(self: &Arc<Self>) {
        let writer = Arc::clone(self);
        match Handle::try_current() {
            Ok(handle) => drop(handle.spawn_blocking(move || writer.drain())),
            // A cancelled call without a runtime writes its last line on the calling thread.
            Err(_) => writer.drain(),
        }
    }

    fn drain(self: &Arc<Self>) {
        loop {
            let requests = {
                let mut queue = self.queue();
                if queue.requests.is_empty() {
                    queue.is_draining = false;
                    if queue.users == 0 {
                        self.output().file = None;
                    }
                    return;
                }
                queue.is_writing = true;
                std::mem::take(&mut queue.requests)
            };
            let result = self.output().write(&self.path, &requests);
            // Before the callers continue, who may remove the journal.
            self.queue().is_writing = false;
            if result.is_err() {
                self.retry_later();
            }
            for request in requests {
                // The caller may have been cancelled.
                let _ = request.done.send(result.as_ref().copied().map_err(copy));
            }
        }
    }

    fn retry_later(self: &Arc<Self>) {
        let Ok(handle) = Handle::try_current() else { return };
        let writer = Arc::clone(self);
        handle.spawn(async move {
            loop {
                tokio::time::sleep(RETRY_DELAY).await;
                let writer = Arc::clone(&writer);
                if tokio::task::spawn_blocking(move || writer.flush().is_ok()).await.unwrap_or(true) {
                    return;
                }
            }
        });
    }

    fn queue(&self) -> MutexGuard<'_, AppendQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self) -> MutexGuard<'_, SegmentFile> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentFile {
    fn write(&mut self, path: &Path, requests: &[AppendRequest]) -> io::Result<()> {
        if requests.is_empty() && self.unwritten.is_empty() {
            return Ok(());
        }
        let result = self.try_write(path, requests);
        if result.is_err() {
            self.unwritten.extend(requests.iter().filter(|request| request.is_fact).map(|request| &*request.text));
        }
        result
    }

    fn try_write(&mut self, path: &Path, requests: &[AppendRequest]) -> io::Result<()> {
        self.reopen(path)?;
        self.check(path)?;
        let Some(file) = &mut self.file else { return Err(writer_ended()) };
        let mut text = String::new();
        if self.has_partial_line {
            text.push('\n');
        }
        text.push_str(&self.unwritten);
        text.extend(requests.iter().map(|request| &*request.text));
        if let Err(error) = file.write_all(text.as_bytes()) {
            // A partial line must not absorb the next one, nor look like a damaged line.
            self.has_partial_line = file.set_len(self.length).is_err();
            return Err(error);
        }
        let is_urgent = !self.unwritten.is_empty() || requests.iter().any(|request| request.flush == Flush::ToDisk);
        self.length += text.len() as u64;
        self.has_partial_line = false;
        self.unwritten.clear();
        if is_urgent { file.sync_data() } else { Ok(()) }
    }

    fn reopen(&mut self, path: &Path) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let file = OpenOptions::new().append(true).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => replaced(path),
            _ => error,
        })?;
        self.file = Some(file);
        Ok(())
    }

    /// Fails if the file was removed, replaced or truncated.
    fn check(&self, path: &Path) -> io::Result<()> {
        let there = match std::fs::metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(replaced(path)),
            Err(error) => return Err(error),
        };
        let is_same = match &self.file {
            Some(file) => FileIdentity::of(&file.metadata()?) == FileIdentity::of(&there),
            None => true,
        };
        if is_same && FileIdentity::of(&there) == self.identity && there.len() >= self.length {
            return Ok(());
        }
        Err(replaced(path))
    }
}

/// Whether the writer of a segment of version 1 is alive: it holds a lock. Blocks.
pub(super) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn writer_ended() -> io::Error {
    io::Error::other("the runtime is shutting down")
}

fn replaced(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} was removed or replaced while it was in use; restore it, or start a new process",
        path.display()
    ))
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Lines contain prompts and links.
        options.mode(0o600);
    }
    options.open(path)
}

/// A unique name that sorts by time.
fn new_name(owner: &Owner) -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let host = owner.host.as_deref().unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{millis:013}-{host}-{}-{:08x}.{EXTENSION}", std::process::id(), fastrand::u32(..))
}

fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// A new file is durable only when its folder is flushed as well.
pub(super) fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = folder;
}

/// Writes a new segment with these lines, flushed to the disk. Blocks.
pub(super) fn write_whole(folder: &Path, version: u8, lines: &[u8]) -> io::Result<PathBuf> {
    let owner = &Owner::this_process();
    let opened = Line { v: version, owner: Owner { pid: None, ..owner.clone() }, ..Line::new(EventKind::Open) };
    let mut text = opened.encode().map_err(io::Error::other)?.into_bytes();
    text.extend_from_slice(lines);
    let path = folder.join(new_name(owner));
    let prefix = format!(".merged.{}.", crate::process::tag());
    let mut temporary = tempfile::Builder::new().prefix(&prefix).suffix(".part").tempfile_in(folder)?;
    temporary.write_all(&text)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(&path).map_err(|error| error.error)?;
    sync_folder(folder);
    Ok(path)
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct SegmentContents {
    pub(super) lines: Vec<Line>,
    pub(super) damage: Vec<Damage>,
    /// The offset of the next line, in bytes and lines.
    pub(super) end: (u64, u64),
}

/// The lines of `path` from the offset `start` (in bytes and lines). A partial last line is left for later.
pub(super) fn read(path: &Path, start: (u64, u64)) -> io::Result<SegmentContents> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start.0))?;
    let mut reader = BufReader::new(file);
    let mut contents = SegmentContents { end: start, ..SegmentContents::default() };
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.by_ref().read_until(b'\n', &mut text)?;
        if text.pop() != Some(b'\n') {
            return Ok(contents);
        }
        contents.end = (contents.end.0 + length as u64, contents.end.1 + 1);
        match Line::decode(&text) {
            Some(line) => contents.lines.push(line),
            None if text.trim_ascii().is_empty() => {}
            None => {
                contents.damage.push(Damage { path: path.to_owned(), number: contents.end.1, id: id_in(&text) });
            }
        }
    }
}

/// The `id` in a damaged line.
fn id_in(text: &[u8]) -> Option<String> {
    const FIELD: &str = "\"id\":";
    let text = String::from_utf8_lossy(text);
    let value = text.get(text.find(FIELD)? + FIELD.len()..)?;
    serde_json::Deserializer::from_str(value).into_iter::<String>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path) -> Arc<SegmentWriter> {
        Arc::new(SegmentWriter::begin(folder, &Owner::this_process()).unwrap())
    }

    fn intent(id: &str) -> Line {
        Line { id: id.into(), ..Line::new(EventKind::Intent) }
    }

    fn ids(contents: &SegmentContents) -> Vec<&str> {
        contents.lines.iter().map(|line| line.id.as_str()).collect()
    }

    #[tokio::test]
    async fn appended_lines_are_read_and_a_partial_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        for id in ["a", "b"] {
            writer.append(&intent(id), Flush::ToDisk).await.unwrap();
        }
        let contents = read(&writer.path, (0, 0)).unwrap();
        assert_eq!(ids(&contents), ["", "a", "b"]);
        let torn = intent("c").encode().unwrap();
        let mut file = OpenOptions::new().append(true).open(&writer.path).unwrap();
        file.write_all(&torn.as_bytes()[..20]).unwrap();
        assert_eq!(read(&writer.path, (0, 0)).unwrap(), contents);
        file.write_all(&torn.as_bytes()[20..]).unwrap();
        assert_eq!(ids(&read(&writer.path, contents.end).unwrap()), ["c"]);
    }

    #[tokio::test]
    async fn a_damaged_line_is_named_with_its_item() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        for id in ["a", "b"] {
            writer.append(&intent(id), Flush::ToDisk).await.unwrap();
        }
        let text = std::fs::read_to_string(&writer.path).unwrap();
        std::fs::write(&writer.path, text.replacen("intent", "imtent", 1)).unwrap();
        let contents = read(&writer.path, (0, 0)).unwrap();
        assert_eq!(ids(&contents), ["", "b"]);
        let [damage] = &contents.damage[..] else { panic!("{contents:?}") };
        assert_eq!((damage.number, damage.id.as_deref()), (2, Some("a")));
        assert_eq!(damage.words(), format!("line 2 of {} is damaged", writer.path.display()));
    }

    #[tokio::test]
    async fn a_file_that_was_removed_or_replaced_is_not_written_to() {
        for how in ["removed", "replaced", "emptied"] {
            let folder = tempfile::tempdir().unwrap();
            let writer = begin(folder.path());
            // An open file keeps its number; a closed one's may be given to its replacement.
            writer.enter();
            writer.append(&intent("a"), Flush::ToDisk).await.unwrap();
            let text = std::fs::read(&writer.path).unwrap();
            std::fs::remove_file(&writer.path).unwrap();
            match how {
                "replaced" => std::fs::write(&writer.path, text).unwrap(),
                "emptied" => std::fs::write(&writer.path, "").unwrap(),
                _ => {}
            }
            let error = writer.append(&intent("b"), Flush::ToDisk).await.unwrap_err().to_string();
            assert!(error.contains("removed or replaced"), "{how}: {error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_facts_are_written_when_the_disk_recovers() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        let away = folder.path().join("away");
        std::fs::rename(&writer.path, &away).unwrap();
        assert!(writer.append(&intent("a"), Flush::ToDisk).await.is_err());
        let fact = Line { id: "b".into(), ..Line::new(EventKind::Accepted) };
        assert!(writer.append(&fact, Flush::ToDisk).await.is_err());
        assert!(!writer.is_idle());
        std::fs::rename(&away, &writer.path).unwrap();
        while !writer.is_idle() {
            tokio::time::sleep(RETRY_DELAY).await;
        }
        writer.append(&intent("c"), Flush::ToSystem).await.unwrap();
        assert_eq!(ids(&read(&writer.path, (0, 0)).unwrap()), ["", "b", "c"], "the first was never sent");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_writer_is_idle_as_soon_as_its_line_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        for _ in 0..500 {
            writer.append(&intent("a"), Flush::ToSystem).await.unwrap();
            assert!(writer.is_idle());
        }
    }

    #[tokio::test]
    async fn an_idle_writer_holds_no_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        writer.enter();
        writer.append(&intent("a"), Flush::ToSystem).await.unwrap();
        assert!(writer.output().file.is_some());
        writer.leave();
        while writer.output().file.is_some() {
            tokio::task::yield_now().await;
        }
        writer.append(&intent("b"), Flush::ToSystem).await.unwrap();
        assert_eq!(ids(&read(&writer.path, (0, 0)).unwrap()), ["", "a", "b"]);
    }
}
