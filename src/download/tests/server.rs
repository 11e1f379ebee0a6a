//! A scripted HTTP server on loopback: one response per connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it arrived, header names in lower case.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    headers: HashMap<String, String>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is sent back before the connection is closed.
#[derive(Clone)]
pub(super) struct Reply {
    head: String,
    body: Vec<u8>,
    hang: bool,
    drip: Option<Duration>,
}

impl Reply {
    /// A response without a body.
    pub(super) fn status(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} As Told\r\nconnection: close\r\n");
        Self { head, body: Vec::new(), hang: false, drip: None }
    }

    /// A whole file.
    pub(super) fn file(body: &[u8]) -> Self {
        Self::status(200).header("content-length", &body.len().to_string()).body(body)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.head.push_str(part);
        }
        self
    }

    /// The bytes that are sent, regardless of the headers.
    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The same under another status.
    pub(super) fn instead(mut self, status: u16) -> Self {
        self.head = self.head.replacen("200", &status.to_string(), 1);
        self
    }

    /// Sends the body byte by byte.
    pub(super) fn dripping(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Leaves the connection open and says no more.
    pub(super) fn hanging(mut self) -> Self {
        self.hang = true;
        self
    }
}

/// Ends with the test.
pub(super) struct Server {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `script` gets the number of the request, from 0, and the request.
    pub(super) async fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&seen), Arc::new(script));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move { serve(stream, &log, &*script).await });
            }
        });
        Self { address, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, script: &(impl Fn(usize, &Seen) -> Reply + ?Sized)) {
    let Some(request) = read_request(&mut stream).await else { return };
    let reply = {
        let mut log = log.lock().unwrap();
        let reply = script(log.len(), &request);
        log.push(request);
        reply
    };
    // The client may turn away at any time, and some tests want it to.
    let _ = stream.write_all(format!("{}\r\n", reply.head).as_bytes()).await;
    let step = if reply.drip.is_some() { 1 } else { reply.body.len().max(1) };
    for part in reply.body.chunks(step) {
        if stream.write_all(part).await.is_err() {
            return;
        }
        if let Some(pause) = reply.drip {
            tokio::time::sleep(pause).await;
        }
    }
    if reply.hang {
        let _ = stream.read(&mut [0]).await;
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some(Seen { path, headers })
}
