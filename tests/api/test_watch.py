"""Following a job."""

from __future__ import annotations

import asyncio
import json

import pytest

import vidjob
from support import ApiMode
from vidjob import JobStatus, Simulator, VideoClient, VideoJob

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"


def script(simulator: Simulator, *bodies: dict[str, object]) -> None:
    for body in bodies:
        simulator.respond("get", body=json.dumps(body))


def test_each_change_once_and_the_terminal_one_last(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    script(
        simulator,
        {"request_id": ID},
        {"request_id": ID},
        {"status": "queued"},
        {"status": "processing", "progress": 10},
        {"status": "processing", "progress": 10},
        {"status": "processing", "progress": 80},
        {"status": "failed", "error": "no"},
    )
    jobs = api(client, "watch", ID, poll_interval=0.01)
    assert [(job.status.value, job.progress) for job in jobs] == [
        ("pending", None),
        ("queued", None),
        ("processing", 10),
        ("processing", 80),
        ("failed", None),
    ]
    assert len(simulator.requests) == 7


def test_a_job_that_is_over_is_not_asked_after(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    job = VideoJob(ID, JobStatus.EXPIRED)
    assert api(client, "watch", job) == [job]
    assert simulator.requests == []


def test_the_timeout_carries_the_last_snapshot(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    script(simulator, *[{"status": "processing", "progress": 7}] * 100)
    with pytest.raises(vidjob.WaitTimeout) as caught:
        api(client, "watch", ID, timeout=0.1, poll_interval=0.05)
    assert caught.value.request_id == ID
    assert caught.value.job is not None
    assert caught.value.job.progress == 7


def test_mistakes_are_seen_at_once_and_not_at_the_first_step(client: VideoClient) -> None:
    with pytest.raises(vidjob.InvalidRequest):
        client.watch("../")
    with pytest.raises(vidjob.InvalidRequest) as caught:
        client.watch_async(ID, timeout=-1)
    assert caught.value.field == "timeout"


def test_leaving_the_loop_early_is_fine(simulator: Simulator, client: VideoClient) -> None:
    async def first() -> VideoJob:
        async for job in client.watch_async(ID, poll_interval=0.01):
            return job
        raise AssertionError

    script(simulator, {"status": "queued"}, {"status": "queued"})
    assert asyncio.run(first()).status == "queued"
    for job in client.watch(ID, poll_interval=0.01):
        assert job.status == "queued"
        break
