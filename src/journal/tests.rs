//! One folder, several writers: processes that live, die and stand still.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::log::about;
use super::paths::canonical;
use super::record::*;
use super::run::SUSPENSION_THRESHOLD;
use super::store::Created;
use super::*;
use crate::error::{Error, JournalErrorKind, Result};
use crate::job::JobStatus;
use crate::job::VideoJob;
use crate::process::Owner;
use crate::saved_file::Download;
use crate::wire::response::other_ids;

const WHICH: AttemptRef<'_> = AttemptRef { id: "a", attempt: "vidjob-1" };

fn order() -> IntentDetails {
    IntentDetails { operation: "generate".into(), request_sha256: "5e".into(), ..IntentDetails::default() }
}

fn next(attempt: &str, n: u32) -> NewAttempt {
    NewAttempt { attempt: attempt.into(), n, follows: None }
}

async fn bought(journal: &Journal) {
    assert!(journal.begin("a", &next("vidjob-1", 1), order(), None).await.unwrap());
    journal.accepted(WHICH, &VideoJob::pending("x"), Some(1)).await.unwrap();
}

/// What another process sees of the same folder.
fn reader(journal: &Journal) -> Arc<Journal> {
    let reader = Arc::new(Journal::new(journal.folder()));
    reader.refresh().unwrap();
    reader
}

fn state(journal: &Journal, id: &str) -> &'static str {
    journal.entry(id).unwrap().current().unwrap().state.as_str()
}

fn segment_of(journal: &Journal) -> PathBuf {
    journal.own().unwrap().writer.path.clone()
}

/// A process that lives for as long as this value.
struct Other(std::process::Child);

impl Other {
    fn begin() -> Self {
        Self(std::process::Command::new("sleep").arg("60").spawn().unwrap())
    }

    fn owner(&self) -> Owner {
        Owner { pid: Some(self.0.id()), started: None, ..Owner::this_process() }
    }

    /// A segment of its writing.
    fn write(&self, folder: &Path, lines: &[Line]) {
        let open = Line { owner: self.owner(), ..Line::new(EventKind::Open) };
        let all = std::iter::once(&open).chain(lines);
        let text: String = all.map(|line| line.encode().unwrap()).collect();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(self.segment(folder), text).unwrap();
    }

    /// One more line in its segment.
    fn append(&self, folder: &Path, line: &Line) {
        let mut segment = std::fs::OpenOptions::new().append(true).open(self.segment(folder)).unwrap();
        segment.write_all(line.encode().unwrap().as_bytes()).unwrap();
    }

    fn segment(&self, folder: &Path) -> PathBuf {
        folder.join(format!("0-other-{}.jsonl", self.0.id()))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_busy<T>(result: Result<T>) -> bool {
    matches!(result, Err(Error::Journal(error)) if error.kind == JournalErrorKind::AlreadyRunning)
}

#[tokio::test]
async fn another_process_reads_the_lines_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_dir(folder.path()).unwrap();
    assert!(!folder.path().join(FOLDER).exists(), "reading makes nothing");
    bought(&journal).await;
    assert_eq!(reader(&journal).entry("a"), journal.entry("a"));
    let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending("x") };
    journal.terminal(&done, None).await.unwrap();
    journal.terminal(&done, None).await.unwrap();
    let path = folder.path().join("videos/a.mp4");
    let file = Download { path, bytes: 7, sha256: "ab".into(), content_type: None };
    journal.saved("x", &file).await.unwrap();
    let reader = reader(&journal);
    let AttemptState::Saved { file, .. } = reader.entry("a").unwrap().current().unwrap().state.clone() else {
        panic!()
    };
    assert_eq!(file.path, Path::new("videos/a.mp4"));
    assert_eq!(reader.absolute(&file.path), canonical(folder.path()).join("videos/a.mp4"));
    let text = std::fs::read_to_string(segment_of(&journal)).unwrap();
    assert_eq!(text.lines().count(), 5, "a job is over once");
}

#[tokio::test]
async fn all_spellings_of_a_path_are_the_same_file() {
    let base = tempfile::tempdir().unwrap();
    let home = base.path().join("home");
    std::fs::create_dir_all(home.join("clips")).unwrap();
    let journal = Journal::in_dir(&home).unwrap();
    let spelled = ["clips/a.mp4", "./clips/a.mp4", "clips/../clips/a.mp4", "clips//a.mp4"];
    for path in spelled {
        assert_eq!(journal.relative(&home.join(path)), Path::new("clips/a.mp4"), "{path}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&home, base.path().join("link")).unwrap();
        assert_eq!(journal.relative(&base.path().join("link/clips/a.mp4")), Path::new("clips/a.mp4"));
        assert!(Arc::ptr_eq(&Journal::in_dir(&base.path().join("link")).unwrap(), &journal));
    }
    let outside = journal.relative(&base.path().join("b.mp4"));
    assert_eq!(outside, Path::new("../b.mp4"), "good as long as both are moved together");
    assert_eq!(journal.absolute(&outside), canonical(base.path()).join("b.mp4"));
}

#[tokio::test]
async fn render_times_are_learned_from_done_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for count in 0..10 {
        let name = format!("job-{count}");
        let which = AttemptRef { id: &name, attempt: &name };
        journal.intent(which, order()).await.unwrap();
        journal.accepted(which, &VideoJob::pending(&name), None).await.unwrap();
        assert_eq!(journal.render_times_of(&name).is_some(), count > 8);
        let status = if count == 0 { JobStatus::Failed } else { JobStatus::Done };
        let job = VideoJob { status, ..VideoJob::pending(&name) };
        journal.terminal(&job, Some(Duration::from_secs(60 + count))).await.unwrap();
    }
    let reader = reader(&journal);
    assert!(reader.render_times_of("job-3").is_some());
    assert_eq!(reader.render_times_of("job-3"), journal.render_times_of("job-3"));
    assert_eq!(reader.render_times_of("a stranger's"), None);
}

#[tokio::test]
async fn jobs_of_others_are_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    journal.terminal(&VideoJob { status: JobStatus::Done, ..VideoJob::pending("y") }, None).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_item_of_a_running_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let other = Other::begin();
    let intent = Line { order: Some(order()), n: Some(1), ..about(WHICH, EventKind::Intent) };
    let accepted = Line { request_id: Some("x".into()), ..about(WHICH, EventKind::Accepted) };
    other.write(folder.path(), &[intent, accepted]);
    journal.refresh().unwrap();
    let entry = journal.entry("a").unwrap();
    let error = journal.check_not_busy("a", entry.current().unwrap()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", other.0.id())), "{error}");
    other.append(folder.path(), &about(WHICH, EventKind::Released));
    journal.refresh().unwrap();
    let entry = journal.entry("a").unwrap();
    assert!(journal.check_not_busy("a", entry.current().unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_item_of_an_ended_process_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let other = Other::begin();
    other.write(folder.path(), &[Line { order: Some(order()), ..about(WHICH, EventKind::Intent) }]);
    journal.refresh().unwrap();
    let entry = journal.entry("a").unwrap();
    assert!(is_busy(journal.check_not_busy("a", entry.current().unwrap()).await));
    drop(other);
    assert!(journal.check_not_busy("a", entry.current().unwrap()).await.is_ok());
}

#[tokio::test]
async fn one_of_several_concurrent_claims_wins() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let racers: Vec<_> = (0..8).map(|_| Arc::new(Journal::new(journal.folder()))).collect();
    let begin = |(at, racer): (usize, &Arc<Journal>)| {
        let racer = Arc::clone(racer);
        async move { racer.begin("a", &next(&format!("vidjob-{at}"), 1), order(), None).await.unwrap() }
    };
    let won = futures_util::future::join_all(racers.iter().enumerate().map(begin)).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    journal.refresh().unwrap();
    let winner = format!("vidjob-{}", won.iter().position(|won| *won).unwrap());
    for racer in &racers {
        assert_eq!(racer.entry("a").unwrap().current().unwrap().name, winner, "the losers know who won");
    }
    assert_eq!(journal.entry("a").unwrap().attempts.len(), 1);
}

#[tokio::test]
async fn a_claim_without_lines_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    bought(&journal).await;
    std::fs::remove_file(segment_of(&journal)).unwrap();
    let reader = reader(&journal);
    assert_eq!(reader.entry("a"), None);
    reader.adopt_claims().await.unwrap();
    assert_eq!(state(&reader, "a"), "unknown");
    assert!(!reader.begin("a", &next("vidjob-2", 1), order(), None).await.unwrap());
}

#[tokio::test]
async fn an_acceptance_that_cannot_be_written_is_stored_with_the_claims() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert!(journal.begin("a", &next("vidjob-1", 1), order(), None).await.unwrap());
    let (segment, away) = (segment_of(&journal), folder.path().join("away"));
    std::fs::rename(&segment, &away).unwrap();
    let error = journal.accepted(WHICH, &VideoJob::pending("x"), Some(1)).await.unwrap_err();
    assert!(matches!(error, Error::Journal(error) if error.request_id.as_deref() == Some("x")));
    assert_eq!(state(&journal, "a"), "accepted", "this process knows");
    std::fs::copy(&away, folder.path().join("0-kept-1.jsonl")).unwrap();
    let reader = reader(&journal);
    assert_eq!(state(&reader, "a"), "unknown");
    reader.adopt_claims().await.unwrap();
    assert_eq!(state(&reader, "a"), "accepted");
}

#[tokio::test]
async fn a_damaged_line_hides_its_item() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    bought(&journal).await;
    let segment = segment_of(&journal);
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replacen("\"intent\"", "\"imtent\"", 1)).unwrap();
    let reader = reader(&journal);
    let damage = reader.damage_of("a").unwrap();
    assert_eq!((damage.number, damage.path), (2, segment.clone()));
    assert_eq!(reader.damage_of("b"), None, "claims tell that it was never bought");
    // Version 1 made no claims: the name may be what was damaged.
    let old = text.replace("\"v\":2", "\"v\":1");
    let (head, tail) = old.split_once('\n').unwrap();
    let mut open = Line::decode(text.lines().next().unwrap().as_bytes()).unwrap();
    open.v = 1;
    assert!(head.contains("open"));
    std::fs::write(&segment, open.encode().unwrap() + &tail.replacen("\"a\"", "\"q\"", 1)).unwrap();
    let reader = self::reader(&journal);
    assert!(reader.damage_of("b").is_some());
}

#[tokio::test(start_paused = true)]
async fn one_claim_and_one_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let claim = journal.claim("a").await.unwrap();
    let error = journal.claim("a").await.unwrap_err().to_string();
    assert!(error.contains("this process"), "{error}");
    drop(claim);
    assert!(journal.claim("a").await.is_ok());
    let run = journal.run().await.unwrap();
    let error = journal.run().await.unwrap_err().to_string();
    assert!(error.contains("already running (this process"), "{error}");
    drop(run);
    assert!(journal.run().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_run_at_a_time_across_processes() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let other = Other::begin();
    assert_eq!(journal.runs.begin(1, &other.owner()).await.unwrap(), Created::New);
    let error = journal.run().await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", other.0.id())), "{error}");
    drop(other);
    let run = journal.run().await.unwrap();
    assert!(!run.is_superseded().await.unwrap());
    assert_eq!(journal.runs.begin(4, &Owner::this_process()).await.unwrap(), Created::New);
    tokio::time::advance(SUSPENSION_THRESHOLD).await;
    assert!(run.is_superseded().await.unwrap(), "another run took over while this one was suspended");
}

#[tokio::test]
async fn segments_of_ended_processes_are_merged_when_a_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for number in 0..5 {
        let (id, other) = (format!("item-{number}"), Other::begin());
        let which = AttemptRef { id: &id, attempt: &id };
        let accepted = Line { request_id: Some(format!("job-{number}")), ..about(which, EventKind::Accepted) };
        other.write(folder.path(), &[Line { order: Some(order()), ..about(which, EventKind::Intent) }, accepted]);
    }
    let alive = Other::begin();
    alive.write(folder.path(), &[about(AttemptRef { id: "b", attempt: "b" }, EventKind::Claimed)]);
    let run = journal.run().await.unwrap();
    journal.refresh().unwrap();
    let before = journal.entries();
    run.end().await;
    let files = || std::fs::read_dir(folder.path()).unwrap().filter_map(|file| file.ok().map(|file| file.path()));
    let segments = files().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    assert_eq!(segments.count(), 2, "the merged one, and that of the living");
    journal.refresh().unwrap();
    assert_eq!(journal.entries(), before);
    let reader = reader(&journal);
    let names = |journal: &Journal| journal.entries().into_iter().map(|(id, _)| id).collect::<HashSet<_>>();
    assert_eq!(names(&reader), names(&journal));
    assert_eq!(state(&reader, "item-3"), "accepted");
}

#[tokio::test]
async fn a_segment_without_a_first_line_is_not_merged() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for number in 0..2 {
        let (id, other) = (format!("item-{number}"), Other::begin());
        other.write(
            folder.path(),
            &[Line { order: Some(order()), ..about(AttemptRef { id: &id, attempt: &id }, EventKind::Intent) }],
        );
    }
    let new = folder.path().join("9-new.jsonl");
    std::fs::write(&new, "").unwrap();
    let run = journal.run().await.unwrap();
    run.end().await;
    assert!(new.exists());
}

#[tokio::test]
async fn writers_of_version_1_are_alive_while_they_hold_their_locks() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let alive = Other::begin();
    alive.write(folder.path(), &[Line { order: Some(order()), ..about(WHICH, EventKind::Intent) }]);
    let path = folder.path().join(format!("0-other-{}.jsonl", alive.0.id()));
    let mut open = Line { owner: alive.owner(), ..Line::new(EventKind::Open) };
    open.v = 1;
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, open.encode().unwrap() + rest).unwrap();
    journal.refresh().unwrap();
    let entry = journal.entry("a").unwrap();
    assert!(journal.check_not_busy("a", entry.current().unwrap()).await.is_ok(), "its number may be another's by now");
    let lock = std::fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    assert!(is_busy(journal.check_not_busy("a", entry.current().unwrap()).await));
}

#[tokio::test]
async fn a_released_claim_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    bought(&journal).await;
    std::fs::remove_file(segment_of(&journal)).unwrap();
    let reader = reader(&journal);
    reader.adopt_claims_of("a").await.unwrap();
    assert_eq!(state(&reader, "a"), "unknown");
    reader.claims.release("a", 1).await.unwrap();
    reader.refresh_attempt("a", reader.entry("a").unwrap().current().unwrap()).await.unwrap();
    assert!(reader.entry("a").unwrap().attempts.is_empty());
}

#[tokio::test]
async fn lines_of_an_attempt_replace_its_damaged_claim() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    bought(&journal).await;
    let items = folder.path().join("items");
    let item = std::fs::read_dir(&items).unwrap().next().unwrap().unwrap().path();
    std::fs::write(item.join("1.intent"), "").unwrap();
    let segment = segment_of(&journal);
    std::fs::rename(&segment, folder.path().join("away")).unwrap();
    let reader = reader(&journal);
    reader.adopt_claims_of("a").await.unwrap();
    assert_eq!(state(&reader, "a"), "unknown");
    std::fs::rename(folder.path().join("away"), &segment).unwrap();
    reader.refresh().unwrap();
    assert_eq!(state(&reader, "a"), "accepted");
    assert_eq!(reader.entry("a").unwrap().attempts.len(), 1);
}

#[tokio::test]
async fn the_file_system_corrects_the_age_of_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    bought(&journal).await;
    let entry = journal.entry("a").unwrap();
    let attempt = entry.current().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for (ago, most) in [(200_000.0, 60), (30.0, 40)] {
        let age = journal.age_of(attempt, now - ago).await.unwrap();
        assert!(age < Duration::from_secs(most), "{age:?}");
    }
    assert_eq!(journal.age_of(attempt, now + 1000.0).await, None);
}

#[tokio::test]
async fn all_ids_of_a_job_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert!(journal.begin("a", &next("vidjob-1", 1), order(), None).await.unwrap());
    let raw = Some(r#"{"request_id": "x", "id": "task_x", "task_id": "t"}"#.into());
    let job = VideoJob { raw, ..VideoJob::pending("x") };
    journal.accepted(WHICH, &job, Some(1)).await.unwrap();
    let others = |journal: &Journal| other_ids(&journal.entry("a").unwrap().current().unwrap().state.job().unwrap());
    assert_eq!(others(&reader(&journal)), ["task_x", "t"]);
    let done = VideoJob { status: JobStatus::Done, ..VideoJob::pending("x") };
    journal.terminal(&done, None).await.unwrap();
    assert_eq!(others(&reader(&journal)), ["task_x", "t"]);
}

#[tokio::test]
async fn a_folder_removed_between_calls_starts_a_new_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_dir(folder.path()).unwrap();
    bought(&journal).await;
    std::fs::remove_dir_all(journal.folder()).unwrap();
    let anew = Journal::in_dir(folder.path()).unwrap();
    assert_eq!(anew.entry("a"), None);
    bought(&anew).await;
}

#[tokio::test]
async fn no_intent_is_written_to_a_journal_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::in_dir(folder.path()).unwrap();
    let claim = journal.claim("b").await.unwrap();
    bought(&journal).await;
    std::fs::remove_dir_all(journal.folder()).unwrap();
    let error = journal.begin("b", &next("vidjob-2", 1), order(), None).await.unwrap_err().to_string();
    assert!(error.contains("removed or replaced"), "{error}");
    drop(claim);
}

#[tokio::test]
async fn an_unwritable_journal_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let journal = Journal::new(&blocked.join("journal"));
    let error = journal.intent(WHICH, order()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert!(Journal::open(&blocked).is_err());
}
