//! Polls a job until it ends.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ApiErrorKind, Error, Result, WaitLimit};
use crate::job::VideoJob;
use crate::pacing::{History, Pacing, PollContext, RenderTimes};

/// The final poll starts at the deadline and may take this long.
const FINAL_POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of the single poll of a job that is older than its limit from the start.
const SINGLE_POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the service may be unreachable during a wait.
const MAX_OUTAGE: Duration = Duration::from_secs(15 * 60);

/// A refusal of the job ends the wait after this time and number of consecutive refusals.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const REFUSALS: u32 = 3;

/// No job ends this soon after its creation.
const MIN_JOB_AGE: Duration = Duration::from_secs(2);

/// The response to one poll.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub job: VideoJob,
    /// `Retry-After` of the response.
    pub retry_after: Option<Duration>,
}

/// Polls jobs; the service, or a script in tests.
pub trait PollJob {
    fn poll(&self, request_id: &str) -> impl Future<Output = Result<Snapshot>> + Send;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct WaitOptions {
    /// `None` waits without limit.
    pub timeout: Option<Duration>,
    /// A fixed interval in place of the adaptive one.
    pub poll_interval: Option<Duration>,
    /// Durations of similar renders.
    pub known: Option<RenderTimes>,
}

/// A job in a terminal state.
#[derive(Debug, Clone)]
pub struct FinishedJob {
    pub job: VideoJob,
    /// From acceptance to the end, if the job was watched all the time.
    pub render_time: Option<Duration>,
}

/// The changes of one job, from the first poll to the terminal state.
#[derive(Debug)]
pub struct Watch<A> {
    service: A,
    last: VideoJob,
    is_reported: bool,
    pacing: Pacing,
    history: History,
    retry_after: Option<Duration>,
    /// Creation of the job, or the first poll.
    began: Instant,
    started: Instant,
    deadline: Option<Instant>,
    known: Option<RenderTimes>,
    /// The last two polls; the job ended between them.
    last_poll: Option<Instant>,
    previous_poll: Option<Instant>,
    is_new: bool,
    /// The last response of the service.
    last_response: Option<Instant>,
    /// Whether the service is known to have this job.
    is_known: bool,
    /// When the service began to refuse the job, and how many consecutive polls it refused.
    refused: Option<(Instant, u32)>,
    /// The error of the last poll, if it failed.
    last_error: Option<Box<Error>>,
    /// When the wait gives up on an unfinished job.
    age_limit: Option<Instant>,
}

impl<A: PollJob> Watch<A> {
    /// Watches `job`. With `created`, the first poll is delayed; otherwise it is sent at once.
    pub fn new(service: A, job: VideoJob, created: Option<Instant>, options: WaitOptions) -> Self {
        let now = Instant::now();
        Self {
            service,
            last: job,
            is_reported: false,
            pacing: options.poll_interval.map_or_else(Pacing::default, Pacing::Fixed),
            history: History::default(),
            retry_after: None,
            began: created.unwrap_or(now),
            started: now,
            // A timeout beyond the clock's range is no timeout.
            deadline: options.timeout.and_then(|timeout| now.checked_add(timeout)),
            // Without the creation time, the age of the job is unknown.
            known: options.known.filter(|_| created.is_some()),
            last_poll: None,
            previous_poll: None,
            last_response: created,
            is_known: false,
            refused: None,
            last_error: None,
            age_limit: None,
            is_new: created.is_some_and(|created| created.elapsed() < MIN_JOB_AGE),
        }
    }

    /// Declares that the service has this job, as after a create.
    #[must_use]
    pub fn of_known_job(mut self) -> Self {
        self.is_known = true;
        self
    }

    /// Gives up on a job that is unfinished `age` after its creation, as far as that is known.
    #[must_use]
    pub fn with_max_age(mut self, age: Option<Duration>) -> Self {
        self.age_limit = age.and_then(|age| self.began.checked_add(age));
        self
    }

    /// The next change; `None` after the terminal state.
    pub async fn next(&mut self) -> Option<Result<VideoJob>> {
        if self.last.is_terminal() {
            return (!std::mem::replace(&mut self.is_reported, true)).then(|| Ok(self.last.clone()));
        }
        loop {
            match self.step().await {
                Ok(None) => {}
                Ok(Some(job)) if self.is_reported && job == self.last => {}
                Ok(Some(job)) => {
                    self.is_reported = true;
                    self.last = job.clone();
                    return Some(Ok(job));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Waits for the terminal state.
    pub async fn end(&mut self, mut changed: impl FnMut(&VideoJob)) -> Result<FinishedJob> {
        while let Some(job) = self.next().await {
            changed(&job?);
        }
        Ok(FinishedJob { job: self.last.clone(), render_time: self.render_time() })
    }

    /// Half-way between the last two polls, if this watch made them all.
    fn render_time(&self) -> Option<Duration> {
        let noticed = self.last_poll.filter(|_| self.is_new)?;
        let before = self.previous_poll.unwrap_or(self.began);
        Some(((before - self.began) + (noticed - self.began)) / 2)
    }

    pub fn service_mut(&mut self) -> &mut A {
        &mut self.service
    }

    /// Sleeps until the next poll is due and sends it; `None` if nothing changed.
    async fn step(&mut self) -> Result<Option<VideoJob>> {
        if self.last_poll.is_some() || self.is_new {
            self.pause().await?;
        }
        self.previous_poll = self.last_poll.replace(Instant::now());
        // Boxed so that the memory of an exchange is free during the sleep; thousands of watches sleep at once.
        let poll = Box::pin(self.service.poll(&self.last.request_id));
        let result = match self.poll_deadline() {
            Some((end, limit)) => tokio::time::timeout_at(end, poll).await.map_err(|_| self.wait_timeout(limit))?,
            None => poll.await,
        };
        let snapshot = match result {
            Ok(snapshot) => snapshot,
            Err(error) if self.tolerates(&error) => {
                self.retry_after = error.retry_after();
                self.last_error = Some(Box::new(error));
                return Ok(None);
            }
            Err(error) => return Err(self.final_error(error)),
        };
        self.last_response = Some(Instant::now());
        self.is_known = true;
        (self.refused, self.last_error) = (None, None);
        self.retry_after = snapshot.retry_after;
        self.history.record(self.began.elapsed(), snapshot.job.progress);
        Ok(Some(snapshot.job))
    }

    /// When the poll that starts now is abandoned, and because of which limit.
    fn poll_deadline(&self) -> Option<(Instant, WaitLimit)> {
        let now = Instant::now();
        let deadline = self.deadline.map(|deadline| (deadline.max(now) + FINAL_POLL_TIMEOUT, WaitLimit::Timeout));
        let age = self.age_limit.map(|age_limit| {
            let grace = if age_limit <= self.started { SINGLE_POLL_TIMEOUT } else { FINAL_POLL_TIMEOUT };
            (age_limit.max(now) + grace, WaitLimit::Age)
        });
        deadline.into_iter().chain(age).min_by_key(|(end, _)| *end)
    }

    /// The error that ends the wait, with the job if anything is known of it.
    fn final_error(&self, error: Error) -> Error {
        let Some(last_response) = self.last_response.filter(|_| self.is_known && PollFailure::of(&error).is_some())
        else {
            return error;
        };
        let (id, status, seconds) =
            (&self.last.request_id, self.last.status.as_str(), last_response.elapsed().as_secs());
        error.with_note(&format!("job {id} was {status} at the last response, {seconds} s ago"))
    }

    /// Whether the wait continues in spite of `error`. Once the service has responded, only a well-formed response
    /// counts as news of the job. A service that never responded may be the wrong one.
    fn tolerates(&mut self, error: &Error) -> bool {
        let Some(failure) = PollFailure::of(error) else { return false };
        if matches!(error, Error::Api(error) if error.kind == ApiErrorKind::RateLimited) {
            self.last_response.get_or_insert_with(Instant::now);
        }
        let is_within_outage = self.last_response.is_some_and(|last_response| last_response.elapsed() < MAX_OUTAGE);
        match failure {
            PollFailure::Inconclusive => {
                self.refused = None;
                is_within_outage
            }
            PollFailure::Refused => {
                let (since, times) = self.refused.get_or_insert((Instant::now(), 0));
                *times += 1;
                let is_steady = *times >= REFUSALS && since.elapsed() >= REFUSED_FOR;
                self.is_known && is_within_outage && !is_steady
            }
        }
    }

    async fn pause(&self) -> Result<()> {
        let now = Instant::now();
        let left = |end: Option<Instant>| end.map(|end| end.saturating_duration_since(now));
        let (deadline, age_limit) = (left(self.deadline), left(self.age_limit));
        if self.last_poll.is_some() && age_limit == Some(Duration::ZERO) {
            return Err(self.wait_timeout(WaitLimit::Age));
        }
        if deadline == Some(Duration::ZERO) {
            return if self.last_poll.is_some() { Err(self.wait_timeout(WaitLimit::Timeout)) } else { Ok(()) };
        }
        let delay = self.pacing.next_delay(&PollContext {
            elapsed: self.began.elapsed(),
            history: &self.history,
            retry_after: self.retry_after,
            deadline: deadline.into_iter().chain(age_limit).min(),
            jitter: fastrand::f64(),
            known: self.known.as_ref(),
        });
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn wait_timeout(&self, limit: WaitLimit) -> Error {
        let waited = match limit {
            WaitLimit::Timeout => self.started.elapsed(),
            WaitLimit::Age => self.began.elapsed(),
        };
        let last = self.last_error.as_ref().map(|last_error| last_error.to_string().into());
        Error::WaitTimeout { job: Box::new(self.last.clone()), waited, limit, last }
    }
}

/// What a failed poll says about the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollFailure {
    /// Nothing: an outage, a proxy's page, a malformed response.
    Inconclusive,
    /// The service refuses to show the job to this key.
    Refused,
}

impl PollFailure {
    /// `None` for errors of the caller, which are not responses.
    fn of(error: &Error) -> Option<Self> {
        match error {
            Error::ConnectionFailed(_) | Error::RequestTimeout(_) | Error::InvalidResponse { .. } => {
                Some(Self::Inconclusive)
            }
            Error::Api(error) => Some(match error.kind {
                ApiErrorKind::Authentication
                | ApiErrorKind::PermissionDenied
                | ApiErrorKind::InsufficientBalance
                | ApiErrorKind::NotFound
                | ApiErrorKind::BadRequest
                    if !error.is_page =>
                {
                    Self::Refused
                }
                _ => Self::Inconclusive,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::{ApiError, TransportError};
    use crate::job::JobStatus;

    /// A service whose job goes through `states`, one per second.
    struct Script {
        states: Vec<(JobStatus, Option<u8>)>,
        start: Instant,
        polls: Mutex<Vec<Duration>>,
        retry_after: Option<Duration>,
    }

    impl Script {
        fn new(states: &[(JobStatus, Option<u8>)]) -> Self {
            Self { states: states.to_vec(), start: Instant::now(), polls: Mutex::default(), retry_after: None }
        }
    }

    impl PollJob for &Script {
        async fn poll(&self, request_id: &str) -> Result<Snapshot> {
            let elapsed = self.start.elapsed();
            self.polls.lock().unwrap().push(elapsed);
            let at = usize::try_from(elapsed.as_secs()).unwrap().min(self.states.len() - 1);
            let (status, progress) = self.states[at];
            let job = VideoJob { status, progress, ..VideoJob::pending(request_id) };
            Ok(Snapshot { job, retry_after: self.retry_after })
        }
    }

    fn every(seconds: f64) -> WaitOptions {
        WaitOptions { timeout: None, poll_interval: Some(Duration::from_secs_f64(seconds)), known: None }
    }

    fn watch(script: &Script, options: WaitOptions) -> Watch<&Script> {
        Watch::new(script, VideoJob::pending("a"), None, options)
    }

    use JobStatus::{Done, Failed, Pending, Processing, Unknown};

    #[tokio::test(start_paused = true)]
    async fn each_change_is_reported_once_and_the_terminal_state_last() {
        let script = Script::new(&[
            (Pending, None),
            (Pending, None),
            (Processing, Some(10)),
            (Processing, Some(10)),
            (Unknown, None),
            (Processing, Some(90)),
            (Done, Some(100)),
        ]);
        let mut watch = watch(&script, every(0.5));
        let mut seen = Vec::new();
        while let Some(job) = watch.next().await {
            seen.push((job.as_ref().unwrap().status, job.unwrap().progress));
        }
        assert_eq!(
            seen,
            [(Pending, None), (Processing, Some(10)), (Unknown, None), (Processing, Some(90)), (Done, Some(100))]
        );
        assert!(watch.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fixed_interval_is_used_as_it_is() {
        let script = Script::new(&[(Pending, None), (Pending, None), (Failed, None)]);
        let FinishedJob { job, render_time } = watch(&script, every(0.75)).end(|_| {}).await.unwrap();
        assert_eq!(render_time, None, "its creation was not seen");
        assert_eq!(job.status, Failed);
        let polls: Vec<_> = script.polls.lock().unwrap().iter().map(Duration::as_millis).collect();
        assert_eq!(polls, [0, 750, 1500, 2250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_terminal_job_is_not_polled() {
        let script = Script::new(&[(Pending, None)]);
        let job = VideoJob { status: Done, ..VideoJob::pending("a") };
        let mut watch = Watch::new(&script, job.clone(), None, WaitOptions::default());
        assert_eq!(watch.next().await.unwrap().unwrap(), job);
        assert!(watch.next().await.is_none());
        assert!(script.polls.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_polls_at_the_deadline_and_keeps_the_last_snapshot() {
        let script = Script::new(&[(Processing, Some(5))]);
        let options = WaitOptions { timeout: Some(Duration::from_secs(7)), ..every(3.0) };
        let error = watch(&script, options).end(|_| {}).await.unwrap_err();
        let Error::WaitTimeout { job, waited, .. } = error else { panic!("{error:?}") };
        assert_eq!((job.progress, waited.as_secs()), (Some(5), 7));
        let polls: Vec<_> = script.polls.lock().unwrap().iter().map(Duration::as_secs).collect();
        assert_eq!(polls, [0, 3, 6, 7]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_of_zero_polls_once() {
        let script = Script::new(&[(Processing, None)]);
        let options = WaitOptions { timeout: Some(Duration::ZERO), ..WaitOptions::default() };
        assert!(matches!(watch(&script, options).end(|_| {}).await, Err(Error::WaitTimeout { .. })));
        assert_eq!(script.polls.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_job_is_not_polled_at_once() {
        let script = Script::new(&[(Processing, None), (Processing, None), (Done, None)]);
        let mut new = Watch::new(&script, VideoJob::pending("a"), Some(Instant::now()), every(1.5));
        let ended = new.end(|_| {}).await.unwrap();
        let polls: Vec<_> = script.polls.lock().unwrap().iter().map(Duration::as_millis).collect();
        assert_eq!(polls, [1500, 3000]);
        assert_eq!(ended.render_time, Some(Duration::from_millis(2250)));
        let hurried = WaitOptions { timeout: Some(Duration::ZERO), ..WaitOptions::default() };
        let error = Watch::new(&script, VideoJob::pending("a"), Some(Instant::now()), hurried).end(|_| {}).await;
        assert!(error.is_ok(), "it is still polled once");
        let before = script.polls.lock().unwrap().len();
        let created = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        let mut later = Watch::new(&script, VideoJob::pending("a"), Some(created), every(60.0));
        assert_eq!(later.next().await.unwrap().unwrap().status, Done);
        assert_eq!((script.polls.lock().unwrap().len() - before, created.elapsed().as_secs()), (1, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn known_render_times_pace_jobs_with_a_known_creation() {
        let known = RenderTimes::from_durations(&[60.0, 61.0, 59.0, 60.5, 59.5, 60.0, 61.5, 58.5]);
        let options = WaitOptions { known, ..WaitOptions::default() };
        for (created, poll_counts) in [(Some(Instant::now()), 1..5), (None, 20..40)] {
            let mut script = Script::new(&[(Processing, None); 60]);
            script.states.push((Done, None));
            Watch::new(&script, VideoJob::pending("a"), created, options).end(|_| {}).await.unwrap();
            let polls = script.polls.lock().unwrap();
            assert!(poll_counts.contains(&polls.len()), "{created:?}: {polls:?}");
            assert!(polls.last().unwrap().as_secs_f64() < 63.0, "{polls:?}");
        }
    }

    /// A service that responds once, and is then unreachable for `outage`.
    struct Outage(Instant, Duration);

    impl PollJob for &Outage {
        async fn poll(&self, request_id: &str) -> Result<Snapshot> {
            let elapsed = self.0.elapsed();
            let status = if elapsed < Duration::from_secs(1) { Processing } else { Done };
            if status == Done && elapsed < self.1 {
                let error =
                    TransportError { message: "gone".into(), request_id: None, not_sent: true, permanent: false };
                return Err(Error::ConnectionFailed(Box::new(error)));
            }
            Ok(Snapshot { job: VideoJob { status, ..VideoJob::pending(request_id) }, retry_after: None })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_tolerated_up_to_its_limit() {
        let service = Outage(Instant::now(), Duration::from_secs(10 * 60));
        let ended = Watch::new(&service, VideoJob::pending("a"), None, every(5.0)).end(|_| {}).await.unwrap();
        assert_eq!(ended.job.status, Done);
        let service = Outage(Instant::now(), Duration::from_secs(60 * 60));
        let result = Watch::new(&service, VideoJob::pending("a"), None, every(5.0)).end(|_| {}).await;
        assert!(matches!(result, Err(Error::ConnectionFailed(_))), "{result:?}");
        assert_eq!(service.0.elapsed().as_secs() / 60, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_responded_fails_at_once() {
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        let service = Outage(began, Duration::from_secs(60));
        let result = Watch::new(&service, VideoJob::pending("a"), None, every(5.0)).end(|_| {}).await;
        assert!(matches!(result, Err(Error::ConnectionFailed(_))));
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_poll_ends_with_the_timeout() {
        struct Silence;
        impl PollJob for Silence {
            async fn poll(&self, _: &str) -> Result<Snapshot> {
                std::future::pending().await
            }
        }
        let options = WaitOptions { timeout: Some(Duration::from_secs(5)), ..WaitOptions::default() };
        let mut watch = Watch::new(Silence, VideoJob::pending("a"), None, options);
        assert!(matches!(watch.next().await, Some(Err(Error::WaitTimeout { .. }))));
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_respected() {
        let mut script = Script::new(&[(Processing, None); 30]);
        script.states.push((Done, None));
        script.retry_after = Some(Duration::from_secs(20));
        watch(&script, WaitOptions::default()).end(|_| {}).await.unwrap();
        let polls = script.polls.lock().unwrap();
        assert!(polls.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_secs(20)), "{polls:?}");
    }

    // ---- failed polls during a wait ------------------------------------------------------------

    fn refusal(kind: ApiErrorKind) -> Error {
        Error::Api(Box::new(ApiError::of(kind, 404)))
    }

    fn malformed() -> Error {
        Error::InvalidResponse { message: "odd".into(), body: String::new(), request_id: None, status_code: 200 }
    }

    fn certificate() -> Error {
        let error = TransportError { message: "cert".into(), request_id: None, not_sent: true, permanent: true };
        Error::ConnectionFailed(Box::new(error))
    }

    /// Responds as `reply` from one second on while that returns an error, and with a finished job afterwards.
    struct FailingPolls {
        start: Instant,
        lasts: Duration,
        reply: fn(Duration) -> Option<Error>,
        polls: Mutex<u32>,
    }

    impl FailingPolls {
        fn new(lasts: u64, reply: fn(Duration) -> Option<Error>) -> Self {
            Self { start: Instant::now(), lasts: Duration::from_secs(lasts), reply, polls: Mutex::default() }
        }

        async fn wait(&self, options: WaitOptions) -> Result<FinishedJob> {
            Watch::new(self, VideoJob::pending("a"), None, options).end(|_| {}).await
        }
    }

    impl PollJob for &FailingPolls {
        async fn poll(&self, request_id: &str) -> Result<Snapshot> {
            *self.polls.lock().unwrap() += 1;
            let elapsed = self.start.elapsed();
            if elapsed >= Duration::from_secs(1)
                && elapsed < self.lasts
                && let Some(error) = (self.reply)(elapsed)
            {
                return Err(error);
            }
            let status = if elapsed < self.lasts { Processing } else { Done };
            Ok(Snapshot { job: VideoJob { status, ..VideoJob::pending(request_id) }, retry_after: None })
        }
    }

    /// Every error of a poll; those of the second list are refusals.
    const POLL_ERRORS: [fn(Duration) -> Option<Error>; 6] = [
        |_| Some(malformed()),
        |_| Some(certificate()),
        |_| Some(refusal(ApiErrorKind::Other)),
        |_| Some(refusal(ApiErrorKind::Server)),
        |_| Some(refusal(ApiErrorKind::RateLimited)),
        |_| Some(Error::Api(Box::new(ApiError { is_page: true, ..ApiError::of(ApiErrorKind::PermissionDenied, 403) }))),
    ];
    const REFUSED: [fn(Duration) -> Option<Error>; 5] = [
        |_| Some(refusal(ApiErrorKind::NotFound)),
        |_| Some(refusal(ApiErrorKind::Authentication)),
        |_| Some(refusal(ApiErrorKind::PermissionDenied)),
        |_| Some(refusal(ApiErrorKind::InsufficientBalance)),
        |_| Some(refusal(ApiErrorKind::BadRequest)),
    ];

    #[tokio::test(start_paused = true)]
    async fn inconclusive_polls_are_tolerated() {
        for odd in POLL_ERRORS {
            let service = FailingPolls::new(14 * 60, odd);
            let ended = service.wait(every(5.0)).await;
            assert_eq!(ended.unwrap().job.status, Done);
            let service = FailingPolls::new(60 * 60, odd);
            let error = service.wait(every(5.0)).await.unwrap_err();
            assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&odd(Duration::ZERO).unwrap()));
            assert_eq!(service.start.elapsed().as_secs() / 60, 15, "{error:?}");
            assert!(error.to_string().ends_with("job a was processing at the last response, 900 s ago"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_refusal_is_tolerated() {
        for odd in REFUSED {
            assert_eq!(FailingPolls::new(50, odd).wait(every(5.0)).await.unwrap().job.status, Done);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_refusal_ends_the_wait() {
        for odd in REFUSED {
            let service = FailingPolls::new(60 * 60, odd);
            let error = service.wait(every(5.0)).await.unwrap_err();
            assert!(matches!(error, Error::Api(_)), "{error:?}");
            assert_eq!(service.start.elapsed().as_secs(), 65);
            // One refusal is not enough, however long the interval.
            let service = FailingPolls::new(60 * 60, odd);
            assert!(service.wait(every(200.0)).await.is_err());
            assert_eq!((service.start.elapsed().as_secs(), *service.polls.lock().unwrap()), (600, 4));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn interrupted_refusals_count_as_an_outage() {
        let alternating = |elapsed: Duration| {
            let is_refused = elapsed.as_secs().is_multiple_of(10);
            Some(if is_refused { refusal(ApiErrorKind::NotFound) } else { malformed() })
        };
        assert_eq!(FailingPolls::new(14 * 60, alternating).wait(every(5.0)).await.unwrap().job.status, Done);
        let with_news = |elapsed: Duration| {
            let is_refused = !elapsed.as_secs().is_multiple_of(50);
            is_refused.then(|| refusal(ApiErrorKind::NotFound))
        };
        assert_eq!(FailingPolls::new(60 * 60, with_news).wait(every(5.0)).await.unwrap().job.status, Done);
        assert!(FailingPolls::new(60 * 60, alternating).wait(every(5.0)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_unknown_job_fails_at_once() {
        for odd in POLL_ERRORS.into_iter().chain(REFUSED) {
            let service = FailingPolls::new(60 * 60, odd);
            tokio::time::advance(Duration::from_secs(5)).await;
            let is_limited =
                matches!(odd(Duration::ZERO), Some(Error::Api(error)) if error.kind == ApiErrorKind::RateLimited);
            let began = Instant::now();
            assert!(service.wait(every(5.0)).await.is_err());
            let waited = if is_limited { 15 * 60 } else { 0 };
            assert_eq!(began.elapsed().as_secs(), waited);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_refusal_is_tolerated_only_for_a_known_job() {
        for odd in REFUSED {
            let service = FailingPolls::new(30, odd);
            tokio::time::advance(Duration::from_secs(2)).await;
            let new = || Watch::new(&service, VideoJob::pending("a"), Some(service.start), every(5.0));
            assert!(matches!(new().end(|_| {}).await, Err(Error::Api(_))));
            assert_eq!(new().of_known_job().end(|_| {}).await.unwrap().job.status, Done);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_of_the_caller_ends_the_wait_at_once() {
        let service = FailingPolls::new(60, |_| Some(Error::invalid("job", "no")));
        assert!(matches!(service.wait(every(5.0)).await, Err(Error::InvalidRequest { .. })));
        assert_eq!(service.start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_reports_the_last_error() {
        let service = FailingPolls::new(600, |_| Some(malformed()));
        let options = WaitOptions { timeout: Some(Duration::from_secs(20)), ..every(5.0) };
        let message = service.wait(options).await.unwrap_err().to_string();
        assert!(message.starts_with("job a is still processing after 20 s; "), "{message}");
        assert!(message.ends_with("(the last poll failed: odd)"), "{message}");
    }

    // ---- jobs that never end ------------------------------------------------------------------

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_max_job_age() {
        let day = Duration::from_secs(24 * 60 * 60);
        for status in [Pending, Processing, Unknown] {
            let script = Script::new(&[(status, None)]);
            let mut watch = watch(&script, WaitOptions::default()).with_max_age(Some(day));
            let error = watch.end(|_| {}).await.unwrap_err();
            assert!(matches!(error, Error::WaitTimeout { limit: WaitLimit::Age, .. }), "{error:?}");
            assert_eq!(script.start.elapsed().as_secs(), day.as_secs());
            let message = error.to_string();
            assert!(message.contains("86400 s after its creation") && message.contains("max_job_age"), "{message}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn job_age_counts_from_acceptance() {
        let day = Duration::from_secs(24 * 60 * 60);
        let created = Instant::now();
        tokio::time::advance(day * 3 / 4).await;
        let script = Script::new(&[(Processing, None)]);
        let new =
            |created| Watch::new(&script, VideoJob::pending("a"), Some(created), every(600.0)).with_max_age(Some(day));
        assert!(new(created).end(|_| {}).await.is_err());
        assert_eq!(script.start.elapsed(), day / 4);
        // A job that is too old from the start is polled once.
        let polls = script.polls.lock().unwrap().len();
        let error = new(created).end(|_| {}).await.unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { limit: WaitLimit::Age, .. }));
        assert_eq!(script.polls.lock().unwrap().len(), polls + 1);
        let done = Script::new(&[(Done, None)]);
        let mut late = Watch::new(&done, VideoJob::pending("a"), Some(created), every(5.0)).with_max_age(Some(day));
        assert!(late.end(|_| {}).await.is_ok());
    }

    /// A service that never responds.
    struct Silent;

    impl PollJob for &Silent {
        async fn poll(&self, _request_id: &str) -> Result<Snapshot> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn max_job_age_bounds_a_hanging_poll() {
        let age = Duration::from_secs(60);
        let start = Instant::now();
        tokio::time::advance(age * 2).await;
        for (began, seconds) in [(Instant::now(), 62), (start, 30)] {
            let start = Instant::now();
            let mut watch =
                Watch::new(&Silent, VideoJob::pending("a"), Some(began), every(5.0)).with_max_age(Some(age));
            let error = watch.end(|_| {}).await.unwrap_err();
            assert!(matches!(error, Error::WaitTimeout { limit: WaitLimit::Age, .. }), "{error:?}");
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shorter_limit_ends_the_wait() {
        for (timeout, age, limit, seconds) in [(30, 60, WaitLimit::Timeout, 30), (60, 30, WaitLimit::Age, 30)] {
            let script = Script::new(&[(Processing, None)]);
            let options = WaitOptions { timeout: Some(Duration::from_secs(timeout)), ..every(7.0) };
            let mut watch = watch(&script, options).with_max_age(Some(Duration::from_secs(age)));
            let Err(Error::WaitTimeout { limit: reached, .. }) = watch.end(|_| {}).await else { panic!() };
            assert_eq!((reached, script.start.elapsed().as_secs()), (limit, seconds));
        }
    }
}
