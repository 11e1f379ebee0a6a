"""The compiled part of vidjob. What ``vidjob`` exports is public; the rest may change."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, final

from typing_extensions import Self

from vidjob._client import VideoClient
from vidjob._observers import Listener
from vidjob._options import BatchOptions, DownloadOptions, WaitOptions
from vidjob._values import JobStatus
from vidjob.types import ImageInput, MediaValue, Operation, VideoInput

__all__ = [
    "Batch",
    "Client",
    "Download",
    "FileId",
    "FileOutput",
    "JobError",
    "Keyframe",
    "Outcome",
    "Simulator",
    "StorageOptions",
    "Usage",
    "Video",
    "VideoJob",
    "VideoRequest",
    "Voice",
    "Watch",
    "__version__",
    "check_target",
    "describe_type",
    "describe_value",
    "encode_png",
    "error_names",
    "estimate_usd",
    "event_names",
    "fingerprint",
    "is_terminal_status",
    "kind_of_text",
    "lookup",
    "path_advice",
    "process_tag",
    "read_journal",
    "register",
    "request_fields",
    "statuses",
]

__version__: str
_loaders: dict[str, Callable[[], object]]

_Listener: TypeAlias = Listener | None

@final
class Video:
    """The video of a job. Frozen; equal and hashable by value.

    Attributes:
        url: Temporary link to the file, valid for about 24 h (documented by xAI). ``None`` when moderation
            withheld the video, or it was uploaded to ``upload_url``.
        duration: Length in seconds, or ``None``.
        respect_moderation: ``False`` when moderation withheld the video; ``None`` when the service did not say.
        file_output: The file that the service keeps, if ``storage_options`` asked for it.
        storage_error: Why the service could not keep it; the video exists nevertheless.
    """

    __match_args__ = ("url", "duration", "respect_moderation", "file_output", "storage_error")

    def __new__(
        cls,
        url: str | None = None,
        duration: float | None = None,
        respect_moderation: bool | None = None,
        file_output: FileOutput | None = None,
        storage_error: str | None = None,
    ) -> Self: ...
    @property
    def url(self) -> str | None: ...
    @property
    def duration(self) -> float | None: ...
    @property
    def respect_moderation(self) -> bool | None: ...
    @property
    def file_output(self) -> FileOutput | None: ...
    @property
    def storage_error(self) -> str | None: ...
    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]: ...
    def _repr_pretty_(self, p: Any, cycle: bool) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class FileOutput:
    """A file that the service keeps (documented by xAI). Frozen; equal and hashable by value.

    Attributes:
        file_id: The service's id for it, usable as `FileId` in further requests.
        filename: Its name.
        expires_at: Until when it is kept, in Unix seconds; ``None`` when the service did not say.
        public_url: Its public address, if one was asked for.
        public_url_expires_at: Until when that address is valid, in Unix seconds.
        public_url_error: Why it has no public address.
    """

    __match_args__ = ("file_id", "filename", "expires_at", "public_url", "public_url_expires_at", "public_url_error")

    def __new__(
        cls,
        file_id: str | None = None,
        filename: str | None = None,
        expires_at: int | None = None,
        public_url: str | None = None,
        public_url_expires_at: int | None = None,
        public_url_error: str | None = None,
    ) -> Self: ...
    @property
    def file_id(self) -> str | None: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def expires_at(self) -> int | None: ...
    @property
    def public_url(self) -> str | None: ...
    @property
    def public_url_expires_at(self) -> int | None: ...
    @property
    def public_url_error(self) -> str | None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Usage:
    """What a job cost. Frozen; equal and hashable by value.

    Attributes:
        cost_in_usd_ticks: Cost in ticks; 10,000,000,000 ticks are 1 USD (documented by xAI).
        cost_usd: The same in US dollars.
    """

    __match_args__ = ("cost_in_usd_ticks",)

    def __new__(cls, cost_in_usd_ticks: int) -> Self: ...
    @property
    def cost_in_usd_ticks(self) -> int: ...
    @property
    def cost_usd(self) -> Decimal: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class JobError:
    """Why a job failed. Frozen; equal and hashable by value.

    Attributes:
        code: The service's code, or ``None``.
        message: The service's message.
    """

    __match_args__ = ("code", "message")

    def __new__(cls, code: str | None, message: str) -> Self: ...
    @property
    def code(self) -> str | None: ...
    @property
    def message(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class VideoJob:
    """One snapshot of a job. Frozen; equal and hashable by value, in which ``raw`` takes no part.

    Attributes:
        request_id: The id the service gave at creation.
        status: Its status.
        progress: Percent from 0 to 100 when the service reports it, else ``None``. A done job has 100.
        model: The model that renders, or ``None``.
        video: The video, once there is one.
        usage: The cost, once it is known.
        error: Why the job failed.
        raw: The JSON as received, with fields and statuses that this version does not know; parsed on first use.
            ``None`` when nothing was received.
        is_terminal: Whether the job is finished, successfully or not.
    """

    __match_args__ = ("request_id", "status", "progress", "model", "video", "usage", "error")

    def __new__(
        cls,
        request_id: str,
        status: JobStatus | str | None = None,
        progress: int | None = None,
        model: str | None = None,
        video: Video | None = None,
        usage: Usage | None = None,
        error: JobError | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> Self: ...
    @property
    def request_id(self) -> str: ...
    @property
    def status(self) -> JobStatus: ...
    @property
    def progress(self) -> int | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def video(self) -> Video | None: ...
    @property
    def usage(self) -> Usage | None: ...
    @property
    def error(self) -> JobError | None: ...
    @property
    def raw(self) -> dict[str, Any] | None: ...
    @property
    def is_terminal(self) -> bool: ...
    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]: ...
    def _repr_pretty_(self, p: Any, cycle: bool) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Download:
    """A saved file. Frozen; equal and hashable by value.

    Attributes:
        path: Its path.
        bytes: Its size in bytes.
        sha256: Its SHA-256 in hexadecimal.
        content_type: The ``Content-Type`` it came with, or ``None``.
    """

    __match_args__ = ("path", "bytes", "sha256", "content_type")

    def __new__(cls, path: str | PathLike[str], bytes: int, sha256: str, content_type: str | None = None) -> Self: ...
    @property
    def path(self) -> Path: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def content_type(self) -> str | None: ...
    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]: ...
    def _repr_pretty_(self, p: Any, cycle: bool) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class FileId:
    """A file that the service already has (documented by xAI only). Accepted as an image or a video.

    Attributes:
        file_id: The service's id for it.
    """

    __match_args__ = ("file_id",)

    def __new__(cls, file_id: str) -> Self: ...
    @property
    def file_id(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Voice:
    """One of the service's voices (documented by xAI only).

    Attributes:
        voice_id: Its id, such as ``ara``.
    """

    __match_args__ = ("voice_id",)

    def __new__(cls, voice_id: str) -> Self: ...
    @property
    def voice_id(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Keyframe:
    """A frame at a time of the video (documented by xAI's newer guide only).

    Attributes:
        image: The frame, as ``image`` of `VideoClient.generate`; read back as a str, a path, bytes or a
            ``FileId``.
        timestamp: Seconds from the beginning: above 0 and below the duration, in a slot of 1/3 s of its own.
    """

    __match_args__ = ("image", "timestamp")

    def __new__(cls, image: ImageInput, timestamp: float) -> Self: ...
    @property
    def image(self) -> MediaValue: ...
    @property
    def timestamp(self) -> float: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class StorageOptions:
    """How the service keeps a file (documented by xAI only).

    Attributes:
        filename: Its name.
        expires_after: Seconds to keep it, 3,600 to 2,592,000 (30 days); ``None`` for the service's default.
        public_url: Whether everyone who has its address may download it.
        public_url_expires_after: Seconds for which that address is valid, in the same range; with ``public_url``.

    Raises:
        InvalidRequest: A number is out of range, or the name is empty.
    """

    __match_args__ = ("filename", "expires_after", "public_url", "public_url_expires_after")

    def __new__(
        cls,
        filename: str,
        expires_after: int | None = None,
        public_url: bool = False,
        public_url_expires_after: int | None = None,
    ) -> Self: ...
    @property
    def filename(self) -> str: ...
    @property
    def expires_after(self) -> int | None: ...
    @property
    def public_url(self) -> bool: ...
    @property
    def public_url_expires_after(self) -> int | None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class VideoRequest:
    """A request for one video. Frozen; equal and hashable by value.

    Accepted anywhere a prompt is. The fields are those of `VideoClient.generate`, `edit` and `extend`. They are
    checked against the documented limits at once; files are read when the request is sent or previewed. Open files,
    PIL images, arrays and figures are read at once, and are bytes from then on.

    ``to_dict`` writes a path as ``{"path": "…"}``, so that a text is never mistaken for one. ``from_dict`` reads
    that form too: do not pass data from strangers, who could name any file.

    Attributes:
        operation: ``"generate"``, ``"edit"`` or ``"extend"``.
        path: Its path below the base URL.

    Raises:
        InvalidRequest: A documented limit excludes it, or a field has a wrong type; the field is named.
    """

    __match_args__ = ("prompt",)

    def __new__(
        cls,
        prompt: str | None = None,
        *,
        operation: Operation = "generate",
        video: VideoInput | None = None,
        image: ImageInput | None = None,
        reference_images: Sequence[ImageInput] | None = None,
        reference_audios: Sequence[Voice | str] | None = None,
        last_frame: ImageInput | None = None,
        keyframes: Sequence[Keyframe] | None = None,
        duration: int | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        generate_audio: bool | None = None,
        model: str | None = None,
        user: str | None = None,
        upload_url: str | None = None,
        storage_options: StorageOptions | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Self: ...
    def _anchored(self) -> Self: ...
    def preview(self) -> dict[str, Any]:
        """Returns the JSON body that would be sent, with media shortened. Reads files; sends nothing.

        Raises:
            InvalidRequest: A file cannot be read, or has a format that the service does not take.
        """

    @property
    def path(self) -> str: ...
    @property
    def operation(self) -> Operation: ...
    @property
    def prompt(self) -> str | None: ...
    @property
    def video(self) -> MediaValue | None: ...
    @property
    def image(self) -> MediaValue | None: ...
    @property
    def reference_images(self) -> tuple[MediaValue, ...]: ...
    @property
    def reference_audios(self) -> tuple[Voice | str, ...]: ...
    @property
    def last_frame(self) -> MediaValue | None: ...
    @property
    def keyframes(self) -> tuple[Keyframe, ...]: ...
    @property
    def duration(self) -> int | None: ...
    @property
    def aspect_ratio(self) -> str | None: ...
    @property
    def resolution(self) -> str | None: ...
    @property
    def generate_audio(self) -> bool | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def upload_url(self) -> str | None: ...
    @property
    def storage_options(self) -> StorageOptions | None: ...
    @property
    def extra(self) -> dict[str, Any] | None: ...
    def to_dict(self) -> dict[str, Any]: ...
    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self: ...
    @classmethod
    def _from_json(cls, text: str) -> Self: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any, /) -> Self: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def register(name: str, load: Callable[[], object]) -> None:
    """Registers an object that lower layers use. ``load`` imports and returns it."""

def lookup(name: str) -> Any:
    """Returns a registered object."""

def describe_value(value: object) -> str:
    """Returns a value for messages: numbers and texts, shortened and without secrets, with the type; else the type."""

def describe_type(value: object) -> str:
    """Returns the type of a value, for messages that must not show the value."""

def kind_of_text(text: str) -> str:
    """Returns what a text looks like: ``address``, ``other_address``, ``path``, ``request_id`` or ``words``."""

def path_advice(field: str, text: str) -> str: ...
def encode_png(width: int, height: int, channels: int, pixels: bytes) -> bytes: ...

@final
class Simulator:
    """Simulates the service on loopback: no key, no cost, no network. A context manager.

    It answers as documented, renders in simulated time, serves real MP4 files, and records every create, so that a
    test can assert what was bought.

    `client` returns a client that polls every 0.02 s. Any other client of this ``base_url`` needs no key, and polls at
    its normal pace, between 1 s and 10 s: pass it ``poll_interval=0.1`` to notice the end of a short render at once.
    With pytest, use the fixture ``vidjob_simulator``.

    Args:
        shape: The API to imitate: ``"cometapi"``, ``"envelope"`` (CometAPI's earlier edition) or ``"xai"``.
        port: Port on 127.0.0.1; 0 takes any.
        seed: Determines the render time and outcome of the n-th job.
        render_seconds: Median render time in seconds.
        spread: Sigma of the lognormal render time; 0 makes all equal.
        queue_seconds: Time in the queue before rendering, in seconds.
        progress: Whether and how progress is reported: ``"linear"``, ``"stalling"``, or ``None`` to leave it out.
        link_seconds: How long a video's link is valid, in seconds.
        creates_per_second: Above it, creates get 429.
        requests_per_second: Above it, every request gets 429.
        api_key: The only key to accept; ``None`` accepts any.
        video_bytes: Pads each MP4 file to this size.

    Raises:
        OSError: The port is taken.
        ValueError: A word is unknown, or a number is out of range.
    """

    def __new__(
        cls,
        shape: Literal["cometapi", "envelope", "xai"] = "cometapi",
        *,
        port: int = 0,
        seed: int = 0,
        render_seconds: float = 8.0,
        spread: float = 0.35,
        queue_seconds: float = 0.0,
        progress: Literal["linear", "stalling"] | None = "linear",
        link_seconds: float = 86400.0,
        creates_per_second: float | None = None,
        requests_per_second: float | None = None,
        api_key: str | None = None,
        video_bytes: int | None = None,
    ) -> Self: ...
    @property
    def base_url(self) -> str:
        """The ``base_url`` for clients."""

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """Every accepted create, in order. Texts over 1 MiB in a body are shortened."""

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The last 10,000 requests, with the status of the response."""

    @property
    def faults_left(self) -> int:
        """How often the injected faults have still to fire; a test asserts that it is 0.

        A fault counts ``times`` times, also while ``after`` has not passed. Responses set with ``respond`` do not
        count.
        """

    def client(self, **settings: Any) -> VideoClient:
        """Returns a client of this simulator; takes the arguments of ``VideoClient``.

        It has the simulator's ``api_key``, polls every 0.02 s and waits at most 0.01 s before the first retry. Pass
        ``poll_interval=None`` for the usual pace, between 1 s and 10 s.
        """

    def inject(
        self,
        kind: Literal[
            "lost_response",
            "reset",
            "rate_limited",
            "server_error",
            "truncated",
            "wrong_type",
            "garbage",
            "hang",
            "oversized",
            "job_fails",
            "job_moderated",
            "job_expires",
            "job_ends",
            "link_elsewhere",
            "link_expired",
            "late_file",
            "not_found_yet",
            "no_money",
            "odd_answer",
            "odd_body",
        ],
        *,
        on: Literal["create", "get", "download"],
        times: int = 1,
        after: int = 0,
        status: int | None = None,
        retry_after: float | None = None,
        seconds: float | None = None,
        form: str | None = None,
    ) -> None:
        """Injects a fault into the next matching requests.

            kind            on                     what happens
            --------------  ---------------------  ---------------------------------------------------------
            lost_response   create, get, download  the request is carried out; its response is lost
            reset           create, get, download  the connection is reset before anything is done
            truncated       create, get, download  the body ends half way
            hang            create, get, download  the response is late by `seconds`
            rate_limited    create, get, download  429, with `retry_after`; nothing is done
            server_error    create, get, download  `status` (500 to 599, default 500); nothing is done
            wrong_type      create, get, download  an HTML page under 200; nothing is done
            garbage         create, get, download  random bytes under 200; nothing is done
            oversized       create, get, download  1 MiB of JSON; nothing is done
            no_money        create, get, download  out of credit: `status` 429 (default), 402, 403 or 200
            odd_answer      create, get, download  nothing about the job, in a `form`; nothing is done
            odd_body        create, get            the right response, in a `form` that strict readers refuse
            job_fails       create                 the job fails
            job_moderated   create                 moderation blocks the video; the job is billed
            job_expires     create                 the job expires
            job_ends        create                 the job ends with another gateway's word, the `form`
            link_elsewhere  create, get            the link is in another field, the `form`
            not_found_yet   get                    404, as if the job were not visible yet
            link_expired    download               `status` (400 to 499, default 403) until the next get
            late_file       download               `status` (default 404; 2xx has no body): no file there yet

        A fault of a job (``job_...``, ``link_elsewhere``) fires when a create is accepted; ``link_elsewhere`` on a get
        fires when the job is done. Faults of the same requests fire in the order in which they were injected.

        Args:
            kind: The fault.
            on: ``create``, ``get`` or ``download``.
            times: The number of requests that fail.
            after: The number of matching requests that pass first.
            status: The HTTP status of ``server_error``, ``no_money``, ``link_expired`` (with 400 the body says
                ``ExpiredToken``) or ``late_file``.
            retry_after: Value of the ``Retry-After`` header of ``rate_limited``, in seconds. Default: no header.
            seconds: The length of a ``hang``. Default: 1.
            form: The variant; the first one is the default. Of ``job_ends``: ``aborted``, ``rejected``,
                ``moderated``, ``blocked``, ``timeout``, ``timed_out``, ``cancelled``, ``error``. Of
                ``link_elsewhere``: ``metadata.url``, ``videos[0].url``, ``result.video_url``, ``output.url``,
                ``output.video_url``, ``data[0].url``, ``data.url``, ``video_url``. Of ``odd_answer``: ``empty``,
                ``html``, ``cut``, ``text``, ``object``, ``busy`` (all under 200), ``forbidden`` (403), ``not_found``
                (404). Of ``odd_body``: ``bom``, ``nan``, ``huge_number``, ``surrogate``, ``latin1``, ``line_break``,
                ``tab``, ``deep``, ``gzip``.

        Raises:
            ValueError: A word is unknown, the kind makes no difference in such a request or does not use a detail, or a
                number is out of range.
        """

    def respond(
        self,
        on: Literal["create", "get", "download"],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
    ) -> None:
        """Sets the response to the next matching request. Several are used in order.

        A request with a fault that replaces its response leaves it for the next one.

        Args:
            on: ``create``, ``get`` or ``download``.
            status: The HTTP status, from 200 to 599.
            headers: The headers; there are no others but the length and the date.
            body: The body; a ``str`` is sent in UTF-8.

        Raises:
            ValueError: ``on`` is unknown, or HTTP does not allow the status or a header.
        """

    def pause(self) -> None:
        """Stops the simulator's clock, so that a test does not depend on how fast the machine is.

        Jobs, links and rate limits stay as they are until ``advance`` or ``resume`` is called. Requests are still
        answered, and the client's own waits still take real time. Pausing twice is fine.
        """

    def advance(self, seconds: float) -> None:
        """Moves the simulator's clock ahead at once, whether it is paused or not.

        Args:
            seconds: A job that renders for 8 seconds is done after ``advance(8)``.

        Raises:
            ValueError: ``seconds`` is negative or not finite.
        """

    def resume(self) -> None:
        """Lets a paused clock run again."""

    def close(self) -> None:
        """Stops the service. Closing twice is fine."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...

@final
class Client:
    def __new__(
        cls,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        requests_per_second: float | None = None,
        creates_per_second: float | None = None,
        max_concurrent_requests: int | None = None,
        proxy: str | None = None,
        ca_file: str | PathLike[str] | None = None,
        headers: list[tuple[str, str]] = ...,
        journal: str | PathLike[str] | None = None,
        max_job_age: float | None = None,
        poll_interval: float | None = None,
        retry_delay: float | None = None,
    ) -> Self: ...
    def copy(self) -> Client: ...
    def barred(self, fault: str) -> Client: ...
    @property
    def base_url(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def key_variable(self) -> str | None: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def get(self, job: VideoJob | str, *, listener: _Listener) -> VideoJob: ...
    def get_async(self, job: VideoJob | str, *, listener: _Listener) -> Awaitable[VideoJob]: ...
    def wait(self, job: VideoJob | str, waiting: WaitOptions, *, listener: _Listener) -> VideoJob: ...
    def wait_async(self, job: VideoJob | str, waiting: WaitOptions, *, listener: _Listener) -> Awaitable[VideoJob]: ...
    def watch(self, job: VideoJob | str, waiting: WaitOptions) -> Watch: ...
    def generate(self, request: VideoRequest, *, listener: _Listener) -> VideoJob: ...
    def generate_async(self, request: VideoRequest, *, listener: _Listener) -> Awaitable[VideoJob]: ...
    def edit(self, request: VideoRequest, *, listener: _Listener) -> VideoJob: ...
    def edit_async(self, request: VideoRequest, *, listener: _Listener) -> Awaitable[VideoJob]: ...
    def extend(self, request: VideoRequest, *, listener: _Listener) -> VideoJob: ...
    def extend_async(self, request: VideoRequest, *, listener: _Listener) -> Awaitable[VideoJob]: ...
    def download(self, source: VideoJob | Video | str, target: DownloadOptions, *, listener: _Listener) -> Download: ...
    def download_async(
        self, source: VideoJob | Video | str, target: DownloadOptions, *, listener: _Listener
    ) -> Awaitable[Download]: ...
    def render(
        self,
        request: VideoRequest,
        waiting: WaitOptions,
        target: DownloadOptions,
        on_unknown: str,
        *,
        listener: _Listener,
    ) -> tuple[VideoJob, Download, bool, bool, str | None]: ...
    def render_async(
        self,
        request: VideoRequest,
        waiting: WaitOptions,
        target: DownloadOptions,
        on_unknown: str,
        *,
        listener: _Listener,
    ) -> Awaitable[tuple[VideoJob, Download, bool, bool, str | None]]: ...
    def render_many(self, folder: PathLike[str], options: BatchOptions, is_observed: bool) -> Batch: ...
    def resume(self, journal: PathLike[str], options: BatchOptions, is_observed: bool) -> Batch: ...

@final
class Batch:
    def step(self, *, listener: _Listener) -> tuple[Outcome | None, bool]: ...
    def step_async(self, *, listener: _Listener) -> Awaitable[tuple[Outcome | None, bool]]: ...
    def feed(self, item: _Item) -> Outcome | None: ...
    def known(self, item: _Item) -> Outcome | None: ...
    def elsewhere(self, ids: set[str] | None) -> dict[str, int]: ...
    def feed_unfinished(self) -> int: ...
    def has_room(self) -> bool: ...
    def finish(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def knows(self, id: str, sha256: str) -> bool: ...
    def lacks_rows(self) -> bool: ...
    def metadata(self, earlier: dict[str, str]) -> str: ...
    def damage(self) -> list[str]: ...
    @property
    def stopped(self) -> str | None: ...
    @property
    def spent_usd(self) -> float: ...
    @property
    def in_flight(self) -> int: ...

class _Item(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def request(self) -> VideoRequest: ...
    @property
    def sha256(self) -> str: ...
    @property
    def path(self) -> PathLike[str]: ...
    @property
    def index(self) -> int: ...
    @property
    def recorded(self) -> str: ...

@final
class Outcome:
    @property
    def id(self) -> str: ...
    @property
    def job(self) -> VideoJob | None: ...
    @property
    def file(self) -> Download | None: ...
    @property
    def render_seconds(self) -> float | None: ...
    @property
    def warning(self) -> str | None: ...
    @property
    def bought(self) -> bool: ...
    @property
    def resumed(self) -> bool: ...
    @property
    def error(self) -> BaseException | None: ...

class _Field(TypedDict):
    name: str
    key: str
    kind: Literal["text", "seconds", "flag", "video", "image", "images", "audios", "keyframes", "storage", "extra"]
    operations: list[Operation]
    description: str

def request_fields() -> list[_Field]:
    """The fields of a request except ``operation``, from which what lists them again is made."""

def statuses() -> dict[str, bool]:
    """Every status, and whether a job with it is over."""

def is_terminal_status(status: str) -> bool: ...
def event_names() -> list[str]: ...
def error_names() -> list[str]: ...
def check_target(target: DownloadOptions) -> None: ...
def estimate_usd(request: VideoRequest, prices: Mapping[str, Any] | None = None) -> float | None: ...
def fingerprint(request: VideoRequest) -> str: ...
def process_tag() -> str: ...
def read_journal(folder: str | PathLike[str]) -> tuple[list[dict[str, Any]], list[str]]: ...

@final
class Watch:
    def next(self, *, listener: _Listener) -> VideoJob | None: ...
    def next_async(self, *, listener: _Listener) -> Awaitable[VideoJob | None]: ...
