"""Imports the modules that ``import vidjob`` leaves out."""

from __future__ import annotations

__all__ = ["preload"]

#: Modules that the verbs use, and ``import vidjob`` does not import.
_USED = (
    "vidjob._batch.assembly",
    "vidjob._journal",
    "vidjob._media",
    "vidjob._notebook.jupyter",
    "vidjob._options",
    "vidjob._progress.bars",
    "vidjob._tracing",
    "vidjob._values",
    "asyncio",
    "concurrent.futures.thread",
    "decimal",
    "logging",
    "uuid",
)


def preload() -> None:
    """Imports what the verbs use, when the first client is made.

    A later import could fail for want of file descriptors, or hang in a forked child while another thread of its
    parent held the import lock.
    """
    from sys import modules

    if any(name not in modules for name in _USED):
        from importlib import import_module

        for name in _USED:
            import_module(name)
