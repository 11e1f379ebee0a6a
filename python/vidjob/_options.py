"""The options of calls, as the compiled part reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vidjob import _native
from vidjob._arguments import absolute_path, local_path
from vidjob._errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

__all__ = [
    "BatchOptions",
    "ClientSettings",
    "DownloadOptions",
    "OnExisting",
    "OnUnknown",
    "Prices",
    "WaitOptions",
]

OnExisting: TypeAlias = Literal["resume", "overwrite", "error"]
OnUnknown: TypeAlias = Literal["hold", "resubmit"]
Prices: TypeAlias = "Mapping[str, Mapping[str, Any]]"


#: What an annotation accepts, and the method by which it is recognised.
_KINDS = {
    "int": ("an int", "__index__"),
    "float": ("a number", "__float__"),
    "str": ("a str", "isprintable"),
    "OnExisting": ("a str", "isprintable"),
    "OnUnknown": ("a str", "isprintable"),
}


class _Checked:
    """Options whose numbers and strings are checked: the compiled part would not name the field."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            annotation = str(each.type).removesuffix(" | None")
            value = getattr(self, each.name)
            if annotation not in _KINDS or (value is None and annotation != each.type):
                continue
            expected, method = _KINDS[annotation]
            if not hasattr(value, method):
                raise TypeError(f"{each.name} must be {expected}, not {type(value).__name__}")
            if annotation == "int" and value < 0:
                self._refuse(each.name, f"{each.name} must be at least 0, not {value}")

    def _refuse(self, name: str, message: str) -> None:
        raise InvalidRequest(message, field=name)


@dataclass(frozen=True, slots=True)
class WaitOptions(_Checked):
    """How long to wait for a job, and how often to poll it.

    Attributes:
        timeout: Seconds to wait; ``None`` waits until the job is finished.
        poll_interval: Seconds between polls; ``None`` paces them.
    """

    timeout: float | None = None
    poll_interval: float | None = None


@dataclass(frozen=True, slots=True)
class DownloadOptions(_Checked):
    """How to save a file.

    Attributes:
        path: Its absolute path.
        max_bytes: The largest file to save.
        overwrite: Whether to replace an existing file.
        given: The path as the caller gave it.
    """

    path: str
    max_bytes: int
    overwrite: bool
    given: str | os.PathLike[str]

    @classmethod
    def of(cls, path: str | os.PathLike[str], max_bytes: int, *, overwrite: bool) -> Self:
        """Returns the options for a path, which is made absolute now: the working folder may change.

        Raises:
            InvalidRequest: The path is an address.
        """
        return cls(absolute_path(local_path("path", path)), max_bytes, overwrite, path)

    def as_given(self, saved: _native.Download) -> _native.Download:
        """Returns a download under the path that the caller gave."""
        return _native.Download(self.given, saved.bytes, saved.sha256, saved.content_type)


@dataclass(frozen=True, slots=True)
class BatchOptions(_Checked):
    """How to work through a batch; `VideoClient.render_many` describes the fields."""

    max_downloads: int
    deadline: float | None
    timeout: float | None
    poll_interval: float | None
    max_bytes: int
    concurrency: int = 1
    max_cost_usd: float | None = None
    max_jobs: int | None = None
    on_existing: OnExisting = "resume"
    on_unknown: OnUnknown = "hold"
    retry_failed: bool = False
    verify: bool = False
    prices: Prices | None = None
    is_finite: bool = True


@dataclass(frozen=True, slots=True)
class ClientSettings(_Checked):
    """The settings of a client, as pickles carry them; `VideoClient` describes the fields.

    Attributes:
        withheld: Names of secret settings that a pickle has left out.
    """

    api_key: str | None
    base_url: str | None
    timeout: float
    max_retries: int
    requests_per_second: float | None
    creates_per_second: float | None
    max_concurrent_requests: int
    proxy: str | None
    ca_file: str | os.PathLike[str] | None
    headers: dict[str, str] = field(repr=False)
    journal: str | None
    max_job_age: float | None
    poll_interval: float | None
    retry_delay: float
    on_event: Callable[[Mapping[str, Any]], object] | None
    pickle_key: bool
    withheld: tuple[str, ...] = ()

    def _refuse(self, name: str, message: str) -> None:  # noqa: ARG002 - the message names the setting
        raise ConfigurationError(message)
