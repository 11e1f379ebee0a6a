"""The values that are made in Python; the others come from the Rust core."""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, NoReturn

    from vidjob._errors import VidjobError
    from vidjob._native import VideoJob

__all__ = ["JobStatus", "RenderResult"]


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
        return self in (JobStatus.DONE, JobStatus.FAILED, JobStatus.EXPIRED)


class RenderResult:
    """What became of one render. Frozen; equal and hashable by value.

    Attributes:
        id: The caller's name for the render, or the job's ``request_id``.
        job: The last snapshot of the job, or ``None`` when none came to be.
        path: Where the file is, or ``None``.
        sha256: The file's SHA-256 in hexadecimal, or ``None``.
        bytes: The file's size, or ``None``.
        error: What went wrong, or ``None``.
    """

    __slots__ = ("bytes", "error", "id", "job", "path", "sha256")
    __match_args__ = ("id", "job", "path", "sha256", "bytes", "error")

    id: str
    job: VideoJob | None
    path: Path | None
    sha256: str | None
    bytes: int | None
    error: VidjobError | None

    def __init__(
        self,
        id: str,  # noqa: A002
        job: VideoJob | None = None,
        path: Path | None = None,
        sha256: str | None = None,
        bytes: int | None = None,  # noqa: A002
        error: VidjobError | None = None,
    ) -> None:
        for name, value in zip(self.__match_args__, (id, job, path, sha256, bytes, error), strict=True):
            object.__setattr__(self, name, value)

    @property
    def ok(self) -> bool:
        """Whether the file was kept."""
        return self.error is None and self.path is not None

    def to_dict(self) -> dict[str, Any]:
        """The result in plain JSON types."""
        return {
            "id": self.id,
            "job": None if self.job is None else self.job.to_dict(),
            "path": None if self.path is None else str(self.path),
            "sha256": self.sha256,
            "bytes": self.bytes,
            "error": None if self.error is None else self.error.to_dict(),
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
        )

    def _fields(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__match_args__)

    def _key(self) -> tuple[object, ...]:
        error = None if self.error is None else (type(self.error), str(self.error))
        return (*self._fields()[:-1], error)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, RenderResult) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={value!r}"
            for name, value in zip(self.__match_args__, self._fields(), strict=True)
            if value is not None
        )
        return f"RenderResult({shown})"

    def __reduce__(self) -> tuple[type[RenderResult], tuple[object, ...]]:
        return RenderResult, self._fields()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"RenderResult is frozen: {name} cannot be deleted")
