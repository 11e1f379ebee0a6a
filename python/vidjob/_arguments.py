"""Arguments of callers: media types, requests in preparation, and paths."""

from __future__ import annotations

import os

from vidjob._checks import as_path, wrong_type
from vidjob._errors import InvalidRequest
from vidjob._native import Download, FileId, Video, VideoJob, VideoRequest, kind_of_text, path_advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypedDict, TypeVar

    from typing_extensions import Unpack

    from vidjob._native import Keyframe, StorageOptions, Voice
    from vidjob.types import ImageInput, Operation, VideoInput, VideoObject

    _Path = TypeVar("_Path", bound=str | os.PathLike[str])

    class RequestFields(TypedDict, total=False):
        """The fields of a request beside prompt and operation."""

        video: VideoInput | None
        image: ImageInput | None
        reference_images: Sequence[ImageInput] | None
        reference_audios: Sequence[Voice | str] | None
        last_frame: ImageInput | None
        keyframes: Sequence[Keyframe] | None
        duration: int | None
        aspect_ratio: str | None
        resolution: str | None
        generate_audio: bool | None
        model: str | None
        user: str | None
        upload_url: str | None
        storage_options: StorageOptions | None
        extra: Mapping[str, Any] | None


#: Suffixes of images.
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")

__all__ = [
    "RequestDraft",
    "absolute_path",
    "address_fault",
    "check_render_path",
    "local_path",
    "optional_path",
    "order_video_and_prompt",
]


class RequestDraft:
    """The arguments of a create, of which a request is to be made.

    Args:
        operation: The verb.
        prompt: A prompt, or a complete request.
        fields: Fields of the request.
    """

    __slots__ = ("_fields", "_operation", "_prompt")

    def __init__(self, operation: Operation, prompt: object, **fields: Unpack[RequestFields]) -> None:
        self._operation = operation
        self._prompt = prompt
        self._fields = fields

    def build(self) -> VideoRequest:
        """Returns the request.

        Raises:
            InvalidRequest: A documented limit excludes it, or an argument has a wrong type or stands beside a complete
                request.
        """
        prompt = self._prompt
        if not isinstance(prompt, VideoRequest):
            if not isinstance(prompt, (str, type(None))):
                raise wrong_type("prompt", prompt, "a str or a VideoRequest")
            return VideoRequest(prompt, operation=self._operation, **self._fields)
        given = [name for name, value in self._fields.items() if value is not None]
        if given:
            message = f"{given[0]} cannot be passed beside a VideoRequest; set it in the request"
            raise InvalidRequest(message, field=given[0])
        return prompt

    async def build_async(self) -> VideoRequest:
        """Async version of `build`: reads files and encodes images in a thread."""
        if all(map(_is_cheap, self._fields.values())):
            return self.build()
        from asyncio import to_thread

        return await to_thread(self.build)


def _is_cheap(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_cheap, value))
    return not any(hasattr(value, name) for name in ("read", "save", "savefig", "shape"))


def order_video_and_prompt(
    first: str | VideoRequest | VideoObject, second: VideoInput | None
) -> tuple[VideoInput | None, str | VideoRequest | None]:
    """Returns the video and the prompt, which ``edit`` and ``extend`` take in either order.

    Raises:
        InvalidRequest: There is no prompt, or an address or a path stands in its place.
    """
    if isinstance(first, str) and isinstance(second, str):
        return _order_texts(first, second)
    if isinstance(first, str) and second is None and kind_of_text(first) == "path":
        raise InvalidRequest(path_advice("video", first), field="video")
    if isinstance(first, (str, VideoRequest)):
        return second, first
    if not _is_video(first) or not isinstance(second, (str, type(None))):
        raise wrong_type("prompt", first, "a str or a VideoRequest")
    return first, second


def check_render_path(prompt: object, path: str | os.PathLike[str]) -> None:
    """Checks that the path of a video is not the prompt, nor that of an image.

    Raises:
        InvalidRequest: It is.
    """
    words = prompt.prompt if isinstance(prompt, VideoRequest) else prompt
    target = as_path("path", path)
    is_swapped = isinstance(words, str) and kind_of_text(words) == "path" and kind_of_text(target) == "words"
    if is_swapped:
        raise InvalidRequest("the prompt comes first and the path of the video second", field="prompt")
    if target.lower().endswith(_IMAGES):
        message = f"path names an image, {target!r}: pass that as image=, and a path such as 'clip.mp4' for the video"
        raise InvalidRequest(message, field="path")


def _order_texts(first: str, second: str) -> tuple[str, str]:
    if kind_of_text(second) != "words":
        return second, first
    kind = kind_of_text(first)
    if kind in {"address", "other_address"}:
        raise InvalidRequest("the prompt comes first and the address of the video second", field="video")
    if kind == "path":
        raise InvalidRequest(path_advice("video", first), field="video")
    return (first, second) if kind == "request_id" else (second, first)


def _is_video(value: object) -> bool:
    from vidjob._values import RenderResult

    return isinstance(value, (*_VIDEOS, os.PathLike, RenderResult)) or hasattr(value, "read")


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Returns an absolute path; a slash at the end stays."""
    given = os.fsdecode(path)
    if not given:
        return given
    whole = os.path.abspath(given)  # noqa: PTH100 - symbolic links stay as they are
    return whole if not given.endswith(os.sep) or whole.endswith(os.sep) else whole + os.sep


def optional_path(field: str, path: str | os.PathLike[str] | None) -> str | None:
    """Returns the absolute path of a local file or folder, or ``None``.

    Raises:
        InvalidRequest: As `local_path` does.
    """
    return None if path is None else absolute_path(local_path(field, path, "a str, a Path or None"))


def local_path(field: str, path: _Path, expected: str = "a str or a Path") -> _Path:
    """Returns the path of a local file or folder unchanged.

    Raises:
        InvalidRequest: It is not a path, or it is an address: ``s3://bucket/folder`` would become a folder named
            ``s3:``.
    """
    fault = address_fault(field, path)
    if fault is not None:
        raise InvalidRequest(fault, field=field)
    as_path(field, path, expected)
    return path


def address_fault(field: str, path: str | bytes | os.PathLike[str]) -> str | None:
    """Returns a message if a path is an address, ``scheme://…``."""
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
    scheme, colon, rest = text.partition(":")
    # pathlib makes one slash of two, and on Windows a backslash.
    slashes = ("/", "\\") if os.name == "nt" or isinstance(path, os.PathLike) else ("/",)
    is_drive = os.name == "nt" and len(scheme) == 1
    is_scheme = scheme.isascii() and scheme[:1].isalpha() and scheme.translate(_IN_SCHEMES).isalnum()
    if not (colon and rest.startswith(slashes) and is_scheme) or is_drive:
        return None
    bare = rest[2 if rest.startswith("//") else 1 :].rpartition("@")[2].partition("?")[0]
    shown = f"{scheme}://{bare}"
    return f"{field} {shown!r} is an address, and only local files and folders are supported"


#: Types of videos that cannot be mistaken for a prompt, beside paths and open files.
_VIDEOS = (bytes, bytearray, memoryview, FileId, VideoJob, Video, Download)

#: Characters of a scheme that are neither letters nor digits.
_IN_SCHEMES = {ord(mark): None for mark in "+-."}
