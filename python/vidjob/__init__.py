"""Create, follow and keep xAI (Grok) video jobs.

    from vidjob import VideoClient

    client = VideoClient()  # key from COMETAPI_KEY
    result = client.render("A candle flickers on a wooden table.", "candle.mp4", duration=5)

Every verb of [VideoClient][vidjob.VideoClient] has an ``_async`` twin with the same arguments.
"""

from vidjob._client import VideoClient
from vidjob._errors import (
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
    NotAVideo,
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
    from vidjob._values import JobStatus, RenderResult

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequest",
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
    "JobStatus",
    "Keyframe",
    "NotAVideo",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "RenderResult",
    "RequestTimeout",
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


def __getattr__(name: str) -> object:
    # The standard library's enum alone takes longer to import than all of vidjob.
    if name in ("JobStatus", "RenderResult"):
        from vidjob import _values

        globals().update(JobStatus=_values.JobStatus, RenderResult=_values.RenderResult)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
