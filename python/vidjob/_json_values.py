"""Converts values of any type to JSON and to text, so that every row can be written to every output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["escape_surrogates", "is_array", "json_columns", "json_value", "quote_value", "to_text"]

#: Levels of nesting that are written; most JSON parsers accept little more.
_MAX_DEPTH = 64
#: Values that are written of one column: a list that contains another many times would never end.
_MAX_VALUES = 1_000_000
#: Items of an array that is written as a list; larger ones, such as images, are written as their shape.
_MAX_ITEMS = 4096
#: Integers of 64 bits, signed or unsigned. Most JSON parsers round or refuse larger ones.
_WHOLE = range(-(2**63), 2**64)
#: Bits of an integer that is written in digits: CPython refuses much larger ones.
_MAX_BITS = 2048
_SHOWN = 80
_BYTES = (bytes, bytearray, memoryview)
_LISTS = (list, tuple, set, frozenset)
#: Types of pandas' missing values.
_MISSING = frozenset({"NAType", "NaTType"})


def json_columns(columns: Mapping[Any, Any]) -> dict[str, Any]:
    r"""Converts the columns of a row to JSON types. It never raises.

    Bytes are left out. A lone surrogate is written as the characters ``\ud83d``, NaN and infinity as null, an integer
    of more than 64 bits as text, an array as a list or, if it is large, as its shape; keys and other objects are
    written by ``str``.

    Args:
        columns: The columns.
    """
    return {
        escape_surrogates(to_text(name)): json_value(value)
        for name, value in columns.items()
        if not isinstance(value, _BYTES)
    }


def json_value(value: object) -> Any:  # noqa: ANN401 - JSON of any type
    """Converts one value to JSON types."""
    try:
        return _Converter().convert(value, ())
    except Exception:  # noqa: BLE001 - objects may raise anything, and the item is paid for
        return _mark(value, "cannot be written")


class _Converter:
    """Converts one value, and counts its parts."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def convert(self, value: Any, inside: tuple[int, ...]) -> Any:  # noqa: ANN401 - of any type
        self._left -= 1
        if isinstance(value, bool):
            return value
        if value is None or type(value).__name__ in _MISSING:
            return None
        if isinstance(value, (str, int, float)):
            return _scalar(value)
        if isinstance(value, _BYTES):
            return None
        if isinstance(value, Enum):
            return self.convert(value.value, inside)
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
            return {escape_surrogates(to_text(name)): self.convert(item, within) for name, item in kept}
        if not isinstance(value, _LISTS):
            return self._array(value, within)
        items = [self.convert(item, within) for item in value]
        # The order of sets differs between processes.
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
        # NumPy's lists of dates are bare numbers.
        is_of_dates = getattr(getattr(array, "dtype", None), "kind", "") in ("M", "m")
        if is_of_dates and not shape:
            return escape_surrogates(to_text(array))
        has_list = hasattr(array, "tolist") and not is_of_dates
        return self.convert(array.tolist() if has_list else list(array), inside)


def is_array(value: object) -> bool:
    """Returns whether a value is an array, tensor, series or NumPy scalar, which cannot be compared as a whole."""
    kind = type(value)
    return hasattr(kind, "shape") and (hasattr(kind, "tolist") or hasattr(kind, "to_list"))


def _scalar(value: str | float) -> str | int | float | None:
    if isinstance(value, str):
        return escape_surrogates(str.__str__(value))
    if isinstance(value, int):
        whole = int.__index__(value)
        return whole if whole in _WHOLE else to_text(whole)
    number = float(value)
    return number if math.isfinite(number) else None


def _object(value: object) -> str | None:
    from decimal import Decimal

    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return escape_surrogates(to_text(value))


def _mark(value: object, why: str) -> str:
    return escape_surrogates(f"<{type(value).__name__}: {why}>")


# ---- text ---------------------------------------------------------------------------------


def to_text(value: object) -> str:
    """Converts any value to text; it never raises."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and int.bit_length(value) > _MAX_BITS:
        return f"<{type(value).__name__} of {int.bit_length(value)} bits>"
    try:
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - objects may raise anything
        return f"<{type(value).__name__}>"


def escape_surrogates(text: str) -> str:
    r"""Writes lone surrogates, which UTF-8 cannot encode, as the characters ``\ud83d``."""
    if text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()


def quote_value(value: object) -> str:
    """Returns a value for messages: short, and on one line."""
    if isinstance(value, (Mapping, *_LISTS)) or (is_array(value) and not isinstance(value, (str, float))):
        return f"a value of type {type(value).__name__}"
    text = to_text(value)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return ascii(short) if not short.isprintable() else repr(short) if isinstance(value, str) else short
