"""The results of a batch, all at hand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from vidjob._columns import clean, plain
from vidjob._display import Displayed
from vidjob._outputs import outcome_of
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

__all__ = ["Results"]


class Results(Displayed, tuple[RenderResult, ...]):
    """The results of a batch: a tuple that knows what it came to, and shows itself as a table in a notebook."""

    __slots__ = ()

    def __new__(cls, results: Iterable[RenderResult] = ()) -> Self:
        """Makes them of results in any number."""
        return super().__new__(cls, results)

    @property
    def ok(self) -> Results:
        """Those whose file was kept."""
        return Results(result for result in self if result.ok)

    @property
    def failed(self) -> Results:
        """Those that came to nothing, for whatever reason."""
        return Results(result for result in self if not result.ok)

    @property
    def cost_usd(self) -> Decimal:
        """What the service reports that they cost, in US dollars."""
        usages = (result.job.usage for result in self if result.job is not None)
        return sum((usage.cost_usd for usage in usages if usage is not None), Decimal(0))

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat row for each, for ``pandas.DataFrame`` and its like.

        ``id``, ``outcome``, ``path``, ``bytes``, ``sha256``, ``duration`` (seconds of video), ``cost_usd``,
        ``render_seconds``, ``resumed``, ``request_id`` and ``error``; and what else stood in the items' rows, as far as
        the names are free.
        """
        return [_row(result) for result in self]

    @overload
    def __getitem__(self, at: SupportsIndex) -> RenderResult: ...
    @overload
    def __getitem__(self, at: slice) -> Results: ...
    def __getitem__(self, at: SupportsIndex | slice) -> RenderResult | Results:
        """One of them, or a part of them."""
        found = super().__getitem__(at)
        return found if isinstance(found, RenderResult) else Results(found)

    # IPython looks beside __repr__ for it, before it looks at what is inherited.
    _repr_pretty_ = Displayed._repr_pretty_

    def __repr__(self) -> str:
        return f"Results({list(self)!r})"


def _row(result: RenderResult) -> dict[str, Any]:
    job = result.job
    video = None if job is None else job.video
    usage = None if job is None else job.usage
    return {
        **plain(result.columns),
        "id": result.id,
        "outcome": outcome_of(result),
        "path": None if result.path is None else clean(str(result.path)),
        "bytes": result.bytes,
        "sha256": result.sha256,
        "duration": None if video is None else video.duration,
        "cost_usd": None if usage is None else float(usage.cost_usd),
        "render_seconds": result.render_seconds,
        "resumed": result.resumed,
        "request_id": None if job is None else job.request_id,
        "error": None if result.error is None else str(result.error),
    }
