"""Programs that are run, and what they cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suite.tables import Figures

PATIENCE = 900.0
#: What would lead a program elsewhere, or make it compile its modules each time.
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIDJOB_LOG", "COMETAPI_KEY", "XAI_API_KEY", "OPENAI_API_KEY")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def surroundings() -> dict[str, str]:
    """The environment of every program that is measured."""
    left = {name: value for name, value in os.environ.items() if name not in UNWANTED and name.lower() not in PROXIES}
    return left | {"NO_PROXY": "*", "no_proxy": "*"}


def on_core(core: int | None, command: list[str]) -> list[str]:
    """A program that stays on one core, where that can be: elsewhere the scheduler's moods are measured as well."""
    if core is None or shutil.which("taskset") is None or (os.cpu_count() or 1) <= core:
        return command
    return ["taskset", "--cpu-list", str(core), *command]


def run(command: list[str], given: str = "") -> str:
    """Runs a program to its end, and gives what it prints."""
    done = subprocess.run(
        command, env=surroundings(), input=given, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)[:300]}\n{done.stderr[-3000:]}")
    return done.stdout


def told(command: list[str], given: str = "") -> Any:
    """The JSON on the last line of what a program prints."""
    return json.loads(run(command, given).strip().splitlines()[-1])


def drive(driver: list[str], verb: str, **arguments: Any) -> Figures:
    """Lets a driver measure something; gives its figures."""
    figures: Figures = told([*driver, verb], json.dumps(arguments))
    return figures


def timed(command: list[str]) -> Figures:
    """Runs a program that cannot measure itself: its time, processor time and peak of memory."""
    with tempfile.TemporaryFile() as nowhere:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=surroundings(), stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "grown": used.ru_maxrss * 1024}


def room() -> tempfile.TemporaryDirectory[str]:
    """A folder for what is downloaded: in memory where that can be, so that no disk is measured."""
    memory = Path("/dev/shm")  # noqa: S108 - looked for, and only used by its random name
    return tempfile.TemporaryDirectory(prefix="vidjob-bench-", dir=memory if memory.is_dir() else None)
