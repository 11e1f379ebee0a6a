"""Draws the figures: `python plots.py results.json folder`. Runs in the environment that has matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "vidjob"

import matplotlib.pyplot as plt  # noqa: E402 - the backend is chosen first

OURS, OTHERS = "tab:blue", "tab:gray"
#: Table, figure, factor, axis.
BARS = [
    ("imports", "import_ms", 1, "import, ms"),
    ("query", "together_us", 1, "one query, blocking, one core: median, µs"),
    ("query_awaited", "together_us", 1, "one query, awaited, one core: median, µs"),
    ("fan_out", "cpu_us", 1, "1,000 gathered queries: processor time each, µs"),
    ("waiting", "cpu_ms_per_job", 1, "waiting: processor time per job, ms"),
    ("waiting", "bytes_per_job", 1e-3, "waiting: memory per job, kB"),
    ("download", "per_second", 1e-6, "download of 1 GiB: MB/s"),
    ("upload", "grown", 1e-6, "upload of 100 MB: memory, MB"),
]
KINDS = ["without progress", "linear progress", "stalling progress"]
SIGMA, MEDIAN = 0.4, 60.0


def bars(tables: dict[str, Any], path: Path) -> None:
    """One panel for each of the chief figures."""
    drawn = [panel for panel in BARS if panel[0] in tables]
    figure, grid = plt.subplots((len(drawn) + 1) // 2, 2, figsize=(10, 1.7 * ((len(drawn) + 1) // 2)), squeeze=False)
    for axes, (name, key, factor, label) in zip(grid.flat, drawn, strict=False):
        rows = {row: figures[key] * factor for row, figures in tables[name]["rows"].items() if figures.get(key)}
        names = sorted(rows, key=lambda row: rows[row], reverse=True)
        colours = [OURS if row.startswith("vidjob") else OTHERS for row in names]
        shown = axes.barh(names, [rows[row] for row in names], color=colours)
        axes.bar_label(shown, fmt="{:,.3g}", fontsize=7, padding=2)
        axes.set_title(label, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(drawn) :]:
        axes.set_visible(False)
    _save(figure, path)


def pacing(told: Any, path: Path) -> None:
    """Delay against queries: the fixed intervals as a line, the schedules as points."""
    figure, grid = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True)
    for axes, kind in zip(grid, KINDS, strict=True):
        chosen = next(
            each
            for each in told["distributions"]
            if (each["progress"], each["median"], each["sigma"]) == (kind, MEDIAN, SIGMA)
        )
        frontier = sorted((fixed["requests"], fixed["delay_mean"]) for fixed in chosen["frontier"])
        axes.plot(*zip(*frontier, strict=True), color=OTHERS, linewidth=1, label="fixed intervals")
        for number, schedule in enumerate(chosen["schedules"]):
            axes.plot(
                schedule["requests"],
                schedule["delay_mean"],
                "o" if schedule["is_ours"] else "x",
                color=f"C{number}",
                label=schedule["name"],
            )
        axes.set(xscale="log", yscale="log", xlabel="queries per job", title=kind)
        axes.title.set_fontsize(9)
    grid[0].set_ylabel("from done to noticed, s")
    grid[0].legend(fontsize=6)
    figure.suptitle(
        f"Lognormal render times, median {MEDIAN:g} s, sigma {SIGMA:g}: left and below is better", fontsize=10
    )
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(f"  {path}")


def main() -> None:
    """Draws all there is."""
    results, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    tables = {table["name"]: table for table in results["tables"]}
    bars(tables, folder / "figures.svg")
    if "pacing" in tables:
        pacing(tables["pacing"]["rounds"]["all"][0], folder / "pacing.svg")


main()
