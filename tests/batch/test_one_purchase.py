"""One purchase for each item: with other spellings of its path, concurrent callers, and wrong clocks."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vidjob
from purchases import OFTEN
from support import ApiMode, Run, many, quick_client, start_together
from vidjob import Simulator, VideoClient


def leave(api: ApiMode, client: VideoClient, path: Any, prompt: str = "A candle.") -> None:
    """Buys an item and leaves it before its end."""

    def leaves(_job: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        api(client, "render", prompt, path, on_update=leaves, **OFTEN)


SPELLINGS = ["candle.mp4", "./candle.mp4", "../project/candle.mp4", "ABSOLUTE", "LINK", "FOLDER LINK"]


@pytest.mark.parametrize("again", SPELLINGS)
@pytest.mark.parametrize("first", ["candle.mp4", "./candle.mp4"])
def test_one_file_is_one_item_however_its_path_is_spelled(
    api: ApiMode,
    simulator: Simulator,
    client: VideoClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    again: str,
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    monkeypatch.chdir(project)
    spelled = {
        "ABSOLUTE": project / "candle.mp4",
        "LINK": tmp_path / "link" / "candle.mp4",
        "FOLDER LINK": tmp_path / "link" / ".." / "project" / "candle.mp4",
    }
    leave(api, client, first)
    path = spelled.get(again, again)
    result = api(client, "render", "A candle.", path, **OFTEN)
    assert result.path == Path(path), "as it was given"
    assert Path(path).is_file()
    assert len(simulator.accepted) == 1


def test_a_folder_that_was_moved_keeps_what_was_bought_in_it(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    leave(api, client, old / "a.mp4")
    leave(api, client, old / "b.mp4")
    old.rename(new)
    assert api(client, "render", "A candle.", new / "a.mp4", **OFTEN).ok
    assert [result.ok for result in api(client, "resume", new, **OFTEN)] == [True]
    assert (new / "b.mp4").is_file()
    assert not old.exists()
    assert len(simulator.accepted) == 2


def test_a_journal_elsewhere_is_good_when_all_is_moved_together(
    api: ApiMode, simulator: Simulator, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    (base / "clips").mkdir(parents=True)
    with quick_client(simulator, journal=base / "journal") as client:
        leave(api, client, base / "clips" / "a.mp4")
    base.rename(tmp_path / "moved")
    with quick_client(simulator, journal=tmp_path / "moved" / "journal") as client:
        assert api(client, "render", "A candle.", tmp_path / "moved" / "clips" / "a.mp4", **OFTEN).ok
    assert len(simulator.accepted) == 1


def test_paths_are_those_of_the_call_wherever_the_program_goes_meanwhile(
    simulator: Simulator, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in.png").write_bytes((Path(__file__).parent.parent / "media" / "picture.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    recorder = quick_client(simulator, journal="journal")
    request = vidjob.VideoRequest("It moves.", image=Path("in.png"))
    recorder.generate(request)
    rows: list[Any] = ["x", {"prompt": "y", "image": {"path": "in.png"}}]
    batch = client.render_many(rows, "renders", concurrency=1, input_root=".", **OFTEN)
    results = []
    for result in batch:
        results.append(result)
        os.chdir("/")
    assert all(result.ok for result in results)
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "in.png", "journal", "renders"}
    assert len((tmp_path / "renders" / "metadata.jsonl").read_text().splitlines()) == 2

    async def awaited() -> vidjob.RenderResult:
        os.chdir(tmp_path)
        call = asyncio.create_task(client.render_async("z", "z.mp4", **OFTEN))
        await asyncio.sleep(0)
        os.chdir("elsewhere")
        return await call

    asyncio.run(awaited())
    assert (tmp_path / "z.mp4").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


RACER = """
    import json, sys, vidjob
    address, target, mode = sys.argv[1:]
    client = vidjob.VideoClient("k" * 20, base_url=address, max_retries=1, creates_per_second=20)
    print("ready", flush=True)
    sys.stdin.readline()
    told = []
    try:
        if mode == "render":
            told.append(client.render("A candle.", target, poll_interval=0.02).ok)
        else:
            rows = [{"id": f"i{n}", "prompt": f"take {n}"} for n in range(4)]
            told += [r.ok or repr(r.error) for r in client.render_many(rows, target, poll_interval=0.02)]
    except vidjob.VidjobError as error:
        told.append(f"{type(error).__name__}: {error}")
    print(json.dumps(told))
"""


def race(simulator: Simulator, target: Path, mode: str, racers: int) -> list[list[Any]]:
    started = start_together(textwrap.dedent(RACER), simulator.base_url, str(target), mode, count=racers)
    return [json.loads(process.communicate(timeout=60)[0]) for process in started]


@pytest.mark.parametrize("mode", ["render", "batch"])
def test_processes_that_want_the_same_items_at_once_buy_each_once(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    for round_ in range(2):
        folder = tmp_path / str(round_)
        folder.mkdir()
        before = len(simulator.accepted)
        told = race(simulator, folder / "a.mp4" if mode == "render" else folder, mode, 3)
        prompts = Counter(entry["body"]["prompt"] for entry in simulator.accepted[before:])
        assert set(prompts.values()) == {1}, told
        assert any(all(item is True for item in items) for items in told)
        for losers in told:
            for words in losers:
                assert words is True or str(words).startswith("AlreadyRunning"), told
                assert "overwrite" not in str(words)


@pytest.mark.parametrize("clients", [1, 2])
def test_threads_that_want_the_same_item_at_once_buy_it_once(
    simulator: Simulator, tmp_path: Path, clients: int
) -> None:
    made = [quick_client(simulator, creates_per_second=20) for _ in range(clients)]

    def render(number: int) -> object:
        try:
            return made[number % clients].render("A candle.", tmp_path / "a.mp4", **OFTEN).ok
        except vidjob.AlreadyRunning as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(render, range(4)))
    assert len(simulator.accepted) == 1
    assert True in told
    assert all(words is True or "this process" in str(words) for words in told)


def test_tasks_that_want_the_same_item_at_once_buy_it_once(simulator: Simulator, tmp_path: Path) -> None:
    async def run() -> list[Any]:
        async with (
            quick_client(simulator) as one,
            quick_client(simulator) as other,
        ):
            calls = [client.render_async("A candle.", tmp_path / "a.mp4", **OFTEN) for client in (one, other, one)]
            results: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            return results

    told = asyncio.run(run())
    assert len(simulator.accepted) == 1
    for answer in told:
        assert isinstance(answer, (vidjob.RenderResult, vidjob.AlreadyRunning)), told


def test_a_second_render_returns_the_file_of_the_first(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    """The journal is read before the request is hashed and prepared; meanwhile somebody else may have finished."""
    other = quick_client(simulator)
    path = tmp_path / "a.mp4"
    once: list[object] = []

    def prepares(event: Any) -> None:
        if event["event"] == "request" and not once:
            once.append(None)

    first = api(client, "render", "A candle.", path, **OFTEN)
    late = quick_client(simulator, on_event=prepares)
    second = api(late, "render", "A candle.", path, **OFTEN)
    assert (first.sha256, first.id) == (second.sha256, second.id)
    assert api(other, "render", "A candle.", path, **OFTEN).sha256 == first.sha256
    assert len(simulator.accepted) == 1


def line(event: str, **fields: Any) -> str:
    """A line of a journal, as version 0.1 wrote it."""
    text = json.dumps({"v": 1, "at": 1.0, "event": event, **fields}, separators=(",", ":"))
    return f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'


def order(sha256: str, service: str) -> dict[str, Any]:
    return {"operation": "generate", "service": service, "request_sha256": sha256, "prompt": "x"}


def write_journal(folder: Path, *lines: str) -> None:
    (folder / ".vidjob").mkdir(parents=True, exist_ok=True)
    opened = line("open", pid=2**22 + 1, host="elsewhere")
    (folder / ".vidjob" / "1-elsewhere-1-0.jsonl").write_text(opened + "".join(lines))


def test_a_clock_that_was_set_back_buys_nothing_again(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    """A refusal of an hour ahead must not hide the job that was bought after it."""
    job = client.generate("x")
    request = order(vidjob._native.fingerprint(vidjob.VideoRequest("x")), client.base_url)
    later = time.time() + 3600
    write_journal(
        tmp_path,
        line("intent", id="a", attempt="vidjob-1", at=later, order=request),
        line("refused", id="a", attempt="vidjob-1", at=later + 1, error="no"),
        line("intent", id="a", attempt="vidjob-2", at=later - 3599, order=request),
        line("accepted", id="a", attempt="vidjob-2", at=later - 3598, request_id=job.request_id),
    )
    for _ in range(2):
        [result] = many(api, client, [{"id": "a", "prompt": "x"}], tmp_path)
        assert result.ok
        assert result.job is not None
        assert result.job.request_id == job.request_id
    assert len(simulator.accepted) == 1


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_attempts_follow_each_other_whatever_the_clock_says(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, run_python: Run, seconds: int
) -> None:
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1], max_retries=0)
        print([type(result.error).__name__ for result in client.render_many([{"id": "a", "prompt": "x"}], sys.argv[2])])
    """
    simulator.respond("create", status=400, body='{"error": "no"}')
    clock = {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path), env=clock)
    assert done.stdout == "['BadRequest']\n", done.stderr
    simulator.inject("job_fails", on="create")
    [failed] = many(api, client, [{"id": "a", "prompt": "x"}], tmp_path)
    assert isinstance(failed.error, vidjob.JobFailed)
    for _ in range(3):
        many(api, client, [{"id": "a", "prompt": "x"}], tmp_path, retry_failed=True)
    assert len(simulator.accepted) == 2
