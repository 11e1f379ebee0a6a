//! What happens during a call, reported while it happens.

use std::sync::Arc;
use std::time::Duration;

use crate::job::VideoJob;

#[derive(Debug, Clone)]
pub enum Event {
    /// An exchange with the API ended.
    Request {
        method: &'static str,
        /// Below the base URL.
        path: String,
        /// `None` without a response.
        status_code: Option<u16>,
        elapsed: Duration,
    },
    /// An exchange will be retried.
    Retry {
        path: String,
        /// Counted from 1.
        attempt: u32,
        /// Time until the retry.
        delay: Duration,
        reason: String,
    },
    /// A create was accepted: the job exists from here on.
    Accepted(VideoJob),
    Status(VideoJob),
    /// An event of one item of a batch.
    OfItem {
        id: Arc<str>,
        event: Box<Event>,
    },
    /// Bytes of a file arrived.
    Download {
        /// `None` if the file belongs to no known job.
        request_id: Option<String>,
        /// Bytes so far.
        received: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// Nothing happened for a while; displays can update their elapsed time.
    Tick,
}

/// An optional listener.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Events {
    /// `listener` runs on a worker thread and must not block.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Passes each event through `change` first.
    pub(crate) fn map(self, change: impl Fn(Event) -> Event + Send + Sync + 'static) -> Self {
        self.0.map_or_else(Self::default, |listener| Self::to(move |event| listener(change(event))))
    }

    /// Builds the event only if there is a listener.
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.0 {
            listener(event());
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Events(listening)" } else { "Events(none)" })
    }
}
