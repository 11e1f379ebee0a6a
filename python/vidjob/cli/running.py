"""Following a run of many jobs to its end: what is shown meanwhile, what Ctrl-C does, and how the program ends."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob._outputs import outcome_of
from vidjob.cli.failures import Exit, words
from vidjob.cli.following import usd
from vidjob.cli.output import Unwritable
from vidjob.cli.totals import Totals
from vidjob.progress import Display, duration, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from vidjob import Batch, RenderResult, VideoJob
    from vidjob.cli.following import Context

__all__ = ["Running", "again", "exit_of_run"]

_COUNTS = ("saved", "resumed", "failed", "blocked", "unknown", "pending", "not_bought", "duplicates")
_BAD = ("failed", "blocked", "unknown")
#: Items whose failure is told when it happens; the others are found in errors.jsonl.
_TOLD = 10
_STOPPED = {
    "key": "the service refuses the key: nothing more was bought",
    "balance": "the service says that no money is left: nothing more was bought",
    "budget": "--max-cost-usd would be exceeded: a higher one buys the rest",
    "max_jobs": "--max-jobs is reached",
    "deadline": "the deadline is over",
}
#: How the arguments that messages speak of are called here.
_OPTIONS = {
    'on_existing="overwrite"': "--on-existing overwrite",
    'on_unknown="resubmit"': "--on-unknown resubmit",
    "max_cost_usd": "--max-cost-usd",
    "prices=": "--prices FILE",
    "overwrite=True": "--on-existing overwrite",
    "input_root=FOLDER": "--input-root FOLDER",
    'model="grok-imagine-video-1.5"': "model grok-imagine-video-1.5",
    'model="grok-imagine-video"': "model grok-imagine-video",
}


class Running(Display):
    """Follows one run, and ends it as it should be ended.

    Args:
        context: What the command runs with.
        folder: Where its videos are kept.
        total: How many items there are, if that is known.
        buys: Whether the run buys jobs, so that there is something to stop.
    """

    def __init__(self, context: Context, folder: Path, *, total: int | None = None, buys: bool) -> None:
        self._output = context.output
        self._args = context.args
        self._folder = folder
        self._buys = buys
        self._total = total
        self._totals: Totals | None = None
        self._run: Batch | None = None
        self._unwritable: Unwritable | None = None
        self._told = 0
        self._is_key_refused = False
        self._was_interrupted = False
        #: What went on at the service when this was left.
        self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._totals is not None:
            self._totals.close()

    # ---- while it lasts ----------------------------------------------------------------------

    def hears(self, event: Mapping[str, Any], job: VideoJob | None = None) -> None:  # noqa: ARG002 - the event tells all
        """Takes note of an event."""
        if self._totals is not None:
            self._totals.hears(event)
        self._tell(event)

    def tick(self) -> None:
        """Brings the time up to date."""
        if self._totals is not None:
            self._totals.tick()

    def _takes(self, result: RenderResult) -> None:
        if self._totals is not None:
            self._totals.ended(result)
        self._tell({"event": "item", **result.to_dict()})
        self._is_key_refused |= isinstance(result.error, vidjob.AuthenticationError)
        if result.error is not None and outcome_of(result) in _BAD:
            self._say_failure(result, result.error)

    def _tell(self, event: Mapping[str, Any]) -> None:
        if self._output.form != "jsonl" or self._unwritable is not None:
            return
        try:
            self._output.event(event)
        except Unwritable as error:
            # Nobody reads what comes of it: nothing more is bought, and what is paid for is kept.
            self._unwritable = error
            if self._run is not None:
                self._run.stop()

    def _say_failure(self, result: RenderResult, error: vidjob.VidjobError) -> None:
        self._told += 1
        if self._told <= _TOLD:
            name = printable(result.id) or "an order"
            self._say(f"{name} {outcome_of(result)}: {words(error, _OPTIONS)}")
        elif self._told == _TOLD + 1:
            self._say("further failures are not told here")

    def _say(self, text: str) -> None:
        if self._totals is not None:
            self._totals.say(text)
        else:
            self._output.say(text)

    def follow(self, run: Batch) -> None:
        """Follows a run to its end. The first Ctrl-C stops the buying; the second leaves."""
        stream = self._output.shows_progress_on
        total = self._total if self._buys else run.in_flight
        self._run, self._totals = run, None if stream is None else Totals(total, stream)
        try:
            if self._has_ended(run):
                return
            run.stop()
            count = run.in_flight
            self._say(f"buying has stopped; {count} under way are still kept; Ctrl-C again leaves at once")
            if self._has_ended(run):
                return
        except KeyboardInterrupt:
            self._was_interrupted = True
        self._left = run.in_flight
        run.close()

    def _has_ended(self, run: Batch) -> bool:
        """Whether a run came to its end, and not to Ctrl-C."""
        try:
            for result in run:
                self._takes(result)
        except KeyboardInterrupt:
            if self._was_interrupted or not self._buys:
                raise
            self._was_interrupted = True
            return False
        return True

    # ---- the end -----------------------------------------------------------------------------

    def end(self, summary: Mapping[str, Any]) -> Exit:
        """Tells what a run came to, and gives the exit code.

        Raises:
            Unwritable: Nobody read the events.
        """
        if self._totals is not None:
            self._totals.forget(summary["duplicates"])
            self._totals.close()
        if self._unwritable is not None:
            raise self._unwritable
        self._show(summary)
        code = exit_of_run(summary, was_interrupted=self._was_interrupted, is_key_refused=self._is_key_refused)
        if code is not Exit.OK:
            self._output.error(self._reason(code, summary), *self._hints(code, summary))
        return code

    def _show(self, summary: Mapping[str, Any]) -> None:
        if self._output.form != "text":
            self._output.result({**summary, "folder": str(self._folder)})
            return
        counts = [(name.replace("_", " "), f"{summary[name]:,}" if summary[name] else "") for name in _COUNTS]
        self._output.pairs(
            [
                *counts,
                ("cost", usd(Decimal(str(summary["cost_usd"])))),
                ("time", duration(summary["wall_seconds"])),
                ("folder", printable(str(self._folder))),
            ]
        )

    def _reason(self, code: Exit, summary: Mapping[str, Any]) -> str:
        if code is Exit.INTERRUPTED:
            return f"interrupted; {self._left} jobs go on" if self._left else "interrupted"
        if code is Exit.FAILED_JOB:
            return _counted(summary, _BAD)
        if code is Exit.CONFIGURATION:
            return _STOPPED["key"]
        return _STOPPED.get(summary["stopped"]) or _counted(summary, ("pending", "not_bought"))

    def _hints(self, code: Exit, summary: Mapping[str, Any]) -> list[str]:
        hints = []
        if code is Exit.FAILED_JOB and self._buys:
            hints.append(f"the reasons are in {printable(str(self._folder / 'errors.jsonl'))}")
            if summary["failed"]:
                hints.append("--retry-failed buys what failed again")
            if summary["unknown"]:
                hints.append("--on-unknown resubmit buys what is unknown, perhaps for the second time")
        if code is not Exit.FAILED_JOB or summary["pending"] or summary["not_bought"]:
            same = ", with the same lines" if getattr(self._args, "file", None) == "-" else ""
            hints.append(f"to continue{same}: {again(self._args.words)}")
        return hints


def exit_of_run(summary: Mapping[str, Any], *, was_interrupted: bool = False, is_key_refused: bool = False) -> Exit:
    """The exit code for a run: what keeps it from going on counts before what came of its items."""
    stopped = summary["stopped"]
    if was_interrupted:
        return Exit.INTERRUPTED
    if is_key_refused or stopped == "key":
        return Exit.CONFIGURATION
    if stopped in {"budget", "max_jobs", "balance"}:
        return Exit.BUDGET
    if any(summary[name] for name in _BAD):
        return Exit.FAILED_JOB
    if summary["pending"] or summary["not_bought"] or stopped is not None:
        return Exit.PENDING
    return Exit.OK


def again(words: list[str]) -> str:
    """The command that continues one that was typed, to be pasted into a shell."""
    kept, rest = [], iter(words)
    for word in rest:
        # What the run itself has made is there now, and is neither refused nor made anew.
        if word == "--on-existing":
            next(rest, None)
        elif not word.startswith("--on-existing="):
            kept.append(word)
    return shlex.join(["vidjob", *kept])


def _counted(summary: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in names if summary[name])
