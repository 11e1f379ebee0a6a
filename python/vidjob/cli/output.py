"""The one place that writes: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os

from vidjob.progress import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

__all__ = ["Output", "Unwritable"]

_COLOURS = {"ok": "32", "warn": "33", "FAIL": "31", "error:": "1;31"}


class Unwritable(Exception):
    """Standard output takes no more; its cause says why."""


class Output:
    """Standard output and standard error, as the user wants them.

    Args:
        out: Where data goes.
        err: Where everything else goes.
        form: ``"text"``, ``"json"`` (one object) or ``"jsonl"`` (one object per event).
        quiet: Whether only errors go to ``err``.
    """

    def __init__(self, out: TextIO, err: TextIO, *, form: str = "text", quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self.form = form
        self.quiet = quiet

    @property
    def shows_progress_on(self) -> TextIO | None:
        """Where progress may be shown; nowhere when told to be quiet, or where events pass by anyway."""
        crowded = self.form == "jsonl" and is_terminal(self._out) and is_terminal(self._err)
        return None if self.quiet or crowded else self._err

    # ---- data --------------------------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """A line of data.

        Raises:
            Unwritable: The disk is full, or whoever read went away.
        """
        try:
            self._out.write(_encodable(text + "\n", self._out))
            self._out.flush()
        except OSError as error:
            raise Unwritable from error

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Names and values, one pair per line, without those that have no value."""
        kept = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in kept), default=0)
        for name, value in kept:
            self.line(f"{name:<{width}}  {value}")

    def table(self, rows: Sequence[Sequence[str]], alignment: str = "") -> None:
        """Rows under their headings.

        Args:
            rows: The headings, and the rows.
            alignment: For each column ``<`` or ``>``. Default: the first is ranged left, the others right.
        """
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        marks = alignment or "<".ljust(len(widths), ">")
        for row in rows:
            cells = [f"{cell:{mark}{width}}" for cell, mark, width in zip(row, marks, widths, strict=True)]
            self.line("  ".join(cells).rstrip())

    def result(self, data: Mapping[str, Any] | Sequence[Any]) -> None:
        """The result as JSON: one object, or the last line of many."""
        if self.form == "jsonl":
            self.event({"event": "result", **dict(data)})
        else:
            self.line(json.dumps(data, indent=2))

    def document(self, data: Mapping[str, Any]) -> None:
        """JSON that is data in itself, whatever the form of results."""
        self.line(json.dumps(data, indent=2, ensure_ascii=False))

    def event(self, event: Mapping[str, Any]) -> None:
        """One of many lines of JSON."""
        self.line(json.dumps(event, default=str))

    # ---- everything else ---------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line for people, which the quiet do without."""
        if not self.quiet:
            self._complain(text)

    def error(self, text: str, *more: str, data: Mapping[str, Any] | None = None) -> None:
        """What went wrong, and what to do.

        Args:
            text: What went wrong.
            more: Further lines.
            data: The same for machines, if there is a result they wait for.
        """
        self._complain(f"{self._coloured('error:', self._err)} {text}")
        for line in more:
            self._complain(line)
        if data is not None and self.form == "json":
            self.line(json.dumps({"error": data}, indent=2))
        if data is not None and self.form == "jsonl":
            self.event({"event": "error", "error": data})

    def check(self, state: str, name: str, detail: str) -> None:
        """A line of data that begins with ``ok``, ``warn`` or ``FAIL``."""
        padding = " " * (len("warn") - len(state))
        self.line(f"{self._coloured(state, self._out)}{padding}  {name:<9}  {detail}".rstrip())

    def _complain(self, text: str) -> None:
        try:
            self._err.write(_encodable(text + "\n", self._err))
            self._err.flush()
        except (OSError, ValueError):
            pass  # Nobody listens, and that must not end the work.

    @staticmethod
    def _coloured(word: str, stream: TextIO) -> str:
        if os.environ.get("NO_COLOR") or not is_terminal(stream):
            return word
        return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
