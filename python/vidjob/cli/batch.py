"""The commands about many jobs: ``batch``, ``jobs`` and ``resume``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob import _native
from vidjob._batch.naming import Naming
from vidjob._batch.plan import Plan
from vidjob._batch.rows import read, row_rules, rows_of_lines
from vidjob._journal import damage_warnings, existing_journal
from vidjob._progress.formatting import is_terminal, printable
from vidjob._values import JobRecord
from vidjob.cli import options
from vidjob.cli.batch_run import BatchRun
from vidjob.cli.confirmation import confirmed
from vidjob.cli.dry_run import DryRun
from vidjob.cli.exit_codes import Exit, error_text
from vidjob.cli.single_job import usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vidjob.cli.single_job import Context

__all__ = ["batch", "batch_arguments", "jobs", "jobs_arguments", "resume", "resume_arguments"]

_STATES = ("unknown", "refused", "accepted", "done", "failed", "saved")


# ---- arguments --------------------------------------------------------------------------------


def _prices(text: str) -> dict[str, Any]:
    try:
        return options.json_object(Path(options.path(text)).read_text(encoding="utf-8-sig"))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or printable(str(error))


def _limit(parser: argparse._ArgumentGroup, option: str, metavar: str, help_text: str) -> None:
    kind = options.positive if metavar == "SECONDS" else options.amount if metavar == "USD" else options.count
    parser.add_argument(option, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=help_text)


def batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``batch``."""
    parser.add_argument(
        "file",
        type=options.path,
        metavar="FILE",
        help="orders: .jsonl, .csv or .parquet; - reads JSON lines from standard input",
    )
    parser.add_argument(
        "-o", "--output", type=options.folder, metavar="DIR", help="folder for videos, metadata and journal"
    )
    parser.add_argument("--dry-run", action="store_true", help="check every row and estimate the cost; send nothing")
    limits = parser.add_argument_group("limits")
    _limit(limits, "--concurrency", "N", "renders under way at once (default: 32)")
    _limit(limits, "--max-downloads", "N", "downloads at once (default: 16)")
    _limit(limits, "--max-cost-usd", "USD", "limit for the cost in DIR, including earlier runs")
    _limit(limits, "--max-jobs", "N", "limit for the jobs that this run buys")
    _limit(limits, "--deadline", "SECONDS", "stop buying and waiting after this")
    limits.add_argument("--prices", type=_prices, metavar="FILE.json", help="prices that override the known ones")
    again = parser.add_argument_group("items of earlier runs")
    again.add_argument(
        "--on-existing",
        choices=("resume", "overwrite", "error"),
        default="resume",
        help="keep finished items, render them again, or refuse them (default: resume)",
    )
    again.add_argument(
        "--on-unknown",
        choices=("hold", "resubmit"),
        default="hold",
        help="report creates whose response was lost, or buy them again (default: hold)",
    )
    again.add_argument(
        "--retry-failed", action="store_true", help="buy failed items again; never those that moderation blocked"
    )
    again.add_argument("--verify", action="store_true", help="hash saved files again")
    parser.add_argument(
        "--filename",
        type=options.path,
        default="videos/{id}.mp4",
        metavar="TEMPLATE",
        help="default: videos/{id}.mp4",
    )
    parser.add_argument(
        "--input-root",
        type=options.folder,
        metavar="DIR",
        help="folder that paths of images and videos in rows are relative to, and must stay inside",
    )
    parser.add_argument(
        "--columns",
        type=lambda text: text.split(","),
        action="extend",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="keep a column whose name resembles a field; several with commas, or by repeating the option",
    )
    options.confirms(parser)
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _folder(parser: argparse.ArgumentParser) -> None:
    help_text = "folder of a batch or a journal (default: .)"
    parser.add_argument("folder", type=options.folder, metavar="FOLDER", nargs="?", default=".", help=help_text)


def jobs_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``jobs``."""
    _folder(parser)
    parser.add_argument("--state", choices=_STATES, help="only jobs in this state")
    options.prints(parser).add_argument(
        "--jsonl", dest="form", action="store_const", const="jsonl", help="print one JSON object per job"
    )


def resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``resume``."""
    _folder(parser)
    limits = parser.add_argument_group("limits")
    _limit(limits, "--max-downloads", "N", "downloads at once (default: 16)")
    _limit(limits, "--deadline", "SECONDS", "stop waiting after this")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


# ---- batch ------------------------------------------------------------------------------------

_SETTINGS = (
    *("concurrency", "max_downloads", "max_cost_usd", "max_jobs", "deadline", "on_existing", "on_unknown"),
    *("retry_failed", "verify", "prices", "filename", "input_root", "columns", "timeout", "poll_interval"),
)


def batch(context: Context) -> Exit:
    """Runs ``batch``."""
    args = context.args
    if args.file == "-" and options.reads_key_from_stdin(args):
        context.output.error(
            "the rows and the key cannot both be read from standard input; pass a file for one of them"
        )
        return Exit.USAGE
    if args.dry_run:
        return _check(context)
    if args.output is None:
        context.output.error("-o/--output DIR is required: the folder for videos", "try: vidjob batch --help")
        return Exit.USAGE
    orders = _orders(context)
    if args.file != "-":
        orders = list(orders)
    total = len(orders) if isinstance(orders, list) else None
    with options.client(args) as service, BatchRun(context, Path(args.output), total=total, buys=True) as batch_run:
        run = service.render_many(orders, args.output, progress=batch_run, **_given(args, _SETTINGS))
        hint = "pass --yes to continue anyway"
        if run.elsewhere and not confirmed(context, "items of another service would count as done", hint):
            run.discard()
            return Exit.USAGE
        batch_run.follow(run)
        return batch_run.end(run.summary)


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names if hasattr(args, name)}


def _orders(context: Context) -> Iterable[Any]:
    name = context.args.file
    if name != "-":
        orders: Iterable[Any] = read(Path(name), getattr(context.args, "columns", ())).rows
        return orders
    if sys.stdin is None:
        raise vidjob.InvalidRequest("there is no standard input", field="requests")
    if is_terminal(sys.stdin):
        context.output.say("reading JSON lines from standard input")
    # As bytes they are UTF-8, whatever the locale says.
    return rows_of_lines(getattr(sys.stdin, "buffer", sys.stdin), "standard input")


# ---- dry run ----------------------------------------------------------------------------------


def _check(context: Context) -> Exit:
    """Checks every order as a real run does, and prints the estimated cost."""
    args, output = context.args, context.output
    rules = row_rules(args.input_root, getattr(args, "columns", ()))
    plan = Plan(Naming(Path(args.output or "."), args.filename), rules)
    dry_run = DryRun.of(args, _records(args.output), options.service_of(args))
    for order in _until_unreadable(_orders(context), dry_run):
        dry_run.check(order, plan)
    if dry_run.mistakes:
        first, *others = dry_run.mistakes
        output.error(first, *others, data={"type": "InvalidRequest", "message": first, "mistakes": dry_run.mistakes})
        return Exit.USAGE
    output.say("nothing is sent")
    if output.form == "text":
        output.pairs(dry_run.pairs())
    else:
        output.result(dry_run.to_dict())
    return Exit.OK


def _records(folder: str | None) -> list[dict[str, Any]]:
    """Returns what the journal of a folder knows, if it has one."""
    journal = None if folder is None else Path(folder) / ".vidjob"
    return [] if journal is None or not journal.exists() else _native.read_journal(journal)[0]


def _until_unreadable(orders: Iterable[Any], dry_run: DryRun) -> Iterator[Any]:
    try:
        yield from orders
    except vidjob.InvalidRequest as error:  # the rest cannot be read
        dry_run.mistakes.append(error_text(error))


# ---- jobs, resume -----------------------------------------------------------------------------


def jobs(context: Context) -> Exit:
    """Runs ``jobs``."""
    args, output = context.args, context.output
    records_read, damage = _native.read_journal(existing_journal(args.folder))
    for warning in damage_warnings(damage):
        output.say(warning)
    known = map(JobRecord.from_native, records_read)
    records = [record for record in known if args.state in {None, record.state}]
    if output.form == "json":
        output.result([record.to_dict() for record in records])
    elif output.form == "jsonl":
        for record in records:
            output.event(record.to_dict())
    elif records:
        output.table([("id", "state", "request_id", "cost", "file or error"), *map(_row, records)], "<<<><")
        output.line(_total(records))
    else:
        output.say("no jobs")
    return Exit.OK


def _row(record: JobRecord) -> tuple[str, ...]:
    # The path of an item that is not saved is only planned.
    about = record.error or (str(record.path) if record.state == "saved" else "")
    cost = usd(record.cost_usd) if record.cost_usd else ""
    cost = f"about {cost}" if cost and record.estimated_usd == record.spent_usd else cost
    return (printable(record.id), record.state, record.request_id or "", cost, printable(about))


def _total(records: list[JobRecord]) -> str:
    """Returns the number of jobs, and what was spent on all of their attempts."""
    states = Counter(record.state for record in records)
    estimated = sum((record.estimated_usd for record in records), Decimal(0))
    spent = usd(sum((record.spent_usd for record in records), Decimal(0)))
    note = f" ({usd(estimated)} of it estimated)" if estimated else ""
    counts = ", ".join(f"{states[state]:,} {state}" for state in _STATES if states[state])
    return f"{len(records):,} {'job' if len(records) == 1 else 'jobs'}: {counts}; {spent} spent{note}"


def resume(context: Context) -> Exit:
    """Runs ``resume``."""
    args, folder = context.args, Path(context.args.folder)
    records = _native.read_journal(existing_journal(args.folder))[0]
    unknown = sum(record["state"] == "unknown" for record in records)
    unfinished = {record["service"] for record in records if record["state"] in {"accepted", "done"}}
    for other in sorted(unfinished - {None, options.service_of(args)}):
        context.output.say(f"jobs of {printable(args.folder)} are at {other}: pass --base-url {other} to finish them")
    with options.client(args) as service:
        settings = _given(args, ("max_downloads", "deadline", "timeout", "poll_interval"))
        with BatchRun(context, folder, buys=False) as batch_run:
            run = service.resume(folder, progress=batch_run, **settings)
            if unknown:
                creates = "1 create has" if unknown == 1 else f"{unknown:,} creates have"
                context.output.say(f"{creates} no known outcome: see vidjob jobs {shlex.quote(args.folder)}")
            batch_run.follow(run)
            return batch_run.end(run.summary)
