"""Asks before something that may be meant otherwise."""

from __future__ import annotations

import sys

from vidjob._progress.formatting import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vidjob.cli.single_job import Context

__all__ = ["confirmed"]


def confirmed(context: Context, what: str, hint: str) -> bool:
    """Returns whether the user agrees: with ``--yes``, or on a terminal when asked.

    Args:
        context: The context of the command.
        what: What would happen.
        hint: What to do without a terminal.
    """
    if context.args.yes:
        return True
    if is_terminal(sys.stdin) and is_terminal(sys.stderr):
        context.output.ask(f"{what}; continue? [y/N] ")
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    context.output.error(f"{what}, so nothing was started", hint)
    return False
