//! Downloads from a scripted server on loopback.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::attempts::RetryDelays;
use super::*;
use crate::backoff::Backoff;
use crate::config::{Config, Settings};
use crate::error::{DownloadErrorKind, Error, Result};
use crate::event::{Event, Events};
use crate::job::VideoJob;
use crate::saved_file::Download;
use crate::secrets::Secret;
use server::{Reply, Server};

mod server;

const fn every(milliseconds: u64) -> Backoff {
    let pause = Duration::from_millis(milliseconds);
    Backoff { first: pause, most: pause }
}

/// Without delays.
const QUICK: RetryDelays = RetryDelays { backoff: every(0), max_absence: Duration::ZERO };
/// Waits for a missing file longer than any test takes.
const PATIENT: RetryDelays = RetryDelays { backoff: every(1), max_absence: Duration::from_secs(300) };

const HEAD: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08moov";

/// A file whose boxes are those of a video, of at least 40 bytes; in its data every place is different.
fn video(size: usize) -> Vec<u8> {
    let data = u32::try_from(size - HEAD.len()).unwrap().to_be_bytes();
    let payload = (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes());
    HEAD.iter().copied().chain(data).chain(*b"mdat").chain(payload).take(size).collect()
}

fn config(base_url: &str) -> Config {
    Config::resolve(settings(base_url), |_| None).unwrap()
}

fn settings(base_url: &str) -> Settings {
    Settings {
        api_key: Some(Secret::new("sk-key")),
        base_url: Some(base_url.into()),
        headers: vec![("x-team".into(), "blue".into())],
        max_retries: Some(3),
        timeout: Some(20.0),
        ..Settings::default()
    }
}

fn files(base_url: &str) -> Files {
    Files::with_retry_delays(&config(base_url), QUICK).unwrap()
}

fn patient(base_url: &str) -> Files {
    Files::with_retry_delays(&config(base_url), PATIENT).unwrap()
}

/// A folder with one file to be.
struct Bench {
    folder: tempfile::TempDir,
    options: Options,
    job: VideoJob,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, options: Options::default(), job: VideoJob::pending("job-1") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.mp4")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    async fn save(&self, files: &Files, link: &str) -> Result<Download> {
        self.save_refreshed(files, link, || async { Ok(None) }).await
    }

    async fn save_refreshed<R>(&self, files: &Files, link: &str, refresh: impl FnOnce() -> R + Send) -> Result<Download>
    where
        R: Future<Output = Result<Option<String>>> + Send,
    {
        let request = DownloadRequest { link, path: &self.path(), options: &self.options, job: Some(&self.job) };
        files.save(request, &Events::default(), refresh).await
    }

    /// A download that fails, and leaves nothing behind.
    async fn fail(&self, files: &Files, link: &str) -> (DownloadErrorKind, String) {
        let result = self.save(files, link).await;
        assert!(self.names().is_empty(), "{:?}", self.names());
        failure_of(result)
    }

    fn assert_saved(&self, download: &Download, body: &[u8]) {
        assert_eq!(std::fs::read(self.path()).unwrap(), body);
        assert_eq!(self.names(), ["a.mp4"]);
        assert_eq!((download.path.clone(), download.bytes), (self.path(), body.len() as u64));
        assert_eq!(download.sha256, crate::hexadecimal::encode(Sha256::digest(body)));
    }
}

fn failure_of(result: Result<Download>) -> (DownloadErrorKind, String) {
    match result {
        Err(Error::Download(error)) => {
            assert_eq!(error.request_id.as_deref(), Some("job-1"));
            assert!(!error.message.contains("secret"), "{}", error.message);
            (error.kind, error.message)
        }
        other => panic!("{other:?}"),
    }
}

async fn failing(reply: Reply) -> (DownloadErrorKind, String) {
    let server = Server::start(move |_, _| reply.clone()).await;
    let bench = Bench::new();
    bench.fail(&files(&server.address), "/a?sig=secret").await
}

#[tokio::test]
async fn a_file_is_saved() {
    for size in [40, 5_000_000] {
        let body = video(size);
        let server = {
            let body = body.clone();
            Server::start(move |_, _| Reply::file(&body).header("content-type", "video/mp4")).await
        };
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), &format!("{}/a.mp4", server.address)).await.unwrap();
        bench.assert_saved(&download, &body);
        assert_eq!(download.content_type.as_deref(), Some("video/mp4"));
        let [seen] = &server.seen()[..] else { panic!("{:?}", server.seen()) };
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        assert_eq!(seen.header("range"), None);
        assert!(seen.header("user-agent").is_some_and(|name| name.starts_with("vidjob/")));
    }
}

#[tokio::test]
async fn a_file_without_length_or_type() {
    let server = Server::start(|_, _| Reply::status(200).body(&video(1000))).await;
    let bench = Bench::new();
    let download = bench.save(&files(&server.address), "/a").await.unwrap();
    bench.assert_saved(&download, &video(1000));
    assert_eq!(download.content_type, None);
}

#[tokio::test]
async fn the_key_is_sent_to_the_api_alone() {
    let elsewhere = Server::start(|_, _| Reply::file(&video(100))).await;
    let location = format!("{}/b", elsewhere.address);
    let api = Server::start(move |_, _| Reply::status(302).header("location", &location)).await;
    let bench = Bench::new();
    bench.save(&files(&format!("{}/v1", api.address)), "/v1/videos/x/content").await.unwrap();
    let (first, second) = (&api.seen()[0], &elsewhere.seen()[0]);
    assert_eq!((first.path.as_str(), first.header("authorization")), ("/v1/videos/x/content", Some("Bearer sk-key")));
    assert_eq!((second.path.as_str(), second.header("authorization")), ("/b", None));
    for seen in [first, second] {
        assert_eq!((seen.header("x-team"), seen.header("referer"), seen.header("cookie")), (None, None, None));
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_sixth() {
    let chain = |length: usize| {
        Server::start(move |number, _| {
            if number == length {
                return Reply::file(&video(100));
            }
            Reply::status(307).header("location", &format!("/{number}"))
        })
    };
    let server = chain(5).await;
    let bench = Bench::new();
    bench.save(&files(&server.address), "/a").await.unwrap();
    assert_eq!(server.seen().len(), 6);

    let server = chain(6).await;
    let bench = Bench::new();
    let (kind, _) = bench.fail(&files(&server.address), "/a?sig=secret").await;
    assert_eq!((kind, server.seen().len()), (DownloadErrorKind::UnsafeUrl, 6));
}

#[tokio::test]
async fn redirects_without_a_usable_location_fail() {
    for location in ["ftp://127.0.0.1/a", "http://user@127.0.0.1/a?sig=secret", "http://[bad"] {
        let (kind, _) = failing(Reply::status(302).header("location", location)).await;
        assert_eq!(kind, DownloadErrorKind::UnsafeUrl, "{location}");
    }
    let (kind, message) = failing(Reply::status(302)).await;
    assert!(kind == DownloadErrorKind::Other && message.contains("302"), "{message}");
}

#[tokio::test]
async fn private_addresses_are_refused_for_a_public_api() {
    let server = Server::start(|_, _| Reply::file(&video(100))).await;
    let port = server.address.rsplit(':').next().unwrap();
    // A public address that needs no name server.
    let files = files("https://8.8.8.8/v1");
    for host in ["127.0.0.1", "localhost"] {
        let (kind, message) = Bench::new().fail(&files, &format!("https://{host}:{port}/a?sig=secret")).await;
        assert_eq!(kind, DownloadErrorKind::UnsafeUrl, "{message}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_response_that_is_not_a_video_is_refused() {
    let mp4 = video(100);
    let page = b"<!doctype html><p>Not here";
    for reply in [
        Reply::file(page).header("content-type", "text/html"),
        Reply::file(page).header("content-type", "video/mp4"),
        Reply::file(page),
        Reply::file(b"pageftyp<p>A text that begins like a video"),
        Reply::file(b"{}").header("content-type", "application/json"),
        Reply::status(200).body(b"{}"),
        Reply::status(201).body(b"{}"),
        Reply::file(&[&mp4[..24], &[0; 5000][..]].concat()),
        Reply::status(200).body(&[&mp4[..24], &[0; 5000][..]].concat()),
    ] {
        let (kind, message) = failing(reply).await;
        assert_eq!(kind, DownloadErrorKind::NotAVideo, "{message}");
    }
    let (_, message) = failing(Reply::file(page).header("content-type", "text/html")).await;
    assert!(message.contains("text/html") && message.contains("error page"), "{message}");
}

#[tokio::test]
async fn a_video_is_recognised_by_content_and_not_by_type() {
    for kind in ["text/plain", "application/json; charset=utf-8", "text/html", "application/xml", "nonsense"] {
        let server = Server::start(move |_, _| Reply::file(&video(100)).header("content-type", kind)).await;
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &video(100));
        assert_eq!(download.content_type.as_deref(), Some(kind));
    }
}

#[tokio::test]
async fn a_whole_video_is_saved_under_every_success_status() {
    for status in [200, 201, 203, 207, 226, 299] {
        let server = Server::start(move |_, _| Reply::file(&video(100)).instead(status)).await;
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &video(100));
    }
}

#[tokio::test]
async fn a_truncated_file_is_never_saved() {
    let whole = video(1000);
    let mut moov_last = [&whole[..24], &whole[32..], b"\0\0\0\x0cmoovmvhd"].concat();
    // A unit of H.264.
    moov_last[32..37].copy_from_slice(b"\0\0\0\x09\x06");
    for part in
        [&whole[..1], &whole[..11], &whole[..16], &whole[..24], &whole[..30], &whole[..32], &whole[..40], &whole[..999]]
            .into_iter()
            .chain([&moov_last[..992], &moov_last[..996], &moov_last[..moov_last.len() - 1]])
    {
        for reply in [Reply::file(part), Reply::status(200).body(part), Reply::file(part).header("etag", "\"v1\"")] {
            let (kind, message) = failing(reply).await;
            assert_eq!(kind, DownloadErrorKind::IncompleteDownload, "{} bytes: {message}", part.len());
        }
    }
}

#[tokio::test]
async fn a_truncated_file_is_fetched_again_from_its_beginning() {
    let server = Server::start(|number, seen| {
        assert_eq!(seen.header("range"), None);
        Reply::file(&video(1000)[..if number == 0 { 32 } else { 1000 }])
    })
    .await;
    let server_with_more = Server::start(|number, _| match number {
        // The first response announces too short a length.
        0 => Reply::status(200).header("content-length", "32").body(&video(1000)),
        _ => Reply::file(&video(1000)),
    })
    .await;
    let growing = Server::start(|number, _| Reply::file(&video(1000)[..(350 * (number + 1)).min(1000)])).await;
    for server in [server, server_with_more, growing] {
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &video(1000));
    }
}

#[tokio::test]
async fn a_response_that_is_not_a_video_is_recognised_by_its_beginning() {
    // The rest never comes, so this ends only if the beginning is enough.
    let reply = Reply::status(200).header("content-length", "1000000").body(b"{\"error\": \"no\"}").hanging();
    assert_eq!(failing(reply).await.0, DownloadErrorKind::NotAVideo);
}

#[tokio::test]
async fn a_file_larger_than_max_bytes_is_refused() {
    let announced = Reply::status(200).header("content-length", "101").hanging();
    let streamed = Reply::status(200).body(&video(101));
    for reply in [announced, streamed] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let mut bench = Bench::new();
        bench.options.max_bytes = 100;
        let (kind, message) = bench.fail(&files(&server.address), "/a?sig=secret").await;
        assert!(kind == DownloadErrorKind::TooLarge && message.contains("100"), "{message}");
    }
    let server = Server::start(|_, _| Reply::file(&video(100))).await;
    let mut bench = Bench::new();
    bench.options.max_bytes = 100;
    bench.save(&files(&server.address), "/a").await.unwrap();
}

/// Serves `body`, of which each connection carries at most `most` bytes.
async fn breaking_server(body: Vec<u8>, most: usize, validator: (&'static str, &'static str)) -> Server {
    Server::start(move |_, seen| {
        let range = seen.header("range").filter(|_| seen.header("if-range") == Some(validator.1));
        let start = range.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
        let size = body.len();
        let reply = match range {
            None => Reply::status(200),
            Some(_) => Reply::status(206).header("content-range", &format!("bytes {start}-{}/{size}", size - 1)),
        };
        reply
            .header("content-length", &(size - start).to_string())
            .header(validator.0, validator.1)
            .body(&body[start..size.min(start + most)])
    })
    .await
}

#[tokio::test]
async fn a_broken_download_is_resumed() {
    for validator in [("etag", "\"v1\""), ("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")] {
        let body = video(1000);
        let server = breaking_server(body.clone(), 100, validator).await;
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &body);
        let seen = server.seen();
        // Far more attempts than retries are allowed: each of them brought something new.
        assert_eq!(seen.len(), 10);
        assert_eq!((seen[0].header("range"), seen[0].header("if-range")), (None, None));
        assert_eq!((seen[1].header("range"), seen[1].header("if-range")), (Some("bytes=100-"), Some(validator.1)));
        assert_eq!(seen[9].header("range"), Some("bytes=900-"));
    }
}

#[tokio::test]
async fn without_a_strong_validator_the_download_starts_over() {
    let server = Server::start(|number, seen| {
        assert_eq!(seen.header("range"), None);
        let reply = Reply::file(&video(1000)).header("etag", "W/\"weak\"");
        if number == 0 { reply.body(&video(500)) } else { reply }
    })
    .await;
    let bench = Bench::new();
    let download = bench.save(&files(&server.address), "/a").await.unwrap();
    bench.assert_saved(&download, &video(1000));
}

/// A first response that breaks off after 500 of 1,000 bytes, then `second`, then the file `other`.
async fn resumed_by(second: Reply, other: Vec<u8>) -> (Server, Bench, Download) {
    let server = Server::start(move |number, _| match number {
        0 => Reply::file(&video(1000)).header("etag", "\"v1\"").body(&video(500)),
        1 => second.clone(),
        _ => Reply::file(&other).header("etag", "\"v2\""),
    })
    .await;
    let bench = Bench::new();
    let download = bench.save(&files(&server.address), "/a").await.unwrap();
    (server, bench, download)
}

fn other_video() -> Vec<u8> {
    let mut other = video(700);
    other[40..].reverse();
    other
}

#[tokio::test]
async fn a_changed_file_is_fetched_from_its_beginning() {
    let second = Reply::file(&other_video()).header("etag", "\"v2\"");
    let (server, bench, download) = resumed_by(second, Vec::new()).await;
    bench.assert_saved(&download, &other_video());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_part_with_the_wrong_range_is_not_used() {
    let part = |range: &str, tag: &str| {
        Reply::status(206).header("content-range", range).header("etag", tag).body(&video(1000)[500..])
    };
    for second in [
        part("bytes 400-999/1000", "\"v1\""),
        part("bytes 500-999/1001", "\"v1\""),
        part("bytes 500-998/1000", "\"v1\""),
        part("bytes 500-999/1000", "\"v2\""),
        part("nonsense", "\"v1\""),
        part("bytes 500-999/1000", "W/\"v1\""),
        Reply::status(206).header("content-range", "bytes 500-999/1000").body(&video(1000)[500..]),
        Reply::status(206).body(&video(1000)[500..]),
        Reply::status(206)
            .header("content-type", "multipart/byteranges; boundary=x")
            .header("etag", "\"v1\"")
            .body(b"--x\r\nContent-Range: bytes 500-999/1000\r\n\r\n"),
        Reply::status(416).header("content-range", "bytes */1000"),
        Reply::status(412),
        Reply::status(412).body(b"the file has changed"),
    ] {
        let (server, bench, download) = resumed_by(second, other_video()).await;
        bench.assert_saved(&download, &other_video());
        assert_eq!(server.seen()[1].header("range"), Some("bytes=500-"));
        assert_eq!(server.seen()[2].header("range"), None);
    }
}

#[tokio::test]
async fn parts_of_two_files_are_discarded() {
    // The tag is that of the first, and the rest is of another: no box ends where it should.
    let broken = [&HEAD[..24], &video(976)].concat();
    let server = Server::start(move |number, seen| match (number, seen.header("range")) {
        (0, _) => Reply::file(&video(1000)).header("etag", "\"v1\"").body(&video(1000)[..28]),
        (1, Some(_)) => {
            Reply::status(206).header("content-range", "bytes 28-999/1000").header("etag", "\"v1\"").body(&broken[28..])
        }
        (_, None) => Reply::file(&video(1000)),
        (_, Some(_)) => Reply::status(500),
    })
    .await;
    let bench = Bench::new();
    let download = bench.save(&files(&server.address), "/a").await.unwrap();
    bench.assert_saved(&download, &video(1000));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_part_longer_than_announced_is_not_used() {
    // Without a length of its own, the part ends where the connection does.
    let second = Reply::status(206)
        .header("content-range", "bytes 500-999/1000")
        .header("etag", "\"v1\"")
        .body(&video(2000)[500..]);
    let (server, bench, download) = resumed_by(second, other_video()).await;
    bench.assert_saved(&download, &other_video());
    assert_eq!(server.seen()[2].header("range"), None);
}

#[tokio::test]
async fn an_unrequested_part_is_used_only_as_the_whole_file() {
    let all = Reply::status(206).header("content-range", "bytes 0-999/1000").body(&video(1000));
    let some = Reply::status(206).header("content-range", "bytes 0-499/1000").body(&video(1000)[..500]);
    for (first, requests) in [(all, 1), (some, 2)] {
        let server = Server::start(move |number, _| match number {
            0 => first.clone(),
            _ => Reply::file(&video(1000)),
        })
        .await;
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &video(1000));
        assert_eq!(server.seen().len(), requests);
    }
}

#[tokio::test]
async fn a_file_that_changes_with_every_response_is_never_assembled() {
    let server = Server::start(|number, _| {
        let tag = format!("\"v{number}\"");
        Reply::file(&video(1000)).header("etag", &tag).body(&video(1000)[..500 + number])
    })
    .await;
    let (kind, message) = Bench::new().fail(&files(&server.address), "/a?sig=secret").await;
    assert_eq!(kind, DownloadErrorKind::IncompleteDownload, "{message}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn one_more_byte_per_attempt_does_not_retry_forever() {
    let size = 100_000;
    let server = Server::start(move |_, seen| {
        let start: usize = seen.header("range").map_or(0, |range| range[6..].trim_end_matches('-').parse().unwrap());
        let reply = match start {
            0 => Reply::file(&video(size)).body(&video(size)[..50]),
            _ => Reply::status(206)
                .header("content-range", &format!("bytes {start}-{}/{size}", size - 1))
                .header("content-length", &(size - start).to_string())
                .body(&video(size)[start..=start]),
        };
        reply.header("etag", "\"v1\"")
    })
    .await;
    let (kind, message) = Bench::new().fail(&files(&server.address), "/a?sig=secret").await;
    assert!(kind == DownloadErrorKind::IncompleteDownload && message.contains("53 of 100000 bytes"), "{message}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn an_attempt_fails_when_bytes_trickle() {
    let server = Server::start(|_, _| Reply::file(&video(100_000)).dripping(Duration::from_millis(5))).await;
    let config = Config { timeout: Duration::from_millis(200), max_retries: 1, ..config(&server.address) };
    let files = Files::with_retry_delays(&config, QUICK).unwrap();
    let (kind, message) = Bench::new().fail(&files, "/a?sig=secret").await;
    assert!(kind == DownloadErrorKind::IncompleteDownload && message.contains("too long"), "{message}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_download_ends_at_its_deadline_and_the_error_has_the_job() {
    for reply in [
        Reply::file(&video(100_000)).body(&video(100_000)[..500]).hanging(),
        Reply::file(&video(100_000)).dripping(Duration::from_millis(5)),
        Reply::status(404).header("content-length", "0"),
        Reply::status(503).header("content-length", "0").header("retry-after", "50"),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let mut bench = Bench::new();
        bench.options.deadline = Some(Instant::now() + Duration::from_millis(400));
        let refresh = || async { Ok(Some("/a".to_owned())) };
        let result = bench.save_refreshed(&patient(&server.address), "/a", refresh).await;
        let Err(Error::WaitTimeout { job, .. }) = result else { panic!("{result:?}") };
        assert_eq!((job, bench.names().len()), (Box::new(bench.job.clone()), 0));
        assert!(!server.seen().is_empty());
    }
}

#[tokio::test]
async fn nothing_is_requested_after_the_deadline() {
    let server = Server::start(|_, _| Reply::file(&video(100))).await;
    let mut bench = Bench::new();
    bench.options.deadline = Some(Instant::now());
    let result = bench.save(&files(&server.address), "/a").await;
    assert!(matches!(result, Err(Error::WaitTimeout { .. })), "{result:?}");
    let request = DownloadRequest { link: "/a", path: &bench.path(), options: &bench.options, job: None };
    let result = files(&server.address).save(request, &Events::default(), || async { Ok(None) }).await;
    assert!(matches!(result, Err(Error::Download(_))), "{result:?}");
    assert!(server.seen().is_empty() && bench.names().is_empty());
}

#[tokio::test]
async fn many_headers_and_an_invalid_one_are_accepted() {
    let many = (0..300).fold(Reply::file(&video(100)), |reply, number| reply.header(&format!("x-{number}"), "y"));
    let odd = ["bad name", "x@y(z)", "", "caf\u{e9}", "x-spaced "]
        .into_iter()
        .map(|name| Reply::file(&video(100)).header(name, "x"));
    for reply in odd.chain([many]) {
        let server = Server::start(move |_, _| reply.clone()).await;
        let bench = Bench::new();
        let download = bench.save(&files(&server.address), "/a").await.unwrap();
        bench.assert_saved(&download, &video(100));
    }
}

#[tokio::test]
async fn a_file_that_stays_incomplete_fails() {
    let server = Server::start(|_, _| Reply::file(&video(1000)).body(&video(500))).await;
    let bench = Bench::new();
    let (kind, message) = bench.fail(&files(&server.address), "/a?sig=secret").await;
    assert_eq!(kind, DownloadErrorKind::IncompleteDownload);
    assert!(message.contains("500 of 1000 bytes"), "{message}");
    // The first, which brought something, and three that brought nothing new.
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn temporary_errors_are_retried() {
    let replies = [408, 429, 503];
    let server = Server::start(move |number, _| match replies.get(number) {
        Some(status) => Reply::status(*status).header("content-length", "0").header("retry-after", "0"),
        None => Reply::file(&video(100)),
    })
    .await;
    let bench = Bench::new();
    let retries = Arc::new(Mutex::new(Vec::new()));
    let events = Events::to({
        let retries = Arc::clone(&retries);
        move |event| {
            if let Event::Retry { attempt, path, .. } = event {
                retries.lock().unwrap().push((attempt, path));
            }
        }
    });
    let request = DownloadRequest { link: "/a?sig=secret", path: &bench.path(), options: &bench.options, job: None };
    files(&server.address).save(request, &events, || async { Ok(None) }).await.unwrap();
    assert_eq!(*retries.lock().unwrap(), [(1, "/a".into()), (2, "/a".into()), (3, "/a".into())]);
}

#[tokio::test]
async fn lasting_errors_end_the_download() {
    let server = Server::start(|_, _| Reply::status(503).header("content-length", "0")).await;
    let bench = Bench::new();
    let (kind, message) = bench.fail(&files(&server.address), "/a?sig=secret").await;
    assert!(kind == DownloadErrorKind::IncompleteDownload && message.contains("503"), "{message}");
    assert_eq!(server.seen().len(), 4);

    let (kind, message) = failing(Reply::status(418)).await;
    assert!(kind == DownloadErrorKind::Other && message.contains("418"), "{message}");
}

#[tokio::test]
async fn a_refused_connection_names_the_link_without_secrets() {
    // Taken and not listening: no server of another test can get the port meanwhile.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    let location = format!("{address}/a?sig=secret");
    let redirecting = Server::start(move |_, _| Reply::status(302).header("location", &location)).await;
    for api in [&address, &redirecting.address] {
        let bench = Bench::new();
        let error = bench.save(&files(api), "/a?sig=secret").await.unwrap_err();
        let Error::ConnectionFailed(failure) = error else { panic!("{error:?}") };
        assert!(failure.not_sent && failure.request_id.as_deref() == Some("job-1"), "{failure:?}");
        assert!(!failure.message.contains("secret") && failure.message.contains("/a"), "{}", failure.message);
        assert!(bench.names().is_empty());
    }
}

#[tokio::test]
async fn an_attempt_ends_after_silence() {
    let impatient = |base_url: &str| {
        let config = Config { timeout: Duration::from_millis(50), max_retries: 0, ..config(base_url) };
        Files::with_retry_delays(&config, QUICK).unwrap()
    };
    let server = Server::start(|_, _| Reply::file(&video(100)).body(&video(50)).hanging()).await;
    let (kind, message) = Bench::new().fail(&impatient(&server.address), "/a").await;
    assert!(kind == DownloadErrorKind::IncompleteDownload && message.contains("too long"), "{message}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let error = Bench::new().save(&impatient(&base_url), "/a").await.unwrap_err();
    assert!(matches!(error, Error::RequestTimeout(_)), "{error:?}");
}

/// Responses of an expired link.
fn expired_links() -> Vec<Reply> {
    let reply = |status, body: &str| Reply::file(body.as_bytes()).instead(status);
    vec![
        reply(410, ""),
        reply(400, "<Error><Code>ExpiredToken</Code></Error>"),
        reply(403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
        reply(403, "<Error><Code>AuthenticationFailed</Code>Signature not valid in the specified time frame</Error>"),
        reply(404, "{\"error\": \"link expired\"}"),
    ]
}

/// A file server on another host than the API.
async fn store(script: impl Fn(usize, &server::Seen) -> Reply + Send + Sync + 'static) -> (Server, Files) {
    (Server::start(script).await, patient("http://127.0.0.1:9/v1"))
}

#[tokio::test]
async fn an_expired_link_is_refreshed_once_without_delay() {
    let refusals = [400, 401, 402, 403, 404, 405, 410, 418, 451].map(|status| Reply::file(b"").instead(status));
    let early = [Reply::file(b"").instead(202), Reply::file(b"").instead(204), Reply::file(b""), Reply::status(200)];
    let pages = [
        Reply::file(b"{\"error\": \"link expired\"}").header("content-type", "application/json"),
        Reply::file(b"<!doctype html><p>Sign in").header("content-type", "text/html"),
        Reply::status(200).body(b"expired"),
    ];
    for http_error in refusals.into_iter().chain(early).chain(pages).chain(expired_links()) {
        let (server, files) = store(move |_, seen| match seen.path.as_str() {
            "/new" => Reply::file(&video(100)),
            _ => http_error.clone(),
        })
        .await;
        let link = |name| format!("{}/{name}", server.address);
        let bench = Bench::new();
        let refresh = || async { Ok(Some(link("new"))) };
        let download = bench.save_refreshed(&files, &link("old"), refresh).await.unwrap();
        bench.assert_saved(&download, &video(100));
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_page_instead_of_a_video_is_fetched_at_most_twice() {
    let page = || Reply::file(b"{}").header("content-type", "application/json");
    let (server, files) = store(move |_, _| page()).await;
    let link = |name| format!("{}/{name}", server.address);
    let down = || Error::invalid("job", "a");
    for (fresh, requests) in [(Ok(Some(link("new"))), 2), (Ok(Some(link("old"))), 1), (Ok(None), 1), (Err(down()), 1)] {
        let before = server.seen().len();
        let result = Bench::new().save_refreshed(&files, &link("old"), || async { fresh }).await;
        assert_eq!(failure_of(result).0, DownloadErrorKind::NotAVideo);
        assert_eq!(server.seen().len() - before, requests);
    }
}

#[tokio::test]
async fn an_expired_link_is_not_waited_for() {
    for http_error in expired_links().into_iter().chain([Reply::file(b"").instead(401)]) {
        let (server, files) = store(move |_, _| http_error.clone()).await;
        let link = |name| format!("{}/{name}", server.address);
        for (fresh, requests) in [(None, 1), (Some(link("old")), 1), (Some(link("older")), 2)] {
            let before = server.seen().len();
            let bench = Bench::new();
            let (kind, _) = failure_of(bench.save_refreshed(&files, &link("old"), || async { Ok(fresh) }).await);
            assert_eq!(kind, DownloadErrorKind::VideoUrlExpired);
            assert!(bench.names().is_empty());
            assert_eq!(server.seen().len() - before, requests);
        }
    }
}

#[tokio::test]
async fn a_file_that_appears_after_its_link_is_waited_for() {
    let early = [403, 404, 202, 204, 200].map(|status| Reply::file(b"").instead(status));
    for http_error in early.into_iter().chain([Reply::status(200)]) {
        for has_job in [true, false] {
            let http_error = http_error.clone();
            let script =
                move |number, _: &server::Seen| if number < 5 { http_error.clone() } else { Reply::file(&video(100)) };
            let (server, files) = store(script).await;
            let (bench, link) = (Bench::new(), format!("{}/a", server.address));
            let job = has_job.then_some(&bench.job);
            let request = DownloadRequest { link: &link, path: &bench.path(), options: &bench.options, job };
            let fresh = has_job.then(|| link.clone());
            let download = files.save(request, &Events::default(), || async { Ok(fresh) }).await.unwrap();
            bench.assert_saved(&download, &video(100));
            assert_eq!(server.seen().len(), 6);
        }
    }
}

#[tokio::test]
async fn a_file_that_never_appears_is_not_waited_for_forever() {
    for (status, expected) in [
        (403, DownloadErrorKind::VideoUrlExpired),
        (404, DownloadErrorKind::VideoUrlExpired),
        (202, DownloadErrorKind::IncompleteDownload),
        (200, DownloadErrorKind::IncompleteDownload),
    ] {
        let server = Server::start(move |_, _| Reply::file(b"").instead(status)).await;
        let retry_delays = RetryDelays { backoff: every(5), max_absence: Duration::from_millis(300) };
        let files = Files::with_retry_delays(&config(&server.address), retry_delays).unwrap();
        let bench = Bench::new();
        let refresh = || async { Ok(Some("/a".to_owned())) };
        let (kind, message) = failure_of(bench.save_refreshed(&files, "/a", refresh).await);
        assert_eq!((kind, bench.names().len()), (expected, 0), "{message}");
        assert!(server.seen().len() > 2 && message.contains(&status.to_string()), "{message}");
    }
}

#[tokio::test]
async fn one_request_shows_the_status_of_a_link() {
    let of = |status, body: &'static str| Reply::file(body.as_bytes()).instead(status);
    for (reply, expected) in [
        (of(206, "x"), LinkStatus::Good),
        (of(200, "whole"), LinkStatus::Good),
        (of(503, ""), LinkStatus::Good),
        (of(429, ""), LinkStatus::Good),
        (of(403, ""), LinkStatus::Missing),
        (of(404, ""), LinkStatus::Missing),
        (of(416, ""), LinkStatus::Missing),
        (of(202, ""), LinkStatus::Missing),
        (of(200, ""), LinkStatus::Missing),
        (of(410, ""), LinkStatus::Gone),
        (of(401, ""), LinkStatus::Gone),
        (of(400, ""), LinkStatus::Gone),
        (of(403, "Request has expired"), LinkStatus::Gone),
        (of(405, ""), LinkStatus::Refused),
    ] {
        let (server, files) = store(move |number, _| if number < 3 { reply.clone() } else { of(206, "x") }).await;
        let link = format!("{}/a", server.address);
        assert_eq!(files.link_status(&link).await.unwrap(), expected);
        assert_eq!(server.seen()[0].header("range"), Some("bytes=0-0"));
        let becomes_available = matches!(expected, LinkStatus::Good | LinkStatus::Missing);
        assert_eq!(files.wait_until_available(&link).await.unwrap(), becomes_available, "{expected:?}");
    }
    assert_eq!(files("http://127.0.0.1:9").link_status("http://127.0.0.1:9/a").await.unwrap(), LinkStatus::Good);
}

#[tokio::test]
async fn a_link_that_expires_half_way_is_refreshed_and_starts_over() {
    let server = Server::start(|_, seen| match (seen.path.as_str(), seen.header("range")) {
        ("/new", None) => Reply::file(&other_video()),
        ("/old", None) => Reply::file(&video(1000)).header("etag", "\"v1\"").body(&video(500)),
        _ => Reply::status(403).header("content-length", "0"),
    })
    .await;
    let bench = Bench::new();
    let refresh = || async { Ok(Some("/new".into())) };
    let download = bench.save_refreshed(&files(&server.address), "/old", refresh).await.unwrap();
    bench.assert_saved(&download, &other_video());
}

#[tokio::test]
async fn an_existing_target_is_refused_before_any_request() {
    let server = Server::start(|_, _| Reply::file(&video(100))).await;
    let mut bench = Bench::new();
    std::fs::write(bench.path(), b"mine").unwrap();
    let (_, message) = failure_of(bench.save(&files(&server.address), "/a").await);
    assert!(message.contains("overwrite=True"), "{message}");
    assert!(server.seen().is_empty());
    assert_eq!(std::fs::read(bench.path()).unwrap(), b"mine");

    bench.options.overwrite = true;
    let download = bench.save(&files(&server.address), "/a").await.unwrap();
    bench.assert_saved(&download, &video(100));
}

#[tokio::test]
async fn a_target_that_appears_meanwhile_is_not_replaced() {
    let bench = Bench::new();
    let path = bench.path();
    let server = Server::start(move |_, _| {
        std::fs::write(&path, b"theirs").unwrap();
        Reply::file(&video(100))
    })
    .await;
    failure_of(bench.save(&files(&server.address), "/a").await);
    assert_eq!(std::fs::read(bench.path()).unwrap(), b"theirs");
    assert_eq!(bench.names(), ["a.mp4"]);
}

#[tokio::test]
async fn cancellation_leaves_no_file() {
    let server = Server::start(|_, _| Reply::file(&video(1000)).body(&video(500)).hanging()).await;
    let bench = Bench::new();
    let (sender, mut events_seen) = tokio::sync::mpsc::unbounded_channel();
    let events = Events::to(move |event| sender.send(event).unwrap());
    let files = files(&server.address);
    {
        let request = DownloadRequest { link: "/a", path: &bench.path(), options: &bench.options, job: None };
        let mut download = std::pin::pin!(files.save(request, &events, || async { Ok(None) }));
        tokio::select! {
            _ = &mut download => panic!("ended"),
            _ = events_seen.recv() => {}
        }
        assert!(bench.names()[0].starts_with(".a.mp4."));
    }
    assert!(bench.names().is_empty());
}

#[tokio::test]
async fn progress_events_go_from_zero_to_the_whole_file() {
    let server = Server::start(|_, _| Reply::file(&video(5_000_000))).await;
    let bench = Bench::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Events::to({
        let seen = Arc::clone(&seen);
        move |event| {
            if let Event::Download { request_id, received, total } = event {
                seen.lock().unwrap().push((request_id, received, total));
            }
        }
    });
    let request = DownloadRequest { link: "/a", path: &bench.path(), options: &bench.options, job: Some(&bench.job) };
    files(&server.address).save(request, &events, || async { Ok(None) }).await.unwrap();
    let seen = seen.lock().unwrap();
    let of = |received| (Some("job-1".into()), received, Some(5_000_000));
    assert_eq!((seen.first(), seen.last()), (Some(&of(0)), Some(&of(5_000_000))));
}

#[tokio::test]
async fn a_proxy_gets_every_request_and_may_be_private() {
    let proxy = Server::start(|_, _| Reply::status(403).header("content-length", "0")).await;
    let settings = Settings {
        proxy: Some(proxy.address.replace("127.0.0.1", "localhost")),
        max_retries: Some(0),
        ..settings("https://8.8.8.8/v1")
    };
    let config = Config::resolve(settings, |_| None).unwrap();
    let files = Files::with_retry_delays(&config, QUICK).unwrap();
    let error = Bench::new().save(&files, "https://vidgen.example/a?sig=secret").await.unwrap_err();
    assert!(matches!(error, Error::ConnectionFailed(_)), "{error:?}");
    assert_eq!(proxy.seen()[0].path, "vidgen.example:443");
    // Private hosts are refused behind a proxy, too.
    for private in ["https://10.0.0.1/a", "https://localhost/a", "https://localhost./a", "https://metadata.internal/a"]
    {
        let (kind, _) = Bench::new().fail(&files, private).await;
        assert_eq!((kind, proxy.seen().len()), (DownloadErrorKind::UnsafeUrl, 1), "{private}");
    }
}

#[test]
fn the_future_is_send() {
    fn check<T: Send>(_: &T) {}
    let files = files("http://127.0.0.1:1");
    let (options, events) = (Options::default(), Events::default());
    let request = DownloadRequest { link: "/a", path: Path::new("a.mp4"), options: &options, job: None };
    check(&files.save(request, &events, || async { Ok(None) }));
}
