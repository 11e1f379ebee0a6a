//! The files of a journal: each writer appends to one of its own, and all are read.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::damage::Damage;
use super::record::{Kind, Line};
use crate::process::Owner;

/// The extension of a journal's files.
pub(super) const EXTENSION: &str = "jsonl";
/// How long after a failure the disk is tried again with lines that must not be lost.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Whether a line must be on the disk before the work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// It must outlive the machine.
    ToDisk,
    /// It must outlive the process.
    ToSystem,
}

#[derive(Debug)]
struct Request {
    text: String,
    flush: Flush,
    /// Whether it says what has happened and is written later if it cannot be written now.
    is_fact: bool,
    done: oneshot::Sender<io::Result<()>>,
}

/// Appends to one file: what comes together is flushed together. Holds no thread, and no descriptor while it is idle.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) path: PathBuf,
    queue: Mutex<Queue>,
    output: Mutex<Output>,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<Request>,
    is_draining: bool,
    /// How many users want the file to stay open.
    users: usize,
}

/// The file, as it was left.
#[derive(Debug)]
struct Output {
    file: Option<File>,
    identity: Identity,
    /// How long the file is, as far as whole lines go.
    length: u64,
    /// Whether half a line stands behind them.
    is_torn: bool,
    /// Lines that tell of what has happened, and could not be written yet.
    unwritten: String,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    #[cfg_attr(not(unix), expect(unused_variables, reason = "only Unix tells files apart"))]
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

impl Writer {
    /// Begins a new file in `folder`. Blocks.
    pub(super) fn begin(folder: &Path, owner: &Owner) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(new_name(owner));
        let mut file = create(&path)?;
        let opened = Line { owner: owner.clone(), ..Line::new(Kind::Open) };
        let text = opened.encode().map_err(io::Error::other)?;
        file.write_all(text.as_bytes())?;
        sync_folder(folder);
        let identity = Identity::of(&file.metadata()?);
        let length = text.len() as u64;
        let output = Output { file: Some(file), identity, length, is_torn: false, unwritten: String::new() };
        Ok(Self { path, queue: Mutex::default(), output: Mutex::new(output) })
    }

    /// Returns when `line` is written.
    pub(super) async fn append(self: &Arc<Self>, line: &Line, flush: Flush) -> io::Result<()> {
        self.begin_append(line, flush)?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Has `line` written soon; whoever awaits what is returned knows when.
    pub(super) fn begin_append(
        self: &Arc<Self>,
        line: &Line,
        flush: Flush,
    ) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let text = line.encode().map_err(io::Error::other)?;
        let (done, written) = oneshot::channel();
        let is_fact = !matches!(line.event, Kind::Intent | Kind::Claimed | Kind::Released);
        let mut queue = self.queue();
        queue.requests.push(Request { text, flush, is_fact, done });
        if !std::mem::replace(&mut queue.is_draining, true) {
            drop(queue);
            self.start();
        }
        Ok(written)
    }

    /// Keeps the file open until as many users have left as came.
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

    /// Whether all that was to be written has been, and the file still is where it was put. Blocks.
    pub(super) fn is_settled(&self) -> bool {
        let is_idle = {
            let queue = self.queue();
            queue.users == 0 && !queue.is_draining
        };
        is_idle && self.output().unwritten.is_empty()
    }

    /// Whether the file is the one in the folder. Blocks.
    pub(super) fn is_in_place(&self) -> bool {
        self.output().check(&self.path).is_ok()
    }

    /// Tries once more to write what could not be written. Blocks.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.output().write(&self.path, &[])
    }

    fn start(self: &Arc<Self>) {
        let writer = Arc::clone(self);
        match Handle::try_current() {
            Ok(handle) => drop(handle.spawn_blocking(move || writer.drain())),
            // The last words of a call that was left, on the caller's own thread.
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
                std::mem::take(&mut queue.requests)
            };
            let result = self.output().write(&self.path, &requests);
            if result.is_err() {
                self.retry_later();
            }
            for request in requests {
                // Whoever asked may have gone; the line stands all the same.
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

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    fn write(&mut self, path: &Path, requests: &[Request]) -> io::Result<()> {
        if requests.is_empty() && self.unwritten.is_empty() {
            return Ok(());
        }
        let result = self.try_write(path, requests);
        if result.is_err() {
            self.unwritten.extend(requests.iter().filter(|request| request.is_fact).map(|request| &*request.text));
        }
        result
    }

    fn try_write(&mut self, path: &Path, requests: &[Request]) -> io::Result<()> {
        self.reopen(path)?;
        self.check(path)?;
        let Some(file) = &mut self.file else { return Err(gone()) };
        let mut text = String::new();
        if self.is_torn {
            text.push('\n');
        }
        text.push_str(&self.unwritten);
        text.extend(requests.iter().map(|request| &*request.text));
        if let Err(error) = file.write_all(text.as_bytes()) {
            // Half a line must not swallow the next one, nor look like a line that was damaged.
            self.is_torn = file.set_len(self.length).is_err();
            return Err(error);
        }
        let is_urgent = !self.unwritten.is_empty() || requests.iter().any(|request| request.flush == Flush::ToDisk);
        self.length += text.len() as u64;
        self.is_torn = false;
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

    /// Whether what is written goes where readers will look for it.
    fn check(&self, path: &Path) -> io::Result<()> {
        let there = match std::fs::metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(replaced(path)),
            Err(error) => return Err(error),
        };
        let is_same = match &self.file {
            Some(file) => Identity::of(&file.metadata()?) == Identity::of(&there),
            None => true,
        };
        if is_same && Identity::of(&there) == self.identity && there.len() >= self.length {
            return Ok(());
        }
        Err(replaced(path))
    }
}

/// Whether the writer of a file of version 1 is alive: it holds a lock. Blocks.
pub(super) fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn gone() -> io::Error {
    io::Error::other("the journal's writer has ended")
}

fn replaced(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} was removed or replaced while it was in use: put it back, or go on in a new process",
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

/// A name that no other writer has, and that sorts by time.
fn new_name(owner: &Owner) -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let host = owner.host.as_deref().unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{millis:013}-{host}-{}-{:08x}.{EXTENSION}", std::process::id(), fastrand::u32(..))
}

fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// A new file's name is in its folder, which must be on the disk as well.
pub(super) fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = folder;
}

/// Writes a new file of these lines beside the others, and gives its path once it is on the disk. Blocks.
pub(super) fn write_whole(folder: &Path, version: u8, lines: &[u8]) -> io::Result<PathBuf> {
    let owner = &Owner::this_process();
    let opened = Line { v: version, owner: Owner { pid: None, ..owner.clone() }, ..Line::new(Kind::Open) };
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

/// What stands in a segment from some place on.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contents {
    pub(super) lines: Vec<Line>,
    pub(super) damage: Vec<Damage>,
    /// Where the next line will begin, in bytes and in lines.
    pub(super) end: (u64, u64),
}

/// The lines of `path` from `start` on, which is given in bytes and in lines. A torn last line is left for later.
pub(super) fn read(path: &Path, start: (u64, u64)) -> io::Result<Contents> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start.0))?;
    let mut reader = BufReader::new(file);
    let mut contents = Contents { end: start, ..Contents::default() };
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

/// The `id` in a line that is damaged elsewhere.
fn id_in(text: &[u8]) -> Option<String> {
    const FIELD: &str = "\"id\":";
    let text = String::from_utf8_lossy(text);
    let value = text.get(text.find(FIELD)? + FIELD.len()..)?;
    serde_json::Deserializer::from_str(value).into_iter::<String>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(folder: &Path) -> Arc<Writer> {
        Arc::new(Writer::begin(folder, &Owner::this_process()).unwrap())
    }

    fn intent(id: &str) -> Line {
        Line { id: id.into(), ..Line::new(Kind::Intent) }
    }

    fn ids(contents: &Contents) -> Vec<&str> {
        contents.lines.iter().map(|line| line.id.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_appended_is_read_and_a_torn_line_is_not() {
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
    async fn facts_are_written_as_soon_as_the_disk_allows() {
        let folder = tempfile::tempdir().unwrap();
        let writer = begin(folder.path());
        let away = folder.path().join("away");
        std::fs::rename(&writer.path, &away).unwrap();
        assert!(writer.append(&intent("a"), Flush::ToDisk).await.is_err());
        let fact = Line { id: "b".into(), ..Line::new(Kind::Accepted) };
        assert!(writer.append(&fact, Flush::ToDisk).await.is_err());
        assert!(!writer.is_settled());
        std::fs::rename(&away, &writer.path).unwrap();
        while !writer.is_settled() {
            tokio::time::sleep(RETRY_DELAY).await;
        }
        writer.append(&intent("c"), Flush::ToSystem).await.unwrap();
        assert_eq!(ids(&read(&writer.path, (0, 0)).unwrap()), ["", "b", "c"], "nobody has sent the first");
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
