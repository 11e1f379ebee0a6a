//! One thread per file that hashes and writes, so that neither holds up the network.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::target::disk_error;
use crate::error::{DownloadErrorKind, Error, Result};

/// Chunks on their way to the disk. A chunk is at most some hundred kilobytes.
const IN_FLIGHT: usize = 16;

enum WriterCommand {
    Append(Bytes),
    StartOver,
}

/// A file written to its end.
pub(super) struct Written {
    pub(super) file: File,
    /// In hexadecimal.
    pub(super) sha256: String,
}

/// The way to the thread; when it is dropped, the thread closes the file and ends.
pub(super) struct Writer {
    steps: mpsc::Sender<WriterCommand>,
    thread: JoinHandle<Result<Written>>,
}

impl Writer {
    /// `target` is named in errors.
    pub(super) fn start(file: File, target: PathBuf) -> Self {
        let (steps, queue) = mpsc::channel(IN_FLIGHT);
        let thread = tokio::task::spawn_blocking(move || run(file, queue).map_err(|error| disk_error(&target, &error)));
        Self { steps, thread }
    }

    /// Adds to the end. After an error the writer is of no further use.
    pub(super) async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.take(WriterCommand::Append(bytes)).await
    }

    /// Throws away what was written. After an error the writer is of no further use.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.take(WriterCommand::StartOver).await
    }

    /// Waits until all is written.
    pub(super) async fn finish(self) -> Result<Written> {
        drop(self.steps);
        self.thread.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn take(&mut self, step: WriterCommand) -> Result<()> {
        if self.steps.send(step).await.is_ok() {
            return Ok(());
        }
        // The thread ends early only when the disk refused.
        match (&mut self.thread).await {
            Ok(Err(error)) => Err(error),
            _ => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::download(DownloadErrorKind::Other, "the file's writer ended too early: the runtime is shutting down")
}

fn run(mut file: File, mut queue: mpsc::Receiver<WriterCommand>) -> io::Result<Written> {
    let mut hash = Sha256::new();
    while let Some(step) = queue.blocking_recv() {
        match step {
            WriterCommand::Append(bytes) => {
                file.write_all(&bytes)?;
                hash.update(&bytes);
            }
            WriterCommand::StartOver => {
                file.set_len(0)?;
                file.rewind()?;
                hash = Sha256::new();
            }
        }
    }
    Ok(Written { file, sha256: crate::hexadecimal::encode(hash.finalize()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_hashed() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        let mut writer = Writer::start(temporary.reopen().unwrap(), "a.mp4".into());
        writer.append(Bytes::from_static(b"thrown away")).await.unwrap();
        writer.start_over().await.unwrap();
        for part in ["a", "b", "c"] {
            writer.append(Bytes::from_static(part.as_bytes())).await.unwrap();
        }
        let written = writer.finish().await.unwrap();
        assert_eq!(written.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(std::fs::read(temporary.path()).unwrap(), b"abc");
    }

    /// `/dev/full` refuses every byte as a full disk does.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_told() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut writer = Writer::start(full(), "a.mp4".into());
        writer.append(Bytes::from_static(b"x")).await.unwrap();
        let Err(Error::Download(error)) = writer.finish().await else { panic!("written") };
        assert_eq!(error.errno, Some(28));
        assert!(error.message.contains("a.mp4") && error.message.contains("free some space"), "{}", error.message);

        let mut writer = Writer::start(full(), "a.mp4".into());
        let error = loop {
            if let Err(error) = writer.append(Bytes::from_static(b"x")).await {
                break error;
            }
        };
        assert!(matches!(error, Error::Download(error) if error.errno == Some(28)));
    }
}
