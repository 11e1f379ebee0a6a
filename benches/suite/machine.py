"""What the figures were measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import children

if TYPE_CHECKING:
    from suite.environments import Environments

VERSION = "import importlib.metadata, json; print(json.dumps(importlib.metadata.version('vidjob')))"
#: How programs that are no Python packages tell their versions, and which word it is.
PROGRAMS = {"curl": (["curl", "--version"], 1), "nginx": (["nginx", "-v"], 2), "rustc": (["rustc", "--version"], 1)}


def described(environments: Environments, *, is_alone: bool) -> dict[str, Any]:
    """The machine and the versions of all participants."""
    peers = {} if is_alone else environments.pins
    programs = {name: _version(*how) for name, how in PROGRAMS.items() if shutil.which(name)}
    return {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "versions": {"vidjob": children.told([environments.own(), "-c", VERSION]), **peers, **programs},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(command: list[str], word: int) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split()[word].removeprefix("nginx/")
