"""The types of arguments, for annotations in your own code.

    from vidjob.types import ImageInput

    def animate(picture: ImageInput, seconds: int = 5) -> vidjob.VideoJob: ...

Each name here is an alias or a protocol; none is called.

Aliases:
    PathInput: Path of a file or folder.
    ImageInput: Accepted as an image.
    VideoInput: Accepted as a video.
    VideoObject: Accepted as a video in place of the prompt: every ``VideoInput`` that is not a text.
    MediaValue: What a request holds of an image or a video.
    JobInput: A job, or the ``request_id`` of one.
    RequestInput: One order of a batch: a prompt, a request, or a row.
    RequestsInput: A source of orders: an iterable, the path of a file, or a table.
    Prices: Prices in USD by model.
    Event: What callbacks are called with: one dict of plain JSON types per event.
    EventCallback: Called with each event.
    UpdateCallback: Called with each changed snapshot of a job.
    ProgressInput: The argument ``progress``.
    Operation: ``"generate"``, ``"edit"`` or ``"extend"``.
    OnExisting: ``"resume"``, ``"overwrite"`` or ``"error"``.
    OnUnknown: ``"hold"`` or ``"resubmit"``.

    Display: A progress display of your own, see ``vidjob.progress``.

Protocols:
    ProgressBar: A bar like tqdm's.
    PILImage: A ``PIL.Image.Image``.
    Array: A ``numpy.ndarray``.
    Figure: A ``matplotlib.figure.Figure``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

from vidjob._native import Download, FileId, Video, VideoJob, VideoRequest
from vidjob._progress.display import Display
from vidjob._values import RenderResult

__all__ = [
    "Array",
    "Display",
    "Event",
    "EventCallback",
    "Figure",
    "ImageInput",
    "JobInput",
    "MediaValue",
    "OnExisting",
    "OnUnknown",
    "Operation",
    "PILImage",
    "PathInput",
    "Prices",
    "ProgressBar",
    "ProgressInput",
    "RequestInput",
    "RequestsInput",
    "UpdateCallback",
    "VideoInput",
    "VideoObject",
]


class PILImage(Protocol):
    """A ``PIL.Image.Image``."""

    @property
    def mode(self) -> str:
        """The format of its pixels, such as ``RGB``."""

    def save(self, fp: Any, format: str | None = None) -> None:  # noqa: A002, ANN401 - as PIL declares it
        """Writes it to a file."""


class Array(Protocol):
    """A ``numpy.ndarray`` of ``uint8``: height x width x 3 or 4."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""

    def tobytes(self) -> bytes:
        """Returns its pixels."""


class Figure(Protocol):
    """A ``matplotlib.figure.Figure``."""

    def savefig(self, fname: Any) -> None:  # noqa: ANN401 - as matplotlib declares it
        """Writes it to a file."""


class ProgressBar(Protocol):
    """A bar like tqdm's."""

    def update(self, n: float = 1, /) -> object:
        """Advances the bar by ``n``."""


PathInput: TypeAlias = str | os.PathLike[str]
ImageInput: TypeAlias = PathInput | bytes | bytearray | BinaryIO | FileId | PILImage | Array | Figure
VideoObject: TypeAlias = (
    os.PathLike[str] | bytes | bytearray | BinaryIO | FileId | VideoJob | Video | RenderResult | Download
)
VideoInput: TypeAlias = str | VideoObject
MediaValue: TypeAlias = str | Path | bytes | FileId | VideoJob | Video | RenderResult
JobInput: TypeAlias = VideoJob | str
RequestInput: TypeAlias = str | VideoRequest | Mapping[str, Any]
RequestsInput: TypeAlias = Iterable[RequestInput] | os.PathLike[str]
Prices: TypeAlias = Mapping[str, Mapping[str, Any]]
Event: TypeAlias = Mapping[str, Any]
EventCallback: TypeAlias = Callable[[Event], object]
UpdateCallback: TypeAlias = Callable[[VideoJob], object]
ProgressInput: TypeAlias = bool | EventCallback | Display | ProgressBar | type[ProgressBar] | None
Operation: TypeAlias = Literal["generate", "edit", "extend"]
OnExisting: TypeAlias = Literal["resume", "overwrite", "error"]
OnUnknown: TypeAlias = Literal["hold", "resubmit"]
