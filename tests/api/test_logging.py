"""What the standard logging is told: nothing unless asked, and never a key, a signed link or a file's content."""

from __future__ import annotations

import base64
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from support import KEY, ApiMode, Run, quick_client
from vidjob import JobFailed, ServerError, Simulator, VideoClient

PNG = (Path(__file__).parent.parent / "media" / "picture.png").read_bytes()


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


def test_events_are_records(
    api: ApiMode, client: VideoClient, simulator: Simulator, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, logger="vidjob")
    simulator.inject("server_error", on="get", status=503)
    made = api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.05)
    job = made.job.request_id
    records = said(caplog)
    assert records[0][:2] == ("vidjob.http", "DEBUG")
    assert re.match(r"POST /videos/generations: 200 in \d+\.\d", records[0][2])
    assert ("vidjob.jobs", "INFO", f"job {job} accepted") in records
    assert ("vidjob.jobs", "INFO", f"job {job} done, 100%") in records
    assert ("vidjob.download", "INFO", f"job {job}: {made.bytes} of {made.bytes} bytes") in records
    retries = [text for name, level, text in records if "retry" in text and (name, level) == ("vidjob.http", "INFO")]
    assert len(retries) == 1
    assert retries[0].startswith(f"/videos/{job}: retry 1 in ")
    assert {record.__dict__["event"]["event"] for record in caplog.records} >= {"request", "accepted", "status"}


def test_progress_is_logged_at_debug_and_ends_at_info(
    api: ApiMode, client: VideoClient, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="vidjob")
    simulator.inject("job_fails", on="create")
    job = api(client, "generate", "a candle")
    with pytest.raises(JobFailed):
        api(client, "wait", job, poll_interval=0.05)
    words = [text for _name, _level, text in said(caplog)]
    assert words[0] == f"job {job.request_id} accepted"
    assert len(words) == 2
    assert words[1].startswith(f"job {job.request_id} failed (")


def test_items_of_a_batch_are_named(client: VideoClient, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, logger="vidjob.jobs")
    assert all(result.ok for result in client.render_many([{"id": "b7", "prompt": "a"}], tmp_path, poll_interval=0.05))
    assert [text.split()[0] for _name, _level, text in said(caplog)] == ["[b7]", "[b7]"]


def test_quiet_by_default(run_python: Run) -> None:
    program = """
import logging, sys
from vidjob import Simulator
with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
    simulator.inject("server_error", on="get", status=503)
    client.wait(client.generate("a"), poll_interval=0.05)
"""
    result = run_python(program)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


PROGRAM = """
from vidjob import Simulator
with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
    client.wait(client.generate("a"), poll_interval=0.05)
"""


@pytest.mark.parametrize(("level", "shown"), [("debug", {"http", "jobs"}), ("INFO", {"jobs"}), ("error", set())])
def test_vidjob_log_sets_the_level(run_python: Run, level: str, shown: set[str]) -> None:
    result = run_python(PROGRAM, env={"VIDJOB_LOG": level})
    assert result.returncode == 0
    names = {word for line in result.stderr.splitlines() for word in ("http", "jobs") if f" vidjob.{word}: " in line}
    assert names == shown


def test_an_unknown_vidjob_log_lists_the_levels(run_python: Run) -> None:
    result = run_python(PROGRAM, env={"VIDJOB_LOG": "loud"})
    assert result.returncode == 0
    assert result.stderr == "VIDJOB_LOG must be one of debug, info, warning, error, not 'loud'\n"


def test_a_program_with_its_own_logging_keeps_it(run_python: Run) -> None:
    program = 'import logging; logging.basicConfig(format="mine %(message)s")\n' + PROGRAM
    lines = run_python(program, env={"VIDJOB_LOG": "info"}).stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("mine job ") for line in lines)


def test_no_key_no_signed_link_no_file_in_any_record(
    api: ApiMode, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[Any] = []
    with Simulator(render_seconds=0.1) as simulator:
        leak = f'{{"error": "no: Bearer {KEY}, https://cdn.example/v.mp4?X-Amz-Signature=secret, {_as_uri(PNG)}"}}'
        for _ in range(4):
            simulator.respond("get", status=503, body=leak)
        with quick_client(simulator, max_retries=1, on_event=events.append) as client:
            job = api(client, "generate", "it moves", image=PNG)
            with pytest.raises(ServerError):
                api(client, "get", job)
        with quick_client(simulator, max_retries=4, on_event=events.append) as client:
            assert api(client, "render", "a candle", tmp_path / "a.mp4", image=PNG, poll_interval=0.05).ok
    assert any(record.name == "vidjob.http" and "retry" in record.getMessage() for record in caplog.records)
    everything = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records) + repr(events)
    for secret in (KEY, "X-Amz-Signature", "secret", "Signature=", _as_uri(PNG)[30:60]):
        assert secret not in everything


def _as_uri(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()
