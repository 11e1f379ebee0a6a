"""Turns orders into items of a batch, and refuses those that conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob import _native
from vidjob._batch.rows import Table, label_of, row_of
from vidjob._errors import DownloadError, InvalidRequest
from vidjob._json_values import escape_surrogates, quote_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vidjob._batch.naming import Naming

__all__ = ["Item", "Plan", "make_folder", "planned"]

#: Further wrong orders that a message names.
_MAX_NAMED = 10
#: Characters of a request's hash that serve as its id, when it has no other.
_ID_LENGTH = 16


class Item(NamedTuple):
    """One order, ready to be fed to the compiled part.

    Attributes:
        id: Its id.
        request: Its request.
        sha256: The hash that identifies the request.
        path: Path of its file.
        columns: The other columns of its row.
    """

    id: str
    request: _native.VideoRequest
    sha256: str
    path: Path
    columns: Mapping[str, Any]


class Plan:
    """Makes items of orders, and checks that no two of them conflict.

    Args:
        naming: Gives the paths of files.
        input_root: Folder that paths in rows may lead into.
    """

    def __init__(self, naming: Naming, input_root: Path | None) -> None:
        self._naming = naming
        self._input_root = input_root
        self._hashes: dict[str, str] = {}
        self._count = 0

    def item(self, order: object) -> Item | None:
        """Returns the item of an order, or ``None`` for a duplicate.

        Raises:
            InvalidRequest: It is no order, or conflicts with another; the message names it.
        """
        index = self._count
        try:
            return self.checked(order)
        except InvalidRequest as error:
            raise _about(_name_of(order, index), error) from None

    def checked(self, order: object) -> Item | None:
        """Returns the same as `item`, with errors that do not name the order."""
        index, self._count = self._count, self._count + 1
        row = row_of(order, input_root=self._input_root)
        row = row._replace(request=row.request._anchored())  # noqa: SLF001 - a part of this package
        if row.request.upload_url is not None:
            message = "upload_url cannot be used in a batch, which saves the file here"
            raise InvalidRequest(message, field="upload_url")
        sha256 = _native.fingerprint(row.request)
        name = sha256[:_ID_LENGTH] if row.id is None else row.id
        if not name.strip():
            raise InvalidRequest("id is empty", field="id")
        known = self._hashes.get(name)
        if known == sha256:
            return None
        if known is not None:
            raise InvalidRequest("another request has the same id", field="id")
        request = row.request
        about = {"prompt": request.prompt or "", "model": request.model or "", "operation": request.operation}
        path = self._naming.path(name, {**about, **row.columns, "id": name, "index": f"{index:06}"})
        self._hashes[name] = sha256
        return Item(name, request, sha256, path, row.columns)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, unless they exist.

    Raises:
        DownloadError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{path} cannot be made: {error.strerror or error}", errno=error.errno) from None


def planned(table: Table, plan: Plan) -> list[Item | None]:
    """Returns the items of all orders of a table: each is checked before the first is bought.

    Raises:
        InvalidRequest: Some orders are wrong or conflict; the message names them.
    """
    found = [_checked(plan, order, index) for index, order in enumerate(table.rows)]
    wrong = [item for item in found if isinstance(item, _WrongOrder)]
    if wrong:
        first, *others = wrong
        raise _about(first.name, first.error, _others(others))
    return [item for item in found if not isinstance(item, _WrongOrder)]


class _WrongOrder(NamedTuple):
    name: str
    error: InvalidRequest


def _checked(plan: Plan, order: object, index: int) -> Item | _WrongOrder | None:
    try:
        return plan.checked(order)
    except InvalidRequest as error:
        return _WrongOrder(_name_of(order, index), error)


def _name_of(order: object, index: int) -> str:
    label = label_of(order)
    return f"item {quote_value(label)}" if label else f"item {index}"


def _about(name: str, error: InvalidRequest, others: str = "") -> InvalidRequest:
    # Output files are UTF-8, too.
    field = None if error.field is None else escape_surrogates(error.field)
    return InvalidRequest(escape_surrogates(f"{name}: {error}{others}"), field=field)


def _others(others: list[_WrongOrder]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{wrong.name} ({wrong.error.field})" for wrong in others[:_MAX_NAMED])
    rest = ", …" if len(others) > _MAX_NAMED else ""
    are = "1 more item is" if len(others) == 1 else f"{len(others):,} more items are"
    return f"; {are} refused: {named}{rest}"
