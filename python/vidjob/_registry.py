"""Objects that lower layers use and do not import: ``vidjob/__init__`` registers them by name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["lookup", "register"]

_loaders: dict[str, Callable[[], object]] = {}


def register(name: str, load: Callable[[], object]) -> None:
    """Registers an object.

    Args:
        name: The name that ``lookup`` takes.
        load: Imports and returns the object. Called at each lookup: modules cache themselves.
    """
    _loaders[name] = load


def lookup(name: str) -> Any:  # noqa: ANN401 - objects of any type
    """Returns a registered object."""
    return _loaders[name]()
