"""Turns orders into items of a batch, and refuses those that conflict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob import _native
from vidjob._batch.row_fields import MEDIA
from vidjob._batch.rows import RowRules, Table, place_of, row_of
from vidjob._errors import DownloadError, InvalidRequest
from vidjob._json_values import escape_surrogates, json_columns, quote_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vidjob._batch.naming import Naming

__all__ = ["Duplicate", "Item", "Plan", "duplicates_warning", "make_folder", "planned"]

#: Rows that a message names besides the first.
_MAX_NAMED = 10
#: Characters of a request's hash that serve as its id, when it has no other.
_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One order, ready to be fed to the compiled part.

    Attributes:
        id: Its id.
        request: Its request.
        sha256: The hash that identifies the request.
        path: Path of its file.
        index: The position of its row, from 0.
        columns: The other columns of its row.
        row: All columns of its row.
    """

    id: str
    request: _native.VideoRequest
    sha256: str
    path: Path
    index: int
    columns: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def recorded(self) -> str:
        """The row as the journal records it. The prompt is recorded with the request."""
        row = {name: value for name, value in self.row.items() if name != "prompt" or value != self.request.prompt}
        return json.dumps(json_columns(row), ensure_ascii=False)


class Duplicate(NamedTuple):
    """A row with the same order as an earlier one.

    Attributes:
        item: The item that it would be.
        first: The position of the earlier row, from 0.
    """

    item: Item
    first: int

    @property
    def warning(self) -> str:
        """Says which row is not rendered."""
        return f"row {self.item.index + 1:,} repeats row {self.first + 1:,} (id {quote_value(self.item.id)})"


class Plan:
    """Makes items of orders, and checks that no two of them conflict.

    Args:
        naming: Gives the paths of files.
        rules: How rows are read.
    """

    def __init__(self, naming: Naming, rules: RowRules) -> None:
        self._naming = naming
        self._rules = rules
        #: The hash and the position of each item.
        self._known: dict[str, tuple[str, int]] = {}
        #: The number of orders so far.
        self.count = 0

    def item(self, order: object) -> Item | Duplicate:
        """Returns the item of the next order, or the duplicate that it is.

        Raises:
            InvalidRequest: It is no order, or conflicts with another; the message names its row.
        """
        index = self.count
        try:
            return self.checked(order)
        except InvalidRequest as error:
            raise _about(place_of(order, index), error) from None

    def checked(self, order: object) -> Item | Duplicate:
        """Returns the same as `item`, with errors that do not name the row."""
        index, self.count = self.count, self.count + 1
        row = row_of(order, self._rules)
        request = row.request._anchored()  # noqa: SLF001 - a part of this package
        if request.upload_url is not None:
            message = "upload_url cannot be used in a batch, which saves the file here"
            raise InvalidRequest(message, field="upload_url")
        if any(getattr(request, name) not in (None, ()) for name in MEDIA):
            # Files that the service cannot take are refused before anything is bought.
            request.preview()
        sha256 = _native.fingerprint(request)
        name = sha256[:_ID_LENGTH] if row.id is None else row.id
        if not name.strip():
            raise InvalidRequest("id is empty", field="id")
        known, first = self._known.get(name, (None, index))
        if known is not None and known != sha256:
            raise InvalidRequest(f"row {first + 1:,} has another request with the same id", field="id")
        about = {"prompt": request.prompt or "", "model": request.model or "", "operation": request.operation}
        number = f"{first:06}"
        path = self._naming.path(name, {**about, **row.columns, "id": name, "index": number})
        item = Item(name, request, sha256, path, index, row.columns, row.given)
        if known is not None:
            return Duplicate(item, first)
        self._known[name] = (sha256, index)
        return item


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, unless they exist.

    Raises:
        DownloadError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{path} cannot be made: {error.strerror or error}", errno=error.errno) from None


def planned(table: Table, plan: Plan) -> list[Item | Duplicate]:
    """Returns the items of all orders of a table: each is checked before the first is bought.

    Raises:
        InvalidRequest: Some orders are wrong or conflict; the message names their rows.
    """
    found = [_checked(plan, order, index) for index, order in enumerate(table.rows)]
    wrong = [item for item in found if isinstance(item, _WrongOrder)]
    if wrong:
        first, *others = wrong
        raise _about(first.place, first.error, _others(others))
    return [item for item in found if not isinstance(item, _WrongOrder)]


def duplicates_warning(duplicates: Sequence[Duplicate]) -> str:
    """Returns the warning for rows that repeat earlier ones."""
    named = ", ".join(duplicate.warning for duplicate in duplicates[:_MAX_NAMED])
    rest = len(duplicates) - _MAX_NAMED
    more = f", and {rest:,} more" if rest > 0 else ""
    return f"{named}{more}: each request is rendered once; give rows ids of their own to render variations"


class _WrongOrder(NamedTuple):
    place: str
    error: InvalidRequest


def _checked(plan: Plan, order: object, index: int) -> Item | Duplicate | _WrongOrder:
    try:
        return plan.checked(order)
    except InvalidRequest as error:
        return _WrongOrder(place_of(order, index), error)


def _about(place: str, error: InvalidRequest, others: str = "") -> InvalidRequest:
    # Output files are UTF-8, too.
    field = None if error.field is None else escape_surrogates(error.field)
    return InvalidRequest(escape_surrogates(f"{place}: {error}{others}"), field=field)


def _others(others: list[_WrongOrder]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{wrong.place}: {wrong.error.field}" for wrong in others[:_MAX_NAMED])
    rest = ", …" if len(others) > _MAX_NAMED else ""
    are = "1 more row is" if len(others) == 1 else f"{len(others):,} more rows are"
    return f"; {are} refused: {named}{rest}"
