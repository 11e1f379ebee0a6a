//! What the lines of all writers amount to. No I/O.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::record::{Columns, IntentDetails, Kind, Line};
use super::render_times::RenderTimeIndex;
use crate::job::{JobStatus, VideoJob};
use crate::pacing::RenderTimes;
use crate::saved_file::Download;

/// All that is known of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The attempts at it, the earliest first.
    pub attempts: Vec<Attempt>,
    /// What else stood in its row, and when that was written.
    columns: Option<(f64, Columns)>,
}

/// One create, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The name that it was sent under.
    pub name: String,
    /// Its number, from 1. Attempts of version 1 have none.
    pub n: Option<u32>,
    /// The attempt that it follows: a refusal, a failure, or one that the caller wanted again.
    pub follows: Option<String>,
    /// When, in Unix seconds.
    pub at: f64,
    /// The writer at work on it.
    pub holder: Option<usize>,
    /// Whether it is known by its claim alone: its writer has not written its intent yet, or the line is gone.
    pub(super) is_only_claimed: bool,
    /// The writer that told of its acceptance.
    pub(super) accepted_by: Option<usize>,
    /// A file that was kept, as long as nothing is known of the job's end: clocks order the files of writers.
    kept: Option<Download>,
    /// What was asked for.
    pub order: IntentDetails,
    /// What became of it.
    pub state: AttemptState,
}

/// What became of a create. Later states are further on.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptState {
    /// Sent, and no more is known.
    Unknown {
        /// What happened to the answer, if that is known.
        error: Option<String>,
        /// The job, as far as an answer that was damaged named it.
        request_id: Option<String>,
    },
    /// Not bought.
    Refused {
        /// Why.
        error: String,
    },
    /// Bought, and not over as far as is known.
    Accepted {
        /// The job.
        request_id: String,
        /// The other ids that the service gave it.
        other_ids: Vec<String>,
        /// When it was accepted, in Unix seconds.
        at: f64,
    },
    /// The job is over.
    Over {
        /// The job.
        job: Box<VideoJob>,
    },
    /// The job is done, and its file was kept.
    Saved {
        /// The job.
        job: Box<VideoJob>,
        /// The file; its path is taken from the journal's home.
        file: Download,
    },
}

impl AttemptState {
    fn rank(&self) -> u8 {
        match self {
            Self::Unknown { error: None, .. } => 0,
            Self::Unknown { error: Some(_), .. } => 1,
            Self::Refused { .. } => 2,
            Self::Accepted { .. } => 3,
            Self::Over { .. } => 4,
            Self::Saved { .. } => 5,
        }
    }

    /// Whether somebody may be at work on it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Unknown { error, .. } => error.is_none(),
            Self::Accepted { .. } => true,
            Self::Over { job } => job.status == JobStatus::Done,
            Self::Refused { .. } | Self::Saved { .. } => false,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Refused { .. } => "refused",
            Self::Accepted { .. } => "accepted",
            Self::Over { .. } => "over",
            Self::Saved { .. } => "saved",
        }
    }

    /// The job's id, as far as it is known.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Unknown { request_id, .. } => request_id.as_deref(),
            Self::Refused { .. } => None,
            Self::Accepted { request_id, .. } => Some(request_id),
            Self::Over { job } | Self::Saved { job, .. } => Some(&job.request_id),
        }
    }

    /// The job, as far as it is known.
    #[must_use]
    pub fn job(&self) -> Option<VideoJob> {
        match self {
            Self::Unknown { .. } | Self::Refused { .. } => None,
            Self::Accepted { request_id, other_ids, .. } => Some(VideoJob::pending(request_id).also_named(other_ids)),
            Self::Over { job } | Self::Saved { job, .. } => Some((**job).clone()),
        }
    }
}

#[cfg(test)]
impl Attempt {
    /// The first attempt at an item, as its intent and its outcome tell it.
    pub(crate) fn new(name: &str, at: f64, order: IntentDetails, state: AttemptState) -> Self {
        Self {
            name: name.to_owned(),
            n: Some(1),
            follows: None,
            at,
            holder: None,
            is_only_claimed: false,
            accepted_by: None,
            kept: None,
            order,
            state,
        }
    }
}

#[cfg(test)]
impl Entry {
    /// An item with one attempt.
    pub(crate) fn of(attempt: Attempt) -> Self {
        Self { attempts: vec![attempt], columns: None }
    }
}

impl Attempt {
    /// Whether nothing but its claim is known of it.
    #[must_use]
    pub fn is_only_claimed(&self) -> bool {
        self.is_only_claimed
    }

    /// How much it matters beside others that nothing follows: first what is paid for and not kept yet.
    fn weight(&self) -> u8 {
        match &self.state {
            AttemptState::Accepted { .. } => 3,
            AttemptState::Over { job } if job.status == JobStatus::Done && !job.is_blocked() => 3,
            AttemptState::Unknown { .. } | AttemptState::Saved { .. } => 2,
            AttemptState::Over { .. } => 1,
            AttemptState::Refused { .. } => 0,
        }
    }

    fn place(&self) -> (u32, f64) {
        (self.n.unwrap_or_default(), self.at)
    }
}

fn by_place(one: &Attempt, other: &Attempt) -> Ordering {
    let ((one, at), (other, other_at)) = (one.place(), other.place());
    one.cmp(&other).then(at.total_cmp(&other_at))
}

impl Entry {
    /// The attempt that counts: the one that no other follows.
    ///
    /// Attempts of version 1 name no predecessor. Of several that nothing follows, one that may be paid for counts
    /// before one that is not, whatever their clocks said.
    #[must_use]
    pub fn current(&self) -> Option<&Attempt> {
        if let [only] = self.attempts.as_slice() {
            return Some(only);
        }
        let is_followed =
            |attempt: &&Attempt| self.attempts.iter().any(|other| other.follows.as_deref() == Some(&attempt.name));
        let heads = self.attempts.iter().filter(|attempt| !is_followed(attempt));
        heads.max_by(|one, other| one.weight().cmp(&other.weight()).then_with(|| by_place(one, other)))
    }

    /// The number of the next attempt.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        let highest = self.attempts.iter().filter_map(|attempt| attempt.n).max().unwrap_or_default();
        highest.max(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX)).saturating_add(1)
    }

    /// What else stood in its row.
    #[must_use]
    pub fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref().map(|(_, columns)| columns)
    }
}

/// The lines of all writers, folded.
#[derive(Debug, Default)]
pub(super) struct JournalState {
    entries: HashMap<String, Entry>,
    /// The item of each job.
    jobs: HashMap<String, (String, String)>,
    /// In which order items were first seen.
    order: Vec<String>,
    times: RenderTimeIndex,
}

impl JournalState {
    /// One item.
    #[must_use]
    pub(super) fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All items, in the order of their first lines.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.order.iter().filter_map(|id| self.entries.get(id).map(|entry| (id.as_str(), entry)))
    }

    /// The item and the attempt that bought a job.
    #[must_use]
    pub(super) fn of_job(&self, request_id: &str) -> Option<(&str, &Attempt)> {
        let (id, name) = self.jobs.get(request_id)?;
        let attempt = self.entries.get(id)?.attempts.iter().find(|attempt| attempt.name == *name)?;
        Some((id, attempt))
    }

    /// How long renders like the one that bought a job took.
    pub(super) fn render_times_of(&mut self, request_id: &str) -> Option<RenderTimes> {
        let order = self.of_job(request_id)?.1.order.clone();
        self.times.known(&order)
    }

    /// Takes in an attempt of which only the claim is known, unless its lines are known.
    pub(super) fn take_claim(&mut self, writer: usize, line: Line) {
        let is_same = |attempt: &Attempt| attempt.name == line.attempt || (attempt.n.is_some() && attempt.n == line.n);
        let is_known = |entry: &Entry| entry.attempts.iter().any(is_same);
        if self.entries.get(&line.id).is_some_and(is_known) {
            return;
        }
        let (id, name) = (line.id.clone(), line.attempt.clone());
        self.take(writer, line);
        let attempts = self.entries.get_mut(&id).map(|entry| &mut entry.attempts);
        if let Some(attempt) = attempts.into_iter().flatten().find(|attempt| attempt.name == name) {
            attempt.is_only_claimed = true;
        }
    }

    /// Forgets an attempt of which nothing but its claim was known, and that is gone.
    pub(super) fn forget_claim(&mut self, id: &str, name: &str) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let is_forgotten = |attempt: &Attempt| {
            attempt.name == name && attempt.is_only_claimed && matches!(attempt.state, AttemptState::Unknown { .. })
        };
        entry.attempts.retain(|attempt| !is_forgotten(attempt));
    }

    /// Takes one line in. The order in which lines come does not matter, as long as names are kept apart.
    pub(super) fn take(&mut self, writer: usize, line: Line) {
        if matches!(line.event, Kind::Open | Kind::Other) || line.id.is_empty() {
            return;
        }
        if !self.entries.contains_key(&line.id) {
            self.order.push(line.id.clone());
        }
        if let Some(request_id) = &line.request_id {
            self.jobs.insert(request_id.clone(), (line.id.clone(), line.attempt.clone()));
        }
        let entry = self.entries.entry(line.id.clone()).or_default();
        let is_done = line.job.as_ref().is_some_and(|job| job.status == JobStatus::Done);
        let seconds = line.render_seconds.filter(|_| is_done);
        let learned = entry.take(writer, line).filter(|attempt| matches!(attempt.state, AttemptState::Over { .. }));
        if let (Some(seconds), Some(attempt)) = (seconds, learned) {
            self.times.learn(&attempt.order, seconds);
        }
    }
}

impl Entry {
    /// The attempt that a line is about, which may be a new one.
    fn attempt(&mut self, line: &Line) -> Option<&mut Attempt> {
        let known = self.attempts.iter().position(|attempt| attempt.name == line.attempt);
        let at = known.unwrap_or_else(|| {
            self.attempts.push(Attempt {
                name: line.attempt.clone(),
                n: None,
                follows: None,
                at: line.at,
                holder: None,
                is_only_claimed: false,
                accepted_by: None,
                kept: None,
                order: IntentDetails::default(),
                state: AttemptState::Unknown { error: None, request_id: None },
            });
            self.attempts.len() - 1
        });
        self.attempts.get_mut(at)
    }

    /// Takes one line in; gives its attempt if that is further on now. A line that comes again changes nothing.
    fn take(&mut self, writer: usize, mut line: Line) -> Option<&Attempt> {
        if let Some(columns) = line.columns.take()
            && self.columns.as_ref().is_none_or(|(at, _)| *at <= line.at)
        {
            self.columns = Some((line.at, columns));
        }
        if line.event == Kind::Described {
            return None;
        }
        let name = line.attempt.clone();
        let attempt = self.attempt(&line)?;
        match line.event {
            Kind::Intent if attempt.is_only_claimed || attempt.order == IntentDetails::default() => {
                (attempt.holder, attempt.is_only_claimed) = (Some(writer), false);
            }
            Kind::Claimed => attempt.holder = Some(writer),
            Kind::Released if attempt.holder == Some(writer) => attempt.holder = None,
            _ => {}
        }
        if let Some(order) = line.order.take() {
            attempt.order = order;
            (attempt.n, attempt.follows, attempt.at) = (line.n, line.follows.take(), line.at);
        }
        let (n, is_intent) = (attempt.n, line.event == Kind::Intent);
        if line.event == Kind::Accepted {
            attempt.accepted_by.get_or_insert(writer);
        }
        let mut is_news = false;
        if let Some(state) = state(line, attempt)
            && state.rank() >= attempt.state.rank()
        {
            is_news = state.rank() > attempt.state.rank();
            attempt.state = state;
        }
        if is_intent && n.is_some() {
            // Whoever wrote its intent had the claim, also where that cannot be read any more.
            self.attempts.retain(|other| other.name == name || other.n != n || !other.is_only_claimed);
        }
        self.attempts.sort_by(by_place);
        self.attempts.iter().find(|attempt| is_news && attempt.name == name)
    }
}

fn state(line: Line, attempt: &mut Attempt) -> Option<AttemptState> {
    Some(match line.event {
        Kind::Intent => AttemptState::Unknown { error: None, request_id: None },
        Kind::Unknown => {
            AttemptState::Unknown { error: Some(line.error.unwrap_or_default()), request_id: line.request_id }
        }
        Kind::Refused => AttemptState::Refused { error: line.error.unwrap_or_default() },
        Kind::Accepted => {
            AttemptState::Accepted { request_id: line.request_id?, other_ids: line.other_ids, at: line.at }
        }
        Kind::Terminal => over(line.job?, attempt),
        Kind::Saved => {
            let path = line.path?;
            let file = Download { path, bytes: line.bytes?, sha256: line.sha256?, content_type: line.content_type };
            match (line.job, &attempt.state) {
                (Some(job), _) => AttemptState::Saved { job, file },
                (None, AttemptState::Over { job } | AttemptState::Saved { job, .. }) => {
                    AttemptState::Saved { job: job.clone(), file }
                }
                _ => {
                    attempt.kept = Some(file);
                    return None;
                }
            }
        }
        Kind::Claimed | Kind::Released | Kind::Described | Kind::Open | Kind::Other => return None,
    })
}

fn over(job: Box<VideoJob>, attempt: &mut Attempt) -> AttemptState {
    match attempt.kept.take() {
        Some(file) => AttemptState::Saved { job, file },
        None => AttemptState::Over { job },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: Kind, attempt: &str, at: f64) -> Line {
        Line { id: "a".into(), attempt: attempt.into(), at, ..Line::new(event) }
    }

    fn course(name: &str, at: f64) -> Vec<Line> {
        let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending(name) };
        vec![
            Line {
                order: Some(IntentDetails { operation: "generate".into(), ..IntentDetails::default() }),
                ..line(Kind::Intent, name, at)
            },
            Line { request_id: Some(name.into()), ..line(Kind::Accepted, name, at + 1.0) },
            Line { job: Some(Box::new(done)), ..line(Kind::Terminal, name, at + 2.0) },
            Line {
                path: Some("videos/a.mp4".into()),
                bytes: Some(7),
                sha256: Some("ab".into()),
                ..line(Kind::Saved, name, at + 3.0)
            },
        ]
    }

    fn folded(lines: &[Line]) -> JournalState {
        let mut fold = JournalState::default();
        for line in lines {
            fold.take(0, line.clone());
        }
        fold
    }

    #[test]
    fn each_line_takes_an_item_further() {
        let lines = course("x", 1.0);
        let states: Vec<_> = (1..=4)
            .map(|count| folded(&lines[..count]).entry("a").unwrap().current().unwrap().state.as_str())
            .collect();
        assert_eq!(states, ["unknown", "accepted", "over", "saved"]);
        let fold = folded(&lines);
        assert_eq!(fold.of_job("x").unwrap().0, "a");
        let AttemptState::Saved { job, file } = &fold.entry("a").unwrap().current().unwrap().state else { panic!() };
        assert_eq!((job.status, file.bytes), (JobStatus::Done, 7));
        assert_eq!(fold.entry("a").unwrap().current().unwrap().order.operation, "generate");
    }

    #[test]
    fn lines_of_several_writers_may_come_in_any_order() {
        let (first, second) = (course("x", 1.0), course("y", 10.0));
        let mut all: Vec<_> = first[..2].iter().chain(&second[..3]).cloned().collect();
        for _ in 0..all.len() {
            all.rotate_left(1);
            let fold = folded(&all);
            let entry = fold.entry("a").unwrap();
            assert_eq!(entry.attempts.iter().map(|attempt| attempt.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
            assert_eq!(entry.current().unwrap().state.as_str(), "over");
        }
    }

    #[test]
    fn the_lines_of_one_item_may_come_in_any_order() {
        let lines = course("x", 1.0);
        let expected = folded(&lines);
        for from in 0..lines.len() {
            for to in 0..lines.len() {
                let mut mixed = lines.clone();
                let line = mixed.remove(from);
                mixed.insert(to, line);
                assert_eq!(folded(&mixed).entry("a"), expected.entry("a"), "{from} {to}");
            }
        }
    }

    #[test]
    fn causes_order_attempts_and_clocks_do_not() {
        let intent = |name: &str, at, n, follows: Option<&str>| Line {
            order: Some(IntentDetails { operation: "generate".into(), ..IntentDetails::default() }),
            n: Some(n),
            follows: follows.map(Into::into),
            ..line(Kind::Intent, name, at)
        };
        let refused = |name: &str, at| Line { error: Some("no".into()), ..line(Kind::Refused, name, at) };
        // The first writer's clock was an hour ahead.
        let mut all = vec![
            intent("x", 3600.0, 1, None),
            refused("x", 3601.0),
            intent("y", 1.0, 2, Some("x")),
            Line { request_id: Some("job".into()), ..line(Kind::Accepted, "y", 2.0) },
        ];
        for _ in 0..all.len() {
            all.rotate_left(1);
            let fold = folded(&all);
            let entry = fold.entry("a").unwrap();
            assert_eq!(entry.current().unwrap().name, "y");
            assert_eq!(entry.next_number(), 3);
        }
    }

    #[test]
    fn without_causes_what_may_be_paid_for_counts_first() {
        let refused = |name: &str, at| Line { error: Some("no".into()), ..line(Kind::Refused, name, at) };
        let mut lines = vec![line(Kind::Intent, "x", 3600.0), refused("x", 3601.0)];
        lines.extend_from_slice(&course("y", 1.0)[..2]);
        assert_eq!(folded(&lines).entry("a").unwrap().current().unwrap().state.as_str(), "accepted");
        let mut again = course("x", 1.0);
        again.push(line(Kind::Intent, "y", 9.0));
        assert_eq!(folded(&again).entry("a").unwrap().current().unwrap().state.as_str(), "unknown");
        again.extend_from_slice(&course("y", 9.0)[1..]);
        let fold = folded(&again);
        assert_eq!(fold.entry("a").unwrap().current().unwrap().name, "y", "made anew");
    }

    #[test]
    fn lines_that_come_again_change_nothing() {
        let mut lines = course("x", 1.0);
        lines[0].columns = Some(Columns::parse(r#"{"scene": 1}"#).unwrap());
        lines
            .push(Line { columns: Some(Columns::parse(r#"{"scene": 2}"#).unwrap()), ..line(Kind::Described, "", 9.0) });
        lines.push(line(Kind::Claimed, "x", 10.0));
        let once = folded(&lines);
        let mut fold = folded(&lines);
        for line in &lines[..lines.len() - 1] {
            fold.take(1, line.clone());
        }
        assert_eq!(fold.entry("a"), once.entry("a"));
        assert_eq!(fold.entry("a").unwrap().columns().unwrap().as_str(), r#"{"scene": 2}"#);
    }

    #[test]
    fn whoever_is_at_work_is_known() {
        let holder = |lines: &[(usize, Kind)]| {
            let mut fold = JournalState::default();
            for (writer, kind) in lines {
                fold.take(*writer, line(*kind, "x", 1.0));
            }
            fold.entry("a").unwrap().current().unwrap().holder
        };
        assert_eq!(holder(&[(0, Kind::Intent)]), Some(0));
        assert_eq!(holder(&[(0, Kind::Intent), (0, Kind::Released)]), None);
        assert_eq!(holder(&[(0, Kind::Intent), (1, Kind::Claimed), (0, Kind::Released)]), Some(1));
    }

    #[test]
    fn refusals_and_lost_answers() {
        let intent = line(Kind::Intent, "x", 1.0);
        for (event, word) in [(Kind::Refused, "refused"), (Kind::Unknown, "unknown")] {
            let told = Line { error: Some("no".into()), ..line(event, "x", 2.0) };
            assert_eq!(folded(&[intent.clone(), told]).entry("a").unwrap().current().unwrap().state.as_str(), word);
        }
    }
}
