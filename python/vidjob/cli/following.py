"""What a command runs with, and how it shows and remembers the job it is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from vidjob.cli import options
from vidjob.cli.board import Board, Lines
from vidjob.cli.failures import Exit, Trail
from vidjob.cli.output import Unwritable
from vidjob.progress import Display, is_terminal, megabytes, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from vidjob import VideoJob
    from vidjob.cli.output import Output

__all__ = ["Context", "Following", "cost", "display", "show_job", "size", "trail_of_file", "usd"]


@dataclass
class Context:
    """What a command runs with, and leaves behind when it fails.

    Attributes:
        args: The arguments.
        output: Where to write.
        trail: The job it is about, once there is one.
    """

    args: argparse.Namespace
    output: Output
    trail: Trail = field(default_factory=Trail)


def display(output: Output) -> Board | Lines | None:
    """How progress is shown: redrawn on a terminal, else in plain lines, or not at all."""
    stream = output.shows_progress_on
    if stream is None:
        return None
    return Board(stream) if is_terminal(stream) else Lines(stream)


class Following(Display):
    """Shows one command while it lasts, and keeps its trail."""

    def __init__(self, context: Context) -> None:
        self._output = context.output
        self._trail = context.trail
        self._display = display(context.output)
        self._row = None if self._display is None else self._display.row()
        self._read = context.output.form == "jsonl"

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event."""
        self._trail.hears(event)
        if self._row is not None:
            self._row.hears(event)
        if self._read:
            self._tell(event)

    def tick(self) -> None:
        """Brings the time up to date."""
        if self._display is not None:
            self._display.tick()

    def _tell(self, event: Mapping[str, Any]) -> None:
        try:
            self._output.event(event)
        except Unwritable:
            # Nobody reads the events any more; the file that is paid for is still wanted.
            if not self._trail.keeps_file:
                raise
            self._read = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.close()


def usd(amount: Decimal) -> str:
    """An amount of money, to the cent or as much finer as it is."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():f} USD"


def cost(job: VideoJob | None) -> str:
    """What a job cost, if that is known."""
    return "" if job is None or job.usage is None else usd(job.usage.cost_usd)


def show_job(output: Output, job: VideoJob) -> Exit:
    """Tells all there is to tell of a job."""
    if output.form != "text":
        output.result(job.to_dict())
        return Exit.OK
    video, error = job.video, job.error
    withheld = video is not None and video.respect_moderation is False
    output.pairs(
        [
            ("request_id", job.request_id),
            ("status", str(job.status)),
            ("progress", "" if job.progress is None else f"{job.progress}%"),
            ("model", printable(job.model or "")),
            ("seconds", "" if video is None or video.duration is None else f"{video.duration:g}"),
            ("cost", cost(job)),
            ("video", "withheld by moderation" if withheld else printable((video and video.url) or "")),
            ("error", "" if error is None else printable(": ".join(filter(None, [error.code, error.message])))),
        ]
    )
    return Exit.OK


def trail_of_file(args: argparse.Namespace, path: str, *, request_id: str | None = None) -> Trail:
    """The trail of a command that keeps a file."""
    again = ["--overwrite"] if args.overwrite else []
    return Trail("download", [*again, *options.same_service(args)], request_id=request_id, path=path)


def size(count: int) -> str:
    """A size for people and for scripts."""
    return f"{megabytes(count)} ({count:,} bytes)"
