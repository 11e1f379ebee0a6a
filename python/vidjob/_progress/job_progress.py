"""The progress of one job, made from its events."""

from __future__ import annotations

import time

from vidjob._native import is_terminal_status
from vidjob._progress.formatting import format_duration, format_size, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vidjob._progress.display import Clock

__all__ = ["JobProgress", "RateEstimate"]

_ID_LENGTH = 8
_STATUS_WIDTH = len("downloading")


class RateEstimate:
    """Estimates the time left from the rate of progress so far."""

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._first = self._last = (0.0, 1.0)

    def update(self, fraction: float, now: float) -> None:
        """Records the fraction done, from 0 to 1."""
        # Time without progress, such as in a queue, does not count.
        if fraction <= 0 or fraction < self._first[1]:
            self._first = (now, fraction)
        self._last = (now, fraction)

    def remaining(self, now: float) -> float | None:
        """Returns the estimated seconds left, or ``None`` when they are unknown or below 1."""
        (began, first), (seen, last) = self._first, self._last
        if last <= first or seen <= began:
            return None
        end = seen + (1 - last) * (seen - began) / (last - first)
        return end - now if end - now >= 1 else None


class JobProgress:
    """The progress of one job, as its events report it, and its text on one line.

    Args:
        label: The job's name. Default: the beginning of its id.
        clock: Returns the time in seconds.
    """

    def __init__(self, label: str | None = None, clock: Clock = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._began = clock()
        self._ended: float | None = None
        self._rate = RateEstimate()
        self._bytes = ""
        self._retry = ""
        self.status = ""
        self.percent: int | None = None

    @property
    def milestone(self) -> str:
        """Changes when a plain line is due: at the start, at the end, and when the file is saved."""
        if not self.status or is_terminal_status(self.status) or self.status == "downloaded":
            return self.status
        return "done" if self.status == "downloading" else "under way"

    @property
    def age(self) -> float:
        """Seconds since the first event."""
        return self._clock() - self._began

    @property
    def is_over(self) -> bool:
        """Whether no further events are expected."""
        return self._ended is not None

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Records an event."""
        kind, now = event["event"], self._clock()
        if kind == "request":
            self._retry = ""
        elif kind == "retry":
            reason = printable(event["reason"])
            self._retry = f"retry {event['attempt']} in {event['delay']:.0f} s: {reason}"
        else:
            self._label = self._label or (event["request_id"] or "")[:_ID_LENGTH]
            self._retry = ""
        if kind == "accepted":
            self._set_status("pending", None, now)
        elif kind == "status":
            self._set_status(event["status"], event["progress"], now)
        elif kind == "download":
            self._set_received(event["received"], event["total"], now)

    def _set_status(self, status: str, percent: int | None, now: float) -> None:
        self.status, self.percent = status, percent
        self._ended = now if is_terminal_status(status) else None
        self._rate.update((percent or 0) / 100, now)

    def _set_received(self, received: int, total: int | None, now: float) -> None:
        if not self.status.startswith("download"):
            self._rate = RateEstimate()
        is_whole = total is not None and received >= total
        self.status = "downloaded" if is_whole else "downloading"
        self._ended = now if is_whole else None
        of = "" if is_whole or total is None else f" of {format_size(total)}"
        self._bytes = f"{format_size(received)}{of}"
        fraction = received / total if total else 0.0
        self.percent = 100 if is_whole else int(fraction * 100) if total else None
        self._rate.update(fraction, now)

    def text(self, label_width: int) -> str:
        """Returns the progress as a plain line."""
        percent = "" if self.percent is None else f"{self.percent}%"
        now = self._clock() if self._ended is None else self._ended
        cells = [
            f"{self.label:<{label_width}}",
            self.status_cell,
            f"{percent:>4}",
            f"{format_duration(now - self._began):>5}",
            *self.details,
        ]
        return "  ".join(cells).rstrip()

    @property
    def status_cell(self) -> str:
        """The status, padded to the width of the longest."""
        return f"{self.status or 'starting':<{_STATUS_WIDTH}}"

    @property
    def details(self) -> list[str]:
        """Details beside status and percent: bytes, the time left, a retry."""
        left = None if self._ended is not None else self._rate.remaining(self._clock())
        parts = [self._bytes, "" if left is None else f"{format_duration(left)} left", self._retry]
        return [part for part in parts if part]

    @property
    def label(self) -> str:
        """The job's name."""
        return printable(self._label or "job")

    @property
    def label_width(self) -> int:
        """The width of the label; a job without an id yet has room for one."""
        return len(self.label) if self._label else _ID_LENGTH
