"""When the end is noticed, and after how many questions: computed, not timed."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from suite.environments import HERE
from suite.tables import Figures, Mark, Table

if TYPE_CHECKING:
    from suite.bench import Bench

ABOUT = """{renders:,} render times of each of {count} distributions (lognormal, medians of 30, 60 and 120 s, sigma
0.1 to 0.6; no progress, linear and stalling progress), computed by `cargo bench --bench pacing`. Means over the
distributions of each kind. *Delay times queries* is what a schedule is judged by: an interval twice as long halves
one and doubles the other, so all fixed intervals have about the same product. *Against the frontier*: how many times
less than the best fixed interval, in the worst and the mean case. `benches/peer_schedules.md` has the peers'
schedules."""


def measure(bench: Bench) -> list[Table]:
    """Computes all schedules, where there is a Rust toolchain."""
    if bench.environments.bare() is None:
        return []
    print("  computing", flush=True)
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "pacing"]
    told = json.loads(subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout)
    rows = _rows(told["distributions"])
    marks = [
        Mark(f"{name}: times below the frontier of fixed intervals, at worst", row["gain_worst"], at_least=1)
        for name, row in rows.items()
        if "vidjob" in name
    ]
    about = ABOUT.format(renders=told["renders"], count=len(told["distributions"]))
    return [Table("pacing", "Pacing", about, rows, marks, {"all": [told]})]


def _rows(distributions: list[Any]) -> dict[str, Figures]:
    """For each schedule and kind of progress, the means over the distributions."""
    groups: dict[str, list[Figures]] = defaultdict(list)
    for distribution in distributions:
        best = min(fixed["product"] for fixed in distribution["frontier"])
        for schedule in distribution["schedules"]:
            figures = {key: schedule[key] for key in ("delay_mean", "delay_p95", "requests", "product")}
            groups[f"{schedule['name']}, {distribution['progress']}"].append(
                {**figures, "gain": best / schedule["product"]}
            )
    return {name: _means(told) for name, told in sorted(groups.items(), key=lambda item: item[0].rpartition(", ")[2])}


def _means(told: list[Figures]) -> Figures:
    means = {key: sum(each[key] for each in told) / len(told) for key in told[0]}
    return means | {"gain_worst": min(each["gain"] for each in told)}
