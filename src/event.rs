//! What happens during a call, told while it happens.

use std::sync::Arc;
use std::time::Duration;

use crate::job::VideoJob;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An exchange with the API ended.
    Request {
        /// `GET` or `POST`.
        method: &'static str,
        /// The path below the base URL.
        path: String,
        /// The HTTP status, or nothing when no answer came.
        status_code: Option<u16>,
        /// How long it took.
        elapsed: Duration,
    },
    /// An exchange will be tried again.
    Retry {
        /// The path below the base URL.
        path: String,
        /// Which retry this is, from 1.
        attempt: u32,
        /// How long until then.
        delay: Duration,
        /// Why.
        reason: String,
    },
    /// A create was accepted: from here on the job exists.
    Accepted(VideoJob),
    /// A job changed.
    Status(VideoJob),
    /// Something happened to one item of a batch.
    OfItem {
        /// The item.
        id: Arc<str>,
        /// What happened to it.
        event: Box<Event>,
    },
    /// Bytes of a file arrived.
    Download {
        /// The job whose file it is, if known.
        request_id: Option<String>,
        /// Bytes so far.
        received: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// Nothing happened for a while: whoever shows something may bring its time up to date.
    Tick,
}

/// Whoever listens, or nobody.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Events {
    /// Events that go to `listener`, called on a worker thread: it must not block.
    pub fn to(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// The same listener, told what `change` makes of each event.
    pub(crate) fn map(self, change: impl Fn(Event) -> Event + Send + Sync + 'static) -> Self {
        self.0.map_or_else(Self::default, |listener| Self::to(move |event| listener(change(event))))
    }

    /// Tells the listener; the event is made only if there is one.
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = &self.0 {
            listener(event());
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Events(listening)" } else { "Events(nobody)" })
    }
}
