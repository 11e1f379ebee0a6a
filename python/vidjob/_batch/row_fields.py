"""Reads the fields of rows, as tables, JSON and people write them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob._errors import InvalidRequest, VidjobError
from vidjob._json_values import is_array, quote_value, to_text
from vidjob._native import (
    Download,
    FileId,
    Keyframe,
    StorageOptions,
    Video,
    VideoJob,
    VideoRequest,
    Voice,
    request_fields,
)
from vidjob._values import RenderResult

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIELDS", "MEDIA", "id_of", "is_missing", "parsed", "plain_fields", "plain_row", "request_of"]

_TRUE, _FALSE = frozenset({"true", "1", "1.0", "yes"}), frozenset({"false", "0", "0.0", "no"})
_ADDRESSES = ("http://", "https://", "data:")
#: Larger integers lose digits as floating-point numbers.
_EXACT = 2**53
_MAX_BITS = 512
_BYTES = (bytes, bytearray, memoryview)


class _Place(NamedTuple):
    """The field of a value, and the folder that its paths may lead into."""

    field: str
    input_root: Path | None

    def refused(self, message: str) -> InvalidRequest:
        """Returns an error about the value."""
        return InvalidRequest(message, field=self.field)


def request_of(fields: Mapping[str, Any], input_root: Path | None) -> VideoRequest:
    """Returns the request of a row.

    Args:
        fields: The row's fields, all of them in ``FIELDS``.
        input_root: The folder that ``{"path": …}`` may lead into; without it rows cannot name files.

    Raises:
        InvalidRequest: A field is wrong; the error names it.
    """
    read: dict[str, Any] = {}
    for name, value in fields.items():
        read[name] = _read(_Place(name, input_root), value)
    if "output" in read:
        read["upload_url"] = read.pop("output")
    try:
        return VideoRequest(**read)
    except VidjobError:
        raise
    except Exception as error:
        message = to_text(error)
        field = next((name for name in read if message.startswith(name)), "requests")
        raise InvalidRequest(message, field=field) from error


def _read(place: _Place, value: object) -> object:
    try:
        return FIELDS[place.field](place, value)
    except VidjobError as error:
        # An error about a part of a value becomes one about the field.
        if isinstance(error, InvalidRequest) and error.field != place.field:
            raise InvalidRequest(f"{place.field}: {error}", field=place.field) from None
        raise
    except Exception as error:
        message = to_text(error)
        full = message if message.startswith(place.field) else f"{place.field}: {message or type(error).__name__}"
        raise place.refused(full) from error


# ---- ids and missing values -------- -------------------------------------------------------------


def is_missing(name: str, value: Any) -> bool:  # noqa: ANN401 - of any type
    """Returns whether a value is missing: None, NaN, NaT or NA in tables, an empty text in CSV files.

    Raises:
        InvalidRequest: It cannot be compared with itself.
    """
    if value is None or isinstance(value, str):
        return not value
    if isinstance(value, (int, list, tuple, dict, Mapping, *_BYTES)):
        return False
    if is_array(value):
        return _is_nan(value)
    try:
        return bool(value != value)  # noqa: PLR0124 - what NaN is
    except Exception as error:
        if type(value).__name__ == "NAType":
            return True
        message = f"{name}: a value of type {type(value).__name__} cannot be compared with itself"
        raise InvalidRequest(f"{message}; convert it to plain Python values, or leave it out", field=name) from error


def _is_nan(array: Any) -> bool:  # noqa: ANN401 - of any library
    # Only arrays without dimensions, NumPy's scalars, are one value.
    try:
        return tuple(array.shape) == () and bool(array != array)  # noqa: PLR0124 - what NaN is
    except Exception:  # noqa: BLE001 - then it is not missing
        return False


def id_of(value: object) -> str:
    """Returns an id as text, spelled as it was before a table made a number of it.

    Raises:
        InvalidRequest: It is neither text nor a number nor a date, so that it could differ in the next run.
    """
    if isinstance(value, str):
        return _whole_text("id", str.__str__(value))
    from datetime import date, time
    from decimal import Decimal
    from enum import Enum
    from pathlib import PurePath
    from uuid import UUID

    if isinstance(value, Enum):
        return id_of(value.value)
    if is_array(value) and getattr(value, "shape", None) == ():
        value = _of_numpy(value)
    is_named = isinstance(value, (str, int, float, Decimal, UUID, date, time, PurePath))
    if not is_named or isinstance(value, bool):
        raise InvalidRequest(f"id must be a text or a number, not {type(value).__name__}", field="id")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise InvalidRequest("id is a number with too many digits; pass it as a text", field="id")
    return _whole_text("id", to_text(_digits(value) if isinstance(value, float) else value))


def _of_numpy(scalar: Any) -> object:  # noqa: ANN401 - NumPy may be absent
    if scalar.dtype.kind == "M":
        return to_text(scalar)
    return scalar.item() if scalar.dtype.kind in "iuf" else scalar


def _digits(number: float) -> float | int:
    # pandas makes floats of integers beside missing values.
    if not math.isfinite(number):
        raise InvalidRequest(f"id is {number}; pass a text or a whole number", field="id")
    if not number.is_integer():
        return number
    if abs(number) >= _EXACT:
        message = (
            f"id {number:.0f} has lost digits as a floating-point number; pass ids as texts, or as Int64 in pandas"
        )
        raise InvalidRequest(message, field="id")
    return int(number)


def _whole_text(field: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = (
            f"{field} has a lone surrogate at character {error.start} (half of an emoji, or bytes that are not UTF-8)"
        )
        raise InvalidRequest(f"{message} and cannot be written; fix the text", field=field) from None
    return text


# ---- plain fields -----------------------------------------------------------------------------


def _text(place: _Place, value: object) -> str:
    if not isinstance(value, str):
        raise place.refused(f"{place.field} must be a text, not {quote_value(value)} ({type(value).__name__})")
    return str.__str__(value)


def _number(value: Any) -> float:  # noqa: ANN401 - numbers of every library, and texts
    """Returns a number, or NaN if the value is not one."""
    if type(value).__name__.startswith("bool") or isinstance(value, _BYTES):
        return math.nan
    try:
        # NumPy converts arrays with one item, with a warning.
        return float(value) if getattr(value, "shape", ()) == () else math.nan
    except Exception:  # noqa: BLE001 - objects may raise anything
        return math.nan


def _whole(place: _Place, value: object) -> int:
    number = _number(value)
    if not (abs(number) < _EXACT and number.is_integer()):
        raise place.refused(f"{place.field} must be a whole number of seconds, not {quote_value(value)}")
    return int(number)


def _flag(place: _Place, value: object) -> bool:
    is_word = isinstance(value, (str, int, float)) or type(value).__name__.startswith("bool")
    word = to_text(value).strip().lower() if is_word else ""
    if word not in _TRUE | _FALSE:
        raise place.refused(f"{place.field} must be true or false, not {quote_value(value)}")
    return word in _TRUE


# ---- parts of JSON ----------------------------------------------------------------------------


def parsed(text: str | bytes, place: str, field: str) -> Any:  # noqa: ANN401 - JSON of any type
    """Parses JSON.

    Raises:
        InvalidRequest: It is not JSON, or cannot be represented.
    """
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        message = f"{place}: not UTF-8 (byte {error.start})"
    except json.JSONDecodeError as error:
        message = f"{place}: not JSON: {error}"
    except RecursionError:
        message = f"{place}: nested too deep"
    except ValueError:
        message = f"{place}: a number has too many digits"
    raise InvalidRequest(message, field=field)


def _opened(place: _Place, value: object, begins: str) -> Any:  # noqa: ANN401 - JSON of any type
    """Returns a value, parsed if it is text that begins like JSON: cells of CSV files are always text."""
    if isinstance(value, str) and value.strip()[:1] in tuple(begins):
        return parsed(str.__str__(value), place.field, place.field)
    return value


def _object(place: _Place, value: object, with_: str) -> dict[Any, Any]:
    found = _opened(place, value, "{[")
    if not isinstance(found, Mapping):
        raise place.refused(f"{place.field} must be an object{with_} (in a text: as JSON), not {quote_value(found)}")
    return dict(found)


def _items(place: _Place, value: Any) -> list[Any]:  # noqa: ANN401 - lists of every library
    found = _opened(place, value, "{[")
    if isinstance(found, (list, tuple)) or is_array(found):
        return list(found)
    if isinstance(found, str) and found.strip().lower().startswith(_ADDRESSES):
        return [found.strip()]
    if isinstance(found, Mapping):
        return [found]
    raise place.refused(
        f'{place.field} must be a list (in a text: as JSON, like ["https://…"]), not {quote_value(found)}'
    )


def _extra(place: _Place, value: object) -> dict[Any, Any] | None:
    return _object(place, value, " of JSON types") or None


def _storage(place: _Place, value: object) -> StorageOptions:
    if isinstance(value, StorageOptions):
        return value
    fields = _object(place, value, " with a filename")
    public = fields.get("public_url")
    if isinstance(public, Mapping):
        fields.update(public_url=True, public_url_expires_after=public.get("expires_after"))
    return StorageOptions(**fields)


def _output(place: _Place, value: object) -> str:
    fields = _object(place, value, " with upload_url")
    if "upload_url" not in fields:
        raise place.refused(f"{place.field} must be an object with upload_url")
    return _text(place, fields["upload_url"])


# ---- media ------------------------------------------------------------------------------------


def _media(place: _Place, value: Any) -> Any:  # noqa: ANN401 - media are of many kinds
    found = _opened(place, value, "{")
    if isinstance(found, Mapping):
        return _media_of_object(place, found)
    if isinstance(found, str):
        return _media_of_text(place, str.__str__(found))
    if isinstance(found, (bytes, bytearray, FileId, VideoJob, Video, Download, RenderResult)):
        return found
    if isinstance(found, os.PathLike):
        return Path(found)
    from vidjob._media import encoded

    return encoded(found, place.field)


def _media_of_text(place: _Place, text: str) -> str | Path:
    """Returns an address, or the path that a text names."""
    is_path = not text.strip().lower().startswith(_ADDRESSES) and (place.field != "video" or _looks_like_path(text))
    return _inside(place, Path(text.strip())) if is_path else text


def _looks_like_path(text: str) -> bool:
    # Otherwise it is the request_id of an earlier job.
    return any(mark in text for mark in "./\\")


def _media_of_object(place: _Place, value: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - likewise
    if value.get("url"):
        return _text(place, value["url"])
    if value.get("file_id"):
        return FileId(_text(place, value["file_id"]))
    if value.get("request_id"):
        return _text(place, value["request_id"])
    # Datasets have images that are not decoded in this form.
    if value.get("bytes"):
        return value["bytes"] if isinstance(value["bytes"], _BYTES) else _text(place, value["bytes"])
    if value.get("path"):
        return _inside(place, Path(value["path"]))
    raise place.refused(f"{place.field} must be an address, or an object with url, file_id or path")


def _inside(place: _Place, path: Path) -> Path:
    """Returns a path that a row names, if it leads into the input root: rows may come from strangers."""
    root = place.input_root
    if root is None:
        message = (
            f"{place.field}: {quote_value(str(path))} is a local path; pass input_root=FOLDER to allow paths inside"
        )
        raise place.refused(f"{message} that folder")
    whole = (root / path).resolve()
    if not whole.is_relative_to(root.resolve()):
        raise place.refused(f"{place.field}: {path} leads out of {root}")
    return whole


def _images(place: _Place, value: object) -> list[Any]:
    return [_media(place, image) for image in _items(place, value)]


def _audios(place: _Place, value: object) -> list[object]:
    return [_audio(place, audio) for audio in _items(place, value)]


def _audio(place: _Place, value: object) -> object:
    if isinstance(value, Voice):
        return value
    if isinstance(value, Mapping):
        if "voice_id" in value:
            return Voice(_text(place, value["voice_id"]))
        if "url" not in value:
            raise place.refused(f"{place.field}: a voice has a voice_id or a url")
        return _text(place, value["url"])
    return _text(place, value)


def _keyframes(place: _Place, value: object) -> list[Keyframe]:
    return [_keyframe(place, frame) for frame in _items(place, value)]


def _keyframe(place: _Place, value: object) -> Keyframe:
    if isinstance(value, Keyframe):
        return value
    if not isinstance(value, Mapping):
        raise place.refused(f"{place.field} must be objects with an image and a timestamp, not {quote_value(value)}")
    seconds = value.get("timestamp_s", value.get("timestamp"))
    if seconds is None or "image" not in value:
        raise place.refused(f"{place.field}: a keyframe has an image and a timestamp")
    moment = _number(seconds)
    if not math.isfinite(moment):
        message = f"{place.field}: the timestamp of a keyframe must be a number of seconds, not {quote_value(seconds)}"
        raise place.refused(message)
    return Keyframe(_media(place, value["image"]), moment)


#: How the fields of each kind are read.
_READERS: dict[str, Callable[[_Place, Any], object]] = {
    "text": _text,
    "seconds": _whole,
    "flag": _flag,
    "video": _media,
    "image": _media,
    "images": _images,
    "audios": _audios,
    "keyframes": _keyframes,
    "storage": _storage,
    "extra": _extra,
}

#: The fields that rows may have, and how each is read.
FIELDS: dict[str, Callable[[_Place, Any], object]] = {
    "operation": _text,
    **{field["name"]: _READERS[field["kind"]] for field in request_fields()},
    "output": _output,
}

# ---- rows for outputs ---------------------------------------------------------------------------

_KINDS = {field["name"]: field["kind"] for field in request_fields()}
_PLAIN = frozenset({"text", "seconds", "flag"})
#: The fields that may name files.
MEDIA = tuple(name for name, kind in _KINDS.items() if kind in {"video", "image", "images", "keyframes"})


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row without media, which would stay in memory as long as its result."""
    return {name: value for name, value in row.items() if _KINDS.get(name, "text") in _PLAIN or _is_plain(value)}


def plain_fields(request: VideoRequest) -> dict[str, Any]:
    """Returns the fields of a request that are not media."""
    fields = {name: getattr(request, name) for name, kind in _KINDS.items() if kind in _PLAIN}
    return {"operation": request.operation, **{name: value for name, value in fields.items() if value is not None}}


def _is_plain(value: object, depth: int = 3) -> bool:
    if isinstance(value, (list, tuple, Mapping)):
        items = value.values() if isinstance(value, Mapping) else value
        return depth > 0 and all(_is_plain(item, depth - 1) for item in items)
    if isinstance(value, str):
        return not value[:5].lower().startswith("data:")
    return value is None or isinstance(value, (int, float, os.PathLike))
