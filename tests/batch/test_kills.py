"""Proof by killing: a batch dies again and again, at every point, and nothing is lost or bought twice.

Some processes are stopped for a while, while another one wants the same items; the clocks of some are an hour off.

``VIDJOB_KILLS=300 pytest tests/test_kills.py`` does it at length.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from vidjob import Simulator

KILLS = int(os.environ.get("VIDJOB_KILLS", "9"))
ITEMS = 200 if KILLS > 100 else 60
SEED = int(os.environ.get("VIDJOB_SEED", "20261123"))

RUN = """
    import json, sys
    import vidjob

    address, folder, count, on_unknown = sys.argv[1:]
    rows = [{"id": f"i{n}", "prompt": f"take {n}", "duration": 1 + n % 9} for n in range(int(count))]
    client = vidjob.VideoClient("k", base_url=address, timeout=5, max_retries=3)
    try:
        batch = client.render_many(rows, folder, concurrency=8, poll_interval=0.03, on_unknown=on_unknown)
        print(json.dumps({result.id: type(result.error).__name__ for result in batch if not result.ok}))
    except vidjob.AlreadyRunning:
        print(json.dumps({"": "AlreadyRunning"}))
"""

#: Shifts the clock of a process, where it is installed.
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
#: How far off clocks are, in seconds.
CLOCKS = [0, 3600, -3600]

#: What goes wrong at the service while the batch runs.
FAULTS: list[tuple[str, str]] = [
    ("lost_response", "create"),
    ("rate_limited", "create"),
    ("reset", "get"),
    ("server_error", "get"),
    ("truncated", "download"),
    ("reset", "download"),
    ("link_expired", "download"),
]


class BatchProcess:
    """A batch in a process of its own."""

    def __init__(self, simulator: Simulator, folder: Path, on_unknown: str = "hold", clock: int = 0) -> None:
        arguments = [simulator.base_url, str(folder), str(ITEMS), on_unknown]
        environment = dict(os.environ)
        if clock and FAKETIME is not None:
            shift = {"FAKETIME": f"{clock:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            environment |= {"LD_PRELOAD": str(FAKETIME), **shift}
        self.popen = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(RUN), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> BatchProcess:  # noqa: PYI034 - Python 3.10 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()

    @property
    def is_over(self) -> bool:
        return self.popen.poll() is not None

    def failures(self) -> dict[str, str]:
        """What it says when it is let to its end: the errors of items that are not there."""
        out, _ = self.popen.communicate(timeout=100)
        assert self.popen.returncode == 0
        told: dict[str, str] = json.loads(out)
        return told


def to_the_end(simulator: Simulator, folder: Path, on_unknown: str) -> dict[str, str]:
    """Runs until only creates without an answer are left over: faults that were not used up may cost a run or two."""
    failures = BatchProcess(simulator, folder, on_unknown).failures()
    for _ in range(5):
        if set(failures.values()) <= {"SubmitUnknown"}:
            break
        failures = {**BatchProcess(simulator, folder).failures()}
    return failures


def written(folder: Path) -> int:
    """How much the journal tells by now."""
    count = 0
    for segment in (folder / ".vidjob").glob("*.jsonl"):
        # A run that ends merges the files of others.
        with suppress(FileNotFoundError):
            count += segment.read_bytes().count(b"\n")
    return count


def kill_at_line(process: BatchProcess, folder: Path, lines: int) -> None:
    while not process.is_over and written(folder) < lines:
        pass
    process.kill()


def kill_after(process: BatchProcess, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not process.is_over and time.monotonic() < end:
        time.sleep(0.001)
    process.kill()


def kill_before_the_answer(process: BatchProcess, simulator: Simulator) -> None:
    """While a create hangs, its intent is written down and nothing more."""
    before = len(simulator.requests)
    simulator.inject("hang", on="create", seconds=0.4)
    while not process.is_over and not any(request["method"] == "POST" for request in simulator.requests[before:]):
        pass
    process.kill()


def stop_while_another_runs(process: BatchProcess, simulator: Simulator, folder: Path, seconds: float) -> None:
    """A process that stands still is alive: nobody takes its items, and it goes on where it was."""
    lines = written(folder) + 3
    while not process.is_over and written(folder) < lines:
        pass
    process.popen.send_signal(signal.SIGSTOP)
    if not process.is_over and (folder / ".vidjob" / "runs").is_dir():
        assert BatchProcess(simulator, folder).failures() == {"": "AlreadyRunning"}
    time.sleep(seconds)
    process.popen.send_signal(signal.SIGCONT)
    kill_after(process, 0.1)


def bought(simulator: Simulator) -> Counter[str]:
    return Counter("i" + entry["body"]["prompt"].removeprefix("take ") for entry in simulator.accepted)


def check(simulator: Simulator, folder: Path, unknown: set[str], most: Counter[str]) -> None:
    """Compares the service's own list with the folder."""
    times = bought(simulator)
    assert {name: count for name, count in times.items() if count > most[name]} == {}, f"bought twice; seed {SEED}"
    kept = {line["id"]: line for line in map(json.loads, (folder / "metadata.jsonl").read_text().splitlines())}
    assert set(kept) | unknown == {f"i{number}" for number in range(ITEMS)}, f"lost; seed {SEED}"
    assert set(times) <= set(kept) | unknown
    for name, line in kept.items():
        content = (folder / line["file_name"]).read_bytes()
        assert content[4:8] == b"ftyp", name
        assert hashlib.sha256(content).hexdigest() == line["sha256"], f"{name} is not whole; seed {SEED}"
    assert {path.stem for path in (folder / "videos").glob("*.mp4")} == set(kept)


def kill_until_done(folder: Path, chance: random.Random) -> Counter[str]:
    """Kills one batch again and again until it comes to its end, and checks what is left."""
    told: Counter[str] = Counter()
    with Simulator(render_seconds=0.15, spread=0.5, seed=chance.randrange(1000)) as simulator:
        while not told["ends"]:
            kind, on = chance.choice(FAULTS)
            retry_after = 0 if kind == "rate_limited" else None
            simulator.inject(kind, on=on, retry_after=retry_after)  # type: ignore[arg-type]
            with BatchProcess(simulator, folder, clock=chance.choice(CLOCKS)) as process:
                match told["kills"] % 4:
                    case 0:
                        kill_at_line(process, folder, written(folder) + 2 + told["kills"] // 3)
                    case 1:
                        # In the long run, for longer than a claim may wait for its create.
                        stop_while_another_runs(process, simulator, folder, 6.0 if KILLS > 100 else 0.0)
                        told["stops"] += 1
                    case 2:
                        kill_after(process, chance.uniform(0.15, 0.7))
                    case _:
                        kill_before_the_answer(process, simulator)
            told["kills" if process.popen.returncode == -signal.SIGKILL else "ends"] += 1
        failures = to_the_end(simulator, folder, "hold")
        unknown = {name for name, error in failures.items() if error == "SubmitUnknown"}
        assert set(failures) == unknown, f"{failures}; seed {SEED}"
        told["unknown"] = len(unknown)
        most = Counter({f"i{number}": 1 for number in range(ITEMS)})
        check(simulator, folder, unknown, most)
        # Those alone that were reported unknown may be bought again, and only when that is asked for.
        # Some faults are left over, so an answer may be lost once more.
        while unknown:
            most += Counter(unknown)
            failures = to_the_end(simulator, folder, "resubmit")
            unknown = {name for name, error in failures.items() if error == "SubmitUnknown"}
            assert set(failures) == unknown, f"{failures}; seed {SEED}"
            check(simulator, folder, unknown, most)
        told["bought"] = len(simulator.accepted)
    return told


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is Unix's")
@pytest.mark.timeout(1800)
def test_killed_batches_lose_nothing_and_buy_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - no secrets
    told: Counter[str] = Counter()
    while told["kills"] < KILLS:
        told += kill_until_done(tmp_path / str(told["ends"]), chance) + Counter(batches=1)
    print(dict(told))  # noqa: T201 - pytest -s shows it
