"""The interface for progress displays of one's own: pass an instance of a `Display` as ``progress``."""

from __future__ import annotations

from vidjob._progress.display import Display

__all__ = ["Display"]

#: Old names, and where their objects are now.
_MOVED = {
    "Pace": ("vidjob._progress.job_progress", "RateEstimate"),
    "Row": ("vidjob._progress.job_progress", "JobProgress"),
    "duration": ("vidjob._progress.formatting", "format_duration"),
    "is_terminal": ("vidjob._progress.formatting", "is_terminal"),
    "megabytes": ("vidjob._progress.formatting", "format_size"),
    "printable": ("vidjob._progress.formatting", "printable"),
}


def __getattr__(name: str) -> object:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    from warnings import warn

    module, new = _MOVED[name]
    warn(f"vidjob.progress.{name} is deprecated and will be removed", DeprecationWarning, stacklevel=2)
    return getattr(import_module(module), new)
