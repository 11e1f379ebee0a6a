"""What callers pass, gathered for the compiled part."""

from __future__ import annotations

import os

from vidjob._errors import InvalidRequest
from vidjob._native import VideoRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, BinaryIO, Literal, TypeAlias, TypeVar

    from vidjob._media import Array, Figure, PILImage
    from vidjob._native import FileId, Video, VideoJob

    #: What may stand for an image.
    Image: TypeAlias = str | os.PathLike[str] | bytes | bytearray | BinaryIO | FileId | PILImage | Array | Figure
    #: What may stand for a video, where a text is an address and could not be taken for a prompt.
    Footage: TypeAlias = os.PathLike[str] | bytes | bytearray | BinaryIO | FileId | VideoJob | Video
    #: What may stand for a video.
    Film: TypeAlias = str | Footage
    Operation: TypeAlias = Literal["generate", "edit", "extend"]
    _Path = TypeVar("_Path", bound=str | os.PathLike[str])

__all__ = [
    "absolute",
    "address_fault",
    "batch",
    "journal_folder",
    "keep",
    "local",
    "request",
    "request_async",
    "source_and_prompt",
    "waiting",
]


def request(operation: Operation, prompt: object, **fields: Any) -> VideoRequest:  # noqa: ANN401 - VideoRequest's own
    """The request that a verb was called with, or that its arguments amount to."""
    if not isinstance(prompt, VideoRequest):
        if not isinstance(prompt, (str, type(None))):
            hint = "; say in words what to do with it" if fields.get("video") is None else ""
            raise TypeError(f"the prompt must be a str or a VideoRequest, not {type(prompt).__name__}{hint}")
        return VideoRequest(prompt, operation=operation, **fields)
    given = [name for name, value in fields.items() if value is not None]
    if given:
        raise TypeError(f"{given[0]} was given beside a VideoRequest; set it in the request")
    return prompt


async def request_async(operation: Operation, prompt: object, **fields: Any) -> VideoRequest:  # noqa: ANN401 - likewise
    """The twin of ``request``: what takes its time to become bytes does so beside the event loop."""
    if all(_is_light(value) for value in fields.values()):
        return request(operation, prompt, **fields)
    from asyncio import to_thread

    return await to_thread(request, operation, prompt, **fields)


def _is_light(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_light, value))
    return not (
        hasattr(value, "read") or hasattr(value, "save") or hasattr(value, "savefig") or hasattr(value, "shape")
    )


def source_and_prompt(first: object, second: object) -> tuple[object, object]:
    """Which of two is the video: both ``edit(prompt, video)`` and ``edit(video, prompt)`` read naturally."""
    if isinstance(second, str) and not isinstance(first, (str, VideoRequest)):
        return first, second
    if isinstance(first, str) and isinstance(second, str) and _is_address(first) and not _is_address(second):
        raise InvalidRequest("of two texts the prompt comes first and the video's address second", field="video")
    return second, first


def _is_address(text: str) -> bool:
    return text[:8].lower().startswith(("http://", "https://", "data:"))


def waiting(timeout: float | None, poll_interval: float | None) -> dict[str, Any]:
    """How long to wait, and how often to ask."""
    return {"timeout": timeout, "poll_interval": poll_interval}


def keep(path: str | os.PathLike[str], max_bytes: int, overwrite: bool) -> dict[str, Any]:  # noqa: FBT001
    """How a file is to be kept."""
    return {"path": absolute(local("path", path)), "max_bytes": max_bytes, "overwrite": overwrite}


def absolute(path: str | os.PathLike[str]) -> str:
    """A path as it is meant now, whatever the working directory is later. A folder's slash at the end stays."""
    given = os.fsdecode(path)
    if not given:
        return given
    whole = os.path.abspath(given)  # noqa: PTH100 - links stay as they were given
    return whole if not given.endswith(os.sep) or whole.endswith(os.sep) else whole + os.sep


def local(field: str, path: _Path) -> _Path:
    """A path of this machine, as it is.

    Raises:
        InvalidRequest: It is an address: ``s3://bucket/folder`` would become a folder named ``s3:``.
    """
    fault = address_fault(field, path)
    if fault is not None:
        raise InvalidRequest(fault, field=field)
    return path


def address_fault(field: str, path: str | bytes | os.PathLike[str]) -> str | None:
    """What is wrong with a path that is an address, ``scheme://…``, or nothing."""
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
    scheme, colon, rest = text.partition(":")
    # pathlib has made one slash of two, and on Windows turned it round.
    slashes = ("/", "\\") if os.name == "nt" or isinstance(path, os.PathLike) else ("/",)
    is_drive = os.name == "nt" and len(scheme) == 1
    is_scheme = scheme.isascii() and scheme[:1].isalpha() and scheme.translate(_IN_SCHEMES).isalnum()
    if not (colon and rest.startswith(slashes) and is_scheme) or is_drive:
        return None
    bare = rest[2 if rest.startswith("//") else 1 :].rpartition("@")[2].partition("?")[0]
    shown = f"{scheme}://{bare}"
    return f"{field} {shown!r} is an address, and only folders and files of this machine are supported; give a path"


#: What a scheme may hold beside letters and digits.
_IN_SCHEMES = {ord(mark): None for mark in "+-."}


def journal_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder of a journal: itself, or the one beside the files of ``folder``."""
    from pathlib import Path

    beside = Path(local("folder", folder)) / ".vidjob"
    return beside if beside.exists() else Path(folder)


def batch(**options: Any) -> dict[str, Any]:  # noqa: ANN401 - the compiled part checks them
    """How many renders are to be worked through; what is left out has the same default everywhere."""
    defaults: dict[str, Any] = {
        "concurrency": 1,
        "max_cost_usd": None,
        "max_jobs": None,
        "on_existing": "resume",
        "on_unknown": "hold",
        "retry_failed": False,
        "verify": False,
        "prices": None,
    }
    return {**defaults, **options}
