"""The commands: a new one is a function that runs it, one that adds its arguments, and a line in ``COMMANDS``."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import vidjob
from vidjob.cli import options
from vidjob.cli.failures import Exit, Trail, words
from vidjob.cli.following import Following, cost
from vidjob.progress import megabytes, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from vidjob.cli.following import Context
    from vidjob.cli.output import Output

__all__ = ["COMMANDS", "Command"]


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
            ("cost", cost(job)),
            ("video", "withheld by moderation" if withheld else printable((video and video.url) or "")),
            ("error", "" if error is None else printable(": ".join(filter(None, [error.code, error.message])))),
        ]
    )
    return Exit.OK


# ---- get, wait, download ---------------------------------------------------------------------


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job")
    parser.add_argument(
        "--timeout", type=options.positive, default=60.0, metavar="SECONDS", help="for one exchange (default: 60)"
    )
    options.connects(parser)
    options.prints(parser)


def _get(context: Context) -> Exit:
    with options.client(context.args, timeout=context.args.timeout) as service:
        return _show_job(context.output, service.get(context.args.id))


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _wait(context: Context) -> Exit:
    args = context.args
    context.trail = Trail("wait", options.same_service(args), request_id=args.id)
    with options.client(args) as service, Following(context) as following:
        job = service.wait(args.id, timeout=args.timeout, poll_interval=args.poll_interval, progress=following.hears)
    return _show_job(context.output, job)


def _download_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job; one that is not over is waited for")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: ID.mp4")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _download(context: Context) -> Exit:
    args, output = context.args, context.output
    path = args.output or f"{args.id}.mp4"
    context.trail = _trail_of_file(args, path, request_id=args.id)
    with options.client(args) as service, Following(context) as following:
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
        raise vidjob.DownloadError(f"{path} exists already; pass --overwrite to replace it", request_id=args.id)


def _trail_of_file(args: argparse.Namespace, path: str, *, request_id: str | None = None) -> Trail:
    again = ["--overwrite"] if args.overwrite else []
    return Trail("download", [*again, *options.same_service(args)], request_id=request_id, path=path)


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
    parser.add_argument(
        "--extra", type=options.json_object, metavar="JSON", help="an object that is merged into the request"
    )
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _render(context: Context) -> Exit:
    args, output = context.args, context.output
    context.trail = _trail_of_file(args, args.output)
    with options.client(args) as service, Following(context) as following:
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
            ("cost", cost(result.job)),
        ]
    )
    return Exit.OK


# ---- simulate --------------------------------------------------------------------------------


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=options.port, default=0, metavar="N", help="on 127.0.0.1 (default: any)")
    parser.add_argument(
        "--shape", choices=("cometapi", "envelope", "xai"), default="cometapi", help="whose answers (default: cometapi)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="what render times depend on (default: 0)")
    parser.add_argument(
        "--render-seconds",
        type=options.positive,
        default=8.0,
        metavar="SECONDS",
        help="median render time (default: 8)",
    )
    parser.add_argument("--key", metavar="TEXT", help="the one key that is good (default: any; it is no secret)")
    options.prints(parser)


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
        good = "any key is good" if args.key is None else "one key is good"
        output.say(f"use it with --base-url URL --api-key-file FILE; {good}")
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
    options.prints(parser)


def _demo(context: Context) -> Exit:
    from vidjob.cli import demo

    return demo.run(context)


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="send nothing")
    options.connects(parser)
    options.prints(parser)


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
