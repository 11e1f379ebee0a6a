"""The simulator: files, links, storage and uploads."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from plain_http import JSON, ask, create, finished, mp4_length, until
from vidjob import Simulator


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
