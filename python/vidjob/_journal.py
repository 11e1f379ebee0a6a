"""Journals: where they are, and warnings about lines that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidjob._arguments import local_path
from vidjob._errors import InvalidRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["damage_warnings", "elsewhere_warnings", "existing_journal", "journal_folder"]

_MAX_WARNINGS = 10


def damage_warnings(lines: list[str]) -> list[str]:
    """Returns one sentence for each damaged line, and one for all beyond the first ten.

    Args:
        lines: The places of the damaged lines.
    """
    sentences = [f"{line}: the line is damaged and is ignored" for line in lines[:_MAX_WARNINGS]]
    more = len(lines) - _MAX_WARNINGS
    return [*sentences, f"{more:,} more lines of the journal are damaged"] if more > 0 else sentences


def elsewhere_warnings(counts: Mapping[str, int], service: str, journal: Path) -> list[str]:
    """Returns one sentence for each other service that has items of a journal.

    Args:
        counts: The number of items by the base URL of the service.
        service: The base URL of the service that is used now.
        journal: The folder of the journal.
    """
    hint = 'use another folder, or pass on_existing="overwrite" to render them here'
    return [
        f"{'1 item was' if count == 1 else f'{count:,} items were'} made at {other}, not at {service} (journal: "
        f"{journal}): finished ones are kept as they are, and others are available only there; {hint}"
        for other, count in counts.items()
    ]


def journal_folder(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder of a journal: ``.vidjob`` in ``folder``, or else ``folder`` itself."""
    inside = Path(local_path("folder", folder)) / ".vidjob"
    return inside if inside.exists() else Path(folder)


def existing_journal(folder: str | os.PathLike[str]) -> Path:
    """Returns the folder of a journal that exists: a mistyped one is not made.

    Raises:
        InvalidRequest: There is none.
    """
    journal = journal_folder(folder)
    if journal == Path(folder) and not any(journal.glob("[0-9]*-*.jsonl")):
        why = "the folder does not exist" if not journal.exists() else "pass the folder of a batch or of renders"
        raise InvalidRequest(f"there is no journal in {folder}: {why}", field="folder")
    return journal
