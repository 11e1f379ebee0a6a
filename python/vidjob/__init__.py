"""Create, follow and keep xAI (Grok) video jobs.

    from vidjob import VideoClient

    client = VideoClient()  # key from COMETAPI_KEY
    result = client.render("A candle flickers on a wooden table.", "candle.mp4", duration=5)

Every verb of [VideoClient][vidjob.VideoClient] has an ``_async`` twin with the same arguments.
"""

from vidjob import _hooks
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
    NotBought,
    NotFound,
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
    from vidjob._batch import AsyncBatch, Batch
    from vidjob._results import Results
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
    "NotBought",
    "NotFound",
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
]


#: What takes longer to import than all the rest, and is not always needed.
_LATER = {
    "AsyncBatch": "vidjob._batch",
    "Batch": "vidjob._batch",
    "JobRecord": "vidjob._values",
    "JobStatus": "vidjob._values",
    "RenderResult": "vidjob._values",
    "Results": "vidjob._results",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        globals()[name] = getattr(import_module(_LATER[name]), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _set_up_log() -> None:
    from os import environ

    if environ.get("VIDJOB_LOG"):
        from vidjob._log import set_up

        set_up(environ["VIDJOB_LOG"])


_set_up_log()
_hooks.register()
