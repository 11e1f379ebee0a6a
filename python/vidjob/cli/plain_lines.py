"""Progress as plain lines, for pipes and logs."""

from __future__ import annotations

import sys
import time

from vidjob._progress.batch_progress import BatchProgress
from vidjob._progress.display import Display
from vidjob._progress.job_progress import JobProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

    from vidjob import RenderResult, VideoJob
    from vidjob._progress.display import Clock

__all__ = ["BatchLines", "JobLines"]

#: Seconds between lines about the same job or batch.
_INTERVAL = 30.0


class _Stream:
    """A stream for progress. After a failed write it stays silent: the jobs matter more."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = sys.stderr if stream is None else stream

    def write(self, line: str) -> None:
        if self._stream is None:  # pythonw has none
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(f"{line}\n".encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class JobLines(Display):
    """Lines about one job: at the start, at the end, and every half minute.

    Args:
        stream: The stream. Default: standard error.
        clock: Returns the time in seconds.
        label: The job's name. Default: the beginning of its id.
        label_width: Columns of the label.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Clock = time.monotonic,
        label: str | None = None,
        label_width: int = 0,
    ) -> None:
        self._stream = _Stream(stream)
        self._clock = clock
        self._job = JobProgress(label, clock)
        self._label_width = label_width
        self._milestone = ""
        self._written_at = 0.0

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Writes a line about an event, if one is due."""
        self._job.on_event(event)
        self.tick()

    def tick(self) -> None:
        """Writes a line, if one is due."""
        job = self._job
        is_due = self._milestone and not job.is_over and self._clock() - self._written_at >= _INTERVAL
        if job.milestone != self._milestone or is_due:
            self._milestone, self._written_at = job.milestone, self._clock()
            self._stream.write(job.text(self._label_width or job.label_width))


class BatchLines(Display):
    """Lines about a batch: every half minute, and at the end.

    Args:
        total: Number of items, if it is known.
        stream: The stream. Default: standard error.
        clock: Returns the time in seconds.
    """

    def __init__(self, total: int | None = None, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        self._stream = _Stream(stream)
        self._clock = clock
        self._batch = BatchProgress(total, clock)
        self._written_at = clock()
        self._is_open = True

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Counts an event of one item."""
        self._batch.on_event(event)
        self.tick()

    def on_result(self, result: RenderResult) -> None:
        """Counts the result of one item."""
        self._batch.on_result(result)
        self.tick()

    def tick(self) -> None:
        """Writes a line, if one is due."""
        if self._is_open and self._clock() - self._written_at >= _INTERVAL:
            self._written_at = self._clock()
            self._stream.write(self._batch.text)

    def print_above(self, line: str) -> None:
        """Prints a line of its own."""
        if self._is_open:
            self._stream.write(line)

    def close(self) -> None:
        """Writes the last line. Closing twice is fine."""
        if self._is_open:
            self._stream.write(self._batch.text)
        self._is_open = False
