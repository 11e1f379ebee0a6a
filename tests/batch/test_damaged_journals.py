"""Journals that are gone or damaged, and creates that were left: nothing is bought twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

import raw
import vidjob
from purchases import OFTEN
from support import POSIX, ApiMode, Run, many, quick_client
from vidjob import Simulator, VideoClient


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


@pytest.mark.parametrize("verb", ["render_many", "resume"])
def test_a_warning_about_a_journal_shows_the_line_of_the_caller(
    api: ApiMode, client: VideoClient, tmp_path: Path, verb: str
) -> None:
    (tmp_path / ".vidjob").mkdir()
    (tmp_path / ".vidjob" / "1.jsonl").write_text("nonsense\nnonsense\n")
    arguments: list[Any] = [["x"], tmp_path] if verb == "render_many" else [tmp_path]
    with pytest.warns(RuntimeWarning, match="damaged") as told:
        getattr(client, verb if api.name == "blocking" else f"{verb}_async")(*arguments).close()
    assert told[0].filename == __file__


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
    assert isinstance(result.error, vidjob.NotSubmitted)
    assert len(simulator.requests) <= 1
    assert simulator.accepted == []


def test_a_file_in_the_place_of_a_journal_is_no_empty_journal(client: VideoClient, tmp_path: Path) -> None:
    (tmp_path / ".vidjob").write_text("x", encoding="utf-8")
    with pytest.raises(vidjob.JournalError, match="cannot be read"):
        client.jobs(tmp_path)
    with pytest.raises(vidjob.JournalError, match="cannot be read"):
        list(client.resume(tmp_path))


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
