"""The commands about many jobs: ``batch``, ``jobs`` and ``resume``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vidjob
from vidjob import _arguments as arguments
from vidjob import _native
from vidjob._batch import Plan
from vidjob._damage import reports
from vidjob._naming import Naming
from vidjob._rows import label_of, read, rows_of_lines
from vidjob._values import JobRecord
from vidjob.cli import options
from vidjob.cli.failures import Exit, words
from vidjob.cli.following import usd
from vidjob.cli.running import Running
from vidjob.progress import is_terminal, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vidjob.cli.following import Context

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


def _limit(parser: argparse._ArgumentGroup, option: str, metavar: str, words: str) -> None:
    kind = options.positive if metavar == "SECONDS" else options.amount if metavar == "USD" else options.count
    parser.add_argument(option, type=kind, default=argparse.SUPPRESS, metavar=metavar, help=words)


def batch_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``batch``."""
    parser.add_argument(
        "file",
        type=options.path,
        metavar="FILE",
        help="orders: .jsonl, .csv or .parquet; - reads JSON lines from stdin",
    )
    parser.add_argument(
        "-o", "--output", type=options.folder, metavar="DIR", help="where videos, metadata and journal go"
    )
    parser.add_argument("--dry-run", action="store_true", help="check every order and estimate the cost; buy nothing")
    limits = parser.add_argument_group("limits")
    _limit(limits, "--concurrency", "N", "renders under way at once (default: 32)")
    _limit(limits, "--max-downloads", "N", "files fetched at once (default: 16)")
    _limit(limits, "--max-cost-usd", "USD", "what may be spent in DIR, earlier runs included")
    _limit(limits, "--max-jobs", "N", "how many jobs this run may buy")
    _limit(limits, "--deadline", "SECONDS", "after this nothing more is bought or waited for")
    limits.add_argument("--prices", type=_prices, metavar="FILE.json", help="prices over the known ones")
    again = parser.add_argument_group("what is there already")
    again.add_argument(
        "--on-existing",
        choices=("resume", "overwrite", "error"),
        default="resume",
        help="go on from what is there, make it anew, or refuse it (default: resume)",
    )
    again.add_argument(
        "--on-unknown",
        choices=("hold", "resubmit"),
        default="hold",
        help="report creates whose answer was lost, or buy them again (default: hold)",
    )
    again.add_argument("--retry-failed", action="store_true", help="buy failed items again; never moderated ones")
    again.add_argument("--verify", action="store_true", help="hash the files that are there")
    parser.add_argument(
        "--filename",
        type=options.path,
        default="videos/{id}.mp4",
        metavar="TEMPLATE",
        help="default: videos/{id}.mp4",
    )
    parser.add_argument(
        "--input-root", type=options.folder, metavar="DIR", help='folder that {"path": ...} in orders may lead into'
    )
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _folder(parser: argparse.ArgumentParser) -> None:
    words = "of a batch or a journal (default: .)"
    parser.add_argument("folder", type=options.folder, metavar="FOLDER", nargs="?", default=".", help=words)


def jobs_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``jobs``."""
    _folder(parser)
    parser.add_argument("--state", choices=_STATES, help="only these")
    options.prints(parser).add_argument(
        "--jsonl", dest="form", action="store_const", const="jsonl", help="print one JSON object per job"
    )


def resume_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``resume``."""
    _folder(parser)
    limits = parser.add_argument_group("limits")
    _limit(limits, "--max-downloads", "N", "files fetched at once (default: 16)")
    _limit(limits, "--deadline", "SECONDS", "after this nothing more is waited for")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


# ---- batch ------------------------------------------------------------------------------------

_SETTINGS = (
    *("concurrency", "max_downloads", "max_cost_usd", "max_jobs", "deadline", "on_existing", "on_unknown"),
    *("retry_failed", "verify", "prices", "filename", "input_root", "timeout", "poll_interval"),
)


def batch(context: Context) -> Exit:
    """Runs ``batch``."""
    args = context.args
    if args.dry_run:
        return _check(context)
    if args.output is None:
        context.output.error("-o/--output DIR is missing: where to keep the videos", "try: vidjob batch --help")
        return Exit.USAGE
    orders = _orders(context)
    if args.file != "-":
        orders = list(orders)
    total = len(orders) if isinstance(orders, list) else None
    with options.client(args) as service, Running(context, Path(args.output), total=total, buys=True) as running:
        run = service.render_many(orders, args.output, progress=running, **_given(args, _SETTINGS))
        running.follow(run)
        return running.end(run.summary)


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names if hasattr(args, name)}


def _orders(context: Context) -> Iterable[Any]:
    name = context.args.file
    if name != "-":
        orders: Iterable[Any] = read(Path(name)).rows
        return orders
    if sys.stdin is None:
        raise vidjob.InvalidRequest("there is no standard input", field="requests")
    if is_terminal(sys.stdin):
        context.output.say("reading JSON lines from standard input")
    # As bytes they are UTF-8, whatever the locale says.
    return rows_of_lines(getattr(sys.stdin, "buffer", sys.stdin), "standard input")


# ---- dry run ----------------------------------------------------------------------------------


@dataclass
class _Check:
    """What a look at all orders has found."""

    items: int = 0
    duplicates: int = 0
    unpriced: int = 0
    cost: float = 0.0
    mistakes: list[str] = field(default_factory=list)

    def looks_at(self, order: object, plan: Plan, prices: dict[str, Any] | None) -> None:
        item = plan.checked(order)
        if item is None:
            self.duplicates += 1
            return
        item.request.preview()
        estimate = _native.estimate_usd(item.request, prices)
        self.items += 1
        self.unpriced += estimate is None
        self.cost += estimate or 0.0


def _check(context: Context) -> Exit:
    """Looks at every order as a real run would, and tells what it would cost."""
    args, output = context.args, context.output
    root = None if args.input_root is None else Path(args.input_root)
    plan = Plan(Naming(Path(args.output or "."), args.filename), root)
    found = _looked_at(_orders(context), plan, args.prices)
    if found.mistakes:
        data = {"type": "InvalidRequest", "message": found.mistakes[0], "mistakes": found.mistakes}
        output.error(found.mistakes[0], *found.mistakes[1:], data=data)
        return Exit.USAGE
    output.say("nothing is sent")
    cost = Decimal(str(round(found.cost, 4)))
    if output.form != "text":
        told = {"items": found.items, "duplicates": found.duplicates, "unpriced": found.unpriced}
        output.result({**told, "estimated_usd": float(cost)})
        return Exit.OK
    unpriced = f", and {found.unpriced:,} without a known price: see --prices" if found.unpriced else ""
    output.pairs(
        [
            ("items", f"{found.items:,}"),
            ("duplicates", f"{found.duplicates:,}" if found.duplicates else ""),
            ("would cost", f"about {usd(cost)}{unpriced}"),
        ]
    )
    return Exit.OK


def _looked_at(orders: Iterable[Any], plan: Plan, prices: dict[str, Any] | None) -> _Check:
    found, number = _Check(), 0
    rows = iter(orders)
    while True:
        try:
            order = next(rows)
        except StopIteration:
            break
        except vidjob.InvalidRequest as error:  # what follows cannot be read
            found.mistakes.append(words(error))
            break
        number += 1
        try:
            found.looks_at(order, plan, prices)
        except vidjob.InvalidRequest as error:
            if error.field == "prices":  # every order would say so
                raise
            found.mistakes.append(f"{_place(order, number)}: {words(error)}")
    return found


def _place(order: object, number: int) -> str:
    label = printable(label_of(order))
    return f"order {number} ({label})" if label else f"order {number}"


# ---- jobs, resume -----------------------------------------------------------------------------


def _journal(folder: str) -> Path:
    """The journal of a folder, which must be there: reading would find nothing, and resuming would make one."""
    journal = arguments.journal_folder(folder)
    if journal == Path(folder) and not any(journal.glob("[0-9]*-*.jsonl")):
        raise vidjob.InvalidRequest(f"there is no journal in {folder}", field="folder")
    return journal


def jobs(context: Context) -> Exit:
    """Runs ``jobs``."""
    args, output = context.args, context.output
    told, damage = _native.read_journal(_journal(args.folder))
    for report in reports(damage):
        output.say(report)
    known = map(JobRecord.told, told)
    records = [record for record in known if args.state in {None, record.state}]
    if output.form == "json":
        output.result([record.to_dict() for record in records])
    elif output.form == "jsonl":
        for record in records:
            output.event(record.to_dict())
    elif records:
        output.table([("id", "state", "request_id", "cost", "file or error"), *map(_row, records)], "<<<><")
    else:
        output.say("no jobs")
    return Exit.OK


def _row(record: JobRecord) -> tuple[str, ...]:
    about = record.error or ("" if record.path is None else str(record.path))
    cost = usd(record.cost_usd) if record.cost_usd else ""
    return (printable(record.id), record.state, record.request_id or "", cost, printable(about))


def resume(context: Context) -> Exit:
    """Runs ``resume``."""
    args, folder = context.args, Path(context.args.folder)
    _journal(args.folder)
    with options.client(args) as service:
        settings = _given(args, ("max_downloads", "deadline", "timeout", "poll_interval"))
        with Running(context, folder, buys=False) as running:
            run = service.resume(folder, progress=running, **settings)
            running.follow(run)
            return running.end(run.summary)
