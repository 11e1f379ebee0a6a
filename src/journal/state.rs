//! The state of all items, computed from the lines of all writers. No I/O.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::record::{EventKind, IntentDetails, Line, Row};
use super::render_times::RenderTimeIndex;
use crate::job::{JobStatus, VideoJob};
use crate::pacing::RenderTimes;
use crate::saved_file::Download;

/// One item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The earliest first.
    pub attempts: Vec<Attempt>,
    /// Its row, and when it was written.
    row: Option<(f64, Row)>,
}

/// One create and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its idempotency key.
    pub name: String,
    /// From 1. Attempts of version 1 have none.
    pub n: Option<u32>,
    /// The previous attempt, which was refused or failed, or which the caller wanted to repeat.
    pub follows: Option<String>,
    /// In Unix seconds.
    pub at: f64,
    /// The segment of the process that works on it.
    pub holder: Option<usize>,
    /// Whether only its claim is known: the intent is not written yet, or was lost.
    pub(super) is_only_claimed: bool,
    /// The segment with its acceptance.
    pub(super) accepted_by: Option<usize>,
    /// A saved file while the end of the job is unknown: segments are read in any order.
    saved_file: Option<Download>,
    pub order: IntentDetails,
    pub state: AttemptState,
}

/// The outcome of a create. Later variants supersede earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptState {
    /// Sent, with unknown outcome.
    Unknown {
        /// Why there is no response, if known.
        error: Option<String>,
        /// The job ID in a damaged response.
        request_id: Option<String>,
    },
    /// Not bought.
    Refused { error: String },
    /// Bought, and not known to have ended.
    Accepted {
        request_id: String,
        /// Other IDs of the job.
        other_ids: Vec<String>,
        /// In Unix seconds.
        at: f64,
    },
    /// The job ended.
    Over { job: Box<VideoJob> },
    /// The job is done, and its file was saved.
    Saved {
        job: Box<VideoJob>,
        /// The path is relative to the base directory of the journal.
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

    /// Whether a process may be working on it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Unknown { error, .. } => error.is_none(),
            Self::Accepted { .. } => true,
            Self::Over { job } => job.status == JobStatus::Done,
            Self::Refused { .. } | Self::Saved { .. } => false,
        }
    }

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

    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Unknown { request_id, .. } => request_id.as_deref(),
            Self::Refused { .. } => None,
            Self::Accepted { request_id, .. } => Some(request_id),
            Self::Over { job } | Self::Saved { job, .. } => Some(&job.request_id),
        }
    }

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
    /// A first attempt.
    pub(crate) fn new(name: &str, at: f64, order: IntentDetails, state: AttemptState) -> Self {
        Self {
            name: name.to_owned(),
            n: Some(1),
            follows: None,
            at,
            holder: None,
            is_only_claimed: false,
            accepted_by: None,
            saved_file: None,
            order,
            state,
        }
    }
}

#[cfg(test)]
impl Entry {
    /// An item with one attempt.
    pub(crate) fn of(attempt: Attempt) -> Self {
        Self { attempts: vec![attempt], row: None }
    }
}

impl Attempt {
    /// Whether only its claim is known.
    #[must_use]
    pub fn is_only_claimed(&self) -> bool {
        self.is_only_claimed
    }

    /// Priority among attempts without a successor: first those that are paid for and not saved yet.
    fn priority(&self) -> u8 {
        match &self.state {
            AttemptState::Accepted { .. } => 3,
            AttemptState::Over { job } if job.status == JobStatus::Done && !job.is_blocked() => 3,
            AttemptState::Unknown { .. } | AttemptState::Saved { .. } => 2,
            AttemptState::Over { .. } => 1,
            AttemptState::Refused { .. } => 0,
        }
    }

    fn position(&self) -> (u32, f64) {
        (self.n.unwrap_or_default(), self.at)
    }
}

fn by_position(one: &Attempt, other: &Attempt) -> Ordering {
    let ((one, at), (other, other_at)) = (one.position(), other.position());
    one.cmp(&other).then(at.total_cmp(&other_at))
}

impl Entry {
    /// The attempt without a successor.
    ///
    /// Attempts of version 1 name no predecessor. Of several attempts without a successor, one that may be paid for
    /// takes precedence, whatever the clocks say.
    #[must_use]
    pub fn current(&self) -> Option<&Attempt> {
        if let [only] = self.attempts.as_slice() {
            return Some(only);
        }
        let is_followed =
            |attempt: &&Attempt| self.attempts.iter().any(|other| other.follows.as_deref() == Some(&attempt.name));
        let heads = self.attempts.iter().filter(|attempt| !is_followed(attempt));
        heads.max_by(|one, other| one.priority().cmp(&other.priority()).then_with(|| by_position(one, other)))
    }

    #[must_use]
    pub fn next_number(&self) -> u32 {
        let highest = self.attempts.iter().filter_map(|attempt| attempt.n).max().unwrap_or_default();
        highest.max(u32::try_from(self.attempts.len()).unwrap_or(u32::MAX)).saturating_add(1)
    }

    #[must_use]
    pub fn row(&self) -> Option<&Row> {
        self.row.as_ref().map(|(_, row)| row)
    }
}

#[derive(Debug, Default)]
pub(super) struct JournalState {
    entries: HashMap<String, Entry>,
    /// Item and attempt by request ID.
    jobs: HashMap<String, (String, String)>,
    /// Item IDs in the order of their first lines.
    order: Vec<String>,
    times: RenderTimeIndex,
}

impl JournalState {
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

    /// Render times of the same kind as the job.
    pub(super) fn render_times_of(&mut self, request_id: &str) -> Option<RenderTimes> {
        let order = self.of_job(request_id)?.1.order.clone();
        self.times.render_times(&order)
    }

    /// Applies a claim, unless lines of its attempt are known.
    pub(super) fn apply_claim(&mut self, writer: usize, line: Line) {
        let is_same = |attempt: &Attempt| attempt.name == line.attempt || (attempt.n.is_some() && attempt.n == line.n);
        let is_known = |entry: &Entry| entry.attempts.iter().any(is_same);
        if self.entries.get(&line.id).is_some_and(is_known) {
            return;
        }
        let (id, name) = (line.id.clone(), line.attempt.clone());
        self.apply(writer, line);
        let attempts = self.entries.get_mut(&id).map(|entry| &mut entry.attempts);
        if let Some(attempt) = attempts.into_iter().flatten().find(|attempt| attempt.name == name) {
            attempt.is_only_claimed = true;
        }
    }

    /// Removes an attempt whose only trace, its claim, is gone.
    pub(super) fn remove_claim(&mut self, id: &str, name: &str) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let is_forgotten = |attempt: &Attempt| {
            attempt.name == name && attempt.is_only_claimed && matches!(attempt.state, AttemptState::Unknown { .. })
        };
        entry.attempts.retain(|attempt| !is_forgotten(attempt));
    }

    /// Applies one line. The order of lines does not matter.
    pub(super) fn apply(&mut self, writer: usize, line: Line) {
        if matches!(line.event, EventKind::Open | EventKind::Other) || line.id.is_empty() {
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
        let learned = entry.apply(writer, line).filter(|attempt| matches!(attempt.state, AttemptState::Over { .. }));
        if let (Some(seconds), Some(attempt)) = (seconds, learned) {
            self.times.add(&attempt.order, seconds);
        }
    }
}

impl Entry {
    /// The attempt of a line, created if it is new.
    fn attempt_of(&mut self, line: &Line) -> Option<&mut Attempt> {
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
                saved_file: None,
                order: IntentDetails::default(),
                state: AttemptState::Unknown { error: None, request_id: None },
            });
            self.attempts.len() - 1
        });
        self.attempts.get_mut(at)
    }

    /// Applies one line; returns its attempt if that advanced. A repeated line has no effect.
    fn apply(&mut self, writer: usize, mut line: Line) -> Option<&Attempt> {
        if let Some(columns) = line.columns.take()
            && self.row.as_ref().is_none_or(|(at, _)| *at <= line.at)
        {
            self.row = Some((line.at, Row { index: line.index, columns }));
        }
        if line.event == EventKind::Described {
            return None;
        }
        let name = line.attempt.clone();
        let attempt = self.attempt_of(&line)?;
        match line.event {
            EventKind::Intent if attempt.is_only_claimed || attempt.order == IntentDetails::default() => {
                (attempt.holder, attempt.is_only_claimed) = (Some(writer), false);
            }
            EventKind::Claimed => attempt.holder = Some(writer),
            EventKind::Released if attempt.holder == Some(writer) => attempt.holder = None,
            _ => {}
        }
        if let Some(order) = line.order.take() {
            attempt.order = order;
            (attempt.n, attempt.follows, attempt.at) = (line.n, line.follows.take(), line.at);
        }
        let (n, is_intent) = (attempt.n, line.event == EventKind::Intent);
        if line.event == EventKind::Accepted {
            attempt.accepted_by.get_or_insert(writer);
        }
        let mut has_advanced = false;
        if let Some(state) = state(line, attempt)
            && state.rank() >= attempt.state.rank()
        {
            has_advanced = state.rank() > attempt.state.rank();
            attempt.state = state;
        }
        if is_intent && n.is_some() {
            // The writer of the intent held the claim, even if the claim is unreadable now.
            self.attempts.retain(|other| other.name == name || other.n != n || !other.is_only_claimed);
        }
        self.attempts.sort_by(by_position);
        self.attempts.iter().find(|attempt| has_advanced && attempt.name == name)
    }
}

fn state(line: Line, attempt: &mut Attempt) -> Option<AttemptState> {
    Some(match line.event {
        EventKind::Intent => AttemptState::Unknown { error: None, request_id: None },
        EventKind::Unknown => {
            AttemptState::Unknown { error: Some(line.error.unwrap_or_default()), request_id: line.request_id }
        }
        EventKind::Refused => AttemptState::Refused { error: line.error.unwrap_or_default() },
        EventKind::Accepted => {
            AttemptState::Accepted { request_id: line.request_id?, other_ids: line.other_ids, at: line.at }
        }
        EventKind::Terminal => over(line.job?, attempt),
        EventKind::Saved => {
            let path = line.path?;
            let file = Download { path, bytes: line.bytes?, sha256: line.sha256?, content_type: line.content_type };
            match (line.job, &attempt.state) {
                (Some(job), _) => AttemptState::Saved { job, file },
                (None, AttemptState::Over { job } | AttemptState::Saved { job, .. }) => {
                    AttemptState::Saved { job: job.clone(), file }
                }
                _ => {
                    attempt.saved_file = Some(file);
                    return None;
                }
            }
        }
        EventKind::Claimed | EventKind::Released | EventKind::Described | EventKind::Open | EventKind::Other => {
            return None;
        }
    })
}

fn over(job: Box<VideoJob>, attempt: &mut Attempt) -> AttemptState {
    match attempt.saved_file.take() {
        Some(file) => AttemptState::Saved { job, file },
        None => AttemptState::Over { job },
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Columns;
    use super::*;

    fn line(event: EventKind, attempt: &str, at: f64) -> Line {
        Line { id: "a".into(), attempt: attempt.into(), at, ..Line::new(event) }
    }

    fn lines_of(name: &str, at: f64) -> Vec<Line> {
        let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending(name) };
        vec![
            Line {
                order: Some(IntentDetails { operation: "generate".into(), ..IntentDetails::default() }),
                ..line(EventKind::Intent, name, at)
            },
            Line { request_id: Some(name.into()), ..line(EventKind::Accepted, name, at + 1.0) },
            Line { job: Some(Box::new(done)), ..line(EventKind::Terminal, name, at + 2.0) },
            Line {
                path: Some("videos/a.mp4".into()),
                bytes: Some(7),
                sha256: Some("ab".into()),
                ..line(EventKind::Saved, name, at + 3.0)
            },
        ]
    }

    fn state_of(lines: &[Line]) -> JournalState {
        let mut state = JournalState::default();
        for line in lines {
            state.apply(0, line.clone());
        }
        state
    }

    #[test]
    fn each_line_advances_an_item() {
        let lines = lines_of("x", 1.0);
        let states: Vec<_> = (1..=4)
            .map(|count| state_of(&lines[..count]).entry("a").unwrap().current().unwrap().state.as_str())
            .collect();
        assert_eq!(states, ["unknown", "accepted", "over", "saved"]);
        let state = state_of(&lines);
        assert_eq!(state.of_job("x").unwrap().0, "a");
        let AttemptState::Saved { job, file } = &state.entry("a").unwrap().current().unwrap().state else { panic!() };
        assert_eq!((job.status, file.bytes), (JobStatus::Done, 7));
        assert_eq!(state.entry("a").unwrap().current().unwrap().order.operation, "generate");
    }

    #[test]
    fn lines_of_several_writers_may_be_read_in_any_order() {
        let (first, second) = (lines_of("x", 1.0), lines_of("y", 10.0));
        let mut all: Vec<_> = first[..2].iter().chain(&second[..3]).cloned().collect();
        for _ in 0..all.len() {
            all.rotate_left(1);
            let state = state_of(&all);
            let entry = state.entry("a").unwrap();
            assert_eq!(entry.attempts.iter().map(|attempt| attempt.name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
            assert_eq!(entry.current().unwrap().state.as_str(), "over");
        }
    }

    #[test]
    fn the_lines_of_one_item_may_be_read_in_any_order() {
        let lines = lines_of("x", 1.0);
        let expected = state_of(&lines);
        for from in 0..lines.len() {
            for to in 0..lines.len() {
                let mut mixed = lines.clone();
                let line = mixed.remove(from);
                mixed.insert(to, line);
                assert_eq!(state_of(&mixed).entry("a"), expected.entry("a"), "{from} {to}");
            }
        }
    }

    #[test]
    fn attempts_are_ordered_by_predecessor_and_not_by_clock() {
        let intent = |name: &str, at, n, follows: Option<&str>| Line {
            order: Some(IntentDetails { operation: "generate".into(), ..IntentDetails::default() }),
            n: Some(n),
            follows: follows.map(Into::into),
            ..line(EventKind::Intent, name, at)
        };
        let refused = |name: &str, at| Line { error: Some("no".into()), ..line(EventKind::Refused, name, at) };
        // The first writer's clock was an hour ahead.
        let mut all = vec![
            intent("x", 3600.0, 1, None),
            refused("x", 3601.0),
            intent("y", 1.0, 2, Some("x")),
            Line { request_id: Some("job".into()), ..line(EventKind::Accepted, "y", 2.0) },
        ];
        for _ in 0..all.len() {
            all.rotate_left(1);
            let state = state_of(&all);
            let entry = state.entry("a").unwrap();
            assert_eq!(entry.current().unwrap().name, "y");
            assert_eq!(entry.next_number(), 3);
        }
    }

    #[test]
    fn without_predecessors_attempts_that_may_be_paid_for_take_precedence() {
        let refused = |name: &str, at| Line { error: Some("no".into()), ..line(EventKind::Refused, name, at) };
        let mut lines = vec![line(EventKind::Intent, "x", 3600.0), refused("x", 3601.0)];
        lines.extend_from_slice(&lines_of("y", 1.0)[..2]);
        assert_eq!(state_of(&lines).entry("a").unwrap().current().unwrap().state.as_str(), "accepted");
        let mut again = lines_of("x", 1.0);
        again.push(line(EventKind::Intent, "y", 9.0));
        assert_eq!(state_of(&again).entry("a").unwrap().current().unwrap().state.as_str(), "unknown");
        again.extend_from_slice(&lines_of("y", 9.0)[1..]);
        let state = state_of(&again);
        assert_eq!(state.entry("a").unwrap().current().unwrap().name, "y", "rendered again");
    }

    #[test]
    fn repeated_lines_have_no_effect() {
        let mut lines = lines_of("x", 1.0);
        lines[0].columns = Some(Columns::parse(r#"{"scene": 1}"#).unwrap());
        lines.push(Line {
            index: Some(7),
            columns: Some(Columns::parse(r#"{"scene": 2}"#).unwrap()),
            ..line(EventKind::Described, "", 9.0)
        });
        lines.push(line(EventKind::Claimed, "x", 10.0));
        let once = state_of(&lines);
        let mut state = state_of(&lines);
        for line in &lines[..lines.len() - 1] {
            state.apply(1, line.clone());
        }
        assert_eq!(state.entry("a"), once.entry("a"));
        let entry = state.entry("a").unwrap();
        assert_eq!(entry.row().unwrap().columns.as_str(), r#"{"scene": 2}"#);
        assert_eq!(entry.row().unwrap().index, Some(7));
    }

    #[test]
    fn the_process_working_on_an_item_is_known() {
        let holder = |lines: &[(usize, EventKind)]| {
            let mut state = JournalState::default();
            for (writer, kind) in lines {
                state.apply(*writer, line(*kind, "x", 1.0));
            }
            state.entry("a").unwrap().current().unwrap().holder
        };
        assert_eq!(holder(&[(0, EventKind::Intent)]), Some(0));
        assert_eq!(holder(&[(0, EventKind::Intent), (0, EventKind::Released)]), None);
        assert_eq!(holder(&[(0, EventKind::Intent), (1, EventKind::Claimed), (0, EventKind::Released)]), Some(1));
    }

    #[test]
    fn refusals_and_lost_responses() {
        let intent = line(EventKind::Intent, "x", 1.0);
        for (event, word) in [(EventKind::Refused, "refused"), (EventKind::Unknown, "unknown")] {
            let outcome = Line { error: Some("no".into()), ..line(event, "x", 2.0) };
            assert_eq!(
                state_of(&[intent.clone(), outcome]).entry("a").unwrap().current().unwrap().state.as_str(),
                word
            );
        }
    }
}
