"""The simulator, asked by the standard library's HTTP client: shapes, keys, the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plain_http import AUTHORIZED, JSON, ask, create, finished, until
from vidjob import Simulator


def step_by_step(simulator: Simulator, request_id: str, over: Callable[[int, Any], bool]) -> tuple[list[Any], Any]:
    """Advances the paused clock until the job is over; gives all answers before, and the last one."""
    return until(simulator, request_id, over, between=simulator.advance)


def test_cometapi_tells_by_status_words() -> None:
    with Simulator("cometapi", render_seconds=0.5, queue_seconds=0.2, spread=0) as simulator:
        simulator.pause()
        request_id = create(simulator, duration=3)
        before, last = step_by_step(simulator, request_id, lambda _, body: body.get("status") == "done")
    assert {status for status, _ in before} == {200}
    words = [body.get("status") for _, body in before]
    assert words[0] is None
    assert before[0][1] == {"request_id": request_id}
    assert list(dict.fromkeys(words)) == [None, "queued", "processing"]
    assert last["usage"] == {"cost_in_usd_ticks": 1_500_000_000}
    assert (last["progress"], last["video"]["duration"]) == (100, 3)


def test_xai_tells_by_http_status() -> None:
    with Simulator("xai", render_seconds=0.3, spread=0, seed=3) as simulator:
        empty = 0
        simulator.pause()
        for _ in range(8):
            before, last = step_by_step(simulator, create(simulator), lambda status, _: status == 200)
            assert {status for status, _ in before} == {202}
            assert {body["status"] for _, body in before if body} == {"pending"}
            assert last["status"] == "done"
            empty += any(body is None for _, body in before)
        assert empty > 0, "some first answers are empty"


def test_the_envelope_has_the_link_where_the_reason_goes() -> None:
    with Simulator("envelope", render_seconds=0.3, spread=0) as simulator:
        simulator.pause()
        before, last = step_by_step(simulator, create(simulator), lambda _, body: body["data"]["status"] == "SUCCESS")
    assert {body["data"]["status"] for _, body in before} == {"SUBMITTED", "IN_PROGRESS"}
    assert last["data"]["fail_reason"] == last["data"]["data"]["video"]["url"]
    assert last["data"]["progress"] == "100%"


def test_keys() -> None:
    for shape, refused in (("cometapi", 401), ("xai", 400)):
        with Simulator(shape, api_key="good") as simulator:  # type: ignore[arg-type]
            body = {"prompt": "x"}
            kind = {"Content-Type": "application/json"}
            path = "/videos/generations"
            assert ask(simulator, "POST", path, body, kind)[0] == 401
            assert ask(simulator, "POST", path, body, {**kind, "Authorization": "Bearer bad"})[0] == refused
            assert ask(simulator, "POST", path, body, {**kind, "Authorization": "Bearer good"})[0] == 200
            assert ask(simulator, "GET", "/videos/x", headers={"Authorization": "Bearer bad"})[0] == refused
            assert len(simulator.accepted) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("prompt=x", {**AUTHORIZED, "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("{", JSON, 422),
        ({}, JSON, 422),
        ({"prompt": "x", "aspect_ratio": "auto"}, JSON, 422),
        ({"prompt": "x", "duration": 16}, JSON, 400),
        ({"prompt": "x", "model": "none"}, JSON, 404),
    ],
)
def test_refused_creates(simulator: Simulator, body: Any, headers: dict[str, str], status: int) -> None:
    assert ask(simulator, "POST", "/videos/generations", body, headers)[0] == status
    assert simulator.accepted == []


def test_a_paused_clock_keeps_a_job_as_it_is_until_it_is_advanced() -> None:
    with Simulator(render_seconds=8, spread=0, queue_seconds=2) as simulator, simulator.client() as client:
        simulator.pause()
        job = client.generate("a candle")
        seen = []
        for _ in range(6):
            seen += [client.get(job), client.get(job)]
            simulator.advance(2)
    told = [(str(job.status), job.progress) for job in seen]
    assert told[::2] == told[1::2]
    assert told[::2] == [
        ("pending", None),
        ("processing", 0),
        ("processing", 25),
        ("processing", 50),
        ("processing", 75),
        ("done", 100),
    ]


def test_links_and_rate_limits_follow_the_clock() -> None:
    with Simulator(render_seconds=1, spread=0, link_seconds=100, creates_per_second=1) as simulator:
        simulator.pause()
        request_id = create(simulator)
        assert ask(simulator, "POST", "/videos/generations", {"prompt": "x"})[0] == 429
        simulator.advance(1)
        create(simulator)
        link = finished(simulator, request_id)["url"]
        simulator.advance(99)
        assert ask(simulator, "GET", link)[0] == 200
        simulator.advance(1)
        assert ask(simulator, "GET", link)[0] == 403
        assert simulator.requests[-1]["at"] - simulator.requests[0]["at"] == pytest.approx(101)


def test_a_resumed_clock_goes_on() -> None:
    with Simulator(render_seconds=0.05, spread=0) as simulator:
        simulator.pause()
        request_id = create(simulator)
        simulator.resume()
        assert finished(simulator, request_id)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_clock_is_not_advanced_by_what_is_no_time(simulator: Simulator, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be a finite number of at least 0"):
        simulator.advance(seconds)
