//! The state of the service: jobs, requests, faults and scripted responses.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use super::body;
use super::check::{OwnFile, Purchase, Source, VideoInfo};
use super::clock::Clock;
use super::endpoint::Endpoint;
use super::fault::{Fault, FaultKind};
use super::files::File;
use super::links::{self, Link, Moment, Stored};
use super::options::Options;
use super::scripted_response::ScriptedResponse;
use super::timeline::{JobEnd, JobState, JobTimeline};

const MAX_LOGGED_REQUESTS: usize = 10_000;
const FORBIDDEN: u16 = 403;
/// Sums of seconds are inexact: a job of 8 seconds must be over after `advance(8)`.
const ROUNDING: f64 = 1e-6;

/// An accepted create.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    pub request_id: String,
    /// `generations`, `edits` or `extensions`.
    pub operation: String,
    /// The body as received; strings longer than 1 MiB are shortened.
    pub body: Map<String, Value>,
    pub idempotency_key: Option<String>,
    /// In seconds since the start.
    pub accepted_at: f64,
    /// When the job ends, in seconds since the start.
    pub over_at: f64,
    /// `done`, `failed`, `moderated`, `expired`, or the status of a `job_ends` fault.
    pub end: &'static str,
    pub cost_in_usd_ticks: i64,
    /// The number of queries for the job.
    pub queries: u64,
    /// How often the whole file was sent.
    pub downloads: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// `None` if the connection ended without a response.
    pub status: Option<u16>,
    /// With names in lower case.
    pub headers: BTreeMap<String, String>,
    /// In seconds since the start.
    pub at: f64,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Accepted,
    pub(super) timeline: JobTimeline,
    pub(super) purchase: Purchase,
    pub(super) stored: Option<Stored>,
    /// The field of the link, if it is not the usual one.
    pub(super) link_field: Option<&'static str>,
    link: Option<Link>,
    /// The status of responses to invalid links.
    link_refusal: u16,
    /// Whether the file was sent to the `upload_url`.
    is_uploaded: bool,
}

impl Link {
    fn is_expired(&self, now: f64, lifetime: f64) -> bool {
        now - self.issued + ROUNDING >= lifetime
    }
}

impl Job {
    fn state_at(&self, now: f64) -> JobState {
        self.timeline.state_at(now - self.entry.accepted_at + ROUNDING)
    }
}

/// Guarded by one lock, which is never held across an await.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) options: Options,
    pub(super) requests: VecDeque<Logged>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) scripted: VecDeque<(Endpoint, ScriptedResponse)>,
    pub(super) rng: fastrand::Rng,
    address: SocketAddr,
    pub(super) clock: Clock,
    started_at: SystemTime,
    jobs: Vec<Job>,
    by_id: HashMap<String, usize>,
    creates: Throttle,
    calls: Throttle,
}

/// Ignores poisoning: a panic leaves no inconsistent state that matters here.
pub(super) fn lock(ledger: &Arc<Mutex<Ledger>>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(super) fn new(options: Options, address: SocketAddr) -> Self {
        Self {
            requests: VecDeque::new(),
            faults: VecDeque::new(),
            scripted: VecDeque::new(),
            rng: fastrand::Rng::with_seed(options.seed),
            address,
            clock: Clock::new(),
            started_at: SystemTime::now(),
            jobs: Vec::new(),
            by_id: HashMap::new(),
            creates: Throttle::new(options.creates_per_second),
            calls: Throttle::new(options.requests_per_second),
            options,
        }
    }

    /// In seconds since the start, on the simulator's clock.
    pub(super) fn now(&self) -> f64 {
        self.clock.now()
    }

    pub(super) fn log(&mut self, request: Logged) {
        if self.requests.len() == MAX_LOGGED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// The fault of an arriving request. `job` is the job that it is about.
    pub(super) fn take_fault(&mut self, on: Endpoint, job: Option<&str>) -> Option<FaultKind> {
        let has_link = || job.is_some_and(|job| self.has_link(job));
        let matches = |fault: &Fault| fault.on == on && (!fault.kind.needs_link(on) || has_link());
        let at = self.faults.iter().position(matches)?;
        if self.faults.get(at)?.kind.is_set_on_job(on) {
            return None;
        }
        self.fire(at)
    }

    /// The fault of a job that is about to be accepted.
    pub(super) fn take_job_fault(&mut self) -> Option<FaultKind> {
        let at = self.faults.iter().position(|fault| fault.on == Endpoint::Create)?;
        if !self.faults.get(at)?.kind.is_set_on_job(Endpoint::Create) {
            return None;
        }
        self.fire(at)
    }

    fn fire(&mut self, at: usize) -> Option<FaultKind> {
        let fault = self.faults.get_mut(at)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let kind = fault.kind;
        fault.times = fault.times.saturating_sub(1);
        if fault.times == 0 {
            self.faults.remove(at);
        }
        Some(kind)
    }

    /// How often the injected faults have still to fire.
    pub(super) fn faults_left(&self) -> u64 {
        self.faults.iter().fold(0, |left, fault| left.saturating_add(fault.times))
    }

    fn has_link(&self, request_id: &str) -> bool {
        let is_done = |job: &Job| job.state_at(self.now()) == JobState::Over(JobEnd::Done);
        self.find(request_id).is_some_and(|job| is_done(job) && job.purchase.upload_url.is_none())
    }

    /// The scripted response to this request.
    pub(super) fn take_scripted(&mut self, on: Endpoint) -> Option<ScriptedResponse> {
        let at = self.scripted.iter().position(|(kind, _)| *kind == on)?;
        self.scripted.remove(at).map(|(_, response)| response)
    }

    /// Counts a request; true if it exceeds the rate limit.
    pub(super) fn is_throttled(&mut self, on: Endpoint) -> bool {
        let now = self.now();
        !self.calls.admits(now) || (on == Endpoint::Create && !self.creates.admits(now))
    }

    /// Returns the new job's ID.
    pub(super) fn accept(
        &mut self,
        operation: &str,
        mut body: Map<String, Value>,
        idempotency_key: Option<String>,
        purchase: Purchase,
        fault: Option<FaultKind>,
    ) -> String {
        let number = self.jobs.len() as u64;
        let Options { seed, render_seconds, spread, .. } = self.options;
        let mut timeline = JobTimeline::of(seed, number, render_seconds, spread);
        timeline.queue = self.options.queue_seconds;
        timeline.progress = self.options.progress;
        timeline.end = match fault {
            Some(FaultKind::JobFails) => JobEnd::Failed,
            Some(FaultKind::JobModerated) => JobEnd::Moderated,
            Some(FaultKind::JobExpires) => JobEnd::Expired,
            Some(FaultKind::JobEnds { word: status }) => JobEnd::Other(status),
            _ => JobEnd::Done,
        };
        let link_field = match fault {
            Some(FaultKind::LinkElsewhere { place }) => Some(place),
            _ => None,
        };
        let request_id = id(seed, number);
        let now = self.now();
        let stored = self.stored(&request_id, &purchase, now + timeline.length());
        body.values_mut().for_each(body::shorten);
        let entry = Accepted {
            request_id: request_id.clone(),
            operation: operation.to_owned(),
            body,
            idempotency_key,
            accepted_at: now,
            over_at: now + timeline.length(),
            end: end_status(timeline.end),
            cost_in_usd_ticks: purchase.ticks,
            queries: 0,
            downloads: 0,
        };
        self.by_id.insert(request_id.clone(), self.jobs.len());
        self.jobs.push(Job {
            entry,
            timeline,
            purchase,
            stored,
            link_field,
            link: None,
            link_refusal: FORBIDDEN,
            is_uploaded: false,
        });
        request_id
    }

    fn stored(&mut self, request_id: &str, purchase: &Purchase, over_at: f64) -> Option<Stored> {
        let storage = purchase.storage.as_ref()?;
        let since_start = Duration::try_from_secs_f64(over_at).unwrap_or_default();
        let unix = self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(since_start).as_secs();
        let end = Moment { at: over_at, unix };
        Some(Stored::new(storage, request_id, end, self.address, self.rng.u64(..)))
    }

    pub(super) fn accepted(&self) -> Vec<Accepted> {
        self.jobs.iter().map(|job| job.entry.clone()).collect()
    }

    pub(super) fn job(&mut self, request_id: &str) -> Option<&mut Job> {
        let at = *self.by_id.get(request_id)?;
        self.jobs.get_mut(at)
    }

    fn find(&self, request_id: &str) -> Option<&Job> {
        self.jobs.get(*self.by_id.get(request_id)?)
    }

    /// The state of a job; counts the query.
    pub(super) fn query(&mut self, request_id: &str) -> Option<JobState> {
        let now = self.now();
        let job = self.job(request_id)?;
        job.entry.queries += 1;
        Some(job.state_at(now))
    }

    /// A valid link to the job's file. Uploaded files have none.
    pub(super) fn link(&mut self, request_id: &str) -> Option<String> {
        let (now, address, link_lifetime) = (self.now(), self.address, self.options.link_seconds);
        let signature = self.rng.u64(..);
        let job = self.job(request_id).filter(|job| job.purchase.upload_url.is_none())?;
        if job.link.as_ref().is_none_or(|link| link.is_expired(now, link_lifetime)) {
            job.link = Some(Link { signature, issued: now });
        }
        let signature = job.link.as_ref()?.signature;
        Some(links::url(address, request_id, signature))
    }

    /// Expires the job's link until the next query. Expired links get this status from now on.
    pub(super) fn expire_link(&mut self, request_id: &str, status: u16) {
        if let Some(job) = self.job(request_id) {
            (job.link, job.link_refusal) = (None, status);
        }
    }

    /// The status of responses to an invalid link.
    pub(super) fn link_refusal(&self, request_id: &str) -> u16 {
        self.find(request_id).map_or(FORBIDDEN, |job| job.link_refusal)
    }

    pub(super) fn is_valid_link(&self, request_id: &str, signature: &str) -> bool {
        let now = self.now();
        let Some(job) = self.find(request_id) else { return false };
        let is_temporary =
            |link: &Link| links::hex(link.signature) == signature && !link.is_expired(now, self.options.link_seconds);
        job.link.as_ref().is_some_and(is_temporary)
            || job.stored.as_ref().is_some_and(|stored| stored.is_public(signature, now))
    }

    pub(super) fn file(&self, request_id: &str) -> Option<File> {
        let Purchase { ratio, seconds, .. } = self.find(request_id)?.purchase;
        Some(File::of(request_id, ratio, seconds, self.options.video_bytes))
    }

    /// The `upload_url` and the file of a finished job, once.
    pub(super) fn take_upload(&mut self, request_id: &str) -> Option<(String, File)> {
        let file = self.file(request_id)?;
        let job = self.job(request_id)?;
        let address = job.purchase.upload_url.clone()?;
        let was_uploaded = std::mem::replace(&mut job.is_uploaded, true);
        (!was_uploaded).then_some((address, file))
    }

    /// Looks up an input among the simulated files. Unknown stored files are accepted: they may be older.
    pub(super) fn own(&self, source: Source<'_>) -> OwnFile {
        let (job, is_valid) = match source {
            Source::Url(url) => {
                let Some((id, signature)) = links::parse(self.address, url) else { return OwnFile::Elsewhere };
                (self.find(id), self.is_valid_link(id, signature))
            }
            Source::Id(file) => {
                let Some(job) = links::job_of_file(file).and_then(|id| self.find(id)) else {
                    return OwnFile::Elsewhere;
                };
                (Some(job), self.has_stored(job))
            }
        };
        match job {
            Some(Job { purchase, .. }) if is_valid => OwnFile::Video(VideoInfo {
                seconds: f64::from(purchase.seconds),
                ratio: purchase.ratio,
                resolution: purchase.resolution,
            }),
            _ => OwnFile::Gone,
        }
    }

    fn has_stored(&self, job: &Job) -> bool {
        let now = self.now();
        let is_done = job.state_at(now) == JobState::Over(JobEnd::Done);
        is_done && job.stored.as_ref().is_some_and(|stored| stored.exists(now))
    }
}

fn end_status(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Done => "done",
        JobEnd::Failed => "failed",
        JobEnd::Moderated => "moderated",
        JobEnd::Expired => "expired",
        JobEnd::Other(status) => status,
    }
}

/// An ID in the form of a UUID, from seed and number.
fn id(seed: u64, number: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(!seed ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let bits = format!("{:032x}", rng.u128(..));
    [&bits[..8], &bits[8..12], &bits[12..16], &bits[16..20], &bits[20..]].join("-")
}

/// Limits the rate of requests, with some tolerance for callers that keep to it.
#[derive(Debug)]
struct Throttle {
    interval: f64,
    next: f64,
}

impl Throttle {
    fn new(per_second: Option<f64>) -> Self {
        Self { interval: per_second.map_or(0.0, |rate| 1.0 / rate), next: 0.0 }
    }

    fn admits(&mut self, now: f64) -> bool {
        if now < self.next - 0.2 * self.interval {
            return false;
        }
        self.next = self.next.max(now) + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_uuids_and_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|number| id(1, number)).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 36 && id.matches('-').count() == 4));
    }

    #[test]
    fn the_throttle_limits_the_rate() {
        let mut throttle = Throttle::new(Some(1.0));
        let admitted = [0.0, 0.5, 1.0, 1.9, 2.0, 3.0, 3.1].map(|now| throttle.admits(now));
        assert_eq!(admitted, [true, false, true, true, false, true, false]);
        let mut open = Throttle::new(None);
        assert!((0..1000).all(|_| open.admits(0.0)));
    }
}
