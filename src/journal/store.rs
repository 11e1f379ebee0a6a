//! Storage of claims: anything that can create an object unless it exists.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    New,
    Exists,
}

/// Named objects. Creating an object unless it exists decides races.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// Creates an object. Exactly one of several concurrent callers gets [`Created::New`].
    fn create(&self, name: &str, content: Vec<u8>) -> BoxFuture<'static, io::Result<Created>>;

    /// The content of an object; `None` if it does not exist.
    fn read(&self, name: &str) -> BoxFuture<'static, io::Result<Option<Vec<u8>>>>;

    /// The names directly below `prefix`.
    fn list(&self, prefix: &str) -> BoxFuture<'static, io::Result<Vec<String>>>;

    /// Removes an object, if it exists.
    fn remove(&self, name: &str) -> BoxFuture<'static, io::Result<()>>;
}

/// Objects as files in a folder.
///
/// They are not flushed to the disk: the lines of the journal are, and claims only coordinate running processes.
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

/// With hard links an object appears together with its content, so a killed process leaves no empty object.
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
        // An incomplete object must not count as a claim.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    Ok(Created::New)
}

/// `None` if the file system has no hard links.
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
    // On failure, a later run removes it.
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
    async fn one_of_several_concurrent_creators_wins() {
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
    async fn a_missing_object_is_not_an_error() {
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
