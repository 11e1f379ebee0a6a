"""Showing a batch: one line of totals, over the jobs that are under way."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vidjob._outputs import outcome_of
from vidjob.cli.board import PLAIN, REDRAW, Rows, columns, glyphs
from vidjob.progress import Row, duration, is_terminal, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from vidjob._native import VideoJob
    from vidjob._values import RenderResult
    from vidjob.progress import Clock

__all__ = ["Totals"]

#: Jobs that are shown at once.
_SHOWN = 8
_LABEL = 16
#: Fewer ends than these foretell nothing.
_FEWEST = 3
#: One that takes longer than usual is taken for this far.
_NEARLY = 0.95


class Totals(Rows):
    """How a batch stands: redrawn in place on a terminal, else one plain line every half minute.

    Args:
        total: How many items there are, if that is known.
        stream: Where to show it. Default: standard error.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        total: int | None = None,
        stream: TextIO | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(stream, clock)
        self._total = total
        self._terminal = is_terminal(self._stream)
        self._glyphs = glyphs(self._stream)
        self._under_way: dict[str, Row] = {}
        self._began = self._shown_at = clock()
        self._ended = self._done = self._failed = self._resumed = 0
        #: How long those that ended were under way, together.
        self._ages = 0.0
        self._spent = Decimal(0)
        self._drawn: list[str] = []

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event of one item."""
        name = event.get("id")
        if name is None:
            return
        row = self._under_way.get(name)
        if row is None:
            row = self._under_way[name] = Row(printable(name)[:_LABEL], self._clock)
        row.hears(event)
        self._hears(row)

    def ended(self, result: RenderResult) -> None:
        """Takes note of an item's end."""
        row = self._under_way.pop(result.id, None)
        self._ages += 0.0 if row is None else row.age
        self._ended += 1
        self._done += result.ok
        self._failed += outcome_of(result) in {"failed", "blocked", "unknown"}
        self._resumed += result.resumed
        if result.job is not None and result.job.usage is not None:
            self._spent += result.job.usage.cost_usd
        self._hears(row or Row(result.id, self._clock))

    def forget(self, count: int) -> None:
        """Counts fewer items than were thought to be there."""
        if self._total is not None:
            self._total -= count

    def say(self, text: str) -> None:
        """A line that stays, above the totals."""
        if not self._usable:
            return
        if not self._drawn:
            self._write(text + "\n")
            return
        up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
        # What is longer than a line would push the rest away from where it is redrawn.
        self._write(f"{up}\r\x1b[J{text}\n")
        self._drawn = []
        self._draw()

    @property
    def text(self) -> str:
        """The totals."""
        of = "" if self._total is None else f" of {self._total:,}"
        left, under_way = self._left(), len(self._under_way)
        parts = [
            f"{self._done:,}{of} done",
            f"{under_way:,} under way" if under_way else "",
            f"{self._failed:,} failed" if self._failed else "",
            f"{self._spent.quantize(Decimal('0.01'))} USD",
            duration(self._clock() - self._began),
            "" if left is None else f"{duration(left)} left",
        ]
        return ", ".join(filter(None, parts))

    def _left(self) -> float | None:
        """Seconds to the end, at the pace so far. What was done before tells nothing of it."""
        made = self._ended - self._resumed
        if self._total is None or made < _FEWEST or self._ended >= self._total:
            return None
        work = made + sum(self._part(row, self._ages / made) for row in list(self._under_way.values()))
        return max(self._clock() - self._began, 0.0) / work * (self._total - self._resumed - work)

    @staticmethod
    def _part(row: Row, usual: float) -> float:
        """How much of one that is under way is done: by its own word, or by its age."""
        if row.status not in {"", "pending", "queued", "processing"}:
            return 1.0
        if row.percent is not None:
            return row.percent / 100
        return min(row.age / usual, _NEARLY) if usual > 0 else 0.0

    def _show(self, row: Row | None) -> None:  # noqa: ARG002 - all are redrawn
        if self._terminal:
            if self._clock() - self._shown_at >= REDRAW:
                self._draw()
        elif self._clock() - self._shown_at >= PLAIN:
            self._shown_at = self._clock()
            self._write(self.text + "\n")

    def _finish(self) -> None:
        if not self._usable:
            return
        if self._terminal:
            self._under_way.clear()
            self._draw()
            up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
            self._write(f"{up}\n")
        else:
            self._write(self.text + "\n")

    def _draw(self) -> None:
        width = columns(self._stream) - 1
        rows = [row.line(width, _LABEL, self._glyphs) for row in list(self._under_way.values())[:_SHOWN]]
        lines = [self.text[:width], *rows]
        # Lines that are gone are covered with blanks.
        lines += [""] * (len(self._drawn) - len(lines))
        before = [len(line) for line in self._drawn] + [0] * len(lines)
        up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
        text = "\n".join(f"\r{line:<{min(was, width)}}" for line, was in zip(lines, before, strict=False))
        self._write(up + text)
        self._drawn, self._shown_at = lines, self._clock()
