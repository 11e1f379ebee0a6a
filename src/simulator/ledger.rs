//! What the service remembers: jobs, requests, and what is scripted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

use super::check::{ClipInfo, OwnFile, Purchase, Source};
use super::clock::Clock;
use super::files::File;
use super::links::{self, Link, Moment, Stored};
use super::timeline::{JobEnd, JobState, JobTimeline};
use super::{Endpoint, Fault, FaultKind, Options, ScriptedResponse, body};

/// How many requests are remembered.
const REQUESTS: usize = 10_000;
const FORBIDDEN: u16 = 403;
/// Sums of seconds are not exact: after `advance(8)`, a job of 8 seconds is over.
const ROUNDING: f64 = 1e-6;

/// One entry of the ledger: a create that was accepted.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    /// The job's id.
    pub request_id: String,
    /// `generations`, `edits` or `extensions`.
    pub operation: String,
    /// The body as it came; of a text longer than 1 MiB, the beginning and the length.
    pub body: Map<String, Value>,
    /// The name the client gave the create, if it gave one.
    pub idempotency_key: Option<String>,
    /// Seconds since the start.
    pub accepted_at: f64,
    /// When the job is over, in seconds since the start.
    pub over_at: f64,
    /// How the job ends: `done`, `failed`, `moderated`, `expired`, or in the word asked for.
    pub end: &'static str,
    /// What it costs.
    pub cost_in_usd_ticks: i64,
    /// How often it was asked after.
    pub queries: u64,
    /// How often its file was sent to the end.
    pub downloads: u64,
}

/// One request that came.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The status of the answer; `None` when the connection ended without one.
    pub status: Option<u16>,
    /// The headers, by names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Seconds since the start.
    pub at: f64,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Accepted,
    pub(super) timeline: JobTimeline,
    pub(super) purchase: Purchase,
    pub(super) stored: Option<Stored>,
    /// Where its answers have the link, if not in the usual place.
    pub(super) place: Option<&'static str>,
    link: Option<Link>,
    /// What links that are not good are answered with.
    refusal: u16,
    /// Whether its file has been sent where the request said.
    is_sent: bool,
}

impl Link {
    fn is_over(&self, now: f64, life: f64) -> bool {
        now - self.issued + ROUNDING >= life
    }
}

impl Job {
    fn state_at(&self, now: f64) -> JobState {
        self.timeline.state_at(now - self.entry.accepted_at + ROUNDING)
    }
}

/// Everything, behind one lock that is never held across an await.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) options: Options,
    pub(super) requests: VecDeque<Logged>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) canned: VecDeque<(Endpoint, ScriptedResponse)>,
    pub(super) chance: fastrand::Rng,
    address: SocketAddr,
    pub(super) clock: Clock,
    started_at: SystemTime,
    jobs: Vec<Job>,
    by_id: HashMap<String, usize>,
    creates: Throttle,
    calls: Throttle,
}

/// Locks; a panic of another holder left nothing half-done that matters here.
pub(super) fn lock(ledger: &Arc<Mutex<Ledger>>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub(super) fn new(options: Options, address: SocketAddr) -> Self {
        Self {
            requests: VecDeque::new(),
            faults: VecDeque::new(),
            canned: VecDeque::new(),
            chance: fastrand::Rng::with_seed(options.seed),
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

    /// Seconds since the start, on the simulator's clock.
    pub(super) fn now(&self) -> f64 {
        self.clock.now()
    }

    /// Remembers a request, and forgets the oldest.
    pub(super) fn log(&mut self, request: Logged) {
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// The fault scripted for this request, if one is.
    pub(super) fn take_fault(&mut self, on: Endpoint) -> Option<FaultKind> {
        let at = self.faults.iter().position(|fault| fault.on == on)?;
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

    /// The answer scripted for this request, if one is.
    pub(super) fn take_canned(&mut self, on: Endpoint) -> Option<ScriptedResponse> {
        let at = self.canned.iter().position(|(kind, _)| *kind == on)?;
        self.canned.remove(at).map(|(_, answer)| answer)
    }

    /// Whether one more request of this kind is too many.
    pub(super) fn is_throttled(&mut self, on: Endpoint) -> bool {
        let now = self.now();
        !self.calls.admits(now) || (on == Endpoint::Create && !self.creates.admits(now))
    }

    /// Accepts a create, and gives the new job's id.
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
            Some(FaultKind::JobEnds { word }) => JobEnd::Other(word),
            _ => JobEnd::Done,
        };
        let place = match fault {
            Some(FaultKind::LinkElsewhere { place }) => Some(place),
            _ => None,
        };
        let request_id = id(seed, number);
        let now = self.now();
        let stored = self.stored(&request_id, &purchase, now + timeline.length());
        body.values_mut().for_each(body::abridge);
        let entry = Accepted {
            request_id: request_id.clone(),
            operation: operation.to_owned(),
            body,
            idempotency_key,
            accepted_at: now,
            over_at: now + timeline.length(),
            end: word(timeline.end),
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
            place,
            link: None,
            refusal: FORBIDDEN,
            is_sent: false,
        });
        request_id
    }

    fn stored(&mut self, request_id: &str, purchase: &Purchase, over_at: f64) -> Option<Stored> {
        let storage = purchase.storage.as_ref()?;
        let since_start = Duration::try_from_secs_f64(over_at).unwrap_or_default();
        let unix = self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(since_start).as_secs();
        let end = Moment { at: over_at, unix };
        Some(Stored::new(storage, request_id, end, self.address, self.chance.u64(..)))
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

    /// Where a job stands now; counts the question.
    pub(super) fn query(&mut self, request_id: &str) -> Option<JobState> {
        let now = self.now();
        let job = self.job(request_id)?;
        job.entry.queries += 1;
        Some(job.state_at(now))
    }

    /// A link to a job's file that is good now; there is none to what is sent elsewhere.
    pub(super) fn link(&mut self, request_id: &str) -> Option<String> {
        let (now, address, life_of_links) = (self.now(), self.address, self.options.link_seconds);
        let signature = self.chance.u64(..);
        let job = self.job(request_id).filter(|job| job.purchase.upload_url.is_none())?;
        if job.link.as_ref().is_none_or(|link| link.is_over(now, life_of_links)) {
            job.link = Some(Link { signature, issued: now });
        }
        let signature = job.link.as_ref()?.signature;
        Some(links::url(address, request_id, signature))
    }

    /// Makes a job's link bad until the job is asked after again; bad links are answered so from now on.
    pub(super) fn expire_link(&mut self, request_id: &str, status: u16) {
        if let Some(job) = self.job(request_id) {
            (job.link, job.refusal) = (None, status);
        }
    }

    /// What a link that is not good is answered with.
    pub(super) fn refusal(&self, request_id: &str) -> u16 {
        self.find(request_id).map_or(FORBIDDEN, |job| job.refusal)
    }

    /// Whether the link with this signature is good.
    pub(super) fn is_good_link(&self, request_id: &str, signature: &str) -> bool {
        let now = self.now();
        let Some(job) = self.find(request_id) else { return false };
        let is_temporary =
            |link: &Link| links::hex(link.signature) == signature && !link.is_over(now, self.options.link_seconds);
        job.link.as_ref().is_some_and(is_temporary)
            || job.stored.as_ref().is_some_and(|stored| stored.is_public(signature, now))
    }

    /// The job's file.
    pub(super) fn file(&self, request_id: &str) -> Option<File> {
        let Purchase { ratio, seconds, .. } = self.find(request_id)?.purchase;
        Some(File::of(request_id, ratio, seconds, self.options.video_bytes))
    }

    /// Where the file of a finished job is to be sent, if it is and has not been.
    pub(super) fn take_upload(&mut self, request_id: &str) -> Option<(String, File)> {
        let file = self.file(request_id)?;
        let job = self.job(request_id)?;
        let address = job.purchase.upload_url.clone()?;
        let was_sent = std::mem::replace(&mut job.is_sent, true);
        (!was_sent).then_some((address, file))
    }

    /// What is known here of an input. Stored files that are not known are taken on trust: they may be older.
    pub(super) fn own(&self, source: Source<'_>) -> OwnFile {
        let (job, is_good) = match source {
            Source::Url(url) => {
                let Some((id, signature)) = links::parse(self.address, url) else { return OwnFile::Elsewhere };
                (self.find(id), self.is_good_link(id, signature))
            }
            Source::Id(file) => {
                let Some(job) = links::job_of_file(file).and_then(|id| self.find(id)) else {
                    return OwnFile::Elsewhere;
                };
                (Some(job), self.has_stored(job))
            }
        };
        match job {
            Some(Job { purchase, .. }) if is_good => OwnFile::ClipInfo(ClipInfo {
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
        is_done && job.stored.as_ref().is_some_and(|stored| stored.is_kept(now))
    }
}

fn word(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Done => "done",
        JobEnd::Failed => "failed",
        JobEnd::Moderated => "moderated",
        JobEnd::Expired => "expired",
        JobEnd::Other(word) => word,
    }
}

/// An id in the form of a UUID, from seed and number.
fn id(seed: u64, number: u64) -> String {
    let mut chance = fastrand::Rng::with_seed(!seed ^ number.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let bits = format!("{:032x}", chance.u128(..));
    [&bits[..8], &bits[8..12], &bits[12..16], &bits[16..20], &bits[20..]].join("-")
}

/// Lets through at a rate, with some tolerance for callers that keep to it.
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
    fn the_throttle_keeps_the_rate() {
        let mut throttle = Throttle::new(Some(1.0));
        let admitted = [0.0, 0.5, 1.0, 1.9, 2.0, 3.0, 3.1].map(|now| throttle.admits(now));
        assert_eq!(admitted, [true, false, true, true, false, true, false]);
        let mut open = Throttle::new(None);
        assert!((0..1000).all(|_| open.admits(0.0)));
    }
}
