"""Terminals: one that keeps what is written to it, and a real one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A terminal of which only what is written is kept."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def frames(self) -> list[str]:
        return [frame.rstrip() for frame in self.getvalue().split("\r") if frame]


def on_a_terminal(*arguments: str, program: str = "", **environment: str) -> tuple[int, str, str]:
    """The command line with standard error on a pseudo-terminal."""
    import pty

    above, below = pty.openpty()
    command = f"{program}\nimport sys\nfrom vidjob.cli import main\nsys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=below,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment},
    ) as process:
        os.close(below)
        seen = bytearray()
        reader = threading.Thread(target=lambda: seen.extend(_read_all(above)))
        reader.start()
        assert process.stdout is not None
        out = process.stdout.read()
        code = process.wait(30)
        reader.join(30)
    os.close(above)
    return code, out, seen.decode()


def _read_all(descriptor: int) -> bytes:
    seen = b""
    try:
        while part := os.read(descriptor, 65536):
            seen += part
    except OSError:
        pass  # Linux says so that the other end is closed.
    return seen


def typed_on_a_terminal(typed: bytes, *arguments: str) -> tuple[int, str]:
    """The command line on a pseudo-terminal, where something is typed after the first prompt."""
    import pty

    above, below = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vidjob", *arguments],
        stdin=below,
        stdout=below,
        stderr=below,
        # Without the terminal of the tests, which a password would be read from.
        start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(below)
        seen = b""
        while not seen.endswith(b": "):
            seen += os.read(above, 65536)
        os.write(above, typed)
        seen += _read_all(above)
        code = process.wait(30)
    os.close(above)
    return code, seen.decode()
