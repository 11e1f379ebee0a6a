"""The simulator, asked by the standard library's HTTP client."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from vidjob import Simulator

AUTHORIZED = {"Authorization": "Bearer k"}
JSON = {**AUTHORIZED, "Content-Type": "application/json"}

Answer = tuple[int, dict[str, str], bytes]


def ask(
    simulator: Simulator, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request; ``path`` is a whole link, or a path below the base URL."""
    link = urlsplit(path if path.startswith("http") else simulator.base_url + path)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        payload = json.dumps(body) if isinstance(body, dict) else body
        sent = JSON if method == "POST" else AUTHORIZED
        connection.request(method, link.path + ("?" + link.query if link.query else ""), payload, headers or sent)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def create(simulator: Simulator, **body: Any) -> str:
    status, _, answer = ask(simulator, "POST", "/videos/generations", {"prompt": "x", **body})
    assert status == 200, answer
    request_id = json.loads(answer)["request_id"]
    assert isinstance(request_id, str)
    return request_id


def until(simulator: Simulator, request_id: str, over: Callable[[int, Any], bool]) -> tuple[list[Any], Any]:
    """Asks until the job is over; gives all answers before, and the last one."""
    before: list[Any] = []
    while True:
        status, _, body = ask(simulator, "GET", f"/videos/{request_id}")
        answer = (status, json.loads(body) if body else None)
        if over(*answer):
            return before, answer[1]
        before.append(answer)
        time.sleep(0.02)


@pytest.fixture
def done() -> Iterator[tuple[Simulator, str]]:
    """A simulator, and the link of a finished job."""
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        _, last = until(simulator, create(simulator, duration=5), lambda _, body: body.get("status") == "done")
        yield simulator, last["video"]["url"]


def test_cometapi_tells_by_status_words() -> None:
    with Simulator("cometapi", render_seconds=0.5, queue_seconds=0.2, spread=0) as simulator:
        request_id = create(simulator, duration=3)
        before, last = until(simulator, request_id, lambda _, body: body.get("status") == "done")
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
        for _ in range(8):
            before, last = until(simulator, create(simulator), lambda status, _: status == 200)
            assert {status for status, _ in before} == {202}
            assert {body["status"] for _, body in before if body} == {"pending"}
            assert last["status"] == "done"
            empty += any(body is None for _, body in before)
        assert empty > 0, "some first answers are empty"


def test_the_envelope_has_the_link_where_the_reason_goes() -> None:
    with Simulator("envelope", render_seconds=0.3, spread=0) as simulator:
        before, last = until(simulator, create(simulator), lambda _, body: body["data"]["status"] == "SUCCESS")
    assert {body["data"]["status"] for _, body in before} <= {"SUBMITTED", "QUEUED", "IN_PROGRESS"}
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


def test_unknown_jobs_and_paths(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/videos/nobody")[0] == 404
    assert ask(simulator, "GET", "/elsewhere")[0] == 404
    assert ask(simulator, "DELETE", "/videos/x")[0] == 404


def test_rate_limits() -> None:
    with Simulator(creates_per_second=2) as simulator:
        answers = [ask(simulator, "POST", "/videos/generations", {"prompt": "x"}) for _ in range(5)]
        assert [status for status, _, _ in answers].count(429) >= 3
        assert answers[1][1]["retry-after"] == "1"
        assert len(simulator.accepted) == [status for status, _, _ in answers].count(200)


def test_files_with_ranges(done: tuple[Simulator, str]) -> None:
    simulator, link = done
    status, headers, whole = ask(simulator, "GET", link)
    assert (status, headers["content-type"], headers["accept-ranges"]) == (200, "video/mp4", "bytes")
    assert whole[4:8] == b"ftyp"
    status, head, body = ask(simulator, "HEAD", link)
    assert (status, body, head["content-length"]) == (200, b"", str(len(whole)))
    status, headers, part = ask(simulator, "GET", link, headers={"Range": "bytes=100-199"})
    assert (status, part, headers["content-range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    resumed = {"Range": "bytes=100-", "If-Range": headers["etag"]}
    assert ask(simulator, "GET", link, headers=resumed)[2] == whole[100:]
    assert ask(simulator, "GET", link, headers={**resumed, "If-Range": '"other"'})[2] == whole
    assert ask(simulator, "GET", link, headers={"Range": "bytes=99999999-"})[0] == 416
    assert simulator.accepted[0]["downloads"] == 2


def test_links_are_signed_and_expire(done: tuple[Simulator, str]) -> None:
    simulator, link = done
    assert ask(simulator, "GET", link[:-1] + ("0" if link[-1] != "0" else "1"))[0] == 403
    with Simulator(render_seconds=0.01, spread=0, link_seconds=0.2) as short_lived:
        request_id = create(short_lived)
        _, last = until(short_lived, request_id, lambda _, body: body.get("status") == "done")
        link = last["video"]["url"]
        assert ask(short_lived, "GET", link)[0] == 200
        while ask(short_lived, "GET", link)[0] == 200:
            time.sleep(0.02)
        _, fresh = until(short_lived, request_id, lambda _, body: body.get("status") == "done")
        assert fresh["video"]["url"] != link
        assert ask(short_lived, "GET", fresh["video"]["url"])[0] == 200


def test_padding_keeps_the_file_an_mp4() -> None:
    with Simulator(render_seconds=0.01, spread=0, video_bytes=300_000) as simulator:
        _, last = until(simulator, create(simulator), lambda _, body: body.get("status") == "done")
        content = ask(simulator, "GET", last["video"]["url"])[2]
    assert len(content) == 300_000
    at = 0
    while at < len(content):
        at += int.from_bytes(content[at : at + 4], "big")
    assert at == len(content)


def test_a_lost_answer_is_in_the_ledger(simulator: Simulator) -> None:
    simulator.inject("lost_response", on="create")
    with pytest.raises(http.client.RemoteDisconnected):
        create(simulator)
    assert len(simulator.accepted) == 1
    assert simulator.requests[-1]["status"] is None


def test_a_reset_is_a_reset_and_nothing_is_done(simulator: Simulator) -> None:
    simulator.inject("reset", on="create")
    with pytest.raises(ConnectionResetError):
        create(simulator)
    assert simulator.accepted == []


def test_a_truncated_body_is_half_of_what_was_promised(done: tuple[Simulator, str]) -> None:
    simulator, link = done
    simulator.inject("truncated", on="download")
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(simulator, "GET", link)
    assert abs(len(caught.value.partial) - (caught.value.expected or 0)) <= 1


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("wrong_type", lambda answer: answer[0] == 200 and answer[1]["content-type"].startswith("text/html")),
        ("garbage", lambda answer: answer[0] == 200 and len(answer[2]) == 512),
        ("oversized", lambda answer: len(answer[2]) > 1 << 20),
        ("not_found_yet", lambda answer: answer[0] == 404),
        ("server_error", lambda answer: answer[0] == 500),
        ("rate_limited", lambda answer: answer[0] == 429),
    ],
)
def test_faults_in_the_answers_place(simulator: Simulator, kind: Any, check: Callable[[Answer], bool]) -> None:
    request_id = create(simulator)
    simulator.inject(kind, on="get", times=2, after=1)
    answers = [ask(simulator, "GET", f"/videos/{request_id}") for _ in range(4)]
    assert [check(answer) for answer in answers] == [False, True, True, False]


@pytest.mark.parametrize(
    ("kind", "end"), [("job_fails", "failed"), ("job_moderated", "moderated"), ("job_expires", "expired")]
)
def test_fates(kind: Any, end: str) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        simulator.inject(kind, on="create")
        request_id = create(simulator)
        _, last = until(simulator, request_id, lambda status, body: status == 400 or body.get("status") == end)
        assert simulator.accepted[0]["end"] == end
    if end == "moderated":
        assert "content moderation" in last["error"]
        assert last["usage"]["cost_in_usd_ticks"] > 0
    else:
        assert last["status"] == end


def test_the_seed_decides() -> None:
    def lives(seed: int) -> list[tuple[str, float]]:
        with Simulator(seed=seed) as simulator:
            for _ in range(5):
                create(simulator)
            return [
                (entry["request_id"], round(entry["over_at"] - entry["accepted_at"], 6)) for entry in simulator.accepted
            ]

    assert lives(1) == lives(1)
    assert lives(1) != lives(2)


def test_closing_frees_the_port() -> None:
    simulator = Simulator()
    port = urlsplit(simulator.base_url).port
    simulator.close()
    simulator.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port or 0), timeout=1)
    with Simulator(port=port or 0) as again:
        assert again.base_url == simulator.base_url
        with pytest.raises(OSError, match="in use"):
            Simulator(port=port or 0)


def test_bad_arguments() -> None:
    for arguments in ({"shape": "other"}, {"progress": "other"}, {"render_seconds": -1}, {"spread": float("nan")}):
        with pytest.raises(ValueError, match=r"not known|must be"):
            Simulator(**arguments)
    with Simulator() as simulator:
        with pytest.raises(ValueError, match="fault"):
            simulator.inject("other", on="get")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="on"):
            simulator.inject("reset", on="other")  # type: ignore[arg-type]


def test_thousands_on_one_connection(simulator: Simulator) -> None:
    request_id = create(simulator)
    link = urlsplit(simulator.base_url)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        for _ in range(2000):
            connection.request("GET", f"{link.path}/videos/{request_id}", headers=AUTHORIZED)
            assert connection.getresponse().read()
