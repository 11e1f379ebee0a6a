"""What a query costs among a thousand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from suite import children, servers
from suite.tables import Table, at_least, interleaved, medians, ratio

if TYPE_CHECKING:
    from suite.bench import Bench

ABOUT = """{count:,} gathered queries, the second time; processor time of the client per query. The bare loop asks from
one thread, without Python. All with 64
connections at most, openai with its own limits; httpx takes turns by a semaphore, without which it needs several
times as long. Medians over {rounds} rounds. {limit}"""


def measure(bench: Bench) -> list[Table]:
    """Gathers many queries."""
    count, number = bench.size(1000, 20), bench.size(7, 1)
    with servers.simulator(bench.environments.own(), core=0, render_seconds=0.01) as address:
        job = servers.finished_job(address)
        runs = {
            name: partial(
                children.drive, children.on_core(1, driver), "fan_out", base_url=address, job=job, count=count
            )
            for name, driver in {"vidjob": bench.vidjob(), **bench.peers("aiohttp", "httpx", "openai")}.items()
        }
        url = f"{address}/videos/{job}"
        bare = bench.bare()
        if bare:
            program = children.on_core(1, [*bare, "fan_out", url, str(count)])
            runs = {"bare reqwest": partial(children.told, program), **runs}
        limit = servers.limit(url, bench.size(3, 1))
        rounds = interleaved(number, runs)
    rows = medians(rounds)
    marks = [
        *at_least("times less processor time than aiohttp", ratio(rows, "cpu_us", "aiohttp", "vidjob"), 4),
        *at_least("times less processor time than httpx", ratio(rows, "cpu_us", "httpx", "vidjob"), 10),
    ]
    about = ABOUT.format(count=count, rounds=number, limit=limit)
    return [Table("fan_out", "Fan-out", about, rows, marks, rounds)]
