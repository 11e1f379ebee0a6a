"""What it costs to send a video along."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from suite import children, servers
from suite.environments import HERE
from suite.tables import Table, at_most, interleaved, medians, ratio

if TYPE_CHECKING:
    from suite.bench import Bench

CLIP = HERE.parent / "tests" / "media" / "h264.mp4"
ABOUT = """An edit with a video of {size:,} bytes as a data URI, to a stub that reads and forgets it. Time, processor
time and growth of the memory. Medians over {rounds} rounds."""


def measure(bench: Bench) -> list[Table]:
    """Sends a large video."""
    number = bench.size(5, 1)
    with children.room() as room, servers.stub(bench.environments.own()) as address:
        film = Path(room) / "film.mp4"
        film.write_bytes(_film(bench.size(100_000_000, 1_000_000)))
        arguments = {"base_url": f"{address}/grok/v1", "path": str(film)}
        runs = {
            name: partial(children.drive, driver, "upload", **arguments)
            for name, driver in {"vidjob": bench.vidjob(), **bench.peers("httpx", "openai")}.items()
        }
        rounds = interleaved(number, runs)
        about = ABOUT.format(size=film.stat().st_size, rounds=number)
    rows = medians(rounds)
    marks = [
        *at_most("of httpx's memory", ratio(rows, "grown", "vidjob", "httpx"), 1),
        *at_most("of httpx's time", ratio(rows, "seconds", "vidjob", "httpx"), 1),
    ]
    return [Table("upload", "Upload", about, rows, marks, rounds)]


def _film(size: int) -> bytes:
    """A real clip, with a box of padding that every reader passes over."""
    clip = CLIP.read_bytes()
    padding = size - len(clip)
    return clip + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)
