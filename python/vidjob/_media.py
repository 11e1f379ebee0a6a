"""Encodes open files, PIL images, NumPy arrays and matplotlib figures. It imports no library that is not in use."""

from __future__ import annotations

import sys
from io import BytesIO

from vidjob import _native
from vidjob._checks import wrong_type
from vidjob._errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from vidjob._native import VideoJob

__all__ = ["encoded"]

_ANY = "an http(s) address or a data URI (str), a pathlib.Path, bytes, an open binary file, a FileId"
_IMAGE = f"{_ANY}, a PIL image, a NumPy array or a matplotlib figure"
_VIDEO = f"a VideoJob, its request_id (str), a Video, a RenderResult, a Download, {_ANY}"
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA"})
#: Modes with opacity in PIL's own form.
_CLEAR_MODES = frozenset({"PA", "La", "RGBa"})
#: Modes whose range of values is not known.
_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_DIMENSIONS = 3
_CHANNELS = (3, 4)


def encoded(value: object, field: str) -> bytes | tuple[VideoJob | None, Path | None]:
    """Returns the content of a value that the compiled part does not know.

    Args:
        value: An open binary file, a PIL image, a NumPy array, a matplotlib figure or a ``RenderResult``.
        field: The field of the request.

    Returns:
        The content of the file, a PNG image, or the job and the file of a result.

    Raises:
        InvalidRequest: The value cannot be used, or has another type.
    """
    if _is(value, "PIL.Image", "Image"):
        return _from_pil(value, field)
    if _is(value, "numpy", "ndarray"):
        return _from_array(value, field)
    if _is(value, "matplotlib.figure", "Figure"):
        return _from_figure(value)
    if _is(value, "vidjob._values", "RenderResult"):
        return _from_result(value, field)
    if isinstance(value, memoryview):
        return value.tobytes()
    if hasattr(value, "read"):
        return _from_file(value, field)
    raise wrong_type(field, value, _VIDEO if field == "video" else _IMAGE)


def _from_result(result: Any, field: str) -> tuple[VideoJob | None, Path | None]:  # noqa: ANN401 - a RenderResult
    if field != "video":
        raise InvalidRequest(f"{field} takes an image; an earlier render can be edited or extended", field=field)
    job = result.job if _has_video(result.job) else None
    if job is None and result.path is None:
        reason = "it has neither a job with a video nor a file" if result.error is None else result.error
        raise InvalidRequest(f"{field}: the result {result.id!r} has no video: {reason}", field=field)
    return job, result.path


def _has_video(job: VideoJob | None) -> bool:
    video = None if job is None or job.status.value != "done" else job.video
    stored = None if video is None else video.file_output
    return video is not None and (video.url is not None or (stored is not None and stored.file_id is not None))


def _is(value: object, module: str, name: str) -> bool:
    # An instance exists only where its module was imported.
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _from_file(file: Any, field: str) -> bytes:  # noqa: ANN401 - whatever has a read method
    content = file.read()
    if isinstance(content, str):
        raise InvalidRequest(f"{field}: the file is open as text; open it with 'rb'", field=field)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        message = f"{field}: read() of {type(file).__name__} returns {type(content).__name__}, not bytes"
        raise InvalidRequest(message, field=field)
    if not content:
        raise InvalidRequest(
            f"{field}: the file has nothing left to read; call file.seek(0) if it was read before", field=field
        )
    return bytes(content)


def _from_pil(image: Any, field: str) -> bytes:  # noqa: ANN401 - PIL may be absent
    from PIL import ImageOps

    if image.mode in _DEEP_MODES:
        hint = "scale it to 8 bits first: image.point(lambda value: value / 256).convert('L')"
        raise InvalidRequest(f"{field}: a PIL image of mode {image.mode} has more than 8 bits; {hint}", field=field)
    try:
        # Cameras store the rotation beside the pixels, where PNG has no place for it.
        upright = ImageOps.exif_transpose(image)
        if upright.mode not in _PNG_MODES:
            upright = upright.convert("RGBA" if upright.mode in _CLEAR_MODES else "RGB")
        buffer = BytesIO()
        upright.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{field}: the PIL image cannot be read: {error}", field=field) from error
    return buffer.getvalue()


def _from_array(array: Any, field: str) -> bytes:  # noqa: ANN401 - NumPy may be absent
    shape = tuple(array.shape)
    if hasattr(array, "mask"):
        raise InvalidRequest(f"{field}: a masked array has missing pixels; fill them with array.filled(0)", field=field)
    if str(array.dtype) != "uint8":
        hint = "; for values from 0 to 1: (array * 255).astype('uint8')" if array.dtype.kind == "f" else ""
        raise InvalidRequest(f"{field}: the array must be of uint8, not {array.dtype}{hint}", field=field)
    if len(shape) != _DIMENSIONS or shape[2] not in _CHANNELS or 0 in shape:
        wanted = "height x width x 3 (RGB) or x 4 (RGBA)"
        raise InvalidRequest(f"{field}: the array must be {wanted}, not {' x '.join(map(str, shape))}", field=field)
    height, width, channels = shape
    return _native.encode_png(width, height, channels, array.tobytes())


def _from_figure(figure: Any) -> bytes:  # noqa: ANN401 - matplotlib may be absent
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
