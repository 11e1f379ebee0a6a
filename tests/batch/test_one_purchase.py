"""One purchase for each item: however its path is spelled, whoever asks at the same time, whatever the clocks say."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

import raw
import vidjob
from support import POSIX, ApiMode, Run, many, quick_client, start_together
from vidjob import Simulator, VideoClient

OFTEN: dict[str, Any] = {"poll_interval": 0.02}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(render_seconds=0.05, spread=0.1) as simulator:
        yield simulator


def leave(api: ApiMode, client: VideoClient, path: Any, prompt: str = "A candle.") -> None:
    """Buys an item and leaves it before its end."""

    def leaves(_job: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        api(client, "render", prompt, path, on_update=leaves, **OFTEN)


# ---- paths ------------------------------------------------------------------------------------

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


# ---- races ------------------------------------------------------------------------------------

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
            return await asyncio.gather(*calls, return_exceptions=True)

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


# ---- clocks -----------------------------------------------------------------------------------


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


# ---- journals that are gone or damaged --------------------------------------------------------


def test_nothing_is_bought_without_a_record(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    def rows() -> Iterator[dict[str, str]]:
        for number in range(4):
            if number == 2:
                shutil.rmtree(tmp_path / ".vidjob")
            yield {"id": f"i{number}", "prompt": f"take {number}"}

    results = many(api, client, rows(), tmp_path, concurrency=1)
    errors = [result.error for result in results if not result.ok]
    assert len(simulator.accepted) == 2
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, vidjob.JournalError)
        assert "removed or replaced" in str(error)


def test_a_create_is_not_sent_when_its_journal_is_gone(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    with quick_client(simulator, journal=tmp_path / "journal") as client:
        api(client, "generate", "a")
        shutil.rmtree(tmp_path / "journal")
        with pytest.raises(vidjob.JournalError, match="removed or replaced"):
            api(client, "generate", "b")
    assert len(simulator.accepted) == 1


def damage(folder: Path, event: str, item: str) -> tuple[Path, int]:
    """Changes a byte of one line; gives where it stands."""
    for segment in (folder / ".vidjob").glob("*.jsonl"):
        lines = segment.read_bytes().splitlines(keepends=True)
        for number, text in enumerate(lines, 1):
            told = json.loads(text)
            if (told["event"], told.get("id")) == (event, item):
                lines[number - 1] = text.replace(b'"v":', b'"w":', 1)
                segment.write_bytes(b"".join(lines))
                return segment, number
    raise AssertionError


@pytest.mark.parametrize("event", ["intent", "refused", "accepted"])
def test_a_damaged_line_is_named_and_its_item_is_not_bought_until_the_user_says_so(
    api: ApiMode, simulator: Simulator, tmp_path: Path, run_python: Run, event: str
) -> None:
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1], max_retries=0)
        rows = [{"id": i, "prompt": i} for i in "ab"]
        list(client.render_many(rows, sys.argv[2], poll_interval=0.02, concurrency=1))
    """
    if event == "refused":
        simulator.respond("create", status=400, body='{"error": "no"}')
    done = run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path))
    assert done.returncode == 0, done.stderr
    bought = len(simulator.accepted)
    segment, number = damage(tmp_path, event, "a")
    rows = [{"id": i, "prompt": i} for i in "abc"]
    with quick_client(simulator) as client, pytest.warns(RuntimeWarning, match="damaged") as told:
        results = {result.id: result for result in many(api, client, rows, tmp_path)}
    assert f"line {number} of {segment} is damaged" in str(told[0].message)
    prompts = Counter(entry["body"]["prompt"] for entry in simulator.accepted)
    assert prompts["a"] == (0 if event == "refused" else 1), results["a"]
    if event == "refused":
        assert not results["a"].ok
    assert results["b"].ok
    assert results["c"].ok, "others are bought"
    assert len(simulator.accepted) == bought + 1
    with quick_client(simulator) as client, pytest.warns(RuntimeWarning, match="damaged"):
        results = {result.id: result for result in many(api, client, rows, tmp_path, on_unknown="resubmit")}
    assert results["a"].ok


def test_a_claim_remembers_an_item_whose_journal_lines_are_gone(
    api: ApiMode, simulator: Simulator, tmp_path: Path, run_python: Run
) -> None:
    program = """
        import sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        list(client.render_many([{"id": "a", "prompt": "a"}], sys.argv[2], poll_interval=0.02))
    """
    assert run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path)).returncode == 0
    for file in [*(tmp_path / ".vidjob").glob("*.jsonl"), *(tmp_path / "videos").iterdir()]:
        file.unlink()
    with quick_client(simulator) as client:
        [result] = many(api, client, [{"id": "a", "prompt": "a"}], tmp_path)
        assert isinstance(result.error, vidjob.SubmitUnknown)
        assert [record.state for record in client.jobs(tmp_path)] == ["unknown"]
    assert len(simulator.accepted) == 1


@pytest.mark.parametrize(
    ("verb", "content"),
    [
        ("render", ""),
        ("render", "{"),
        ("render_many", "\0\0"),
        ("render_many", '{"v": 2, "at": 1, "event": "intent", "id": "other"}'),
    ],
)
def test_a_damaged_claim_holds_its_item(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, verb: str, content: str
) -> None:
    def ask(**options: Any) -> Any:
        if verb == "render":
            return api(client, "render", "x", tmp_path / "a.mp4", **OFTEN, **options)
        [result] = many(api, client, [{"id": "a", "prompt": "x"}], tmp_path, **options)
        if result.error is not None:
            raise result.error
        return result

    ask()
    for file in [*(tmp_path / ".vidjob").glob("*.jsonl"), *tmp_path.rglob("*.mp4")]:
        file.unlink()
    [claim] = (tmp_path / ".vidjob" / "items").rglob("1.intent")
    claim.write_text(content, encoding="utf-8")
    with pytest.raises(vidjob.SubmitUnknown, match=r"1\.intent .* is damaged"):
        ask()
    assert len(simulator.accepted) == 1
    assert ask(on_unknown="resubmit").ok
    assert len(simulator.accepted) == 2


def test_a_claim_that_is_left_alone_is_resubmitted_when_that_is_asked_for(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    api(client, "render", "x", path, **OFTEN)
    for file in [*(tmp_path / ".vidjob").glob("*.jsonl"), path]:
        file.unlink()
    with pytest.raises(vidjob.SubmitUnknown, match="on_unknown"):
        api(client, "render", "x", path, **OFTEN)
    assert api(client, "render", "x", path, on_unknown="resubmit", **OFTEN).ok
    assert len(simulator.accepted) == 2


def test_two_requests_for_one_file_at_once_are_not_both_bought(tmp_path: Path) -> None:
    with (
        Simulator(render_seconds=0.01) as simulator,
        quick_client(simulator) as client,
        ThreadPoolExecutor(2) as pool,
    ):

        def ask(prompt: str) -> object:
            try:
                return client.render(prompt, tmp_path / "a.mp4", **OFTEN)
            except vidjob.VidjobError as error:
                return error

        simulator.pause()
        calls = [pool.submit(ask, prompt) for prompt in ("one", "two")]
        # The one that was bought goes on until the clock does.
        over, under_way = wait(calls, return_when=FIRST_COMPLETED)
        assert [type(call.result()) for call in over] == [vidjob.AlreadyRunning]
        simulator.resume()
        assert [type(call.result()) for call in under_way] == [vidjob.RenderResult]
        assert len(simulator.accepted) == 1


def test_the_id_that_works_is_remembered_across_processes(api: ApiMode, tmp_path: Path) -> None:
    video = (Path(__file__).parent.parent / "media" / "mpeg4.mp4").read_bytes()
    is_ready = False

    def reply(method: str, path: str) -> bytes:
        if method == "POST":
            return raw.answer({"request_id": "x", "id": "task_x", "task_id": "third"})
        if path.startswith("/video"):
            return raw.answer(video, headers=["Content-Type: video/mp4"])
        if not path.endswith("third"):
            return raw.answer({"error": "no such job"}, 404)
        done = {"status": "done", "video": {"url": f"{service.root}/video.mp4"}}
        return raw.answer(done if is_ready else {"status": "processing"})

    with raw.RawService(reply) as service:

        def client() -> VideoClient:
            return quick_client(service, max_retries=0)

        with client() as first, pytest.raises(vidjob.WaitTimeout):
            api(first, "render", "x", tmp_path / "a.mp4", timeout=0, **OFTEN)
        is_ready = True
        with client() as second:
            [record] = second.jobs(tmp_path)
            assert record.job is not None
            assert api(second, "get", record.job).status is vidjob.JobStatus.DONE
        with client() as third:
            assert api(third, "render", "x", tmp_path / "a.mp4", **OFTEN).ok
        assert service.creates == 1


def test_the_id_of_a_create_without_an_outcome_stays_known(api: ApiMode, tmp_path: Path) -> None:
    with raw.RawService(lambda *_: raw.answer(b'{"request_id": "job-7", "x": "ab')) as service:
        for _ in range(2):
            with quick_client(service, max_retries=0) as client:
                with pytest.raises(vidjob.SubmitUnknown) as caught:
                    api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
                assert caught.value.request_id == "job-7"
                assert [record.request_id for record in client.jobs(tmp_path)] == ["job-7"]
        assert service.creates == 1


@pytest.mark.parametrize("status", [429, 503])
def test_nothing_is_bought_after_the_deadline(api: ApiMode, simulator: Simulator, tmp_path: Path, status: int) -> None:
    body = '{"error": {"code": "get_channel_failed", "message": "no available channel"}}'
    simulator.respond("create", status=status, headers={"Retry-After": "3"}, body=body)
    with quick_client(simulator) as client:
        [result] = many(api, client, ["x"], tmp_path, deadline=0.5)
    assert isinstance(result.error, vidjob.NotBought)
    assert len(simulator.requests) <= 1
    assert simulator.accepted == []


def test_a_file_in_the_place_of_a_journal_is_no_empty_journal(client: VideoClient, tmp_path: Path) -> None:
    (tmp_path / ".vidjob").write_text("x", encoding="utf-8")
    with pytest.raises(vidjob.JournalError, match="cannot be read"):
        client.jobs(tmp_path)
    with pytest.raises(vidjob.JournalError, match="cannot be read"):
        list(client.resume(tmp_path))


# ---- creates that were left -------------------------------------------------------------------


def accepted_by(client: VideoClient) -> str | None:
    """The job that the journal knows, once it does."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        [record] = client.jobs()
        if record.state == "accepted":
            return record.request_id
        time.sleep(0.01)
    return None


def test_a_create_that_was_cancelled_is_recorded_when_its_answer_comes(tmp_path: Path) -> None:
    has_come, may_answer = threading.Event(), threading.Event()

    def reply(_method: str, _path: str) -> bytes:
        has_come.set()
        may_answer.wait(60)
        return raw.answer({"request_id": "job-1"})

    with (
        raw.RawService(reply) as service,
        quick_client(service, journal=tmp_path / "journal") as client,
    ):

        async def run() -> None:
            call = asyncio.create_task(client.generate_async("x"))
            while not has_come.is_set():
                await asyncio.sleep(0.005)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

        asyncio.run(run())
        may_answer.set()
        assert accepted_by(client) == "job-1"


@POSIX
def test_a_create_that_was_interrupted_is_recorded_before_the_process_ends(tmp_path: Path) -> None:
    program = """
        import signal, sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1], journal=sys.argv[2])
        def late(*_):
            raise TimeoutError("late")
        signal.signal(signal.SIGALRM, late)
        try:
            client.generate("x")
        except TimeoutError as error:
            print(error, getattr(error, "request_id", None), flush=True)
    """
    has_come, may_answer = threading.Event(), threading.Event()

    def reply(_method: str, _path: str) -> bytes:
        has_come.set()
        may_answer.wait(60)
        return raw.answer({"request_id": "job-1"})

    with raw.RawService(reply) as service:
        arguments = [sys.executable, "-c", textwrap.dedent(program), service.base_url, str(tmp_path / "journal")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert has_come.wait(60)
            process.send_signal(signal.SIGALRM)
            assert process.stdout.readline() == "late None\n"
            may_answer.set()
            assert process.wait(60) == 0
        with quick_client(service, journal=tmp_path / "journal") as client:
            assert [record.request_id for record in client.jobs()] == ["job-1"]


def test_an_exception_in_a_wait_carries_the_job(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    def raises(_job: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        api(client, "render", "x", tmp_path / "a.mp4", on_update=raises, **OFTEN)
    [record] = client.jobs(tmp_path)
    assert caught.value.request_id == record.request_id  # type: ignore[attr-defined]
