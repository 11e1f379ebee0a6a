"""Checks the types of arguments and the names of keywords, and says what is expected."""

from __future__ import annotations

import os

from vidjob._errors import InvalidRequest
from vidjob._native import describe_type, describe_value, request_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
    "as_flag",
    "as_number",
    "as_path",
    "as_progress",
    "as_text",
    "as_whole",
    "check_callback",
    "check_word",
    "unknown_keyword",
    "wrong_type",
]

#: Arguments whose values no message shows.
_SECRETS = frozenset({"api_key", "headers", "proxy"})
#: The largest count.
_MAX_WHOLE = 2**63 - 1
#: As many names as a message lists.
_MAX_LISTED = 8
#: Up to this length, a keyword is the beginning of too many.
_SHORT = 3
#: Characters of a keyword that a message shows.
_MAX_SHOWN = 60


def wrong_type(name: str, value: object, expected: str, hint: str = "") -> InvalidRequest:
    """Returns the error for an argument of a wrong type.

    Args:
        name: The argument.
        value: What was given; shown only if it is short and not a secret.
        expected: What the argument takes, such as ``a number``.
        hint: What to do, if that is not obvious.
    """
    given = describe_type(value) if name in _SECRETS and value is not None else describe_value(value)
    return InvalidRequest(f"{name} must be {expected}, not {given}{hint and '; '}{hint}", field=name)


def as_whole(name: str, value: Any, expected: str = "an int") -> int:  # noqa: ANN401 - as the caller passed it
    """Returns a whole number from 0 up as an ``int``.

    Raises:
        InvalidRequest: It is not one.
    """
    try:
        if _is_bool(value):
            raise wrong_type(name, value, expected)
        whole = int(value.__index__())
    except (AttributeError, TypeError):
        raise wrong_type(name, value, expected) from None
    if not 0 <= whole <= _MAX_WHOLE:
        limit = "at least 0" if whole < 0 else f"at most {_MAX_WHOLE:,}"
        raise InvalidRequest(f"{name} must be {limit}, not {_without_type(value)}", field=name)
    return whole


def as_number(name: str, value: Any, expected: str = "a number") -> float:  # noqa: ANN401 - likewise
    """Returns a number as a ``float``.

    Raises:
        InvalidRequest: It is not one.
    """
    if _is_bool(value) or not hasattr(type(value), "__float__") or getattr(value, "shape", ()) != ():
        raise wrong_type(name, value, expected)
    try:
        return float(value)
    except OverflowError:
        raise InvalidRequest(f"{name} is a number out of range", field=name) from None
    except (TypeError, ValueError):
        raise wrong_type(name, value, expected) from None


def as_flag(name: str, value: Any, expected: str = "a bool") -> bool:  # noqa: ANN401 - likewise
    """Returns ``True`` or ``False``, also for NumPy's. A text such as ``"false"`` would be true.

    Raises:
        InvalidRequest: It is neither.
    """
    if isinstance(value, bool) or (_is_bool(value) and getattr(value, "shape", None) == ()):
        return bool(value)
    raise wrong_type(name, value, expected)


def _is_bool(value: object) -> bool:
    return type(value).__name__.startswith("bool")


def as_text(name: str, value: object, expected: str = "a str") -> str:
    """Returns a text as a plain ``str``.

    Raises:
        InvalidRequest: It is not one, or cannot be encoded.
    """
    if not isinstance(value, str):
        raise wrong_type(name, value, expected)
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = f"{name} has a lone surrogate at character {error.start} and cannot be sent; fix the text"
        raise InvalidRequest(message, field=name) from None
    return text


def as_path(name: str, value: Any, expected: str = "a str or a Path") -> str:  # noqa: ANN401 - likewise
    """Returns the path of a file or folder as a ``str``.

    Raises:
        InvalidRequest: It is not one.
    """
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(path, str):
        raise wrong_type(name, value, expected)
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name} has half of an emoji, which no path can have; fix the text", field=name) from None
    return path


def check_word(name: str, value: object, words: tuple[str, ...]) -> None:
    """Checks that an argument is one of several words.

    Raises:
        InvalidRequest: It is not.
    """
    if isinstance(value, str) and value in words:
        return
    *first, last = (f'"{word}"' for word in words)
    given = _without_type(value) if isinstance(value, str) else describe_value(value)
    raise InvalidRequest(f"{name} must be {', '.join(first)} or {last}, not {given}", field=name)


def _without_type(value: object) -> str:
    return describe_value(value).removesuffix(f" ({type(value).__name__})")


def check_callback(name: str, value: object) -> None:
    """Checks that an argument can be called, or is ``None``.

    Raises:
        InvalidRequest: It cannot.
    """
    if value is not None and not callable(value):
        raise wrong_type(name, value, "a callable or None")


def as_progress(value: Any) -> Any:  # noqa: ANN401 - likewise
    """Returns the argument ``progress``: ``True``, a callable, a bar or a display; ``None`` shows nothing.

    Raises:
        InvalidRequest: It has another type.
    """
    if value is None or _is_bool(value):
        return True if value else None
    # The `update` of dicts and sets is another one than that of a bar.
    is_bar = hasattr(value, "update") and not isinstance(value, (dict, set))
    if not (is_bar or callable(value) or hasattr(value, "on_event")):
        raise wrong_type("progress", value, "True, a callable or a bar like tqdm's")
    return value


def unknown_keyword(function: str, name: str, names: Iterable[str]) -> InvalidRequest:
    """Returns the error for a keyword that a function does not have.

    Args:
        function: The qualified name of the function, or of the class that it makes.
        name: The keyword.
        names: The arguments that exist.
    """
    from vidjob._suggestions import nearest

    known = tuple(names)
    near = nearest(name, known) or next((word for word in known if len(name) > _SHORT and word.startswith(name)), None)
    word = repr(name[:_MAX_SHOWN])
    if near is not None:
        hint = f"did you mean {near!r}?"
    elif function.startswith("VideoClient.render_many") and name in {field["name"] for field in request_fields()}:
        hint = "set it in each row"
    elif len(known) <= _MAX_LISTED:
        hint = f"it takes {', '.join(known)}"
    elif "extra" in known:
        hint = f"see help({function}), or pass a field that vidjob does not know in extra={{{word}: ...}}"
    else:
        hint = f"see help({function})"
    called = function.removeprefix("VideoClient.")
    return InvalidRequest(f"{called}() has no argument {word}; {hint}", field=name)
