//! Request bodies: files and bytes are encoded as base64 while they are sent, again in every attempt.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::body_part::{BodyPart, encoded_length};
use crate::media::{Inline, Source};

/// A multiple of three, so that the base64 of chunks can be concatenated.
const CHUNK: usize = 3 * 16 * 1024;
/// How many chunks of a file are read ahead.
const READ_AHEAD: usize = 4;

/// The most that the kernel buffers of a body, and the slowest upload rate (bytes per second) that is waited for.
const KERNEL_BUFFER: u64 = 6 << 20;
const MIN_UPLOAD_RATE: f64 = 65_536.0;

/// A body that can be sent more than once.
#[derive(Debug, Clone)]
pub struct Upload {
    parts: Arc<[BodyPart]>,
    length: u64,
}

/// The progress of one attempt to send a body.
#[derive(Debug)]
pub struct UploadProgress {
    state: Mutex<UploadState>,
    is_complete: AtomicBool,
    completed: Notify,
    is_response_started: AtomicBool,
    /// How long the kernel may take to send what it buffers.
    kernel_buffer_allowance: Duration,
}

#[derive(Debug)]
struct UploadState {
    last_progress: Instant,
    failure: Option<UnreadableMedia>,
}

/// Media that could not be read during the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableMedia {
    pub field: &'static str,
    pub reason: String,
}

impl Upload {
    #[must_use]
    pub fn new(parts: Vec<BodyPart>) -> Self {
        let length = parts.iter().map(length).sum();
        Self { parts: parts.into(), length }
    }

    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A new attempt to send the body.
    #[must_use]
    pub fn begin(&self) -> (reqwest::Body, Arc<UploadProgress>) {
        let state = UploadState { last_progress: Instant::now(), failure: None };
        let kernel_buffer_allowance = kernel_buffer_allowance(self.length);
        let progress = Arc::new(UploadProgress {
            state: Mutex::new(state),
            is_complete: AtomicBool::new(false),
            completed: Notify::new(),
            is_response_started: AtomicBool::new(false),
            kernel_buffer_allowance,
        });
        let parts = self.parts.iter().cloned().collect();
        let body = Stream { parts, current: None, left: self.length, progress: Arc::clone(&progress) };
        (reqwest::Body::wrap(body), progress)
    }
}

fn kernel_buffer_allowance(length: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "at most a few megabytes")]
    let buffered = length.min(KERNEL_BUFFER) as f64;
    Duration::from_secs_f64(buffered / MIN_UPLOAD_RATE)
}

fn length(part: &BodyPart) -> u64 {
    match part {
        BodyPart::Text(text) => text.len() as u64,
        BodyPart::Media(inline) => encoded_length(inline.length),
    }
}

impl UploadProgress {
    /// Whether the whole body was handed to the connection. Before that, the service cannot have read it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::SeqCst)
    }

    /// Returns when the whole body was handed to the connection. For one caller.
    pub async fn completed(&self) {
        self.completed.notified().await;
    }

    /// Records that the service has begun to respond, whatever the response says.
    pub fn response_started(&self) {
        self.is_response_started.store(true, Ordering::SeqCst);
    }

    /// Whether the service cannot have started anything: the body is incomplete, and no response has begun.
    #[must_use]
    pub fn nothing_received(&self) -> bool {
        !self.is_complete() && !self.is_response_started.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn failure(&self) -> Option<UnreadableMedia> {
        self.lock().failure.clone()
    }

    /// Returns when no bytes were handed on for `timeout`. For the last part the kernel gets additional time, as it
    /// does not report when it has sent it.
    pub async fn stalled(&self, timeout: Duration) {
        loop {
            let kernel_buffer_allowance =
                if self.is_complete() { self.kernel_buffer_allowance } else { Duration::ZERO };
            let due = self.lock().last_progress + timeout + kernel_buffer_allowance;
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, UploadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Stream {
    parts: VecDeque<BodyPart>,
    current: Option<Encoding>,
    left: u64,
    progress: Arc<UploadProgress>,
}

/// Media that is being encoded.
struct Encoding {
    field: &'static str,
    chunks: Chunks,
}

enum Chunks {
    Memory(Bytes),
    File {
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        /// Remaining characters.
        left: u64,
    },
}

impl Encoding {
    fn begin(inline: Inline) -> Self {
        let chunks = match inline.source {
            Source::Memory(bytes) => Chunks::Memory(bytes),
            Source::File(path) => {
                let (sender, receiver) = mpsc::channel(READ_AHEAD);
                tokio::task::spawn_blocking(move || read(&path, inline.length, &sender));
                Chunks::File { chunks: receiver, left: encoded_length(inline.length) }
            }
        };
        Self { field: inline.field, chunks }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.chunks {
            Chunks::Memory(bytes) if bytes.is_empty() => Poll::Ready(None),
            Chunks::Memory(bytes) => {
                let chunk = bytes.split_to(bytes.len().min(CHUNK));
                Poll::Ready(Some(Ok(BASE64_STANDARD.encode(chunk).into())))
            }
            Chunks::File { chunks, left } => match std::task::ready!(chunks.poll_recv(context)) {
                Some(chunk) => {
                    *left = left.saturating_sub(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                    Poll::Ready(Some(chunk))
                }
                None if *left > 0 => Poll::Ready(Some(Err(io::Error::other("reading the file was interrupted")))),
                None => Poll::Ready(None),
            },
        }
    }
}

/// Runs on a thread of its own, ahead of the upload as far as the channel allows.
fn read(path: &Path, length: u64, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let mut send = |chunk| sender.blocking_send(chunk).is_ok();
    if let Err(error) = read_chunks(path, length, &mut send) {
        send(Err(error));
    }
}

fn read_chunks(path: &Path, length: u64, send: &mut impl FnMut(io::Result<Bytes>) -> bool) -> io::Result<()> {
    // Opening a pipe could block forever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(changed_error(path));
    }
    let mut file = File::open(path)?;
    if file.metadata()?.len() != length {
        return Err(changed_error(path));
    }
    let mut left = length;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let size = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let part = chunk.split_at_mut(size).0;
        file.read_exact(part).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => changed_error(path),
            _ => error,
        })?;
        if !send(Ok(BASE64_STANDARD.encode(part).into())) {
            return Ok(());
        }
        left -= size as u64;
    }
    Ok(())
}

fn changed_error(path: &Path) -> io::Error {
    io::Error::other(format!("{} changed while it was sent", path.display()))
}

impl Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(current) = &mut self.current {
                match current.poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => self.current = None,
                    Poll::Ready(Some(Ok(chunk))) => return Poll::Ready(Some(Ok(self.hand_on(chunk)))),
                    Poll::Ready(Some(Err(error))) => {
                        let unreadable = UnreadableMedia { field: current.field, reason: error.to_string() };
                        self.progress.lock().failure = Some(unreadable);
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            match self.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(BodyPart::Text(text)) => return Poll::Ready(Some(Ok(self.hand_on(text.into())))),
                Some(BodyPart::Media(inline)) => self.current = Some(Encoding::begin(inline)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Stream {
    fn hand_on(&mut self, chunk: Bytes) -> Frame<Bytes> {
        self.left = self.left.saturating_sub(chunk.len() as u64);
        self.progress.lock().last_progress = Instant::now();
        if self.left == 0 {
            self.progress.is_complete.store(true, Ordering::SeqCst);
            self.progress.completed.notify_one();
        }
        Frame::data(chunk)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::media::Kind;

    fn media(length: u64, source: Source) -> BodyPart {
        BodyPart::Media(Inline { field: "image", kind: Kind::Png, length, source, video: None })
    }

    async fn sent(upload: &Upload) -> (Result<Bytes, reqwest::Error>, Arc<UploadProgress>) {
        let (body, progress) = upload.begin();
        (body.collect().await.map(http_body_util::Collected::to_bytes), progress)
    }

    #[tokio::test]
    async fn bytes_and_files_are_encoded_in_every_attempt() {
        let content: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for size in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, content.len()] {
            let part = &content[..size];
            std::fs::write(&path, part).unwrap();
            for source in [Source::Memory(Bytes::copy_from_slice(part)), Source::File(path.clone())] {
                let upload = Upload::new(vec![
                    BodyPart::Text("<".into()),
                    media(size as u64, source),
                    BodyPart::Text(">".into()),
                ]);
                for _ in 0..2 {
                    let (bytes, progress) = sent(&upload).await;
                    assert_eq!(bytes.unwrap(), format!("<{}>", BASE64_STANDARD.encode(part)));
                    assert!(progress.is_complete());
                }
                assert_eq!(upload.length(), 2 + encoded_length(size as u64));
            }
        }
    }

    #[tokio::test]
    async fn a_changed_file_ends_the_upload() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for content in [Some(&b"shorter"[..]), Some(b"longer than it was"), None] {
            let _ = std::fs::remove_file(&path);
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let upload = Upload::new(vec![media(10, Source::File(path.clone())), BodyPart::Text("end".into())]);
            let (bytes, progress) = sent(&upload).await;
            assert!(bytes.is_err());
            assert!(!progress.is_complete());
            assert_eq!(progress.failure().unwrap().field, "image");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_measured_from_the_last_progress() {
        let upload = Upload::new(vec![BodyPart::Text("a".into()), BodyPart::Text("b".into())]);
        let (mut body, progress) = upload.begin();
        let start = Instant::now();
        tokio::time::sleep(Duration::from_secs(7)).await;
        body.frame().await.unwrap().unwrap();
        progress.stalled(Duration::from_secs(10)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(17));
        body.frame().await.unwrap().unwrap();
        let begun = Instant::now();
        progress.stalled(Duration::from_secs(10)).await;
        assert!(begun.elapsed() > Duration::from_secs(10), "the kernel gets additional time");
        assert_eq!(kernel_buffer_allowance(u64::MAX), Duration::from_secs(96));
    }
}
