//! The files of a journal: each writer appends to one of its own, and all are read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::line::{Kind, Line};

/// The extension of a journal's files.
pub(super) const EXTENSION: &str = "jsonl";

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
    done: oneshot::Sender<io::Result<()>>,
}

/// Appends to one file, from a thread of its own: what comes together is flushed together.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    pub(super) path: PathBuf,
}

impl Writer {
    /// Begins a new file in `folder`.
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let path = folder.join(name(&host));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // Prompts and links are nobody else's business.
            options.mode(0o600);
        }
        let mut file = options.open(&path)?;
        // Held as long as this process lives: it tells others that the writer does. Where there are no
        // locks, everyone seems to be gone, which is friendly and no more.
        let _ = file.try_lock();
        let opened = Line { pid: Some(std::process::id()), host: Some(host), ..Line::new(Kind::Open) };
        file.write_all(opened.encode().map_err(io::Error::other)?.as_bytes())?;
        sync_folder(folder);
        let (requests, receiver) = mpsc::channel();
        thread::Builder::new().name("vidjob-journal".into()).spawn(move || write(&file, &receiver))?;
        Ok(Self { requests, path })
    }

    /// Returns when `line` is written.
    pub(super) async fn append(&self, line: &Line, flush: Flush) -> io::Result<()> {
        self.begin_append(line, flush)?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Has `line` written soon; whoever awaits what is returned knows when.
    pub(super) fn begin_append(&self, line: &Line, flush: Flush) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        let text = line.encode().map_err(io::Error::other)?;
        let (done, written) = oneshot::channel();
        self.requests.send(Request { text, flush, done }).map_err(|_| gone())?;
        Ok(written)
    }
}

fn gone() -> io::Error {
    io::Error::other("the journal's writer has ended")
}

/// A name that no other writer has, and that sorts by time.
fn name(host: &str) -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{millis:013}-{host}-{}-{:08x}.{EXTENSION}", std::process::id(), fastrand::u32(..))
}

fn write(file: &File, requests: &mpsc::Receiver<Request>) {
    let mut torn = false;
    while let Ok(first) = requests.recv() {
        let together: Vec<_> = std::iter::once(first).chain(requests.try_iter()).collect();
        // What a failure left half written must not swallow the next line.
        let result = if torn { (&mut &*file).write_all(b"\n") } else { Ok(()) };
        let result = result.and_then(|()| write_together(file, &together));
        torn = result.is_err();
        for request in together {
            // Whoever asked may have gone; the line stands all the same.
            let _ = request.done.send(result.as_ref().copied().map_err(copy));
        }
    }
}

fn write_together(mut file: &File, requests: &[Request]) -> io::Result<()> {
    let text: String = requests.iter().map(|request| request.text.as_str()).collect();
    file.write_all(text.as_bytes())?;
    if requests.iter().any(|request| request.flush == Flush::ToDisk) {
        file.sync_data()?;
    }
    Ok(())
}

fn copy(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

/// A new file's name is in its folder, which must be on the disk as well.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = folder;
}

/// The lines of `path` from `offset` on, and where the next will begin. A torn last line is left for later.
pub(super) fn read(path: &Path, offset: u64) -> io::Result<(Vec<Line>, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let (mut reader, mut lines, mut at) = (BufReader::new(file), Vec::new(), offset);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.by_ref().read_until(b'\n', &mut text)?;
        if text.pop() != Some(b'\n') {
            return Ok((lines, at));
        }
        at += length as u64;
        lines.extend(Line::decode(&text));
    }
}

/// Whether the writer of `path` is alive, as far as locks tell.
pub(super) fn is_alive(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_appended_is_read_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::begin(folder.path()).unwrap();
        for id in ["a", "b"] {
            let line = Line { id: id.into(), ..Line::new(Kind::Intent) };
            writer.append(&line, Flush::ToDisk).await.unwrap();
        }
        let (lines, end) = read(&writer.path, 0).unwrap();
        assert_eq!(lines.iter().map(|line| line.id.as_str()).collect::<Vec<_>>(), ["", "a", "b"]);
        let torn = Line { id: "c".into(), ..Line::new(Kind::Intent) }.encode().unwrap();
        let mut file = OpenOptions::new().append(true).open(&writer.path).unwrap();
        file.write_all(&torn.as_bytes()[..20]).unwrap();
        assert_eq!(read(&writer.path, 0).unwrap(), (lines, end));
        file.write_all(&torn.as_bytes()[20..]).unwrap();
        let (more, _) = read(&writer.path, end).unwrap();
        assert_eq!(more.len(), 1);
    }

    #[test]
    fn the_living_are_told_from_the_dead() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::begin(folder.path()).unwrap();
        assert!(is_alive(&writer.path));
        let dead = folder.path().join("dead.jsonl");
        std::fs::write(&dead, "").unwrap();
        assert!(!is_alive(&dead));
    }
}
