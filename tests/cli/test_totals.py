"""The totals of a batch on a terminal and in a log."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import vidjob
from cli_batches import ended, orders, pairs
from support import OFTEN, POSIX
from terminal import Clock, on_a_terminal
from vidjob import RenderResult, Simulator, VideoClient
from vidjob._progress.bars import BatchBars, tqdm_class
from vidjob._progress.batch_progress import BatchProgress
from vidjob._progress.formatting import format_duration
from vidjob.cli.plain_lines import BatchLines

ACCEPTED: dict[str, Any] = {"event": "accepted", "request_id": "x"}


class Screen(io.StringIO):
    """A terminal of which only what is written is kept."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def frames(self) -> list[str]:
        return [" ".join(frame.split()) for frame in re.split(r"[\r\n]|\x1b\[A", self.getvalue()) if frame.strip()]


def bars(screen: Screen, total: int, clock: Clock) -> BatchBars:
    return BatchBars(partial(tqdm_class(), file=screen, mininterval=0), total, clock)


def test_a_batch_on_a_terminal_has_one_line_of_totals_and_bars_of_jobs() -> None:
    clock, screen = Clock(), Screen()
    batch = bars(screen, 20, clock)
    for number in range(10):
        clock.now += 1
        batch.on_event({**ACCEPTED, "id": f"i{number}"})
    assert "0 of 20 done, 10 under way" in screen.getvalue()
    assert len({frame.split()[0] for frame in screen.frames if "pending" in frame}) == 8
    batch.close()
    assert "0 of 20 done" in screen.frames[-1]


def test_lines_are_printed_above_the_bars(capsys: pytest.CaptureFixture[str]) -> None:
    clock, screen = Clock(), Screen()
    batch = bars(screen, 3, clock)
    batch.print_above("first")
    for number in range(2):
        clock.now += 1
        batch.on_event({**ACCEPTED, "id": f"i{number}"})
    batch.print_above("i0 failed")
    batch.close()
    batch.print_above("late")
    assert screen.frames.index("first") < screen.frames.index("i0 failed") < len(screen.frames) - 1
    assert "late" not in screen.frames
    assert capsys.readouterr() == ("", "")


def test_totals_of_a_batch() -> None:
    clock = Clock()
    batch = BatchProgress(20, clock)
    for number in range(10):
        clock.now += 1
        batch.on_event({**ACCEPTED, "id": f"i{number}"})
    for number in range(4):
        clock.now += 1
        batch.on_result(ended(f"i{number}"))
    batch.on_result(RenderResult("i4", error=vidjob.JobFailed("no")))
    assert "4 of 20 done, 5 under way, 1 failed, 0.00 USD" in batch.text
    assert batch.text.endswith("left")


@pytest.mark.parametrize("progress", [None, 50])
def test_time_left_counts_jobs_under_way(progress: int | None) -> None:
    clock = Clock()
    totals = BatchProgress(20, clock)
    for number in range(8):
        totals.on_event({**ACCEPTED, "id": f"i{number}"})
    clock.now += 60
    for number in range(2):
        totals.on_result(ended(f"i{number}"))
    assert "left" not in totals.text, "too few to tell"
    totals.on_result(RenderResult("known", path=Path("a.mp4"), resumed=True))
    totals.on_result(ended("i2"))
    for number in range(3, 8):
        status = {"event": "status", "request_id": "x", "status": "processing", "progress": progress}
        totals.on_event({**status, "id": f"i{number}"})
    # 19 are to be made, 3 are, and 5 are halfway, or as old as those that ended.
    left = 60 / 5.5 * 13.5 if progress else 60 / 7.75 * 11.25
    assert totals.text.endswith(f"1:00, {format_duration(left)} left")


def test_items_not_submitted_are_not_counted_as_failed() -> None:
    totals = BatchProgress(5, Clock())
    for error in (vidjob.NotSubmitted("no"), vidjob.WaitTimeout("no"), vidjob.JobBlocked("no")):
        totals.on_result(RenderResult("a", error=error))
    assert totals.text.startswith("0 of 5 done, 1 failed, 0.00 USD")


@POSIX
@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_a_batch_on_a_terminal(simulator: Simulator, key: list[str], environment: dict[str, str]) -> None:
    service = ["--base-url", simulator.base_url, *key]
    for _ in range(40):
        simulator.respond("get", body='{"status": "processing", "progress": 50}')
    code, out, seen = on_a_terminal("batch", orders(4), "-o", "out", *OFTEN, *service, **environment)
    assert (code, pairs(out)["saved"]) == (0, "4")
    assert re.search(r"4 of 4 done, 0.40 USD, 0:0[0-9]\s", seen)
    assert ("█" in seen) is ("\x1b[" in seen) is (not environment)


def test_totals_in_a_log() -> None:
    clock, log = Clock(), io.StringIO()
    totals = BatchLines(None, log, clock)
    for second in range(100):
        clock.now += 1
        totals.on_event({**ACCEPTED, "id": f"i{second}"})
    assert len(log.getvalue().splitlines()) == 3
    totals.close()
    assert log.getvalue().splitlines()[-1].startswith("0 done, 100 under way")


def test_a_call_shows_nothing_in_a_pipe(
    simulator: Simulator, client: VideoClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(list(client.render_many(["x"], tmp_path / "out", poll_interval=0.05, progress=True))) == 1
    assert capfd.readouterr() == ("", "")
