//! The client that the verbs share: connections, limits, and recently created jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::aliases::Aliases;
use crate::config::{Config, KeySource};
use crate::download::Files;
use crate::error::{ApiErrorKind, Error, Result};
use crate::event::Events;
use crate::job::VideoJob;
use crate::request_id::check_request_id;
use crate::response::Response;
use crate::transport::http::{Http, Pool};
use crate::transport::retry::Retries;
use crate::wire::response;

/// After a create, the service may not find its own new job for this long.
const CREATE_VISIBILITY_DELAY: Duration = Duration::from_secs(30);

/// A client of the service. Clones share connections and limits.
#[derive(Debug, Clone)]
pub struct ApiClient {
    shared: Arc<Shared>,
    pub(super) events: Events,
    pub(super) pool: Pool,
}

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    http: Http,
    files: OnceLock<Files>,
    /// When recent jobs were accepted.
    recently_created: Mutex<HashMap<String, Instant>>,
    aliases: Mutex<Aliases>,
}

impl ApiClient {
    /// Creates a client. It connects on first use.
    pub(crate) fn new(config: Arc<Config>) -> Result<Self> {
        let shared = Shared {
            http: Http::new(Arc::clone(&config), response::begun_id)?,
            files: OnceLock::new(),
            recently_created: Mutex::default(),
            aliases: Mutex::default(),
            config,
        };
        Ok(Self { shared: Arc::new(shared), events: Events::default(), pool: Pool::default() })
    }

    /// The same client, with another observer.
    pub(crate) fn observed(&self, events: Events) -> Self {
        Self { events: self.shared.config.secrets.hidden_in_events(events), ..self.clone() }
    }

    /// The same client for a runtime that runs only while a caller blocks on it. Its polls have
    /// their own connections, because no other runtime could drive them.
    pub(crate) fn driven_by_caller(&self) -> Self {
        Self { pool: Pool::Caller, ..self.clone() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(super) fn retries(&self, when: fn(&Error) -> bool, until: Option<Instant>) -> Retries {
        let config = self.config();
        Retries { most: config.max_retries, backoff: config.backoff, when, until }
    }

    pub(super) fn http(&self) -> &Http {
        &self.shared.http
    }

    pub(super) fn files(&self) -> Result<&Files> {
        if let Some(files) = self.shared.files.get() {
            return Ok(files);
        }
        let files = Files::new(&self.shared.config)?;
        Ok(self.shared.files.get_or_init(|| files))
    }

    /// Refuses what cannot be a job's ID, and the API key: IDs appear in messages and logs.
    pub(super) fn check_id(&self, request_id: &str) -> Result<()> {
        if self.shared.config.secrets.is_in(request_id) {
            return Err(Error::invalid("job", "the API key was passed as a job; pass the job's request_id"));
        }
        check_request_id(request_id)
    }

    /// The job in a response. A link from which a secret was removed is remembered as received.
    pub(super) fn with_link(
        &self,
        answer: &Response,
        read: impl Fn(&Response) -> Result<VideoJob>,
    ) -> Result<VideoJob> {
        let job = read(answer).map_err(|error| self.with_key_advice(error))?;
        if let (Some(original), Some(shown)) = (&answer.original, job.url())
            && let Ok(whole) = read(&Response { body: original.clone(), ..answer.clone() })
            && let Some(link) = whole.url().filter(|link| *link != shown)
        {
            self.shared.config.secrets.remember_link(shown, link);
        }
        Ok(job)
    }

    /// A rejected key may be none that the caller knows of.
    fn with_key_advice(&self, mut error: Error) -> Error {
        if let Error::Api(api) = &mut error
            && api.kind == ApiErrorKind::Authentication
            && self.config().key_source == KeySource::Placeholder
        {
            api.message.push_str("; no key was given, so the placeholder \"simulator\" was sent");
        }
        error
    }

    pub(super) fn remember_created(&self, request_id: &str) {
        let now = Instant::now();
        let mut recently_created = self.shared.recently_created.lock().unwrap_or_else(PoisonError::into_inner);
        recently_created.retain(|_, accepted| now.duration_since(*accepted) < CREATE_VISIBILITY_DELAY);
        recently_created.insert(request_id.to_owned(), now);
    }

    pub(super) fn accepted_at(&self, request_id: &str) -> Option<Instant> {
        self.shared.recently_created.lock().unwrap_or_else(PoisonError::into_inner).get(request_id).copied()
    }

    pub(super) fn is_recently_created(&self, request_id: &str) -> bool {
        self.accepted_at(request_id).is_some_and(|accepted| accepted.elapsed() < CREATE_VISIBILITY_DELAY)
    }

    pub(super) fn remember_aliases(&self, job: &VideoJob) {
        self.aliases().remember(&job.request_id, response::other_ids(job));
    }

    pub(super) fn aliases(&self) -> MutexGuard<'_, Aliases> {
        self.shared.aliases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
