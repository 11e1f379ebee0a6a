"""The values that are made in Python; the others come from the Rust core."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from vidjob._display import Displayed
from vidjob._native import is_terminal_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path
    from typing import Any, NoReturn

    from vidjob._errors import VidjobError
    from vidjob._native import VideoJob

__all__ = ["JobRecord", "JobStatus", "RenderResult"]


class JobStatus(str, Enum):
    """Where a job stands. Each member equals its word: ``JobStatus.DONE == "done"``.

    Attributes:
        PENDING: Accepted; nothing more is known yet. What a bare ``request_id`` means.
        QUEUED: Waiting for a renderer.
        PROCESSING: Being rendered.
        DONE: Over; the video is ready.
        FAILED: Over; no video came of it.
        EXPIRED: Over; the video was made and its content is gone.
        UNKNOWN: A word this version does not know. ``VideoJob.raw`` keeps it, and waiting goes on.
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
        """Whether a job with this status is over."""
        return is_terminal_status(self.value)


class RenderResult(Displayed):
    """What became of one render. Frozen; equal and hashable by value.

    Attributes:
        id: The caller's name for the render, or the job's ``request_id``.
        job: The last snapshot of the job, or ``None`` when none came to be.
        path: Where the file is, or ``None``.
        sha256: The file's SHA-256 in hexadecimal, or ``None``.
        bytes: The file's size, or ``None``.
        error: What went wrong, or ``None``.
        resumed: Whether it was finished in an earlier run already.
        render_seconds: From acceptance to the end of the job, or ``None`` where this run did not see both.
        columns: What else stood in the item's row.
    """

    __slots__ = ("bytes", "columns", "error", "id", "job", "path", "render_seconds", "resumed", "sha256")
    __match_args__ = ("id", "job", "path", "sha256", "bytes", "error", "resumed", "render_seconds", "columns")

    id: str
    job: VideoJob | None
    path: Path | None
    sha256: str | None
    bytes: int | None
    error: VidjobError | None
    resumed: bool
    render_seconds: float | None
    columns: Mapping[str, Any]

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
    ) -> None:
        fields = (id, job, path, sha256, bytes, error, resumed, render_seconds, dict(columns or {}))
        for name, value in zip(self.__match_args__, fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def ok(self) -> bool:
        """Whether the file was kept."""
        return self.error is None and self.path is not None

    def to_dict(self) -> dict[str, Any]:
        """The result in plain JSON types.

        ``columns`` are written as in ``metadata.jsonl``: without bytes, and as text where JSON has no such value.
        """
        from vidjob._columns import clean, plain

        return {
            "id": clean(self.id),
            "job": None if self.job is None else self.job.to_dict(),
            "path": None if self.path is None else clean(str(self.path)),
            "sha256": self.sha256,
            "bytes": self.bytes,
            "error": None if self.error is None else self.error.to_dict(),
            "resumed": self.resumed,
            "render_seconds": self.render_seconds,
            "columns": plain(self.columns),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RenderResult:
        """The inverse of [to_dict][vidjob.RenderResult.to_dict]."""
        from pathlib import Path

        from vidjob._errors import VidjobError
        from vidjob._native import VideoJob

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
        )

    def _fields(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def _key(self) -> tuple[object, ...]:
        error = None if self.error is None else (type(self.error), str(self.error))
        plain = (self.id, self.job, self.path, self.sha256, self.bytes, self.resumed, self.render_seconds)
        return (*plain, error)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RenderResult):
            return NotImplemented
        return self._key() == other._key() and self.columns == other.columns

    def __hash__(self) -> int:
        return hash(self._key())

    # IPython looks beside __repr__ for it, before it looks at what is inherited.
    _repr_pretty_ = Displayed._repr_pretty_

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={_shown(value)}"
            for name, value in zip(self.__match_args__, self._fields(), strict=True)
            if value is not None and value is not False and value != {}
        )
        return f"RenderResult({shown})"

    def __reduce__(self) -> tuple[type[RenderResult], tuple[object, ...]]:
        return RenderResult, self._fields()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be deleted")


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - what stands in columns raises what it likes
        from vidjob._columns import tidy

        return repr(tidy(value))


class JobRecord(NamedTuple):
    """What a journal tells of one item, as its last attempt stands.

    Attributes:
        id: The caller's name for it, or the name its create was sent under.
        state: ``unknown`` (sent, and no answer came), ``refused`` (not bought), ``accepted`` (not over as far as is
            known), ``done`` (the file is not kept yet), ``failed`` or ``saved``.
        request_id: The job, or ``None`` when none is known.
        operation: ``generate``, ``edit`` or ``extend``.
        prompt: What was to be shown.
        model: The model that was asked for, or ``None`` for the service's default.
        created_at: When the create was sent, in UTC.
        attempts: How many attempts there were.
        cost_usd: What it cost as the service reported, or is expected to cost.
        job: The last that is known of the job.
        path: Where the file is, or is to go.
        bytes: The file's size, once it is kept.
        sha256: The file's SHA-256, once it is kept.
        error: What went wrong, or ``None``.
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

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        from vidjob.notebook import bundle

        return bundle(self, include, exclude)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG002, FBT001 - IPython's protocol
        from vidjob.notebook import text

        printer.text(text(self))

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> JobRecord:
        """The record of what the compiled part tells."""
        from datetime import datetime, timezone
        from decimal import Decimal
        from pathlib import Path

        from vidjob._native import VideoJob

        fields = dict(told)
        fields["created_at"] = datetime.fromtimestamp(fields["created_at"], timezone.utc)
        fields["cost_usd"] = Decimal(fields.pop("cost_in_usd_ticks")).scaleb(-10)
        fields["job"] = None if fields["job"] is None else VideoJob.from_dict(fields["job"])
        fields["path"] = None if fields["path"] is None else Path(fields["path"])
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """The record in plain JSON types."""
        return {
            **self._asdict(),
            "created_at": self.created_at.isoformat(),
            "cost_usd": f"{self.cost_usd:f}",
            "job": None if self.job is None else self.job.to_dict(),
            "path": None if self.path is None else str(self.path),
        }
