"""What it costs to follow jobs to their ends."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from suite import children, servers
from suite.tables import Table, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suite.bench import Bench
    from suite.tables import Figures

ABOUT = """Jobs of {shortest:g} to {longest:g} s (uniform, in real time), all followed at once in one process until
each is done, against one stub that answers each peer in its own words. vidjob asks at its own pace; aiohttp and httpx
every 5 s; openai, xai-sdk, replicate and fal-client use their own loops with their own intervals, which is why they
follow fewer jobs: about 500 queries/s is what one core does with them, and 10,000 jobs would need up to 100,000.
*Late* is the time from done to noticed. Memory is the growth of the process at its peak, for each job. {limit}"""


class Follower(NamedTuple):
    """A participant with what it follows.

    Attributes:
        driver: What runs it.
        service: Whose words the stub uses.
        jobs: How many it follows.
        reports: `p` if progress is reported, else `x`.
        poll_interval: Seconds between questions, where it does not know by itself.
    """

    driver: list[str]
    service: str
    jobs: int
    reports: str = "x"
    poll_interval: float | None = None


def measure(bench: Bench) -> list[Table]:
    """Follows jobs, one participant after the other."""
    shortest, longest = bench.size((30.0, 120.0), (0.2, 1.0))
    rows: dict[str, Figures] = {}
    with servers.stub(bench.environments.own()) as address:
        limit = servers.limit(f"{address}/grok/v1/videos/{_job(time.time(), 3600, 0, 'p')}", bench.size(3, 1))
        for name, follower in _followers(bench).items():
            print(f"  {name}: {follower.jobs:,} jobs", flush=True)
            rows[name] = _follow(follower, address, shortest, longest)
    marks = [
        *at_most("jobs that vidjob lost", max(row["lost"] for name, row in rows.items() if "vidjob" in name), 0),
        *at_most("bytes for each job that vidjob follows", rows["vidjob"]["bytes_per_job"], 4096),
    ]
    about = ABOUT.format(shortest=shortest, longest=longest, limit=limit)
    return [Table("waiting", "Waiting", about, rows, marks, {name: [row] for name, row in rows.items()})]


def _followers(bench: Bench) -> dict[str, Follower]:
    many = bench.size(10_000, 20)
    own = bench.vidjob()
    pace = bench.size(None, 0.2)
    followers = {
        "vidjob": Follower(own, "grok", many, "p", pace),
        "vidjob, no progress reported": Follower(own, "grok", many, "x", pace),
    }
    counts = {
        "aiohttp": Follower([], "grok", 10_000, poll_interval=5),
        "httpx": Follower([], "grok", 2_500, poll_interval=5),
        "openai": Follower([], "openai", 500),
        "xai-sdk": Follower([], "xai", 500),
        "replicate": Follower([], "replicate", 250),
        "fal-client": Follower([], "fal", 50),
    }
    for name, driver in bench.peers(*counts).items():
        followers[name] = counts[name]._replace(driver=driver, jobs=bench.size(counts[name].jobs, 20))
    return followers


def _follow(follower: Follower, address: str, shortest: float, longest: float) -> Figures:
    with _service(follower, address) as base_url:
        servers.queries(address)
        arguments: Figures = {"base_url": base_url, "timeout": longest * 2 + 60}
        if follower.poll_interval is not None:
            arguments["poll_interval"] = follower.poll_interval
        jobs = _jobs(follower, shortest, longest)
        figures = children.drive(follower.driver, "waiting", jobs=jobs, **arguments)
        # Over gRPC they are not counted: it asks at once, and then each second.
        asked = servers.queries(address) or None
    figures["queries_per_job"] = None if asked is None else asked / follower.jobs
    figures["cpu_us_per_query"] = None if asked is None else figures["cpu_seconds"] / asked * 1e6
    figures["cpu_ms_per_job"] = figures.pop("cpu_seconds") / follower.jobs * 1e3
    return figures


def _jobs(follower: Follower, shortest: float, longest: float) -> list[str]:
    """Jobs that begin when the interpreter has started."""
    chance = random.Random(1)  # noqa: S311 - the same for all
    start = time.time() + 1.0
    return [_job(start, chance.uniform(shortest, longest), number, follower.reports) for number in range(follower.jobs)]


def _job(start: float, seconds: float, number: int, reports: str) -> str:
    """An id as the stub reads it."""
    return f"{start * 1e3:.0f}-{(start + seconds) * 1e3:.0f}-{number}-{reports}"


@contextmanager
def _service(follower: Follower, address: str) -> Iterator[str]:
    if follower.service == "xai":
        with servers.xai_stub(follower.driver[0]) as host:
            yield host
    elif follower.service in {"grok", "openai"}:
        yield f"{address}/{follower.service}/v1"
    else:
        yield f"{address}/{follower.service}"
