"""The interpreters that the participants run in: one for vidjob, one for each peer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent.parent
PINS = HERE / "peers.txt"
#: What the servers and the plots need, beside vidjob.
HELPERS = ["matplotlib>=3.9", "uvloop>=0.21", "trustme>=1.2"]


class Environments:
    """Makes environments when they are asked for, and keeps them for the next time.

    Args:
        home: Where they are kept.
        is_alone: Whether only vidjob takes part, as it is installed for the running interpreter.
    """

    def __init__(self, home: Path, *, is_alone: bool) -> None:
        self._home = home
        self._is_alone = is_alone
        self._own: str | None = sys.executable if is_alone else None
        self._bare: str | None = None

    @property
    def pins(self) -> dict[str, str]:
        """The peers and their versions."""
        return dict(re.findall(r"^([\w-]+)==(\S+)$", PINS.read_text(), re.MULTILINE))

    def own(self) -> str:
        """The interpreter that has vidjob, built from this checkout."""
        if self._own is None:
            python = self._made("vidjob", HELPERS)
            _say("building vidjob")
            _run([python, "-m", "pip", "install", "-q", "--force-reinstall", str(HERE.parent)])
            self._own = python
        return self._own

    def peer(self, name: str) -> str | None:
        """The interpreter of a peer; ``None`` where only vidjob takes part."""
        if self._is_alone:
            return None
        pin = f"{name}=={self.pins[name]}"
        return self._made(pin.replace("==", "-"), [pin])

    def bare(self) -> str | None:
        """The program with the bare loop; ``None`` where only vidjob takes part, or without cargo."""
        if self._is_alone or shutil.which("cargo") is None:
            return None
        if self._bare is None:
            _say("building the bare loop")
            command = ["cargo", "bench", "--locked", "--bench", "bare", "--no-run"]
            told = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stderr
            found = re.search(r"Executable.*\((.+)\)", told)
            assert found is not None, told
            self._bare = str(HERE.parent / found[1])
        return self._bare

    def _made(self, name: str, packages: list[str]) -> str:
        folder = self._home / name
        python, ready = folder / "bin" / "python", folder / "ready"
        if not ready.exists():
            _say(f"installing {' '.join(packages)}")
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            _run([str(python), "-m", "pip", "install", "-q", *packages])
            ready.touch()
        return str(python)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def _say(words: str) -> None:
    print(f"  {words}", flush=True)
