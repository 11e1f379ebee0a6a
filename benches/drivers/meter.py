"""What a driver's work costs: time, processor time, memory. Only the standard library, so that it costs none itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from typing_extensions import Self

STATUS = Path("/proc/self/status")
#: What queries are not counted before, so that connections and code are warm.
WARM_UP = 100


class Meter:
    """Measures what happens inside its block.

    Attributes:
        seconds: How long it took.
        cpu: Processor time of this process, in seconds.
        grown: By how many bytes the memory of this process has grown at its peak.
    """

    seconds = cpu = 0.0
    grown = 0

    def __enter__(self) -> Self:
        _forget_peak()
        self._memory = _memory("VmRSS")
        self._cpu = _cpu()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self.cpu = _cpu() - self._cpu
        self.grown = max(_memory("VmHWM") - self._memory, 0)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _forget_peak() -> None:
    """Makes the kernel count the peak of the memory from now on."""
    if STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    """The memory of this process in bytes: ``VmRSS`` now, ``VmHWM`` at its peak."""
    if not STATUS.exists():
        kilobytes = sys.platform != "darwin"
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if kilobytes else 1)
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def one_by_one(ask: Callable[[], object], count: int) -> dict[str, float]:
    """Asks again and again; gives what one question costs, in microseconds."""
    for _ in range(WARM_UP):
        ask()
    times = []
    with Meter() as meter:
        for _ in range(count):
            began = time.perf_counter()
            ask()
            times.append(time.perf_counter() - began)
    return _latency(times, meter)


async def awaited_one_by_one(ask: Callable[[], Awaitable[object]], count: int) -> dict[str, float]:
    """The same with asyncio."""
    for _ in range(WARM_UP):
        await ask()
    times = []
    with Meter() as meter:
        for _ in range(count):
            began = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - began)
    return _latency(times, meter)


def _latency(times: list[float], meter: Meter) -> dict[str, float]:
    times.sort()
    return {
        "median_us": times[len(times) // 2] * 1e6,
        "p99_us": times[len(times) * 99 // 100] * 1e6,
        "cpu_us": meter.cpu / len(times) * 1e6,
    }


async def all_at_once(ask: Callable[[], Awaitable[object]], count: int) -> dict[str, float]:
    """Asks all at once, twice; gives what a question costs the second time, in microseconds."""
    await asyncio.gather(*(ask() for _ in range(count)))
    with Meter() as meter:
        await asyncio.gather(*(ask() for _ in range(count)))
    return {"seconds": meter.seconds, "cpu_us": meter.cpu / count * 1e6, "per_second": count / meter.seconds}


async def followed(follow: Callable[[str], Awaitable[object]], jobs: list[str], timeout: float) -> dict[str, float]:
    """Follows all jobs at once; gives what it costs, and how late their ends were noticed, in seconds.

    Args:
        follow: Waits until one job is over.
        jobs: Their ids, which say when they end.
        timeout: When to give up, in seconds: what has not ended by then is lost.
    """
    late = []

    async def one(job: str) -> None:
        await follow(job)
        late.append(time.time() - _end_of(job))

    with Meter() as meter, contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*map(one, jobs), return_exceptions=True), timeout)
    late.sort()
    return {
        "jobs": len(jobs),
        "lost": len(jobs) - len(late),
        "late_mean": sum(late) / len(late),
        "late_p95": late[len(late) * 95 // 100],
        "cpu_seconds": meter.cpu,
        "bytes_per_job": meter.grown / len(jobs),
    }


def _end_of(job: str) -> float:
    """When a job of the stub ends, in seconds since 1970: its id says so."""
    return float(job.split("-")[1]) / 1e3


def main(verbs: Mapping[str, Callable[..., Any]]) -> None:
    """Runs what the command line names with the arguments from standard input; prints the figures as a line of JSON."""
    verb = verbs[sys.argv[1]]
    figures = verb(**json.load(sys.stdin))
    print(json.dumps(asyncio.run(figures) if asyncio.iscoroutine(figures) else figures))
