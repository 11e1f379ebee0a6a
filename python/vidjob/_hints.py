"""Lets ``typing.get_type_hints`` and ``inspect.signature(eval_str=True)`` resolve annotations.

Modules import the types of their annotations only for type checkers. What these tools look at is a copy of a function,
with a namespace that imports all names when one is looked up.
"""

from __future__ import annotations

from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., object])

    Namespace = dict[str, Any]
else:
    Namespace = dict

__all__ = ["resolvable", "with_names"]


class _Names(Namespace):
    """The names in annotations, imported on first use."""

    _is_loaded = False

    def __missing__(self, name: str) -> object:
        if not self._is_loaded:
            from vidjob._native import lookup

            self.update(lookup("hints.names")())
            self._is_loaded = True
        # Builtins are found elsewhere.
        if name not in self:
            raise KeyError(name)
        return self[name]


_NAMES = _Names()


def with_names(function: Callable[..., object]) -> FunctionType:
    """Copies a function with a namespace that has the names of its annotations. The copy is not meant to be called."""
    assert isinstance(function, FunctionType)  # noqa: S101 - methods are functions
    copy = FunctionType(function.__code__, _NAMES, function.__name__, function.__defaults__, function.__closure__)
    for name in ("__kwdefaults__", "__annotations__", "__qualname__", "__module__", "__doc__"):
        setattr(copy, name, getattr(function, name))
    return copy


def resolvable(function: F) -> F:
    """Lets tools resolve the annotations of a function."""
    function.__wrapped__ = with_names(function)  # type: ignore[attr-defined]
    return function
