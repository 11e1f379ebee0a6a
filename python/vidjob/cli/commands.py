"""The commands: a new one is a function that runs it, one that adds its arguments, and a line in ``COMMANDS``."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import vidjob
from vidjob.cli.failures import Exit, Trail, words
from vidjob.progress import Board, Lines, is_terminal, megabytes, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from vidjob.cli.output import Output

__all__ = ["COMMANDS", "Command", "Context", "client", "display", "usd"]

_MAX_KEY_FILE = 65_536
_MAX_PORT = 65_535


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


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: What is typed.
        summary: What it does, in a line.
        arguments: Adds its arguments to its parser.
        run: Does it, and gives the exit code.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Context], Exit]


# ---- what commands share ---------------------------------------------------------------------


def _connects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="default: VIDJOB_BASE_URL, else CometAPI's")
    parser.add_argument(
        "--api-key-file", metavar="FILE", help="file that holds the key (default: the variable COMETAPI_KEY)"
    )


def _prints(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    parser.add_argument("-q", "--quiet", action="store_true", help="nothing but errors on standard error")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--json", dest="form", action="store_const", const="json", default="text", help="print one JSON object"
    )
    return forms


def _prints_events(parser: argparse.ArgumentParser) -> None:
    _prints(parser).add_argument(
        "--jsonl",
        dest="form",
        action="store_const",
        const="jsonl",
        help="print one JSON object per event; the last is the result",
    )


def _waits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop waiting after this; the job goes on")
    parser.add_argument(
        "--poll-interval", type=float, metavar="SECONDS", help="time between questions (default: as the job needs)"
    )


def client(args: argparse.Namespace, **settings: Any) -> vidjob.VideoClient:  # noqa: ANN401 - VideoClient's own
    """A client as the options say."""
    key = None if args.api_key_file is None else _key(args.api_key_file)
    return vidjob.VideoClient(key, base_url=args.base_url, **settings)


def _key(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            key = opened.read(_MAX_KEY_FILE).decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise vidjob.ConfigurationError(f"the key file {file} cannot be read: {reason}") from None
    if not key:
        raise vidjob.ConfigurationError(f"the key file {file} is empty")
    return key


def _same_service(args: argparse.Namespace) -> list[str]:
    """The options with which another command reaches the same service."""
    options = {"--base-url": args.base_url, "--api-key-file": args.api_key_file}
    return [word for option, value in options.items() if value is not None for word in (option, value)]


def display(output: Output) -> Board | Lines | None:
    """How progress is shown: redrawn on a terminal, else in plain lines, or not at all."""
    stream = output.shows_progress_on
    if stream is None:
        return None
    return Board(stream) if is_terminal(stream) else Lines(stream)


class _Following:
    """Shows one call while it lasts, and keeps its trail."""

    def __init__(self, context: Context) -> None:
        self._output = context.output
        self._trail = context.trail
        self._display = display(context.output)
        self._row = None if self._display is None else self._display.row()
        self._read = context.output.form == "jsonl"

    def hears(self, event: Mapping[str, Any]) -> None:
        self._trail.hears(event)
        if self._row is not None:
            self._row.hears(event)
        if self._read:
            self._tell(event)

    def _tell(self, event: Mapping[str, Any]) -> None:
        try:
            self._output.event(event)
        except OSError:
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


def usd(job: vidjob.VideoJob | None) -> str:
    """What a job cost, if that is known."""
    return "" if job is None or job.usage is None else f"{job.usage.cost_usd.normalize():f} USD"


def _show_job(output: Output, job: vidjob.VideoJob) -> Exit:
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
            ("cost", usd(job)),
            ("video", "withheld by moderation" if withheld else printable((video and video.url) or "")),
            ("error", "" if error is None else printable(": ".join(filter(None, [error.code, error.message])))),
        ]
    )
    return Exit.OK


# ---- get, wait, download ---------------------------------------------------------------------


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for one exchange (default: 60)")
    _connects(parser)
    _prints(parser)


def _get(context: Context) -> Exit:
    with client(context.args, timeout=context.args.timeout) as service:
        return _show_job(context.output, service.get(context.args.id))


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job")
    _waits(parser)
    _connects(parser)
    _prints_events(parser)


def _wait(context: Context) -> Exit:
    args = context.args
    context.trail = Trail("wait", _same_service(args), request_id=args.id)
    with client(args) as service, _Following(context) as following:
        job = service.wait(args.id, timeout=args.timeout, poll_interval=args.poll_interval, progress=following.hears)
    return _show_job(context.output, job)


def _download_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job; one that is not over is waited for")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: ID.mp4")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    _waits(parser)
    _connects(parser)
    _prints_events(parser)


def _download(context: Context) -> Exit:
    args, output = context.args, context.output
    path = args.output or f"{args.id}.mp4"
    context.trail = _trail_of_file(args, path, request_id=args.id)
    with client(args) as service, _Following(context) as following:
        _refuse_existing(args, path)
        job = service.wait(args.id, timeout=args.timeout, poll_interval=args.poll_interval, progress=following.hears)
        kept = service.download(job, path, overwrite=args.overwrite, progress=following.hears)
    if output.form != "text":
        output.result(kept.to_dict())
        return Exit.OK
    output.pairs([("file", printable(str(kept.path))), ("size", _size(kept.bytes)), ("sha256", kept.sha256)])
    return Exit.OK


def _refuse_existing(args: argparse.Namespace, path: str) -> None:
    """Tells before the wait what would else be told after it."""
    if not args.overwrite and os.path.lexists(path):
        raise vidjob.DownloadError(f"{path} exists; give another -o FILE, or --overwrite", request_id=args.id)


def _trail_of_file(args: argparse.Namespace, path: str, *, request_id: str | None = None) -> Trail:
    again = ["--overwrite"] if args.overwrite else []
    return Trail("download", [*again, *_same_service(args)], request_id=request_id, path=path)


def _size(count: int) -> str:
    return f"{megabytes(count)} ({count:,} bytes)"


# ---- render ----------------------------------------------------------------------------------


def _render_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what to show")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where to keep the video")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--duration", type=int, metavar="SECONDS", help="1 to 15 (default: the service's, 8)")
    parser.add_argument("--aspect-ratio", metavar="W:H", help="such as 16:9, 9:16 or 1:1 (default: 16:9)")
    parser.add_argument("--resolution", metavar="LINES", help="480p, 720p or 1080p (default: 480p)")
    parser.add_argument("--model", help="default: the service's")
    parser.add_argument("--user", help="an id of your own end user, for the service")
    parser.add_argument("--extra", type=_json_object, metavar="JSON", help="an object that is merged into the request")
    _waits(parser)
    _connects(parser)
    _prints_events(parser)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('not a JSON object, like {"seed": 7}')
    return value


def _render(context: Context) -> Exit:
    args, output = context.args, context.output
    context.trail = _trail_of_file(args, args.output)
    with client(args) as service, _Following(context) as following:
        context.trail.creating = True
        result = service.render(
            args.prompt,
            args.output,
            duration=args.duration,
            aspect_ratio=args.aspect_ratio,
            resolution=args.resolution,
            model=args.model,
            user=args.user,
            extra=args.extra,
            timeout=args.timeout,
            poll_interval=args.poll_interval,
            overwrite=args.overwrite,
            progress=following.hears,
        )
    if output.form != "text":
        output.result(result.to_dict())
        return Exit.OK
    output.pairs(
        [
            ("file", printable(str(result.path))),
            ("size", _size(result.bytes or 0)),
            ("sha256", result.sha256 or ""),
            ("request_id", result.id),
            ("cost", usd(result.job)),
        ]
    )
    return Exit.OK


# ---- simulate --------------------------------------------------------------------------------


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="on 127.0.0.1 (default: any)")
    parser.add_argument(
        "--shape", choices=("cometapi", "envelope", "xai"), default="cometapi", help="whose answers (default: cometapi)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what render times depend on (default: 0)")
    parser.add_argument(
        "--render-seconds", type=float, default=8.0, metavar="SECONDS", help="median render time (default: 8)"
    )
    parser.add_argument("--key", metavar="TEXT", help="the one key that is good (default: any; it is no secret)")
    _prints(parser)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to {_MAX_PORT}")
    return int(text)


def _simulate(context: Context) -> Exit:
    args, output = context.args, context.output
    try:
        simulator = vidjob.Simulator(
            args.shape, port=args.port, seed=args.seed, render_seconds=args.render_seconds, api_key=args.key
        )
    except (ValueError, OverflowError) as error:
        output.error(words(error))
        return Exit.USAGE
    except OSError as error:
        output.error(f"port {args.port}: {words(error)}")
        return Exit.UNEXPECTED
    with simulator:
        output.say("a simulator: its clips are test patterns and cost nothing; Ctrl-C stops it")
        output.say("use it with --base-url and --api-key-file; " + ("any key is good" if args.key is None else ""))
        if output.form == "json":
            output.result({"base_url": simulator.base_url})
        else:
            output.line(simulator.base_url)
        while True:
            time.sleep(3600)


# ---- demo, doctor ----------------------------------------------------------------------------


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", default="vidjob-demo", metavar="DIR", help="where to keep the clips (default: vidjob-demo)"
    )
    _prints(parser)


def _demo(context: Context) -> Exit:
    from vidjob.cli import demo

    return demo.run(context)


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="send nothing")
    _connects(parser)
    _prints(parser)


def _doctor(context: Context) -> Exit:
    from vidjob.cli import doctor

    return doctor.run(context)


COMMANDS = (
    Command("get", "ask once how a job stands", _get_arguments, _get),
    Command("wait", "wait until a job is done", _wait_arguments, _wait),
    Command("download", "keep the file of a job", _download_arguments, _download),
    Command("render", "create a job, wait for it and keep its file: this costs money", _render_arguments, _render),
    Command("simulate", "run the service on this machine: no key, no cost", _simulate_arguments, _simulate),
    Command("demo", "render three test patterns with a simulator: no key, no cost", _demo_arguments, _demo),
    Command("doctor", "check this installation, the key and the way to the service", _doctor_arguments, _doctor),
)
