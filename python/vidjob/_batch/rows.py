"""Reads orders from lists, files and tables, one by one, into ids, requests and other columns."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sized
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob._arguments import local_path, optional_path
from vidjob._batch.column_names import FIELD_NAMES, ID_NAMES, check_prompt, check_spelling
from vidjob._batch.csv_rows import rows_of_csv
from vidjob._batch.file_row import FileRow
from vidjob._batch.row_fields import id_of, is_missing, parsed, plain_fields, plain_row, request_of
from vidjob._batch.tables import (
    columns_of_table,
    index_of_table,
    is_table,
    rows_of_arrow_batches,
    rows_of_table,
)
from vidjob._checks import wrong_type
from vidjob._errors import InvalidRequest, VidjobError
from vidjob._json_values import escape_surrogates, quote_value, to_text
from vidjob._native import VideoRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "Row",
    "RowRules",
    "Table",
    "label_of",
    "place_of",
    "plain_row_of",
    "read",
    "read_async",
    "row_of",
    "row_rules",
    "rows_of_lines",
]

_OPERATIONS = {"generations": "generate", "edits": "edit", "extensions": "extend"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LABEL = 200


class Row(NamedTuple):
    """One order, read.

    Attributes:
        id: Its id, or ``None``.
        request: Its request.
        columns: Its other columns.
        given: All its columns, as they were given; for a prompt or a request, its fields.
    """

    id: str | None
    request: VideoRequest
    columns: dict[str, Any]
    given: dict[str, Any]


class RowRules(NamedTuple):
    """How rows are read.

    Attributes:
        input_root: The folder that paths in rows may lead into; without it, rows cannot name files.
        passed: Columns that are not fields, even if their names look like misspelt ones.
    """

    input_root: Path | None = None
    passed: frozenset[str] = frozenset()


def row_rules(input_root: str | PathLike[str] | None, columns: Iterable[str]) -> RowRules:
    """Returns the rules of a batch; the folder is made absolute, for the working folder may change.

    Raises:
        InvalidRequest: ``columns`` is no collection of names, or ``input_root`` is an address.
    """
    names = None if isinstance(columns, (str, bytes)) or not isinstance(columns, Iterable) else list(columns)
    if names is None or not all(isinstance(name, str) for name in names):
        raise wrong_type("columns", columns, 'a list of names such as ["page"]')
    root = optional_path("input_root", input_root)
    return RowRules(None if root is None else Path(root), frozenset(names))


class Table(NamedTuple):
    """Orders that are not read yet.

    Attributes:
        rows: An iterator of orders, or an async one.
        is_whole: Whether all orders are available, so that they can be checked before anything is bought.
        is_finite: Whether the orders have an end, so that each of them can have a result.
        columns: The columns of a table in memory, which results can be joined to; else ``None``.
        index: The index of a pandas table, or ``None``.
    """

    rows: Any
    is_whole: bool
    is_finite: bool
    columns: frozenset[str] | None = None
    index: Any = None


# ---- sources -------- ---------------------------------------------------------------------


def read(source: object, passed: Collection[str] = ()) -> Table:
    """Opens a list, any iterable, a file, or a table of orders.

    Args:
        source: An iterable of prompts, requests or rows; a path of a JSONL, CSV or Parquet file; or a table with an
            Arrow C stream (pandas, polars, pyarrow, Hugging Face datasets).
        passed: Columns that are not fields, even if their names look like misspelt ones.

    Returns:
        The orders.

    Raises:
        InvalidRequest: The file has an unknown suffix, or the source another type.
    """
    if isinstance(source, (str, bytes, VideoRequest, Mapping)):
        hint = "put it into a list" if not isinstance(source, (str, bytes)) else "for a file pass pathlib.Path(...)"
        raise wrong_type("requests", source, "a list of prompts, requests or rows", hint)
    if isinstance(source, PathLike):
        path = Path(local_path("requests", source))
        return Table(_all(_reader_of(path, passed), path, str(path)), is_whole=True, is_finite=True)
    if is_table(source):
        rows = _all(partial(rows_of_table, passed=passed), source, f"the {type(source).__name__}")
        index = index_of_table(source)
        # A column of ours with the name of the index would collide once that becomes a column.
        names = () if index is None else (to_text(name) for name in index.names if name is not None)
        columns = frozenset((*columns_of_table(source), *names))
        return Table(rows, is_whole=True, is_finite=True, columns=columns, index=index)
    if isinstance(source, AsyncIterable):
        raise InvalidRequest("requests is an async iterable; pass it to render_many_async", field="requests")
    if isinstance(source, Iterable):
        is_whole = isinstance(source, (list, tuple))
        return Table(iter(source), is_whole=is_whole, is_finite=isinstance(source, Sized))
    raise wrong_type("requests", source, "an iterable, a path or a table")


def read_async(source: object, passed: Collection[str] = ()) -> Table:
    """Opens async iterables as well as what `read` opens."""
    if isinstance(source, AsyncIterable) and not isinstance(source, Iterable):
        return Table(aiter(source), is_whole=False, is_finite=isinstance(source, Sized))
    return read(source, passed)


def _all(rows_of: Callable[[Any], Iterator[Any]], source: object, name: str) -> Iterator[Any]:
    """Yields the rows of a file or a table; every exception of the reader becomes an ``InvalidRequest``."""
    try:
        yield from rows_of(source)
    except VidjobError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or to_text(error) or type(error).__name__
        raise InvalidRequest(
            f"{escape_surrogates(name)} cannot be read: {escape_surrogates(reason)}", field="requests"
        ) from error


def _reader_of(path: Path, passed: Collection[str]) -> Callable[[Path], Iterator[Any]]:
    kind = path.suffix.lower()
    if kind in {".jsonl", ".ndjson"}:
        return _rows_of_jsonl
    if kind in {".csv", ".tsv"}:
        return partial(rows_of_csv, known=frozenset((*FIELD_NAMES, *ID_NAMES)), passed=passed)
    if kind in {".parquet", ".pq"}:
        return partial(_rows_of_parquet, passed=passed)
    raise InvalidRequest(f"{path}: orders are read from .jsonl, .csv and .parquet files", field="requests")


def _rows_of_jsonl(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise InvalidRequest(f"{path} cannot be read: it is UTF-16; save the file as UTF-8", field="requests")
        file.seek(0)
        yield from rows_of_lines(file, str(path))


def rows_of_lines(lines: Iterable[str | bytes], name: str) -> Iterator[Any]:
    """Yields rows from lines of JSON, without empty lines. For a line that is not JSON, it yields the error."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = parsed(line, f"{name}, line {number}", "requests")
            except InvalidRequest as error:
                row = error
            yield FileRow(row, f"{name}, line {number}") if isinstance(row, dict) else row


def _rows_of_parquet(path: Path, passed: Collection[str]) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InvalidRequest(f"{path}: Parquet is read with pyarrow: pip install pyarrow", field="requests") from None
    with parquet.ParquetFile(path) as file:
        yield from rows_of_arrow_batches(file.schema_arrow.names, file.iter_batches(), passed)


# ---- rows -------- ----------------------------------------------------------------------------


def row_of(order: object, rules: RowRules) -> Row:
    """Reads one order.

    Args:
        order: A prompt, a request, a flat row, or a line of xAI's batch form (``custom_id``, ``url``, ``body``); or the
            error that a reader yielded in its place.
        rules: How rows are read.

    Returns:
        The order.

    Raises:
        InvalidRequest: It is not an order, or a documented limit excludes it.
    """
    try:
        return _row_of(as_mapping(order), rules)
    except VidjobError:
        raise
    except Exception as error:
        raise InvalidRequest(
            f"the row cannot be read: {escape_surrogates(to_text(error))}", field="requests"
        ) from error


def as_mapping(order: object) -> object:
    """Returns a named tuple, such as pandas' ``itertuples`` yields, as a mapping; anything else as it is."""
    return order._asdict() if isinstance(order, tuple) and hasattr(order, "_asdict") else order


def place_of(order: object, index: int) -> str:
    """Returns where an order stands, for messages: its row, counted from 1, its line in a file, and its id."""
    label = label_of(as_mapping(order))
    details = [order.place if isinstance(order, FileRow) else "", f"id {quote_value(label)}" if label else ""]
    known = ", ".join(filter(None, details))
    return f"row {index + 1:,} ({known})" if known else f"row {index + 1:,}"


def plain_row_of(order: object) -> dict[str, Any]:
    """Returns the columns of an order that cannot be read, as far as they are readable."""
    try:
        row = as_mapping(order)
        return plain_row(_given(row)) if isinstance(row, Mapping) else {}
    except Exception:  # noqa: BLE001 - reported elsewhere
        return {}


def label_of(order: object) -> str:
    """Returns the id of an order for messages, even of a wrong one; empty if it has none."""
    try:
        name = _first_name(_fields_of(order)) if isinstance(order, Mapping) else None
        return "" if name is None else id_of(name)
    except Exception:  # noqa: BLE001 - reported elsewhere
        return _label_of_wrong_order(order)


def _label_of_wrong_order(order: Any) -> str:  # noqa: ANN401 - a mapping of any kind
    try:
        name = next((order[key] for key in ID_NAMES if order.get(key) is not None), "")
    except Exception:  # noqa: BLE001 - likewise
        return ""
    return escape_surrogates(to_text(name))[:_LABEL] if isinstance(name, (str, int, float)) else ""


def _row_of(order: object, rules: RowRules) -> Row:
    if isinstance(order, InvalidRequest):
        raise order
    if isinstance(order, (str, VideoRequest)):
        request = VideoRequest(order) if isinstance(order, str) else order
        return Row(None, request, {}, plain_fields(request))
    if not isinstance(order, Mapping):
        message = f"a row must be a prompt, a VideoRequest or a mapping of columns, not {type(order).__name__}"
        raise InvalidRequest(message, field="requests")
    fields = _fields_of(order)
    if isinstance(fields.get("body"), Mapping) and ("url" in fields or "custom_id" in fields):
        return _of_batch_line(fields, rules)
    # The reader of a file with a header has checked the names, and leaves out empty cells.
    if not isinstance(order, FileRow) or order.names is None:
        names = list(map(to_text, order))
        check_prompt(names)
        check_spelling(names, rules.passed)
    name = _first_name(fields)
    known = {key: fields.pop(key) for key in list(fields) if key in FIELD_NAMES}
    id_, request = None if name is None else id_of(name), request_of(known, rules.input_root)
    return Row(id_, request, fields, plain_row(_given(order)))


def _given(order: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns all columns of a row, also those that are missing in it."""
    names = order.names if isinstance(order, FileRow) and order.names is not None else order
    return {to_text(name): order.get(name) for name in names}


def _fields_of(order: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns the fields of a row by name, without missing values."""
    fields: dict[str, Any] = {}
    names: set[str] = set()
    for key, value in order.items():
        name = to_text(key)
        if name in names:
            raise InvalidRequest(
                f"two columns are named {quote_value(name)}; rename one of them", field=escape_surrogates(name)
            )
        names.add(name)
        if not is_missing(name, value):
            fields[name] = value
    return fields


def _first_name(fields: dict[str, Any]) -> object:
    """Removes the id of a row, and returns it."""
    key = next((key for key in ID_NAMES if key in fields), None)
    return None if key is None else fields.pop(key)


def _of_batch_line(fields: dict[str, Any], rules: RowRules) -> Row:
    body = _fields_of(fields.pop("body"))
    given = plain_row(fields)
    method, url = fields.pop("method", "POST"), fields.pop("url", "/v1/videos/generations")
    is_post = isinstance(method, str) and method.upper() == "POST"
    operation = _OPERATIONS.get(url.rstrip("/").rpartition("/")[2]) if isinstance(url, str) else None
    if not is_post or operation is None:
        message = f"{quote_value(method)} {quote_value(url)} is not a create"
        raise InvalidRequest(f"{message}; use POST to /v1/videos/generations, edits or extensions", field="url")
    check_spelling(body, rules.passed)
    outside = next((name for name in fields if name in FIELD_NAMES and name not in rules.passed), None)
    if outside is not None:
        message = f"{quote_value(outside)} stands beside body, where it has no effect; put it into body"
        raise InvalidRequest(message, field=outside)
    check_spelling((name for name in fields if name != "custom_id"), rules.passed)
    known = {name: body.pop(name) for name in list(body) if name in FIELD_NAMES and name != "operation"}
    extra = known.pop("extra", {})
    if not isinstance(extra, Mapping):
        raise InvalidRequest(f"extra must be an object of JSON types, not {quote_value(extra)}", field="extra")
    name = fields.pop("custom_id", None)
    request = request_of({**known, "operation": operation, "extra": {**extra, **body}}, rules.input_root)
    return Row(None if name is None else id_of(name), request, fields, {**plain_fields(request), **given})
