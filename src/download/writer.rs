//! A thread per file that hashes and writes, so that neither delays the network.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::disk_error::disk_error;
use crate::error::{DownloadErrorKind, Error, Result};

/// A chunk is at most some hundred kilobytes.
const MAX_QUEUED_CHUNKS: usize = 16;

enum WriterCommand {
    Append(Bytes),
    StartOver,
}

pub(super) struct WrittenFile {
    pub(super) file: File,
    /// In hexadecimal.
    pub(super) sha256: String,
}

/// The handle of the thread. When it is dropped, the thread closes the file and ends.
pub(super) struct FileWriter {
    commands: mpsc::Sender<WriterCommand>,
    thread: JoinHandle<Result<WrittenFile>>,
}

impl FileWriter {
    /// `target` is named in errors.
    pub(super) fn start(file: File, target: PathBuf) -> Self {
        let (commands, queue) = mpsc::channel(MAX_QUEUED_CHUNKS);
        let thread = tokio::task::spawn_blocking(move || run(file, queue).map_err(|error| disk_error(&target, &error)));
        Self { commands, thread }
    }

    /// After an error the writer cannot be used again.
    pub(super) async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.send(WriterCommand::Append(bytes)).await
    }

    /// Truncates the file. After an error the writer cannot be used again.
    pub(super) async fn start_over(&mut self) -> Result<()> {
        self.send(WriterCommand::StartOver).await
    }

    pub(super) async fn finish(self) -> Result<WrittenFile> {
        drop(self.commands);
        self.thread.await.unwrap_or_else(|_| Err(ended_early()))
    }

    async fn send(&mut self, command: WriterCommand) -> Result<()> {
        if self.commands.send(command).await.is_ok() {
            return Ok(());
        }
        // The thread ends early only after a disk error.
        match (&mut self.thread).await {
            Ok(Err(error)) => Err(error),
            _ => Err(ended_early()),
        }
    }
}

fn ended_early() -> Error {
    Error::download(DownloadErrorKind::Other, "the file could not be written: the runtime is shutting down")
}

fn run(mut file: File, mut queue: mpsc::Receiver<WriterCommand>) -> io::Result<WrittenFile> {
    let mut hash = Sha256::new();
    while let Some(command) = queue.blocking_recv() {
        match command {
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
    Ok(WrittenFile { file, sha256: crate::hexadecimal::encode(hash.finalize()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn written_bytes_are_hashed() {
        let temporary = tempfile::NamedTempFile::new().unwrap();
        let mut writer = FileWriter::start(temporary.reopen().unwrap(), "a.mp4".into());
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
    async fn a_full_disk_is_reported() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut writer = FileWriter::start(full(), "a.mp4".into());
        writer.append(Bytes::from_static(b"x")).await.unwrap();
        let Err(Error::Download(error)) = writer.finish().await else { panic!("written") };
        assert_eq!(error.errno, Some(28));
        assert!(error.message.contains("a.mp4") && error.message.contains("free some space"), "{}", error.message);

        let mut writer = FileWriter::start(full(), "a.mp4".into());
        let error = loop {
            if let Err(error) = writer.append(Bytes::from_static(b"x")).await {
                break error;
            }
        };
        assert!(matches!(error, Error::Download(error) if error.errno == Some(28)));
    }
}
