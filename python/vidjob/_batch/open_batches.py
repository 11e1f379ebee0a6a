"""The open batches of this process: one that an exception abandoned does not block the next."""

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

__all__ = ["Consumer", "close_abandoned", "consumer", "register", "stack_level"]


class Consumer(NamedTuple):
    """The function that asks a batch for its results.

    Attributes:
        process: The process.
        thread: The thread.
        task: The task on an event loop, or ``None`` where there is none.
        frame: Identifies the function while it runs: its id, which another frame may have later, and its code.
    """

    process: int
    thread: int
    task: ref[asyncio.Task[Any]] | None
    frame: tuple[int, CodeType | None]


class OpenBatch(Protocol):
    """A batch that can be abandoned."""

    @property
    def consumer(self) -> Consumer:
        """The function that asked last."""

    def supersede(self) -> None:
        """Closes it because another batch starts."""


_OPEN: WeakValueDictionary[Path, Any] = WeakValueDictionary()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def consumer() -> Consumer:
    """Returns the function that calls vidjob now."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - there is no other way
    while frame is not None and _is_own(frame):
        frame = frame.f_back
    task = _current_task()
    return Consumer(os.getpid(), threading.get_ident(), None if task is None else ref(task), _identity(frame))


def stack_level() -> int:
    """Returns the ``stacklevel`` at which a warning of the caller shows the line that called vidjob."""
    level = 1
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way
    while frame is not None and _is_own(frame):
        level, frame = level + 1, frame.f_back
    return level


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "vidjob"


def register(folder: Path, batch: OpenBatch) -> None:
    """Registers the open batch of ``folder``."""
    _OPEN[folder] = batch


def close_abandoned(folder: Path) -> None:
    """Closes the batch of ``folder`` if the function that read it has ended by an exception.

    A notebook keeps such an exception, and with it the batch.
    """
    batch: OpenBatch | None = _OPEN.get(folder)
    if batch is not None and _is_abandoned(batch.consumer):
        batch.supersede()


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
    """The functions that run on this thread."""
    frames = set()
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - there is no other way
    while frame is not None:
        frames.add(_identity(frame))
        frame = frame.f_back
    return frames
