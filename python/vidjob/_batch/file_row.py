"""A row of a file, which remembers its place for messages."""

from __future__ import annotations

from typing import Any

__all__ = ["FileRow"]


class FileRow(dict[str, Any]):
    """A row of a file.

    Attributes:
        place: The file and the line.
        names: The columns of the file's header, whose empty cells the row leaves out; ``None`` without a header.
    """

    __slots__ = ("names", "place")

    def __init__(self, cells: dict[str, Any], place: str, names: tuple[str, ...] | None = None) -> None:
        super().__init__(cells)
        self.place = place
        self.names = names
