//! The verbs, in Rust.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::batch::course::{Course, End, order};
use crate::batch::{Budget, OnExisting, OnUnknown, Prices, Retry, Rules, Stop};
use crate::config::Config;
use crate::download::{self, Download, Files, Order, Standing};
use crate::error::{ApiErrorKind, Error, Result};
use crate::event::{Event, Events};
use crate::http::{Http, Pool, Turn};
use crate::job::{VideoJob, check_request_id, path_segment};
use crate::journal::{self, Columns, Journal, Next, Which};
use crate::media::Ready;
use crate::offload::blocking;
use crate::request::{Operation, VideoRequest};
use crate::retry::{Retries, certainly_not_started, worth_repeating};
use crate::upload::Upload;
use crate::watch::{Ask, Ended, Patience, Snapshot, Watch};
use crate::wire::{self, Answer, response};

use aliases::Aliases;
use preparation::Preparation;

mod aliases;
mod preparation;

/// For so long after a create, "no such job" means "not there yet".
const GRACE: Duration = Duration::from_secs(30);

/// A client of the service. Clones share connections and limits.
#[derive(Debug, Clone)]
pub struct VideoClient {
    shared: Arc<Shared>,
    events: Events,
    pool: Pool,
}

#[derive(Debug)]
struct Shared {
    config: Arc<Config>,
    http: Http,
    files: OnceLock<Files>,
    /// When the jobs of the last moments were accepted.
    newborn: Mutex<HashMap<String, Instant>>,
    /// The other ids of jobs that have several.
    aliases: Mutex<Aliases>,
    journal: OnceCell<Arc<Journal>>,
}

/// What is to be bought, and as which attempt.
#[derive(Debug)]
pub(crate) struct Purchase<'a> {
    /// The item.
    pub(crate) id: &'a str,
    /// The attempt's number.
    pub(crate) n: u32,
    /// The attempt that it follows.
    pub(crate) follows: Option<String>,
    pub(crate) order: journal::Order,
    pub(crate) columns: Option<Columns>,
    /// When it is too late to send it.
    pub(crate) until: Option<Instant>,
}

/// A job that was just bought.
#[derive(Debug)]
pub(crate) struct Bought {
    pub(crate) job: VideoJob,
    /// Why it is not recorded, if it is not.
    pub(crate) warning: Option<String>,
}

/// A create that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    path: &'static str,
    body: Upload,
}

/// What `render` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The job, done.
    pub job: VideoJob,
    /// The file, kept.
    pub file: Download,
    /// What the caller should know besides.
    pub warning: Option<String>,
}

/// Creates under way that are heard to their end, whoever has stopped waiting for them.
static SUBMISSIONS: AtomicUsize = AtomicUsize::new(0);

/// One of them.
pub(crate) struct Submission;

impl Submission {
    pub(crate) fn begin() -> Self {
        SUBMISSIONS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Submission {
    fn drop(&mut self) {
        SUBMISSIONS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How many creates are under way and will be recorded.
#[cfg(feature = "python")]
pub(crate) fn submissions() -> usize {
    SUBMISSIONS.load(Ordering::SeqCst)
}

/// After a fork: those of the parent are not this process's.
#[cfg(feature = "python")]
pub(crate) fn forget_submissions() {
    SUBMISSIONS.store(0, Ordering::SeqCst);
}

impl VideoClient {
    /// A client as configured. Nothing is connected yet.
    pub fn new(config: Arc<Config>) -> Result<Self> {
        let shared = Shared {
            http: Http::new(config.clone())?,
            files: OnceLock::new(),
            newborn: Mutex::default(),
            aliases: Mutex::default(),
            journal: OnceCell::new(),
            config,
        };
        Ok(Self { shared: Arc::new(shared), events: Events::default(), pool: Pool::default() })
    }

    /// The same client, telling `events` what happens.
    #[must_use]
    pub fn observed(&self, events: Events) -> Self {
        Self { events: self.shared.config.secrets.hidden_in_events(events), ..self.clone() }
    }

    /// The same client for a runtime that runs only while its caller waits in it: its queries keep
    /// connections of their own, which nobody else could serve.
    #[must_use]
    pub fn driven_by_caller(&self) -> Self {
        Self { pool: Pool::Caller, ..self.clone() }
    }

    /// One query.
    pub async fn get(&self, job: &VideoJob) -> Result<VideoJob> {
        self.check_id(&job.request_id)?;
        self.remember_aliases(job);
        Ok(self.ask(&job.request_id).await?.job)
    }

    /// Every change of a job until it is over.
    pub fn watch(&self, job: VideoJob, patience: Patience) -> Result<Watch<Self>> {
        self.check_id(&job.request_id)?;
        Ok(self.watch_since(None, job, patience))
    }

    /// The job once it is done.
    pub async fn wait(&self, job: VideoJob, patience: Patience) -> Result<VideoJob> {
        let journal = self.journal().await?;
        let known = journal.and_then(|journal| journal.render_times_of(&job.request_id));
        let Ended { job, render_time } = self.follow(job, Patience { known, ..patience }, None)?.await?;
        if let Some(journal) = journal {
            journal.terminal(&job, render_time).await?;
        }
        job.into_result()
    }

    /// The job once it is over, well or badly. When it was `accepted` need not be told of this client's own.
    pub(crate) fn follow(
        &self,
        job: VideoJob,
        patience: Patience,
        accepted: Option<Instant>,
    ) -> Result<Pin<Box<dyn Future<Output = Result<Ended>> + Send + '_>>> {
        self.check_id(&job.request_id)?;
        let mut watch = self.watch_since(accepted, job, patience);
        // Boxed here: each future on the way up would make room for it once more, and thousands wait.
        Ok(Box::pin(async move { watch.end(|job| self.events.tell(|| Event::Status(job.clone()))).await }))
    }

    fn retries(&self, when: fn(&Error) -> bool, until: Option<Instant>) -> Retries {
        let config = &self.shared.config;
        Retries { most: config.max_retries, backoff: config.backoff, when, until }
    }

    fn watch_since(&self, accepted: Option<Instant>, job: VideoJob, patience: Patience) -> Watch<Self> {
        let poll_interval = patience.poll_interval.or(self.shared.config.poll_interval);
        let patience = Patience { poll_interval, ..patience };
        self.remember_aliases(&job);
        let own = self.accepted_at(&job.request_id);
        let watch = Watch::new(self.clone(), job, own.or(accepted), patience);
        let watch = watch.with_max_age(self.shared.config.max_job_age);
        if own.is_some() { watch.of_known_job() } else { watch }
    }

    /// Creates a job from a prompt, an image or references.
    pub async fn generate(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Generate, request).await
    }

    /// Creates a job that changes a video.
    pub async fn edit(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Edit, request).await
    }

    /// Creates a job that goes on with a video.
    pub async fn extend(&self, request: VideoRequest) -> Result<VideoJob> {
        self.create_by(Operation::Extend, request).await
    }

    /// Keeps the file of a job.
    pub async fn download(&self, job: &VideoJob, path: &Path, options: &download::Options) -> Result<Download> {
        let file = self.keep(job, path, options).await?;
        if let Some(journal) = self.journal().await? {
            journal.saved(&job.request_id, &file).await?;
        }
        Ok(file)
    }

    /// Keeps the file of a job, and tells no journal.
    pub(crate) async fn keep(&self, job: &VideoJob, path: &Path, options: &download::Options) -> Result<Download> {
        self.check_id(&job.request_id)?;
        download::check_target(path, options)?;
        // A bare id says nothing of a link, and a link may have expired since it was seen.
        let is_lost = job.url().is_some_and(|link| self.shared.config.secrets.is_link_lost(link));
        let job = if job.is_terminal() && !is_lost { job.clone() } else { self.get(job).await? };
        let link = link(&job)?;
        let refresh = || async { Ok(self.get(&job).await?.url().map(str::to_owned)) };
        let order = Order { link, path, options, job: Some(&job) };
        self.files()?.keep(order, &self.events, refresh).await
    }

    /// Keeps the file behind a link of which the job is not known.
    pub async fn download_link(&self, link: &str, path: &Path, options: &download::Options) -> Result<Download> {
        download::check_target(path, options)?;
        if self.shared.config.secrets.is_link_lost(link) {
            let words = "the link of this video holds a key, which is not kept with it: give the job of the video";
            return Err(Error::invalid("job_or_video", words));
        }
        let order = Order { link, path, options, job: None };
        self.files()?.keep(order, &self.events, || async { Ok(None) }).await
    }

    /// The body that a request would be sent with, its media shortened. Links of earlier renders stay as they are.
    pub async fn preview(request: VideoRequest) -> Result<serde_json::Value> {
        request.check()?;
        let operation = request.operation;
        wire::request::preview(request.prepared(&Preparation { client: None, operation }).await?)
    }

    /// Creates a job, waits for it and keeps its file; or goes on where an earlier call for the same was left.
    pub async fn render(
        &self,
        request: VideoRequest,
        path: &Path,
        patience: Patience,
        options: &download::Options,
        on_unknown: OnUnknown,
    ) -> Result<Rendered> {
        request.check()?;
        if request.upload_url.is_some() {
            let words = "upload_url has the file delivered elsewhere, and render keeps it here: use generate and wait";
            return Err(Error::invalid("upload_url", words));
        }
        let journal = self.journal_of(path).await?;
        let course = Course {
            rules: Rules {
                on_existing: if options.overwrite { OnExisting::Overwrite } else { OnExisting::Resume },
                on_unknown,
                retry: Retry::All,
                verify: false,
            },
            budget: Budget::new(None, 0, None),
            prices: Prices::default(),
            downloads: Semaphore::new(1),
            patience,
            max_bytes: options.max_bytes,
            deadline: None,
            under_way: Arc::default(),
            creates: Semaphore::new(1),
            service: self.service(),
            run: None,
            journal,
        };
        let item = course.item_of_file(request, path).await?;
        let End { seen, result } = course.run(self, &item).await;
        result.map(|made| Rendered { job: made.job, file: made.file, warning: seen.warning })
    }

    async fn create_by(&self, verb: Operation, request: VideoRequest) -> Result<VideoJob> {
        if request.operation != verb {
            let (is, verb) = (request.operation.as_str(), verb.as_str());
            return Err(Error::invalid(
                "operation",
                format!("the request is for {is:?}, not for {verb:?}: call {is} with it"),
            ));
        }
        self.create(request).await
    }

    async fn create(&self, request: VideoRequest) -> Result<VideoJob> {
        let estimate = Prices::default().estimate(&request).unwrap_or_default();
        let order = journal::Order { service: self.service(), ..order(&request, "", estimate) };
        let prepared = self.prepare(request).await?;
        let journal = self.journal().await?.cloned();
        let turn = self.turn().await;
        let name = new_name();
        let Some(journal) = journal else { return self.send(turn, &prepared, &name, None, || async { Ok(()) }).await };
        let client = self.clone();
        // What is recorded is heard to its end, whoever has stopped waiting for it.
        let submission = Submission::begin();
        let create = tokio::spawn(async move {
            // Nothing else names a single create.
            let which = Which { id: &name, attempt: &name };
            let _held = (submission, journal.claim(&name).await?);
            journal.intent(which, order).await?;
            let sent = client.send(turn, &prepared, &name, None, || async { Ok(()) }).await;
            let job = recorded(&journal, which, sent).await?;
            journal.accepted_and_released(which, &job).await?;
            Ok(job)
        });
        create.await.unwrap_or_else(|_| Err(Error::invalid("client", "the runtime is shutting down")))
    }

    /// Buys an item under a journal, in this client's turn. Nothing comes back when somebody else was first.
    pub(crate) async fn buy(
        &self,
        turn: Turn,
        journal: &Arc<Journal>,
        purchase: Purchase<'_>,
        prepared: &Prepared,
    ) -> Result<Option<Bought>> {
        let Purchase { id, follows, n, order, columns, until } = purchase;
        let next = Next { attempt: new_name(), n, follows };
        // Before the claim can be seen: others count from there.
        let claimed = Instant::now();
        if !journal.begin(id, &next, order, columns).await? {
            return Ok(None);
        }
        let which = Which { id, attempt: &next.attempt };
        let may_send = || async {
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(Stop::Deadline.error());
            }
            // A process that stood still may have been taken for dead meanwhile.
            let is_in_time = claimed.elapsed() < journal::SEND_TIMEOUT || journal.may_send(id, n).await?;
            if is_in_time { Ok(()) } else { Err(too_late()) }
        };
        let sent = if claimed.elapsed() < journal::SEND_TIMEOUT {
            self.send(turn, prepared, &next.attempt, until, may_send).await
        } else {
            Err(too_late())
        };
        let job = recorded(journal, which, sent).await?;
        // The job is paid for: it is followed even where its acceptance cannot be written down yet.
        let warning = journal
            .accepted(which, &job, Some(n))
            .await
            .err()
            .map(|error| format!("job {} was accepted, and is followed without a record: {error}", job.request_id));
        Ok(Some(Bought { job, warning }))
    }

    /// The service that this client speaks to.
    pub(crate) fn service(&self) -> String {
        self.shared.config.service().to_owned()
    }

    /// Everything that can be refused before a create is sent.
    pub(crate) async fn prepare(&self, request: VideoRequest) -> Result<Prepared> {
        request.check()?;
        let (operation, path) = (request.operation, request.operation.path());
        let ready = request.prepared(&Preparation { client: Some(self), operation }).await?;
        Ok(Prepared { path, body: Upload::new(wire::request::body(ready)?) })
    }

    /// Returns when one create may be sent.
    async fn turn(&self) -> Turn {
        self.shared.http.turn().await
    }

    /// Returns when one create may be sent, or when it is too late for that.
    pub(crate) async fn turn_until(&self, until: Option<Instant>) -> Result<Turn> {
        let Some(until) = until else { return Ok(self.turn().await) };
        tokio::time::timeout_at(until, self.turn()).await.map_err(|_| Stop::Deadline.error())
    }

    /// Sends a create in its turn, again and again while it certainly did not start, `may_send` allows it and it is
    /// not late.
    async fn send<F: Future<Output = Result<()>>>(
        &self,
        turn: Turn,
        prepared: &Prepared,
        name: &str,
        until: Option<Instant>,
        may_send: impl Fn() -> F,
    ) -> Result<VideoJob> {
        let (http, events) = (&self.shared.http, &self.events);
        let Prepared { path, body } = prepared;
        let retries = self.retries(certainly_not_started, until);
        let mut first = Some(turn);
        let may_send = &may_send;
        let job = retries
            .run(
                path,
                events,
                |pause| http.slow_down(pause),
                || {
                    let turn = first.take();
                    async move {
                        let turn = match turn {
                            Some(turn) => turn,
                            None => self.turn_until(until).await?,
                        };
                        may_send().await?;
                        let answer = http.create(turn, path, body, name, events).await.map_err(lost)?;
                        self.with_link(&answer, response::created)
                    }
                },
            )
            .await
            .map_err(|error| too_large(error, body))?;
        self.remember(&job.request_id);
        self.remember_aliases(&job);
        self.events.tell(|| Event::Accepted(job.clone()));
        Ok(job)
    }

    /// The journal of single creates, if there is to be one.
    pub async fn journal(&self) -> Result<Option<&Arc<Journal>>> {
        let Some(folder) = self.shared.config.journal.clone() else { return Ok(None) };
        let open = || blocking(move || Journal::open(&folder));
        self.shared.journal.get_or_try_init(open).await.map(Some)
    }

    /// The journal that tells of a file: the client's own, or the one of the file's folder.
    async fn journal_of(&self, path: &Path) -> Result<Arc<Journal>> {
        if let Some(journal) = self.journal().await? {
            let journal = Arc::clone(journal);
            return blocking(move || journal.refresh().map(|()| journal)).await;
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        blocking(move || Journal::beside(&folder)).await
    }

    /// What its server says about a link to a file.
    async fn standing(&self, link: &str) -> Result<Standing> {
        if self.shared.config.secrets.is_link_lost(link) {
            return Ok(Standing::Gone);
        }
        self.files()?.standing(link).await
    }

    /// Whether a link without a file has one if it is waited for.
    async fn appears(&self, link: &str) -> Result<bool> {
        if self.shared.config.secrets.is_link_lost(link) {
            return Ok(false);
        }
        self.files()?.appears(link).await
    }

    /// A link as the service itself can follow it.
    fn absolute(&self, link: &str) -> Result<Ready> {
        self.files()?.absolute(link).map(|url| Ready::Url(url.into()))
    }

    /// Refuses what cannot be a job's id, and the key, which would be shown wherever an id is.
    fn check_id(&self, request_id: &str) -> Result<()> {
        if self.shared.config.secrets.is_in(request_id) {
            return Err(Error::invalid("job", "the API key was given as a job; give the request_id of the job"));
        }
        check_request_id(request_id)
    }

    /// The job that an answer tells of. A link from which a secret was taken is remembered as it came.
    fn with_link(&self, answer: &Answer, read: impl Fn(&Answer) -> Result<VideoJob>) -> Result<VideoJob> {
        let job = read(answer)?;
        if let (Some(original), Some(shown)) = (&answer.original, job.url())
            && let Ok(whole) = read(&Answer { body: original.clone(), ..answer.clone() })
            && let Some(link) = whole.url().filter(|link| *link != shown)
        {
            self.shared.config.secrets.remember_link(shown, link);
        }
        Ok(job)
    }

    fn files(&self) -> Result<&Files> {
        if let Some(files) = self.shared.files.get() {
            return Ok(files);
        }
        let files = Files::new(&self.shared.config)?;
        Ok(self.shared.files.get_or_init(|| files))
    }

    fn remember(&self, request_id: &str) {
        let now = Instant::now();
        let mut newborn = self.shared.newborn.lock().unwrap_or_else(PoisonError::into_inner);
        newborn.retain(|_, accepted| now.duration_since(*accepted) < GRACE);
        newborn.insert(request_id.to_owned(), now);
    }

    fn accepted_at(&self, request_id: &str) -> Option<Instant> {
        self.shared.newborn.lock().unwrap_or_else(PoisonError::into_inner).get(request_id).copied()
    }

    fn is_newborn(&self, request_id: &str) -> bool {
        self.accepted_at(request_id).is_some_and(|accepted| accepted.elapsed() < GRACE)
    }
}

impl Watch<VideoClient> {
    /// Tells `events` what happens from now on.
    pub fn observe(&mut self, events: Events) {
        let client = self.service_mut();
        *client = client.observed(events);
    }
}

impl Ask for VideoClient {
    async fn ask(&self, request_id: &str) -> Result<Snapshot> {
        let (name, others) = self.aliases().of(request_id);
        match self.ask_by(&name, request_id).await {
            Err(error) if not_there(&error) => {
                if let Some(snapshot) = self.ask_by_others(others, request_id).await {
                    return Ok(snapshot);
                }
                if self.is_newborn(request_id) {
                    return Ok(Snapshot { job: VideoJob::pending(request_id), retry_after: None });
                }
                Err(error.concerning(request_id))
            }
            Err(error) => Err(error.concerning(request_id)),
            snapshot => snapshot,
        }
    }
}

impl VideoClient {
    /// Asks for the job `request_id`, which goes by `name` in the path.
    async fn ask_by(&self, name: &str, request_id: &str) -> Result<Snapshot> {
        let http = &self.shared.http;
        let (events, path) = (&self.events, &format!("/videos/{}", path_segment(name)));
        let retries = self.retries(worth_repeating, None);
        retries
            .run(
                path,
                events,
                |pause| http.slow_down(pause),
                || async move {
                    let answer = http.get(path, self.pool, events).await?;
                    let job = self.with_link(&answer, |answer| response::job(request_id, answer))?;
                    Ok(Snapshot { job, retry_after: answer.retry_after })
                },
            )
            .await
    }

    /// Asks for the job under its other ids; the one that works is used from then on.
    async fn ask_by_others(&self, others: Vec<String>, request_id: &str) -> Option<Snapshot> {
        for other in others {
            if let Ok(snapshot) = self.ask_by(&other, request_id).await {
                self.aliases().prefer(request_id, &other);
                return Some(snapshot);
            }
        }
        None
    }

    fn remember_aliases(&self, job: &VideoJob) {
        self.aliases().remember(&job.request_id, response::other_ids(job));
    }

    fn aliases(&self) -> MutexGuard<'_, Aliases> {
        self.shared.aliases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers that a query gets before the service has heard of its own new job.
fn not_there(error: &Error) -> bool {
    matches!(error, Error::Api(error)
        if error.kind == ApiErrorKind::NotFound || (error.kind == ApiErrorKind::BadRequest && error.status_code == 400))
}

/// A create that left and got no answer may have been bought.
fn lost(error: Error) -> Error {
    let (Error::ConnectionFailed(trouble) | Error::RequestTimeout(trouble)) = &error else { return error };
    if trouble.not_sent {
        return error;
    }
    let request_id = trouble.request_id.clone();
    let named = request_id.as_ref().map(|id| format!(" behind the id {id:?}")).unwrap_or_default();
    Error::SubmitUnknown {
        message: format!(
            "the create was sent and its answer was lost{named} ({}): a job may exist and be billed; \
             look for it in the provider's console before creating it again",
            trouble.message
        ),
        status_code: None,
        request_id,
    }
}

async fn recorded(journal: &Journal, which: Which<'_>, sent: Result<VideoJob>) -> Result<VideoJob> {
    if let Err(error) = &sent {
        // The error itself says more than that it could not be recorded.
        let _ = journal.rejected(which, error).await;
    }
    sent
}

/// Whether anything was sent under a claim is for its owner to know: here nothing was.
fn too_late() -> Error {
    Error::NotBought(
        "not bought: this process stood still between claiming the item and sending it, so nothing was sent; \
         run the same call again"
            .into(),
    )
}

/// A name for one create, kept over its safe repetitions.
fn new_name() -> String {
    format!("vidjob-{:032x}", fastrand::u128(..))
}

/// What to do about a body that the service finds too large.
fn too_large(error: Error, body: &Upload) -> Error {
    const TOO_LARGE: u16 = 413;
    match error {
        Error::Api(mut refusal) if refusal.status_code == TOO_LARGE => {
            let megabytes = body.length().div_ceil(1_000_000);
            let _ = write!(
                refusal.message,
                " (the body has {megabytes} MB: make the media smaller, or put them where the service can fetch them \
                 and pass their https address)"
            );
            Error::Api(refusal)
        }
        error => error,
    }
}

fn link(job: &VideoJob) -> Result<&str> {
    if let Some(link) = job.url() {
        return Ok(link);
    }
    let job = job.clone().into_result()?;
    let message = if job.is_terminal() { no_link(&job) } else { "the job is not done yet: wait for it first".into() };
    Err(Error::download(crate::error::DownloadErrorKind::Other, message).concerning(&job.request_id))
}

fn no_link(job: &VideoJob) -> String {
    let fields = job.raw.as_deref().map(response::field_names).filter(|fields| !fields.is_empty());
    let fields = fields.map(|fields| format!(" (fields received: {fields})")).unwrap_or_default();
    format!(
        "the job is done, and its answer holds no link to a video{fields}; \
         if the request had the file delivered or stored elsewhere, it is there"
    )
}
