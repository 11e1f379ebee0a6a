"""Reads rows from tables in memory: data frames directly, other tables with an Arrow stream through pyarrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vidjob._errors import InvalidRequest
from vidjob._json_values import quote_value, to_text
from vidjob._native import request_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["PROMPTS", "check_names", "is_table", "no_prompt", "rows_of_arrow_batches", "rows_of_table"]

_FRAMES = (field["name"] for field in request_fields() if field["kind"] in {"image", "keyframes"})
#: Fields of which every row needs one: a prompt, or a frame to start from.
PROMPTS = frozenset({"prompt", "body", *_FRAMES})
_SERIES = (("pandas", "Series"), ("pandas", "Index"), ("polars", "Series"))
_ARRAYS = (("pyarrow", "Array"), ("pyarrow", "ChunkedArray"))


def is_table(source: object) -> bool:
    """Returns whether a value is a table, or a column of one."""
    return hasattr(source, "__arrow_c_stream__") or _is_pandas(source) or _is_one_of(source, (*_SERIES, *_ARRAYS))


def rows_of_table(source: Any) -> Iterator[Any]:  # noqa: ANN401 - tables of every library
    """Returns the rows of a table, or the values of a column.

    Raises:
        InvalidRequest: No column has a prompt, two have the same name, or pyarrow is missing.
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
    """Checks the names of columns.

    Raises:
        InvalidRequest: Two are the same, or none is a prompt.
    """
    texts = list(map(to_text, names))
    twice = next((name for number, name in enumerate(texts) if name in texts[:number]), None)
    if twice is not None:
        raise InvalidRequest(f"two columns are named {quote_value(twice)}; rename one of them", field=twice)
    if texts and PROMPTS.isdisjoint(texts):
        raise InvalidRequest(no_prompt(names), field="prompt")


def no_prompt(names: Iterable[object]) -> str:
    """Returns the message for columns without a prompt."""
    return f"no column is named prompt; the columns are {', '.join(map(quote_value, names))}"


def _is_one_of(value: object, kinds: tuple[tuple[str, str], ...]) -> bool:
    # An instance exists only if its module is imported.
    classes = (getattr(sys.modules.get(module), name, None) for module, name in kinds)
    return isinstance(value, tuple(kind for kind in classes if isinstance(kind, type)))


def _is_pandas(source: object) -> bool:
    return hasattr(source, "to_dict") and hasattr(source, "itertuples")


def _rows_of_pandas(frame: Any) -> Iterator[Any]:  # noqa: ANN401 - pandas may be absent
    # Not through Arrow, which refuses mixed columns, and makes floats of integers beside missing values.
    names = list(frame.columns)
    check_names(names)
    texts = list(map(to_text, names))
    return (dict(zip(texts, values, strict=True)) for values in frame.itertuples(index=False, name=None))


# ---- Arrow ------------------------------------------------------------------------------------


def _rows_of_arrow(source: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever has the interface
    try:
        import pyarrow as pa
    except ImportError:
        message = f"a {type(source).__name__} needs pyarrow: pip install pyarrow"
        raise InvalidRequest(message, field="requests") from None
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
    """Returns the rows of Arrow record batches."""
    check_names(names)
    return (row for batch in batches for row in _rows_of_batch(names, batch))


def _rows_of_batch(names: Sequence[str], batch: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow may be absent
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except Exception:  # noqa: BLE001 - Python cannot represent every date, and raises various errors
        columns = [[_cell(cell) for cell in column] for column in batch.columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _cell(cell: Any) -> object:  # noqa: ANN401 - likewise
    for read in (cell.as_py, lambda: cell.cast("string").as_py()):
        try:
            value: object = read()
        except Exception:  # noqa: BLE001, S112 - likewise
            continue
        return value
    return to_text(cell)
