"""What it costs to render many."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from suite import children, servers
from suite.tables import Table, at_least, interleaved, medians, ratio

if TYPE_CHECKING:
    from suite.bench import Bench
    from suite.tables import Figures

ABOUT = """{items:,} items with {concurrency} in flight, renders of about {render:g} s, asked after every {pause:g} s,
files kept, 64 connections: `render_many` with its journal, outputs and checks, against asyncio and aiohttp without a
journal; both hash and flush each file. Medians over {rounds} rounds."""


def measure(bench: Bench) -> list[Table]:
    """Renders many."""
    items, concurrency = bench.size((4000, 512), (10, 5))
    # Short, so that what is done for an item counts and not what it waits for.
    render, pause = 0.05, 0.05
    number = bench.size(3, 1)
    own = bench.environments.own()
    arguments = {"items": items, "concurrency": concurrency, "poll_interval": pause}
    with servers.simulator(own, render_seconds=render, spread=0.2) as address:
        runs = {
            name: partial(_batch, driver, base_url=address, **arguments)
            for name, driver in {"vidjob": bench.vidjob(), **bench.peers("aiohttp")}.items()
        }
        rounds = interleaved(number, runs)
    rows = medians(rounds)
    marks = at_least("times aiohttp's items/s", ratio(rows, "items_per_second", "vidjob", "aiohttp"), 1)
    about = ABOUT.format(items=items, concurrency=concurrency, render=render, pause=pause, rounds=number)
    return [Table("batch", "Batch", about, rows, marks, rounds)]


def _batch(driver: list[str], **arguments: object) -> Figures:
    with children.room() as folder:
        figures = children.drive(driver, "batch", folder=folder, **arguments)
        assert sum(1 for _ in Path(folder).rglob("*.mp4")) == arguments["items"]
    return {"items_per_second": figures["per_second"], "cpu_us": figures["cpu_us"], "grown": figures["grown"]}
