"""What one query costs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from suite import children, servers
from suite.tables import Table, at_least, at_most, interleaved, medians, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from suite.bench import Bench
    from suite.tables import Figures

ABOUT = """One query after the other over a connection that is kept, against the simulator in a process of its own;
xai-sdk over gRPC, against a stub with its own definitions. Medians over {rounds} rounds of {count:,} queries.
{limit}"""


def measure(bench: Bench) -> list[Table]:
    """Asks one after the other, blocking and awaited."""
    own = bench.environments.own()
    with servers.simulator(own, render_seconds=0.01) as address:
        arguments = {"base_url": address, "job": servers.finished_job(address), "count": bench.size(3000, 20)}
        url = f"{address}/videos/{arguments['job']}"
        about = ABOUT.format(
            rounds=_rounds(bench), count=arguments["count"], limit=servers.limit(url, bench.size(3, 1))
        )
        return [_blocking(bench, arguments, about), _awaited(bench, arguments, about)]


def _rounds(bench: Bench) -> int:
    return bench.size(5, 1)


def _blocking(bench: Bench, arguments: Figures, about: str) -> Table:
    runs: dict[str, Callable[[], Figures]] = {}
    bare = bench.bare()
    if bare:
        url = f"{arguments['base_url']}/videos/{arguments['job']}"
        runs["bare reqwest"] = partial(children.told, [*bare, "query", url, str(arguments["count"])])
    runs["vidjob"] = partial(children.drive, bench.vidjob(), "query", **arguments)
    for name, driver in bench.peers("httpx", "requests", "openai").items():
        runs[name] = partial(children.drive, driver, "query", **arguments)
    for driver in bench.peers("xai-sdk").values():
        runs["xai-sdk"] = partial(_over_grpc, driver, arguments["count"])
    rounds = interleaved(_rounds(bench), runs)
    rows = medians(rounds)
    marks = [
        *at_most("times the bare loop's latency", ratio(rows, "median_us", "vidjob", "bare reqwest"), 1.3),
        *at_least("times faster than httpx", ratio(rows, "median_us", "httpx", "vidjob"), 3),
    ]
    return Table("query", "One query, blocking", about, rows, marks, rounds)


def _over_grpc(driver: list[str], count: int) -> Figures:
    with servers.xai_stub(driver[0]) as host:
        return children.drive(driver, "query", base_url=host, job="0-99999999999999-0-x", count=count)


def _awaited(bench: Bench, arguments: Figures, about: str) -> Table:
    runs = {
        name: partial(children.drive, driver, "query_awaited", **arguments)
        for name, driver in {"vidjob": bench.vidjob(), **bench.peers("aiohttp", "httpx", "openai")}.items()
    }
    rounds = interleaved(_rounds(bench), runs)
    rows = medians(rounds)
    marks = [
        *at_least("times faster than httpx", ratio(rows, "median_us", "httpx", "vidjob"), 3),
        *at_least("times faster than aiohttp", ratio(rows, "median_us", "aiohttp", "vidjob"), 2),
    ]
    return Table("query_awaited", "One query, awaited", about, rows, marks, rounds)
