"""Progress as plain lines: what a line says, and when it is written."""

from __future__ import annotations

import io
from typing import Any

import pytest

from terminal import Clock
from vidjob._progress.formatting import format_duration, format_size, printable
from vidjob._progress.job_progress import RateEstimate
from vidjob.cli.plain_lines import JobLines

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"


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


def test_formatting() -> None:
    assert [format_duration(seconds) for seconds in (-1, 0, 9.9, 61, 3723)] == [
        "0:00",
        "0:00",
        "0:09",
        "1:01",
        "1:02:03",
    ]
    sizes = [0, 999, 1000, 12_345_678, 5_000_000_000]
    assert [format_size(size) for size in sizes] == ["0 B", "999 B", "1.0 kB", "12.3 MB", "5.0 GB"]
    assert printable("a\x1b[2J\n b\u202e") == "a?[2J b?"


def test_time_left_follows_from_the_speed_so_far() -> None:
    rate = RateEstimate()
    assert rate.remaining(0) is None
    rate.update(0, 10)
    rate.update(0, 20)  # a queue, which says nothing of the speed
    assert rate.remaining(20) is None
    rate.update(0.25, 30)
    assert rate.remaining(30) == pytest.approx(30)
    assert rate.remaining(50) == pytest.approx(10)
    assert rate.remaining(60) is None


def test_a_failed_stream_is_left_alone(clock: Clock) -> None:
    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed):
        lines = JobLines(stream, clock)
        for event in (ACCEPTED, status("done", 100)):
            lines.on_event(event)


def test_a_line_has_only_characters_of_its_streams_encoding(clock: Clock) -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"

    stream = Ascii()
    JobLines(stream, clock, label="żółw").on_event(status("processing", 50))
    assert stream.getvalue().startswith("???w  processing")


def test_a_line_comes_every_half_minute_without_events(clock: Clock) -> None:
    stream = io.StringIO()
    lines = JobLines(stream, clock)
    lines.on_event(status("processing", 50))
    for _ in range(65):
        clock.now += 1
        lines.tick()
    assert len(stream.getvalue().splitlines()) == 3


def test_plain_lines_come_at_the_start_at_the_end_and_now_and_then(clock: Clock) -> None:
    stream = io.StringIO()
    lines = JobLines(stream, clock)
    events = [REQUEST, ACCEPTED, status("queued"), status("processing", 10), status("processing", 20)]
    for event in events:
        lines.on_event(event)
        clock.now += 1
    clock.now += 30
    lines.on_event(REQUEST)
    lines.on_event(REQUEST)
    for event in (status("done", 100), download(0, 2000), download(2000, 2000)):
        lines.on_event(event)
    clock.now += 100
    lines.on_event(REQUEST)
    lines.close()
    words = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert words == [
        "f5f35814 pending 0:01",
        "f5f35814 processing 20% 0:35",
        "f5f35814 done 100% 0:35",
        "f5f35814 downloaded 100% 0:35 2.0 kB",
    ]
