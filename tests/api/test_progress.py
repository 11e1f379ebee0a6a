"""What ``progress`` may be: bars of tqdm, a callable, a bar of one's own. Over both APIs."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from support import POSIX, ApiMode, Run
from vidjob import InvalidRequest, NotSubmitted, RenderResult, Simulator, VideoClient
from vidjob._progress.bars import BatchBars, JobBar
from vidjob.progress import Display

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"
OTHER = "aaaaaaaa-953e-b094-5a2c-4a90014a58cb"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def frames(self) -> list[str]:
        return [" ".join(frame.split()) for frame in re.split(r"[\r\n]|\x1b\[A", self.getvalue()) if frame.strip()]


@pytest.fixture(autouse=True)
def _no_bars_of_others() -> Iterator[None]:
    """A bar that a failed test has left would move those of the next."""
    yield
    for bar in list(getattr(tqdm, "_instances", [])):
        bar.close()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def bars(screen: Screen) -> Any:
    """tqdm's class, drawing on the screen."""

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, "dynamic_ncols": False}, file=screen, ncols=100, mininterval=0)

    return Bar


def status(word: str, progress: int | None = None, **more: str) -> dict[str, Any]:
    return {"event": "status", "request_id": ID, "status": word, "progress": progress, **more}


def download(received: int, total: int | None) -> dict[str, Any]:
    return {"event": "download", "request_id": ID, "received": received, "total": total}


def test_a_bar_tells_status_percent_and_the_time_left(screen: Screen, bars: Any) -> None:
    clock = Clock()
    bar = JobBar(bars, clock)
    for event in (status("queued"), status("processing", 10), status("processing", 60), download(500, 2000)):
        bar.on_event(event)
        clock.now += 10
    bar.on_event(download(2000, 2000))
    bar.close()
    bar.close()
    queued, first, second, part, whole = (
        next(frame for frame in reversed(screen.frames) if re.search(pattern, frame))
        for pattern in ("queued", " 10%", " 60%", " 25%", " 100%")
    )
    assert re.match(r"f5f35814 queued +\|", queued)
    assert re.match(r"f5f35814 processing 10%\|█+[^|]* \| 00:00", first)
    assert "0:13 left" in second
    assert "500 B of 2.0 kB" in part
    assert "downloaded 100%" in whole
    assert screen.getvalue().endswith("\n")


def test_a_bar_shows_the_time_between_events(screen: Screen, bars: Any) -> None:
    bar = JobBar(bars)
    bar.on_event(status("processing", 10))
    drawn = len(screen.frames)
    bar.tick()
    assert len(screen.frames) == drawn + 1
    bar.on_event(status("done", 100))
    drawn = len(screen.frames)
    bar.tick()
    assert len(screen.frames) == drawn, "what is over stays as it is"
    bar.close()


def test_no_bar_before_the_first_event(screen: Screen, bars: Any) -> None:
    JobBar(bars).close()
    assert screen.getvalue() == ""


def test_no_more_than_ten_redraws_a_second(screen: Screen, bars: Any) -> None:
    clock = Clock()
    bar = JobBar(bars, clock)
    for count in range(1000):
        bar.on_event(download(count, 1000))
        clock.now += 0.001
    assert 5 <= len(screen.frames) <= 12
    bar.close()


def _now(screen: Screen) -> list[str]:
    """What was drawn last for the count, and for each job that still has a bar."""
    frames = screen.frames
    count = next(at for at in range(len(frames) - 1, -1, -1) if " of " in frames[at])
    return list(dict.fromkeys(frames[count:]))


def test_a_batch_counts_and_shows_the_first_jobs_under_way(screen: Screen, bars: Any) -> None:
    clock = Clock()
    batch = BatchBars(bars, 20, clock)
    for number in range(12):
        batch.on_event(status("processing", number, id=f"item-{number:02}"))
    clock.now += 1
    batch.tick()
    last = _now(screen)
    assert "12 under way" in last[0]
    assert [frame.split()[0] for frame in last[1:]] == [f"item-{number:02}" for number in range(8)]
    batch.on_result(RenderResult("item-00", path=Path("a.mp4")))
    batch.on_result(RenderResult("item-01", error=NotSubmitted("no")))
    clock.now += 1
    batch.tick()
    last = _now(screen)
    assert "1 of 20 done" in last[0]
    assert "10 under way" in last[0]
    assert {frame.split()[0] for frame in last[1:]} == {f"item-{number:02}" for number in range(2, 10)}
    batch.close()
    batch.close()
    count = len(screen.frames)
    batch.tick()
    batch.on_event(status("done", 100, id="item-02"))
    assert len(screen.frames) == count


@contextmanager
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """Makes standard error a terminal."""
    screen = Screen()
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(screen):
        yield screen


def test_progress_true_draws_on_the_callers_thread(
    api: ApiMode, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[int] = set()
    write = Screen.write

    def watched(self: Screen, text: str) -> int:
        drawn.add(threading.get_ident())
        return write(self, text)

    monkeypatch.setattr(Screen, "write", watched)
    before = threading.active_count()
    with on_terminal(monkeypatch) as screen:
        job = api(client, "generate", "a candle")
        api(client, "wait", job, poll_interval=0.05, progress=True)
        api(client, "download", job, tmp_path / "a.mp4", progress=True)
        api(client, "render", "a lamp", tmp_path / "b.mp4", poll_interval=0.05, progress=True)
    assert screen.getvalue().count("\n") == 3
    assert "done 100%" in " ".join(screen.frames)
    assert len([frame for frame in screen.frames if "downloaded 100%" in frame]) >= 2
    assert drawn == {threading.get_ident()}
    assert threading.active_count() == before


def test_bar_is_redrawn_while_no_event_comes(
    api: ApiMode, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.pause()
    with simulator.client() as client, on_terminal(monkeypatch) as screen:
        write = screen.write

        def advance_when_redrawn(text: str) -> int:
            if len(screen.frames) > 3:
                simulator.advance(60)
            return write(text)

        monkeypatch.setattr(screen, "write", advance_when_redrawn)
        job = client.generate("a candle")
        # The job ends only if the bar is redrawn between polls whose answers do not change.
        api(client, "wait", job, timeout=30, poll_interval=0.4, progress=True)
    assert any("starting" in frame or "pending" in frame for frame in screen.frames)


def test_a_batch_with_bars(api: ApiMode, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = ["one", "two", "three"]
    options: dict[str, Any] = {"poll_interval": 0.05, "progress": True}

    async def collect() -> list[RenderResult]:
        return [result async for result in client.render_many_async(prompts, tmp_path, **options)]

    with on_terminal(monkeypatch) as screen:
        if api.name == "blocking":
            results = list(client.render_many(prompts, tmp_path, **options))
        else:
            results = asyncio.run(collect())
    assert all(result.ok for result in results)
    assert "3 of 3 done" in screen.frames[-1]
    assert "USD" in screen.frames[-1]


def test_several_bars_at_once(client: VideoClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        jobs = await asyncio.gather(*(client.generate_async(f"candle {n}") for n in range(3)))
        await asyncio.gather(*(client.wait_async(job, poll_interval=0.05, progress=True) for job in jobs))

    with on_terminal(monkeypatch) as screen:
        asyncio.run(main())
    ended = {frame.split()[0] for frame in screen.frames if "done 100%" in frame}
    assert len(ended) == 3


def test_no_bars_in_a_pipe(run_python: Run) -> None:
    program = """
from vidjob import Simulator
with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
    client.wait(client.generate("a"), poll_interval=0.05, progress=True)
"""
    result = run_python(program)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@POSIX
@pytest.mark.parametrize("columns", [100, 0])
def test_a_real_terminal(tmp_path: Path, columns: int) -> None:
    import fcntl
    import pty
    import struct
    import termios

    program = """
from vidjob import Simulator
with Simulator(render_seconds=0.4) as simulator, simulator.client() as client:
    client.render("a", "a.mp4", poll_interval=0.05, progress=True)
"""
    above, below = pty.openpty()
    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", program], stderr=below, cwd=tmp_path, env=environment):
        os.close(below)
        seen = b""
        while True:
            try:
                part = os.read(above, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
    os.close(above)
    assert "downloaded" in seen.decode()
    assert "100%" in seen.decode()


def test_progress_takes_the_callers_bar(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    job = api(client, "generate", "a candle")
    with tqdm(file=io.StringIO()) as own:
        api(client, "wait", job, poll_interval=0.05, progress=own)
        assert (own.n, own.total) == (100, 100)

    class Counted:
        total = 2
        n = 0.0

        def update(self, n: float = 1) -> None:
            self.n += n

    counted = Counted()
    api(client, "render", "a lamp", tmp_path / "b.mp4", poll_interval=0.05, progress=counted)
    assert (counted.n, counted.total) == (100, 2)
    counted = Counted()
    many = client.render_many(["one", "two"], tmp_path, poll_interval=0.05, progress=counted)
    assert len(list(many)) == counted.n == 2


def test_progress_takes_a_class_of_bars(screen: Screen, bars: Any, client: VideoClient, tmp_path: Path) -> None:
    client.wait(client.generate("a candle"), poll_interval=0.05, progress=bars)
    assert "done 100%" in " ".join(screen.frames)
    list(client.render_many(["one", "two"], tmp_path, poll_interval=0.05, progress=bars))
    assert "2 of 2 done" in screen.frames[-1]


def test_an_exception_in_progress_does_not_fail_the_call(
    api: ApiMode, client: VideoClient, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    class Broken:
        total = 100

        def update(self, n: float = 1) -> None:
            raise OSError(f"no paper for {n}")

    assert api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.05, progress=Broken()).ok
    assert [record.message for record in caplog.records] == ["progress cannot be shown"]


@pytest.mark.parametrize("wrong", [3, "yes", object()])
def test_a_wrong_progress_argument_is_refused_before_sending(
    api: ApiMode, client: VideoClient, simulator: Simulator, wrong: Any, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="progress must be"):
        api(client, "render", "a candle", tmp_path / "a.mp4", progress=wrong)
    with pytest.raises(InvalidRequest, match="progress must be"):
        client.render_many(["a candle"], tmp_path, progress=wrong)
    assert simulator.accepted == []


def test_only_displays_get_ticks(api: ApiMode, simulator: Simulator) -> None:
    class Shown(Display):
        ticks = 0

        def on_event(self, event: Any, job: Any = None) -> None:  # noqa: ARG002
            assert event["event"] != "tick"

        def tick(self) -> None:
            self.ticks += 1
            if self.ticks == 2:
                simulator.advance(60)

    shown, heard = Shown(), list[str]()
    simulator.pause()
    with VideoClient("k", base_url=simulator.base_url, on_event=lambda event: heard.append(event["event"])) as client:
        job = client.generate("a candle")
        api(client, "wait", job, timeout=30, poll_interval=0.1, progress=shown)
    assert shown.ticks >= 2
    assert "tick" not in heard
