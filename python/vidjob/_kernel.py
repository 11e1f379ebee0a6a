"""Whether this is a notebook's kernel, and what is said there of work that was let go of."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["is_here", "say", "say_soon", "wire_stop_button"]

#: Further lines at once are counted, and not printed.
_LINES = 10
#: Seconds in which an interrupt reaches all the calls that it lets go of.
_MOMENT = 0.1

_unsaid: list[str] = []


def is_here() -> bool:
    """Whether this process is the kernel of a notebook."""
    # Whoever has not imported IPython is not run by it.
    shell = sys.modules.get("IPython")
    running: Any = None if shell is None else shell.get_ipython()
    return getattr(running, "kernel", None) is not None


def wire_stop_button() -> Callable[[], object]:
    """Lets the stop button end a blocking call in a cell that awaits; gives what undoes it.

    There the kernel's handler of the signal only asks the event loop to cancel the cell, and the loop would not
    come to it before the call is over. To be called on the main thread.
    """
    from signal import SIGINT, default_int_handler, getsignal, signal

    before = getsignal(SIGINT)
    if not is_here() or not callable(before) or before is default_int_handler or not _is_awaiting():
        return _nothing

    def stop(number: int, frame: Any) -> None:  # noqa: ANN401 - as signal has it
        from asyncio import CancelledError

        before(number, frame)
        raise CancelledError

    signal(SIGINT, stop)
    return lambda: signal(SIGINT, before)


def _is_awaiting() -> bool:
    from asyncio import current_task

    try:
        return current_task() is not None
    except RuntimeError:
        return False


def _nothing() -> None:
    """Undoes nothing."""


def say(line: str) -> None:
    """Prints a line below the cell."""
    print(line, flush=True)  # noqa: T201 - said to whoever sits at the notebook


def say_soon(line: str) -> None:
    """The same from a running event loop, together with its like: there may be thousands."""
    from asyncio import get_running_loop

    _unsaid.append(line)
    if len(_unsaid) == 1:
        get_running_loop().call_later(_MOMENT, _say_all)


def _say_all() -> None:
    lines = _unsaid[:_LINES]
    if len(_unsaid) > _LINES:
        lines.append(f"... and {len(_unsaid) - _LINES:,} more")
    _unsaid.clear()
    say("\n".join(lines))
