"""What a batch leaves behind beside the videos: ``metadata.jsonl``, ``errors.jsonl`` and ``summary.json``."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidjob._columns import plain
from vidjob._errors import AlreadyRunning, JobBlocked, NotBought, SubmitUnknown, VidjobError, WaitTimeout

if TYPE_CHECKING:
    from typing import TextIO

    from vidjob._native import VideoRequest
    from vidjob._values import RenderResult

__all__ = ["Counts", "Outputs", "outcome_of"]

_QUANTILES = {"p05": 0.05, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def outcome_of(result: RenderResult) -> str:
    """What became of an item, in a word."""
    error = result.error
    if error is None:
        return "saved"
    if isinstance(error, NotBought):
        return "not_bought"
    if isinstance(error, SubmitUnknown):
        return "unknown"
    if isinstance(error, (WaitTimeout, AlreadyRunning)):
        return "pending"
    return "blocked" if isinstance(error, JobBlocked) else "failed"


class _Lines:
    """A file of JSON lines that takes its name once it is whole."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._file: TextIO | None = None
        self._temporary = ""

    def append(self, line: dict[str, Any]) -> None:
        if self._file is None:
            handle, self._temporary = tempfile.mkstemp(dir=self._target.parent / ".vidjob", suffix=".part")
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        self._file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file is None:
            # What an earlier run left would be taken for this one's.
            self._target.unlink(missing_ok=True)
            return
        self._file.close()
        _rename(self._temporary, self._target)


def _rename(temporary: str, target: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    Path(temporary).chmod(0o666 & ~mask)
    Path(temporary).replace(target)


class Counts:
    """Counts the results of one run."""

    def __init__(self) -> None:
        self._began = time.time()
        self._counts: Counter[str] = Counter()
        self._ticks = 0
        self._seconds: list[float] = []
        self.duplicates = 0

    def add(self, result: RenderResult) -> None:
        """Counts one result."""
        self._counts["items"] += 1
        self._counts[outcome_of(result)] += 1
        self._counts["resumed"] += result.resumed
        if result.job is not None and result.job.usage is not None and not result.resumed:
            self._ticks += result.job.usage.cost_in_usd_ticks
        if result.render_seconds is not None:
            self._seconds.append(result.render_seconds)

    def summary(self, *, stopped: str | None, spent_usd: float) -> dict[str, Any]:
        """What the run came to so far."""
        words = ("items", "saved", "resumed", "failed", "blocked", "pending", "unknown", "not_bought")
        return {
            **{word: self._counts[word] for word in words},
            "duplicates": self.duplicates,
            "stopped": stopped,
            "cost_usd": round(self._ticks / 1e10, 10),
            "spent_usd": round(spent_usd, 10),
            "render_seconds": _quantiles(self._seconds),
            "wall_seconds": round(time.time() - self._began, 3),
        }


class Outputs:
    """Writes down the results of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metadata = _Lines(folder / "metadata.jsonl")
        self._errors = _Lines(folder / "errors.jsonl")

    def add(self, result: RenderResult, request: VideoRequest | None) -> None:
        """Takes one result down."""
        if result.ok:
            self._metadata.append(self._line(result, request))
        else:
            error = VidjobError("") if result.error is None else result.error
            about = {"id": result.id, "request_id": result.job and result.job.request_id, "error": error.to_dict()}
            self._errors.append({**plain(result.columns), **about})

    def _line(self, result: RenderResult, request: VideoRequest | None) -> dict[str, Any]:
        job, path = result.job, result.path
        video = None if job is None else job.video
        usage = None if job is None else job.usage
        # Relative to the folder, with slashes: this is where `datasets` looks for it.
        name = "" if path is None else _name_below(self._folder, path)
        return {
            **plain(result.columns),
            "file_name": name,
            "id": result.id,
            "prompt": None if request is None else request.prompt,
            "request_id": None if job is None else job.request_id,
            "model": None if job is None else job.model,
            "duration": None if video is None else video.duration,
            "cost_usd": None if usage is None else float(usage.cost_usd),
            "bytes": result.bytes,
            "sha256": result.sha256,
        }

    def close(self, summary: dict[str, Any]) -> None:
        """Puts the files in place."""
        self._metadata.close()
        self._errors.close()
        handle, temporary = tempfile.mkstemp(dir=self._folder / ".vidjob", suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=2)
        _rename(temporary, self._folder / "summary.json")


def _name_below(folder: Path, path: Path) -> str:
    try:
        return path.relative_to(folder).as_posix()
    except ValueError:  # an earlier run kept it elsewhere
        return Path(os.path.relpath(path, folder)).as_posix()


def _quantiles(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {name: round(ordered[int(part * (len(ordered) - 1))], 3) for name, part in _QUANTILES.items()}
