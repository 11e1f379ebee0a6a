"""Words for the lines of a journal that cannot be read."""

from __future__ import annotations

__all__ = ["reports"]

_MOST = 10


def reports(lines: list[str]) -> list[str]:
    """One sentence for each damaged line, and one for all beyond the first ten.

    Args:
        lines: Where they stand.
    """
    told = [f"{line}: what it says is not known" for line in lines[:_MOST]]
    more = len(lines) - _MOST
    return [*told, f"{more:,} more lines of the journal are damaged"] if more > 0 else told
