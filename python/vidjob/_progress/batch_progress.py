"""The progress of a batch, made from its events and results."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vidjob._progress.formatting import format_duration, printable
from vidjob._progress.job_progress import JobProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidjob._progress.display import Clock
    from vidjob._values import RenderResult

__all__ = ["LABEL_WIDTH", "BatchProgress"]

LABEL_WIDTH = 16
#: Finished items that an estimate of the time left needs.
_MIN_FINISHED = 3
#: The most that is assumed to be done of a job that takes longer than the average.
_MAX_FRACTION = 0.95
_BAD = frozenset({"failed", "blocked", "unknown"})


class BatchProgress:
    """Counts the items of a batch, and keeps the progress of those under way.

    Args:
        total: Number of items, if it is known.
        clock: Returns the time in seconds.
    """

    def __init__(self, total: int | None = None, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._succeeded = self._failed = self._resumed = 0
        #: Seconds that finished items were under way, in sum.
        self._ages = 0.0
        self._cost = Decimal(0)
        self.total = total
        self.finished = 0
        self.under_way: dict[str, JobProgress] = {}

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Records an event of one item."""
        name = event.get("id")
        if name is None:
            return
        job = self.under_way.get(name)
        if job is None:
            job = self.under_way[name] = JobProgress(printable(name)[:LABEL_WIDTH], self._clock)
        job.on_event(event)

    def on_result(self, result: RenderResult) -> None:
        """Records the result of one item."""
        job = self.under_way.pop(result.id, None)
        self._ages += 0.0 if job is None else job.age
        self.finished += 1
        self._succeeded += result.ok
        self._failed += result.outcome in _BAD
        self._resumed += result.resumed
        if result.job is not None and result.job.usage is not None and result.bought:
            self._cost += result.job.usage.cost_usd

    @property
    def text(self) -> str:
        """The progress in one line."""
        of = "" if self.total is None else f" of {self.total:,}"
        left, under_way = self._remaining(), len(self.under_way)
        parts = [
            f"{self._succeeded:,}{of} done",
            f"{under_way:,} under way" if under_way else "",
            f"{self._failed:,} failed" if self._failed else "",
            f"{self._cost.quantize(Decimal('0.01'))} USD",
            format_duration(self._clock() - self._began),
            "" if left is None else f"{format_duration(left)} left",
        ]
        return ", ".join(filter(None, parts))

    def _remaining(self) -> float | None:
        """Estimates the seconds left from the rate so far, without the items that an earlier run had finished."""
        made = self.finished - self._resumed
        if self.total is None or made < _MIN_FINISHED or self.finished >= self.total:
            return None
        work = made + sum(_fraction(job, self._ages / made) for job in list(self.under_way.values()))
        return max(self._clock() - self._began, 0.0) / work * (self.total - self._resumed - work)


def _fraction(job: JobProgress, average: float) -> float:
    """Estimates how much of a job is done: as it reports, or by its age."""
    if job.status not in {"", "pending", "queued", "processing"}:
        return 1.0
    if job.percent is not None:
        return job.percent / 100
    return min(job.age / average, _MAX_FRACTION) if average > 0 else 0.0
