"""Rows from tables in memory: data frames are read as they are, everything else with an Arrow stream by pyarrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vidjob._columns import said, shown
from vidjob._errors import InvalidRequest
from vidjob._native import request_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["PROMPTS", "check_names", "is_table", "no_prompt", "rows_of_arrow_batches", "rows_of_table"]

_FRAMES = (field["name"] for field in request_fields() if field["kind"] in {"image", "keyframes"})
#: What one of must stand in every row: what to show, or a frame to begin with.
PROMPTS = frozenset({"prompt", "body", *_FRAMES})
_SERIES = (("pandas", "Series"), ("pandas", "Index"), ("polars", "Series"))
_ARRAYS = (("pyarrow", "Array"), ("pyarrow", "ChunkedArray"))


def is_table(source: object) -> bool:
    """Whether it is a table, or a column of one."""
    return hasattr(source, "__arrow_c_stream__") or _is_pandas(source) or _is_one_of(source, (*_SERIES, *_ARRAYS))


def rows_of_table(source: Any) -> Iterator[Any]:  # noqa: ANN401 - tables of every library
    """The rows of a table, or the values of a column.

    Raises:
        InvalidRequest: No column is known, two have one name, or pyarrow is missing.
    """
    if _is_one_of(source, _SERIES):
        return iter(source)
    if _is_pandas(source):
        return _rows_of_pandas(source)
    if hasattr(source, "iter_rows"):  # polars
        check_names(source.columns)
        rows: Iterator[Any] = source.iter_rows(named=True)
        return rows
    return _rows_of_arrow(source)


def check_names(names: Sequence[object]) -> None:
    """Sees that the names of columns stand for something.

    Raises:
        InvalidRequest: They do not.
    """
    texts = list(map(said, names))
    twice = next((name for number, name in enumerate(texts) if name in texts[:number]), None)
    if twice is not None:
        raise InvalidRequest(f"two columns are named {shown(twice)}; rename one of them", field=twice)
    if texts and PROMPTS.isdisjoint(texts):
        raise InvalidRequest(no_prompt(names), field="prompt")


def no_prompt(names: Iterable[object]) -> str:
    """What is said of columns among which no prompt is."""
    return f"no column is named prompt; the columns are {', '.join(map(shown, names))}"


def _is_one_of(value: object, kinds: tuple[tuple[str, str], ...]) -> bool:
    # An instance exists only where its module was imported.
    classes = (getattr(sys.modules.get(module), name, None) for module, name in kinds)
    return isinstance(value, tuple(kind for kind in classes if isinstance(kind, type)))


def _is_pandas(source: object) -> bool:
    return hasattr(source, "to_dict") and hasattr(source, "itertuples")


def _rows_of_pandas(frame: Any) -> Iterator[Any]:  # noqa: ANN401 - pandas may be absent
    # Not through Arrow, which refuses columns of numbers and texts, and makes numbers of whole ones beside gaps.
    names = list(frame.columns)
    check_names(names)
    texts = list(map(said, names))
    return (dict(zip(texts, values, strict=True)) for values in frame.itertuples(index=False, name=None))


# ---- Arrow ------------------------------------------------------------------------------------


def _rows_of_arrow(source: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever has the interface
    try:
        import pyarrow as pa
    except ImportError:
        words = f"a {type(source).__name__} is read with pyarrow: pip install pyarrow"
        raise InvalidRequest(words, field="requests") from None
    if _is_one_of(source, _ARRAYS):
        if not pa.types.is_struct(source.type):
            return iter(source.to_pylist())
        source = pa.Table.from_struct_array(source)
    try:
        reader = pa.RecordBatchReader.from_stream(source)
    except pa.ArrowInvalid:  # a stream of texts
        return iter(pa.chunked_array(source).to_pylist())
    return rows_of_arrow_batches(reader.schema.names, reader)


def rows_of_arrow_batches(names: Sequence[str], batches: Iterable[Any]) -> Iterator[Any]:
    """The rows of Arrow's record batches."""
    check_names(names)
    return (row for batch in batches for row in _rows_of_batch(names, batch))


def _rows_of_batch(names: Sequence[str], batch: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow may be absent
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except Exception:  # noqa: BLE001 - Python cannot hold every date, and then says so in many ways
        columns = [[_cell(cell) for cell in column] for column in batch.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _cell(cell: Any) -> object:  # noqa: ANN401 - likewise
    for read in (cell.as_py, lambda: cell.cast("string").as_py()):
        try:
            value: object = read()
        except Exception:  # noqa: BLE001, S112 - likewise
            continue
        return value
    return said(cell)
