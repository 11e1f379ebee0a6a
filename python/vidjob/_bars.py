"""What ``progress`` may be, and the bars that ``True`` draws: tqdm's, in a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from vidjob import _kernel
from vidjob._listening import observe
from vidjob._outputs import outcome_of
from vidjob.progress import Display, Row, is_terminal, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vidjob._native import VideoJob
    from vidjob._values import RenderResult
    from vidjob.progress import Clock, Updatable

__all__ = ["BatchBars", "Counter", "JobBar", "Observer", "Percentage", "shown", "shown_many"]

#: Seconds between two redraws, at least.
_REDRAW = 0.1
#: Jobs of a batch that have a bar at once.
_SHOWN = 8
_LABEL = 16
_KNOWN = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
_UNKNOWN = "{desc}     |{bar}| {elapsed}{postfix}"
_BAD = {"failed", "blocked", "unknown"}


def shown(progress: object) -> Display | None:
    """Whoever shows one call, by what was given as ``progress``; nobody in a pipe."""
    if progress is True:
        return JobBar(_tqdm()) if _is_watched() else None
    if isinstance(progress, type) and hasattr(progress, "update"):
        return JobBar(progress)
    return _given(progress, is_batch=False)


def shown_many(progress: object, total: int | None) -> Display | None:
    """Whoever shows a batch of ``total`` items, as far as that is known."""
    if progress is True:
        return BatchBars(_tqdm(), total) if _is_watched() else None
    if isinstance(progress, type) and hasattr(progress, "update"):
        return BatchBars(progress, total)
    return _given(progress, is_batch=True)


def _given(progress: Any, *, is_batch: bool) -> Display | None:  # noqa: ANN401 - what callers pass
    if progress is None or progress is False:
        return None
    if isinstance(progress, Display):
        return progress
    if hasattr(progress, "update"):
        return Counter(progress) if is_batch else Percentage(progress)
    if callable(progress):
        return Observer(progress)
    raise TypeError(f"progress can be True, a callable or a bar like tqdm's, and not {progress!r}")


def _is_watched() -> bool:
    return is_terminal(sys.stderr) or _kernel.is_here()


@cache
def _tqdm() -> Any:  # noqa: ANN401 - a class made here
    """Tqdm's class for this place, without its thread: all is drawn by whoever calls."""
    with warnings.catch_warnings():
        # Where ipywidgets is not installed, tqdm's bars of text do as well.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return type("tqdm", (tqdm,), {"monitor_interval": 0})


class Observer(Display):
    """A callable that is given the events.

    Args:
        call: What is called.
    """

    def __init__(self, call: Callable[[Mapping[str, Any]], object]) -> None:
        self._call = call

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - callers get the event
        """Passes an event on."""
        observe(self._call, event)


class Percentage(Display):
    """A caller's own bar, to which one job adds 100.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Updatable) -> None:
        self._bar = bar
        self._told = 0
        if getattr(bar, "total", 0) is None:
            setattr(bar, "total", 100)  # noqa: B010 - not all have one

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event."""
        if event["event"] == "status":
            self._reaches(event["progress"] or 0)
        elif event["event"] == "download" and event["total"]:
            self._reaches(100 * event["received"] // event["total"])

    def _reaches(self, percent: int) -> None:
        if percent > self._told:
            self._bar.update(percent - self._told)
            self._told = percent


class Counter(Display):
    """A caller's own bar, to which each item of a batch adds 1.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Updatable) -> None:
        self._bar = bar

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:
        """Only ends count."""

    def ended(self, result: RenderResult) -> None:  # noqa: ARG002 - one is like another
        """Takes note of an end."""
        self._bar.update(1)


class JobBar(Display):
    """A bar of tqdm for one call.

    Args:
        tqdm: The class of bars.
        clock: Gives the time in seconds.
    """

    def __init__(self, tqdm: Any, clock: Clock = time.monotonic) -> None:  # noqa: ANN401 - tqdm's, or its like
        self._tqdm = tqdm
        self._clock = clock
        self._row = Row(clock=clock)
        self._bar: Any = None
        self._drawn_at = float("-inf")

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event, and shows it."""
        self._row.hears(event)
        if self._row.is_over or self._clock() - self._drawn_at >= _REDRAW:
            self._draw()

    def tick(self) -> None:
        """Brings the time up to date."""
        if not self._row.is_over:
            self._draw()

    def close(self) -> None:
        """Leaves the bar as it is. Closing twice is fine."""
        if self._bar is not None:
            _draw(self._bar, self._row)
            self._bar.close()
            self._bar = None
            self._drawn_at = float("inf")

    def _draw(self) -> None:
        if self._drawn_at == float("inf"):
            return
        if self._bar is None:
            self._bar = _bar(self._tqdm, leave=True)
        _draw(self._bar, self._row)
        self._drawn_at = self._clock()


class BatchBars(Display):
    """A bar that counts the items of a batch, and one for each of the first jobs under way.

    Args:
        tqdm: The class of bars.
        total: How many items there are, if that is known.
        clock: Gives the time in seconds.
    """

    def __init__(self, tqdm: Any, total: int | None, clock: Clock = time.monotonic) -> None:  # noqa: ANN401 - as above
        self._tqdm = tqdm
        self._clock = clock
        self._all: Any = tqdm(total=total, unit=" jobs", smoothing=0, dynamic_ncols=True)
        self._under_way: dict[str, Row] = {}
        self._bars: dict[str, Any] = {}
        self._failed = 0
        self._cost = 0.0
        self._drawn_at = float("-inf")

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event of one item."""
        name = event.get("id")
        if name is None:
            return
        row = self._under_way.get(name)
        if row is None:
            row = self._under_way[name] = Row(printable(name)[:_LABEL], self._clock)
        row.hears(event)
        self._draw_in_time()

    def ended(self, result: RenderResult) -> None:
        """Takes note of an item's end."""
        self._under_way.pop(result.id, None)
        self._failed += outcome_of(result) in _BAD
        if result.job is not None and result.job.usage is not None:
            self._cost += float(result.job.usage.cost_usd)
        if self._all is not None:
            self._all.n += 1
        self._draw_in_time()

    def tick(self) -> None:
        """Brings the time up to date."""
        self._draw_in_time()

    def close(self) -> None:
        """Leaves the count as it is. Closing twice is fine."""
        if self._all is None:
            return
        self._under_way.clear()
        self._draw()
        self._all.close()
        self._all = None

    def _draw_in_time(self) -> None:
        if self._all is not None and self._clock() - self._drawn_at >= _REDRAW:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = self._clock()
        told = [
            f"{len(self._under_way):,} under way" if self._under_way else "",
            f"{self._failed:,} failed" if self._failed else "",
            f"{self._cost:.2f} USD" if self._cost else "",
        ]
        self._all.set_postfix_str(", ".join(filter(None, told)), refresh=False)
        self._all.refresh()
        for name in [name for name in self._bars if name not in self._under_way]:
            _hide(self._bars.pop(name))
        for name, row in self._under_way.items():
            if name not in self._bars:
                if len(self._bars) == _SHOWN:
                    break
                bar = self._bars[name] = _bar(self._tqdm, leave=False)
                bar.start_t -= row.age
            _draw(self._bars[name], row)


def _bar(tqdm: Any, *, leave: bool) -> Any:  # noqa: ANN401 - as above
    # With a delay it is not drawn before there is something to tell.
    return tqdm(total=100, leave=leave, bar_format=_UNKNOWN, dynamic_ncols=True, delay=1e-9)


def _draw(bar: Any, row: Row) -> None:  # noqa: ANN401 - as above
    bar.bar_format = _UNKNOWN if row.percent is None else _KNOWN
    bar.n = row.percent or 0
    bar.set_description_str(f"{row.label}  {row.status or 'starting':<11}", refresh=False)
    bar.set_postfix_str("  ".join(row.told), refresh=False)
    bar.refresh()


def _hide(bar: Any) -> None:  # noqa: ANN401 - as above
    # In a notebook one that is not full stays, as a warning.
    bar.n = bar.total
    bar.close()
