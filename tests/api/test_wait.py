"""Waiting until a job is done."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

import pytest

import vidjob
from support import ApiMode
from vidjob import JobStatus, Simulator, VideoClient, VideoJob, VidjobError

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"
DONE = {"status": "done", "video": {"url": "https://a.example/v.mp4"}}
MODERATED = {"code": "imagine:content-moderated", "error": "no", "usage": {"cost_in_usd_ticks": 5}}


def test_wait_returns_the_finished_job(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    for body in ({"request_id": ID}, {"status": "processing", "progress": 50}, DONE):
        simulator.respond("get", body=json.dumps(body))
    seen: list[VideoJob] = []
    job = api(client, "wait", ID, poll_interval=0.01, on_update=seen.append)
    assert (job.status, job.progress) == (JobStatus.DONE, 100)
    assert [each.progress for each in seen] == [None, 50, 100]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"status": "failed", "error": "boiler"}, vidjob.JobFailed),
        (200, {"status": "expired"}, vidjob.JobExpired),
        (400, MODERATED, vidjob.JobBlocked),
        (200, {"status": "done", "video": {"url": "", "respect_moderation": False}}, vidjob.JobBlocked),
        (404, {"error": "no such job"}, vidjob.NotFound),
    ],
)
def test_wait_raises_on_failed_job(
    api: ApiMode, simulator: Simulator, client: VideoClient, status: int, body: Any, error: type[VidjobError]
) -> None:
    simulator.respond("get", status=status, body=json.dumps(body))
    with pytest.raises(error) as caught:
        api(client, "wait", ID, poll_interval=0.01)
    assert type(caught.value) is error
    assert caught.value.request_id == ID
    if error is vidjob.JobBlocked and status == 400:
        assert caught.value.job.usage.cost_in_usd_ticks == 5  # type: ignore[attr-defined]


def test_wait_raises_after_timeout(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("get", body='{"status": "processing", "progress": 3}')
    with pytest.raises(vidjob.WaitTimeout) as caught:
        api(client, "wait", ID, timeout=0)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.job is not None
    assert caught.value.job.progress == 3


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("timeout", {"timeout": -1}),
        ("timeout", {"timeout": float("nan")}),
        ("poll_interval", {"poll_interval": 0}),
        ("poll_interval", {"poll_interval": -0.5}),
    ],
)
def test_wait_refuses_invalid_options(api: ApiMode, client: VideoClient, field: str, options: dict[str, float]) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, "wait", ID, **options)
    assert caught.value.field == field


def test_an_infinite_timeout_is_none(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("get", body=json.dumps(DONE))
    assert api(client, "wait", ID, timeout=float("inf")).status == "done"


def test_not_found_right_after_a_create_is_tolerated(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    job = api(client, "generate", "a candle")
    simulator.inject("not_found_yet", on="get", times=3)
    assert api(client, "wait", job, poll_interval=0.02).status == "done"


def test_an_exception_in_on_update_ends_the_wait(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    def fails(_job: VideoJob) -> None:
        raise ZeroDivisionError

    simulator.respond("get", body='{"status": "processing"}')
    with pytest.raises(ZeroDivisionError):
        api(client, "wait", ID, on_update=fails)


def test_progress_takes_a_callable(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("get", body=json.dumps(DONE))
    events: list[Any] = []
    api(client, "wait", ID, progress=events.append)
    assert {"event": "status", "request_id": ID, "status": "done", "progress": 100} in events


def test_callbacks_run_on_the_callers_thread(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("get", body=json.dumps(DONE))
    threads = []
    api(client, "wait", ID, on_update=lambda _job: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


def test_two_hundred_waits_at_once(simulator: Simulator, client: VideoClient) -> None:
    async def all_of_them() -> list[VideoJob]:
        jobs = await asyncio.gather(*(client.generate_async(f"clip {n}") for n in range(200)))
        return await asyncio.gather(*(client.wait_async(job, poll_interval=0.1) for job in jobs))

    jobs = asyncio.run(all_of_them())
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert len({job.request_id for job in jobs}) == len(simulator.accepted) == 200


def test_cancelling_a_wait_stops_polling(simulator: Simulator, client: VideoClient) -> None:
    for _ in range(1000):
        simulator.respond("get", body='{"status": "processing"}')

    async def cancelled() -> int:
        task = asyncio.create_task(client.wait_async(ID, poll_interval=0.01))
        while len(simulator.requests) < 3:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(simulator.requests)

    count = asyncio.run(cancelled())
    time.sleep(0.2)  # enough for twenty polls
    assert len(simulator.requests) <= count + 1, "one poll may have been on its way"
