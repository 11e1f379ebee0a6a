"""The values made in Python; the compiled part has the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from vidjob._errors import VidjobError
from vidjob._native import VideoJob, is_terminal_status
from vidjob._notebook.mixin import NotebookRepr, bundle, pretty

__all__ = ["JobRecord", "JobStatus", "RenderResult"]


class JobStatus(str, Enum):
    """The status of a job. Each member equals its string: ``JobStatus.DONE == "done"``.

    Attributes:
        PENDING: Accepted, and not polled since. A job known only by its ``request_id`` is pending.
        QUEUED: Waiting for a renderer.
        PROCESSING: Being rendered.
        DONE: Finished; the video is ready.
        FAILED: Finished without a video.
        EXPIRED: Finished; the service has deleted the video.
        UNKNOWN: A status that this version does not know. ``VideoJob.raw`` has it, and waiting continues.
    """

    PENDING = "pending"
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    @property
    def is_terminal(self) -> bool:
        """Whether a job with this status is finished."""
        return is_terminal_status(self.value)


class RenderResult(NotebookRepr):
    """The result of one render: the job, the file, or the error. Frozen; equal and hashable by value.

    Attributes:
        id: The item's id in a batch; otherwise the job's ``request_id``.
        job: The last snapshot of the job, or ``None`` when none was created.
        path: Path of the file, or ``None``.
        sha256: The file's SHA-256 in hexadecimal, or ``None``.
        bytes: The file's size in bytes, or ``None``.
        error: The error, or ``None``.
        resumed: Whether an earlier run had finished it.
        render_seconds: Seconds from acceptance to the end of the job; ``None`` unless this run observed both.
        columns: The other columns of the item's row.
        index: In a batch, the position of the item's row, from 0; otherwise ``None``.
        row: All columns of the item's row, as they were given, without media; for a prompt or a request, its fields.
        duplicate_of: The position of an earlier row with the same request, whose result this is; otherwise ``None``.
        bought: Whether this run submitted the job, so that its cost counts for the run. Default: unless an earlier run
            or row has the job.
    """

    __match_args__ = (
        "id",
        "job",
        "path",
        "sha256",
        "bytes",
        "error",
        "resumed",
        "render_seconds",
        "columns",
        "index",
        "row",
        "duplicate_of",
        "bought",
    )
    __slots__ = __match_args__

    id: str
    job: VideoJob | None
    path: Path | None
    sha256: str | None
    bytes: int | None
    error: VidjobError | None
    resumed: bool
    render_seconds: float | None
    columns: Mapping[str, Any]
    index: int | None
    row: Mapping[str, Any]
    duplicate_of: int | None
    bought: bool

    def __init__(
        self,
        id: str,  # noqa: A002
        job: VideoJob | None = None,
        path: Path | None = None,
        sha256: str | None = None,
        bytes: int | None = None,  # noqa: A002
        error: VidjobError | None = None,
        resumed: bool = False,  # noqa: FBT001, FBT002 - a value is built by its fields
        render_seconds: float | None = None,
        columns: Mapping[str, Any] | None = None,
        index: int | None = None,
        row: Mapping[str, Any] | None = None,
        duplicate_of: int | None = None,
        bought: bool | None = None,  # noqa: FBT001 - likewise
    ) -> None:
        file = (path, sha256, bytes)
        rows = (dict(columns or {}), index, dict(row or {}), duplicate_of)
        is_new = not resumed and duplicate_of is None if bought is None else bought
        fields = (id, job, *file, error, resumed, render_seconds, *rows, is_new)
        for name, value in zip(self.__match_args__, fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def ok(self) -> bool:
        """Whether the file was saved."""
        return self.error is None and self.path is not None

    @property
    def outcome(self) -> str:
        """The result in a word.

        ``saved``, ``failed``, ``blocked``, ``unknown``, ``pending``, ``not_submitted`` or, for a row with the same
        request as an earlier one, ``duplicate``.
        """
        from vidjob._errors import AlreadyRunning, JobBlocked, NotSubmitted, SubmitUnknown, WaitTimeout

        error = self.error
        if self.duplicate_of is not None:
            return "duplicate"
        if error is None:
            return "saved"
        if isinstance(error, NotSubmitted):
            return "not_submitted"
        if isinstance(error, SubmitUnknown):
            return "unknown"
        if isinstance(error, (WaitTimeout, AlreadyRunning)):
            return "pending"
        return "blocked" if isinstance(error, JobBlocked) else "failed"

    def to_dict(self) -> dict[str, Any]:
        """Returns the result in plain JSON types.

        ``columns`` and ``row`` are written as in ``metadata.jsonl``: without bytes, and as text where JSON has no such
        type.
        """
        from vidjob._json_values import escape_surrogates, json_columns

        return {
            "id": escape_surrogates(self.id),
            "job": None if self.job is None else self.job.to_dict(),
            "path": None if self.path is None else escape_surrogates(str(self.path)),
            "sha256": self.sha256,
            "bytes": self.bytes,
            "error": None if self.error is None else self.error.to_dict(),
            "resumed": self.resumed,
            "render_seconds": self.render_seconds,
            "columns": json_columns(self.columns),
            "index": self.index,
            "row": json_columns(self.row),
            "duplicate_of": self.duplicate_of,
            "bought": self.bought,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RenderResult:
        """Returns the result that `to_dict` has written."""
        job, path, error = data.get("job"), data.get("path"), data.get("error")
        return cls(
            data["id"],
            None if job is None else VideoJob.from_dict(job),
            None if path is None else Path(path),
            data.get("sha256"),
            data.get("bytes"),
            None if error is None else VidjobError.from_dict(error),
            data.get("resumed", False),
            data.get("render_seconds"),
            data.get("columns"),
            data.get("index"),
            data.get("row"),
            data.get("duplicate_of"),
            data.get("bought"),
        )

    def _fields(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def _key(self) -> tuple[object, ...]:
        error = None if self.error is None else (type(self.error), str(self.error))
        plain = (self.id, self.job, self.path, self.sha256, self.bytes, self.resumed, self.render_seconds)
        return (*plain, error, self.index, self.duplicate_of, self.bought)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RenderResult):
            return NotImplemented
        return self._key() == other._key() and (self.columns, self.row) == (other.columns, other.row)

    def __hash__(self) -> int:
        return hash(self._key())

    # IPython looks for it in the class that defines __repr__ before it looks at base classes.
    _repr_pretty_ = NotebookRepr._repr_pretty_

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={_shown(value)}"
            for name, value in zip(self.__match_args__, self._fields(), strict=True)
            if name != "bought" and value is not None and value is not False and not _is_empty(value)
        )
        return f"RenderResult({shown})"

    def __reduce__(self) -> tuple[type[RenderResult], tuple[object, ...]]:
        return RenderResult, self._fields()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be deleted")


def _is_empty(value: object) -> bool:
    return isinstance(value, dict) and not value


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - what stands in columns raises what it likes
        from vidjob._json_values import json_value

        return repr(json_value(value))


class JobRecord(NamedTuple):
    """A journal's record of one item, as of its last attempt.

    Attributes:
        id: The item's id, or the name under which its create was sent.
        state: ``unknown`` (sent, without a response), ``refused`` (not bought), ``accepted`` (not known to be
            finished), ``done`` (the file is not saved yet), ``failed`` or ``saved``.
        request_id: The job, or ``None`` when none is known.
        operation: ``generate``, ``edit`` or ``extend``.
        prompt: The prompt.
        model: The model of the request, or ``None`` for the service's default.
        created_at: When the create was sent, in UTC.
        attempts: Number of creates sent.
        cost_usd: The cost of the last attempt that the service reported, or the estimate.
        job: The last known snapshot of the job.
        path: Path of the file, saved or planned.
        bytes: The file's size in bytes, once it is saved.
        sha256: The file's SHA-256, once it is saved.
        error: The error, or ``None``.
        service: The base URL of the service that has the job, or ``None`` when the journal does not name it.
        spent_usd: The cost of all attempts.
        estimated_usd: The part of ``spent_usd`` that the service has not reported.
    """

    id: str
    state: str
    request_id: str | None
    operation: str
    prompt: str | None
    model: str | None
    created_at: datetime
    attempts: int
    cost_usd: Decimal
    job: VideoJob | None
    path: Path | None
    bytes: int | None
    sha256: str | None
    error: str | None
    service: str | None
    spent_usd: Decimal
    estimated_usd: Decimal

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        return bundle(self, include, exclude)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001 - IPython's protocol
        pretty(self, printer)

    @classmethod
    def from_native(cls, data: Mapping[str, Any]) -> JobRecord:
        """Returns the record of what the compiled part has read."""
        fields = dict(data)
        fields["created_at"] = datetime.fromtimestamp(fields["created_at"], timezone.utc)
        fields["cost_usd"] = Decimal(fields.pop("cost_in_usd_ticks")).scaleb(-10)
        fields["spent_usd"] = Decimal(fields.pop("spent_in_usd_ticks")).scaleb(-10)
        fields["estimated_usd"] = Decimal(fields.pop("estimated_in_usd_ticks")).scaleb(-10)
        del fields["request_sha256"], fields["is_blocked"]
        fields["job"] = None if fields["job"] is None else VideoJob.from_dict(fields["job"])
        fields["path"] = None if fields["path"] is None else Path(fields["path"])
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Returns the record in plain JSON types."""
        return {
            **self._asdict(),
            "created_at": self.created_at.isoformat(),
            "cost_usd": f"{self.cost_usd:f}",
            "spent_usd": f"{self.spent_usd:f}",
            "estimated_usd": f"{self.estimated_usd:f}",
            "job": None if self.job is None else self.job.to_dict(),
            "path": None if self.path is None else str(self.path),
        }
