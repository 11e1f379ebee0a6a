"""Orders for many videos, wherever they come from: read one by one into ids, requests and the columns beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob._arguments import local
from vidjob._errors import InvalidRequest
from vidjob._native import FileId, Keyframe, StorageOptions, VideoRequest, Voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    #: One order: a prompt, a request, or a row.
    Order: TypeAlias = str | VideoRequest | Mapping[str, Any]
    #: Where orders come from; tables are those with an Arrow C stream, such as data frames.
    Orders: TypeAlias = Iterable[Order] | PathLike[str]

__all__ = ["Row", "Table", "read", "read_async", "row_of"]

_OPERATIONS = {"generations": "generate", "edits": "edit", "extensions": "extend"}
_MEDIA = ("image", "last_frame", "video")
_TEXTS = ("prompt", "operation", "aspect_ratio", "resolution", "model", "user", "upload_url")
_FIELDS = frozenset(
    (
        *_MEDIA,
        *_TEXTS,
        "reference_images",
        "reference_audios",
        "keyframes",
        "duration",
        "generate_audio",
        "storage_options",
        "extra",
        "output",
    )
)
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


class Row(NamedTuple):
    """One order, read.

    Attributes:
        id: The caller's name for it, or ``None``.
        request: What is asked for.
        columns: What else stood there.
    """

    id: str | None
    request: VideoRequest
    columns: dict[str, Any]


class Table(NamedTuple):
    """Orders that have been found, not read yet.

    Attributes:
        rows: The orders, one by one: an iterator, or an async one.
        is_whole: Whether all of them are at hand, so that they can be checked before anything is bought.
    """

    rows: Any
    is_whole: bool


# ---- where they come from ---------------------------------------------------------------------


def read(source: object) -> Table:
    """Finds the orders in a list, any iterable, a file, or a table.

    Args:
        source: An iterable of prompts, requests or rows; a path of a JSONL, CSV or Parquet file; or a table with an
            Arrow C stream (pandas, polars, pyarrow, Hugging Face datasets).

    Returns:
        The orders, to be pulled one by one.

    Raises:
        InvalidRequest: The file's kind is not known.
        TypeError: It is nothing of that.
    """
    if isinstance(source, (str, bytes)):
        raise TypeError("requests must be a list or another iterable; for a file pass pathlib.Path(...)")
    if isinstance(source, PathLike):
        return Table(_rows_of_file(Path(local("requests", source))), is_whole=True)
    if isinstance(source, Mapping):
        raise TypeError("requests must be a list of rows, not one row: put it into a list")
    if hasattr(source, "__arrow_c_stream__"):
        return Table(_rows_of_arrow(source), is_whole=True)
    if hasattr(source, "to_dict") and hasattr(source, "itertuples"):
        return Table(_rows_of_pandas(source), is_whole=True)
    if isinstance(source, AsyncIterable):
        raise TypeError("an async iterable goes to render_many_async")
    if isinstance(source, Iterable):
        return Table(iter(source), is_whole=isinstance(source, (list, tuple)))
    raise TypeError(f"requests must be an iterable, a path or a table, not {type(source).__name__}")


def read_async(source: object) -> Table:
    """The twin of ``read``, which takes async iterables too."""
    if isinstance(source, AsyncIterable) and not isinstance(source, Iterable):
        return Table(aiter(source), is_whole=False)
    return read(source)


def _rows_of_file(path: Path) -> Iterator[Any]:
    kind = path.suffix.lower()
    if kind in {".jsonl", ".ndjson"}:
        return _rows_of_jsonl(path)
    if kind == ".csv":
        return _rows_of_csv(path)
    if kind in {".parquet", ".pq"}:
        return _rows_of_parquet(path)
    raise InvalidRequest(f"{path}: orders are read from .jsonl, .csv and .parquet files", field="requests")


def _rows_of_jsonl(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as file:
        yield from rows_of_lines(file, str(path))


def rows_of_lines(lines: Iterable[str | bytes], name: str) -> Iterator[Any]:
    """Rows from lines of JSON; empty lines are passed over. A line that is none comes as the error it is."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _from_json(line, f"{name}, line {number}", "requests")


def _from_json(text: str | bytes, place: str, field: str) -> Any:  # noqa: ANN401 - of any kind
    try:
        return json.loads(text)
    except ValueError as error:
        return InvalidRequest(f"{place}: not JSON: {error}", field=field)


def _rows_of_csv(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, restkey="more"), 1):
            extra = _from_json(row["extra"], f"{path}, row {number}, extra", "extra") if row.get("extra") else None
            yield extra if isinstance(extra, InvalidRequest) else {**row, "extra": extra}


def _rows_of_parquet(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise InvalidRequest(f"{path}: Parquet is read with pyarrow: pip install pyarrow", field="requests") from None
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _rows_of_arrow(source: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever has the interface
    try:
        import pyarrow as pa
    except ImportError:
        return _rows_of_frame(source)
    reader = pa.RecordBatchReader.from_stream(source)
    return (row for batch in reader for row in batch.to_pylist())


def _rows_of_frame(source: Any) -> Iterator[Any]:  # noqa: ANN401 - likewise
    if hasattr(source, "iter_rows"):  # polars
        rows: Iterator[Any] = source.iter_rows(named=True)
        return rows
    if hasattr(source, "itertuples"):
        return _rows_of_pandas(source)
    raise TypeError(f"a {type(source).__name__} is read with pyarrow: pip install pyarrow")


def _rows_of_pandas(frame: Any) -> Iterator[Any]:  # noqa: ANN401 - likewise
    names = list(frame.columns)
    return (dict(zip(names, values, strict=True)) for values in frame.itertuples(index=False, name=None))


# ---- what they say ----------------------------------------------------------------------------


def row_of(order: object, *, input_root: Path | None) -> Row:
    """Reads one order.

    Args:
        order: A prompt, a request, a flat row, or a line of xAI's batch form (``custom_id``, ``url``, ``body``); or the
            error that stands where one should be.
        input_root: The folder that ``{"path": …}`` may lead into; without it no path in a row is read.

    Returns:
        The order.

    Raises:
        InvalidRequest: It is no order, or a documented limit excludes it.
    """
    if isinstance(order, InvalidRequest):
        raise order
    if isinstance(order, VideoRequest):
        return Row(None, order, {})
    if isinstance(order, str):
        return Row(None, VideoRequest(order), {})
    if not isinstance(order, Mapping):
        words = f"an order is a prompt, a VideoRequest or a row, not {type(order).__name__}"
        raise InvalidRequest(words, field="requests")
    fields = {str(name): value for name, value in order.items() if not _is_missing(value)}
    if isinstance(fields.get("body"), Mapping) and ("url" in fields or "custom_id" in fields):
        return _of_batch_line(fields, input_root)
    name = fields.pop("id", None)
    if name is None:
        name = fields.pop("custom_id", None)
    known = {key: fields.pop(key) for key in list(fields) if key in _FIELDS}
    return Row(None if name is None else str(name), _request(known, input_root), fields)


def _of_batch_line(fields: dict[str, Any], input_root: Path | None) -> Row:
    body = {name: value for name, value in fields.pop("body").items() if not _is_missing(value)}
    method, url = str(fields.pop("method", "POST")), str(fields.pop("url", "/v1/videos/generations"))
    operation = _OPERATIONS.get(url.rstrip("/").rpartition("/")[2])
    if method.upper() != "POST" or operation is None:
        words = f"{method} {url} is not a create: POST to /v1/videos/generations, edits or extensions"
        raise InvalidRequest(words, field="url")
    known = {name: body.pop(name) for name in list(body) if name in _FIELDS and name != "operation"}
    name = fields.pop("custom_id", None)
    request = _request({**known, "operation": operation, "extra": {**known.get("extra", {}), **body}}, input_root)
    return Row(None if name is None else str(name), request, fields)


def _is_missing(value: object) -> bool:
    # Tables have None, NaN, NaT or NA where there is nothing, and CSV files an empty text.
    if value is None or (isinstance(value, str) and not value):
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - what NaN is
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"


def _request(fields: dict[str, Any], input_root: Path | None) -> VideoRequest:
    def media(value: object, field: str) -> Any:  # noqa: ANN401 - media are of many kinds
        return _media(value, field, input_root)

    readers: dict[str, Callable[[Any], object]] = {
        **dict.fromkeys(_TEXTS, _same),
        **{name: partial(media, field=name) for name in _MEDIA},
        "reference_images": lambda images: [media(image, "reference_images") for image in images],
        "reference_audios": lambda audios: [_audio(audio) for audio in audios],
        "keyframes": lambda frames: [_keyframe(frame, input_root) for frame in frames],
        "duration": _whole,
        "generate_audio": _flag,
        "storage_options": _storage,
        "extra": lambda extra: extra or None,
    }
    read = {name: reader(fields[name]) for name, reader in readers.items() if name in fields}
    if "output" in fields:
        read["upload_url"] = _part(fields["output"], "upload_url", "output")
    try:
        return VideoRequest(**read)  # type: ignore[arg-type] # checked there
    except TypeError as error:
        raise InvalidRequest(str(error), field="requests") from None


def _same(value: object) -> object:
    return value


def _media(value: Any, field: str, input_root: Path | None) -> Any:  # noqa: ANN401 - media are of many kinds
    if not isinstance(value, Mapping):
        return value
    if value.get("url"):
        return value["url"]
    if value.get("file_id"):
        return FileId(value["file_id"])
    # How datasets hold an image that is not decoded.
    if value.get("bytes"):
        return value["bytes"]
    if value.get("path"):
        return _inside(Path(value["path"]), field, input_root)
    raise InvalidRequest(f"{field} must be an address, or an object with url, file_id or path", field=field)


def _inside(path: Path, field: str, root: Path | None) -> Path:
    """A path that a row names. Rows may come from strangers: they reach no further than they are let."""
    if root is None:
        words = f"{field}: a path in a row is read only with input_root=FOLDER, which it must lead into"
        raise InvalidRequest(words, field=field)
    whole = (root / path).resolve()
    if not whole.is_relative_to(root.resolve()):
        raise InvalidRequest(f"{field}: {path} leads out of {root}", field=field)
    return whole


def _audio(value: object) -> object:
    if isinstance(value, Mapping):
        return Voice(value["voice_id"]) if "voice_id" in value else _part(value, "url", "reference_audios")
    return value


def _keyframe(value: object, input_root: Path | None) -> object:
    if not isinstance(value, Mapping):
        return value
    seconds = value.get("timestamp_s", value.get("timestamp"))
    if seconds is None or "image" not in value:
        raise InvalidRequest("a keyframe has an image and a timestamp", field="keyframes")
    return Keyframe(_media(value["image"], "keyframes", input_root), float(seconds))


def _storage(value: object) -> StorageOptions:
    if isinstance(value, StorageOptions):
        return value
    if not isinstance(value, Mapping):
        raise InvalidRequest("storage_options must be an object with a filename", field="storage_options")
    fields = dict(value)
    public = fields.get("public_url")
    if isinstance(public, Mapping):
        fields.update(public_url=True, public_url_expires_after=public.get("expires_after"))
    try:
        return StorageOptions(**fields)
    except TypeError as error:
        raise InvalidRequest(f"storage_options: {error}", field="storage_options") from None


def _part(value: object, name: str, field: str) -> Any:  # noqa: ANN401 - checked where it is used
    if not isinstance(value, Mapping) or name not in value:
        raise InvalidRequest(f"{field} must be an object with {name}", field=field)
    return value[name]


def _whole(value: Any) -> int:  # noqa: ANN401 - numbers of every library, and texts
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -0.5
    if number != int(number):
        raise InvalidRequest(f"duration must be a whole number of seconds, not {value!r}", field="duration")
    return int(number)


def _flag(value: object) -> bool:
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise InvalidRequest(f"generate_audio must be true or false, not {value!r}", field="generate_audio")
    return word in _TRUE
