"""Jobs on the command line's terminal: what a row says, when it is drawn, and where nothing is."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from terminal import Clock, Terminal
from vidjob.cli.board import Board, Lines
from vidjob.progress import Pace, duration, megabytes, printable

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"


class Bar(Board):
    """A board of one row."""

    def __init__(self, stream: io.StringIO, clock: Clock) -> None:
        super().__init__(stream, clock)
        self.hears = self.row().hears


def status(word: str, progress: int | None = None) -> dict[str, Any]:
    return {"event": "status", "request_id": ID, "status": word, "progress": progress}


def download(received: int, total: int | None) -> dict[str, Any]:
    return {"event": "download", "request_id": ID, "received": received, "total": total}


ACCEPTED: dict[str, Any] = {"event": "accepted", "request_id": ID}
REQUEST: dict[str, Any] = {"event": "request", "method": "GET", "path": "/", "status_code": 200, "elapsed": 0.1}
RETRY: dict[str, Any] = {"event": "retry", "path": "/", "attempt": 2, "delay": 3.2, "reason": "HTTP\x1b[31m 503"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_formatting() -> None:
    assert [duration(seconds) for seconds in (-1, 0, 9.9, 61, 3723)] == ["0:00", "0:00", "0:09", "1:01", "1:02:03"]
    sizes = [0, 999, 1000, 12_345_678, 5_000_000_000]
    assert [megabytes(size) for size in sizes] == ["0 B", "999 B", "1.0 kB", "12.3 MB", "5.0 GB"]
    assert printable("a\x1b[2J\n b\u202e") == "a?[2J b?"


def test_time_left_follows_from_the_speed_so_far() -> None:
    pace = Pace()
    assert pace.remaining(0) is None
    pace.saw(0, 10)
    pace.saw(0, 20)  # a queue, which says nothing of the speed
    assert pace.remaining(20) is None
    pace.saw(0.25, 30)
    assert pace.remaining(30) == pytest.approx(30)
    assert pace.remaining(50) == pytest.approx(10)
    assert pace.remaining(60) is None


def test_a_job_in_one_row(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    for event in (ACCEPTED, status("queued"), status("processing", 50), download(500, 2000), download(2000, 2000)):
        bar.hears(event)
        clock.now += 10
    bar.close()
    accepted, queued, processing, part, whole, last = terminal.frames
    assert re.fullmatch(r"f5f35814  pending      ░{12} +0:00", accepted)
    assert re.fullmatch(r"f5f35814  queued       ░{12} +0:10", queued)
    assert re.fullmatch(r"f5f35814  processing   █{6}░{6}   50%   0:20  0:10 left", processing)
    assert re.fullmatch(r"f5f35814  downloading  █{3}░{9}   25%   0:30  500 B of 2.0 kB", part)
    assert re.fullmatch(r"f5f35814  downloaded   █{12}  100%   0:40  2.0 kB", whole)
    assert last == whole
    assert terminal.getvalue().endswith("\n")


def test_a_row_stays_within_its_line(terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, bar in ((120, 24), (80, 12), (20, 0)):
        monkeypatch.setattr("vidjob.cli.board.columns", lambda _stream, columns=columns: columns)
        board = Board(terminal, clock)
        board.row("a").hears({**RETRY, "reason": "x" * 200})
        frame = terminal.frames[-1]
        assert len(frame) == columns - 1
        assert frame.count("░") == bar or columns == 20


def test_a_shorter_row_covers_the_longer_one(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    bar.hears({**RETRY, "reason": "x" * 20})
    clock.now += 1
    bar.hears(REQUEST)
    long, short = terminal.getvalue().split("\r")[1:]
    assert len(short) == len(long)
    assert short.rstrip() != short


def test_a_retry_is_told_until_it_succeeds(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    for event in (status("processing", 1), RETRY, REQUEST):
        bar.hears(event)
        clock.now += 1
    assert terminal.frames[1].endswith("retry 2 in 3 s: HTTP?[31m 503")
    assert "retry" not in terminal.frames[2]


def test_no_more_than_ten_redraws_a_second(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    for count in range(1000):
        bar.hears(download(count, 1000))
        clock.now += 0.001
    assert 5 <= len(terminal.frames) <= 11
    bar.close()
    assert "99%" in terminal.frames[-1]


def test_the_last_event_is_shown_at_the_end(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    bar.hears(status("processing", 1))
    bar.hears(status("processing", 42))
    assert "42%" not in terminal.getvalue()
    bar.close()
    bar.close()
    assert "42%" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


def test_nothing_where_there_is_no_terminal(clock: Clock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    file, closed = io.StringIO(), io.StringIO()
    closed.close()
    for stream in (file, closed):
        bar = Bar(stream, clock)
        bar.hears(status("processing", 50))
        bar.close()
    assert file.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    bar = Bar(terminal, clock)
    bar.hears(status("processing", 50))
    bar.close()
    assert terminal.getvalue() == ""


def test_no_row_before_the_first_event(terminal: Terminal, clock: Clock) -> None:
    Bar(terminal, clock).close()
    assert terminal.getvalue() == ""


def test_a_stream_that_fails_is_left_alone(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Terminal):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setenv("TERM", "xterm")
    for display in (Board(Broken(), clock), Lines(Broken(), clock)):
        display.row().hears(status("processing", 50))
        display.close()


def test_a_stream_of_few_letters(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ascii(Terminal):
        encoding = "ascii"

    monkeypatch.setenv("TERM", "xterm")
    stream = Ascii()
    bar = Bar(stream, clock)
    bar.hears({**RETRY, "reason": "żółw"})
    clock.now += 1
    bar.hears(status("processing", 50))
    assert stream.getvalue().isascii()
    assert "######......" in stream.getvalue()


def test_several_rows_are_redrawn_together(terminal: Terminal, clock: Clock) -> None:
    board = Board(terminal, clock)
    rows = [board.row(name) for name in ("one", "second")]
    rows[0].hears(status("processing", 25))
    clock.now += 1
    rows[1].hears(status("done", 100))
    board.close()
    first, second, third = terminal.getvalue().split("\x1b[1A")
    assert first.count("\n") == second.count("\n") == 1
    assert second.startswith("\rone     processing")
    assert re.search(r"\rsecond  done +█{12}  100% +0:01", second)
    assert third.endswith("\n")


def test_time_is_redrawn_between_events(terminal: Terminal, clock: Clock) -> None:
    bar = Bar(terminal, clock)
    bar.hears(status("processing", 50))
    clock.now += 7
    bar.tick()
    assert "0:07" in terminal.frames[-1]
    bar.close()
    count = len(terminal.frames)
    bar.tick()
    assert len(terminal.frames) == count


def test_plain_lines_come_at_the_start_at_the_end_and_now_and_then(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, clock)
    row = lines.row()
    events = [REQUEST, ACCEPTED, status("queued"), status("processing", 10), status("processing", 20)]
    for event in events:
        row.hears(event)
        clock.now += 1
    clock.now += 30
    row.hears(REQUEST)
    row.hears(REQUEST)
    for event in (status("done", 100), download(0, 2000), download(2000, 2000)):
        row.hears(event)
    clock.now += 100
    row.hears(REQUEST)
    lines.close()
    words = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert words == [
        "f5f35814 pending 0:01",
        "f5f35814 processing 20% 0:35",
        "f5f35814 done 100% 0:35",
        "f5f35814 downloaded 100% 0:35 2.0 kB",
    ]
