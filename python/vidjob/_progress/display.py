"""The interface of everything that shows progress."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vidjob._hints import resolvable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from vidjob._native import VideoJob
    from vidjob._values import RenderResult

    Clock: TypeAlias = Callable[[], float]

__all__ = ["Display"]

#: Names of methods before they had their present names.
_OLD_NAMES = {"hears": "on_event", "ended": "on_result"}


class Display(ABC):
    """Shows the progress of calls. All methods run on the caller's thread, or in the caller's event loop."""

    def __init_subclass__(cls) -> None:
        for old, new in _OLD_NAMES.items():
            if old in vars(cls) and new not in vars(cls):
                from warnings import warn

                warn(f"{cls.__name__}.{old} is deprecated: rename it to {new}", DeprecationWarning, stacklevel=2)
                setattr(cls, new, vars(cls)[old])

    @abstractmethod
    @resolvable
    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:
        """Receives an event, and the job that it is about."""

    def tick(self) -> None:  # noqa: B027 - optional
        """Updates the time shown: called four times a second while there are no events."""

    @resolvable  # noqa: B027 - optional
    def on_result(self, result: RenderResult) -> None:
        """Receives the result of one item of a batch."""

    def close(self) -> None:  # noqa: B027 - optional
        """Ends the display. Closing twice is fine."""


Display.__module__ = "vidjob.progress"
