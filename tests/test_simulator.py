"""The simulator, asked by the standard library's HTTP client."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import socket
import threading
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


def create(simulator: Simulator, operation: str = "generations", **body: Any) -> str:
    status, _, answer = ask(simulator, "POST", f"/videos/{operation}", {"prompt": "x", **body})
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


def finished(simulator: Simulator, request_id: str) -> Any:
    """The video of a job, when it is done."""
    return until(simulator, request_id, lambda _, body: body.get("status") == "done")[1]["video"]


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


def mp4_length(content: bytes) -> float:
    """Seconds, from the film's header."""
    header = content[content.index(b"mvhd") + 4 :]
    return int.from_bytes(header[16:20], "big") / int.from_bytes(header[12:16], "big")


def test_videos_follow_from_videos(done: tuple[Simulator, str]) -> None:
    simulator, link = done
    content = ask(simulator, "GET", link)[2]
    data = "data:video/mp4;base64," + base64.b64encode(content).decode()
    for operation, url, more, seconds in (
        ("edits", link, {}, 5),
        ("edits", data, {}, 5),
        ("extensions", link, {}, 11),
        ("extensions", data, {"duration": 10}, 15),
        ("extensions", "https://a.example/v.mp4", {"duration": 10}, 16),
    ):
        video = finished(simulator, create(simulator, operation, video={"url": url}, **more))
        assert video["duration"] == seconds
        assert mp4_length(ask(simulator, "GET", video["url"])[2]) == seconds
    # A chain ends at the longest clip there is.
    for seconds in (15, 25, 25):
        video = finished(simulator, create(simulator, "extensions", video={"url": link}, duration=10))
        link = video["url"]
        assert video["duration"] == seconds
        assert mp4_length(ask(simulator, "GET", link)[2]) == seconds


def test_a_bad_link_is_no_input(done: tuple[Simulator, str]) -> None:
    simulator, link = done
    simulator.inject("link_expired", on="download")
    assert ask(simulator, "GET", link)[0] == 403
    for url in (link, link.partition("?")[0]):
        status, _, body = ask(simulator, "POST", "/videos/edits", {"prompt": "x", "video": {"url": url}})
        assert (status, b"could not download the video" in body) == (400, True)


@pytest.mark.parametrize("shape", ["cometapi", "envelope", "xai"])
def test_stored_files(shape: Any) -> None:
    with Simulator(shape, render_seconds=0.01, spread=0) as simulator:
        options = {"filename": "a.mp4", "expires_after": 7200, "public_url": {"expires_after": 3600}}
        before = time.time()
        request_id = create(simulator, duration=3, storage_options=options)
        _, last = until(simulator, request_id, lambda _, body: '"url"' in json.dumps(body))
        video = last["data"]["data"]["video"] if shape == "envelope" else last["video"]
        output = video["file_output"]
        assert (output["file_id"], output["filename"]) == (f"file_{request_id}", "a.mp4")
        assert before - 1 <= output["expires_at"] - 7200 <= time.time() + 1
        assert output["expires_at"] - output["public_url_expires_at"] == 3600
        # The public link outlives the other one.
        simulator.inject("link_expired", on="download")
        assert ask(simulator, "GET", video["url"])[0] == 403
        assert mp4_length(ask(simulator, "GET", output["public_url"])[2]) == 3
        create(simulator, "edits", video={"file_id": output["file_id"]})
        create(simulator, "edits", video={"url": output["public_url"]})
        assert [entry["cost_in_usd_ticks"] for entry in simulator.accepted[1:]] == [3 * 600_000_000] * 2


@contextlib.contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A bucket on loopback: its address, and what was put there."""
    received: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def test_a_video_is_sent_where_the_request_says() -> None:
    with receiver() as (address, received), Simulator(render_seconds=0.01, spread=0) as simulator:
        request_id = create(simulator, duration=2, output={"upload_url": f"{address}/bucket/a.mp4?sig=1"})
        for _ in range(2):
            assert finished(simulator, request_id) == {"duration": 2, "respect_moderation": True}
            assert [path for path, _ in received] == ["/bucket/a.mp4?sig=1"]
        assert mp4_length(received[0][1]) == 2
        link = simulator.base_url.replace("/grok/v1", f"/vidgen/xai-video-{request_id}.mp4?sig=")
        assert ask(simulator, "GET", link)[0] == 403


def test_a_receiver_that_is_not_there_changes_nothing() -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        for url in ("http://127.0.0.1:1/a", "http://192.0.2.1/a", "https://127.0.0.1/a"):
            started = time.monotonic()
            assert "url" not in finished(simulator, create(simulator, output={"upload_url": url}))
            assert time.monotonic() - started < 5


def test_long_texts_are_not_kept(simulator: Simulator) -> None:
    short, long = "x" * (1 << 20), "x" * ((1 << 20) + 1)
    create(simulator, unknown={"short": short, "long": [long]})
    kept = simulator.accepted[0]["body"]["unknown"]
    assert kept == {"short": short, "long": ["x" * 64 + "… (1048577 characters)"]}


def test_a_body_that_is_too_large_is_read_and_refused(simulator: Simulator) -> None:
    body = (piece for piece in [b" " * (1 << 20)] * 256 + [b" "])
    headers = {**JSON, "Content-Length": str((256 << 20) + 1)}
    assert ask(simulator, "POST", "/videos/generations", body, headers)[0] == 413
    # A failed request leaves the next ones alone.
    create(simulator)


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
