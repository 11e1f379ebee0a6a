"""The commands about many jobs: ``batch``, ``jobs`` and ``resume``."""

from __future__ import annotations

import argparse
import shlex
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob import _arguments as arguments
from vidjob import _native
from vidjob._batch import Plan
from vidjob._naming import Naming
from vidjob._rows import read, rows_of_lines
from vidjob._totals import Totals
from vidjob._values import JobRecord
from vidjob.cli import options
from vidjob.cli.failures import Exit
from vidjob.cli.following import usd
from vidjob.progress import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

    from vidjob import Batch, RenderResult
    from vidjob.cli.following import Context
    from vidjob.cli.output import Output

__all__ = ["batch", "batch_arguments", "jobs", "jobs_arguments", "resume", "resume_arguments"]

_STATES = ("unknown", "refused", "accepted", "done", "failed", "saved")
#: Mistakes that a dry run tells of before it stops looking.
_MISTAKES = 10
_COUNTS = ("saved", "resumed", "failed", "blocked", "pending", "unknown", "not_bought", "duplicates")


# ---- arguments --------------------------------------------------------------------------------


def _prices(text: str) -> dict[str, Any]:
    try:
        return options.json_object(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None


def batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``batch``."""
    parser.add_argument("file", metavar="FILE", help="orders: .jsonl, .csv or .parquet; - reads JSON lines from stdin")
    parser.add_argument("-o", "--output", metavar="DIR", help="where videos, metadata and journal go")
    parser.add_argument("--dry-run", action="store_true", help="check every order and estimate the cost; buy nothing")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--concurrency", type=int, default=32, metavar="N", help="renders at once (default: 32)")
    limits.add_argument("--max-downloads", type=int, default=16, metavar="N", help="files at once (default: 16)")
    limits.add_argument("--max-cost-usd", type=float, metavar="USD", help="earlier runs in DIR included")
    limits.add_argument("--max-jobs", type=int, metavar="N", help="how many jobs this run may buy")
    limits.add_argument("--deadline", type=float, metavar="SECONDS", help="buy and wait no longer than this")
    limits.add_argument("--prices", type=_prices, metavar="FILE.json", help="prices over the known ones")
    again = parser.add_argument_group("what is there already")
    again.add_argument("--on-existing", choices=("resume", "overwrite", "error"), default="resume")
    again.add_argument(
        "--on-unknown",
        choices=("hold", "resubmit"),
        default="hold",
        help="creates whose answer was lost (default: hold)",
    )
    again.add_argument("--retry-failed", action="store_true", help="buy failed items again; never moderated ones")
    again.add_argument("--verify", action="store_true", help="hash the files that are there")
    parser.add_argument("--filename", default="videos/{id}.mp4", metavar="TEMPLATE", help="default: videos/{id}.mp4")
    parser.add_argument("--input-root", metavar="DIR", help='where {"path": ...} in orders may lead into')
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def jobs_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``jobs``."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=".", help="of a batch or a journal (default: .)")
    parser.add_argument("--state", choices=_STATES, help="only these")
    options.prints_events(parser)


def resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``resume``."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=".", help="of a batch or a journal (default: .)")
    parser.add_argument("--deadline", type=float, metavar="SECONDS", help="wait no longer than this")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


# ---- batch ------------------------------------------------------------------------------------


def batch(context: Context) -> Exit:
    """Runs ``batch``."""
    args = context.args
    if args.dry_run:
        return _check(context)
    if args.output is None:
        context.output.error("-o/--output DIR is missing: where to keep the videos", "try: vidjob batch --help")
        return Exit.USAGE
    orders = _orders(args) if args.file == "-" else list(_orders(args))
    total = len(orders) if isinstance(orders, list) else None
    with options.client(args) as service, _Shown(context, total) as shown:
        run = service.render_many(
            orders,
            args.output,
            concurrency=args.concurrency,
            max_downloads=args.max_downloads,
            max_cost_usd=args.max_cost_usd,
            max_jobs=args.max_jobs,
            deadline=args.deadline,
            on_existing=args.on_existing,
            on_unknown=args.on_unknown,
            retry_failed=args.retry_failed,
            verify=args.verify,
            prices=args.prices,
            filename=args.filename,
            input_root=args.input_root,
            timeout=args.timeout,
            poll_interval=args.poll_interval,
            progress=shown.hears,
        )
        was_interrupted = _follow(context, run, shown)
    return _ended(context, run.summary, Path(args.output), was_interrupted=was_interrupted)


def _orders(args: argparse.Namespace) -> Iterator[Any]:
    """The orders, one by one; a file that cannot be read is a wrong argument."""
    if args.file == "-":
        yield from rows_of_lines(sys.stdin, "standard input")
        return
    try:
        yield from read(Path(args.file)).rows
    except OSError as error:
        raise vidjob.InvalidRequest(f"{args.file} cannot be read: {error.strerror}", field="requests") from None


def _check(context: Context) -> Exit:
    """Reads every order as a real run would, and tells what it would cost."""
    args, output = context.args, context.output
    root = None if args.input_root is None else Path(args.input_root)
    plan = Plan(Naming(Path(args.output or "."), args.filename), root)
    count = duplicates = unpriced = 0
    cost = 0.0
    mistakes: list[str] = []
    for order in _orders(args):
        try:
            item = plan.item(order)
            if item is None:
                duplicates += 1
                continue
            item.request.preview()
        except vidjob.InvalidRequest as error:
            mistakes.append(str(error))
            if len(mistakes) == _MISTAKES:
                break
            continue
        count += 1
        estimate = _native.estimate_usd(item.request, args.prices)
        unpriced += estimate is None
        cost += estimate or 0.0
    if mistakes:
        output.error(mistakes[0], *mistakes[1:])
        return Exit.USAGE
    output.say("nothing is bought")
    if output.form != "text":
        told = {"items": count, "duplicates": duplicates, "unpriced": unpriced, "estimated_usd": round(cost, 6)}
        output.result(told)
        return Exit.OK
    estimated = usd(Decimal(str(round(cost, 4))))
    without = f" and {unpriced} without a known price" if unpriced else ""
    output.pairs(
        [("items", str(count)), ("duplicates", str(duplicates or "")), ("would cost", f"about {estimated}{without}")]
    )
    return Exit.OK


# ---- following --------------------------------------------------------------------------------


class _Shown:
    """Shows a run while it lasts."""

    def __init__(self, context: Context, total: int | None) -> None:
        self._output = context.output
        stream = context.output.shows_progress_on
        self._totals = None if stream is None else Totals(total, stream)

    def hears(self, event: Mapping[str, Any]) -> None:
        """Takes note of an event."""
        if self._totals is not None:
            self._totals.hears(event)
        if self._output.form == "jsonl":
            self._output.event(event)

    def ended(self, result: RenderResult) -> None:
        """Takes note of an item's end."""
        if self._totals is not None:
            self._totals.ended(result)
        if self._output.form == "jsonl":
            self._output.event({"event": "item", **result.to_dict()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._totals is not None:
            self._totals.close()


def _follow(context: Context, run: Batch, shown: _Shown) -> bool:
    """Follows a run to its end, or to the second Ctrl-C; tells whether there was one."""
    try:
        _show_all(run, shown)
    except KeyboardInterrupt:
        try:
            run.stop()
            words = f"buying has stopped; {run.in_flight} under way are still kept; Ctrl-C again leaves them at once"
            context.output.say(f"\n{words}")
            _show_all(run, shown)
        except KeyboardInterrupt:
            run.close()
        return True
    return False


def _show_all(run: Batch, shown: _Shown) -> None:
    for result in run:
        shown.ended(result)


def _ended(context: Context, summary: Mapping[str, Any], folder: Path, *, was_interrupted: bool) -> Exit:
    output = context.output
    if output.form == "text":
        counts = [(name.replace("_", " "), str(summary[name] or "")) for name in _COUNTS]
        output.pairs([*counts, ("cost", usd(Decimal(str(summary["cost_usd"])))), ("folder", printable(str(folder)))])
    else:
        output.result({**summary, "folder": str(folder)})
    code = _exit(summary, was_interrupted=was_interrupted)
    if code is not Exit.OK:
        _say_why(output, summary, code)
        output.say(f"to continue: {_again(context.args.words)}")
    return code


def _exit(summary: Mapping[str, Any], *, was_interrupted: bool) -> Exit:
    if was_interrupted:
        return Exit.INTERRUPTED
    stopped = summary["stopped"]
    if stopped == "key":
        return Exit.CONFIGURATION
    if stopped in {"budget", "max_jobs", "balance"}:
        return Exit.BUDGET
    if summary["failed"] or summary["blocked"] or summary["unknown"]:
        return Exit.FAILED_JOB
    return Exit.PENDING if summary["pending"] or stopped else Exit.OK


def _say_why(output: Output, summary: Mapping[str, Any], code: Exit) -> None:
    if code is Exit.CONFIGURATION:
        output.error("buying has stopped: the service refuses the key")
    elif code is Exit.BUDGET:
        reasons = {"budget": "--max-cost-usd is reached", "max_jobs": "--max-jobs is reached"}
        output.error(f"buying has stopped: {reasons.get(summary['stopped'], 'the service says no money is left')}")
    elif code is Exit.FAILED_JOB:
        output.error("some items failed: errors.jsonl tells why")


def _again(words: list[str]) -> str:
    return shlex.join(["vidjob", *words])


# ---- jobs, resume -----------------------------------------------------------------------------


def jobs(context: Context) -> Exit:
    """Runs ``jobs``."""
    args, output = context.args, context.output
    records = [JobRecord.told(told) for told in _native.read_journal(arguments.journal_folder(args.folder))]
    records = [record for record in records if args.state in {None, record.state}]
    if output.form == "json":
        output.result([record.to_dict() for record in records])
        return Exit.OK
    if output.form == "jsonl":
        for record in records:
            output.event({"event": "job", **record.to_dict()})
        return Exit.OK
    if not records:
        output.say(f"no jobs are recorded in {printable(args.folder)}")
        return Exit.OK
    output.table([("id", "state", "request_id", "cost", "file or error"), *map(_row, records)])
    return Exit.OK


def _row(record: JobRecord) -> tuple[str, ...]:
    about = record.error or ("" if record.path is None else str(record.path))
    cost = usd(record.cost_usd) if record.cost_usd else ""
    return (printable(record.id), record.state, record.request_id or "", cost, printable(about)[:80])


def resume(context: Context) -> Exit:
    """Runs ``resume``."""
    args, output = context.args, context.output
    with options.client(args) as service, _Shown(context, None) as shown:
        run = service.resume(
            args.folder,
            deadline=args.deadline,
            timeout=args.timeout,
            poll_interval=args.poll_interval,
            progress=shown.hears,
        )
        results: list[RenderResult] = []
        was_interrupted = _keep(run, shown, results)
    failed = [result for result in results if not result.ok]
    if output.form == "text":
        for result in results:
            about = result.path if result.ok else result.error
            output.line(f"{printable(result.id)}  {printable(str(about))}")
    elif output.form == "json":
        output.result([result.to_dict() for result in results])
    if was_interrupted:
        output.say(f"to continue: {_again(args.words)}")
        return Exit.INTERRUPTED
    if any(isinstance(result.error, vidjob.WaitTimeout) for result in failed):
        output.say(f"to continue: {_again(args.words)}")
        return Exit.PENDING
    return Exit.FAILED_JOB if failed else Exit.OK


def _keep(run: Batch, shown: _Shown, results: list[RenderResult]) -> bool:
    """Collects the results of a run; tells whether it was interrupted."""
    try:
        for result in run:
            shown.ended(result)
            results.append(result)
    except KeyboardInterrupt:
        run.close()
        return True
    return False
