//! Claims: only the process that created the claim of an attempt may send it.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::record::{EventKind, IntentDetails, Line};
use super::store::{Created, Store};

const ITEMS: &str = "items";
/// How many characters of an ID its key repeats, for people who look.
const READABLE_LENGTH: usize = 40;
/// The number of an attempt without one: a single create has no others.
pub(super) const FIRST: u32 = 1;
/// Enough of a hash to distinguish any two IDs.
const HASH_BYTES: usize = 12;
/// How often, and after what delay, a claim is read again that may be incomplete.
const MAX_READS: u32 = 10;
const READ_DELAY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) enum ClaimOwner {
    /// The caller may send the attempt, once.
    Mine,
    /// Another process claimed it first; the line names it.
    Theirs(Box<Line>),
}

#[derive(Debug, Clone)]
pub(super) struct Claims {
    store: Arc<dyn Store>,
}

impl Claims {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Claims attempt `n` for an item. `intent` is the line that will announce it.
    ///
    /// A store may repeat a request whose response was lost, and then report that the object exists: its content shows
    /// who created it.
    pub(super) async fn acquire(&self, n: u32, intent: &Line) -> io::Result<ClaimOwner> {
        let name = intent_name(&intent.id, n);
        let content = intent.encode().map_err(io::Error::other)?;
        let content = content.into_bytes();
        loop {
            if self.store.create(&name, content.clone()).await? == Created::New {
                return Ok(ClaimOwner::Mine);
            }
            // The other process released its claim in the meantime.
            let Some(line) = self.read(&intent.id, n).await? else { continue };
            return Ok(if line.attempt == intent.attempt {
                ClaimOwner::Mine
            } else {
                ClaimOwner::Theirs(Box::new(line))
            });
        }
    }

    /// The claim of attempt `n` for an item. An unreadable claim, or one about another attempt, counts as a claim of an
    /// unknown process.
    async fn read(&self, id: &str, n: u32) -> io::Result<Option<Line>> {
        let name = intent_name(id, n);
        for _ in 0..MAX_READS {
            let Some(content) = self.store.read(&name).await? else { return Ok(None) };
            if let Some(line) = decode(&content).filter(|line| line.id == id && line.n == Some(n)) {
                return Ok(Some(line));
            }
            tokio::time::sleep(READ_DELAY).await;
        }
        let error = Some(format!("its claim, {name} in the journal's folder, is damaged"));
        let attempt = format!("claim-{n}");
        let (id, order) = (id.to_owned(), Some(IntentDetails::default()));
        Ok(Some(Line { id, attempt, n: Some(n), order, error, ..Line::new(EventKind::Unknown) }))
    }

    pub(super) async fn exists(&self, id: &str, n: u32) -> io::Result<bool> {
        Ok(self.store.read(&intent_name(id, n)).await?.is_some())
    }

    /// The claims of one item, including damaged ones.
    pub(super) async fn of_item(&self, id: &str) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for name in self.store.list(&format!("{ITEMS}/{}", key(id))).await? {
            let Some((number, kind)) = name.split_once('.') else { continue };
            let Ok(n) = number.parse() else { continue };
            match kind {
                "intent" => lines.extend(self.read(id, n).await?),
                "accepted" => lines.extend(self.accepted(id, n).await?),
                _ => {}
            }
        }
        Ok(lines)
    }

    /// Releases a claim for which nothing was sent and nothing will be.
    pub(super) async fn release(&self, id: &str, n: u32) -> io::Result<()> {
        self.store.remove(&intent_name(id, n)).await
    }

    /// Whether a later attempt was claimed, so that this one may not be sent any more.
    pub(super) async fn is_superseded(&self, id: &str, n: u32) -> io::Result<bool> {
        self.exists(id, n.saturating_add(1)).await
    }

    /// Stores an acceptance that could not be written to the segment.
    pub(super) async fn save_accepted(&self, line: &Line) -> io::Result<()> {
        let content = line.encode().map_err(io::Error::other)?;
        self.store.create(&accepted_name(&line.id, line.n.unwrap_or(FIRST)), content.into_bytes()).await.map(|_| ())
    }

    /// The stored acceptance of attempt `n`.
    pub(super) async fn accepted(&self, id: &str, n: u32) -> io::Result<Option<Line>> {
        let line = self.store.read(&accepted_name(id, n)).await?.and_then(|content| decode(&content));
        Ok(line.filter(|line| line.id == id))
    }

    /// The claims of all items except those with a `known` [`key`].
    pub(super) async fn unknown(&self, known: &HashSet<String>) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for key in self.store.list(ITEMS).await? {
            if !known.contains(&key) {
                lines.extend(self.of_key(&key).await?);
            }
        }
        Ok(lines)
    }

    async fn of_key(&self, key: &str) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for name in self.store.list(&format!("{ITEMS}/{key}")).await? {
            let content = self.store.read(&format!("{ITEMS}/{key}/{name}")).await?;
            lines.extend(content.and_then(|content| decode(&content)));
        }
        Ok(lines)
    }
}

/// The name of an item in the store: valid on every file system, also without case sensitivity.
pub(super) fn key(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let hash = crate::hexadecimal::encode(&digest[..HASH_BYTES]);
    let readable: String = id.chars().filter(char::is_ascii_alphanumeric).take(READABLE_LENGTH).collect();
    format!("{}-{hash}", readable.to_ascii_lowercase())
}

fn intent_name(id: &str, n: u32) -> String {
    format!("{ITEMS}/{}/{n}.intent", key(id))
}

fn accepted_name(id: &str, n: u32) -> String {
    format!("{ITEMS}/{}/{n}.accepted", key(id))
}

fn decode(content: &[u8]) -> Option<Line> {
    Line::decode(content.trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::EventKind;
    use crate::journal::store::Folder;

    fn intent(id: &str, attempt: &str) -> Line {
        Line { id: id.into(), attempt: attempt.into(), n: Some(1), ..Line::new(EventKind::Intent) }
    }

    #[tokio::test]
    async fn an_attempt_belongs_to_the_first_claim() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::new(Arc::new(Folder::new(folder.path())));
        let (first, second) = (intent("a", "x"), intent("a", "y"));
        assert!(matches!(claims.acquire(1, &first).await.unwrap(), ClaimOwner::Mine));
        let ClaimOwner::Theirs(line) = claims.acquire(1, &second).await.unwrap() else { panic!() };
        assert_eq!(line.attempt, "x");
        assert!(matches!(claims.acquire(1, &first).await.unwrap(), ClaimOwner::Mine), "the store repeats a request");
        assert!(!claims.is_superseded("a", 1).await.unwrap());
        assert!(matches!(claims.acquire(2, &second).await.unwrap(), ClaimOwner::Mine));
        assert!(claims.is_superseded("a", 1).await.unwrap());
        claims.release("a", 2).await.unwrap();
        assert!(!claims.is_superseded("a", 1).await.unwrap());
        assert_eq!(claims.unknown(&HashSet::new()).await.unwrap().len(), 1);
        assert!(claims.unknown(&HashSet::from([key("a")])).await.unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_damaged_claim_belongs_to_an_unknown_process() {
        let other = intent("b", "x").encode().unwrap();
        let flipped = Line { n: Some(7), ..intent("a", "x") }.encode().unwrap();
        for content in ["", "{", &other, &flipped, "\0\0\0"] {
            let folder = tempfile::tempdir().unwrap();
            let claims = Claims::new(Arc::new(Folder::new(folder.path())));
            let path = folder.path().join(intent_name("a", 1));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            let ClaimOwner::Theirs(line) = claims.acquire(1, &intent("a", "y")).await.unwrap() else { panic!() };
            assert_eq!((line.event, &*line.id, line.n), (EventKind::Unknown, "a", Some(1)));
            assert!(line.error.as_ref().unwrap().contains("1.intent"), "{line:?}");
            assert_eq!(claims.of_item("a").await.unwrap()[0].attempt, line.attempt);
        }
    }

    #[test]
    fn keys_distinguish_ids_on_every_file_system() {
        let ids = ["a", "A", "a/b", "a b", "ä", "", &"x".repeat(500), "../../etc/passwd", "con"];
        let keys: HashSet<_> = ids.iter().map(|id| key(id)).collect();
        assert_eq!(keys.len(), ids.len());
        for key in keys {
            assert!(key.len() < 100 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{key}");
        }
    }
}
