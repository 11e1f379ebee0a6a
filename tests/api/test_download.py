"""Keeping the file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import stat
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, Run, box, mp4_file, quick_client
from vidjob import JobStatus, RenderResult, Simulator, Video, VideoClient, VideoJob, VidjobError


@pytest.fixture
def job(client: VideoClient) -> VideoJob:
    return client.wait(client.generate("a candle", duration=2), poll_interval=0.02)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_download_saves_the_whole_file(api: ApiMode, client: VideoClient, job: VideoJob, tmp_path: Path) -> None:
    kept = api(client, "download", job, tmp_path / "candle.mp4")
    content = (tmp_path / "candle.mp4").read_bytes()
    assert kept.path == tmp_path / "candle.mp4"
    assert (kept.bytes, kept.content_type) == (len(content), "video/mp4")
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert content[4:8] == b"ftyp"
    assert leftovers(tmp_path) == ["candle.mp4"]


@pytest.mark.parametrize("form", ["job", "id", "video", "str path"])
def test_all_forms_of_arguments(api: ApiMode, client: VideoClient, job: VideoJob, tmp_path: Path, form: str) -> None:
    source = {"job": job, "id": job.request_id, "video": job.video}.get(form, job)
    path = tmp_path / "a.mp4"
    kept = api(client, "download", source, str(path) if form == "str path" else path)
    assert kept.path == path
    assert path.stat().st_size == kept.bytes


def test_the_key_is_not_sent_to_other_origins(
    client: VideoClient, simulator: Simulator, job: VideoJob, tmp_path: Path
) -> None:
    """The simulator serves files from the API's own origin, which gets the key; another origin must not."""
    with Simulator() as elsewhere:
        elsewhere.respond("download", headers={"Content-Type": "video/mp4"}, body=mp4_file())
        client.download(Video(f"{elsewhere.base_url[:-8]}/vidgen/x.mp4?sig=1"), tmp_path / "b.mp4")
        headers = elsewhere.requests[0]["headers"]
    assert "authorization" not in headers
    assert "cookie" not in headers
    assert KEY not in json.dumps(headers)


def test_a_broken_download_is_resumed(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    simulator.inject("truncated", on="download", times=2)
    kept = api(client, "download", job, tmp_path / "a.mp4")
    assert kept.sha256 == hashlib.sha256((tmp_path / "a.mp4").read_bytes()).hexdigest()
    ranges = [request["headers"].get("range") for request in simulator.requests if "vidgen" in request["path"]]
    assert ranges[0] is None
    assert all(each.startswith("bytes=") for each in ranges[1:])
    assert len(ranges) == 3


def test_an_expired_link_is_refreshed(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    simulator.inject("link_expired", on="download")
    assert api(client, "download", job, tmp_path / "a.mp4").bytes > 0


EARLY: list[dict[str, Any]] = [
    {"status": 404},
    {"status": 403, "body": "<Error><Code>AccessDenied</Code></Error>"},
    {"status": 202},
    {"status": 200},
]


@pytest.mark.parametrize(("answer", "form"), [*((answer, "job") for answer in EARLY), (EARLY[0], "video")])
def test_a_file_that_is_not_there_yet_is_waited_for(
    api: ApiMode, simulator: Simulator, job: VideoJob, tmp_path: Path, answer: dict[str, Any], form: str
) -> None:
    for _ in range(2):
        simulator.respond("download", **answer)
    source = job if form == "job" else job.video
    with quick_client(simulator, max_retries=0) as client:
        assert api(client, "download", source, tmp_path / "a.mp4").bytes > 0


EXPIRED: list[dict[str, Any]] = [
    {"status": 410},
    {"status": 401},
    {"status": 400, "body": "<Error><Code>ExpiredToken</Code></Error>"},
    {"status": 403, "body": "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"},
    {"status": 403, "body": "AuthenticationFailed: Signature not valid in the specified time frame"},
]


@pytest.mark.parametrize("answer", EXPIRED)
def test_an_expired_link_is_refreshed_and_not_waited_for(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path, answer: dict[str, Any]
) -> None:
    simulator.respond("download", **answer)
    with pytest.raises(vidjob.VideoUrlExpired):
        api(client, "download", job.video, tmp_path / "a.mp4")
    assert leftovers(tmp_path) == []
    simulator.respond("download", **answer)
    simulator.respond("get", body=json.dumps({"status": "done", "video": {"url": f"/vidgen/{job.request_id}.mp4"}}))
    simulator.respond("download", body=mp4_file())
    assert api(client, "download", job, tmp_path / "a.mp4").bytes == len(mp4_file())


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "text/html"])
def test_videos_are_detected_from_content_not_from_content_type(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path, kind: str
) -> None:
    simulator.respond("download", headers={"Content-Type": kind}, body=mp4_file())
    assert api(client, "download", job, tmp_path / "a.mp4").content_type == kind
    assert (tmp_path / "a.mp4").read_bytes() == mp4_file()


FTYP, MDAT, MOOV = box(b"ftyp", b"isom\0\0\2\0"), box(b"mdat", bytes(800)), box(b"moov", box(b"mvhd", bytes(100)))


@pytest.mark.parametrize(
    "content",
    [
        FTYP,
        FTYP + MDAT,
        FTYP + MOOV,
        (FTYP + MDAT + MOOV)[:-40],
        (FTYP + MOOV + MDAT)[:-1],
        FTYP + MOOV + box(b"moof", bytes(8)),
        FTYP + b"<!doctype html><p>A page that begins like a video</p>",
        b"text" + FTYP[4:] + MDAT + MOOV,
        FTYP + bytes(5000),
    ],
)
def test_a_truncated_file_is_never_saved(
    api: ApiMode, simulator: Simulator, job: VideoJob, tmp_path: Path, content: bytes
) -> None:
    for _ in range(2):
        simulator.respond("download", headers={"Content-Type": "video/mp4"}, body=content)
    with (
        quick_client(simulator, max_retries=1) as client,
        pytest.raises((vidjob.IncompleteDownload, vidjob.NotAVideo)) as caught,
    ):
        api(client, "download", job, tmp_path / "a.mp4")
    assert caught.value.request_id == job.request_id
    assert leftovers(tmp_path) == []


def test_a_truncated_file_is_not_recorded_as_saved(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    simulator.respond("download", body=FTYP + MDAT)
    with quick_client(simulator, max_retries=0) as client:
        for _ in range(2):
            with contextlib.suppress(vidjob.IncompleteDownload):
                kept = api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.02)
    assert (tmp_path / "a.mp4").stat().st_size == kept.bytes > len(FTYP + MDAT)
    assert len(simulator.accepted) == 1


def test_a_real_file_of_every_kind_is_whole(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted((Path(__file__).parent.parent / "media").glob("*.mp4"))):
        simulator.respond("download", body=path.read_bytes())
        kept = api(client, "download", job, tmp_path / f"{number}.mp4")
        assert kept.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


class Trickle:
    """A file server that sends ``pieces`` of a film of 100,000 bytes, with a pause after each, at every request."""

    def __init__(self, pieces: int, pause: float) -> None:
        self._pieces, self._pause = pieces, pause
        self.requests = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.link = f"http://127.0.0.1:{self._listening.getsockname()[1]}/a.mp4"
        self._hurried = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.requests += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        content = mp4_file(100_000)
        with connection, contextlib.suppress(OSError):
            head = connection.recv(65536).decode().lower()
            start = int(head.partition("range: bytes=")[2].partition("-")[0] or 0)
            status = f"206 X\r\nContent-Range: bytes {start}-99999/100000" if start else "200 X"
            length = f"Content-Length: {len(content) - start}"
            connection.sendall(f'HTTP/1.1 {status}\r\nETag: "a"\r\n{length}\r\n\r\n'.encode())
            for at in range(start, start + self._pieces):
                connection.sendall(content[at : at + 1])
                self._hurried.wait(self._pause)

    def hurry(self) -> None:
        """No more pauses."""
        self._hurried.set()

    def close(self) -> None:
        self.hurry()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("pieces", "pause"), [(1, 0), (100_000, 0.02)])
def test_a_download_that_trickles_is_given_up(
    api: ApiMode, simulator: Simulator, tmp_path: Path, pieces: int, pause: float
) -> None:
    server = Trickle(pieces, pause)
    try:
        with (
            quick_client(simulator, max_retries=1, timeout=0.5) as client,
            pytest.raises(vidjob.IncompleteDownload),
        ):
            api(client, "download", Video(server.link), tmp_path / "a.mp4")
    finally:
        server.close()
    assert server.requests == 2
    assert leftovers(tmp_path) == []


def rendered(api: ApiMode, client: VideoClient, folder: Path, **options: Any) -> list[RenderResult]:
    """What a batch of one row brings."""

    async def awaited() -> list[RenderResult]:
        return [
            result async for result in client.render_many_async(["a candle"], folder, poll_interval=0.02, **options)
        ]

    if api.name == "asyncio":
        return asyncio.run(awaited())
    return list(client.render_many(["a candle"], folder, poll_interval=0.02, **options))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", ["trickle", "missing"])
def test_the_deadline_of_a_batch_covers_downloads(api: ApiMode, simulator: Simulator, tmp_path: Path, how: str) -> None:
    server = Trickle(100_000, 0.001)
    link = server.link if how == "trickle" else f"{simulator.base_url}/nothing/here.mp4"
    simulator.pause()
    simulator.respond("get", body='{"status": "processing"}')
    for _ in range(2):
        simulator.respond("get", body=json.dumps({"status": "done", "video": {"url": link}}))
    try:
        with quick_client(simulator, timeout=60) as client:
            # The job is bought before the deadline counts: a busy machine may need long for that.
            [bought] = rendered(api, client, tmp_path, timeout=0)
            assert isinstance(bought.error, vidjob.WaitTimeout)
            simulator.resume()
            [late] = rendered(api, client, tmp_path, deadline=0.5)
            summary = json.loads((tmp_path / "summary.json").read_text())
            server.hurry()
            [kept] = rendered(api, client, tmp_path)
    finally:
        server.close()
    assert isinstance(late.error, vidjob.WaitTimeout)
    assert late.error.request_id == simulator.accepted[0]["request_id"]
    assert summary["pending"] == 1
    assert kept.ok
    assert len(simulator.accepted) == 1


NOT_KEPT: list[tuple[dict[str, Any], dict[str, Any], type[VidjobError]]] = [
    ({"headers": {"Content-Type": "text/html"}, "body": "<html>sorry</html>"}, {}, vidjob.NotAVideo),
    ({"headers": {"Content-Type": "application/json"}, "body": "{}"}, {}, vidjob.NotAVideo),
    ({"body": "<html>sorry, no type</html>"}, {}, vidjob.NotAVideo),
    ({"body": b"x"}, {}, vidjob.NotAVideo),
    ({"body": b"\0"}, {}, vidjob.IncompleteDownload),
    ({"body": mp4_file(5000)}, {"max_bytes": 4096}, vidjob.TooLarge),
    ({"status": 302, "headers": {"Location": "ftp://a.example/x.mp4?sig=hush"}}, {}, vidjob.UnsafeUrl),
    ({"status": 201, "body": "{}"}, {}, vidjob.NotAVideo),
]


@pytest.mark.parametrize(("answer", "options", "error"), NOT_KEPT)
def test_a_failed_download_leaves_no_file(
    api: ApiMode,
    simulator: Simulator,
    job: VideoJob,
    tmp_path: Path,
    answer: dict[str, Any],
    options: dict[str, Any],
    error: type[VidjobError],
) -> None:
    simulator.respond("download", **answer)
    with quick_client(simulator, max_retries=0) as client, pytest.raises(error) as caught:
        api(client, "download", job, tmp_path / "a.mp4", **options)
    assert caught.value.request_id == job.request_id
    assert "hush" not in str(caught.value)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://vidgen.x.ai/v.mp4?sig=hush",
        "file:///etc/passwd",
        "https://10.0.0.1/v.mp4?sig=hush",
        "https://127.0.0.1/v.mp4",
        "https://2130706433/v.mp4",
        "https://0x7f.1/v.mp4",
        "https://[::1]/v.mp4",
        "https://[::ffff:10.0.0.1]/v.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/v.mp4",
        "https://localhost/v.mp4",
        "https://user:hush@vidgen.x.ai/v.mp4",
        "ftp://vidgen.x.ai/v.mp4",
        "data:video/mp4;base64,AAAA",
    ],
)
def test_unsafe_links_are_refused(api: ApiMode, tmp_path: Path, url: str) -> None:
    with VideoClient("k", max_retries=0) as client, pytest.raises(vidjob.UnsafeUrl) as caught:
        api(client, "download", Video(url), tmp_path / "a.mp4")
    assert "hush" not in str(caught.value)
    assert leftovers(tmp_path) == []


def test_targets_are_checked_first(
    api: ApiMode, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"mine")
    asked = len(simulator.requests)
    for path in (tmp_path / "there.mp4", tmp_path, tmp_path / "nowhere" / "a.mp4"):
        with pytest.raises(vidjob.DownloadError) as caught:
            api(client, "download", job, path)
        assert isinstance(caught.value, OSError)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert len(simulator.requests) == asked
    api(client, "download", job, tmp_path / "there.mp4", overwrite=True)
    assert (tmp_path / "there.mp4").read_bytes()[4:8] == b"ftyp"


def test_an_unwritable_folder(simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    # Root may write anywhere but into the kernel's own folders.
    folder = Path("/proc/self") if os.geteuid() == 0 else tmp_path
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(vidjob.DownloadError) as caught:
        client.render("a candle", folder / "a.mp4")
    assert caught.value.errno is not None
    assert str(folder) in str(caught.value)
    assert simulator.requests == []


def test_a_job_without_a_file(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    simulator.respond("get", body='{"status": "processing"}')
    with pytest.raises(vidjob.DownloadError, match="the job is not done"):
        api(client, "download", "abc", tmp_path / "a.mp4")
    with pytest.raises(vidjob.JobFailed):
        api(client, "download", VideoJob("abc", JobStatus.FAILED), tmp_path / "a.mp4")
    with pytest.raises(vidjob.DownloadError, match="no link"):
        api(client, "download", VideoJob("abc", JobStatus.DONE), tmp_path / "a.mp4")


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are Unix's")
def test_a_full_disk_is_a_download_error(simulator: Simulator, run_python: Run, tmp_path: Path) -> None:
    program = """
        import resource, signal, sys
        import vidjob
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        with vidjob.VideoClient("k", base_url=sys.argv[1]) as client:
            job = client.wait(client.generate("a candle", duration=15), poll_interval=0.02)
            try:
                client.download(job, sys.argv[2])
            except vidjob.DownloadError as error:
                print(type(error).__name__, error.errno, error.request_id == job.request_id)
    """
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path / "a.mp4"))
    assert done.stdout.split() == ["DownloadError", "27", "True"], done.stderr
    assert leftovers(tmp_path) == []


def test_download_reports_progress(api: ApiMode, client: VideoClient, job: VideoJob, tmp_path: Path) -> None:
    events: list[Any] = []
    kept = api(client, "download", job, tmp_path / "a.mp4", progress=events.append)
    last = [event for event in events if event["event"] == "download"][-1]
    assert last == {
        "event": "download",
        "request_id": job.request_id,
        "received": kept.bytes,
        "total": kept.bytes,
    }
