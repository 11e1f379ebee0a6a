"""Finds the name that a misspelt one stands for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest"]

#: Edits that lead from a misspelt name to the right one, at most.
_MAX_EDITS = 2
#: Names up to this length allow one edit only: with two, ``page`` is near ``image``.
_SHORT = 5
_SEPARATORS = {ord(mark): None for mark in " -_\t\n\r\xa0"}


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Returns the name that a word probably misspells.

    An edit inserts, deletes or replaces one letter, or swaps two neighbours. Case, blanks, ``-`` and ``_`` do not
    count.

    Args:
        word: The word as it was written.
        names: The names that exist.

    Returns:
        The name with the fewest edits, the first of several; ``None`` if none is within two edits, or one for a name of
        up to five letters.
    """
    written = _plain(word)
    found, fewest = None, _MAX_EDITS + 1
    for name in names:
        plain = _plain(name)
        limit = 1 if len(plain) <= _SHORT else _MAX_EDITS
        if not written or not plain or abs(len(written) - len(plain)) > limit:
            continue
        edits = _edits(written, plain)
        if edits <= limit and edits < fewest:
            found, fewest = name, edits
    return found


def _plain(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def _edits(one: str, other: str) -> int:
    """Returns the number of edits between two words: the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        before, above, row = row, before, [i + 1]
        for j, wanted in enumerate(other):
            edits = min(before[j] + (letter != wanted), before[j + 1] + 1, row[j] + 1)
            if i and j and (letter, one[i - 1]) == (other[j - 1], wanted):
                edits = min(edits, above[j - 1] + 1)
            row.append(edits)
    return row[-1]
