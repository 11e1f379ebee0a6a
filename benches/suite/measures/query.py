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
xai-sdk over gRPC, against a stub with its own definitions. Once with a core for the server and a core for the client,
where each answer has to wake a sleeping core, and once with both on the same core, where nothing but the work itself
takes time. Medians over {rounds} rounds of {count:,} queries. {limit}"""
ABOUT_HANDED = """ The bare loop hands each query to another thread and sleeps until its answer is handed back."""
SERVER, CLIENT = 0, 1


def measure(bench: Bench) -> list[Table]:
    """Asks one after the other, blocking and awaited."""
    own = bench.environments.own()
    with servers.simulator(own, core=SERVER, render_seconds=0.01) as address:
        asked = {"base_url": address, "job": servers.finished_job(address), "count": bench.size(3000, 20)}
        url = f"{address}/videos/{asked['job']}"
        limit = servers.limit(url, bench.size(3, 1))
        about = ABOUT.format(rounds=_rounds(bench), count=asked["count"], limit=limit)
        return [_blocking(bench, asked, about), _awaited(bench, asked, about + ABOUT_HANDED)]


def _rounds(bench: Bench) -> int:
    return bench.size(5, 1)


def _both(ask: Callable[[int], Figures]) -> Figures:
    """The figures with a core each, and those with one for both."""
    apart, together = ask(CLIENT), ask(SERVER)
    return {
        "median_us": apart["median_us"],
        "p99_us": apart["p99_us"],
        "cpu_us": apart["cpu_us"],
        "together_us": together["median_us"],
        "together_cpu_us": together["cpu_us"],
    }


def _blocking(bench: Bench, asked: Figures, about: str) -> Table:
    asks: dict[str, Callable[[int], Figures]] = {}
    bare = bench.bare()
    if bare:
        asks["bare reqwest"] = partial(_bare, bare, "query", asked)
    asks["vidjob"] = partial(_drive, bench.vidjob(), "query", asked)
    for name, driver in bench.peers("httpx", "requests", "openai").items():
        asks[name] = partial(_drive, driver, "query", asked)
    for driver in bench.peers("xai-sdk").values():
        asks["xai-sdk"] = partial(_over_grpc, driver, asked["count"])
    rounds = interleaved(_rounds(bench), {name: partial(_both, ask) for name, ask in asks.items()})
    rows = medians(rounds)
    # aiohttp has no blocking face: its awaited one stands in the next table.
    marks = [
        *at_most("times the bare loop's latency, a core each", ratio(rows, "median_us", "vidjob", "bare reqwest"), 1.3),
        *at_most("the same on one core", ratio(rows, "together_us", "vidjob", "bare reqwest"), 1.3),
        *at_least("times faster than httpx, a core each", ratio(rows, "median_us", "httpx", "vidjob"), 3),
        *at_least("the same on one core", ratio(rows, "together_us", "httpx", "vidjob"), 3),
    ]
    return Table("query", "One query, blocking", about, rows, marks, rounds)


def _drive(driver: list[str], verb: str, asked: Figures, core: int) -> Figures:
    return children.drive(children.on_core(core, driver), verb, **asked)


def _bare(program: list[str], verb: str, asked: Figures, core: int) -> Figures:
    url = f"{asked['base_url']}/videos/{asked['job']}"
    figures: Figures = children.told(children.on_core(core, [*program, verb, url, str(asked["count"])]))
    return figures


def _over_grpc(driver: list[str], count: int, core: int) -> Figures:
    with servers.xai_stub(driver[0], core=SERVER) as host:
        asked = {"base_url": host, "job": "0-99999999999999-0-x", "count": count}
        return _drive(driver, "query", asked, core)


def _awaited(bench: Bench, asked: Figures, about: str) -> Table:
    asks: dict[str, Callable[[int], Figures]] = {}
    bare = bench.bare()
    if bare:
        asks["bare reqwest in another thread"] = partial(_bare, bare, "query_handed", asked)
    for name, driver in {"vidjob": bench.vidjob(), **bench.peers("aiohttp", "httpx", "openai")}.items():
        asks[name] = partial(_drive, driver, "query_awaited", asked)
    rounds = interleaved(_rounds(bench), {name: partial(_both, ask) for name, ask in asks.items()})
    rows = medians(rounds)
    marks = [
        *at_least("times faster than httpx, a core each", ratio(rows, "median_us", "httpx", "vidjob"), 3),
        *at_least("the same on one core", ratio(rows, "together_us", "httpx", "vidjob"), 3),
        *at_least("times faster than aiohttp, a core each", ratio(rows, "median_us", "aiohttp", "vidjob"), 2),
        *at_least("the same on one core", ratio(rows, "together_us", "aiohttp", "vidjob"), 2),
    ]
    return Table("query_awaited", "One query, awaited", about, rows, marks, rounds)
