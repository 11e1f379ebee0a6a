"""The simulator, asked by the standard library's HTTP client."""

from __future__ import annotations

import ast
import base64
import contextlib
import gzip
import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import vidjob
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


def step_by_step(simulator: Simulator, request_id: str, over: Callable[[int, Any], bool]) -> tuple[list[Any], Any]:
    """Advances the paused clock until the job is over; gives all answers before, and the last one."""
    before: list[Any] = []
    while True:
        status, _, body = ask(simulator, "GET", f"/videos/{request_id}")
        answer = (status, json.loads(body) if body else None)
        if over(*answer):
            return before, answer[1]
        before.append(answer)
        simulator.advance(0.02)


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


# ---- limits and bills -------------------------------------------------------------------------

NEW, LITE = "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"
IMAGE = {"url": "https://a.example/i.png"}
VIDEO = {"url": "https://a.example/v.mp4"}


def frames(*at: float) -> list[dict[str, Any]]:
    return [{"image": IMAGE, "timestamp_s": seconds} for seconds in at]


#: (operation, the body beside a prompt, the status)
LIMITS: list[tuple[str, dict[str, Any], int]] = [
    ("generations", {"duration": 15}, 200),
    ("generations", {"duration": 16}, 400),
    ("generations", {"seconds": 15}, 200),
    ("generations", {"seconds": 16}, 400),
    ("generations", {"aspect_ratio": "21:9"}, 200),
    ("generations", {"aspect_ratio": "5:2"}, 200),
    ("generations", {"aspect_ratio": "9:21"}, 422),
    ("generations", {"resolution": "720p"}, 200),
    ("generations", {"resolution": "1080p"}, 400),
    ("generations", {"resolution": "1080p", "model": NEW}, 200),
    ("generations", {"resolution": "1080p", "model": LITE}, 200),
    ("generations", {"resolution": "720p", "model": NEW, "reference_images": [IMAGE]}, 200),
    ("generations", {"resolution": "1080p", "model": NEW, "reference_images": [IMAGE]}, 400),
    ("generations", {"prompt": None}, 422),
    ("generations", {"input_reference": IMAGE}, 200),
    ("generations", {"reference_images": [IMAGE] * 7, "duration": 10}, 200),
    ("generations", {"reference_images": [IMAGE] * 8}, 400),
    ("generations", {"reference_images": [IMAGE], "duration": 11}, 400),
    ("generations", {"reference_images": [IMAGE] * 14, "duration": 15, "model": NEW}, 200),
    ("generations", {"reference_images": [IMAGE] * 15, "model": NEW}, 400),
    ("generations", {"reference_images": [IMAGE], "image": IMAGE}, 400),
    ("generations", {"reference_images": [IMAGE], "image": IMAGE, "model": NEW}, 200),
    ("generations", {"reference_images": [IMAGE], "model": LITE}, 400),
    ("generations", {"image": IMAGE, "model": LITE}, 200),
    ("generations", {"reference_audios": [{"voice_id": "ara"}] * 3, "model": NEW}, 200),
    ("generations", {"reference_audios": [{"voice_id": "ara"}] * 4, "model": NEW}, 400),
    ("generations", {"reference_audios": [{"voice_id": "ara"}]}, 400),
    ("generations", {"reference_audios": [{"voice_id": "ara"}], "model": LITE}, 400),
    ("generations", {"last_frame": IMAGE, "model": NEW}, 200),
    ("generations", {"last_frame": IMAGE, "model": LITE}, 400),
    ("generations", {"keyframes": frames(1, 2, 3, 7.9), "model": NEW}, 200),
    ("generations", {"keyframes": frames(1, 2, 3, 4, 5), "model": NEW}, 400),
    ("generations", {"keyframes": frames(8), "model": NEW}, 400),
    ("generations", {"keyframes": frames(1, 1.34), "model": NEW}, 200),
    ("generations", {"keyframes": frames(1, 1.1), "model": NEW}, 400),
    ("generations", {"keyframes": frames(1), "model": LITE}, 400),
    ("edits", {"video": VIDEO, "model": "grok-imagine-video"}, 200),
    ("edits", {"video": VIDEO, "model": NEW}, 400),
    ("edits", {"video": VIDEO, "model": LITE}, 400),
    ("extensions", {"video": VIDEO, "duration": 1}, 200),
    ("extensions", {"video": VIDEO, "duration": 0}, 400),
    ("extensions", {"video": VIDEO, "duration": 10}, 200),
    ("extensions", {"video": VIDEO, "duration": 11}, 400),
    ("extensions", {"video": VIDEO, "model": LITE}, 400),
]


@pytest.mark.parametrize(("operation", "body", "status"), LIMITS)
def test_each_limit_is_checked_on_both_sides(
    simulator: Simulator, operation: str, body: dict[str, Any], status: int
) -> None:
    answer = ask(simulator, "POST", f"/videos/{operation}", {"prompt": "x", **body})
    assert (answer[0], len(simulator.accepted)) == (status, int(status == 200)), answer[2]


@pytest.mark.parametrize(
    "body",
    [
        {"image": IMAGE},
        {"reference_images": [IMAGE]},
        {"last_frame": IMAGE, "model": NEW},
        {"keyframes": frames(1), "model": NEW},
    ],
)
def test_images_need_no_prompt(simulator: Simulator, body: dict[str, Any]) -> None:
    assert ask(simulator, "POST", "/videos/generations", body)[0] == 200


def test_the_words_of_1_5_lite(simulator: Simulator) -> None:
    body = {"prompt": "x", "model": LITE, "reference_images": [IMAGE]}
    words = json.loads(ask(simulator, "POST", "/videos/generations", body)[2])["error"]["message"]
    assert words.startswith("`reference_images` is not supported for this model")


@pytest.mark.parametrize(
    ("body", "ticks"),
    [
        ({}, 500_000_000),
        ({"duration": 5}, 2_500_000_000),
        ({"resolution": "720p"}, 700_000_000),
        ({"model": NEW}, 800_000_000),
        ({"model": NEW, "image": IMAGE}, 900_000_000),
        ({"model": NEW, "reference_images": [IMAGE, IMAGE]}, 1_000_000_000),
        ({"model": NEW, "resolution": "720p"}, 1_400_000_000),
        ({"model": NEW, "resolution": "1080p"}, 2_500_000_000),
        ({"model": LITE}, 200_000_000),
        ({"model": LITE, "resolution": "720p"}, 300_000_000),
        ({"model": LITE, "resolution": "1080p"}, 1_400_000_000),
    ],
)
def test_bills_are_as_measured(body: dict[str, Any], ticks: int) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        request_id = create(simulator, **{"duration": 1, **body})
        last = until(simulator, request_id, lambda _, body: body.get("status") == "done")[1]
    assert last["usage"] == {"cost_in_usd_ticks": ticks}
    assert simulator.accepted[0]["cost_in_usd_ticks"] == ticks


@pytest.mark.parametrize(("ratio", "width", "height"), [("21:9", 168, 72), ("5:2", 160, 64), ("16:9", 192, 108)])
def test_clips_have_the_ratio_asked_for(ratio: str, width: int, height: int) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        video = finished(simulator, create(simulator, aspect_ratio=ratio, duration=2))
        content = ask(simulator, "GET", video["url"])[2]
    header = content[content.index(b"tkhd") + 4 :]
    assert [int.from_bytes(header[at : at + 2], "big") for at in (76, 80)] == [width, height]
    assert mp4_length(content) == 2


def test_unknown_jobs_and_paths(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/videos/nobody")[0] == 404
    assert ask(simulator, "GET", "/elsewhere")[0] == 404
    assert ask(simulator, "DELETE", "/videos/x")[0] == 404


def test_rate_limits() -> None:
    with Simulator(creates_per_second=2) as simulator:
        simulator.pause()
        answers = [ask(simulator, "POST", "/videos/generations", {"prompt": "x"}) for _ in range(5)]
        assert [status for status, _, _ in answers] == [200, 429, 429, 429, 429]
        assert answers[1][1]["retry-after"] == "1"
        assert len(simulator.accepted) == 1


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
    with Simulator(render_seconds=0.01, spread=0, link_seconds=100) as short_lived:
        request_id = create(short_lived)
        _, last = until(short_lived, request_id, lambda _, body: body.get("status") == "done")
        link = last["video"]["url"]
        assert ask(short_lived, "GET", link)[0] == 200
        short_lived.advance(100)
        assert ask(short_lived, "GET", link)[0] == 403
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
            assert "url" not in finished(simulator, create(simulator, output={"upload_url": url}))


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


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "You ran out of credits. [WKE=personal-team-blocked:spending-limit]"),
        (402, "personal-team-blocked:spending-limit"),
        (403, "insufficient_user_quota"),
        (200, "insufficient_user_quota"),
    ],
)
def test_no_money_is_said_under_several_statuses_and_nothing_is_accepted(
    simulator: Simulator, status: int | None, words: str
) -> None:
    simulator.inject("no_money", on="create", status=status)
    told, headers, body = ask(simulator, "POST", "/videos/generations", {"prompt": "x"})
    assert (told, headers["content-type"]) == (status or 429, "application/json")
    assert words in body.decode()
    assert "request_id" not in json.loads(body)
    assert simulator.accepted == []
    create(simulator)


WORDS = ("aborted", "rejected", "moderated", "blocked", "timeout", "timed_out", "cancelled", "error")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("shape", ["cometapi", "envelope", "xai"])
def test_a_job_ends_in_the_words_of_other_gateways(shape: Any, word: str) -> None:
    with Simulator(shape, render_seconds=0.01, spread=0) as simulator:
        simulator.inject("job_ends", on="create", form=word)
        request_id = create(simulator)
        _, told = until(simulator, request_id, lambda _, body: word in json.dumps(body).lower())
        assert simulator.accepted[0]["end"] == word
        assert simulator.requests[-1]["status"] == 200
    if shape == "envelope":
        assert (told["data"]["status"], told["data"]["data"]) == (word.upper(), None)
    else:
        assert told == {"id": request_id, "status": word}


PLACES: dict[str, Callable[[Any], Any]] = {
    "metadata.url": lambda body: body["metadata"]["url"],
    "videos[0].url": lambda body: body["videos"][0]["url"],
    "result.video_url": lambda body: body["result"]["video_url"],
    "output.url": lambda body: body["output"]["url"],
    "output.video_url": lambda body: body["output"]["video_url"],
    "data[0].url": lambda body: body["data"][0]["url"],
    "data.url": lambda body: body["data"]["url"],
    "video_url": lambda body: body["video_url"],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("on", ["create", "get"])
def test_a_link_is_elsewhere(on: Any, place: str) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        simulator.inject("link_elsewhere", on=on, form=place, times=100 if on == "get" else 1)
        _, last = until(simulator, create(simulator, duration=3), lambda _, body: body.get("status") == "completed")
        assert "video" not in last
        assert last["usage"] == {"cost_in_usd_ticks": 1_500_000_000}
        assert mp4_length(ask(simulator, "GET", PLACES[place](last))[2]) == 3


@pytest.mark.parametrize(("status", "words"), [(404, b"NoSuchKey"), (403, b"AccessDenied"), (202, b""), (200, b"")])
def test_a_file_is_there_a_moment_after_its_link(done: tuple[Simulator, str], status: int, words: bytes) -> None:
    simulator, link = done
    simulator.inject("late_file", on="download", times=2, status=status)
    answers = [ask(simulator, "GET", link) for _ in range(3)]
    assert [answer[0] for answer in answers] == [status, status, 200]
    assert all(words in answer[2] for answer in answers[:2])
    assert (answers[0][2] == b"") == (words == b"")
    assert answers[2][2][4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, b"ExpiredToken"), (401, b"Not authenticated"), (403, b"AccessDenied"), (404, b"NoSuchKey"), (410, b"")],
)
def test_an_expired_link_is_answered_in_the_same_way_until_there_is_a_fresh_one(
    done: tuple[Simulator, str], status: int, words: bytes
) -> None:
    simulator, link = done
    simulator.inject("link_expired", on="download", status=status)
    for _ in range(2):
        answer = ask(simulator, "GET", link)
        assert (answer[0], words in answer[2]) == (status, True)
    fresh = finished(simulator, simulator.accepted[0]["request_id"])["url"]
    assert fresh != link
    assert ask(simulator, "GET", fresh)[0] == 200
    assert ask(simulator, "GET", link)[0] == status


ODD: dict[str, tuple[int, bytes]] = {
    "empty": (200, b""),
    "html": (200, b"<!DOCTYPE html>"),
    "cut": (200, b'{"status": "proc'),
    "text": (200, b"upstream connect error"),
    "object": (200, b"{}"),
    "busy": (200, b'{"code": 500, "message": "system busy"}'),
    "forbidden": (403, b"<!DOCTYPE html>"),
    "not_found": (404, b'{"error": "not found"}'),
}


@pytest.mark.parametrize("form", ODD)
def test_odd_answers_come_in_the_middle_of_a_wait(simulator: Simulator, form: str) -> None:
    request_id = create(simulator)
    simulator.inject("odd_answer", on="get", form=form, after=1)
    answers = [ask(simulator, "GET", f"/videos/{request_id}") for _ in range(3)]
    status, start = ODD[form]
    assert (answers[1][0], answers[1][2][: len(start)]) == (status, start)
    assert (answers[1][2] == b"") == (form == "empty")
    for answer in (answers[0], answers[2]):
        assert answer[0] == 200
        assert json.loads(answer[2])


def plain_json(body: bytes) -> Any:
    return json.loads(body, strict=False)


#: How a lenient reader reads each form.
BODIES: dict[str, Callable[[bytes], Any]] = {
    "bom": lambda body: plain_json(body.removeprefix(b"\xef\xbb\xbf")),
    "nan": plain_json,
    "huge_number": plain_json,
    "surrogate": plain_json,
    "latin1": lambda body: json.loads(body.decode("latin-1")),
    "line_break": plain_json,
    "tab": plain_json,
    "deep": plain_json,
    "gzip": lambda body: plain_json(gzip.decompress(body)),
}


def strict_json(answer: Answer) -> Any:
    """As a strict reader reads it: RFC 8259, doubles, 127 levels, no coding that was not asked for."""

    def refuse(word: str) -> Any:
        raise ValueError(word)

    assert "content-encoding" not in answer[1]
    text = answer[2].decode()
    assert "[" * 127 not in text
    value = json.loads(text, parse_constant=refuse)
    assert float("inf") not in value.values()
    json.dumps(value, ensure_ascii=False).encode()
    return value


@pytest.mark.parametrize("form", BODIES)
def test_the_right_answer_comes_in_odd_forms(form: str) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        simulator.inject("odd_body", on="create", form=form)
        created = ask(simulator, "POST", "/videos/generations", {"prompt": "x"})
        [entry] = simulator.accepted
        finished(simulator, entry["request_id"])
        simulator.inject("odd_body", on="get", form=form)
        asked = ask(simulator, "GET", f"/videos/{entry['request_id']}")
        for answer in (created, asked):
            assert answer[0] == 200
            assert answer[1].get("content-encoding") == ("gzip" if form == "gzip" else None)
            with pytest.raises((ValueError, AssertionError)):
                strict_json(answer)
        assert BODIES[form](created[2])["request_id"] == entry["request_id"]
        assert BODIES[form](asked[2])["video"]["url"].startswith("http://127.0.0.1")
        strict_json(ask(simulator, "GET", f"/videos/{entry['request_id']}"))


def kinds_in_the_stub() -> list[str]:
    """The kinds of faults that the stub names."""
    stub = Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    [inject] = [node for node in ast.walk(ast.parse(stub)) if getattr(node, "name", "") == "inject"]
    assert isinstance(inject, ast.FunctionDef)
    kind = inject.args.args[1].annotation
    documented = ast.get_docstring(inject) or ""
    values = [node.value for node in ast.walk(kind or inject) if isinstance(node, ast.Constant)]
    named = [value for value in values if isinstance(value, str)]
    assert all(f"``{name}``" in documented for name in named)
    forms = {*WORDS, *PLACES, *ODD, *BODIES}
    assert all(f"``{form}``" in documented for form in forms)
    return named


@pytest.mark.parametrize("kind", kinds_in_the_stub())
def test_every_kind_that_the_stub_names_is_known_and_documented(simulator: Simulator, kind: Any) -> None:
    refused = []
    everywhere: list[Any] = ["create", "get", "download"]
    for on in everywhere:
        try:
            simulator.inject(kind, on=on)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) < 3
    assert all("makes no difference" in words for words in refused)


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
        with pytest.raises(ValueError, match=r'"other" is not one of empty, html'):
            simulator.inject("odd_answer", on="get", form="other")
        useless: list[tuple[Any, Any]] = [
            ("job_fails", "get"),
            ("late_file", "get"),
            ("odd_body", "download"),
            ("not_found_yet", "create"),
        ]
        for kind, on in useless:
            with pytest.raises(ValueError, match="makes no difference"):
                simulator.inject(kind, on=on)


def test_thousands_on_one_connection(simulator: Simulator) -> None:
    request_id = create(simulator)
    link = urlsplit(simulator.base_url)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        for _ in range(2000):
            connection.request("GET", f"{link.path}/videos/{request_id}", headers=AUTHORIZED)
            assert connection.getresponse().read()


# ---- the clock --------------------------------------------------------------------------------


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
