"""Many renders: pulls orders, feeds the compiled part, and hands out results as they come."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob import _log, _native
from vidjob import _open_runs as open_runs
from vidjob._columns import clean, plain, shown
from vidjob._damage import reports
from vidjob._display import Displayed
from vidjob._errors import AlreadyRunning, DownloadError, InvalidRequest, VidjobError
from vidjob._listening import close, interrupted, is_harmless, listener
from vidjob._naming import Naming
from vidjob._outputs import Counts, Outputs
from vidjob._rows import Table, label_of, row_of
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from vidjob._results import Results
    from vidjob._tracing import BatchSpans
    from vidjob.progress import Display

__all__ = ["AsyncBatch", "Batch", "Item", "Plan", "Watchers", "make_folder", "planned"]

#: Seconds after which a batch whose reader was cancelled in a notebook is let go of.
_PAUSE = 0.25
#: How many more orders that are none are named beside the first.
_NAMED = 10
#: How much of a request's hash is its name, when it has no other.
_NAME = 16


class Item(NamedTuple):
    """One order, ready to be fed.

    Attributes:
        id: Its name.
        request: What is asked for.
        sha256: What makes it the same as another.
        path: Where its file goes.
        columns: What else stood in its row.
    """

    id: str
    request: _native.VideoRequest
    sha256: str
    path: Path
    columns: Mapping[str, Any]


class Plan:
    """Makes items of orders, and sees that no two are in each other's way.

    Args:
        naming: Where files go.
        input_root: The folder that paths in rows may lead into.
    """

    def __init__(self, naming: Naming, input_root: Path | None) -> None:
        self._naming = naming
        self._input_root = input_root
        self._hashes: dict[str, str] = {}
        self._count = 0

    def item(self, order: object) -> Item | None:
        """The item of an order, or ``None`` when it was ordered before.

        Raises:
            InvalidRequest: It is no order, or in the way of another.
        """
        index = self._count
        try:
            return self.checked(order)
        except InvalidRequest as error:
            raise _about(_where(order, index), error) from None

    def checked(self, order: object) -> Item | None:
        """The same, with errors that leave it to the caller to say which item it is."""
        index, self._count = self._count, self._count + 1
        row = row_of(order, input_root=self._input_root)
        row = row._replace(request=row.request._anchored())  # noqa: SLF001 - its own part
        if row.request.upload_url is not None:
            words = "upload_url has the file delivered elsewhere, and a batch keeps it here"
            raise InvalidRequest(words, field="upload_url")
        sha256 = _native.fingerprint(row.request)
        name = sha256[:_NAME] if row.id is None else row.id
        if not name.strip():
            raise InvalidRequest("id is empty", field="id")
        known = self._hashes.get(name)
        if known == sha256:
            return None
        if known is not None:
            raise InvalidRequest("the same id stands for another request", field="id")
        request = row.request
        about = {"prompt": request.prompt or "", "model": request.model or "", "operation": request.operation}
        path = self._naming.path(name, {**about, **row.columns, "id": name, "index": f"{index:06}"})
        self._hashes[name] = sha256
        return Item(name, request, sha256, path, row.columns)


def _where(order: object, index: int) -> str:
    label = label_of(order)
    return f"item {shown(label)}" if label else f"item {index}"


def _about(where: str, error: InvalidRequest, more: str = "") -> InvalidRequest:
    # What is in the way of UTF-8 in a row would be in the way of the outputs, too.
    return InvalidRequest(clean(f"{where}: {error}{more}"), field=None if error.field is None else clean(error.field))


class Watchers:
    """Who follows a batch.

    Args:
        on_event: The client's observer.
        progress: What the caller wants to be shown.
        total: How many items there are, if that is known.
        spans: Who makes spans of it.
    """

    def __init__(
        self,
        on_event: Callable[[Mapping[str, Any]], object] | None,
        progress: object,
        total: int | None,
        spans: BatchSpans | None,
    ) -> None:
        self._display = _display(progress, total)
        self._spans = spans
        self.listener = listener(on_event, None if spans is None else spans.hears, display=self._display)

    def begins(self, item: Item) -> None:
        """Takes note of an item."""
        if self._spans is not None:
            self._spans.begins(item.id, item.request)

    def ended(self, result: RenderResult) -> None:
        """Takes note of an item's end."""
        if self._spans is not None:
            self._spans.ended(result.id, result.error)
        if self.listener is not None:
            self.listener.ended(result)

    def close(self) -> None:
        """Ends what is shown."""
        if self._display is not None:
            close(self._display)


def _display(progress: object, total: int | None) -> Display | None:
    if progress is None or progress is False:
        return None
    from vidjob._bars import shown_many

    return shown_many(progress, total)


class _Run(Displayed):
    """What both faces of a batch share."""

    def __init__(
        self,
        native: _native.Batch,
        *,
        watchers: Watchers,
        folder: Path,
        plan: Plan | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        self._native = native
        self._plan = plan
        self._outputs = outputs
        self._counts = Counts()
        self._watchers = watchers
        self._folder = folder
        self._items: dict[str, Item] = {}
        self._folders: set[Path] = set()
        self._summary: dict[str, Any] = {}
        self._closed = False
        self._left = False
        self._process = os.getpid()
        #: Who asked for the last result.
        self.consumer = open_runs.consumer()
        open_runs.register(Path(os.path.realpath(folder)), self)
        for report in reports(native.damage()):
            warnings.warn(report, RuntimeWarning, stacklevel=4)

    @property
    def summary(self) -> dict[str, Any]:
        """What the run came to so far, as ``summary.json`` has it.

        ``items``, ``saved``, ``resumed`` (finished in an earlier run), ``failed``, ``blocked`` (by moderation),
        ``pending`` (not over, to be resumed), ``unknown`` (a create without an answer), ``not_bought``,
        ``duplicates`` (the same order again), ``stopped`` (why no more was bought, or ``None``), ``cost_usd`` (of this
        run, as the service reported), ``spent_usd`` (under this journal, reservations included), ``render_seconds``
        (quantiles) and ``wall_seconds``.
        """
        if self._closed:
            return self._summary
        return self._counts.summary(stopped=self._native.stopped, spent_usd=self._native.spent_usd)

    @property
    def in_flight(self) -> int:
        """How many items are under way."""
        return 0 if self._closed else self._native.in_flight

    def stop(self) -> None:
        """Buys nothing more. What is under way goes on, and its results still come."""
        if not self._closed:
            self._native.stop()

    def close(self) -> None:
        """Lets go of all that is under way, and writes the outputs. Jobs go on, and can be resumed.

        Raises:
            JournalError: An output cannot be written; the videos and the journal are whole.
        """
        if self._closed:
            return
        if self._process != os.getpid():
            # A forked child owns nothing of its parent's.
            self._closed = True
            return
        self._summary = self.summary
        self._closed = True
        try:
            self._native.close()
        finally:
            self._write_down()

    def _close_quietly(self) -> None:
        """Closes the run where something else went wrong before."""
        try:
            self.close()
        except VidjobError as error:
            is_harmless("a warning failed", warnings.warn, str(error), RuntimeWarning)

    def leave(self) -> None:
        """Closes the run because another one in the same folder began. Asking it again raises AlreadyRunning."""
        self._left = True
        self.close()

    def _check_not_left(self) -> None:
        if self._left:
            words = f"this run was closed when another one began in {self._folder}: use that one"
            raise AlreadyRunning(words)

    def _interrupted(self, error: BaseException) -> bool:
        """Says below a notebook's cell what goes on, and how to go on with it; gives whether it was an interrupt."""
        count = self.in_flight
        left = f"{count} jobs go on at the service; " if count else ""
        line = f"{left}the same call again goes on from there, client.resume({str(self._folder)!r}) finishes them"
        return interrupted(error, line)

    def _write_down(self) -> None:
        try:
            if self._outputs is not None and self._plan is None:
                self._outputs.describe(self._native)
            elif self._outputs is not None:
                self._outputs.close(self._summary, self._native)
        finally:
            self._watchers.close()

    def _feed(self, order: object) -> RenderResult | None:
        """Takes one order in. A result comes back when it needs no work, or is no order."""
        assert self._plan is not None  # noqa: S101 - only those with orders get here
        try:
            item = self._plan.item(order)
        except InvalidRequest as error:
            return self._noted(RenderResult(label_of(order), error=error))
        return self._feed_item(item)

    def _feed_item(self, item: Item | None) -> RenderResult | None:
        if item is None:
            self._counts.duplicates += 1
            return None
        legacy = f"{item.id}.0"
        if item.id.isdigit() and self._native.knows(legacy, item.sha256):
            # As version 0.1 spelled the numbers of a column with gaps.
            item = item._replace(id=legacy)
        self._items[item.id] = item
        if item.path.parent not in self._folders:
            try:
                make_folder(item.path.parent)
            except DownloadError as error:
                del self._items[item.id]
                return self._noted(RenderResult(item.id, error=error, columns=item.columns))
            self._folders.add(item.path.parent)
        self._watchers.begins(item)
        columns = json.dumps(plain(item.columns), ensure_ascii=False)
        outcome = self._native.feed(item.id, item.request, item.sha256, item.path, columns)
        return None if outcome is None else self._ended(outcome)

    def _ended(self, outcome: _native.Outcome) -> RenderResult:
        item = self._items.pop(outcome.id, None)
        file, error = outcome.file, outcome.error
        if error is not None and not isinstance(error, VidjobError):
            raise error
        result = RenderResult(
            outcome.id,
            outcome.job,
            None if file is None else file.path,
            None if file is None else file.sha256,
            None if file is None else file.bytes,
            error,
            outcome.resumed,
            outcome.render_seconds,
            None if item is None else item.columns,
        )
        if outcome.warning is not None:
            is_harmless("a warning failed", warnings.warn, outcome.warning, RuntimeWarning)
        return self._noted(result)

    def _noted(self, result: RenderResult) -> RenderResult:
        self._counts.add(result)
        _log.report_absurd_cost(result.job)
        if self._outputs is not None:
            self._outputs.add(result)
        self._watchers.ended(result)
        return result

    def __del__(self) -> None:
        # Whoever leaves the loop early closes the batch by forgetting it; at the end of the interpreter it is late.
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self.close()


class Batch(_Run):
    """The results of a batch, as they come: an iterator, and a context manager that closes it.

    Leaving the loop early lets go of what is under way; the same call again goes on from there.
    """

    def __init__(
        self,
        native: _native.Batch,
        orders: Iterable[Any],
        *,
        is_planned: bool = False,
        **shared: Any,  # noqa: ANN401 - what both faces take
    ) -> None:
        super().__init__(native, **shared)
        self._orders = iter(orders)
        self._is_planned = is_planned

    def collect(self) -> Results:
        """Waits for all results, and gives them together."""
        from vidjob._results import Results

        return Results(self)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RenderResult:
        self._check_not_left()
        self.consumer = open_runs.consumer()
        try:
            return self._next()
        except StopIteration:
            raise
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            # A notebook remembers the error, and with it this batch, which would go on in the background.
            if self._interrupted(error):
                self.close()
            raise
        except BaseException:
            self._close_quietly()
            raise

    def _next(self) -> RenderResult:
        while not self._closed:
            if not self._native.has_room():
                outcome, is_wanted = self._native.step(listener=self._watchers.listener)
                if outcome is not None:
                    return self._ended(outcome)
                if not is_wanted:
                    self.close()
                    break
            result = self._next_order()
            if result is not None:
                return result
        raise StopIteration

    def _next_order(self) -> RenderResult | None:
        try:
            order = next(self._orders)
        except StopIteration:
            self._native.finish()
            return None
        return self._feed_item(order) if self._is_planned else self._feed(order)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncBatch(_Run):
    """The twin of [Batch][vidjob.Batch] for ``async for`` and ``async with``."""

    def __init__(
        self,
        native: _native.Batch,
        orders: Iterable[Any] | AsyncIterator[Any],
        *,
        is_planned: bool = False,
        **shared: Any,  # noqa: ANN401 - what both faces take
    ) -> None:
        super().__init__(native, **shared)
        #: How often a result was asked for.
        self._taken = 0
        self._orders: Any = orders if hasattr(orders, "__anext__") else iter(orders)
        self._is_planned = is_planned

    async def collect(self) -> Results:
        """Waits for all results, and gives them together."""
        from vidjob._results import Results

        return Results([result async for result in self])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RenderResult:
        self._taken += 1
        self._check_not_left()
        self.consumer = open_runs.consumer()
        try:
            return await self._next()
        except StopAsyncIteration:
            raise
        except asyncio.CancelledError as error:
            if self._interrupted(error):
                self._close_unless_taken_up_again()
            raise
        except BaseException:
            self._close_quietly()
            raise

    def _close_unless_taken_up_again(self) -> None:
        """Lets go of what is under way, as a blocking batch does; a timeout around one result is no reason to."""
        taken = self._taken

        def close() -> None:
            if self._taken == taken:
                self.close()

        asyncio.get_running_loop().call_later(_PAUSE, close)

    async def _next(self) -> RenderResult:
        while not self._closed:
            if self._native.has_room():
                # Others on the loop have their turn, however many items there are.
                await asyncio.sleep(0)
            else:
                outcome, is_wanted = await self._native.step_async(listener=self._watchers.listener)
                if outcome is not None:
                    return self._ended(outcome)
                if not is_wanted:
                    self.close()
                    break
            result = await self._next_order()
            if result is not None:
                return result
        raise StopAsyncIteration

    async def _next_order(self) -> RenderResult | None:
        try:
            if hasattr(self._orders, "__anext__"):
                order = await self._orders.__anext__()
            else:
                order = next(self._orders)
        except (StopIteration, StopAsyncIteration):
            self._native.finish()
            return None
        return self._feed_item(order) if self._is_planned else self._feed(order)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def make_folder(path: Path) -> None:
    """Makes a folder, with those above it, unless it is there.

    Raises:
        DownloadError: The disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{path} cannot be made: {error.strerror or error}", errno=error.errno) from None


def planned(table: Table, plan: Plan) -> list[Item | None]:
    """The items of orders that are all at hand: each is checked before the first is bought.

    Raises:
        InvalidRequest: Some of them are no orders, or in the way of others: it names them.
    """
    found = [_checked(plan, order, index) for index, order in enumerate(table.rows)]
    wrong = [item for item in found if isinstance(item, _Wrong)]
    if wrong:
        first, *others = wrong
        raise _about(first.where, first.error, _more(others))
    return [item for item in found if not isinstance(item, _Wrong)]


class _Wrong(NamedTuple):
    """An order that is none, and how it is called."""

    where: str
    error: InvalidRequest


def _checked(plan: Plan, order: object, index: int) -> Item | _Wrong | None:
    try:
        return plan.checked(order)
    except InvalidRequest as error:
        return _Wrong(_where(order, index), error)


def _more(others: list[_Wrong]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{wrong.where} ({wrong.error.field})" for wrong in others[:_NAMED])
    rest = ", …" if len(others) > _NAMED else ""
    are = "1 more item is" if len(others) == 1 else f"{len(others):,} more items are"
    return f"; {are} refused: {named}{rest}"
