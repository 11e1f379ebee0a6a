"""Keeping the file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, Face, Run
from vidjob import JobStatus, Simulator, Video, VideoClient, VideoJob, VidjobError


@pytest.fixture
def job(client: VideoClient) -> VideoJob:
    return client.wait(client.generate("a candle", duration=2), poll_interval=0.02)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_is_kept_whole(face: Face, client: VideoClient, job: VideoJob, tmp_path: Path) -> None:
    kept = face(client, "download", job, tmp_path / "candle.mp4")
    content = (tmp_path / "candle.mp4").read_bytes()
    assert kept.path == tmp_path / "candle.mp4"
    assert (kept.bytes, kept.content_type) == (len(content), "video/mp4")
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert content[4:8] == b"ftyp"
    assert leftovers(tmp_path) == ["candle.mp4"]


@pytest.mark.parametrize("form", ["job", "id", "video", "str path"])
def test_all_forms_of_arguments(face: Face, client: VideoClient, job: VideoJob, tmp_path: Path, form: str) -> None:
    source = {"job": job, "id": job.request_id, "video": job.video}.get(form, job)
    path = tmp_path / "a.mp4"
    kept = face(client, "download", source, str(path) if form == "str path" else path)
    assert kept.path == path
    assert path.stat().st_size == kept.bytes


def test_the_key_stays_home(client: VideoClient, simulator: Simulator, job: VideoJob, tmp_path: Path) -> None:
    """The simulator serves files from the API's own origin, which gets the key; another origin must not."""
    with Simulator() as elsewhere:
        elsewhere.respond("download", headers={"Content-Type": "video/mp4"}, body=b"\0\0\0\x10ftypisom\0\0\0\0")
        client.download(Video(f"{elsewhere.base_url[:-8]}/vidgen/x.mp4?sig=1"), tmp_path / "b.mp4")
        headers = elsewhere.requests[0]["headers"]
    assert "authorization" not in headers
    assert "cookie" not in headers
    assert KEY not in json.dumps(headers)


def test_resumed_where_it_broke(
    face: Face, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    simulator.inject("truncated", on="download", times=2)
    kept = face(client, "download", job, tmp_path / "a.mp4")
    assert kept.sha256 == hashlib.sha256((tmp_path / "a.mp4").read_bytes()).hexdigest()
    ranges = [request["headers"].get("range") for request in simulator.requests if "vidgen" in request["path"]]
    assert ranges[0] is None
    assert all(each.startswith("bytes=") for each in ranges[1:])
    assert len(ranges) == 3


def test_an_expired_link_is_refreshed(
    face: Face, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    simulator.inject("link_expired", on="download")
    assert face(client, "download", job, tmp_path / "a.mp4").bytes > 0


def test_a_file_that_comes_a_moment_after_its_link(
    face: Face, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    simulator.respond("download", status=404)
    assert face(client, "download", job, tmp_path / "a.mp4").bytes > 0


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_expired_link_without_a_job(
    face: Face, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path, status: int
) -> None:
    simulator.respond("download", status=status)
    with pytest.raises(vidjob.VideoUrlExpired):
        face(client, "download", job.video, tmp_path / "a.mp4")
    assert leftovers(tmp_path) == []


MP4 = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0" * 5000

NOT_KEPT: list[tuple[dict[str, Any], dict[str, Any], type[VidjobError]]] = [
    ({"headers": {"Content-Type": "text/html"}, "body": "<html>sorry</html>"}, {}, vidjob.NotAVideo),
    ({"headers": {"Content-Type": "application/json"}, "body": "{}"}, {}, vidjob.NotAVideo),
    ({"body": "<html>sorry, no type</html>"}, {}, vidjob.NotAVideo),
    ({"body": b""}, {}, vidjob.NotAVideo),
    ({"body": MP4}, {"max_bytes": 4096}, vidjob.TooLarge),
    ({"status": 302, "headers": {"Location": "ftp://a.example/x.mp4?sig=hush"}}, {}, vidjob.UnsafeUrl),
    ({"status": 418}, {}, vidjob.DownloadError),
]


@pytest.mark.parametrize(("answer", "options", "error"), NOT_KEPT)
def test_what_is_not_kept_leaves_nothing_behind(
    face: Face,
    simulator: Simulator,
    job: VideoJob,
    tmp_path: Path,
    answer: dict[str, Any],
    options: dict[str, Any],
    error: type[VidjobError],
) -> None:
    simulator.respond("download", **answer)
    with VideoClient(KEY, base_url=simulator.base_url, max_retries=0) as client, pytest.raises(error) as caught:
        face(client, "download", job, tmp_path / "a.mp4", **options)
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
def test_where_we_do_not_go(face: Face, tmp_path: Path, url: str) -> None:
    with VideoClient("k", max_retries=0) as client, pytest.raises(vidjob.UnsafeUrl) as caught:
        face(client, "download", Video(url), tmp_path / "a.mp4")
    assert "hush" not in str(caught.value)
    assert leftovers(tmp_path) == []


def test_targets_are_checked_first(
    face: Face, simulator: Simulator, client: VideoClient, job: VideoJob, tmp_path: Path
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"mine")
    asked = len(simulator.requests)
    for path in (tmp_path / "there.mp4", tmp_path, tmp_path / "nowhere" / "a.mp4"):
        with pytest.raises(vidjob.DownloadError) as caught:
            face(client, "download", job, path)
        assert isinstance(caught.value, OSError)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    assert len(simulator.requests) == asked
    face(client, "download", job, tmp_path / "there.mp4", overwrite=True)
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


def test_a_job_without_a_file(face: Face, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    simulator.respond("get", body='{"status": "processing"}')
    with pytest.raises(vidjob.DownloadError, match="not done yet"):
        face(client, "download", "abc", tmp_path / "a.mp4")
    with pytest.raises(vidjob.JobFailed):
        face(client, "download", VideoJob("abc", JobStatus.FAILED), tmp_path / "a.mp4")
    with pytest.raises(vidjob.DownloadError, match="no link"):
        face(client, "download", VideoJob("abc", JobStatus.DONE), tmp_path / "a.mp4")


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are Unix's")
def test_a_disk_that_takes_no_more(simulator: Simulator, run_python: Run, tmp_path: Path) -> None:
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


def test_progress_is_told(face: Face, client: VideoClient, job: VideoJob, tmp_path: Path) -> None:
    events: list[Any] = []
    kept = face(client, "download", job, tmp_path / "a.mp4", progress=events.append)
    last = [event for event in events if event["event"] == "download"][-1]
    assert last == {
        "event": "download",
        "request_id": job.request_id,
        "received": kept.bytes,
        "total": kept.bytes,
    }
