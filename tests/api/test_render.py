"""Create, wait and keep, in one."""

from __future__ import annotations

import hashlib
import sys
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode, Run, quick_client
from vidjob import JobStatus, Simulator, VideoClient, VideoRequest


@pytest.mark.parametrize("shape", ["cometapi", "envelope", "xai"])
def test_the_whole_path_in_every_shape(api: ApiMode, tmp_path: Path, shape: str) -> None:
    with (
        Simulator(shape, render_seconds=0.2) as simulator,  # type: ignore[arg-type]
        quick_client(simulator) as client,
    ):
        seen = []
        result = api(
            client,
            "render",
            "A candle flickers on a wooden table.",
            tmp_path / "candle.mp4",
            duration=5,
            aspect_ratio="9:16",
            poll_interval=0.05,
            on_update=lambda job: seen.append(job.status),
        )
        [entry] = simulator.accepted
    assert result.ok
    assert result.job.status is JobStatus.DONE
    assert result.job.request_id == result.id == entry["request_id"]
    assert result.job.usage.cost_usd == Decimal("0.25")
    assert result.sha256 == hashlib.sha256((tmp_path / "candle.mp4").read_bytes()).hexdigest()
    assert seen[-1] is JobStatus.DONE
    assert entry["body"]["aspect_ratio"] == "9:16"


def test_render_to_an_unusable_path_creates_no_job(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"mine")
    for path in (tmp_path / "a.mp4", tmp_path / "no" / "a.mp4", tmp_path):
        with pytest.raises(vidjob.DownloadError):
            api(client, "render", "a candle", path)
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("prompt", "path", "words"),
    [
        ("x.mp4", "A candle flickers", "the prompt comes first and the path of the video second"),
        ("clips/x", "A candle flickers", "the prompt comes first"),
        ("A candle", "drawing.png", "pass that as image="),
        ("A candle", Path("DRAWING.JPG"), "pass that as image="),
    ],
)
def test_a_prompt_and_a_path_in_the_wrong_order_buy_nothing(
    api: ApiMode, simulator: Simulator, client: VideoClient, prompt: str, path: Any, words: str
) -> None:
    for request in (prompt, VideoRequest(prompt)):
        with pytest.raises(vidjob.InvalidRequest, match=words):
            api(client, "render", request, path)
    assert simulator.requests == []


def test_errors_after_the_create_carry_the_request_id(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    for fault, error in (
        ("job_fails", vidjob.JobFailed),
        ("job_moderated", vidjob.JobBlocked),
        ("job_expires", vidjob.JobExpired),
    ):
        simulator.inject(fault, on="create")  # type: ignore[arg-type]
        with pytest.raises(error) as caught:
            api(client, "render", f"a candle: {fault}", tmp_path / "a.mp4", poll_interval=0.02)
        assert caught.value.request_id == simulator.accepted[-1]["request_id"]
    assert [path.name for path in tmp_path.iterdir()] == [".vidjob"]


def test_a_failed_download_carries_the_request_id(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("wrong_type", on="download")
    with pytest.raises(vidjob.NotAVideo) as caught:
        api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.02)
    assert caught.value.request_id == simulator.accepted[0]["request_id"]
    assert [path.name for path in tmp_path.iterdir()] == [".vidjob"]


def test_an_exception_in_a_callback_does_not_lose_the_job(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    def fails(_job: object) -> None:
        raise KeyError("a mistake")

    assert api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.05, progress=fails).ok
    with pytest.raises(KeyError) as caught:
        api(client, "render", "a candle", tmp_path / "b.mp4", poll_interval=0.05, on_update=fails)
    if sys.version_info >= (3, 11):
        [note] = caught.value.__notes__
        assert simulator.accepted[-1]["request_id"] in note


#: The first status change sends the signal, so that the job is known by then.
INTERRUPTED = """
    import asyncio, os, signal, sys
    import vidjob

    sent, notes = [], []

    def interrupt(job):
        if not sent:
            sent.append(job)
            os.kill(os.getpid(), signal.SIGINT)

    def render():
        with vidjob.Simulator(render_seconds=300) as simulator, simulator.client() as client:
            client.render("a candle", sys.argv[2], poll_interval=0.05, on_update=interrupt)

    async def render_async():
        with vidjob.Simulator(render_seconds=300) as simulator:
            async with simulator.client() as client:
                try:
                    await client.render_async("a candle", sys.argv[2], poll_interval=0.05, on_update=interrupt)
                except asyncio.CancelledError as stop:
                    notes.extend(getattr(stop, "__notes__", []))
                    raise

    try:
        asyncio.run(render_async()) if sys.argv[1] == "render_async" else render()
    except KeyboardInterrupt as stop:
        notes.extend(getattr(stop, "__notes__", []))
    print("interrupted", *notes)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
@pytest.mark.parametrize("verb", ["render", "render_async"])
def test_ctrl_c_leaves_a_note_with_the_job(run_python: Run, tmp_path: Path, verb: str) -> None:
    done = run_python(textwrap.dedent(INTERRUPTED), verb, str(tmp_path / "a.mp4"))
    assert done.stderr == ""
    # Exceptions take notes from Python 3.11, and asyncio turns Ctrl-C into a cancellation from 3.11.
    if sys.version_info >= (3, 11):
        assert "is still running; client.wait(" in done.stdout
    assert done.stdout.startswith("interrupted")
    assert [path.name for path in tmp_path.iterdir()] == [".vidjob"]
