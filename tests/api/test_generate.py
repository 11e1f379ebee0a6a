"""Creating a job, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

import vidjob
from support import ApiMode, quick_client
from vidjob import JobStatus, Simulator, VideoClient


def test_only_what_is_set_is_sent(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    job = api(client, "generate", "a candle")
    assert (job.status, job.progress) == (JobStatus.PENDING, None)
    assert [(entry["request_id"], entry["body"]) for entry in simulator.accepted] == [
        (job.request_id, {"prompt": "a candle"})
    ]


def test_every_field_is_sent(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    api(
        client,
        "generate",
        "a candle",
        duration=5,
        aspect_ratio="9:16",
        resolution="720p",
        model="grok-imagine-video",
        user="u1",
        extra={"seed": 7, "nested": {"a": [1, None]}},
    )
    assert simulator.accepted[0]["body"] == {
        "prompt": "a candle",
        "duration": 5,
        "aspect_ratio": "9:16",
        "resolution": "720p",
        "model": "grok-imagine-video",
        "user": "u1",
        "seed": 7,
        "nested": {"a": [1, None]},
    }


def test_extra_has_the_last_word(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    api(client, "generate", "a candle", duration=5, extra={"duration": 6})
    assert simulator.accepted[0]["body"]["duration"] == 6


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("prompt", {"prompt": ""}),
        ("prompt", {"prompt": "  "}),
        ("prompt", {"prompt": "ä" * 2049}),
        ("duration", {"duration": 0}),
        ("duration", {"duration": 16}),
        ("duration", {"duration": -3}),
        ("aspect_ratio", {"aspect_ratio": "auto"}),
        ("aspect_ratio", {"aspect_ratio": "9:21"}),
        ("resolution", {"resolution": "4k"}),
        ("resolution", {"resolution": "1080p"}),
        ("model", {"model": ""}),
        ("user", {"user": ""}),
    ],
)
def test_requests_beyond_the_limits_are_refused_before_sending(
    api: ApiMode, simulator: Simulator, client: VideoClient, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, "generate", **{"prompt": "x", **arguments})
    assert caught.value.field == field
    assert field in str(caught.value)
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("lost_response", "the connection broke"), ("garbage", "is invalid"), ("wrong_type", "is invalid")],
)
def test_a_lost_response_is_never_resubmitted(
    api: ApiMode, simulator: Simulator, client: VideoClient, fault: Any, cause: str
) -> None:
    simulator.inject(fault, on="create")
    with pytest.raises(vidjob.SubmitUnknown, match=f"{cause}.*may exist"):
        api(client, "generate", "a candle")
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524])
def test_a_create_that_may_have_started_is_not_repeated(
    api: ApiMode, simulator: Simulator, client: VideoClient, status: int
) -> None:
    simulator.respond("create", status=status, body="error code")
    with pytest.raises(vidjob.SubmitUnknown) as caught:
        api(client, "generate", "a candle")
    assert caught.value.status_code == status
    assert len(simulator.requests) == 1


def test_a_200_without_an_id_is_unknown_too(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("create", body='{"ok": true}')
    with pytest.raises(vidjob.SubmitUnknown):
        api(client, "generate", "a candle")


def test_a_429_is_repeated_under_the_same_name(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.inject("rate_limited", on="create", retry_after=0)
    api(client, "generate", "a candle")
    names = [request["headers"]["x-idempotency-key"] for request in simulator.requests]
    assert len(names) == 2
    assert len(set(names)) == 1
    assert len(simulator.accepted) == 1


def test_a_503_that_says_nothing_started_is_repeated(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    body = '{"error": {"message": "no available channel for model (distributor)", "code": "model_not_found"}}'
    simulator.respond("create", status=503, body=body)
    with (
        pytest.raises(vidjob.ServerError),
        quick_client(simulator, max_retries=0) as patient,
    ):
        api(patient, "generate", "a candle")
    assert simulator.accepted == []


def test_a_503_that_says_something_else_is_not_repeated(
    api: ApiMode, simulator: Simulator, client: VideoClient
) -> None:
    words = "upstream distributor timed out after the task was submitted; model_not_found is not why"
    simulator.respond("create", status=503, body=f'{{"error": {{"code": "upstream_timeout", "message": "{words}"}}}}')
    with pytest.raises(vidjob.SubmitUnknown):
        api(client, "generate", "a candle")
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 415, 422])
def test_a_refusal_is_final(api: ApiMode, simulator: Simulator, client: VideoClient, status: int) -> None:
    simulator.respond("create", status=status, body='{"error": "no"}')
    with pytest.raises(vidjob.APIError) as caught:
        api(client, "generate", "a candle")
    assert caught.value.status_code == status
    assert len(simulator.requests) == 1


def test_an_unreachable_service_is_connection_failed(api: ApiMode) -> None:
    with VideoClient("k", base_url="http://127.0.0.1:9", max_retries=1) as client:
        with pytest.raises(vidjob.ConnectionFailed) as caught:
            api(client, "generate", "a candle")
        assert isinstance(caught.value, ConnectionError)


@pytest.mark.parametrize("id_key", ["request_id", "id", "task_id"])
def test_ids_under_every_name(api: ApiMode, simulator: Simulator, client: VideoClient, id_key: str) -> None:
    simulator.respond("create", body=f'{{"{id_key}": "task_7"}}')
    assert api(client, "generate", "a candle").request_id == "task_7"
