//! Where claims are kept: anything that can create an object unless it exists.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

/// What came of creating an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    /// It is there now, and was not before.
    New,
    /// Somebody else was first.
    Exists,
}

/// Objects by name, with one primitive that decides races: create unless it exists.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// Creates an object; exactly one of those who try at once is told that it is new.
    fn create(&self, name: &str, content: Vec<u8>) -> BoxFuture<'static, io::Result<Created>>;

    /// The content of an object, or nothing when there is none.
    fn read(&self, name: &str) -> BoxFuture<'static, io::Result<Option<Vec<u8>>>>;

    /// The names directly below `prefix`.
    fn list(&self, prefix: &str) -> BoxFuture<'static, io::Result<Vec<String>>>;

    /// Removes an object, if it is there.
    fn remove(&self, name: &str) -> BoxFuture<'static, io::Result<()>>;
}

/// Objects as files of a folder.
///
/// They are not flushed: what must outlive the machine stands in the journal's lines, and these keep living processes
/// apart.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Store for Folder {
    fn create(&self, name: &str, content: Vec<u8>) -> BoxFuture<'static, io::Result<Created>> {
        let (folder, path) = (self.0.clone(), self.0.join(name));
        Box::pin(blocking(move || create(&folder, &path, &content)))
    }

    fn read(&self, name: &str) -> BoxFuture<'static, io::Result<Option<Vec<u8>>>> {
        let path = self.0.join(name);
        Box::pin(blocking(move || none_if_missing(std::fs::read(path))))
    }

    fn list(&self, prefix: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let path = self.0.join(prefix);
        Box::pin(blocking(move || {
            let Some(entries) = none_if_missing(std::fs::read_dir(path))? else { return Ok(Vec::new()) };
            Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
        }))
    }

    fn remove(&self, name: &str) -> BoxFuture<'static, io::Result<()>> {
        let path = self.0.join(name);
        Box::pin(blocking(move || none_if_missing(std::fs::remove_file(path)).map(|_| ())))
    }
}

/// An object appears with its content where the file system has hard links: whoever is killed in between leaves none.
fn create(store: &Path, path: &Path, content: &[u8]) -> io::Result<Created> {
    if let Some(created) = create_whole(store, path, content)? {
        return Ok(created);
    }
    let open = || OpenOptions::new().write(true).create_new(true).open(path);
    let opened = match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            open()
        }
        (opened, _) => opened,
    };
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Created::Exists),
        Err(error) => return Err(error),
    };
    if let Err(error) = file.write_all(content) {
        // Nobody may take an object for a claim that its creator never had.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(Created::New)
}

/// Nothing comes back where there are no hard links.
fn create_whole(store: &Path, path: &Path, content: &[u8]) -> io::Result<Option<Created>> {
    let folder = path.parent().unwrap_or(store);
    let temporary = store.join(format!(".object.{}.{:016x}.part", crate::process::tag(), fastrand::u64(..)));
    let with_folder = |step: &dyn Fn() -> io::Result<()>| match step() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            step()
        }
        done => done,
    };
    let written = with_folder(&|| std::fs::write(&temporary, content));
    let linked = written.map(|()| with_folder(&|| std::fs::hard_link(&temporary, path)));
    // Another run removes what cannot be removed now.
    let _ = std::fs::remove_file(&temporary);
    match linked? {
        Ok(()) => Ok(Some(Created::New)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Some(Created::Exists)),
        Err(error) if error.kind() == ErrorKind::StorageFull => Err(error),
        Err(_) => Ok(None),
    }
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn of_all_who_create_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let store = std::sync::Arc::new(Folder::new(folder.path()));
        for round in 0..30 {
            let name = format!("items/a/{round}.intent");
            let racers = (0..8_u8).map(|racer| store.create(&name, vec![racer]));
            let results = futures_util::future::join_all(racers.map(tokio::spawn)).await;
            let results: Vec<_> = results.into_iter().map(|result| result.unwrap().unwrap()).collect();
            let winners: Vec<_> = (0..8).filter(|racer| results[*racer] == Created::New).collect();
            assert_eq!(winners.len(), 1);
            let content = store.read(&name).await.unwrap().unwrap();
            assert_eq!(content, [u8::try_from(winners[0]).unwrap()]);
        }
        assert_eq!(store.list("items/a").await.unwrap().len(), 30);
    }

    #[tokio::test]
    async fn what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Folder::new(&folder.path().join("none"));
        assert_eq!(store.read("a").await.unwrap(), None);
        assert!(store.list("items").await.unwrap().is_empty());
        store.remove("a").await.unwrap();
        assert_eq!(store.create("a/b", Vec::new()).await.unwrap(), Created::New);
        assert_eq!(store.create("a/b", Vec::new()).await.unwrap(), Created::Exists);
        store.remove("a/b").await.unwrap();
        assert_eq!(store.read("a/b").await.unwrap(), None);
    }
}
