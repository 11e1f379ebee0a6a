"""Columns of rows as plain JSON: whatever stands in a row can be written to every output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["clean", "is_array", "plain", "said", "shown", "tidy"]

#: Levels of lists and objects that are written; most readers of JSON end a little above.
_MAX_DEPTH = 64
#: Values that are written of one column: what holds the same list many times over would never end.
_MAX_VALUES = 1_000_000
#: Items of an array that is written as a list; images and tensors are named by their shape.
_MAX_ITEMS = 4096
#: What 64 bits hold, signed or unsigned. Most readers of JSON round what is larger, or refuse it.
_WHOLE = range(-(2**63), 2**64)
#: Bits of a number that is written in digits: CPython refuses to write much larger ones.
_MAX_BITS = 2048
_SHOWN = 80
_BYTES = (bytes, bytearray, memoryview)
_LISTS = (list, tuple, set, frozenset)
#: How pandas writes that there is nothing.
_NOTHING = frozenset({"NAType", "NaTType"})


def plain(columns: Mapping[Any, Any]) -> dict[str, Any]:
    r"""The columns of a row as JSON types, whatever they hold. It never raises.

    Bytes are left out. A lone surrogate is written as ``\ud83d`` in so many characters, a number without a value in
    JSON (NaN, infinity) as null, one of more than 64 bits as text, an array as a list or, when it is large, by its
    shape; a key that is no text by ``str``, and so is every other object.

    Args:
        columns: What stood in the row.
    """
    return {clean(said(name)): tidy(value) for name, value in columns.items() if not isinstance(value, _BYTES)}


def tidy(value: object) -> Any:  # noqa: ANN401 - JSON of any type
    """One value as JSON types, whatever it is."""
    try:
        return _Writer().written(value, ())
    except Exception:  # noqa: BLE001 - objects raise what they like, and the item is paid for
        return _mark(value, "cannot be written")


class _Writer:
    """Writes one value, and counts what that comes to."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def written(self, value: Any, inside: tuple[int, ...]) -> Any:  # noqa: ANN401 - of any type
        self._left -= 1
        if isinstance(value, bool):
            return value
        if value is None or type(value).__name__ in _NOTHING:
            return None
        if isinstance(value, (str, int, float)):
            return _scalar(value)
        if isinstance(value, _BYTES):
            return None
        if isinstance(value, Enum):
            return self.written(value.value, inside)
        return self._nested(value, inside)

    def _nested(self, value: Any, inside: tuple[int, ...]) -> Any:  # noqa: ANN401 - likewise
        if not isinstance(value, (Mapping, *_LISTS)) and not is_array(value):
            return _object(value)
        why = self._why_not(value, inside)
        if why:
            return _mark(value, why)
        within = (*inside, id(value))
        if isinstance(value, Mapping):
            kept = ((name, item) for name, item in value.items() if not isinstance(item, _BYTES))
            return {clean(said(name)): self.written(item, within) for name, item in kept}
        if not isinstance(value, _LISTS):
            return self._array(value, within)
        items = [self.written(item, within) for item in value]
        # Sets have another order in every process.
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items

    def _why_not(self, value: object, inside: tuple[int, ...]) -> str:
        if id(value) in inside:
            return "holds itself"
        if len(inside) == _MAX_DEPTH:
            return "nested too deep"
        return "too large" if self._left < 0 else ""

    def _array(self, array: Any, inside: tuple[int, ...]) -> Any:  # noqa: ANN401 - likewise
        shape = tuple(array.shape)
        if math.prod(shape) > _MAX_ITEMS:
            return f"<{type(array).__name__} of shape {shape}>"
        # Of dates, NumPy's lists are bare numbers.
        is_of_dates = getattr(getattr(array, "dtype", None), "kind", "") in ("M", "m")
        if is_of_dates and not shape:
            return clean(said(array))
        has_list = hasattr(array, "tolist") and not is_of_dates
        return self.written(array.tolist() if has_list else list(array), inside)


def is_array(value: object) -> bool:
    """Whether it is an array, a tensor, a series or one of NumPy's scalars: comparing those says nothing."""
    kind = type(value)
    return hasattr(kind, "shape") and (hasattr(kind, "tolist") or hasattr(kind, "to_list"))


def _scalar(value: str | float) -> str | int | float | None:
    if isinstance(value, str):
        return clean(str.__str__(value))
    if isinstance(value, int):
        whole = int.__index__(value)
        return whole if whole in _WHOLE else said(whole)
    number = float(value)
    return number if math.isfinite(number) else None


def _object(value: object) -> str | None:
    from decimal import Decimal

    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return clean(said(value))


def _mark(value: object, why: str) -> str:
    return clean(f"<{type(value).__name__}: {why}>")


# ---- as texts ---------------------------------------------------------------------------------


def said(value: object) -> str:
    """Any value as a text, also one that does not want to be one."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and int.bit_length(value) > _MAX_BITS:
        return f"<{type(value).__name__} of {int.bit_length(value)} bits>"
    try:
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - objects raise what they like
        return f"<{type(value).__name__}>"


def clean(text: str) -> str:
    r"""The text without lone surrogates, which no file in UTF-8 can hold: they are written as ``\ud83d``."""
    if text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()


def shown(value: object) -> str:
    """A value for messages: short, and on one line."""
    if isinstance(value, (Mapping, *_LISTS)) or (is_array(value) and not isinstance(value, (str, float))):
        return f"a value of type {type(value).__name__}"
    text = said(value)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ascii(short) if not short.isprintable() else repr(short) if isinstance(value, str) else short
