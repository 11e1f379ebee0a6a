"""The paths of a batch's files, from a template whose fields cannot lead out of the folder."""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidjob._errors import InvalidRequest
from vidjob._json_values import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Naming", "component"]

#: Bytes of a name. Most file systems allow 255, and temporary files have longer names.
_LONGEST = 200
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def component(value: object) -> str:
    """Converts a value to one component of a path that is valid on every system."""
    text = unicodedata.normalize("NFC", to_text(value))
    text = "".join("_" if unicodedata.category(character)[0] == "C" else character for character in text)
    text = _FORBIDDEN.sub("_", text).strip().rstrip(". ")
    if not text:
        return "_"
    if text[0] in ".~-" or _RESERVED.fullmatch(text):
        text = f"_{text}"
    if len(text.encode()) > _LONGEST:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        text = text.encode()[: _LONGEST - len(mark) - 1].decode(errors="ignore") + f"-{mark}"
    return text


class Naming:
    """Gives every item a path of its own.

    Args:
        folder: The folder of the template.
        template: Such as ``videos/{id}.mp4``; fields are ``id``, ``index`` and the rows' columns.

    Raises:
        InvalidRequest: The template is not valid.
    """

    def __init__(self, folder: Path, template: str) -> None:
        self._folder = folder
        self._template = template
        self._taken: dict[str, str] = {}
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        except ValueError as error:
            raise InvalidRequest(f"filename: {error}", field="filename") from None
        if not all(name.isidentifier() for name in fields):
            raise InvalidRequest("filename: a field must be a plain name, like {id}", field="filename")
        self._fields = frozenset(fields)
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in template):
            message = "filename has a control character or half of an emoji, which no file name can have"
            raise InvalidRequest(message, field="filename")
        parts = Path(template).parts
        if not fields or not parts or Path(template).is_absolute() or ".." in parts:
            raise InvalidRequest(
                "filename must be a template of paths below the folder, like videos/{id}.mp4", field="filename"
            )

    def path(self, name: str, values: Mapping[str, Any]) -> Path:
        """Returns the path of the item ``name``.

        Raises:
            InvalidRequest: A field is missing, or another item has this path.
        """
        try:
            # Formats and conversions are not allowed: they could undo the escaping.
            relative = string.Formatter().vformat(
                self._template, (), {key: component(values[key]) for key in self._fields}
            )
        except (KeyError, ValueError, IndexError) as error:
            raise InvalidRequest(f"filename: no value for {error} in item {name!r}", field="filename") from None
        key = unicodedata.normalize("NFC", relative).casefold()
        other = self._taken.setdefault(key, name)
        if other != name:
            raise InvalidRequest(f"items {other!r} and {name!r} would have the same file {relative}", field="id")
        return self._folder / relative
