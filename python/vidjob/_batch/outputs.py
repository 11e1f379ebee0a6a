"""The output files of a batch beside the videos: ``metadata.jsonl``, ``errors.jsonl`` and ``summary.json``."""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidjob._batch.added_columns import added_value, has_added, with_added
from vidjob._errors import JournalError, VidjobError
from vidjob._json_values import json_columns
from vidjob._observers import call_safely

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vidjob._native import Batch
    from vidjob._values import RenderResult

__all__ = ["Counts", "Outputs"]

#: Keys that tell our output from another file of the same name.
_VIDEO = ("file_name", "request_id", "sha256")
_ERROR = ("request_id", "error")
#: What a line has beside the other columns of its row.
_WRITTEN = {"id", "operation", "prompt", "model", "duration", "resolution"} | {
    *("file_name", "index", "request_id", "cost_usd", "bytes", "sha256")
}
_SUMMARY = {"items", "saved", "spent_usd"}
_QUANTILES = {"p05": 0.05, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raises an ``OSError`` as ``JournalError``."""
    try:
        yield
    except OSError as error:
        message = (
            f"{path} cannot be written: {error.strerror or error}; the videos and the journal are complete: "
            "run the same call again to write it"
        )
        raise JournalError(message, errno=error.errno) from None


class _Lines:
    """A file of JSON lines that is renamed into place once it is complete.

    Lines are not buffered: a forked child would write the buffer a second time.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._handle: int | None = None
        self._temporary = ""

    def append(self, line: Mapping[str, Any]) -> None:
        if self._handle is None:
            self._handle, self._temporary = _temporary(self._target)
        os.write(self._handle, (_dumped(line) + "\n").encode())

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
        if not all(_is_ours(_object(line), _ERROR) for line in _text_of(self._target).splitlines()):
            if handle is not None:
                Path(self._temporary).unlink(missing_ok=True)
            _warn_of_foreign(self._target)
        elif handle is not None:
            _rename(self._temporary, self._target)
        else:
            # An earlier run's file would be mistaken for this one's.
            self._target.unlink(missing_ok=True)


def _dumped(line: Mapping[str, Any]) -> str:
    text = json.dumps(line, default=str, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return json.dumps(line, default=str)
    return text


def _temporary(target: Path) -> tuple[int, str]:
    from vidjob._native import process_tag

    prefix = f".{target.name}.{process_tag()}."
    return tempfile.mkstemp(dir=target.parent / ".vidjob", prefix=prefix, suffix=".part")


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

    def add(self, result: RenderResult) -> None:
        """Counts one result."""
        self._counts[result.outcome] += 1
        if result.duplicate_of is not None:
            return
        self._counts["items"] += 1
        self._counts["resumed"] += result.resumed
        if result.job is not None and result.job.usage is not None and result.bought:
            self._ticks += result.job.usage.cost_in_usd_ticks
        if result.render_seconds is not None:
            self._seconds.append(result.render_seconds)

    def summary(self, *, stopped: str | None, spent_usd: float) -> dict[str, Any]:
        """Returns the totals so far."""
        outcomes = ("items", "saved", "resumed", "failed", "blocked", "pending", "unknown", "not_submitted")
        return {
            **{word: self._counts[word] for word in outcomes},
            "duplicates": self._counts["duplicate"],
            "stopped": stopped,
            "cost_usd": round(self._ticks / 1e10, 10),
            "spent_usd": round(spent_usd, 10),
            "render_seconds": _quantiles(self._seconds),
            "wall_seconds": round(time.time() - self._began, 3),
        }


class Outputs:
    """Writes the totals of one run, its errors, and a description of all videos in the folder.

    Args:
        folder: The batch's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._errors = _Lines(folder / "errors.jsonl")
        self._failure: JournalError | None = None

    def add(self, result: RenderResult) -> None:
        """Writes the error of a result. A full disk must not lose the result: `close` raises its error."""
        if result.ok or result.duplicate_of is not None or self._failure is not None:
            return
        error = VidjobError("") if result.error is None else result.error
        request_id = result.job.request_id if result.job is not None else error.request_id
        row = json_columns(result.row or result.columns)
        about = {"outcome": result.outcome, "request_id": request_id, "error": error.to_dict(), "index": result.index}
        try:
            with _writing(self._folder / "errors.jsonl"):
                self._errors.append(with_added({"id": result.id} | row, about, row))
        except JournalError as failure:
            self._failure = failure

    def close(self, summary: dict[str, Any], batch: Batch) -> None:
        """Completes the files.

        Args:
            summary: The totals of the run.
            batch: The compiled part, which knows all videos in the folder.

        Raises:
            JournalError: A file cannot be written.
        """
        self.describe(batch)
        with _writing(self._folder / "errors.jsonl"):
            self._errors.close()
        target = self._folder / "summary.json"
        if target.exists() and not _object(_text_of(target)).keys() >= _SUMMARY:
            _warn_of_foreign(target)
        else:
            _write(target, json.dumps(summary, indent=2))
        if self._failure is not None:
            raise self._failure

    def describe(self, batch: Batch) -> None:
        """Writes ``metadata.jsonl``, which describes each video in the folder, of this run or an earlier one.

        Args:
            batch: The compiled part, which knows all videos in the folder.

        Raises:
            JournalError: The file cannot be written.
        """
        target = self._folder / "metadata.jsonl"
        lines = _text_of(target).splitlines()
        earlier = [_object(line) for line in lines]
        if not all(_is_ours(fields, _VIDEO) for fields in earlier):
            _warn_of_foreign(target)
            return
        rows = {str(fields.get("id")): json.dumps(_row_of(fields)) for fields in earlier} if batch.lacks_rows() else {}
        text = batch.metadata(rows)
        # The folder may have videos whose journal was removed.
        known = {added_value(_object(line), "file_name") for line in text.splitlines()}
        files = [added_value(fields, "file_name") for fields in earlier]
        others = [
            line
            for line, file in zip(lines, files, strict=True)
            if file not in known and (self._folder / str(file)).is_file()
        ]
        if text or others:
            _write(target, "".join(f"{line}\n" for line in others) + text)
        elif lines:
            with _writing(target):
                target.unlink(missing_ok=True)


def _write(target: Path, text: str) -> None:
    with _writing(target):
        handle, temporary = _temporary(target)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        _rename(temporary, target)


def _text_of(target: Path) -> str:
    """Returns the text of an output file, empty if there is none."""
    with _writing(target):
        try:
            return target.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except ValueError:  # not our output
            return "unreadable"


def _is_ours(fields: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(has_added(fields, name) for name in names)


def _row_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the other columns of the row in a line."""
    return {name: value for name, value in fields.items() if name not in _WRITTEN}


def _warn_of_foreign(target: Path) -> None:
    message = f"{target} was not written by vidjob and is left unchanged; move it away and run the same call again"
    call_safely("a warning failed", warnings.warn, message, RuntimeWarning)


def _object(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError:  # not our output
        return {}
    return fields if isinstance(fields, dict) else {}


def _quantiles(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {name: round(ordered[int(part * (len(ordered) - 1))], 3) for name, part in _QUANTILES.items()}
