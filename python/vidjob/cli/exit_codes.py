"""Exit codes, error messages in the command line's terms, and hints how to continue."""

from __future__ import annotations

import errno
import shlex
from enum import IntEnum

import vidjob
from vidjob._progress.formatting import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["BATCH_OPTIONS", "OPTIONS", "Exit", "ResumeHint", "advice", "error_text", "exit_of"]


class Exit(IntEnum):
    """The exit codes."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    FAILED_JOB = 3
    CONFIGURATION = 4
    BUDGET = 5
    PENDING = 6
    INTERRUPTED = 130
    BROKEN_PIPE = 141

    @property
    def meaning(self) -> str:
        """The meaning of the exit code."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "success",
    Exit.UNEXPECTED: "unexpected error",
    Exit.USAGE: "wrong usage; nothing was sent",
    Exit.FAILED_JOB: "a job failed, was blocked or expired; in a batch also: a create has no known outcome",
    Exit.CONFIGURATION: "wrong key or configuration",
    Exit.BUDGET: "no money left, or --max-cost-usd or --max-jobs reached",
    Exit.PENDING: "still pending, or another run is at work; can be continued",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
    Exit.BROKEN_PIPE: "output pipe closed",
}

_EXITS: tuple[tuple[tuple[type[Exception], ...], Exit], ...] = (
    ((vidjob.InvalidRequest,), Exit.USAGE),
    ((vidjob.JobFailed, vidjob.JobBlocked, vidjob.JobExpired), Exit.FAILED_JOB),
    ((vidjob.ConfigurationError, vidjob.AuthenticationError, vidjob.PermissionDenied), Exit.CONFIGURATION),
    ((vidjob.InsufficientBalance,), Exit.BUDGET),
    ((vidjob.WaitTimeout, vidjob.AlreadyRunning), Exit.PENDING),
)

#: Errors of paths at which no file can be written.
_NO_TARGET = frozenset({errno.EEXIST, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG})

#: The options for the arguments that messages name.
OPTIONS = {
    "api_key=...": "--api-key-file FILE",
    "vidjob.Simulator works": "vidjob demo works",
    "overwrite=True": "--overwrite",
    "input_root=FOLDER": "--input-root FOLDER",
    'model="grok-imagine-video-1.5"': "--model grok-imagine-video-1.5",
    'model="grok-imagine-video"': "--model grok-imagine-video",
    "public_url=True": "--public-url",
    'on_unknown="resubmit"': "--on-unknown resubmit",
    "max_cost_usd": "--max-cost-usd",
    "max_jobs": "--max-jobs",
    "columns=": "--columns",
    "prices=": "--prices FILE",
}

#: The same for ``batch``.
BATCH_OPTIONS = {**OPTIONS, 'on_existing="overwrite"': "--on-existing overwrite"}

#: Errors after which there is nothing to wait for.
_ENDS = (vidjob.JobFailed, vidjob.JobBlocked, vidjob.JobExpired, vidjob.InvalidRequest, vidjob.ConfigurationError)
#: Errors after which the same download fails again.
_OUT_OF_REACH = (vidjob.VideoUrlExpired, vidjob.UnsafeUrl, vidjob.TooLarge)
#: Errors after which the same request fails again.
_REFUSALS = (
    vidjob.AuthenticationError,
    vidjob.PermissionDenied,
    vidjob.InsufficientBalance,
    vidjob.NotFound,
    vidjob.BadRequest,
)


def exit_of(error: Exception) -> Exit:
    """Returns the exit code for an error."""
    if isinstance(error, vidjob.DownloadError) and error.errno in _NO_TARGET:
        return Exit.USAGE
    if isinstance(error, vidjob.JournalError) and error.errno == errno.ENOTDIR:
        return Exit.USAGE
    return next((code for types, code in _EXITS if isinstance(error, types)), Exit.UNEXPECTED)


def error_text(error: BaseException | str, options: Mapping[str, str] = OPTIONS) -> str:
    """Returns the message of an error on one line, with options in place of arguments.

    Args:
        error: The error, or a message.
        options: The options for the arguments that messages name.
    """
    text = printable(str(error))
    for argument, option in options.items():
        text = text.replace(argument, option)
    return text


class ResumeHint:
    """Names the command that continues one that has not finished.

    Args:
        command: The name of that command.
        options: Options that it needs again.
        request_id: The job, if it is known from the start.
        path: Path of the job's file, if the command saves it.
    """

    def __init__(
        self, command: str = "", options: list[str] | None = None, *, request_id: str | None = None, path: str = ""
    ) -> None:
        self._command = command
        self._options = options or []
        self._path = path
        self.request_id = request_id
        #: The arguments with which the same command continues, if it does.
        self.same_command: list[str] = []
        #: Whether this command created the job.
        self.bought = False
        #: Whether a create may have been sent.
        self.creating = False
        #: Whether the job is done.
        self.done = False

    @property
    def saves_file(self) -> bool:
        """Whether the command saves a file."""
        return bool(self._path)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Records an event."""
        if event["event"] == "accepted":
            self.request_id, self.bought, self.creating = event["request_id"], True, False
        elif event["event"] in {"status", "download"}:
            self.done = event.get("status", "done") == "done"

    def command(self) -> str | None:
        """Returns the command that continues, for pasting into a shell."""
        if self.request_id is None or not self._command:
            return None
        if self.same_command:
            return shlex.join(["vidjob", *self.same_command])
        file = ["-o", self._path] if self._path else []
        return shlex.join(["vidjob", self._command, self.request_id, *file, *self._options])


def advice(error: vidjob.VidjobError, resume_hint: ResumeHint) -> list[str]:
    """Returns a line on what to do about an error, if there is anything to do."""
    command = resume_hint.command()
    if command is None or isinstance(error, (*_ENDS, *_OUT_OF_REACH)):
        return []
    if resume_hint.done:
        return [f"the video is paid for; to download it: {command}"]
    # A download error before the job is done persists.
    if isinstance(error, vidjob.DownloadError) or (isinstance(error, _REFUSALS) and not resume_hint.bought):
        return []
    return [f"to continue: {command}"]
