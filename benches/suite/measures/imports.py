"""What it costs to import."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from suite import children
from suite.tables import Table, at_least, at_most, interleaved, medians, ratio

if TYPE_CHECKING:
    from suite.bench import Bench
    from suite.tables import Figures

PROGRAM = """
import json, sys, time
before, began = set(sys.modules), time.perf_counter()
import {module}
seconds = time.perf_counter() - began
print(json.dumps({{"import_ms": seconds * 1e3, "modules": len(set(sys.modules) - before)}}))
"""


def measure(bench: Bench) -> list[Table]:
    """Imports each in fresh interpreters."""
    pythons = {"vidjob": bench.environments.own()}
    for name in bench.environments.pins:
        python = bench.environments.peer(name)
        if python is not None:
            pythons[name] = python
    runs = {name: partial(_import, python, name.replace("-", "_")) for name, python in pythons.items()}
    for run in runs.values():
        run()  # so that all modules are compiled
    rounds = interleaved(bench.size(15, 1), runs)
    rows = medians(rounds)
    marks = at_most("vidjob, ms", rows["vidjob"]["import_ms"], 5)
    for peer in ("openai", "xai-sdk"):
        marks += at_least(f"times less than {peer}", ratio(rows, "import_ms", peer, "vidjob"), 20)
    about = "`import` in a fresh interpreter, all modules compiled before: time, and modules that it loads."
    return [Table("imports", "Import", about, rows, marks, rounds)]


def _import(python: str, module: str) -> Figures:
    figures: Figures = children.told([python, "-I", "-c", PROGRAM.format(module=module)])
    return figures
