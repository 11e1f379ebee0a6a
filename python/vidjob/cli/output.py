"""Writes data to standard output, and everything else to standard error."""

from __future__ import annotations

import json
import os

from vidjob._progress.formatting import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

__all__ = ["Output", "OutputError"]

_COLOURS = {"ok": "32", "warn": "33", "FAIL": "31", "error:": "1;31"}


class OutputError(Exception):
    """Standard output cannot be written; its cause says why."""


class Output:
    """Standard output and standard error, in the form that the user chose.

    Args:
        out: Standard output.
        err: Standard error.
        form: ``"text"``, ``"json"`` (one object) or ``"jsonl"`` (one object per event).
        quiet: Whether standard error gets only errors.
    """

    def __init__(self, out: TextIO, err: TextIO, *, form: str = "text", quiet: bool = False) -> None:
        self._out = out
        self._err = err
        self.form = form
        self.quiet = quiet

    @property
    def progress_stream(self) -> TextIO | None:
        """The stream for progress; ``None`` with ``--quiet``, or when events go to the same terminal."""
        shares_terminal = self.form == "jsonl" and is_terminal(self._out) and is_terminal(self._err)
        return None if self.quiet or shares_terminal else self._err

    # ---- data --------------------------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """Writes a line of data.

        Raises:
            OutputError: The disk is full, or the output pipe is closed.
        """
        try:
            self._out.write(_encodable(text + "\n", self._out))
            self._out.flush()
        except OSError as error:
            raise OutputError from error

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Writes names and values, one pair per line, without those that have no value."""
        kept = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in kept), default=0)
        for name, value in kept:
            self.line(f"{name:<{width}}  {value}")

    def table(self, rows: Sequence[Sequence[str]], alignment: str = "") -> None:
        """Writes a table.

        Args:
            rows: The headings, and the rows.
            alignment: ``<`` or ``>`` for each column. Default: the first is aligned left, the others right.
        """
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        marks = alignment or "<".ljust(len(widths), ">")
        for row in rows:
            cells = [f"{cell:{mark}{width}}" for cell, mark, width in zip(row, marks, widths, strict=True)]
            self.line("  ".join(cells).rstrip())

    def result(self, data: Mapping[str, Any] | Sequence[Any]) -> None:
        """Writes the result as JSON: one object, or the last line of many."""
        if self.form == "jsonl":
            self.event({"event": "result", **dict(data)})
        else:
            self.line(json.dumps(data, indent=2))

    def document(self, data: Mapping[str, Any]) -> None:
        """Writes JSON that is itself the data, in every form."""
        self.line(json.dumps(data, indent=2, ensure_ascii=False))

    def event(self, event: Mapping[str, Any]) -> None:
        """Writes one line of JSON."""
        self.line(json.dumps(event, default=str))

    # ---- everything else ---------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Writes a line for people, unless ``--quiet`` is set."""
        if not self.quiet:
            self._write_error(text)

    def ask(self, text: str) -> None:
        """Writes a question, without a line break and even with ``--quiet``."""
        self._err.write(_encodable(text, self._err))
        self._err.flush()

    def error(self, text: str, *more: str, data: Mapping[str, Any] | None = None) -> None:
        """Writes an error, and what to do about it.

        Args:
            text: The error.
            more: Further lines.
            data: The error as JSON, for the forms that print JSON.
        """
        self._write_error(f"{self._coloured('error:', self._err)} {text}")
        for line in more:
            self._write_error(line)
        if data is not None and self.form == "json":
            self.line(json.dumps({"error": data}, indent=2))
        if data is not None and self.form == "jsonl":
            self.event({"event": "error", "error": data})

    def check(self, state: str, name: str, detail: str) -> None:
        """Writes a line of data that begins with ``ok``, ``warn`` or ``FAIL``."""
        padding = " " * (len("warn") - len(state))
        self.line(f"{self._coloured(state, self._out)}{padding}  {name:<9}  {detail}".rstrip())

    def _write_error(self, text: str) -> None:
        try:
            self._err.write(_encodable(text + "\n", self._err))
            self._err.flush()
        except (OSError, ValueError):
            pass  # a closed standard error must not end the work

    @staticmethod
    def _coloured(word: str, stream: TextIO) -> str:
        if os.environ.get("NO_COLOR") or not is_terminal(stream):
            return word
        return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m"


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
