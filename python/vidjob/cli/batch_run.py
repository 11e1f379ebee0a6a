"""Runs a batch to its end: progress, Ctrl-C, totals and the exit code."""

from __future__ import annotations

import shlex
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob._observers import call_safely
from vidjob._progress.display import Display
from vidjob._progress.formatting import format_duration, printable
from vidjob.cli.displays import batch_display
from vidjob.cli.exit_codes import Exit, error_text
from vidjob.cli.output import OutputError
from vidjob.cli.single_job import usd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from vidjob import Batch, RenderResult, VideoJob
    from vidjob._progress.bars import BatchBars
    from vidjob.cli.plain_lines import BatchLines
    from vidjob.cli.single_job import Context

__all__ = ["BatchRun", "again", "exit_of_run"]

_COUNTS = ("saved", "resumed", "failed", "blocked", "unknown", "pending", "not_submitted", "duplicates")
_BAD = ("failed", "blocked", "unknown")
#: Failures that are printed; errors.jsonl has all.
_MAX_FAILURES = 10
_STOPPED = {
    "key": "the service rejects the API key; nothing more is submitted",
    "balance": "the account has no money left; nothing more is submitted",
    "budget": "--max-cost-usd would be exceeded",
    "max_jobs": "--max-jobs is reached",
    "deadline": "the deadline has passed",
}


class BatchRun(Display):
    """Runs a batch to its end: shows progress, handles Ctrl-C, and prints the totals.

    Args:
        context: The context of the command.
        folder: Folder of the videos.
        total: Number of items, if it is known.
        buys: Whether the batch buys jobs, so that buying can be stopped.
    """

    def __init__(self, context: Context, folder: Path, *, total: int | None = None, buys: bool) -> None:
        self._output = context.output
        self._args = context.args
        self._folder = folder
        self._buys = buys
        self._total = total
        self._display: BatchBars | BatchLines | None = None
        self._batch: Batch | None = None
        self._output_error: OutputError | None = None
        self._failures = 0
        self._is_key_refused = False
        #: Failed items with a job, and those that can be submitted again by the same command.
        self._failed_jobs = self._failed_creates = 0
        #: What each item that was not submitted would cost.
        self._unsubmitted: list[float | None] = []
        self._was_interrupted = False
        #: Jobs that were running when the batch was closed.
        self._running = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._show(lambda display: display.close())

    # ---- while it runs -----------------------------------------------------------------------

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - of Display
        """Shows an event, and prints it."""
        self._show(lambda display: display.on_event(event))
        self._print(event)

    def tick(self) -> None:
        """Updates the time shown."""
        self._show(lambda display: display.tick())

    def _on_result(self, result: RenderResult) -> None:
        self._show(lambda display: display.on_result(result))
        self._print({"event": "item", **result.to_dict()})
        self._is_key_refused |= isinstance(result.error, vidjob.AuthenticationError)
        if result.outcome == "failed":
            self._failed_jobs += isinstance(result.error, (vidjob.JobFailed, vidjob.JobExpired))
            self._failed_creates += result.job is None and not isinstance(result.error, vidjob.InvalidRequest)
        if isinstance(result.error, vidjob.NotSubmitted) and result.duplicate_of is None:
            self._unsubmitted.append(result.error.estimate_usd)
        if result.error is not None and result.outcome in _BAD:
            self._say_failure(result, result.error)

    def _show(self, show: Callable[[BatchBars | BatchLines], object]) -> None:
        if self._display is not None and not call_safely("progress cannot be shown", show, self._display):
            self._display = None

    def _print(self, event: Mapping[str, Any]) -> None:
        if self._output.form != "jsonl" or self._output_error is not None:
            return
        try:
            self._output.event(event)
        except OutputError as error:
            # The events have no reader any more: buying stops, and what is paid for is still saved.
            self._output_error = error
            if self._batch is not None:
                self._batch.stop()

    def _say_failure(self, result: RenderResult, error: vidjob.VidjobError) -> None:
        self._failures += 1
        if self._failures <= _MAX_FAILURES:
            name = printable(result.id) or "a row"
            self._say(f"{name} {result.outcome}: {error_text(error, self._args.options)}")
        elif self._failures == _MAX_FAILURES + 1:
            self._say("further failures are not printed")

    def _say(self, line: str) -> None:
        if self._display is None:
            self._output.say(line)
        else:
            self._show(lambda display: display.print_above(line))

    def follow(self, batch: Batch) -> None:
        """Runs a batch. The first Ctrl-C stops the buying; the second one closes the batch."""
        total = self._total if self._buys else batch.in_flight
        self._batch, self._display = batch, batch_display(self._output.progress_stream, total)
        try:
            if self._has_finished(batch):
                return
            batch.stop()
            count = batch.in_flight
            self._say(
                f"no more jobs are submitted; {count} running jobs will be saved; press Ctrl-C again to leave at once"
            )
            if self._has_finished(batch):
                return
        except KeyboardInterrupt:
            self._was_interrupted = True
        self._running = batch.in_flight
        batch.close()

    def _has_finished(self, batch: Batch) -> bool:
        """Runs a batch; returns whether it finished without Ctrl-C."""
        try:
            for result in batch:
                self._on_result(result)
        except KeyboardInterrupt:
            if self._was_interrupted or not self._buys:
                raise
            self._was_interrupted = True
            return False
        return True

    # ---- the end -----------------------------------------------------------------------------

    def end(self, summary: Mapping[str, Any]) -> Exit:
        """Prints the totals, and returns the exit code.

        Raises:
            OutputError: An event could not be printed.
        """
        self._show(lambda display: display.close())
        if self._output_error is not None:
            raise self._output_error
        self._print_totals(summary)
        code = exit_of_run(summary, was_interrupted=self._was_interrupted, is_key_refused=self._is_key_refused)
        if code is not Exit.OK:
            self._output.error(self._reason(code, summary), *self._hints(code, summary))
        return code

    def _print_totals(self, summary: Mapping[str, Any]) -> None:
        if self._output.form != "text":
            self._output.result({**summary, "folder": str(self._folder)})
            return
        counts = [(name.replace("_", " "), f"{summary[name]:,}" if summary[name] else "") for name in _COUNTS]
        self._output.pairs(
            [
                *counts,
                ("cost", f"{usd(Decimal(str(summary['cost_usd'])))} (this run)"),
                ("spent", f"{usd(Decimal(str(summary['spent_usd'])))} (this folder)"),
                ("time", format_duration(summary["wall_seconds"])),
                ("folder", printable(str(self._folder))),
            ]
        )

    def _reason(self, code: Exit, summary: Mapping[str, Any]) -> str:
        if code is Exit.INTERRUPTED:
            return f"interrupted; {self._running} jobs are still running" if self._running else "interrupted"
        if code is Exit.FAILED_JOB:
            return _counted(summary, _BAD)
        if code is Exit.CONFIGURATION:
            return _STOPPED["key"]
        return _STOPPED.get(summary["stopped"]) or _counted(summary, ("pending", "not_submitted"))

    def _hints(self, code: Exit, summary: Mapping[str, Any]) -> list[str]:
        hints = []
        if code is Exit.FAILED_JOB and self._buys:
            hints.append(f"the reasons are in {printable(str(self._folder / 'errors.jsonl'))}")
            if self._failed_jobs and not self._args.retry_failed:
                hints.append("--retry-failed buys failed items again")
            if summary["unknown"]:
                hints.append("--on-unknown resubmit buys unknown items again, perhaps for the second time")
        is_over = code is Exit.FAILED_JOB and not (
            self._failed_creates or summary["pending"] or summary["not_submitted"]
        )
        if not is_over:
            hints.append(self._continuation(code, summary))
        return hints

    def _continuation(self, code: Exit, summary: Mapping[str, Any]) -> str:
        """Returns how to continue. A command that would stop at once is not printed."""
        same = ", with the same lines" if getattr(self._args, "file", None) == "-" else ""
        if code is Exit.CONFIGURATION:
            return "to continue, correct the key (vidjob doctor checks it) and run the same command again"
        if summary["stopped"] == "balance":
            return "to continue, top up the account and run the same command again"
        if summary["stopped"] == "superseded":
            return "another run took over this folder; to continue, run the same command again once it has ended"
        if getattr(self._args, "on_existing", "") == "overwrite":
            # The same command would render again what this run has rendered.
            return "items that were not submitted keep what earlier runs made"
        if summary["stopped"] != "budget":
            return f"to continue{same}: {again(self._args.argv)}"
        costs = [cost for cost in self._unsubmitted if cost is not None]
        limit = _cents_up(Decimal(str(summary["spent_usd"])) + sum((Decimal(str(cost)) for cost in costs), Decimal(0)))
        return f"to continue{same}: {again(self._args.argv, max_cost_usd=limit)}"


def exit_of_run(summary: Mapping[str, Any], *, was_interrupted: bool = False, is_key_refused: bool = False) -> Exit:
    """Returns the exit code for a batch: what stopped it comes before failures of items."""
    stopped = summary["stopped"]
    if was_interrupted:
        return Exit.INTERRUPTED
    if is_key_refused or stopped == "key":
        return Exit.CONFIGURATION
    if stopped in {"budget", "max_jobs", "balance"}:
        return Exit.BUDGET
    if any(summary[name] for name in _BAD):
        return Exit.FAILED_JOB
    if summary["pending"] or summary["not_submitted"] or stopped is not None:
        return Exit.PENDING
    return Exit.OK


def again(argv: list[str], *, max_cost_usd: Decimal | None = None) -> str:
    """Returns the command that continues one that was typed, for pasting into a shell.

    Args:
        argv: The arguments.
        max_cost_usd: Another limit than that of the arguments.
    """
    # The files of this run exist now, and must be neither refused nor made again.
    kept = _changed(argv, "--on-existing", [])
    if max_cost_usd is not None:
        kept = _changed(kept, "--max-cost-usd", ["--max-cost-usd", f"{max_cost_usd:f}"])
    return shlex.join(["vidjob", *kept])


def _changed(argv: list[str], option: str, words: list[str]) -> list[str]:
    """Returns arguments with other words in place of an option and its value."""
    changed, rest = [], iter(argv)
    for word in rest:
        if word == option:
            next(rest, None)
            changed += words
        elif word.startswith(f"{option}="):
            changed += words
        else:
            changed.append(word)
    return changed


def _cents_up(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_CEILING)


def _counted(summary: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in names if summary[name])
