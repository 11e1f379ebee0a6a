"""What a failure means to the shell, and what it says."""

from __future__ import annotations

import errno
import shlex
from enum import IntEnum

import vidjob
from vidjob.progress import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Exit", "Trail", "advice", "exit_of", "words"]


class Exit(IntEnum):
    """How the program ends."""

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
        """The exit code in a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "all well",
    Exit.UNEXPECTED: "unexpected error",
    Exit.USAGE: "wrong usage; nothing was sent",
    Exit.FAILED_JOB: "a job failed, was blocked or has expired; in a batch also: a create has no known outcome",
    Exit.CONFIGURATION: "key or configuration",
    Exit.BUDGET: "no money left, or --max-cost-usd or --max-jobs is reached",
    Exit.PENDING: "still pending, or another run is at it; can be continued",
    Exit.INTERRUPTED: "Ctrl-C",
    Exit.BROKEN_PIPE: "whoever read the output went away",
}

_EXITS: tuple[tuple[tuple[type[Exception], ...], Exit], ...] = (
    ((vidjob.InvalidRequest,), Exit.USAGE),
    ((vidjob.JobFailed, vidjob.JobBlocked, vidjob.JobExpired), Exit.FAILED_JOB),
    ((vidjob.ConfigurationError, vidjob.AuthenticationError, vidjob.PermissionDenied), Exit.CONFIGURATION),
    ((vidjob.InsufficientBalance,), Exit.BUDGET),
    ((vidjob.WaitTimeout, vidjob.AlreadyRunning), Exit.PENDING),
)

#: What the system says of a path that no file can be kept at.
_NO_TARGET = frozenset({errno.EEXIST, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG})

#: How the arguments that messages speak of are called here.
_OPTIONS = {
    "api_key=...": "--api-key-file FILE",
    "overwrite=True": "--overwrite",
    "input_root=FOLDER": "--input-root FOLDER",
    'model="grok-imagine-video-1.5"': "--model grok-imagine-video-1.5",
    'model="grok-imagine-video"': "--model grok-imagine-video",
    "public_url=True": "--public-url",
}

#: After these there is nothing to wait for.
_ENDS = (vidjob.JobFailed, vidjob.JobBlocked, vidjob.JobExpired, vidjob.InvalidRequest, vidjob.ConfigurationError)
#: After these the file cannot be had again in the same way.
_OUT_OF_REACH = (vidjob.VideoUrlExpired, vidjob.UnsafeUrl, vidjob.TooLarge)
#: After these the same question has the same answer.
_REFUSALS = (
    vidjob.AuthenticationError,
    vidjob.PermissionDenied,
    vidjob.InsufficientBalance,
    vidjob.NotFound,
    vidjob.BadRequest,
)


def exit_of(error: Exception) -> Exit:
    """The exit code for an error."""
    if isinstance(error, vidjob.DownloadError) and error.errno in _NO_TARGET:
        return Exit.USAGE
    if isinstance(error, vidjob.JournalError) and error.errno == errno.ENOTDIR:
        return Exit.USAGE
    return next((code for types, code in _EXITS if isinstance(error, types)), Exit.UNEXPECTED)


def words(error: BaseException, options: Mapping[str, str] = _OPTIONS) -> str:
    """What an error says, on one line, in the command line's terms.

    Args:
        error: The error.
        options: How the arguments that it speaks of are called.
    """
    text = printable(str(error))
    for argument, option in options.items():
        text = text.replace(argument, option)
    return text


class Trail:
    """What is known of the job that a command is about, for when the command does not get to its end.

    Args:
        command: The command that continues: its name, and options that it needs again.
        request_id: The job, if it is known from the start.
        path: Where its file is to be kept, if it is.
    """

    def __init__(
        self, command: str = "", options: list[str] | None = None, *, request_id: str | None = None, path: str = ""
    ) -> None:
        self._command = command
        self._options = options or []
        self._path = path
        self.request_id = request_id
        #: Whether the job was bought just now.
        self.bought = False
        #: Whether a create may have been on its way.
        self.creating = False
        #: Whether the job is done.
        self.done = False

    @property
    def keeps_file(self) -> bool:
        """Whether a file comes of it."""
        return bool(self._path)

    def hears(self, event: Mapping[str, Any]) -> None:
        """Takes note of an event."""
        if event["event"] == "accepted":
            self.request_id, self.bought, self.creating = event["request_id"], True, False
        elif event["event"] in {"status", "download"}:
            self.done = event.get("status", "done") == "done"

    def continuation(self) -> str | None:
        """The command that continues, to be pasted into a shell."""
        if self.request_id is None or not self._command:
            return None
        file = ["-o", self._path] if self._path else []
        return shlex.join(["vidjob", self._command, self.request_id, *file, *self._options])


def advice(error: vidjob.VidjobError, trail: Trail) -> list[str]:
    """What to do about an error, in a line, or nothing."""
    command = trail.continuation()
    if command is None or isinstance(error, (*_ENDS, *_OUT_OF_REACH)):
        return []
    if trail.done:
        return [f"the video is paid for; this gets it: {command}"]
    # Before the job is done, a download is refused for reasons that stay.
    if isinstance(error, vidjob.DownloadError) or (isinstance(error, _REFUSALS) and not trail.bought):
        return []
    return [f"to continue: {command}"]
