"""Commands about one job: their context, their progress, and how they print the job."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from vidjob._observers import call_safely
from vidjob._progress.display import Display
from vidjob._progress.formatting import format_size, printable
from vidjob.cli import options
from vidjob.cli.displays import job_display
from vidjob.cli.exit_codes import Exit, ResumeHint
from vidjob.cli.output import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from vidjob import VideoJob
    from vidjob.cli.output import Output

__all__ = ["CommandProgress", "Context", "cost", "file_resume_hint", "show_job", "size", "usd"]


@dataclass
class Context:
    """The context of a command.

    Attributes:
        args: The arguments.
        output: Standard output and standard error.
        resume_hint: Names the command that continues this one.
    """

    args: argparse.Namespace
    output: Output
    resume_hint: ResumeHint = field(default_factory=ResumeHint)


class CommandProgress(Display):
    """Shows the progress of one command, prints its events, and keeps its resume hint."""

    def __init__(self, context: Context) -> None:
        self._output = context.output
        self._resume_hint = context.resume_hint
        self._display = job_display(context.output.progress_stream)
        self._prints_events = context.output.form == "jsonl"

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Shows an event, and prints it."""
        self._resume_hint.on_event(event)
        self._show(lambda display: display.on_event(event))
        if self._prints_events:
            self._print(event)

    def tick(self) -> None:
        """Updates the time shown."""
        self._show(lambda display: display.tick())

    def _show(self, show: Callable[[Display], object]) -> None:
        if self._display is not None and not call_safely("progress cannot be shown", show, self._display):
            self._display = None

    def _print(self, event: Mapping[str, Any]) -> None:
        try:
            self._output.event(event)
        except OutputError:
            # The events have no reader any more; a file that is paid for is still saved.
            if not self._resume_hint.saves_file:
                raise
            self._prints_events = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._show(lambda display: display.close())


def usd(amount: Decimal) -> str:
    """Formats an amount of money, to the cent or with all its digits."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():f} USD"


def cost(job: VideoJob | None) -> str:
    """Returns what a job cost, if it is known."""
    return "" if job is None or job.usage is None else usd(job.usage.cost_usd)


def show_job(output: Output, job: VideoJob) -> Exit:
    """Prints a job."""
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


def file_resume_hint(args: argparse.Namespace, path: str, *, request_id: str | None = None) -> ResumeHint:
    """Returns the resume hint of a command that saves a file."""
    again = ["--overwrite"] if args.overwrite else []
    return ResumeHint("download", [*again, *options.same_service(args)], request_id=request_id, path=path)


def size(count: int) -> str:
    """Formats a size for people and for scripts."""
    return f"{format_size(count)} ({count:,} bytes)"
