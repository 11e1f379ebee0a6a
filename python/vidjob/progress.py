"""How a job fares, by its events, and who is told of it while a call lasts."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod

from vidjob._native import is_terminal_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TextIO, TypeAlias

    from vidjob._native import VideoJob
    from vidjob._values import RenderResult

    Clock: TypeAlias = Callable[[], float]

    class Updatable(Protocol):
        """A bar like tqdm's."""

        def update(self, n: float = 1, /) -> object:
            """Goes on by ``n``."""


__all__ = ["Display", "Pace", "Row", "duration", "is_terminal", "megabytes", "printable"]

_ID_HEAD = 8
#: Columns of the bar, and of a terminal on which it may be twice as long.
_BAR_WIDTH = 12
_WIDE = 100
_STATUS_WIDTH = len("downloading")


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
        if not self.status or is_terminal_status(self.status) or self.status == "downloaded":
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
        self._ended = now if is_terminal_status(status) else None
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
        return [
            f"{self.label:<{label_width}}",
            f"{self.status or 'starting':<{_STATUS_WIDTH}}",
            *bar,
            f"{percent:>4}",
            f"{duration(now - self._began):>5}",
            *self.told,
        ]

    @property
    def told(self) -> list[str]:
        """What there is to say beside status and percent: bytes, the time that is left, trouble."""
        left = None if self._ended is not None else self._pace.remaining(self._clock())
        parts = [self._bytes, "" if left is None else f"{duration(left)} left", self._trouble]
        return [part for part in parts if part]

    @property
    def label(self) -> str:
        """What it is called."""
        return printable(self._label or "job")

    @property
    def label_width(self) -> int:
        """The columns that the label takes; an id to come has its place."""
        return len(self.label) if self._label else _ID_HEAD


# ---- who is told -----------------------------------------------------------------------------


class Display(ABC):
    """Shows how calls fare. All of it happens on the caller's thread, or in the caller's event loop."""

    @abstractmethod
    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:
        """Takes note of an event, and of the job that it tells of."""

    def tick(self) -> None:  # noqa: B027 - not all show the time
        """Brings the time up to date: called four times a second while nothing is heard."""

    def ended(self, result: RenderResult) -> None:  # noqa: B027 - only batches have results on the way
        """Takes note of the end of one item of a batch."""

    def close(self) -> None:  # noqa: B027 - not all have an end
        """Ends what is shown. Closing twice is fine."""
