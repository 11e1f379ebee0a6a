"""Orders for many videos, wherever they come from: read one by one into ids, requests and the columns beside them."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob._arguments import local_path
from vidjob._batch.csv_rows import CsvRow, rows_of_csv
from vidjob._batch.row_fields import FIELDS, id_of, is_missing, parsed, request_of
from vidjob._batch.tables import PROMPTS, is_table, no_prompt, rows_of_arrow_batches, rows_of_table
from vidjob._columns import clean, said, shown
from vidjob._errors import InvalidRequest, VidjobError
from vidjob._native import VideoRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    #: One order: a prompt, a request, or a row.
    Order: TypeAlias = str | VideoRequest | Mapping[str, Any]
    #: Where orders come from; tables are those with an Arrow C stream, such as data frames.
    Orders: TypeAlias = Iterable[Order] | PathLike[str]

__all__ = ["Row", "Table", "label_of", "read", "read_async", "row_of", "rows_of_lines"]

_OPERATIONS = {"generations": "generate", "edits": "edit", "extensions": "extend"}
_NAMES = ("id", "custom_id")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LABEL = 200


class Row(NamedTuple):
    """One order, read.

    Attributes:
        id: The caller's name for it, or ``None``.
        request: What is asked for.
        columns: What else stood there.
    """

    id: str | None
    request: VideoRequest
    columns: dict[str, Any]


class Table(NamedTuple):
    """Orders that have been found, not read yet.

    Attributes:
        rows: The orders, one by one: an iterator, or an async one.
        is_whole: Whether all of them are at hand, so that they can be checked before anything is bought.
    """

    rows: Any
    is_whole: bool


# ---- where they come from ---------------------------------------------------------------------


def read(source: object) -> Table:
    """Finds the orders in a list, any iterable, a file, or a table.

    Args:
        source: An iterable of prompts, requests or rows; a path of a JSONL, CSV or Parquet file; or a table with an
            Arrow C stream (pandas, polars, pyarrow, Hugging Face datasets).

    Returns:
        The orders, to be pulled one by one.

    Raises:
        InvalidRequest: The file's kind is not known.
        TypeError: It is nothing of that.
    """
    if isinstance(source, (str, bytes)):
        raise TypeError("requests must be a list or another iterable; for a file pass pathlib.Path(...)")
    if isinstance(source, PathLike):
        path = Path(local_path("requests", source))
        return Table(_all(_reader_of(path), path, str(path)), is_whole=True)
    if isinstance(source, Mapping):
        raise TypeError("requests must be a list of rows, not one row: put it into a list")
    if is_table(source):
        return Table(_all(rows_of_table, source, f"the {type(source).__name__}"), is_whole=True)
    if isinstance(source, AsyncIterable):
        raise TypeError("an async iterable goes to render_many_async")
    if isinstance(source, Iterable):
        return Table(iter(source), is_whole=isinstance(source, (list, tuple)))
    raise TypeError(f"requests must be an iterable, a path or a table, not {type(source).__name__}")


def read_async(source: object) -> Table:
    """The twin of ``read``, which takes async iterables too."""
    if isinstance(source, AsyncIterable) and not isinstance(source, Iterable):
        return Table(aiter(source), is_whole=False)
    return read(source)


def _all(rows_of: Callable[[Any], Iterator[Any]], source: object, name: str) -> Iterator[Any]:
    """The rows of a file or a table: what stops the reading is of the request, whatever the reader raises."""
    try:
        yield from rows_of(source)
    except VidjobError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or said(error) or type(error).__name__
        raise InvalidRequest(f"{clean(name)} cannot be read: {clean(reason)}", field="requests") from error


def _reader_of(path: Path) -> Callable[[Path], Iterator[Any]]:
    kind = path.suffix.lower()
    if kind in {".jsonl", ".ndjson"}:
        return _rows_of_jsonl
    if kind in {".csv", ".tsv"}:
        return _rows_of_csv
    if kind in {".parquet", ".pq"}:
        return _rows_of_parquet
    raise InvalidRequest(f"{path}: orders are read from .jsonl, .csv and .parquet files", field="requests")


def _rows_of_jsonl(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise InvalidRequest(f"{path} cannot be read: it is UTF-16; save the file as UTF-8", field="requests")
        file.seek(0)
        yield from rows_of_lines(file, str(path))


def rows_of_lines(lines: Iterable[str | bytes], name: str) -> Iterator[Any]:
    """Rows from lines of JSON; empty lines are passed over. A line that is none comes as the error it is."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = parsed(line, f"{name}, line {number}", "requests")
            except InvalidRequest as error:
                row = error
            yield row


def _rows_of_csv(path: Path) -> Iterator[Any]:
    return rows_of_csv(path, frozenset((*FIELDS, *_NAMES)))


def _rows_of_parquet(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InvalidRequest(f"{path}: Parquet is read with pyarrow: pip install pyarrow", field="requests") from None
    with parquet.ParquetFile(path) as file:
        yield from rows_of_arrow_batches(file.schema_arrow.names, file.iter_batches())


# ---- what they say ----------------------------------------------------------------------------


def row_of(order: object, *, input_root: Path | None) -> Row:
    """Reads one order.

    Args:
        order: A prompt, a request, a flat row, or a line of xAI's batch form (``custom_id``, ``url``, ``body``); or the
            error that stands where one should be.
        input_root: The folder that ``{"path": …}`` may lead into; without it no path in a row is read.

    Returns:
        The order.

    Raises:
        InvalidRequest: It is no order, or a documented limit excludes it.
    """
    try:
        return _row_of(order, input_root)
    except InvalidRequest as error:
        if isinstance(order, CsvRow):
            raise InvalidRequest(f"{clean(order.place)}: {error}", field=error.field) from None
        raise
    except VidjobError:
        raise
    except Exception as error:
        raise InvalidRequest(f"the row cannot be read: {clean(said(error))}", field="requests") from error


def label_of(order: object) -> str:
    """What an order is called, for messages and for results of orders that are none: an empty text, if nothing."""
    try:
        name = _first_name(_fields_of(order)) if isinstance(order, Mapping) else None
        return "" if name is None else id_of(name)
    except Exception:  # noqa: BLE001 - what is wrong with it is told elsewhere
        return _label_of_what_is_wrong(order)


def _label_of_what_is_wrong(order: Any) -> str:  # noqa: ANN401 - a mapping of any kind
    try:
        name = next((order[key] for key in _NAMES if order.get(key) is not None), "")
    except Exception:  # noqa: BLE001 - likewise
        return ""
    return clean(said(name))[:_LABEL] if isinstance(name, (str, int, float)) else ""


def _row_of(order: object, input_root: Path | None) -> Row:
    if isinstance(order, InvalidRequest):
        raise order
    if isinstance(order, VideoRequest):
        return Row(None, order, {})
    if isinstance(order, str):
        return Row(None, VideoRequest(order), {})
    if not isinstance(order, Mapping):
        words = f"an order is a prompt, a VideoRequest or a row, not {type(order).__name__}"
        raise InvalidRequest(words, field="requests")
    fields = _fields_of(order)
    if isinstance(fields.get("body"), Mapping) and ("url" in fields or "custom_id" in fields):
        return _of_batch_line(fields, input_root)
    # Of a CSV file the header is known to have one, and empty cells are left out.
    if not isinstance(order, CsvRow) and PROMPTS.isdisjoint(map(said, order)):
        raise InvalidRequest(no_prompt(order) if order else "the prompt is missing: the row is empty", field="prompt")
    name = _first_name(fields)
    known = {key: fields.pop(key) for key in list(fields) if key in FIELDS}
    return Row(None if name is None else id_of(name), request_of(known, input_root), fields)


def _fields_of(order: Mapping[Any, Any]) -> dict[str, Any]:
    """What stands in a row, by name, without what says that there is nothing."""
    fields: dict[str, Any] = {}
    names: set[str] = set()
    for key, value in order.items():
        name = said(key)
        if name in names:
            raise InvalidRequest(f"two columns are named {shown(name)}; rename one of them", field=clean(name))
        names.add(name)
        if not is_missing(name, value):
            fields[name] = value
    return fields


def _first_name(fields: dict[str, Any]) -> object:
    """Takes out what the row is called."""
    key = next((key for key in _NAMES if key in fields), None)
    return None if key is None else fields.pop(key)


def _of_batch_line(fields: dict[str, Any], input_root: Path | None) -> Row:
    body = _fields_of(fields.pop("body"))
    method, url = fields.pop("method", "POST"), fields.pop("url", "/v1/videos/generations")
    is_post = isinstance(method, str) and method.upper() == "POST"
    operation = _OPERATIONS.get(url.rstrip("/").rpartition("/")[2]) if isinstance(url, str) else None
    if not is_post or operation is None:
        words = f"{shown(method)} {shown(url)} is not a create: POST to /v1/videos/generations, edits or extensions"
        raise InvalidRequest(words, field="url")
    known = {name: body.pop(name) for name in list(body) if name in FIELDS and name != "operation"}
    extra = known.pop("extra", {})
    if not isinstance(extra, Mapping):
        raise InvalidRequest(f"extra must be an object of JSON types, not {shown(extra)}", field="extra")
    name = fields.pop("custom_id", None)
    request = request_of({**known, "operation": operation, "extra": {**extra, **body}}, input_root)
    return Row(None if name is None else id_of(name), request, fields)
