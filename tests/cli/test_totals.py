"""The totals of a batch on a terminal and in a log."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

import vidjob
from cli_batches import ended, orders, pairs
from support import OFTEN, POSIX
from terminal import Clock, Terminal, on_a_terminal
from vidjob import RenderResult, Simulator, VideoClient
from vidjob.cli.totals import Totals
from vidjob.progress import duration

ACCEPTED: dict[str, Any] = {"event": "accepted", "request_id": "x"}


def test_totals_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), Terminal()
    totals = Totals(20, terminal, clock)
    for number in range(10):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    assert "0 of 20 done, 10 under way" in terminal.getvalue()
    rows = terminal.frames[-9:]
    assert sum("pending" in row for row in rows) == 8
    for number in range(4):
        clock.now += 1
        totals.ended(ended(f"i{number}"))
    totals.ended(RenderResult("i4", error=vidjob.JobFailed("no")))
    assert "4 of 20 done, 5 under way, 1 failed, 0.00 USD" in totals.text
    assert totals.text.endswith("left")
    totals.close()
    assert terminal.getvalue().endswith("\n")


def test_totals_make_room_for_words_and_leave_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), Terminal()
    totals = Totals(3, terminal, clock)
    totals.say("first")
    for number in range(2):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    totals.say("i0 failed")
    assert terminal.getvalue().startswith("first\n")
    above, _, below = terminal.getvalue().partition("\x1b[2A\r\x1b[Ji0 failed\n")
    assert "i1" in above
    assert [line.strip()[:2] for line in below.splitlines()] == ["0", "i0", "i1"] or below.count("\n") == 2
    totals.close()
    totals.say("late")
    last = terminal.getvalue().rpartition("\x1b[2A\n")
    assert last[1:] == ("\x1b[2A\n", "")
    assert "i1" not in last[0].rpartition("\x1b[2A")[2]


@pytest.mark.parametrize("progress", [None, 50])
def test_time_left_counts_jobs_under_way(progress: int | None) -> None:
    clock = Clock()
    totals = Totals(20, io.StringIO(), clock)
    for number in range(8):
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    clock.now += 60
    for number in range(2):
        totals.ended(ended(f"i{number}"))
    assert "left" not in totals.text, "too few to tell"
    totals.ended(RenderResult("known", path=Path("a.mp4"), resumed=True))
    totals.ended(ended("i2"))
    for number in range(3, 8):
        status = {"event": "status", "request_id": "x", "status": "processing", "progress": progress}
        totals.hears({**status, "id": f"i{number}"})
    # 19 are to be made, 3 are, and 5 are halfway, or as old as those that ended.
    left = 60 / 5.5 * 13.5 if progress else 60 / 7.75 * 11.25
    assert totals.text.endswith(f"1:00, {duration(left)} left")


def test_items_not_bought_are_not_counted_as_failed() -> None:
    totals = Totals(5, io.StringIO(), Clock())
    for error in (vidjob.NotBought("no"), vidjob.WaitTimeout("no"), vidjob.JobBlocked("no")):
        totals.ended(RenderResult("a", error=error))
    totals.forget(1)
    assert totals.text.startswith("0 of 4 done, 1 failed, 0.00 USD")


@POSIX
@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_a_batch_on_a_terminal(simulator: Simulator, key: list[str], environment: dict[str, str]) -> None:
    service = ["--base-url", simulator.base_url, *key]
    for _ in range(40):
        simulator.respond("get", body='{"status": "processing", "progress": 50}')
    code, out, seen = on_a_terminal("batch", orders(4), "-o", "out", *OFTEN, *service, **environment)
    assert (code, pairs(out)["saved"]) == (0, "4")
    assert re.search("4 of 4 done, 0.40 USD, 0:0[0-9] *(\r|\n)", seen)
    assert ("█" in seen) is ("\x1b[" in seen) is (not environment)
    assert "\x1b[3" not in seen.replace("\x1b[3A", "")


def test_totals_in_a_log() -> None:
    clock, log = Clock(), io.StringIO()
    totals = Totals(None, log, clock)
    for second in range(100):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{second}"})
    assert len(log.getvalue().splitlines()) == 3
    totals.close()
    assert log.getvalue().splitlines()[-1].startswith("0 done, 100 under way")


def test_a_call_shows_nothing_in_a_pipe(
    simulator: Simulator, client: VideoClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(list(client.render_many(["x"], tmp_path / "out", poll_interval=0.05, progress=True))) == 1
    assert capfd.readouterr() == ("", "")
