"""The names in the annotations of public functions."""

from __future__ import annotations

import collections.abc
import os
import pathlib
import types
import typing
from datetime import datetime
from decimal import Decimal
from typing import Any

from vidjob import _errors, _native, _values
from vidjob import types as aliases
from vidjob._batch import batch, results

__all__ = ["names"]


def names() -> dict[str, Any]:
    """Returns the objects by name."""
    found: dict[str, Any] = {
        **vars(typing),
        **vars(collections.abc),
        "Decimal": Decimal,
        "Path": pathlib.Path,
        "Self": _self_type(),
        "TracebackType": types.TracebackType,
        "datetime": datetime,
        "os": os,
        **_errors.CLASSES,
    }
    for module in (_native, _values, results, batch, aliases):
        found.update((name, getattr(module, name)) for name in module.__all__ if hasattr(module, name))
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _self_type() -> object:
    """Returns ``typing.Self``, which Python 3.10 does not have."""
    try:
        from typing_extensions import Self
    except ImportError:
        return getattr(typing, "Self", Any)
    return Self
