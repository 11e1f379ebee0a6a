"""The results of a batch, as a tuple."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from vidjob._json_values import escape_surrogates, json_columns
from vidjob._notebook.mixin import NotebookRepr
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

__all__ = ["Results"]


class Results(NotebookRepr, tuple[RenderResult, ...]):
    """The results of a batch: a tuple with totals, shown as a table in notebooks."""

    __slots__ = ()

    def __new__(cls, results: Iterable[RenderResult] = ()) -> Self:
        """Collects results."""
        return super().__new__(cls, results)

    @property
    def ok(self) -> Results:
        """The results whose file was saved."""
        return Results(result for result in self if result.ok)

    @property
    def failed(self) -> Results:
        """The results without a file, for whatever reason."""
        return Results(result for result in self if not result.ok)

    @property
    def cost_usd(self) -> Decimal:
        """The cost that the service reported, in US dollars."""
        usages = (result.job.usage for result in self if result.job is not None)
        return sum((usage.cost_usd for usage in usages if usage is not None), Decimal(0))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns one flat row per result, for ``pandas.DataFrame`` and the like.

        Columns: ``id``, ``outcome``, ``path``, ``bytes``, ``sha256``, ``duration`` (seconds of video), ``cost_usd``,
        ``render_seconds``, ``resumed``, ``request_id`` and ``error``, and the other columns of the items' rows, unless
        they have one of these names.
        """
        return [_row(result) for result in self]

    @overload
    def __getitem__(self, at: SupportsIndex) -> RenderResult: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> RenderResult | Results:
        """Returns one result, or a slice of them."""
        found = super().__getitem__(at)
        return found if isinstance(found, RenderResult) else Results(found)

    # IPython looks for it in the class that defines __repr__ before it looks at base classes.
    _repr_pretty_ = NotebookRepr._repr_pretty_

    def __repr__(self) -> str:
        return f"Results({list(self)!r})"


def _row(result: RenderResult) -> dict[str, Any]:
    job = result.job
    video = None if job is None else job.video
    usage = None if job is None else job.usage
    return {
        **json_columns(result.columns),
        "id": result.id,
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
    }
