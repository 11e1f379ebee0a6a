"""Batches: feed items to the compiled part, and return results as they finish."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob import _log, _native
from vidjob._batch import open_batches
from vidjob._batch.outputs import Counts, Outputs
from vidjob._batch.plan import Duplicate, Item, Plan, duplicates_warning, make_folder
from vidjob._batch.results import Results
from vidjob._batch.rows import label_of, plain_row_of
from vidjob._errors import AlreadyRunning, DownloadError, InvalidRequest, NotSubmitted, VidjobError
from vidjob._hints import resolvable
from vidjob._journal import damage_warnings
from vidjob._notebook.mixin import NotebookRepr
from vidjob._observers import call_safely, close_display, event_listener, report_interrupt
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from vidjob._batch.results import JoinTable
    from vidjob._progress.display import Display
    from vidjob._tracing import BatchSpans

__all__ = ["AsyncBatch", "Batch", "BatchObserver", "BatchParts"]

#: Seconds after which a batch whose reader was cancelled in a notebook is closed.
_CLOSE_DELAY = 0.25


class BatchObserver:
    """Delivers the events and results of a batch to the log, callbacks, spans and the display.

    Args:
        on_event: The client's callback.
        display: Shows progress.
        spans: Makes spans.
    """

    def __init__(
        self,
        on_event: Callable[[Mapping[str, Any]], object] | None,
        display: Display | None,
        spans: BatchSpans | None,
    ) -> None:
        self._display = display
        self._spans = spans
        self.listener = event_listener(on_event, None if spans is None else spans.on_event, display=display)

    def on_item(self, item: Item) -> None:
        """Records an item that is about to start."""
        if self._spans is not None:
            self._spans.on_item(item.id, item.request)

    def on_result(self, result: RenderResult) -> None:
        """Delivers the result of an item."""
        if self._spans is not None:
            self._spans.on_result(result.id, result.error)
        if self.listener is not None:
            self.listener.on_result(result)

    def close(self) -> None:
        """Closes the display."""
        if self._display is not None:
            close_display(self._display)


class BatchParts(NamedTuple):
    """The parts of which a batch is made.

    Attributes:
        native: The compiled part.
        items: An iterator of items or orders, or an async one.
        is_planned: Whether ``items`` has items.
        plan: Makes items of orders; ``None`` for a batch that only resumes.
        outputs: Writes the output files, if there are any.
        observer: Receives events and results.
        folder: The batch's folder.
        table: The table that results can be joined to.
        warnings: What to warn of at the beginning.
        elsewhere: The number of items that other services have, by their base URL.
    """

    native: _native.Batch
    items: Any
    is_planned: bool
    plan: Plan | None
    outputs: Outputs | None
    observer: BatchObserver
    folder: Path
    table: JoinTable | None
    warnings: Sequence[str]
    elsewhere: Mapping[str, int]


class _BaseBatch(NotebookRepr):
    """What blocking and async batches share."""

    def __init__(self, parts: BatchParts) -> None:
        self._native = parts.native
        self._items = parts.items
        self._is_planned = parts.is_planned
        self._plan = parts.plan
        self._outputs = parts.outputs
        self._observer = parts.observer
        self._folder = parts.folder
        self._table = parts.table
        #: The number of items that other services have, by their base URL.
        self.elsewhere = parts.elsewhere
        self._counts = Counts()
        self._fed: dict[str, Item] = {}
        #: Rows that repeat an item that is under way.
        self._repeats: dict[str, list[Duplicate]] = {}
        self._ready: deque[RenderResult] = deque()
        self._made_folders: set[Path] = set()
        self._summary: dict[str, Any] = {}
        self._closed = False
        self._superseded = False
        self._process = os.getpid()
        #: The function that asked for the last result.
        self.consumer = open_batches.consumer()
        open_batches.register(Path(os.path.realpath(parts.folder)), self)
        for warning in (*damage_warnings(parts.native.damage()), *parts.warnings):
            warnings.warn(warning, RuntimeWarning, stacklevel=open_batches.stack_level())

    @property
    def summary(self) -> dict[str, Any]:
        """The totals so far, as ``summary.json`` has them.

        ``items``, which are ``saved`` (of them ``resumed``: finished in an earlier run), ``failed``, ``blocked`` (by
        moderation), ``pending`` (not finished; can be resumed), ``unknown`` (a create without a response) or
        ``not_submitted``; ``duplicates`` (rows that repeat an item, so that items and duplicates add up to the rows);
        ``stopped`` (why buying stopped, or ``None``); ``cost_usd`` (what the service billed for jobs of this run);
        ``spent_usd`` (what is spent or reserved in this folder, whichever run bought it); ``render_seconds``
        (quantiles) and ``wall_seconds``.
        """
        if self._closed:
            return self._summary
        return self._counts.summary(stopped=self._native.stopped, spent_usd=self._native.spent_usd)

    @property
    def in_flight(self) -> int:
        """Number of items under way."""
        return 0 if self._closed else self._native.in_flight

    def stop(self) -> None:
        """Stops buying. Items under way continue; those that would have to be bought end as ``NotSubmitted``."""
        if not self._closed:
            self._native.stop()

    def close(self) -> None:
        """Closes the batch and writes the output files. Jobs at the service continue, and can be resumed.

        Raises:
            JournalError: An output file cannot be written; the videos and the journal are complete.
        """
        if self._closed:
            return
        if self._process != os.getpid():
            # The batch belongs to the parent process.
            self._closed = True
            return
        self._summary = self.summary
        self._closed = True
        try:
            self._native.close()
        finally:
            self._write_outputs()

    def discard(self) -> None:
        """Closes a batch that is not wanted after all. Nothing is submitted, and no output file is written."""
        self._outputs = None
        self.close()

    def _close_quietly(self) -> None:
        """Closes the batch after another error, which is raised."""
        try:
            self.close()
        except VidjobError as error:
            call_safely("a warning failed", warnings.warn, str(error), RuntimeWarning)

    def supersede(self) -> None:
        """Closes the batch because another one in its folder started. Its next result is `AlreadyRunning`."""
        self._superseded = True
        self.close()

    def leave(self) -> None:
        """Deprecated: use `close`."""
        warnings.warn("Batch.leave is deprecated: use close", DeprecationWarning, stacklevel=2)
        self.supersede()

    def _check_not_superseded(self) -> None:
        if self._superseded:
            message = f"this batch was closed when another one started in {self._folder}; use that one"
            raise AlreadyRunning(message)

    def _interrupted(self, error: BaseException) -> bool:
        """Prints below a notebook's cell how to continue; returns whether the error is an interrupt."""
        count = self.in_flight
        running = f"{count} jobs are still running; " if count else ""
        line = f"{running}run the same call again to continue, or client.resume({str(self._folder)!r}) to finish them"
        return report_interrupt(error, line)

    def _write_outputs(self) -> None:
        try:
            if self._outputs is not None and self._plan is None:
                self._outputs.describe(self._native)
            elif self._outputs is not None:
                self._outputs.close(self._summary, self._native)
        finally:
            self._observer.close()

    def _feed(self, order: object) -> RenderResult | None:
        """Feeds one order. Returns a result when it needs no work, or is wrong."""
        assert self._plan is not None  # noqa: S101 - batches that resume have no orders
        index = self._plan.count
        try:
            item = self._plan.item(order)
        except InvalidRequest as error:
            return self._record(RenderResult(label_of(order), error=error, index=index, row=plain_row_of(order)))
        if isinstance(item, Duplicate):
            call_safely("a warning failed", warnings.warn, duplicates_warning([item]), RuntimeWarning)
        return self._feed_item(item)

    def _feed_item(self, item: Item | Duplicate) -> RenderResult | None:
        if isinstance(item, Duplicate):
            return self._repeat(item._replace(item=self._with_known_id(item.item)))
        item = self._with_known_id(item)
        if item.path.parent not in self._made_folders:
            try:
                make_folder(item.path.parent)
            except DownloadError as error:
                return self._record(_result_of(item, error=error))
            self._made_folders.add(item.path.parent)
        self._fed[item.id] = item
        self._observer.on_item(item)
        outcome = self._native.feed(item)
        return None if outcome is None else self._result(outcome)

    def _with_known_id(self, item: Item) -> Item:
        # Version 0.1 named the numbers of a column with gaps like this.
        legacy = f"{item.id}.0"
        is_legacy = item.id.isdigit() and self._native.knows(legacy, item.sha256)
        return replace(item, id=legacy) if is_legacy else item

    def _repeat(self, duplicate: Duplicate) -> RenderResult | None:
        """Returns the result of a row that repeats an item, or keeps the row until the item is finished."""
        item = duplicate.item
        if item.id in self._fed:
            self._repeats.setdefault(item.id, []).append(duplicate)
            return None
        outcome = self._native.known(item)
        if outcome is not None:
            return self._record(_repeated(duplicate, self._of_outcome(outcome, item)))
        error = NotSubmitted(f"not submitted: {duplicate.warning}, which was not bought")
        return self._record(_repeated(duplicate, _result_of(item, error=error)))

    def _result(self, outcome: _native.Outcome) -> RenderResult:
        result = self._record(self._of_outcome(outcome, self._fed.pop(outcome.id, None)))
        for duplicate in self._repeats.pop(outcome.id, ()):
            self._ready.append(self._record(_repeated(duplicate, result)))
        return result

    def _of_outcome(self, outcome: _native.Outcome, item: Item | None) -> RenderResult:
        file, error = outcome.file, outcome.error
        if error is not None and not isinstance(error, VidjobError):
            raise error
        if outcome.warning is not None:
            call_safely("a warning failed", warnings.warn, outcome.warning, RuntimeWarning)
        return RenderResult(
            outcome.id,
            outcome.job,
            None if file is None else file.path,
            None if file is None else file.sha256,
            None if file is None else file.bytes,
            error,
            outcome.resumed,
            outcome.render_seconds,
            None if item is None else item.columns,
            None if item is None else item.index,
            None if item is None else item.row,
            bought=outcome.bought,
        )

    def _record(self, result: RenderResult) -> RenderResult:
        self._counts.add(result)
        _log.warn_of_implausible_cost(result.job)
        if self._outputs is not None:
            self._outputs.add(result)
        self._observer.on_result(result)
        return result

    def __del__(self) -> None:
        # Leaving the loop early closes the batch; at interpreter shutdown it is too late.
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self.close()


class Batch(_BaseBatch):
    """The results of a batch as they finish: an iterator, and a context manager that closes it.

    Leaving the loop early closes the batch. Run the same call again to continue.
    """

    def collect(self) -> Results:
        """Waits for all results, and returns them together."""
        results = list(self)
        return Results(results, summary=self.summary, table=self._table)

    @resolvable
    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RenderResult:
        self._check_not_superseded()
        self.consumer = open_batches.consumer()
        try:
            return self._next()
        except StopIteration:
            raise
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            # A notebook keeps the error, and so would keep this batch running in the background.
            if self._interrupted(error):
                self.close()
            raise
        except BaseException:
            self._close_quietly()
            raise

    def _next(self) -> RenderResult:
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            if not self._native.has_room():
                outcome, has_more = self._native.step(listener=self._observer.listener)
                if outcome is not None:
                    return self._result(outcome)
                if not has_more:
                    self.close()
                    break
            result = self._next_order()
            if result is not None:
                return result
        raise StopIteration

    def _next_order(self) -> RenderResult | None:
        try:
            order = next(self._items)
        except StopIteration:
            self._native.finish()
            return None
        return self._feed_item(order) if self._is_planned else self._feed(order)

    @resolvable
    def __enter__(self) -> Self:
        return self

    @resolvable
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncBatch(_BaseBatch):
    """Async version of `Batch`, for ``async for`` and ``async with``."""

    #: How many results were asked for.
    _taken = 0

    async def collect(self) -> Results:
        """Waits for all results, and returns them together."""
        results = [result async for result in self]
        return Results(results, summary=self.summary, table=self._table)

    @resolvable
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RenderResult:
        self._taken += 1
        self._check_not_superseded()
        self.consumer = open_batches.consumer()
        try:
            return await self._next()
        except StopAsyncIteration:
            raise
        except asyncio.CancelledError as error:
            if self._interrupted(error):
                self._close_unless_continued()
            raise
        except BaseException:
            self._close_quietly()
            raise

    def _close_unless_continued(self) -> None:
        """Closes the batch, unless another result is asked for soon, as after a timeout around one result."""
        taken = self._taken

        def close() -> None:
            if self._taken == taken:
                self.close()

        asyncio.get_running_loop().call_later(_CLOSE_DELAY, close)

    async def _next(self) -> RenderResult:
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            if self._native.has_room():
                # Other tasks run in between, however many items there are.
                await asyncio.sleep(0)
            else:
                outcome, has_more = await self._native.step_async(listener=self._observer.listener)
                if outcome is not None:
                    return self._result(outcome)
                if not has_more:
                    self.close()
                    break
            result = await self._next_order()
            if result is not None:
                return result
        raise StopAsyncIteration

    async def _next_order(self) -> RenderResult | None:
        try:
            if hasattr(self._items, "__anext__"):
                order = await self._items.__anext__()
            else:
                order = next(self._items)
        except (StopIteration, StopAsyncIteration):
            self._native.finish()
            return None
        return self._feed_item(order) if self._is_planned else self._feed(order)

    @resolvable
    async def __aenter__(self) -> Self:
        return self

    @resolvable
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _result_of(item: Item, *, error: VidjobError) -> RenderResult:
    """Returns the result of an item that was not started."""
    return RenderResult(item.id, error=error, columns=item.columns, index=item.index, row=item.row)


def _repeated(duplicate: Duplicate, result: RenderResult) -> RenderResult:
    """Returns the result of a row that repeats an item."""
    item = duplicate.item
    return RenderResult(
        item.id,
        result.job,
        result.path,
        result.sha256,
        result.bytes,
        result.error,
        result.resumed,
        result.render_seconds,
        item.columns,
        item.index,
        item.row,
        duplicate.first,
    )
