"""The methods by which IPython shows a value. The output is made by ``vidjob.notebook``, imported on first use."""

from __future__ import annotations

from vidjob._native import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

__all__ = ["NotebookRepr", "bundle", "pretty"]


class NotebookRepr:
    """A value that IPython can show."""

    __slots__ = ()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        return bundle(self, include, exclude)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001 - IPython's protocol
        pretty(self, printer)


def bundle(value: object, include: Collection[str] | None, exclude: Collection[str] | None) -> dict[str, str]:
    """Returns what IPython shows of a value, by MIME type."""
    made: dict[str, str] = lookup("notebook.bundle")(value, include, exclude)
    return made


def pretty(value: object, printer: Any) -> None:  # noqa: ANN401 - IPython's printer
    """Prints a value as one item of a list."""
    printer.text(lookup("notebook.text")(value))
