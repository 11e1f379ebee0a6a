"""The displays that ``progress`` can name: tqdm's bars in a terminal or notebook, a callback, or a caller's own bar."""

from __future__ import annotations

import os
import sys
import time
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from vidjob._checks import wrong_type
from vidjob._notebook import jupyter
from vidjob._observers import notify
from vidjob._progress.batch_progress import BatchProgress
from vidjob._progress.display import Display
from vidjob._progress.formatting import is_terminal
from vidjob._progress.job_progress import JobProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from vidjob._native import VideoJob
    from vidjob._progress.display import Clock
    from vidjob._values import RenderResult
    from vidjob.types import ProgressBar

__all__ = [
    "REDRAW_SECONDS",
    "BatchBars",
    "CountBar",
    "EventCallback",
    "JobBar",
    "PercentBar",
    "display_for_batch",
    "display_for_call",
    "tqdm_class",
]

#: Seconds between two redraws, at least.
REDRAW_SECONDS = 0.1
#: Jobs of a batch that have a bar at once.
_MAX_BARS = 8
_DEFAULT_SIZE = {"ncols": 79, "nrows": 24, "dynamic_ncols": False}
_WITH_PERCENT = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
_WITHOUT_PERCENT = "{desc}     |{bar}| {elapsed}{postfix}"
_COUNTED = "{desc} |{bar}|"


def display_for_call(progress: object) -> Display | None:
    """Returns the display of one call for its argument ``progress``; ``None`` in a pipe."""
    if progress is True:
        return JobBar(tqdm_class()) if _is_visible() else None
    if isinstance(progress, type) and hasattr(progress, "update"):
        return JobBar(progress)
    return _display_of(progress, is_batch=False)


def display_for_batch(progress: object, total: int | None) -> Display | None:
    """Returns the display of a batch of ``total`` items for its argument ``progress``; ``None`` in a pipe."""
    if progress is True:
        return BatchBars(tqdm_class(), total) if _is_visible() else None
    if isinstance(progress, type) and hasattr(progress, "update"):
        return BatchBars(progress, total)
    return _display_of(progress, is_batch=True)


def _display_of(progress: Any, *, is_batch: bool) -> Display | None:  # noqa: ANN401 - as the caller passed it
    if progress is None or progress is False:
        return None
    if isinstance(progress, Display):
        return progress
    if hasattr(progress, "update"):
        return CountBar(progress) if is_batch else PercentBar(progress)
    if callable(progress):
        return EventCallback(progress)
    raise wrong_type("progress", progress, "True, a callable or a bar like tqdm's")


def _is_visible() -> bool:
    return is_terminal(sys.stderr) or jupyter.is_kernel()


@cache
def tqdm_class() -> Any:  # noqa: ANN401 - a subclass of tqdm's
    """Returns tqdm's class for a terminal or notebook, without its thread: the caller's thread draws."""
    with warnings.catch_warnings():
        # Without ipywidgets, tqdm's bars of text do as well.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, **options: Any) -> None:  # noqa: ANN401 - tqdm's own
            size = {} if _has_size(options.get("file") or sys.stderr) else _DEFAULT_SIZE
            super().__init__(**{**options, **size})

    return Bar


def _has_size(stream: TextIO) -> bool:
    """Returns ``False`` for a terminal that reports no size: tqdm draws nothing on it."""
    try:
        return 0 not in os.get_terminal_size(stream.fileno())
    except (AttributeError, OSError, ValueError):  # no terminal
        return True


class EventCallback(Display):
    """Passes events to a callback.

    Args:
        callback: Called with each event.
    """

    def __init__(self, callback: Callable[[Mapping[str, Any]], object]) -> None:
        self._callback = callback

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Passes an event on."""
        notify(self._callback, event)


class PercentBar(Display):
    """A caller's own bar, which one job advances by 100.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self._percent = 0
        if getattr(bar, "total", 0) is None:
            setattr(bar, "total", 100)  # noqa: B010 - not all have one

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Advances the bar to the event's percent."""
        if event["event"] == "status":
            self._advance_to(event["progress"] or 0)
        elif event["event"] == "download" and event["total"]:
            self._advance_to(100 * event["received"] // event["total"])

    def _advance_to(self, percent: int) -> None:
        if percent > self._percent:
            self._bar.update(percent - self._percent)
            self._percent = percent


class CountBar(Display):
    """A caller's own bar, which each item of a batch advances by 1.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:
        """Ignores events: only results count."""

    def on_result(self, result: RenderResult) -> None:  # noqa: ARG002 - each counts 1
        """Advances the bar."""
        self._bar.update(1)


class JobBar(Display):
    """A bar of tqdm for one job.

    Args:
        tqdm: The class of bars.
        clock: Returns the time in seconds.
        label: The job's name. Default: the beginning of its id.
        label_width: Columns of the label.
    """

    def __init__(
        self,
        tqdm: Any,  # noqa: ANN401 - tqdm's, or a class like it
        clock: Clock = time.monotonic,
        label: str | None = None,
        label_width: int = 0,
    ) -> None:
        self._tqdm = tqdm
        self._clock = clock
        self._label_width = label_width
        self._job = JobProgress(label, clock)
        self._bar: Any = None
        self._drawn_at = float("-inf")

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Shows an event."""
        self._job.on_event(event)
        if self._job.is_over or self._clock() - self._drawn_at >= REDRAW_SECONDS:
            self._draw()

    def tick(self) -> None:
        """Updates the time shown."""
        if not self._job.is_over:
            self._draw()

    def close(self) -> None:
        """Leaves the bar as it is. Closing twice is fine."""
        if self._bar is not None:
            # Not drawn here: when several bars close, those above have moved the cursor already.
            _set_job(self._bar, self._job, self._label_width)
            self._bar.close()
            self._bar = None
        self._drawn_at = float("inf")

    def _draw(self) -> None:
        if self._drawn_at == float("inf"):
            return
        if self._bar is None:
            self._bar = _job_bar(self._tqdm, leave=True)
        _set_job(self._bar, self._job, self._label_width)
        self._bar.refresh()
        self._drawn_at = self._clock()


class BatchBars(Display):
    """A bar of tqdm for a batch, above one for each of the first jobs under way.

    Args:
        tqdm: The class of bars.
        total: Number of items, if it is known.
        clock: Returns the time in seconds.
    """

    def __init__(self, tqdm: Any, total: int | None, clock: Clock = time.monotonic) -> None:  # noqa: ANN401 - as above
        self._tqdm = tqdm
        self._clock = clock
        self._batch = BatchProgress(total, clock)
        self._bar: Any = tqdm(total=total, bar_format=_COUNTED, dynamic_ncols=True)
        self._job_bars: dict[str, Any] = {}
        self._drawn_at = float("-inf")

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Shows an event of one item."""
        self._batch.on_event(event)
        self._draw_if_due()

    def on_result(self, result: RenderResult) -> None:
        """Shows the result of one item."""
        self._batch.on_result(result)
        self._draw_if_due()

    def tick(self) -> None:
        """Updates the time shown."""
        self._draw_if_due()

    def print_above(self, line: str) -> None:
        """Prints a line above the bars."""
        if self._bar is not None:
            self._bar.write(line, file=self._bar.fp)

    def close(self) -> None:
        """Leaves the count as it is. Closing twice is fine."""
        if self._bar is None:
            return
        self._batch.under_way.clear()
        self._draw()
        self._bar.close()
        self._bar = None

    def _draw_if_due(self) -> None:
        if self._bar is not None and self._clock() - self._drawn_at >= REDRAW_SECONDS:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = self._clock()
        self._bar.total, self._bar.n = self._batch.total, self._batch.finished
        self._bar.set_description_str(self._batch.text, refresh=False)
        self._bar.refresh()
        jobs = self._batch.under_way
        for name in [name for name in self._job_bars if name not in jobs]:
            _remove(self._job_bars.pop(name))
        width = max((len(job.label) for job in jobs.values()), default=0)
        for name, job in jobs.items():
            if name not in self._job_bars:
                if len(self._job_bars) == _MAX_BARS:
                    break
                bar = self._job_bars[name] = _job_bar(self._tqdm, leave=False)
                bar.start_t -= job.age
            _set_job(self._job_bars[name], job, width)
            self._job_bars[name].refresh()


def _job_bar(tqdm: Any, *, leave: bool) -> Any:  # noqa: ANN401 - as above
    # With a delay tqdm does not draw the bar before it has a description.
    return tqdm(total=100, leave=leave, bar_format=_WITHOUT_PERCENT, dynamic_ncols=True, delay=1e-9)


def _set_job(bar: Any, job: JobProgress, label_width: int) -> None:  # noqa: ANN401 - as above
    bar.bar_format = _WITHOUT_PERCENT if job.percent is None else _WITH_PERCENT
    bar.n = job.percent or 0
    bar.set_description_str(f"{job.label:<{max(label_width, job.label_width)}}  {job.status_cell}", refresh=False)
    bar.set_postfix_str("  ".join(job.details), refresh=False)


def _remove(bar: Any) -> None:  # noqa: ANN401 - as above
    # In a notebook a bar that is not full stays, in red.
    bar.n = bar.total
    bar.close()
