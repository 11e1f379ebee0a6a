"""Journals: where they are, and warnings about lines that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidjob._arguments import local_path

if TYPE_CHECKING:
    import os

__all__ = ["damage_warnings", "journal_folder"]

_MAX_WARNINGS = 10


def damage_warnings(lines: list[str]) -> list[str]:
    """Returns one sentence for each damaged line, and one for all beyond the first ten.

    Args:
        lines: The places of the damaged lines.
    """
    sentences = [f"{line}: the line is damaged and is ignored" for line in lines[:_MAX_WARNINGS]]
    more = len(lines) - _MAX_WARNINGS
    return [*sentences, f"{more:,} more lines of the journal are damaged"] if more > 0 else sentences


def journal_folder(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder of a journal: ``.vidjob`` in ``folder``, or else ``folder`` itself."""
    inside = Path(local_path("folder", folder)) / ".vidjob"
    return inside if inside.exists() else Path(folder)
