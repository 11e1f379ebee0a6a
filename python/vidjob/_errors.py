"""The exceptions of vidjob. Each is a `VidjobError`, and each pickles."""

from __future__ import annotations

from vidjob._hints import resolvable
from vidjob._native import VideoJob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class VidjobError(Exception):
    """Base class of all vidjob errors.

    Attributes:
        message: What happened and, where it is known, what to do.
        request_id: The job, if there is one. Paid work can be found again by it.
    """

    _fields: tuple[str, ...] = ("request_id",)

    message: str
    request_id: str | None

    def __init__(self, message: str = "", *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        # Tracebacks and logs show only this text, so it names the job.
        if not self.request_id:
            return self.message
        # An id with control characters is refused, but still named.
        job = self.request_id if self.request_id.isprintable() else ascii(self.request_id)[1:-1]
        if job in self.message:
            return self.message
        return f"{self.message} (job {job})" if self.message else f"job {job}"

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self._fields}
        return _restore, (type(self), self.message, fields), dict(self.__dict__)

    @resolvable
    def to_dict(self) -> dict[str, Any]:
        """Returns the error in plain JSON types."""
        fields: dict[str, Any] = {"type": type(self).__name__, "message": self.message}
        for name in self._fields:
            value = getattr(self, name)
            fields[name] = value.to_dict() if hasattr(value, "to_dict") else value
        return fields

    @staticmethod
    @resolvable
    def from_dict(data: Mapping[str, Any]) -> VidjobError:
        """Returns the error that `to_dict` has written.

        Args:
            data: The result of ``to_dict``; a type that this version does not know becomes a ``VidjobError``.
        """
        cls = CLASSES.get(data["type"], VidjobError)
        fields = {name: data.get(name) for name in cls._fields}
        if data.get("job") is not None:
            fields["job"] = VideoJob.from_dict(data["job"])
        return cls(data["message"], **fields)


def _restore(cls: type[VidjobError], message: str, fields: dict[str, Any]) -> VidjobError:
    return cls(message, **fields)


class ConfigurationError(VidjobError, ValueError):
    """Raised when the client cannot be set up: no key, a bad ``base_url``, an unreadable ``ca_file``."""


class InvalidRequest(VidjobError, ValueError):
    """Raised when an argument is invalid, before anything is sent.

    Attributes:
        field: The invalid argument.
    """

    _fields = ("field", "request_id")

    field: str | None

    def __init__(self, message: str = "", *, field: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.field = field


class APIError(VidjobError):
    """Raised when the service answers with an error.

    Attributes:
        status_code: The HTTP status.
        code: The service's error code, if it gave one.
        retry_after: Seconds after which to retry, if the service said so.
        body: The beginning of the response.
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
    """Raised when the API key is missing or wrong: 401, or an error message that says so (xAI sends 400)."""


class PermissionDenied(APIError, PermissionError):
    """Raised when the API key has no permission: 403."""


class InsufficientBalance(APIError):
    """Raised when the account has no money left: 402, or an error message that says so. A retry cannot help."""


class NotFound(APIError, LookupError):
    """Raised when the job, model or path does not exist: 404. Poll with the API key that created the job."""


class BadRequest(APIError, ValueError):
    """Raised when the service rejects the request: 400, 413, 422."""


class RateLimited(APIError):
    """Raised when there are too many requests: 429, after all retries."""


class ServerError(APIError):
    """Raised when the service fails: 5xx, after all retries."""


class ConnectionFailed(VidjobError, ConnectionError):
    """Raised when the connection fails: DNS, TCP, TLS, reset."""


class RequestTimeout(VidjobError, TimeoutError):
    """Raised when one HTTP exchange takes longer than the client's ``timeout``."""


class InvalidResponse(VidjobError):
    """Raised when a response violates the API's contract.

    Attributes:
        body: The beginning of the response.
    """

    _fields = ("body", "request_id")

    body: str | None

    def __init__(self, message: str = "", *, body: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.body = body


class SubmitUnknown(VidjobError, ConnectionError):
    """Raised when the response of a create is lost: a job may exist and be billed.

    The create is never retried automatically. Look for the job in the provider's console first.

    Attributes:
        status_code: The HTTP status of the response, if there was one.
        request_id: The id in the response, if it has one that cannot be used.
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
    """Raised when a job ends without a video.

    Attributes:
        job: The last snapshot; ``job.error`` has the service's reason.
    """


class JobExpired(_JobEnded):
    """Raised when the service has deleted the video.

    Attributes:
        job: The last snapshot.
    """


class JobBlocked(_JobEnded):
    """Raised when moderation withholds the video. Such a job is usually billed: see ``job.usage``.

    Attributes:
        job: The last snapshot.
    """


class WaitTimeout(_JobEnded, TimeoutError):
    """Raised when a job is not finished after ``timeout``, or is older than ``max_job_age``. It still runs.

    Attributes:
        job: The last snapshot.
    """


class DownloadError(VidjobError, OSError):
    """Raised when a file cannot be saved. No partial file is left.

    Attributes:
        errno: The operating system's error number if the disk failed, as in every ``OSError``.
    """

    _fields = ("errno", "request_id")

    def __init__(self, message: str = "", *, errno: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.errno = errno


class VideoUrlExpired(DownloadError):
    """Raised when a link has expired, and the service gives no new one."""


class UnsafeUrl(DownloadError):
    """Raised when a link is not https, or leads into a private network."""


class NotAVideo(DownloadError):
    """Raised when the response is not a video, such as an error page."""


class IncompleteDownload(DownloadError):
    """Raised when a file does not arrive completely, after all retries."""


class TooLarge(DownloadError):
    """Raised when a file is larger than ``max_bytes``."""


class JournalError(VidjobError, OSError):
    """Raised when the journal cannot be read or written. Without it nothing is bought.

    Attributes:
        errno: The operating system's error number, as in every ``OSError``.
    """

    _fields = ("errno", "request_id")

    def __init__(self, message: str = "", *, errno: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.errno = errno


class AlreadyRunning(JournalError):
    """Raised when another run works on the same item or folder. The message names its process and host."""


class NotSubmitted(VidjobError):
    """The error of a batch item that was not submitted: a limit, a stop, or an earlier refusal kept it back.

    Attributes:
        limit: ``budget`` (``max_cost_usd``), ``max_jobs``, ``deadline``, ``key`` (the service rejects it), ``balance``
            (no money left), ``caller`` (the batch was stopped), ``superseded`` (by another run), or ``None``.
        spent_usd: What is spent or reserved in the folder, in US dollars, or ``None``.
        estimate_usd: What the item would cost, in US dollars; ``None`` if no price is known.
    """

    _fields = ("limit", "spent_usd", "estimate_usd", "request_id")

    limit: str | None
    spent_usd: float | None
    estimate_usd: float | None

    def __init__(
        self,
        message: str = "",
        *,
        limit: str | None = None,
        spent_usd: float | None = None,
        estimate_usd: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.limit = limit
        self.spent_usd = spent_usd
        self.estimate_usd = estimate_usd


#: All error classes by name.
CLASSES: dict[str, type[VidjobError]] = {
    name: value for name, value in list(globals().items()) if isinstance(value, type) and issubclass(value, VidjobError)
}
#: The name in version 0.1.
CLASSES["NotBought"] = NotSubmitted
