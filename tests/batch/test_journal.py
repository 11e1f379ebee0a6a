"""Single creates, remembered: listed, and finished after a restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode, Run, quick_client
from vidjob import JobRecord, RenderResult, Simulator, VideoClient

OFTEN = {"poll_interval": 0.05}


def resumed(api: ApiMode, client: VideoClient, *args: Any, **kwargs: Any) -> list[RenderResult]:
    kwargs = {**OFTEN, **kwargs}
    if api.name == "blocking":
        return list(client.resume(*args, **kwargs))

    async def run() -> list[RenderResult]:
        return [result async for result in client.resume_async(*args, **kwargs)]

    return asyncio.run(run())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def recorder(simulator: Simulator, journal: Path) -> VideoClient:
    return quick_client(simulator, max_retries=1, journal=journal)


def states(client: VideoClient) -> list[str]:
    return [record.state for record in client.jobs()]


def test_a_create_is_recorded_from_its_intent_to_its_file(
    api: ApiMode, simulator: Simulator, recorder: VideoClient, tmp_path: Path
) -> None:
    assert api(recorder, "jobs") == []
    job = api(recorder, "generate", "a candle", duration=2)
    [record] = recorder.jobs()
    assert (record.state, record.request_id, record.prompt) == ("accepted", job.request_id, "a candle")
    assert (record.operation, record.attempts, float(record.cost_usd)) == ("generate", 1, 0.1)
    done = api(recorder, "wait", job, **OFTEN)
    assert [record.state for record in api(recorder, "jobs")] == ["done"]
    api(recorder, "download", done, tmp_path / "a.mp4")
    [record] = recorder.jobs()
    assert (record.state, record.path, record.job) == ("saved", tmp_path / "a.mp4", done)
    assert json.loads(json.dumps(record.to_dict()))["state"] == "saved"


@pytest.mark.parametrize(
    ("fault", "state"), [("lost_response", "unknown"), ("job_fails", "failed"), ("job_moderated", "failed")]
)
def test_errors_are_recorded(api: ApiMode, simulator: Simulator, recorder: VideoClient, fault: Any, state: str) -> None:
    simulator.inject(fault, on="create")
    with pytest.raises(vidjob.VidjobError):
        api(recorder, "wait", api(recorder, "generate", "x"), **OFTEN)
    [record] = recorder.jobs()
    assert record.state == state
    assert record.error


def test_a_refusal_is_recorded(api: ApiMode, simulator: Simulator, recorder: VideoClient) -> None:
    simulator.respond("create", status=400, body='{"error": "no"}')
    with pytest.raises(vidjob.BadRequest):
        api(recorder, "generate", "x")
    assert states(recorder) == ["refused"]


def test_resume_finishes_what_is_unfinished(
    api: ApiMode, simulator: Simulator, recorder: VideoClient, journal: Path, tmp_path: Path
) -> None:
    jobs = [recorder.generate(f"take {number}") for number in range(3)]
    recorder.wait(jobs[0], poll_interval=0.05)
    recorder.download(recorder.wait(jobs[1], poll_interval=0.05), tmp_path / "kept.mp4")
    with quick_client(simulator, journal=journal) as later:
        results = resumed(api, later)
        assert {result.job.request_id for result in results if result.job} == {jobs[0].request_id, jobs[2].request_id}
        for result in results:
            assert result.ok
            assert result.path is not None
            assert result.path.parent == journal / "videos"
        assert states(later) == ["saved"] * 3
        assert resumed(api, later) == []
    assert len(simulator.accepted) == 3


def test_resume_renews_an_expired_link(api: ApiMode, simulator: Simulator, recorder: VideoClient) -> None:
    recorder.wait(recorder.generate("x"), poll_interval=0.05)
    simulator.inject("link_expired", on="download")
    [result] = resumed(api, recorder)
    assert result.ok


def test_jobs_without_a_journal_is_an_error(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="no journal is set"):
        client.jobs()
    with pytest.raises(vidjob.ConfigurationError, match="no journal is set"):
        resumed(api, client)


def test_a_folder_that_does_not_exist_is_an_error(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "none", "the folder does not exist"), (tmp_path, "pass the folder of a batch")):
        with pytest.raises(vidjob.InvalidRequest, match=words):
            api(client, "jobs", folder)
        with pytest.raises(vidjob.InvalidRequest, match=words):
            resumed(api, client, folder)
    assert list(tmp_path.iterdir()) == [], "a mistyped folder is not made"


# ---- single renders ---------------------------------------------------------------------------


def test_a_render_goes_on_where_it_was_left(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    def leaves(_job: object) -> None:
        raise KeyError("left")

    # The job is not done before it is left.
    simulator.pause()
    with pytest.raises(KeyError):
        api(client, "render", "x", tmp_path / "a.mp4", on_update=leaves, **OFTEN)
    simulator.resume()
    first = api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
    again = api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
    assert (first.resumed, again.resumed) == (False, True)
    assert (first.id, first.job, first.path, first.sha256) == (again.id, again.job, again.path, again.sha256)
    assert len(simulator.accepted) == 1
    anew = api(client, "render", "x", tmp_path / "a.mp4", overwrite=True, **OFTEN)
    assert anew.job.request_id != first.job.request_id
    with pytest.raises(vidjob.DownloadError):
        api(client, "render", "y", tmp_path / "a.mp4", **OFTEN)
    assert len(simulator.accepted) == 2
    assert [record.state for record in client.jobs(tmp_path)] == ["saved"]


def test_a_render_whose_answer_was_lost(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("lost_response", on="create")
    for _ in range(2):
        with pytest.raises(vidjob.SubmitUnknown):
            api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
    assert len(simulator.accepted) == 1
    assert api(client, "render", "x", tmp_path / "a.mp4", on_unknown="resubmit", **OFTEN).ok
    with pytest.raises(vidjob.InvalidRequest, match="hold"):
        api(client, "render", "x", tmp_path / "b.mp4", on_unknown="guess")


def test_a_render_that_failed_is_made_again_when_asked_for_again(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("job_fails", on="create")
    with pytest.raises(vidjob.JobFailed):
        api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
    assert api(client, "render", "x", tmp_path / "a.mp4", **OFTEN).ok


@pytest.mark.parametrize(("fault", "error"), [("job_moderated", vidjob.JobBlocked), ("job_expires", vidjob.JobExpired)])
def test_a_render_that_was_billed_without_a_video_is_not_bought_again_unasked(
    api: ApiMode,
    simulator: Simulator,
    client: VideoClient,
    tmp_path: Path,
    fault: Any,
    error: type[vidjob.VidjobError],
) -> None:
    simulator.inject(fault, on="create")
    for _ in range(3):
        with pytest.raises(error) as caught:
            api(client, "render", "x", tmp_path / "a.mp4", **OFTEN)
        assert caught.value.request_id == simulator.accepted[0]["request_id"]
    assert len(simulator.accepted) == 1
    assert api(client, "render", "x", tmp_path / "a.mp4", overwrite=True, **OFTEN).bought


WAITS = """
    import sys, vidjob
    client = vidjob.VideoClient("k", base_url=sys.argv[1])
    print("ready", flush=True)
    client.render("x", sys.argv[2], poll_interval=0.05)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_render_of_another_process(api: ApiMode, tmp_path: Path) -> None:
    with Simulator(render_seconds=300) as simulator, simulator.client() as client:
        arguments = [sys.executable, "-c", textwrap.dedent(WAITS), simulator.base_url, str(tmp_path / "a.mp4")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
            while not simulator.accepted:
                assert other.poll() is None
            with pytest.raises(vidjob.AlreadyRunning, match=f"process {other.pid} on"):
                api(client, "render", "x", tmp_path / "a.mp4")
            os.kill(other.pid, signal.SIGKILL)
            other.wait()
        with pytest.raises((vidjob.WaitTimeout, vidjob.SubmitUnknown)):
            api(client, "render", "x", tmp_path / "a.mp4", timeout=0, **OFTEN)
        assert len(simulator.accepted) == 1


def test_a_forked_child_writes_a_file_of_its_own(run_python: Run, tmp_path: Path) -> None:
    program = """
        import os, sys, vidjob
        with vidjob.Simulator(render_seconds=0.1) as simulator:
            client = vidjob.VideoClient("k", base_url=simulator.base_url, journal=sys.argv[1])
            client.generate("parent")
            child = os.fork()
            if child == 0:
                client.generate("child")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            client.generate("parent again")
            print(sorted(record.prompt for record in client.jobs()), len(os.listdir(sys.argv[1])))
    """
    done = run_python(textwrap.dedent(program), str(tmp_path / "journal"))
    assert (done.stdout, done.stderr) == ("['child', 'parent', 'parent again'] 2\n", "")


# ---- as a file --------------------------------------------------------------------------------


def test_a_line_that_is_damaged_or_foreign_is_reported_with_its_place(recorder: VideoClient, journal: Path) -> None:
    recorder.generate("x")
    [segment] = journal.glob("*.jsonl")
    whole = segment.read_bytes()
    (journal / "0-torn-1-0.jsonl").write_bytes(b'{"v": 1, "event": "intent", "id": "z"}\nnot a line\n' + whole[:40])
    with pytest.warns(RuntimeWarning) as caught:
        assert states(recorder) == ["accepted"]
    assert [str(warning.message).partition(" is damaged")[0] for warning in caught] == [
        f"line {number} of {journal / '0-torn-1-0.jsonl'}" for number in (1, 2)
    ]


def test_others_read_it_as_it_stands(recorder: VideoClient, journal: Path) -> None:
    recorder.generate("x", duration=3)
    [segment] = journal.glob("*.jsonl")
    told = [json.loads(line) for line in segment.read_text().splitlines()]
    assert [line["event"] for line in told] == ["open", "intent", "accepted", "released"]
    assert told[1]["order"]["duration"] == 3
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_json(segment, lines=True)
    assert list(frame["event"]) == ["open", "intent", "accepted", "released"]


def test_a_journal_that_cannot_be_written_buys_nothing(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with quick_client(simulator, journal=tmp_path / "file" / "journal") as client:
        with pytest.raises(vidjob.JournalError) as caught:
            api(client, "generate", "x")
        assert isinstance(caught.value, OSError)
    assert simulator.requests == []


def test_records_are_values(recorder: VideoClient) -> None:
    recorder.generate("x")
    [record] = recorder.jobs()
    assert isinstance(record, JobRecord)
    assert record == recorder.jobs()[0]
