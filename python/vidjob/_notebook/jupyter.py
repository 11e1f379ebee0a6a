"""Detects a notebook's kernel, prints below its cells, and lets an interrupt end a blocking call."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["install_interrupt_guard", "is_kernel", "print_line", "print_line_soon"]

#: Lines printed at once; further ones are only counted.
_MAX_LINES = 10
#: Seconds in which one interrupt reaches all calls under way.
_COLLECT_SECONDS = 0.1

_pending: list[str] = []


def is_kernel() -> bool:
    """Returns whether this process is a notebook's kernel."""
    # IPython runs only programs in which it is imported.
    shell = sys.modules.get("IPython")
    running: Any = None if shell is None else shell.get_ipython()
    return getattr(running, "kernel", None) is not None


def install_interrupt_guard() -> Callable[[], object]:
    """Lets the stop button end a blocking call in a cell that awaits. Call it on the main thread.

    In such a cell the kernel's signal handler only asks the event loop to cancel the cell, and the loop does not run
    before the call returns.

    Returns:
        A function that restores the previous handler.
    """
    from signal import SIGINT, default_int_handler, getsignal, signal

    before = getsignal(SIGINT)
    if not is_kernel() or not callable(before) or before is default_int_handler or not _is_in_task():
        return _do_nothing

    def interrupt(number: int, frame: Any) -> None:  # noqa: ANN401 - as signal has it
        from asyncio import CancelledError

        before(number, frame)
        raise CancelledError

    signal(SIGINT, interrupt)
    return lambda: signal(SIGINT, before)


def _is_in_task() -> bool:
    from asyncio import current_task

    try:
        return current_task() is not None
    except RuntimeError:
        return False


def _do_nothing() -> None:
    """There is no handler to restore."""


def print_line(line: str) -> None:
    """Prints a line below the cell."""
    print(line, flush=True)  # noqa: T201 - output of a notebook


def print_line_soon(line: str) -> None:
    """Prints a line from a running event loop, together with others of the same moment: there may be thousands."""
    from asyncio import get_running_loop

    _pending.append(line)
    if len(_pending) == 1:
        get_running_loop().call_later(_COLLECT_SECONDS, _print_pending)


def _print_pending() -> None:
    lines = _pending[:_MAX_LINES]
    if len(_pending) > _MAX_LINES:
        lines.append(f"... and {len(_pending) - _MAX_LINES:,} more")
    _pending.clear()
    print_line("\n".join(lines))
