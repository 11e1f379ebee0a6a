//! Who may send an attempt: whoever created its claim, and nobody else.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::line::Line;
use super::store::{Created, Store};

const ITEMS: &str = "items";
/// How much of an ID its name in the store repeats, for people who look.
const READABLE: usize = 40;
/// Enough of a hash to tell any two IDs apart.
const HASH_BYTES: usize = 12;

/// What came of claiming an attempt.
#[derive(Debug)]
pub(super) enum Taken {
    /// The caller may send it, once.
    Mine,
    /// Somebody else claimed it first; the line says who, if it can be read.
    Theirs(Option<Box<Line>>),
}

/// The claims of one journal.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    store: Arc<dyn Store>,
}

impl Claims {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Claims attempt `n` at an item. `intent` is the line that will announce it.
    ///
    /// A store may repeat a request whose answer was lost and then report that the object exists: what it holds tells
    /// whose it is.
    pub(super) async fn take(&self, n: u32, intent: &Line) -> io::Result<Taken> {
        let name = intent_name(&intent.id, n);
        let content = intent.encode().map_err(io::Error::other)?;
        if self.store.create(&name, content.into_bytes()).await? == Created::New {
            return Ok(Taken::Mine);
        }
        let line = self.store.read(&name).await?.and_then(|content| decode(&content));
        if line.as_ref().is_some_and(|line| line.attempt == intent.attempt) {
            return Ok(Taken::Mine);
        }
        Ok(Taken::Theirs(line.map(Box::new)))
    }

    /// Gives up a claim under which nothing was sent and nothing will be.
    pub(super) async fn give_up(&self, id: &str, n: u32) -> io::Result<()> {
        self.store.remove(&intent_name(id, n)).await
    }

    /// Whether a later attempt was claimed: whoever holds this one is too late to send it.
    pub(super) async fn is_superseded(&self, id: &str, n: u32) -> io::Result<bool> {
        Ok(self.store.read(&intent_name(id, n.saturating_add(1))).await?.is_some())
    }

    /// Keeps an acceptance that the journal's file cannot take.
    pub(super) async fn keep_accepted(&self, line: &Line) -> io::Result<()> {
        let (Some(n), content) = (line.n, line.encode().map_err(io::Error::other)?) else { return Ok(()) };
        self.store.create(&accepted_name(&line.id, n), content.into_bytes()).await.map(|_| ())
    }

    /// The acceptance that was kept for attempt `n`, if one was.
    pub(super) async fn accepted(&self, id: &str, n: u32) -> io::Result<Option<Line>> {
        Ok(self.store.read(&accepted_name(id, n)).await?.and_then(|content| decode(&content)))
    }

    /// The claims of all items but those that are `known`, by what `key` gives for their IDs.
    pub(super) async fn unknown(&self, known: &HashSet<String>) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for key in self.store.list(ITEMS).await? {
            if !known.contains(&key) {
                lines.extend(self.of(&key).await?);
            }
        }
        Ok(lines)
    }

    async fn of(&self, key: &str) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for name in self.store.list(&format!("{ITEMS}/{key}")).await? {
            let content = self.store.read(&format!("{ITEMS}/{key}/{name}")).await?;
            lines.extend(content.and_then(|content| decode(&content)));
        }
        Ok(lines)
    }
}

/// The name of an item in the store: good on every file system, also where case does not count.
pub(super) fn key(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let hash = super::hexadecimal(&digest[..HASH_BYTES]);
    let readable: String = id.chars().filter(char::is_ascii_alphanumeric).take(READABLE).collect();
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
    use crate::journal::line::Kind;
    use crate::journal::store::Folder;

    fn intent(id: &str, attempt: &str) -> Line {
        Line { id: id.into(), attempt: attempt.into(), n: Some(1), ..Line::new(Kind::Intent) }
    }

    #[tokio::test]
    async fn an_attempt_belongs_to_whoever_claimed_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::new(Arc::new(Folder::new(folder.path())));
        let (first, second) = (intent("a", "x"), intent("a", "y"));
        assert!(matches!(claims.take(1, &first).await.unwrap(), Taken::Mine));
        let Taken::Theirs(Some(line)) = claims.take(1, &second).await.unwrap() else { panic!() };
        assert_eq!(line.attempt, "x");
        assert!(matches!(claims.take(1, &first).await.unwrap(), Taken::Mine), "an answer of the store was lost");
        assert!(!claims.is_superseded("a", 1).await.unwrap());
        assert!(matches!(claims.take(2, &second).await.unwrap(), Taken::Mine));
        assert!(claims.is_superseded("a", 1).await.unwrap());
        claims.give_up("a", 2).await.unwrap();
        assert!(!claims.is_superseded("a", 1).await.unwrap());
        assert_eq!(claims.unknown(&HashSet::new()).await.unwrap().len(), 1);
        assert!(claims.unknown(&HashSet::from([key("a")])).await.unwrap().is_empty());
    }

    #[test]
    fn names_tell_ids_apart_on_every_file_system() {
        let ids = ["a", "A", "a/b", "a b", "ä", "", &"x".repeat(500), "../../etc/passwd", "con"];
        let keys: HashSet<_> = ids.iter().map(|id| key(id)).collect();
        assert_eq!(keys.len(), ids.len());
        for key in keys {
            assert!(key.len() < 100 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{key}");
        }
    }
}
