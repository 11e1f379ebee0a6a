"""Everything that vidjob raises. All of it pickles, and all of it is a [VidjobError][vidjob.VidjobError]."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vidjob._native import VideoJob


class VidjobError(Exception):
    """The root of all errors of vidjob.

    Attributes:
        message: What went wrong and, where that is known, what to do.
        request_id: The job concerned, if one is: paid work can be found again by it.
    """

    _fields: tuple[str, ...] = ("request_id",)

    message: str
    request_id: str | None

    def __init__(self, message: str = "", *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        # Tracebacks and logs show only the text, so it names the job.
        if not self.request_id:
            return self.message
        # One that could steer a terminal is refused, and named all the same.
        job = self.request_id if self.request_id.isprintable() else ascii(self.request_id)[1:-1]
        if job in self.message:
            return self.message
        return f"{self.message} (job {job})" if self.message else f"job {job}"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self._fields}
        return _restore, (type(self), self.message, fields), dict(self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """The error in plain JSON types."""
        fields: dict[str, Any] = {"type": type(self).__name__, "message": self.message}
        for name in self._fields:
            value = getattr(self, name)
            fields[name] = value.to_dict() if hasattr(value, "to_dict") else value
        return fields

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> VidjobError:
        """The inverse of [to_dict][vidjob.VidjobError.to_dict].

        Args:
            data: What ``to_dict`` gave; a type that this version does not know becomes a ``VidjobError``.
        """
        from vidjob._native import VideoJob

        cls = _classes().get(data["type"], VidjobError)
        fields = {name: data.get(name) for name in cls._fields}
        if data.get("job") is not None:
            fields["job"] = VideoJob.from_dict(data["job"])
        return cls(data["message"], **fields)


def _restore(cls: type[VidjobError], message: str, fields: dict[str, Any]) -> VidjobError:
    return cls(message, **fields)


def _classes() -> dict[str, type[VidjobError]]:
    return {
        name: value for name, value in globals().items() if isinstance(value, type) and issubclass(value, VidjobError)
    }


class ConfigurationError(VidjobError, ValueError):
    """The client cannot be set up as told: no key, a bad ``base_url``, an unreadable ``ca_file``."""


class InvalidRequest(VidjobError, ValueError):
    """Refused here, before anything was sent.

    Attributes:
        field: The argument at fault.
    """

    _fields = ("field", "request_id")

    field: str | None

    def __init__(self, message: str = "", *, field: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.field = field


class APIError(VidjobError):
    """The service answered with an error.

    Attributes:
        status_code: The HTTP status.
        code: The service's code, if it gave one.
        retry_after: Seconds after which the service wants to be asked again, if it said so.
        body: The beginning of the answer.
    """

    _fields = ("status_code", "code", "request_id", "retry_after", "body")

    status_code: int | None
    code: str | None
    retry_after: float | None
    body: str | None

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status_code = status_code
        self.code = code
        self.retry_after = retry_after
        self.body = body


class AuthenticationError(APIError, PermissionError):
    """The key is missing or wrong: 401, or words to that effect (xAI says 400)."""


class PermissionDenied(APIError, PermissionError):
    """The key may not do this: 403."""


class InsufficientBalance(APIError):
    """No money left: 402, or the service's words for it. Top up; trying again cannot help."""


class NotFound(APIError, LookupError):
    """No such job, model or path: 404. A job must be asked after with the key that made it."""


class BadRequest(APIError, ValueError):
    """The request is refused as it is: 400, 413, 422."""


class RateLimited(APIError):
    """Too many requests: 429, after all retries."""


class ServerError(APIError):
    """The service's own trouble: 5xx, after all retries."""


class ConnectionFailed(VidjobError, ConnectionError):
    """No connection, or it broke: DNS, TCP, TLS, reset."""


class RequestTimeout(VidjobError, TimeoutError):
    """One exchange took longer than the client's ``timeout``."""


class InvalidResponse(VidjobError):
    """The service answered with something its contract does not allow.

    Attributes:
        body: The beginning of the answer.
    """

    _fields = ("body", "request_id")

    body: str | None

    def __init__(self, message: str = "", *, body: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.body = body


class SubmitUnknown(VidjobError, ConnectionError):
    """A create was sent and its answer was lost: a job may exist and be billed.

    It is never sent again by itself. Look for the job in the provider's console first.

    Attributes:
        status_code: The HTTP status of the answer, if one came.
        request_id: The id in the answer, where it has one that cannot be used as it is.
    """

    _fields = ("status_code", "request_id")

    status_code: int | None

    def __init__(self, message: str = "", *, status_code: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.status_code = status_code


class _JobEnded(VidjobError):
    _fields = ("job", "request_id")

    job: VideoJob | None

    def __init__(self, message: str = "", *, job: VideoJob | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.job = job


class JobFailed(_JobEnded):
    """The job ended without a video.

    Attributes:
        job: The last snapshot; ``job.error`` has the service's reason.
    """


class JobExpired(_JobEnded):
    """The video was made, and its content is gone from the service.

    Attributes:
        job: The last snapshot.
    """


class JobBlocked(_JobEnded):
    """Moderation withheld the video. Such a job is usually billed: see ``job.usage``.

    Attributes:
        job: The last snapshot.
    """


class WaitTimeout(_JobEnded, TimeoutError):
    """Waiting took longer than ``timeout``, or the job is older than ``max_job_age``. It can be waited for again.

    Attributes:
        job: The last snapshot.
    """


class DownloadError(VidjobError, OSError):
    """The file could not be kept; nothing half-written is left.

    Attributes:
        errno: The operating system's error number when it was the disk, as in every ``OSError``.
    """

    _fields = ("errno", "request_id")

    def __init__(self, message: str = "", *, errno: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.errno = errno


class VideoUrlExpired(DownloadError):
    """The link is no longer good, and the service gave no fresh one."""


class UnsafeUrl(DownloadError):
    """The link leads where vidjob does not go: not https, or into a private network."""


class NotAVideo(DownloadError):
    """What came is not a video, such as an error page."""


class IncompleteDownload(DownloadError):
    """The file did not arrive whole, after all retries."""


class TooLarge(DownloadError):
    """The file is larger than ``max_bytes``."""


class JournalError(VidjobError, OSError):
    """The journal cannot be read or written; without it nothing is bought.

    Attributes:
        errno: The operating system's error number, as in every ``OSError``.
    """

    _fields = ("errno", "request_id")

    def __init__(self, message: str = "", *, errno: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.errno = errno


class AlreadyRunning(JournalError):
    """Another run is at the same work; the message names its process and host."""


class NotBought(VidjobError):
    """An item of a batch that was not bought: a limit of the caller, or an earlier refusal, stopped the buying."""
