//! Blocking work outside the async workers.

use crate::error::{Error, Result};

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::invalid("client", "the runtime is shutting down")))
}
