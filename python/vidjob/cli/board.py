"""Jobs on a terminal: rows redrawn in place, or now and then a plain line."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod

from vidjob.progress import Row, is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from vidjob.progress import Clock

__all__ = ["PLAIN", "REDRAW", "Board", "Lines", "Rows", "columns", "glyphs"]

#: Seconds between two redraws, at least.
REDRAW = 0.1
#: Seconds between plain lines about the same job.
PLAIN = 30.0
_NO_SIZE = 80


class Rows(ABC):
    """Rows and the stream they are shown on. A stream that fails is left alone: the jobs matter more."""

    def __init__(self, stream: TextIO | None, clock: Clock) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._rows: list[Row] = []
        self._usable = self._stream is not None  # pythonw has none

    def row(self, label: str | None = None) -> Row:
        """A further row.

        Args:
            label: What to call it. Default: the head of the job's id.
        """
        row = Row(label, self._clock, self._hears)
        self._rows.append(row)
        return row

    def tick(self) -> None:
        """Brings the time up to date."""
        if self._usable:
            self._show(None)

    def close(self) -> None:
        """Shows how things stand, and ends. Closing twice is fine."""
        self._finish()
        self._usable = False

    def _hears(self, row: Row) -> None:
        if self._usable:
            self._show(row)

    @abstractmethod
    def _show(self, row: Row | None) -> None:
        """Shows what changed: one row, or no more than the time."""

    @abstractmethod
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


class Board(Rows):
    """Several rows, redrawn in place on a terminal; elsewhere nothing is drawn.

    Args:
        stream: Where to draw. Default: standard error.
        clock: Gives the time in seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._usable = self._usable and is_terminal(self._stream)
        self._glyphs = glyphs(self._stream)
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
        width, label_width = columns(self._stream) - 1, self._label_width()
        lines = [row.line(width, label_width, self._glyphs) for row in self._rows]
        before = [len(line) for line in self._drawn] + [0] * len(lines)
        up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
        # Blanks cover what was longer before: that needs no terminal to know of erasing.
        text = "\n".join(f"\r{line:<{min(was, width)}}" for line, was in zip(lines, before, strict=False))
        self._write(up + text)
        self._drawn, self._drawn_at = lines, self._clock()


class Lines(Rows):
    """Rows as plain lines, for logs: at the start, at the end, and in between now and then.

    Args:
        stream: Where to write. Default: standard error.
        clock: Gives the time in seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._written: dict[Row, tuple[str, float]] = {}

    def _show(self, row: Row | None) -> None:
        for each in self._rows if row is None else [row]:
            milestone, written_at = self._written.get(each, ("", 0.0))
            due = milestone and not each.is_over and self._clock() - written_at >= PLAIN
            if each.milestone != milestone or due:
                self._written[each] = (each.milestone, self._clock())
                self._write(each.text(self._label_width()) + "\n")

    def _finish(self) -> None:
        """The last line has told how it ended."""


def glyphs(stream: TextIO) -> str:
    """A full and an empty part of a bar, as the stream can show them."""
    blocks = "█░"
    try:
        blocks.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "#."
    return blocks


def columns(stream: TextIO) -> int:
    """How wide a terminal is."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _NO_SIZE
    except (AttributeError, OSError, ValueError):
        return _NO_SIZE
