"""How a batch of ten thousand fares: memory for each render under way, speed, and starting again.

python benches/batch_scale.py [--items 10000] [--in-flight 2000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from vidjob import VideoClient, __version__

SERVICE = """
import time, vidjob
with vidjob.Simulator(render_seconds=3, spread=0.3) as simulator:
    print(simulator.base_url, flush=True)
    time.sleep(3600)
"""


@contextlib.contextmanager
def service() -> Iterator[str]:
    """A simulator in a process of its own, so that its memory and its work are not counted."""
    with subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def peak() -> int:
    """The most memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def run(client: VideoClient, folder: Path, items: int, in_flight: int) -> float:
    """Runs the batch once; gives the seconds it took."""
    rows = ({"id": f"i{number:05}", "prompt": f"take {number}", "duration": 1} for number in range(items))
    began = time.perf_counter()
    kept = sum(result.ok for result in client.render_many(rows, folder, concurrency=in_flight))
    assert kept == items
    return time.perf_counter() - began


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=2_000)
    args = parser.parse_args()
    with service() as address, tempfile.TemporaryDirectory() as folder:
        client = VideoClient("k", base_url=address, max_concurrent_requests=64)
        run(client, Path(folder) / "warm", 50, 50)
        baseline = peak()
        first = run(client, Path(folder) / "batch", args.items, args.in_flight)
        memory = peak() - baseline
        again = run(client, Path(folder) / "batch", args.items, args.in_flight)
        journal = sum(path.stat().st_size for path in (Path(folder) / "batch" / ".vidjob").glob("*.jsonl"))
    rows = [
        ("items, in flight", f"{args.items:,}, {args.in_flight:,}"),
        ("first run", f"{first:.1f} s, {args.items / first:,.0f} items/s"),
        ("peak memory over a batch of 50", f"{memory / 1e6:.1f} MB"),
        ("the same for each render in flight", f"{memory / args.in_flight / 1e3:.1f} kB"),
        ("the same call again", f"{again:.2f} s"),
        ("journal", f"{journal / 1e6:.1f} MB"),
    ]
    print(f"vidjob {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print("| measured | value |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
