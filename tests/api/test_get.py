"""One query: every documented shape, through the whole client, on both APIs."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, quick_client
from vidjob import JobError, JobStatus, Simulator, Usage, Video, VideoClient, VidjobError

OPEN_FILES = Path("/proc/self/fd")
CONNECTIONS = Path("/proc/self/net/tcp")
ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"
URL = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4"
MODEL = "grok-imagine-video"
ENVELOPE_URL = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-72924fdc-e6d7-4885-b318-8a367aaa9a02.mp4"


def envelope(status: str, inner: dict[str, Any] | None = None, **outer: Any) -> dict[str, Any]:
    return {
        "code": "success",
        "message": "",
        "data": {
            "task_id": "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3",
            "action": "VIDEO_GENERATION",
            "status": status,
            "fail_reason": "",
            "submit_time": 1773297002,
            "start_time": 0,
            "finish_time": 1773297014,
            **outer,
            "data": inner,
        },
    }


#: (HTTP status, body, what the job says)
SHAPES: list[tuple[int, Any, dict[str, Any]]] = [
    (200, {"request_id": ID}, {"status": "pending"}),
    (200, {"request_id": "x", "id": "task_x"}, {"status": "pending"}),
    (200, {"status": "pending", "progress": 0}, {"status": "pending", "progress": 0}),
    (202, {"status": "pending", "progress": 24}, {"status": "pending", "progress": 24}),
    (202, b"", {"status": "pending", "progress": None, "raw": None}),
    (
        200,
        {"status": "processing", "progress": 81, "model": MODEL},
        {"status": "processing", "progress": 81, "model": MODEL},
    ),
    (
        200,
        {
            "status": "done",
            "video": {"url": URL, "duration": 1, "respect_moderation": True},
            "model": MODEL,
            "usage": {"cost_in_usd_ticks": 500000000},
            "progress": 100,
        },
        {
            "status": "done",
            "progress": 100,
            "video": Video(URL, 1, True),
            "usage": Usage(500000000),
            "model": MODEL,
        },
    ),
    (
        200,
        {"video": {"url": URL, "duration": 6}, "model": MODEL},
        {"status": "done", "progress": 100, "video": Video(URL, 6)},
    ),
    (
        200,
        {
            "status": "done",
            "video": {"url": "", "duration": 6, "respect_moderation": False},
            "usage": {"cost_in_usd_ticks": 3000000000},
        },
        {"status": "done", "video": Video(None, 6, False), "usage": Usage(3000000000)},
    ),
    (
        200,
        {"status": "failed", "error": {"code": "internal_error", "message": "…"}},
        {"status": "failed", "error": JobError("internal_error", "…")},
    ),
    (
        200,
        {"status": "failed", "model": "", "video": {"duration": 0, "respect_moderation": True}, "error": "…"},
        {"status": "failed", "model": None, "error": JobError(None, "…")},
    ),
    (200, {"status": "expired"}, {"status": "expired"}),
    (
        200,
        {"status": "done", "response": {"model": MODEL, "video": {"url": "https://a.example/v.mp4"}}},
        {"status": "done", "model": MODEL, "video": Video("https://a.example/v.mp4")},
    ),
    (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Generated video rejected by content moderation.",
            "usage": {"cost_in_usd_ticks": 2500000000},
        },
        {"status": "failed", "usage": Usage(2500000000)},
    ),
    (
        200,
        envelope(
            "SUCCESS",
            {
                "model": MODEL,
                "usage": {"cost_in_usd_ticks": 500000000},
                "video": {"url": ENVELOPE_URL, "duration": 1, "respect_moderation": True},
                "status": "done",
            },
            fail_reason=ENVELOPE_URL,
            progress="100%",
        ),
        {"status": "done", "video": Video(ENVELOPE_URL, 1, True), "usage": Usage(500000000)},
    ),
    (200, envelope("IN_PROGRESS", None, progress="30%"), {"status": "processing", "progress": 30}),
    (
        200,
        envelope("FAILURE", None, fail_reason="upstream returned empty status", progress="100%"),
        {"status": "failed", "error": JobError(None, "upstream returned empty status")},
    ),
    (200, {"status": "reticulating splines"}, {"status": "unknown", "raw": {"status": "reticulating splines"}}),
    (200, {"status": "processing", "progress": "45%"}, {"status": "processing", "progress": 45}),
    (200, {"status": "processing", "progress": 45.0}, {"progress": 45}),
]


@pytest.mark.parametrize(("status", "body", "expected"), SHAPES)
def test_documented_shapes(
    api: ApiMode, simulator: Simulator, client: VideoClient, status: int, body: Any, expected: dict[str, Any]
) -> None:
    simulator.respond("get", status=status, body=body if isinstance(body, bytes) else json.dumps(body))
    job = api(client, "get", ID)
    assert job.request_id == ID
    assert {name: getattr(job, name) for name in expected} == expected


ERRORS: list[tuple[int, Any, type[VidjobError]]] = [
    (
        401,
        {"error": {"message": "no (request id: 2026)", "type": "comet_api_error", "param": "", "code": ""}},
        vidjob.AuthenticationError,
    ),
    (
        400,
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: sk***"},
        vidjob.AuthenticationError,
    ),
    (400, {"error": {"message": "no", "code": "invalid_request"}}, vidjob.BadRequest),
    (402, {"error": "pay"}, vidjob.InsufficientBalance),
    (403, {"error": {"message": "no", "code": "insufficient_user_quota"}}, vidjob.InsufficientBalance),
    (403, {"error": "blocked"}, vidjob.PermissionDenied),
    (404, {"code": "not-found", "error": "no such job"}, vidjob.NotFound),
    (200, {"code": "task_not_exist", "message": "task_not_exist", "data": None}, vidjob.NotFound),
    (422, {"error": "missing field"}, vidjob.BadRequest),
    (429, {"error": "Purchase credits"}, vidjob.InsufficientBalance),
    (301, "", vidjob.InvalidResponse),
    (418, "teapot", vidjob.APIError),
]


@pytest.mark.parametrize(("status", "body", "error"), ERRORS)
def test_documented_errors(
    api: ApiMode, simulator: Simulator, client: VideoClient, status: int, body: Any, error: type[VidjobError]
) -> None:
    simulator.respond("get", status=status, body=body if isinstance(body, str) else json.dumps(body))
    with pytest.raises(error) as caught:
        api(client, "get", ID)
    assert type(caught.value) is error
    assert caught.value.request_id == ID
    assert str(caught.value)
    assert len(simulator.requests) == 1, "none of these is worth repeating"


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>hello</body></html>",
        "",
        "[]",
        '{"status": 7}',
        '{"status": "done", "video": "x"}',
        pytest.param("x" * (1 << 20) + "xx", id="too long"),
    ],
)
def test_a_malformed_response_raises_invalid_response(api: ApiMode, simulator: Simulator, body: str) -> None:
    simulator.respond("get", body=body)
    with (
        quick_client(simulator, max_retries=0) as client,
        pytest.raises(vidjob.InvalidResponse) as caught,
    ):
        api(client, "get", ID)
    assert caught.value.request_id == ID


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 524, 529])
def test_transient_errors_are_retried(api: ApiMode, simulator: Simulator, client: VideoClient, status: int) -> None:
    simulator.respond("get", status=status, headers={"Retry-After": "0"}, body="error code")
    simulator.respond("get", body='{"status": "processing"}')
    assert api(client, "get", ID).status is JobStatus.PROCESSING
    assert len(simulator.requests) == 2


def test_persistent_errors_are_raised(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    for _ in range(3):
        simulator.respond("get", status=503, headers={"Retry-After": "0"}, body="error code: 503")
    with pytest.raises(vidjob.ServerError) as caught:
        api(client, "get", ID)
    assert caught.value.status_code == 503
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("bad", ["", " ", "../", "..", "a/b", "x" * 513, "%2e%2e", "a\nb"])
def test_malformed_ids_are_refused_before_anything_is_sent(
    api: ApiMode, simulator: Simulator, client: VideoClient, bad: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, "get", bad)
    assert caught.value.field == "job"
    assert simulator.requests == []


@pytest.mark.parametrize("bad", [None, 7, b"id", ["id"]])
def test_get_refuses_other_types(api: ApiMode, client: VideoClient, bad: Any) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="VideoJob or the request_id"):
        api(client, "get", bad)


def test_a_job_is_accepted_in_place_of_its_id(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("get", body='{"status": "queued"}')
    job = api(client, "get", vidjob.VideoJob(ID))
    assert (job.request_id, job.status) == (ID, "queued")


def test_a_thousand_malformed_answers(simulator: Simulator) -> None:
    """Whatever comes, it is a job or a named error, and no signed query is repeated."""
    chance = random.Random(7)  # noqa: S311
    texts = [json.dumps(body).encode() for _, body, _ in SHAPES if not isinstance(body, bytes)]
    texts.append(json.dumps({"status": "done", "video": {"url": f"{URL}?sig=hush"}}).encode())
    with VideoClient("k", base_url=simulator.base_url, max_retries=0) as client:
        for _ in range(1000):
            body = bytearray(chance.choice(texts))
            for _ in range(chance.randint(1, 6)):
                at = chance.randrange(len(body))
                body[at : at + chance.randint(0, 3)] = bytes(chance.choices(b'{}[]",:0-9truefalsn\\u\xff\x00', k=2))
            status = chance.choice([200, 200, 200, 202, 400, 404, 500])
            simulator.respond("get", status=status, body=bytes(body))
            try:
                job = client.get(ID)
            except VidjobError as error:
                if b"?sig=hush" in body:
                    assert "hush" not in str(error) + repr(getattr(error, "body", ""))  # noqa: PT017
            else:
                assert job.request_id == ID
                assert job.progress is None or 0 <= job.progress <= 100


def test_a_stale_connection_is_replaced_without_a_retry(api: ApiMode) -> None:
    heard: list[Mapping[str, Any]] = []
    with Simulator(api_key=KEY) as first:
        first.respond("get", body=b'{"status": "pending", "progress": 0}')
        client = quick_client(first, on_event=heard.append)
        assert api(client, "get", ID).progress == 0
    port = int(first.base_url.split(":")[2].split("/")[0])
    if api.name == "asyncio":
        wait_until_closed(port)
    with Simulator(api_key=KEY, port=port) as second:
        second.respond("get", body=b'{"status": "pending", "progress": 7}')
        assert api(client, "get", ID).progress == 7
    assert [event["event"] for event in heard] == ["request", "request"]


def wait_until_closed(port: int) -> None:
    """Waits until the client's own thread has closed its end of the connections that the service has closed.

    A request that is sent before is lost with its connection, and that costs a retry. (A blocking call looks first.)
    """
    if not CONNECTIONS.exists():
        pytest.skip("Linux lists connections there")
    deadline = time.monotonic() + 60
    close_wait = "08"
    while any(
        line.split()[2].endswith(f":{port:04X}") and line.split()[3] == close_wait
        for line in CONNECTIONS.read_text().splitlines()[1:]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_many_threads_ask_at_once(simulator: Simulator) -> None:
    with simulator.client(max_concurrent_requests=4) as client:
        jobs = [client.generate(f"take {number}") for number in range(8)]
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda number: client.get(jobs[number % 8]), range(400)))
    assert [job.request_id for job in answers] == [jobs[number % 8].request_id for number in range(400)]


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="Linux lists open files there")
def test_closing_lets_go_of_the_connection(simulator: Simulator) -> None:
    with simulator.client() as client:
        client.get(client.generate("the first one starts the runtimes"))
        job = client.generate("a")
    before = count_of_open_files()
    with simulator.client() as one, simulator.client() as another:
        one.get(job)
        another.get(job)
    deadline = time.monotonic() + 60
    # The simulator's end is closed by a thread of its own.
    while count_of_open_files() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_of_open_files() -> int:
    return len(list(OPEN_FILES.iterdir()))
