"""The columns that vidjob adds to rows, named so that no column of a row is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["added_name", "added_value", "has_added", "with_added"]

#: Precedes our name where a row has a column with this name.
_PREFIX = "vidjob_"


def added_name(name: str, columns: Collection[str]) -> str:
    """Returns the name of an added column beside the columns of rows."""
    while name in columns:
        name = _PREFIX + name
    return name


def with_added(row: Mapping[str, Any], added: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """Returns a row with columns of ours.

    Args:
        row: The row.
        added: Our columns.
        columns: The columns of all rows, so that ours have the same names beside each of them.
    """
    return {**row, **{added_name(name, columns): value for name, value in added.items()}}


def has_added(row: Mapping[str, Any], name: str) -> bool:
    """Returns whether a written row has our column of this name."""
    return name in row or _PREFIX + name in row


def added_value(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON of any type
    """Returns our column of a written row, or ``None``. A row's own column of this name has no prefix."""
    prefixed = _PREFIX + name
    return added_value(row, prefixed) if prefixed in row else row.get(name)
