"""The results of a batch, as a tuple."""

from __future__ import annotations

import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

from vidjob._batch.added_columns import added_name, with_added
from vidjob._hints import resolvable
from vidjob._json_values import escape_surrogates, json_columns
from vidjob._notebook.mixin import NotebookRepr
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

__all__ = ["JoinTable", "Results"]


class JoinTable(NamedTuple):
    """The table of a batch's rows.

    Attributes:
        columns: The names of its columns.
        index: Its pandas index, or ``None``.
    """

    columns: frozenset[str]
    index: Any


class Results(NotebookRepr, tuple[RenderResult, ...]):  # noqa: SLOT001 - tuples have no slots for attributes
    """The results of a batch: a tuple with totals, shown as a table in notebooks.

    Attributes:
        summary: The totals of the batch, as ``summary.json`` has them; empty for results that were collected otherwise.
    """

    summary: dict[str, Any]
    _table: JoinTable | None

    @resolvable
    def __new__(
        cls,
        results: Iterable[RenderResult] = (),
        *,
        summary: Mapping[str, Any] | None = None,
        table: Any = None,  # noqa: ANN401 - of this package
    ) -> Self:
        """Collects results.

        Args:
            results: The results.
            summary: The totals of their batch.
            table: The table of their rows.
        """
        self = super().__new__(cls, results)
        self.summary, self._table = dict(summary or {}), table
        return self

    def _some(self, results: Iterable[RenderResult]) -> Results:
        return Results(results, summary=self.summary, table=self._table)

    @property
    def ok(self) -> Results:
        """The results whose file was saved."""
        return self._some(result for result in self if result.ok)

    @property
    def failed(self) -> Results:
        """The results whose outcome is ``failed``."""
        return self._some(result for result in self if result.outcome == "failed")

    @property
    def without_file(self) -> Results:
        """The results without a file, for whatever reason."""
        return self._some(result for result in self if not result.ok)

    @property
    def cost_usd(self) -> Decimal:
        """What the service billed for the jobs that this run submitted, in US dollars."""
        usages = (result.job.usage for result in self if result.job is not None and result.bought)
        return sum((usage.cost_usd for usage in usages if usage is not None), Decimal(0))

    @property
    def spent_usd(self) -> Decimal | None:
        """What was spent or reserved in the batch's folder at its end, whichever run bought it, in US dollars."""
        spent = self.summary.get("spent_usd")
        return None if spent is None else Decimal(str(spent))

    # ---- tables ------------------------------------------------------------------------------

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns one flat row of JSON types per result, with all columns of the input.

        Every column of the input keeps its name, and ids their type. Added are ``id`` (where the input has none),
        ``outcome``, ``path``, ``bytes``, ``sha256``, ``duration`` (seconds of video), ``cost_usd`` (of the job,
        whichever run bought it; none for a row that repeats another), ``render_seconds``, ``resumed``, ``request_id``,
        ``error`` and ``index`` (the position of the input's row, from 0). An added column whose name the input has
        gets the prefix ``vidjob_``.
        """
        rows = [_row(result) for result in self]
        columns = dict.fromkeys(name for row in rows for name in row)
        empty = dict.fromkeys(columns)
        return [
            with_added({**empty, **row} | _id(result, row), _added(result), columns)
            for row, result in zip(rows, self, strict=True)
        ]

    @resolvable
    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas may be absent
        """Returns a pandas table of the results, in the order of the input's rows.

        The results of a table in memory have only the columns that `to_dicts` adds, and the index of a pandas table,
        so that ``frame.join(results.to_pandas())`` works. Other results have all columns; their index is the position
        of the row.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = _imported("pandas")
        ordered, columns = self._by_column()
        positions = [result.index for result in ordered]
        # Results that are no batch's have no positions.
        index = None if None in positions else positions
        if index is not None and self._table is not None and self._table.index is not None:
            index = self._table.index.take(index)
            if index.has_duplicates:
                message = (
                    "the index has duplicate labels, so a join repeats rows; call reset_index() on the table first"
                )
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        series = {name: pandas.Series(values, index=index, dtype=_PANDAS.get(kind)) for name, kind, values in columns}
        return pandas.DataFrame(series, index=index)

    @resolvable
    def to_polars(self) -> Any:  # noqa: ANN401 - polars may be absent
        """Returns a polars table of the results, with the columns and the order of `to_pandas`.

        ``polars.concat([frame, results.to_polars()], how="horizontal")`` joins it to the table of the input.

        Raises:
            ImportError: polars is not installed.
        """
        polars = _imported("polars")
        _, columns = self._by_column()
        types = {"text": polars.String, "whole": polars.Int64, "number": polars.Float64, "flag": polars.Boolean}
        return polars.DataFrame(
            [polars.Series(name, values, dtype=types.get(kind), strict=False) for name, kind, values in columns]
        )

    @resolvable
    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow may be absent
        """Returns an Arrow table of the results, with the columns and the order of `to_pandas`.

        A column whose values have no common Arrow type becomes text.

        Raises:
            ImportError: pyarrow is not installed.
        """
        pyarrow = _imported("pyarrow")
        _, columns = self._by_column()
        types = {
            "text": pyarrow.string(),
            "whole": pyarrow.int64(),
            "number": pyarrow.float64(),
            "flag": pyarrow.bool_(),
        }

        def array(values: list[Any], kind: str) -> Any:  # noqa: ANN401 - an Arrow array
            try:
                return pyarrow.array(values, types.get(kind))
            except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
                return pyarrow.array([None if value is None else str(value) for value in values])

        return pyarrow.table({name: array(values, kind) for name, kind, values in columns})

    def _by_column(self) -> tuple[list[RenderResult], list[tuple[str, str, list[Any]]]]:
        """Returns the results in the order of their rows, and each column's name, kind and values."""
        ordered = self._some(sorted(self, key=lambda result: -1 if result.index is None else result.index))
        if self._table is None:
            rows, columns = ordered.to_dicts(), _given_columns(ordered)
        else:
            columns = self._table.columns
            rows = [with_added({}, _added_beside(result, columns), columns) for result in ordered]
        kinds = {added_name(name, columns): kind for name, kind in _ADDED.items()}
        names = dict.fromkeys(name for row in rows for name in row) or kinds
        return list(ordered), [(name, kinds.get(name, ""), [row[name] for row in rows]) for name in names]

    # ---- a tuple -----------------------------------------------------------------------------

    @overload
    def __getitem__(self, at: SupportsIndex) -> RenderResult: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> RenderResult | Results:
        """Returns one result, or a slice of them."""
        found = super().__getitem__(at)
        return found if isinstance(found, RenderResult) else self._some(found)

    # IPython looks for it in the class that defines __repr__ before it looks at base classes.
    _repr_pretty_ = NotebookRepr._repr_pretty_

    def __repr__(self) -> str:
        return f"Results({list(self)!r})"


#: The columns that vidjob adds, and what they hold.
_ADDED = {
    "outcome": "text",
    "path": "text",
    "bytes": "whole",
    "sha256": "text",
    "duration": "number",
    "cost_usd": "number",
    "render_seconds": "number",
    "resumed": "flag",
    "request_id": "text",
    "error": "text",
    "index": "whole",
}
_PANDAS = {"text": "object", "whole": "Int64", "number": "float64", "flag": "bool"}


def _added(result: RenderResult) -> dict[str, Any]:
    job = result.job
    video = None if job is None else job.video
    usage = None if job is None or result.duplicate_of is not None else job.usage
    return {
        "outcome": result.outcome,
        "path": None if result.path is None else escape_surrogates(str(result.path)),
        "bytes": result.bytes,
        "sha256": result.sha256,
        "duration": None if video is None else video.duration,
        "cost_usd": None if usage is None else float(usage.cost_usd),
        "render_seconds": result.render_seconds,
        "resumed": result.resumed,
        "request_id": None if job is None else job.request_id,
        "error": None if result.error is None else str(result.error),
        "index": result.index,
    }


def _added_beside(result: RenderResult, given: frozenset[str]) -> dict[str, Any]:
    """Returns the columns that are added to a table: ids, unless its rows have them."""
    return _added(result) if "id" in given and "id" in result.row else {**_id(result, {}), **_added(result)}


def _row(result: RenderResult) -> dict[str, Any]:
    """Returns the row of a result; one that is no batch's has only other columns."""
    return json_columns(result.row or {**result.columns, "id": result.id})


def _id(result: RenderResult, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the id of a result, unless its row has one."""
    return {} if row.get("id") is not None else {"id": escape_surrogates(result.id)}


def _given_columns(results: Iterable[RenderResult]) -> frozenset[str]:
    return frozenset(name for result in results for name in _row(result))


def _imported(library: str) -> Any:  # noqa: ANN401 - libraries that may be absent
    from importlib import import_module

    try:
        return import_module(library)
    except ImportError:
        raise ImportError(f"this table needs {library}: pip install {library}", name=library) from None
