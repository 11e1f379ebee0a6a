"""The command line: ``vidjob``, or ``python -m vidjob``."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import sys
import warnings
from functools import partial

import vidjob
from vidjob._json_values import escape_surrogates
from vidjob.cli.commands import COMMANDS
from vidjob.cli.exit_codes import Exit, advice, error_text, exit_of
from vidjob.cli.options import same_service
from vidjob.cli.output import Output, OutputError
from vidjob.cli.single_job import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TextIO

__all__ = ["main"]

_NO_KEY_HERE = (
    "a key on the command line is visible to other users and to the shell's history",
    "set the variable COMETAPI_KEY (XAI_API_KEY for api.x.ai), or pass a file with --api-key-file FILE",
)


#: Arguments with names of files, which may have any bytes.
_FILES = frozenset({"api_key_file", "file", "folder", "input_root", "output"})


class _Parser(argparse.ArgumentParser):
    """Prints two lines for wrong usage, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"error: {message}\ntry: {self.prog} --help\n")

    def refuse(self, unknown: list[str]) -> NoReturn:
        """Reports arguments that the command does not have, with the option that may be meant."""
        from difflib import get_close_matches

        options = [option for action in self._actions for option in action.option_strings]
        near = get_close_matches(unknown[0].partition("=")[0], options, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def _parser() -> argparse.ArgumentParser:
    codes = "\n".join(f"  {code:>3}  {code.meaning}" for code in Exit)
    parser = _Parser(
        prog="vidjob",
        description="Create xAI (Grok) video jobs, wait for them and save the videos.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vidjob {vidjob.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        summary = command.summary
        sub = commands.add_parser(command.name, help=summary, description=f"{summary}.", allow_abbrev=False)
        command.arguments(sub)
        sub.set_defaults(run=command.run, options=command.options, parser=sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments. Default: those of the process.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A process may have no standard streams.
    out, err = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    plain = Output(out, err)
    if _holds_key(arguments):
        plain.error(*_NO_KEY_HERE)
        return Exit.USAGE
    try:
        code = _run(arguments, out, err)
        out.flush()
    except (OutputError, OSError) as error:
        _drop_output()
        reason = error.__cause__ or error
        if isinstance(reason, BrokenPipeError):
            return Exit.BROKEN_PIPE
        plain.error(f"the output cannot be written: {error_text(reason)}")
        return Exit.UNEXPECTED
    return code


def _holds_key(arguments: list[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(option.partition("=")[0] in {"--api-key", "--api_key", "--apikey"} for option in options)


def _not_utf8(args: argparse.Namespace) -> str | None:
    """Returns the argument that is not UTF-8, if there is one: Python keeps its bytes as lone surrogates."""
    for name, value in vars(args).items():
        texts = value if isinstance(value, list) else [value]
        if name not in _FILES and any(isinstance(text, str) and escape_surrogates(text) != text for text in texts):
            return name.upper().replace("_", "-")
    return None


def _run(arguments: list[str], out: TextIO, err: TextIO) -> int:
    try:
        args, unknown = _parser().parse_known_args(arguments)
        if unknown:
            args.parser.refuse(unknown)
    except SystemExit as exit_:  # --help, --version, wrong usage
        return exit_.code if isinstance(exit_.code, int) else Exit.OK
    wrong = _not_utf8(args)
    if wrong is not None:
        Output(out, err).error(f"{wrong} is not UTF-8; the terminal or the calling script has another encoding")
        return Exit.USAGE
    args.argv = arguments
    context = Context(args, Output(out, err, form=args.form, quiet=args.quiet))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", RuntimeWarning)
            warnings.showwarning = partial(_show_warning, context)
            code: Exit = args.run(context)
    except KeyboardInterrupt:
        _report_interrupt(context)
        return Exit.INTERRUPTED
    except vidjob.VidjobError as error:
        _print_traceback()
        text = error_text(error, args.options).replace("vidjob doctor", _doctor(args))
        context.output.error(text, *advice(error, context.resume_hint), data=error.to_dict())
        return exit_of(error)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001 - every error becomes an exit code
        _print_traceback()
        hint = "set VIDJOB_DEBUG=1 for a traceback"
        context.output.error(f"{type(error).__name__}: {error_text(error, args.options)}", hint)
        return Exit.UNEXPECTED
    return code


def _doctor(args: argparse.Namespace) -> str:
    """Returns the command that checks the same service."""
    return shlex.join(["vidjob", "doctor", *same_service(args)])


def _show_warning(context: Context, message: Warning | str, *_place: object) -> None:
    context.output.say(f"warning: {error_text(message, context.args.options)}")


def _report_interrupt(context: Context) -> None:
    command = context.resume_hint.command()
    if command is not None:
        state = "the video is paid for" if context.resume_hint.done else "the job is still running"
        context.output.error(f"interrupted; {state}", f"to continue: {command}")
    elif context.resume_hint.creating:
        context.output.error("interrupted; a create may have been sent: a job may exist and be billed")
    else:
        context.output.say("interrupted")


def _print_traceback() -> None:
    if os.environ.get("VIDJOB_DEBUG") == "1":
        import traceback

        traceback.print_exc()


def _drop_output() -> None:
    """Keeps the interpreter from flushing a broken standard output at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
