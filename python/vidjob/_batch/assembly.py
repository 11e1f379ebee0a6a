"""Assembles batches from orders or from a journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidjob import _tracing
from vidjob._arguments import absolute_path, local_path
from vidjob._batch import open_batches
from vidjob._batch.batch import BatchObserver, BatchParts
from vidjob._batch.naming import Naming
from vidjob._batch.outputs import Outputs
from vidjob._batch.plan import Duplicate, Item, Plan, duplicates_warning, make_folder, planned
from vidjob._batch.results import JoinTable
from vidjob._checks import as_progress, as_text
from vidjob._journal import elsewhere_warnings
from vidjob._progress.bars import display_for_batch

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from vidjob._batch.rows import RowRules, Table
    from vidjob._native import Batch, Client
    from vidjob._options import BatchOptions
    from vidjob.types import EventCallback

__all__ = ["Assembly"]


class Assembly:
    """Assembles the parts of a batch.

    Args:
        native: The compiled client.
        options: How to work through the batch.
        on_event: The client's callback.
        progress: The argument ``progress``.
    """

    def __init__(
        self,
        native: Client,
        options: BatchOptions,
        on_event: EventCallback | None,
        progress: object,
    ) -> None:
        self._native = native
        self._options = options
        self._on_event = on_event
        self._progress = as_progress(progress)

    def of_orders(
        self,
        table: Table,
        folder: str | os.PathLike[str],
        filename: str,
        rules: RowRules,
    ) -> BatchParts:
        """Returns the parts of a batch that buys jobs; `VideoClient.render_many` describes the arguments."""
        # Made absolute now: the working folder may be another when the next row comes.
        home = Path(absolute_path(local_path("folder", folder)))
        local_path("filename", as_text("filename", filename, "a str such as 'videos/{id}.mp4'"))
        plan = Plan(Naming(home, filename), rules)
        items = planned(table, plan) if table.is_whole else None
        make_folder(home)
        open_batches.close_abandoned(home.resolve())
        observer = self._observer(None if items is None else len(items))
        native = self._native.render_many(home, self._options, observer.listener is not None)
        elsewhere = self._elsewhere(native, items)
        return BatchParts(
            native=native,
            items=table.rows if items is None else iter(items),
            is_planned=table.is_whole,
            plan=plan,
            outputs=Outputs(home),
            observer=observer,
            folder=home,
            table=None if table.columns is None else JoinTable(table.columns, table.index),
            warnings=[
                *_warnings_of_duplicates(items or []),
                *elsewhere_warnings(elsewhere, self._native.base_url, home / ".vidjob"),
            ],
            elsewhere=elsewhere,
        )

    def _elsewhere(self, native: Batch, items: Sequence[Item | Duplicate] | None) -> dict[str, int]:
        """Returns the number of items that were made at other services, and would be taken as they are."""
        if self._options.on_existing != "resume":
            return {}
        return native.elsewhere(None if items is None else {item.id for item in items if isinstance(item, Item)})

    def of_journal(self, journal: Path) -> BatchParts:
        """Returns the parts of a batch that finishes the jobs of a journal."""
        has_outputs = journal.name == ".vidjob"
        home = journal.parent if has_outputs else journal
        open_batches.close_abandoned(home.resolve())
        # The number of items is known once the journal has been read.
        observer = self._observer(None)
        native = self._native.resume(journal, self._options, observer.listener is not None)
        native.feed_unfinished()
        return BatchParts(
            native=native,
            items=iter(()),
            is_planned=False,
            plan=None,
            outputs=Outputs(home) if has_outputs else None,
            observer=observer,
            folder=home,
            table=None,
            warnings=(),
            elsewhere={},
        )

    def _observer(self, total: int | None) -> BatchObserver:
        tracer = _tracing.tracer()
        spans = None if tracer is None else _tracing.BatchSpans(tracer, self._native.host)
        return BatchObserver(self._on_event, display_for_batch(self._progress, total), spans)


def _warnings_of_duplicates(items: Sequence[Item | Duplicate]) -> list[str]:
    duplicates = [item for item in items if isinstance(item, Duplicate)]
    return [duplicates_warning(duplicates)] if duplicates else []
