"""Create xAI (Grok) video jobs, wait for them and save the videos.

    from vidjob import VideoClient

    client = VideoClient()  # key from COMETAPI_KEY
    result = client.render("A candle flickers on a wooden table.", "candle.mp4", duration=5)

Every verb of `VideoClient` has an async version with the same arguments: ``render_async`` and so on.
"""

from vidjob._client import VideoClient
from vidjob._errors import (
    AlreadyRunning,
    APIError,
    AuthenticationError,
    BadRequest,
    ConfigurationError,
    ConnectionFailed,
    DownloadError,
    IncompleteDownload,
    InsufficientBalance,
    InvalidRequest,
    InvalidResponse,
    JobBlocked,
    JobExpired,
    JobFailed,
    JournalError,
    NotAVideo,
    NotFound,
    NotSubmitted,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ServerError,
    SubmitUnknown,
    TooLarge,
    UnsafeUrl,
    VideoUrlExpired,
    VidjobError,
    WaitTimeout,
)
from vidjob._native import (
    Download,
    FileId,
    FileOutput,
    JobError,
    Keyframe,
    Simulator,
    StorageOptions,
    Usage,
    Video,
    VideoJob,
    VideoRequest,
    Voice,
    __version__,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vidjob import types as types
    from vidjob._batch.batch import AsyncBatch, Batch
    from vidjob._batch.results import Results
    from vidjob._jobs import jobs, jobs_async
    from vidjob._values import JobRecord, JobStatus, RenderResult

__all__ = [
    "APIError",
    "AlreadyRunning",
    "AsyncBatch",
    "AuthenticationError",
    "BadRequest",
    "Batch",
    "ConfigurationError",
    "ConnectionFailed",
    "Download",
    "DownloadError",
    "FileId",
    "FileOutput",
    "IncompleteDownload",
    "InsufficientBalance",
    "InvalidRequest",
    "InvalidResponse",
    "JobBlocked",
    "JobError",
    "JobExpired",
    "JobFailed",
    "JobRecord",
    "JobStatus",
    "JournalError",
    "Keyframe",
    "NotAVideo",
    "NotFound",
    "NotSubmitted",
    "PermissionDenied",
    "RateLimited",
    "RenderResult",
    "RequestTimeout",
    "Results",
    "ServerError",
    "Simulator",
    "StorageOptions",
    "SubmitUnknown",
    "TooLarge",
    "UnsafeUrl",
    "Usage",
    "Video",
    "VideoClient",
    "VideoJob",
    "VideoRequest",
    "VideoUrlExpired",
    "VidjobError",
    "Voice",
    "WaitTimeout",
    "__version__",
    "jobs",
    "jobs_async",
]


#: Public names that are loaded on first use, for they take longer to import than all the others.
_LAZY = {
    "AsyncBatch": "vidjob._batch.batch",
    "Batch": "vidjob._batch.batch",
    "JobRecord": "vidjob._values",
    "JobStatus": "vidjob._values",
    "RenderResult": "vidjob._values",
    "Results": "vidjob._batch.results",
    "jobs": "vidjob._jobs",
    "jobs_async": "vidjob._jobs",
}

#: Objects that lower layers and the compiled part look up by name, and the modules that have them.
_REGISTERED = {
    "VideoClient": ("vidjob._client", "VideoClient"),
    "JobStatus": ("vidjob._values", "JobStatus"),
    "checks.unknown_keyword": ("vidjob._checks", "unknown_keyword"),
    "RenderResult": ("vidjob._values", "RenderResult"),
    "hints.names": ("vidjob._annotations", "names"),
    "errors": ("vidjob._errors", "CLASSES"),
    "media.encode": ("vidjob._media", "encoded"),
    "notebook.bundle": ("vidjob.notebook", "bundle"),
    "notebook.text": ("vidjob.notebook", "text"),
    "notebook.interrupt_guard": ("vidjob._notebook.jupyter", "install_interrupt_guard"),
}


#: Names of version 0.1, and what they are called now.
_RENAMED = {"NotBought": "NotSubmitted"}


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        from warnings import warn

        warn(f"vidjob.{name} is deprecated: use vidjob.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        return globals()[_RENAMED[name]]
    if name == "types":
        from importlib import import_module

        return import_module("vidjob.types")
    if name in _LAZY:
        globals()[name] = _load(_LAZY[name], name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__") and name not in __all__)]


def _load(module: str, name: str) -> object:
    from importlib import import_module

    return getattr(import_module(module), name)


def _register() -> None:
    from vidjob._native import register

    for name, (module, attribute) in _REGISTERED.items():
        register(name, _loader(module, attribute))


def _loader(module: str, attribute: str) -> "Callable[[], object]":
    return lambda: _load(module, attribute)


def _set_up_log() -> None:
    from os import environ

    if environ.get("VIDJOB_LOG"):
        from vidjob._log import set_up

        set_up(environ["VIDJOB_LOG"])


_register()
_set_up_log()
