"""The options of calls, as the compiled part reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from vidjob import _native
from vidjob._arguments import absolute_path, local_path, optional_path
from vidjob._checks import as_flag, as_number, as_text, as_whole, check_callback, check_word, wrong_type
from vidjob._errors import ConfigurationError, InvalidRequest
from vidjob._native import describe_type

if TYPE_CHECKING:
    from typing_extensions import Self

    from vidjob.types import EventCallback, OnExisting, OnUnknown, Prices

__all__ = [
    "ON_UNKNOWN",
    "BatchOptions",
    "ClientSettings",
    "DownloadOptions",
    "WaitOptions",
]


ON_EXISTING = ("resume", "overwrite", "error")
ON_UNKNOWN = ("hold", "resubmit")


def _as_callback(name: str, value: object, _expected: str) -> object:
    check_callback(name, value)
    return value


def _as_prices(name: str, value: object, expected: str) -> object:
    if not isinstance(value, Mapping):
        raise wrong_type(name, value, expected)
    return value


def _word_of(words: tuple[str, ...]) -> Callable[[str, Any, str], object]:
    """Returns a reader of one of several words."""

    def read(name: str, value: object, _expected: str) -> object:
        check_word(name, value, words)
        return value

    return read


#: How the values of each annotation are read, and what they must be.
_READERS: dict[str, tuple[Callable[[str, Any, str], object], str]] = {
    "int": (as_whole, "an int"),
    "float": (as_number, "a number"),
    "str": (as_text, "a str"),
    "bool": (as_flag, "a bool"),
    "OnExisting": (_word_of(ON_EXISTING), ""),
    "OnUnknown": (_word_of(ON_UNKNOWN), ""),
    "Prices": (_as_prices, 'a dict such as {model: {"per_second": {"480p": usd}, "per_image": usd}}'),
    "EventCallback": (_as_callback, ""),
}


class _Checked:
    """Options whose values are checked and become plain ones: the compiled part would not name the field."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            annotation = str(each.type).removesuffix(" | None")
            is_optional = annotation != each.type
            value = getattr(self, each.name)
            if annotation not in _READERS or (value is None and is_optional):
                continue
            read, expected = _READERS[annotation]
            object.__setattr__(self, each.name, read(each.name, value, expected + " or None" * is_optional))


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
            InvalidRequest: The path is an address or of another type.
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
    on_event: EventCallback | None
    pickle_key: bool
    withheld: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        ca_file: str | os.PathLike[str] | None,
        headers: Mapping[str, str] | None,
        journal: str | os.PathLike[str] | None,
        **others: Any,  # noqa: ANN401 - the other fields
    ) -> Self:
        """Returns the settings for the arguments of `VideoClient`.

        Raises:
            ConfigurationError: An argument has a wrong type, or is an address in place of a path.
        """
        try:
            return cls(
                ca_file=None if ca_file is None else local_path("ca_file", ca_file, "a str, a Path or None"),
                headers={} if headers is None else _as_headers(headers),
                # Made absolute now: the working folder may be another at the next create.
                journal=optional_path("journal", journal),
                **others,
            )
        except InvalidRequest as error:
            raise ConfigurationError(error.message) from None


def _as_headers(value: Any) -> dict[str, str]:  # noqa: ANN401 - as the caller passed it
    expected = "a dict of str to str, or None"
    if isinstance(value, (str, bytes)):
        raise wrong_type("headers", value, expected)
    try:
        headers = dict(value)
    except (TypeError, ValueError):
        raise wrong_type("headers", value, expected) from None
    for name, content in headers.items():
        as_text("the name of a header", name)
        if not isinstance(content, str):
            message = f"the header {name!r} must be a str, not {describe_type(content)}"
            raise InvalidRequest(message, field="headers")
        as_text(f"the header {name!r}", content)
    return headers
