"""Checks the names of columns: an unnoticed misspelling of a field would buy something else."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from vidjob._errors import InvalidRequest
from vidjob._json_values import escape_surrogates, quote_value, to_text
from vidjob._native import request_fields
from vidjob._suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["FIELD_NAMES", "ID_NAMES", "PROMPTS", "check_names", "check_prompt", "check_spelling"]


def _bare(name: str) -> str:
    """Returns the letters and digits of a name, in lower case."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


#: Columns that make the request.
FIELD_NAMES = frozenset({"operation", "output", *(field["name"] for field in request_fields())})
#: Columns that name the item.
ID_NAMES = ("id", "custom_id")
_FRAMES = (field["name"] for field in request_fields() if field["kind"] in {"image", "keyframes"})
#: Columns of which every row needs one: a prompt, or a frame to start from.
PROMPTS = frozenset({"prompt", "body", *_FRAMES})
#: Other words for fields, which other APIs and people use.
_SYNONYMS = {
    "duration": (
        "seconds",
        "secs",
        "duration_s",
        "duration_sec",
        "duration_secs",
        "duration_seconds",
        "video_duration",
    ),
    "image": ("image_url", "input_image", "input_reference", "start_image", "first_frame"),
    "video": ("video_url", "input_video"),
    "aspect_ratio": ("aspect", "ratio"),
    "resolution": ("res", "video_resolution"),
    "model": ("model_name", "model_id"),
    "generate_audio": ("audio", "with_audio", "sound"),
    "prompt": ("text_prompt", "prompt_text"),
}
_FIELDS_BY_SYNONYM = {_bare(word): field for field, words in _SYNONYMS.items() for word in words}


def check_names(names: Iterable[object], passed: Collection[str]) -> None:
    """Checks the names of a table's columns.

    Args:
        names: The names.
        passed: Columns that are not fields, even if their names look like misspelt ones.

    Raises:
        InvalidRequest: Two are the same, none is a prompt, or one is misspelt.
    """
    texts = list(map(to_text, names))
    twice = next((name for number, name in enumerate(texts) if name in texts[:number]), None)
    if twice is not None:
        raise InvalidRequest(f"two columns are named {quote_value(twice)}; rename one of them", field=twice)
    if texts:
        check_prompt(texts)
    check_spelling(texts, passed)


def check_prompt(names: Collection[str]) -> None:
    """Checks that a column is a prompt, or a frame.

    Raises:
        InvalidRequest: None is; the message lists the columns.
    """
    if not PROMPTS.isdisjoint(names):
        return
    if not names:
        raise InvalidRequest("the prompt is missing: the row is empty", field="prompt")
    meant = next((name for name in names if _meant(name) == "prompt"), None)
    hint = "" if meant is None else f"; rename {quote_value(meant)} to 'prompt'"
    listed = ", ".join(map(quote_value, names))
    raise InvalidRequest(f"no column is named prompt; the columns are {listed}{hint}", field="prompt")


def check_spelling(names: Iterable[str], passed: Collection[str]) -> None:
    """Checks that no column looks like a misspelt field.

    Raises:
        InvalidRequest: One does, and is not among ``passed``.
    """
    for name in names:
        meant = None if name in passed else _meant(name)
        if meant is not None:
            message = f"column {quote_value(name)} is not a field: did you mean {meant!r}?"
            hint = "Rename it, or list it in columns= to keep it as a column of its own"
            raise InvalidRequest(f"{message} {hint}", field=escape_surrogates(name))


@lru_cache(maxsize=4096)
def _meant(name: str) -> str | None:
    """Returns the field that a column misspells, if it does."""
    if name in FIELD_NAMES or name in (*ID_NAMES, "body", "url", "method"):
        return None
    bare = _bare(name)
    # Almost any short word is near these: they have to match but for case and blanks.
    if bare in {"id", "customid"}:
        return "id" if bare == "id" else "custom_id"
    return _FIELDS_BY_SYNONYM.get(bare) or nearest(name, sorted(FIELD_NAMES))
