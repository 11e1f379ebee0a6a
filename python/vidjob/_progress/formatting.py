"""Numbers and text from elsewhere, formatted for one line."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["format_duration", "format_size", "is_terminal", "printable"]


def printable(text: str) -> str:
    """Returns text on one line, without anything that controls a terminal."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def format_size(count: int) -> str:
    """Formats a number of bytes, such as ``12.3 MB``."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def format_duration(seconds: float) -> str:
    """Formats seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def is_terminal(stream: TextIO | None) -> bool:
    """Returns whether lines on the stream can be redrawn in place."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False
