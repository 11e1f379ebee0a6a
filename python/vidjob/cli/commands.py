"""The commands. To add one, write a function that runs it, one that adds its arguments, and a line in ``COMMANDS``."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, field

import vidjob
from vidjob import _native
from vidjob._batch.naming import component
from vidjob._options import DownloadOptions
from vidjob._progress.formatting import printable
from vidjob.cli import batch, create, options
from vidjob.cli.exit_codes import BATCH_OPTIONS, OPTIONS, Exit, ResumeHint, error_text
from vidjob.cli.single_job import CommandProgress, file_resume_hint, show_job, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from vidjob.cli.single_job import Context

__all__ = ["COMMANDS", "Command"]


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: Its name.
        summary: What it does, in one line.
        arguments: Adds its arguments to a parser.
        run: Runs it, and returns the exit code.
        options: Its options for the arguments that messages name.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Context], Exit]
    options: Mapping[str, str] = field(default_factory=lambda: OPTIONS)


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
        return show_job(context.output, service.get(context.args.id))


def _wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _wait(context: Context) -> Exit:
    args = context.args
    context.resume_hint = ResumeHint("wait", options.same_service(args), request_id=args.id)
    with options.client(args) as service, CommandProgress(context) as progress:
        job = service.wait(args.id, timeout=args.timeout, poll_interval=args.poll_interval, progress=progress)
    return show_job(context.output, job)


def _download_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the request_id of a job; waits until it is done")
    parser.add_argument("-o", "--output", type=options.path, metavar="FILE", help="default: ID.mp4")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    options.waits(parser)
    options.connects(parser)
    options.prints_events(parser)


def _download(context: Context) -> Exit:
    args, output = context.args, context.output
    path = args.output or f"{component(args.id)}.mp4"
    context.resume_hint = file_resume_hint(args, path, request_id=args.id)
    with options.client(args) as service, CommandProgress(context) as progress:
        _check_target(args, path)
        job = service.wait(args.id, timeout=args.timeout, poll_interval=args.poll_interval, progress=progress)
        saved = service.download(job, path, overwrite=args.overwrite, progress=progress)
    if output.form != "text":
        output.result(saved.to_dict())
        return Exit.OK
    output.pairs([("file", printable(str(saved.path))), ("size", size(saved.bytes)), ("sha256", saved.sha256)])
    return Exit.OK


def _check_target(args: argparse.Namespace, path: str) -> None:
    """Reports a path that cannot be written before the wait, not after it."""
    try:
        _native.check_target(DownloadOptions.of(path, 0, overwrite=args.overwrite))
    except vidjob.DownloadError as error:
        error.request_id = args.id
        raise


# ---- simulate --------------------------------------------------------------------------------


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=options.port, default=0, metavar="N", help="on 127.0.0.1 (default: any)")
    parser.add_argument(
        "--shape",
        choices=("cometapi", "envelope", "xai"),
        default="cometapi",
        help="the API to imitate (default: cometapi)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of render times (default: 0)")
    parser.add_argument(
        "--render-seconds",
        type=options.positive,
        default=8.0,
        metavar="SECONDS",
        help="median render time (default: 8)",
    )
    parser.add_argument("--key", metavar="TEXT", help="the only key to accept (default: any; not a secret)")
    options.prints(parser)


def _simulate(context: Context) -> Exit:
    args, output = context.args, context.output
    try:
        simulator = vidjob.Simulator(
            args.shape, port=args.port, seed=args.seed, render_seconds=args.render_seconds, api_key=args.key
        )
    except (ValueError, OverflowError) as error:
        output.error(error_text(error, {"api_key": "--key"}))
        return Exit.USAGE
    except OSError as error:
        output.error(f"port {args.port}: {error_text(error)}")
        return Exit.UNEXPECTED
    with simulator:
        command = _render_command(simulator.base_url, args.key)
        output.say("this is a simulator: clips are test patterns and cost nothing; press Ctrl-C to stop it")
        output.say("to use it, paste this line into another terminal:")
        output.say(command)
        if output.form == "json":
            output.result({"base_url": simulator.base_url, "command": command})
        else:
            output.line(simulator.base_url)
        while True:
            time.sleep(3600)


def _render_command(base_url: str, key: str | None) -> str:
    """Returns a command that renders with a simulator, for pasting into a shell."""
    command = f'vidjob render "A candle" -o simulated.mp4 --overwrite --base-url {base_url}'
    if key is None:
        return command
    # Some shells' echo reads backslashes and options.
    echo = ["printf", "%s", key] if "\\" in key or key.startswith("-") else ["echo", key]
    return f"{shlex.join(echo)} | {command} --api-key-file -"


# ---- demo, doctor ----------------------------------------------------------------------------


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=options.folder,
        default="vidjob-demo",
        metavar="DIR",
        help="folder for the clips (default: vidjob-demo)",
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
    Command("get", "poll a job once", _get_arguments, _get),
    Command("wait", "wait until a job is done", _wait_arguments, _wait),
    Command("download", "save the file of a job", _download_arguments, _download),
    Command("generate", "create a job: this costs money", create.generate_arguments, create.generate),
    Command("edit", "create a job that changes a video: this costs money", create.edit_arguments, create.edit),
    Command("extend", "create a job that continues a video: this costs money", create.extend_arguments, create.extend),
    Command(
        "render",
        "create a job, wait for it and save its file: this costs money",
        create.render_arguments,
        create.render,
    ),
    Command("batch", "render many videos: this costs money", batch.batch_arguments, batch.batch, BATCH_OPTIONS),
    Command("jobs", "list the jobs of a journal", batch.jobs_arguments, batch.jobs),
    Command("resume", "finish the jobs of a journal; buys nothing", batch.resume_arguments, batch.resume),
    Command("simulate", "simulate the service on this machine: no key, no cost", _simulate_arguments, _simulate),
    Command("demo", "render three test patterns with a simulator: no key, no cost", _demo_arguments, _demo),
    Command("doctor", "check this installation, the key and the connection", _doctor_arguments, _doctor),
)
