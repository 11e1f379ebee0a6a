"""Responses as services, gateways and proxies really give them: none costs a paid job."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidjob
from odd_answers import DONE, ID, client_of
from raw import RawService, answer, in_turn
from support import ApiMode

FILM = Path(__file__).parent.parent / "media" / "short.mp4"


#: What the reference encoder of Brotli makes of ``{"request_id":"job-1","status":"done","video":{"url":"https://a.example/v.mp4"}}``,
#: and what that of Zstandard does.
BOTH = {"request_id": "job-1", "status": "done", "video": {"url": "https://a.example/v.mp4"}}


BROTLI = bytes.fromhex(
    "1b4f00808cd462cd19ee8c50e910ed9cf69bff5fcab68b2ca49462f93e741ce380f906be6e1c8c5739078f4f6734221739d2a873c03a5d33020a5c00c503e7dd0dd3a66a1684d3b75a8800"
)


ZSTD = bytes.fromhex(
    "28b52ffd245035020002851011907d93814d0e0367e7eeec602b65ecce127b7b914fe0f14e3e945fa0314c95d62e37eee8756d3cbe62d8813f8cca8dd76b91ad0e9c84149b1b57ecd8fa773e751d004f86ce65"
)


def with_text(text: str) -> Callable[[dict[str, Any]], bytes]:
    """An answer with one more field, written as it is."""
    return lambda body: answer(f"{{{text}, {json.dumps(body)[1:]}".encode())


#: How answers come that are not strict JSON, or not within the limit.
FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "a byte-order mark": lambda body: answer(b"\xef\xbb\xbf" + json.dumps(body).encode()),
    "UTF-16 without a mark": lambda body: answer(json.dumps(body).encode("utf-16-le")),
    "UTF-16": lambda body: answer(json.dumps(body).encode("utf-16")),
    "Latin-1": lambda body: answer(json.dumps({"prompt": "café", **body}, ensure_ascii=False).encode("latin-1")),
    "NaN": lambda body: answer({"eta": float("nan"), "at": -float("inf"), **body}),
    "a number out of range": with_text('"n": 1e999, "m": [-1e999, 123456789012345678901234567890]'),
    "half a character": lambda body: answer({"prompt": "cat \ud83d", **body}),
    "raw control characters": with_text('"prompt": "a\nb\tc\rd\x01"'),
    "an odd escape": with_text(r'"prompt": "it\'s C:\path"'),
    "deep nesting": with_text(f'"x": {"[" * 2000}{"]" * 2000}'),
    "text after the end": lambda body: answer(json.dumps(body).encode() + b"\n<!-- edge 7 -->\0\0"),
    "a list of one": lambda body: answer([body]),
    "JSON in a string": lambda body: answer(json.dumps(body)),
    "JSON in a string in a string": lambda body: answer(json.dumps(json.dumps(body))),
    "an event": lambda body: answer(f"event: job\ndata: {json.dumps(body)}\n\ndata: [DONE]\n\n".encode()),
    "a guard against scripts": lambda body: answer(b")]}',\n" + json.dumps(body).encode()),
    "a warning in front": lambda body: answer(b"Warning: x in y on line 3\n" + json.dumps(body).encode()),
    "a large field behind": lambda body: answer({**body, "thumbnail": "A" * 2_000_000}),
    "a large field in front": lambda body: answer({"thumbnail": "A" * 2_000_000, **body}),
    "many large fields behind": lambda body: answer({**body, "frames": ["A" * 60_000] * 40}),
    "gzip": lambda body: answer(gzip.compress(json.dumps(body).encode()), headers=["Content-Encoding: gzip"]),
    "gzip without saying so": lambda body: answer(gzip.compress(json.dumps(body).encode())),
    "gzip of a large field": lambda body: answer(
        gzip.compress(json.dumps({"thumbnail": "A" * 8_000_000, **body}).encode()), headers=["Content-Encoding: gzip"]
    ),
    "deflate": lambda body: answer(zlib.compress(json.dumps(body).encode()), headers=["Content-Encoding: deflate"]),
    "a coding that is none": lambda body: answer(body, headers=["Content-Encoding: gzip"]),
    "Brotli": lambda _body: answer(BROTLI, headers=["Content-Encoding: br"]),
    "Zstandard": lambda _body: answer(ZSTD, headers=["Content-Encoding: zstd"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_request_id_is_read_from_malformed_json(api: ApiMode, form: str) -> None:
    with RawService(in_turn(FORMS[form]({"request_id": "job-1"}))) as service, client_of(service) as client:
        job = api(client, "generate", "a candle")
    assert job.request_id == "job-1"
    assert vidjob.VideoJob.from_dict(json.loads(json.dumps(job.to_dict()))) == job
    assert pickle.loads(pickle.dumps(job)).raw == job.raw  # noqa: S301


NAMED: list[Any] = [
    {"code": "success", "data": '{"request_id": "job-1"}'},
    {"code": "success", "data": json.dumps('{"request_id": "job-1"}')},
    {"code": "success", "data": "job-1"},
    {"data": {"data": {"id": "job-1"}}},
    {"result": "success", "job_id": "job-1"},
    {"jobId": "job-1"},
    {"taskId": "job-1"},
    {"requestId": "job-1"},
    {"generation_id": "job-1"},
    {"requestId": "2026", "data": {"task_id": "job-1"}},
]


@pytest.mark.parametrize("body", NAMED)
def test_request_id_is_found_in_every_known_place(api: ApiMode, body: Any) -> None:
    with RawService(in_turn(answer(body))) as service, client_of(service) as client:
        assert api(client, "generate", "a candle").request_id == "job-1"


DAMAGED = [
    b'{"request_id": "job-1" "status": "queued"}',
    b"{'request_id': 'job-1', 'error': None}",
    b"{request_id: 'job-1'}",
    b'OK {"request_id": "job-1"}',
    b'<br />\n<b>Warning</b>: x\n{"request_id": "job-1"}',
]


@pytest.mark.parametrize("body", DAMAGED)
def test_request_id_of_a_damaged_response_is_in_the_error(api: ApiMode, body: bytes) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught,
    ):
        api(client, "generate", "a candle")
    assert caught.value.request_id == "job-1"
    assert service.creates == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_finished_job_is_read_from_malformed_json(api: ApiMode, form: str) -> None:
    with RawService(in_turn(FORMS[form](DONE))) as service, client_of(service) as client:
        job = api(client, "get", "job-1")
    assert (job.request_id, job.status, job.progress) == ("job-1", "done", 100)
    assert job.video.url.endswith(".mp4")
    assert "status" in str(job.raw)


def test_accept_encoding_can_be_overridden(api: ApiMode) -> None:
    with RawService(in_turn(answer(DONE))) as service:
        with client_of(service) as client:
            api(client, "get", ID)
        with client_of(service, headers={"Accept-Encoding": "identity"}) as client:
            api(client, "get", ID)
    assert b"accept-encoding: gzip, br, zstd" in service.heads[0].lower()
    assert b"accept-encoding: identity" in service.heads[1].lower()


def test_a_truncated_response_is_unknown_and_names_its_id(api: ApiMode) -> None:
    cut = answer(b'{"request_id": "job-1", "status": "que')
    with RawService(in_turn(cut)) as service, client_of(service) as client:
        with pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught:
            api(client, "generate", "a candle")
        with pytest.raises(vidjob.InvalidResponse, match="not valid JSON"):
            api(client, "get", "job-1")
    assert caught.value.request_id == "job-1"


def test_a_connection_lost_after_the_id_names_the_job(api: ApiMode) -> None:
    cut = answer(b'{"request_id": "job-1", "status": "que').replace(b"Length: 38", b"Length: 80")
    with (
        RawService(in_turn(cut)) as service,
        client_of(service) as client,
        pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught,
    ):
        api(client, "generate", "a candle")
    assert caught.value.request_id == "job-1"
    assert service.creates == 1


def test_complete_json_is_accepted_despite_a_wrong_content_length(api: ApiMode) -> None:
    wrong = answer(BOTH).replace(b"Length: 8", b"Length: 18")
    with RawService(in_turn(wrong)) as service, client_of(service) as client:
        assert api(client, "generate", "a candle").request_id == "job-1"
        assert api(client, "get", "job-1").status == "done"


def test_a_create_succeeds_when_the_response_never_ends(api: ApiMode) -> None:
    wrong = answer({"request_id": "job-1"}).replace(b"Length: ", b"Length: 9")
    with RawService(in_turn(wrong), keeps_open=True) as service, client_of(service, timeout=5) as client:
        assert api(client, "generate", "a candle").request_id == "job-1"


@pytest.mark.parametrize(
    "head", [[f"X-{n}: {n}" for n in range(1000)], ["Bad Name: x", ": y", "Än: z", "X : 1", "X-A: 1\r\n 2"]]
)
def test_unusual_response_headers_are_tolerated(api: ApiMode, tmp_path: Path, head: list[str]) -> None:
    def reply(method: str, path: str) -> bytes:
        if path.endswith(".mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4", *head])
        done = {"status": "done", "video": {"url": f"{service.root}/f.mp4"}}
        return answer({"request_id": "job-1"} if method == "POST" else done, headers=head)

    with RawService(reply) as service, client_of(service) as client:
        job = api(client, "get", api(client, "generate", "a candle"))
        kept = api(client, "download", job, tmp_path / "a.mp4")
    assert kept.bytes == FILM.stat().st_size
    assert service.creates == 1


PLACES: dict[str, dict[str, Any]] = {
    "video.url": {"video": {"url": "@"}},
    "video": {"video": "@"},
    "metadata.url": {"metadata": {"url": "@"}},
    "videos[0].url": {"videos": [{"url": "@", "thumbnail_url": "https://a.example/t.jpg"}]},
    "result.video_url": {"result": {"video_url": "@"}},
    "output.url": {"output": {"url": "@"}},
    "output.video_url": {"output": {"video_url": "@"}},
    "data[0].url": {"data": [{"url": "@"}]},
    "data.url": {"data": {"url": "@"}},
    "video_url": {"video_url": "@", "image_url": "https://a.example/i.png"},
    "an unknown place": {"files": [{"address": "@"}]},
    "blanks around it": {"metadata": {"url": " @\n"}},
    "blanks around it in a list": {"data": [{"url": "@ "}]},
    "blanks around it in a video": {"video": {"url": "\t@\n"}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", ["flat", "envelope"])
def test_the_video_link_is_found_in_every_known_place(api: ApiMode, tmp_path: Path, place: str, shape: str) -> None:
    def reply(method: str, path: str) -> bytes:
        if path.endswith(".mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        found = json.loads(json.dumps(PLACES[place]).replace("@", f"{service.root}/f.mp4"))
        record = {"task_id": "job-1", "status": "SUCCESS", "fail_reason": "", "progress": "100%", "data": found}
        flat = {"id": "job-1", "status": "completed", "progress": 100, **found}
        done = {"code": "success", "message": "", "data": record} if shape == "envelope" else flat
        return answer({"id": "job-1", "status": "queued"} if method == "POST" else done)

    with RawService(reply) as service, client_of(service) as client:
        result = api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.02)
    assert result.path.read_bytes() == FILM.read_bytes()
    assert result.job.video.url == f"{service.root}/f.mp4"


OTHERS = ["parent", "extended_from", "seed_video", "previous_video_url", "original_url", "params", "history"]


@pytest.mark.parametrize("name", OTHERS)
def test_links_of_other_jobs_are_not_downloaded(api: ApiMode, tmp_path: Path, name: str) -> None:
    def reply(_method: str, path: str) -> bytes:
        if path.endswith("/content"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        other = f"{service.root}/other.mp4"
        result = {"result": {"video_url": f"{service.root}/content"}} if path.endswith("job-1") else {}
        return answer({"status": "completed", name: other if "_" in name else {"video_url": other}, **result})

    with RawService(reply) as service, client_of(service) as client:
        assert api(client, "download", "job-1", tmp_path / "a.mp4").bytes == FILM.stat().st_size
        if name != "history":
            with pytest.raises(vidjob.DownloadError, match="no link to a video"):
                api(client, "download", "job-2", tmp_path / "b.mp4")
    assert all("other" not in path for _, path in service.seen)


PAGES = [
    answer({"error": "link expired"}, headers=["Content-Type: application/json"]),
    answer(b"<html>sign in</html>", headers=["Content-Type: text/html"]),
]


@pytest.mark.parametrize("page", PAGES)
def test_an_html_page_instead_of_the_video_refreshes_the_link_once(api: ApiMode, tmp_path: Path, page: bytes) -> None:
    links = ["old", "new"]

    def reply(_method: str, path: str) -> bytes:
        if path.endswith("new.mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        if path.endswith(".mp4"):
            return page
        return answer({"status": "done", "video": {"url": f"/{links.pop(0)}.mp4"}})

    with RawService(reply) as service, client_of(service) as client:
        assert api(client, "download", "job-1", tmp_path / "a.mp4").bytes == FILM.stat().st_size
        links[:] = ["old", "older", "oldest"]
        service.seen.clear()
        with pytest.raises(vidjob.NotAVideo):
            api(client, "download", "job-1", tmp_path / "b.mp4")
    assert [path for _, path in service.seen if path.endswith(".mp4")] == ["/old.mp4", "/older.mp4"]


def test_a_done_job_without_a_link_lists_the_fields_received(api: ApiMode, tmp_path: Path) -> None:
    body = {"status": "done", "metadata": {"width": 5}, "thumbnail_url": "https://a.example/t.jpg?sig=hush"}
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.DownloadError, match=r"no link to a video") as caught,
    ):
        api(client, "download", ID, tmp_path / "a.mp4")
    assert "metadata.width, status, thumbnail_url" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "upload_url" not in str(caught.value)
