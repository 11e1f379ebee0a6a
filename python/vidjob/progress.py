"""How jobs fare, on a terminal: one row redrawn in place, several at once, or now and then a plain line."""

from __future__ import annotations

import os
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TextIO, TypeAlias

    from vidjob._native import VideoJob

    Clock: TypeAlias = Callable[[], float]

__all__ = ["Bar", "Board", "Lines", "Row", "is_terminal", "megabytes", "printable"]

#: Seconds between two redraws, at least.
REDRAW = 0.1
#: Seconds after which the time on a terminal is brought up to date when nothing is heard.
TICK = 0.25
#: Seconds between plain lines about the same job.
PLAIN = 30.0

_ID_HEAD = 8
#: Columns of the bar, and of a terminal on which it may be twice as long.
_BAR_WIDTH = 12
_WIDE = 100
_STATUS_WIDTH = len("downloading")
_NO_SIZE = 80
_TERMINAL = ("done", "failed", "expired")


# ---- words -----------------------------------------------------------------------------------


def printable(text: str) -> str:
    """Text from elsewhere on one line, without anything that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def megabytes(count: int) -> str:
    """A number of bytes as people say it."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether what is written can be redrawn in place."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


# ---- one job ---------------------------------------------------------------------------------


class Pace:
    """Foretells an end from how fast it came nearer so far."""

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._first = self._last = (0.0, 1.0)

    def saw(self, part: float, now: float) -> None:
        """Takes note of the part that is done, from 0 to 1."""
        # What passes before anything moves, such as a queue, says nothing of the speed.
        if part <= 0 or part < self._first[1]:
            self._first = (now, part)
        self._last = (now, part)

    def remaining(self, now: float) -> float | None:
        """Seconds until the end, if that can be told and is not now."""
        (began, from_part), (seen, part) = self._first, self._last
        if part <= from_part or seen <= began:
            return None
        end = seen + (1 - part) * (seen - began) / (part - from_part)
        return end - now if end - now >= 1 else None


class Row:
    """What is known of one job, from its events, and how that reads in one line.

    Args:
        label: What to call it. Default: the head of its id.
        clock: Gives the time in seconds.
        changed: Called after each event.
    """

    def __init__(
        self,
        label: str | None = None,
        clock: Clock = time.monotonic,
        changed: Callable[[Row], object] = lambda _row: None,
    ) -> None:
        self._label = label
        self._clock = clock
        self._changed = changed
        self._began = clock()
        self._ended: float | None = None
        self._pace = Pace()
        self._bytes = ""
        self._trouble = ""
        self.status = ""
        self.percent: int | None = None

    @property
    def milestone(self) -> str:
        """Changes when a plain line is due: at the start, at the end, and when the file is there."""
        if not self.status or self.status in {*_TERMINAL, "downloaded"}:
            return self.status
        return "done" if self.status == "downloading" else "under way"

    @property
    def age(self) -> float:
        """For how many seconds it has been known."""
        return self._clock() - self._began

    @property
    def is_over(self) -> bool:
        """Whether no more is expected, as far as is known."""
        return self._ended is not None

    def hears(self, event: Mapping[str, Any]) -> None:
        """Takes note of an event."""
        kind, now = event["event"], self._clock()
        if kind == "request":
            self._trouble = ""
        elif kind == "retry":
            reason = printable(event["reason"])
            self._trouble = f"retry {event['attempt']} in {event['delay']:.0f} s: {reason}"
        else:
            self._label = self._label or (event["request_id"] or "")[:_ID_HEAD]
            self._trouble = ""
        if kind == "accepted":
            self._stands("pending", None, now)
        elif kind == "status":
            self._stands(event["status"], event["progress"], now)
        elif kind == "download":
            self._arrives(event["received"], event["total"], now)
        self._changed(self)

    def _stands(self, status: str, percent: int | None, now: float) -> None:
        self.status, self.percent = status, percent
        self._ended = now if status in _TERMINAL else None
        self._pace.saw((percent or 0) / 100, now)

    def _arrives(self, received: int, total: int | None, now: float) -> None:
        if not self.status.startswith("download"):
            self._pace = Pace()
        whole = total is not None and received >= total
        self.status = "downloaded" if whole else "downloading"
        self._ended = now if whole else None
        self._bytes = megabytes(received) if whole or total is None else f"{megabytes(received)} of {megabytes(total)}"
        part = received / total if total else 0.0
        self.percent = 100 if whole else int(part * 100) if total else None
        self._pace.saw(part, now)

    def line(self, width: int, label_width: int, glyphs: str) -> str:
        """The row for a terminal.

        Args:
            width: Columns that may be used.
            label_width: Columns that the label takes.
            glyphs: A full and an empty part of the bar.
        """
        parts = _BAR_WIDTH * 2 if width >= _WIDE else _BAR_WIDTH
        full = parts * (self.percent or 0) // 100
        bar = glyphs[0] * full + glyphs[1] * (parts - full)
        return "  ".join(self._cells(label_width, bar)).rstrip()[:width]

    def text(self, label_width: int) -> str:
        """The row as a plain line."""
        return "  ".join(self._cells(label_width)).rstrip()

    def _cells(self, label_width: int, *bar: str) -> list[str]:
        percent = "" if self.percent is None else f"{self.percent}%"
        now = self._clock() if self._ended is None else self._ended
        left = None if self._ended is not None else self._pace.remaining(now)
        tail = [
            self._bytes,
            "" if left is None else f"{duration(left)} left",
            self._trouble,
        ]
        return [
            f"{self.label:<{label_width}}",
            f"{self.status or 'starting':<{_STATUS_WIDTH}}",
            *bar,
            f"{percent:>4}",
            f"{duration(now - self._began):>5}",
            *filter(None, tail),
        ]

    @property
    def label(self) -> str:
        """What it is called."""
        return printable(self._label or "job")

    @property
    def label_width(self) -> int:
        """The columns that the label takes; an id to come has its place."""
        return len(self.label) if self._label else _ID_HEAD


# ---- where rows are shown --------------------------------------------------------------------


class _Ticker:
    """Calls something again and again, from a thread of its own, until it is closed."""

    def __init__(self, every: float, tick: Callable[[], object]) -> None:
        self._every = every
        self._tick = tick
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vidjob-progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._tick()

    def close(self) -> None:
        self._over.set()
        self._thread.join()


class _Display:
    """Rows and the stream they are shown on. A stream that fails is left alone: the jobs matter more."""

    def __init__(self, stream: TextIO | None, clock: Clock, every: float | None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._every = every
        self._rows: list[Row] = []
        self._ticker: _Ticker | None = None
        self._lock = threading.Lock()
        self._usable = self._stream is not None  # pythonw has none

    def row(self, label: str | None = None) -> Row:
        """A further row.

        Args:
            label: What to call it. Default: the head of the job's id.
        """
        row = Row(label, self._clock, self._hears)
        self._rows.append(row)
        return row

    def close(self) -> None:
        """Shows how things stand, and ends. Closing twice is fine."""
        if self._ticker is not None:
            self._ticker.close()
            self._ticker = None
        with self._lock:
            self._finish()
            self._usable = False

    def _hears(self, row: Row) -> None:
        with self._lock:
            if not self._usable:
                return
            self._show(row)
        if self._ticker is None and self._every is not None:
            self._ticker = _Ticker(self._every, self._tick)

    def _tick(self) -> None:
        with self._lock:
            if self._usable:
                self._show(None)

    def _show(self, row: Row | None) -> None:
        """Shows what changed: one row, or no more than the time."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Shows the last of it."""

    def _label_width(self) -> int:
        return max(row.label_width for row in self._rows)

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._usable = False


class Board(_Display):
    """Several rows, redrawn in place on a terminal; elsewhere nothing is drawn.

    Args:
        stream: Where to draw. Default: standard error.
        clock: Gives the time in seconds.
        every: Seconds between redraws while nothing is heard; ``None`` draws at events only.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic, every: float | None = TICK) -> None:
        super().__init__(stream, clock, every)
        self._usable = self._usable and is_terminal(self._stream)
        self._glyphs = _glyphs(self._stream)
        self._drawn: list[str] = []
        self._drawn_at = float("-inf")

    def _show(self, row: Row | None) -> None:  # noqa: ARG002 - all are redrawn
        if self._clock() - self._drawn_at >= REDRAW:
            self._draw()

    def _finish(self) -> None:
        if self._usable and self._drawn:
            self._draw()
            self._write("\n")

    def _draw(self) -> None:
        width, label_width = _columns(self._stream) - 1, self._label_width()
        lines = [row.line(width, label_width, self._glyphs) for row in self._rows]
        before = [len(line) for line in self._drawn] + [0] * len(lines)
        up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
        # Blanks cover what was longer before: that needs no terminal to know of erasing.
        text = "\n".join(f"\r{line:<{min(was, width)}}" for line, was in zip(lines, before, strict=False))
        self._write(up + text)
        self._drawn, self._drawn_at = lines, self._clock()


class Lines(_Display):
    """Rows as plain lines, for logs: at the start, at the end, and in between now and then.

    Args:
        stream: Where to write. Default: standard error.
        clock: Gives the time in seconds.
        every: Seconds between looks at the clock while nothing is heard; ``None`` looks at events only.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic, every: float | None = TICK) -> None:
        super().__init__(stream, clock, every)
        self._written: dict[Row, tuple[str, float]] = {}

    def _show(self, row: Row | None) -> None:
        for each in self._rows if row is None else [row]:
            milestone, written_at = self._written.get(each, ("", 0.0))
            due = milestone and not each.is_over and self._clock() - written_at >= PLAIN
            if each.milestone != milestone or due:
                self._written[each] = (each.milestone, self._clock())
                self._write(each.text(self._label_width()) + "\n")


class Bar:
    """One row for one call, redrawn in place; nothing at all where standard error is no terminal.

    Args:
        stream: Where to draw. Default: standard error.
        clock: Gives the time in seconds.
        every: Seconds between redraws while nothing is heard; ``None`` draws at events only.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic, every: float | None = TICK) -> None:
        self._board = Board(stream, clock, every)
        self._row = self._board.row()

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event, and shows it."""
        self._row.hears(event)

    def close(self) -> None:
        """Leaves the row as it is, and the cursor on a fresh line. Closing twice is fine."""
        self._board.close()


def _glyphs(stream: TextIO) -> str:
    glyphs = "█░"
    try:
        glyphs.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "#."
    return glyphs


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _NO_SIZE
    except (AttributeError, OSError, ValueError):
        return _NO_SIZE
