"""What it costs to keep files."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from suite import children, servers
from suite.tables import Table, at_least, at_most, interleaved, medians, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from suite.bench import Bench
    from suite.tables import Figures

HEAD = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" + b"\0\0\0\0mdat"
SMALL_FILES = 200
SMALL = 100_000
ABOUT = """{size} from nginx over {how}, into a folder in memory where there is one. All but curl compute the SHA-256
on the way and flush the file to the disk; *curl, sha256sum* reads the file again for it, as one must. Medians over
{rounds} rounds."""
ABOUT_SMALL = """{count} files of {size:,} bytes at once, from nginx over HTTP, hashed and flushed (curl: neither).
Medians over {rounds} rounds."""


def measure(bench: Bench) -> list[Table]:
    """Keeps one large file over HTTP and over TLS, and many small ones."""
    if shutil.which("nginx") is None or shutil.which("curl") is None:
        print("  nginx or curl is not here")
        return []
    size = bench.size(1 << 30, 1 << 20)
    with children.room() as room:
        root = Path(room)
        _write(root / "large.mp4", size)
        _write(root / "small.mp4", SMALL)
        with servers.files(bench.environments.own(), root) as (plain, tls, ca_file):
            return [
                _large(bench, "download", "HTTP", plain, None, root),
                _large(bench, "download_tls", "TLS", tls, ca_file, root),
                _small(bench, plain, root),
            ]


def _write(path: Path, size: int) -> None:
    """Part by part: what this process takes at its peak would be taken for curl's."""
    block = bytes(range(256)) * 256
    with path.open("wb") as file:
        file.write(HEAD)
        while (left := size - file.tell()) > 0:
            file.write(block[:left])


def _large(bench: Bench, name: str, how: str, address: str, ca_file: str | None, root: Path) -> Table:
    url, path, size = f"{address}/large.mp4", root / "kept.mp4", (root / "large.mp4").stat().st_size
    arguments = {"base_url": f"{address}/v1", "url": url, "path": str(path), "ca_file": ca_file}
    trust = [] if ca_file is None else ["--cacert", ca_file]
    curl = ["curl", "-sS", "--fail", *trust, "-o", str(path), url]
    runs: dict[str, Callable[[], Figures]] = {"curl": partial(children.timed, curl)}
    command = f"curl -sS --fail {' '.join(trust)} -o {path} {url} && sha256sum {path}"
    runs["curl, sha256sum"] = partial(children.timed, ["sh", "-c", command])
    runs["vidjob"] = partial(children.drive, bench.vidjob(), "download", **arguments)
    for peer, driver in bench.peers("httpx").items():
        runs[peer] = partial(children.drive, driver, "download", **arguments)
    bare = bench.bare()
    if bare:
        trusted = [] if ca_file is None else [ca_file]
        runs["bare reqwest"] = partial(children.told, [*bare, "download", url, str(path), *trusted])
    number = bench.size(5, 1)
    rounds = interleaved(number, {peer: partial(_fresh, run, path, size) for peer, run in runs.items()})
    rows = medians(rounds)
    marks = [
        *at_least("of curl's throughput", ratio(rows, "per_second", "vidjob", "curl"), 0.9),
        *at_most("bytes of memory that vidjob takes", rows["vidjob"]["grown"], 64 << 20),
    ]
    about = ABOUT.format(size="1 GiB" if size > 1 << 29 else f"{size:,} bytes", how=how, rounds=number)
    return Table(name, f"Download over {how}", about, rows, marks, rounds)


def _fresh(run: Callable[[], Figures], path: Path, size: int) -> Figures:
    path.unlink(missing_ok=True)
    figures = run()
    assert path.stat().st_size == size
    return {
        "per_second": size / figures["seconds"],
        "cpu_per_gib": figures["cpu"] * (1 << 30) / size,
        "grown": figures.get("grown"),
    }


def _small(bench: Bench, address: str, root: Path) -> Table:
    count = bench.size(SMALL_FILES, 5)
    target = root / "kept"
    arguments = {"base_url": f"{address}/v1", "urls": [f"{address}/small.mp4"] * count, "folder": str(target)}
    words = [word for number in range(count) for word in ("-o", str(target / f"{number}.mp4"), f"{address}/small.mp4")]
    runs: dict[str, Callable[[], Figures]] = {
        "curl": partial(children.timed, ["curl", "-sS", "--fail", "--parallel", *words])
    }
    for name, driver in {"vidjob": bench.vidjob(), **bench.peers("aiohttp")}.items():
        runs[name] = partial(children.drive, driver, "small_files", **arguments)
    number = bench.size(7, 1)
    rounds = interleaved(number, {name: partial(_all, run, target, count) for name, run in runs.items()})
    about = ABOUT_SMALL.format(count=count, size=(root / "small.mp4").stat().st_size, rounds=number)
    return Table("small_files", "Small files at once", about, medians(rounds), [], rounds)


def _all(run: Callable[[], Figures], target: Path, count: int) -> Figures:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    figures = run()
    assert len(list(target.glob("*.mp4"))) == count
    return {"files_per_second": count / figures["seconds"], "cpu_us": figures["cpu"] / count * 1e6}
