"""Runs that are open in this process: one that an exception has left does not stand in the way of the next."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import WeakValueDictionary, ref

if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

__all__ = ["Consumer", "consumer", "leave_abandoned", "register"]


class Consumer(NamedTuple):
    """Who asks a run for its results.

    Attributes:
        process: The process.
        thread: The thread.
        task: The task on an event loop, or ``None`` where there is none.
        frame: What identifies the function that asks, as long as it runs; its memory is used again by others.
    """

    process: int
    thread: int
    task: ref[asyncio.Task[Any]] | None
    frame: tuple[int, CodeType | None]


class Run(Protocol):
    """A run that can be left open."""

    @property
    def consumer(self) -> Consumer:
        """Who asked it last."""

    def leave(self) -> None:
        """Closes it because its consumer is gone."""


_OPEN: WeakValueDictionary[Path, Any] = WeakValueDictionary()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def consumer() -> Consumer:
    """The consumer that calls vidjob now."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - nothing else tells
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "vidjob":
        frame = frame.f_back
    task = _current_task()
    return Consumer(os.getpid(), threading.get_ident(), None if task is None else ref(task), _identity(frame))


def register(folder: Path, run: Run) -> None:
    """Takes note of a run through ``folder``."""
    _OPEN[folder] = run


def leave_abandoned(folder: Path) -> None:
    """Closes a run through ``folder`` that nobody can go on with: the function that asked it has ended by an exception.

    A notebook remembers such an exception, and with it the run.
    """
    run: Run | None = _OPEN.get(folder)
    if run is not None and _is_abandoned(run.consumer):
        run.leave()


def _is_abandoned(consumer: Consumer) -> bool:
    if consumer.process != os.getpid() or consumer.thread != threading.get_ident():
        return False
    task = None if consumer.task is None else consumer.task()
    if task is not None and not task.done():
        return False
    return consumer.frame not in _running()


def _identity(frame: FrameType | None) -> tuple[int, CodeType | None]:
    return id(frame), None if frame is None else frame.f_code


def _running() -> set[tuple[int, CodeType | None]]:
    """The functions that run on this thread now."""
    frames = set()
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - nothing else tells
    while frame is not None:
        frames.add(_identity(frame))
        frame = frame.f_back
    return frames
