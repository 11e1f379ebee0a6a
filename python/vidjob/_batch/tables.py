"""Reads rows from tables in memory: data frames directly, other tables with an Arrow stream through pyarrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vidjob._batch.column_names import check_names
from vidjob._errors import InvalidRequest
from vidjob._json_values import to_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

__all__ = ["columns_of_table", "index_of_table", "is_table", "rows_of_arrow_batches", "rows_of_table"]

_SERIES = (("pandas", "Series"), ("pandas", "Index"), ("polars", "Series"))
_ARRAYS = (("pyarrow", "Array"), ("pyarrow", "ChunkedArray"))


def is_table(source: object) -> bool:
    """Returns whether a value is a table, or a column of one."""
    return hasattr(source, "__arrow_c_stream__") or _is_pandas(source) or _is_one_of(source, (*_SERIES, *_ARRAYS))


def columns_of_table(source: Any) -> list[str]:  # noqa: ANN401 - tables of every library
    """Returns the names of a table's columns."""
    # Where a table has both, as in pyarrow, its data are in ``columns``. A data frame's columns are attributes, too.
    attribute = next((name for name in ("column_names", "columns") if hasattr(type(source), name)), "")
    names = getattr(source, attribute) if attribute else [getattr(source, "name", None)]
    return [to_text(name) for name in names if name is not None]


def index_of_table(source: object) -> Any:  # noqa: ANN401 - pandas may be absent
    """Returns the index of a pandas table or column, or ``None``."""
    is_pandas = _is_pandas(source) or _is_one_of(source, (("pandas", "Series"),))
    return getattr(source, "index", None) if is_pandas else None


def rows_of_table(source: Any, passed: Collection[str] = ()) -> Iterator[Any]:  # noqa: ANN401 - likewise
    """Returns the rows of a table, or the values of a column.

    Args:
        source: The table.
        passed: Columns that are not fields, even if their names look like misspelt ones.

    Raises:
        InvalidRequest: No column has a prompt, a name is wrong, or pyarrow is missing.
    """
    if _is_one_of(source, _SERIES):
        return iter(source)
    if _is_pandas(source):
        return _rows_of_pandas(source, passed)
    if hasattr(source, "iter_rows"):  # polars
        check_names(source.columns, passed)
        rows: Iterator[Any] = source.iter_rows(named=True)
        return rows
    return _rows_of_arrow(source, passed)


def _is_one_of(value: object, kinds: tuple[tuple[str, str], ...]) -> bool:
    # An instance exists only if its module is imported.
    classes = (getattr(sys.modules.get(module), name, None) for module, name in kinds)
    return isinstance(value, tuple(kind for kind in classes if isinstance(kind, type)))


def _is_pandas(source: object) -> bool:
    return hasattr(source, "to_dict") and hasattr(source, "itertuples")


def _rows_of_pandas(frame: Any, passed: Collection[str]) -> Iterator[Any]:  # noqa: ANN401 - pandas may be absent
    # Not through Arrow, which refuses mixed columns, and makes floats of integers beside missing values.
    names = list(frame.columns)
    check_names(names, passed)
    texts = list(map(to_text, names))
    return (dict(zip(texts, values, strict=True)) for values in frame.itertuples(index=False, name=None))


# ---- Arrow ------------------------------------------------------------------------------------


def _rows_of_arrow(source: Any, passed: Collection[str]) -> Iterator[Any]:  # noqa: ANN401 - whatever has the interface
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
    return rows_of_arrow_batches(reader.schema.names, reader, passed)


def rows_of_arrow_batches(names: Sequence[str], batches: Iterable[Any], passed: Collection[str] = ()) -> Iterator[Any]:
    """Returns the rows of Arrow record batches; `rows_of_table` describes the errors."""
    check_names(names, passed)
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
