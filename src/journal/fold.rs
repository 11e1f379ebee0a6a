//! What the lines of all writers amount to. No I/O.

use std::collections::HashMap;

use super::line::{Kind, Line, Order};
use super::times::Times;
use crate::download::Download;
use crate::job::{JobStatus, VideoJob};
use crate::pacing::RenderTimes;

/// All that is known of one item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The attempts at it, the earliest first.
    pub attempts: Vec<Attempt>,
}

/// One create, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The name that it was sent under.
    pub name: String,
    /// When, in Unix seconds.
    pub at: f64,
    /// The writer at work on it.
    pub holder: Option<usize>,
    /// What was asked for.
    pub order: Order,
    /// What became of it.
    pub state: State,
}

/// What became of a create. Later states are further on.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Sent, and no more is known.
    Unknown {
        /// What happened to the answer, if that is known.
        error: Option<String>,
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

impl State {
    fn rank(&self) -> u8 {
        match self {
            Self::Unknown { error: None } => 0,
            Self::Unknown { error: Some(_) } => 1,
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
            Self::Unknown { error } => error.is_none(),
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

    /// The job, as far as it is known.
    #[must_use]
    pub fn job(&self) -> Option<VideoJob> {
        match self {
            Self::Unknown { .. } | Self::Refused { .. } => None,
            Self::Accepted { request_id, .. } => Some(VideoJob::pending(request_id)),
            Self::Over { job } | Self::Saved { job, .. } => Some((**job).clone()),
        }
    }
}

impl Entry {
    /// The attempt that counts: the last.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }
}

/// The lines of all writers, folded.
#[derive(Debug, Default)]
pub(super) struct Fold {
    entries: HashMap<String, Entry>,
    /// The item of each job.
    jobs: HashMap<String, (String, String)>,
    /// In which order items were first seen.
    order: Vec<String>,
    times: Times,
}

impl Fold {
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
        let at = entry.take(writer, line);
        if let (Some(seconds), Some(attempt)) = (seconds, entry.attempts.get(at)) {
            self.times.learn(&attempt.order, seconds);
        }
    }
}

impl Entry {
    /// Where the attempt that a line is about stands, or is put now.
    fn place_of(&mut self, line: &Line) -> usize {
        if let Some(at) = self.attempts.iter().position(|attempt| attempt.name == line.attempt) {
            return at;
        }
        let attempt = Attempt {
            name: line.attempt.clone(),
            at: line.at,
            holder: None,
            order: Order::default(),
            state: State::Unknown { error: None },
        };
        let at = self.attempts.partition_point(|other| other.at <= line.at);
        self.attempts.insert(at, attempt);
        at
    }

    /// Takes one line in; gives the place of its attempt.
    fn take(&mut self, writer: usize, line: Line) -> usize {
        let at = self.place_of(&line);
        let Some(attempt) = self.attempts.get_mut(at) else { return at };
        match line.event {
            Kind::Intent | Kind::Claimed => attempt.holder = Some(writer),
            Kind::Released if attempt.holder == Some(writer) => attempt.holder = None,
            _ => {}
        }
        if let Some(order) = line.order.clone() {
            attempt.order = order;
        }
        if let Some(state) = state(line, &attempt.state)
            && state.rank() >= attempt.state.rank()
        {
            attempt.state = state;
        }
        at
    }
}

fn state(line: Line, before: &State) -> Option<State> {
    Some(match line.event {
        Kind::Intent => State::Unknown { error: None },
        Kind::Unknown => State::Unknown { error: Some(line.error.unwrap_or_default()) },
        Kind::Refused => State::Refused { error: line.error.unwrap_or_default() },
        Kind::Accepted => State::Accepted { request_id: line.request_id?, at: line.at },
        Kind::Terminal => State::Over { job: line.job? },
        Kind::Saved => {
            let path = line.path?;
            let file = Download { path, bytes: line.bytes?, sha256: line.sha256?, content_type: line.content_type };
            let job = line.job.or_else(|| before.job().map(Box::new))?;
            State::Saved { job, file }
        }
        Kind::Claimed | Kind::Released | Kind::Open | Kind::Other => return None,
    })
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
                order: Some(Order { operation: "generate".into(), ..Order::default() }),
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

    fn folded(lines: &[Line]) -> Fold {
        let mut fold = Fold::default();
        for line in lines {
            fold.take(0, line.clone());
        }
        fold
    }

    #[test]
    fn each_line_takes_an_item_further() {
        let lines = course("x", 1.0);
        let states: Vec<_> =
            (1..=4).map(|count| folded(&lines[..count]).entry("a").unwrap().last().unwrap().state.as_str()).collect();
        assert_eq!(states, ["unknown", "accepted", "over", "saved"]);
        let fold = folded(&lines);
        assert_eq!(fold.of_job("x").unwrap().0, "a");
        let State::Saved { job, file } = &fold.entry("a").unwrap().last().unwrap().state else { panic!() };
        assert_eq!((job.status, file.bytes), (JobStatus::Done, 7));
        assert_eq!(fold.entry("a").unwrap().last().unwrap().order.operation, "generate");
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
            assert_eq!(entry.last().unwrap().state.as_str(), "over");
        }
    }

    #[test]
    fn whoever_is_at_work_is_known() {
        let holder = |lines: &[(usize, Kind)]| {
            let mut fold = Fold::default();
            for (writer, kind) in lines {
                fold.take(*writer, line(*kind, "x", 1.0));
            }
            fold.entry("a").unwrap().last().unwrap().holder
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
            assert_eq!(folded(&[intent.clone(), told]).entry("a").unwrap().last().unwrap().state.as_str(), word);
        }
    }
}
