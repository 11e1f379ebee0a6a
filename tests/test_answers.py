"""Answers as services, gateways and proxies really give them: none costs a paid job."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import vidjob
from raw import RawService, answer, in_turn
from support import KEY, Face, quick_client
from vidjob import JobStatus, VideoClient, VidjobError

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"
URL = "https://vidgen.x.ai/xai-vidgen-bucket/xai-video-1.mp4"
DONE = {"status": "done", "video": {"url": URL, "duration": 1}}
PROCESSING = answer({"status": "processing", "progress": 40})
FILM = Path(__file__).parent / "media" / "short.mp4"

#: What the reference encoder of Brotli makes of ``{"request_id":"job-1","status":"done","video":{"url":"https://a.example/v.mp4"}}``,
#: and what that of Zstandard does.
BOTH = {"request_id": "job-1", "status": "done", "video": {"url": "https://a.example/v.mp4"}}
BROTLI = bytes.fromhex(
    "1b4f00808cd462cd19ee8c50e910ed9cf69bff5fcab68b2ca49462f93e741ce380f906be6e1c8c5739078f4f6734221739d2a873c03a5d33020a5c00c503e7dd0dd3a66a1684d3b75a8800"
)
ZSTD = bytes.fromhex(
    "28b52ffd245035020002851011907d93814d0e0367e7eeec602b65ecce127b7b914fe0f14e3e945fa0314c95d62e37eee8756d3cbe62d8813f8cca8dd76b91ad0e9c84149b1b57ecd8fa773e751d004f86ce65"
)


def client_of(service: RawService, **settings: Any) -> VideoClient:
    return quick_client(service, **{"max_retries": 0, "timeout": 10, "retry_delay": 0.01, **settings})


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
def test_no_cosmetic_field_loses_the_id_of_a_create(face: Face, form: str) -> None:
    with RawService(in_turn(FORMS[form]({"request_id": "job-1"}))) as service, client_of(service) as client:
        job = face(client, "generate", "a candle")
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
def test_an_id_is_taken_wherever_it_stands(face: Face, body: Any) -> None:
    with RawService(in_turn(answer(body))) as service, client_of(service) as client:
        assert face(client, "generate", "a candle").request_id == "job-1"


DAMAGED = [
    b'{"request_id": "job-1" "status": "queued"}',
    b"{'request_id': 'job-1', 'error': None}",
    b"{request_id: 'job-1'}",
    b'OK {"request_id": "job-1"}',
    b'<br />\n<b>Warning</b>: x\n{"request_id": "job-1"}',
]


@pytest.mark.parametrize("body", DAMAGED)
def test_an_id_in_a_damaged_answer_stands_in_the_error(face: Face, body: bytes) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught,
    ):
        face(client, "generate", "a candle")
    assert caught.value.request_id == "job-1"
    assert service.creates == 1


@pytest.mark.parametrize("form", FORMS)
def test_no_cosmetic_field_makes_a_finished_job_unreadable(face: Face, form: str) -> None:
    with RawService(in_turn(FORMS[form](DONE))) as service, client_of(service) as client:
        job = face(client, "get", "job-1")
    assert (job.request_id, job.status, job.progress) == ("job-1", "done", 100)
    assert job.video.url.endswith(".mp4")
    assert "status" in str(job.raw)


def test_codings_are_asked_for_and_may_be_chosen(face: Face) -> None:
    with RawService(in_turn(answer(DONE))) as service:
        with client_of(service) as client:
            face(client, "get", ID)
        with client_of(service, headers={"Accept-Encoding": "identity"}) as client:
            face(client, "get", ID)
    assert b"accept-encoding: gzip, br, zstd" in service.heads[0].lower()
    assert b"accept-encoding: identity" in service.heads[1].lower()


def test_an_answer_that_breaks_off_is_not_believed_and_its_id_is_named(face: Face) -> None:
    cut = answer(b'{"request_id": "job-1", "status": "que')
    with RawService(in_turn(cut)) as service, client_of(service) as client:
        with pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught:
            face(client, "generate", "a candle")
        with pytest.raises(vidjob.InvalidResponse, match="not valid JSON"):
            face(client, "get", "job-1")
    assert caught.value.request_id == "job-1"


def test_an_answer_that_is_lost_behind_its_id_names_the_job(face: Face) -> None:
    cut = answer(b'{"request_id": "job-1", "status": "que').replace(b"Length: 38", b"Length: 80")
    with (
        RawService(in_turn(cut)) as service,
        client_of(service) as client,
        pytest.raises(vidjob.SubmitUnknown, match="job-1") as caught,
    ):
        face(client, "generate", "a candle")
    assert caught.value.request_id == "job-1"
    assert service.creates == 1


def test_an_answer_that_is_whole_needs_no_right_length(face: Face) -> None:
    wrong = answer(BOTH).replace(b"Length: 8", b"Length: 18")
    with RawService(in_turn(wrong)) as service, client_of(service) as client:
        assert face(client, "generate", "a candle").request_id == "job-1"
        assert face(client, "get", "job-1").status == "done"


def test_a_create_is_not_lost_to_an_answer_that_never_ends(face: Face) -> None:
    wrong = answer({"request_id": "job-1"}).replace(b"Length: ", b"Length: 9")
    with RawService(in_turn(wrong), keeps_open=True) as service, client_of(service, timeout=5) as client:
        assert face(client, "generate", "a candle").request_id == "job-1"


@pytest.mark.parametrize(
    "head", [[f"X-{n}: {n}" for n in range(1000)], ["Bad Name: x", ": y", "Än: z", "X : 1", "X-A: 1\r\n 2"]]
)
def test_no_header_loses_a_create_or_a_query_or_a_file(face: Face, tmp_path: Path, head: list[str]) -> None:
    def reply(method: str, path: str) -> bytes:
        if path.endswith(".mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4", *head])
        done = {"status": "done", "video": {"url": f"{service.root}/f.mp4"}}
        return answer({"request_id": "job-1"} if method == "POST" else done, headers=head)

    with RawService(reply) as service, client_of(service) as client:
        job = face(client, "get", face(client, "generate", "a candle"))
        kept = face(client, "download", job, tmp_path / "a.mp4")
    assert kept.bytes == FILM.stat().st_size
    assert service.creates == 1


# ---- links ---------------------------------------------------------------------------------------

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
def test_a_finished_job_is_kept_wherever_its_link_stands(face: Face, tmp_path: Path, place: str, shape: str) -> None:
    def reply(method: str, path: str) -> bytes:
        if path.endswith(".mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        found = json.loads(json.dumps(PLACES[place]).replace("@", f"{service.root}/f.mp4"))
        record = {"task_id": "job-1", "status": "SUCCESS", "fail_reason": "", "progress": "100%", "data": found}
        flat = {"id": "job-1", "status": "completed", "progress": 100, **found}
        done = {"code": "success", "message": "", "data": record} if shape == "envelope" else flat
        return answer({"id": "job-1", "status": "queued"} if method == "POST" else done)

    with RawService(reply) as service, client_of(service) as client:
        result = face(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.02)
    assert result.path.read_bytes() == FILM.read_bytes()
    assert result.job.video.url == f"{service.root}/f.mp4"


OTHERS = ["parent", "extended_from", "seed_video", "previous_video_url", "original_url", "params", "history"]


@pytest.mark.parametrize("name", OTHERS)
def test_the_video_of_another_job_is_not_kept(face: Face, tmp_path: Path, name: str) -> None:
    def reply(_method: str, path: str) -> bytes:
        if path.endswith("/content"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        other = f"{service.root}/other.mp4"
        result = {"result": {"video_url": f"{service.root}/content"}} if path.endswith("job-1") else {}
        return answer({"status": "completed", name: other if "_" in name else {"video_url": other}, **result})

    with RawService(reply) as service, client_of(service) as client:
        assert face(client, "download", "job-1", tmp_path / "a.mp4").bytes == FILM.stat().st_size
        if name != "history":
            with pytest.raises(vidjob.DownloadError, match="no link to a video"):
                face(client, "download", "job-2", tmp_path / "b.mp4")
    assert all("other" not in path for _, path in service.seen)


PAGES = [
    answer({"error": "link expired"}, headers=["Content-Type: application/json"]),
    answer(b"<html>sign in</html>", headers=["Content-Type: text/html"]),
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_in_place_of_the_video_makes_the_job_be_asked_again_once(
    face: Face, tmp_path: Path, page: bytes
) -> None:
    links = ["old", "new"]

    def reply(_method: str, path: str) -> bytes:
        if path.endswith("new.mp4"):
            return answer(FILM.read_bytes(), headers=["Content-Type: video/mp4"])
        if path.endswith(".mp4"):
            return page
        return answer({"status": "done", "video": {"url": f"/{links.pop(0)}.mp4"}})

    with RawService(reply) as service, client_of(service) as client:
        assert face(client, "download", "job-1", tmp_path / "a.mp4").bytes == FILM.stat().st_size
        links[:] = ["old", "older", "oldest"]
        service.seen.clear()
        with pytest.raises(vidjob.NotAVideo):
            face(client, "download", "job-1", tmp_path / "b.mp4")
    assert [path for _, path in service.seen if path.endswith(".mp4")] == ["/old.mp4", "/older.mp4"]


def test_a_done_job_without_a_link_says_which_fields_came(face: Face, tmp_path: Path) -> None:
    body = {"status": "done", "metadata": {"width": 5}, "thumbnail_url": "https://a.example/t.jpg?sig=hush"}
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.DownloadError, match=r"no link to a video") as caught,
    ):
        face(client, "download", ID, tmp_path / "a.mp4")
    assert "metadata.width, status, thumbnail_url" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "upload_url" not in str(caught.value)


# ---- one odd answer ------------------------------------------------------------------------------

ODD: dict[str, bytes] = {
    "an empty 200": answer(),
    "a page under 200": answer(b"<html>back soon</html>"),
    "JSON cut short": answer(b'{"status": "proc'),
    "plain text under 200": answer(b"upstream connect error"),
    "nothing in it": answer({}),
    "a list": answer([1, 2]),
    "a status of the wrong type": answer({"status": 5}),
    "a video of the wrong type": answer({"status": "done", "video": "x"}),
    "a contradiction": answer({"status": "done", "error": "no"}),
    "a page under 403": answer(b"<html>Just a moment...</html>", 403),
    "a page under 404": answer(b"<html>Not Found</html>", 404),
    "a redirect": answer(b"", 302, ["Location: https://login.example/"]),
    "a 404": answer({"error": "not found"}, 404),
    "a 403": answer({"error": "no"}, 403),
    "a 401": answer({"error": "no"}, 401),
    "an unexplained 400": answer({"error": "no"}, 400),
    "a 409": answer({"error": "no"}, 409),
    "busy under 200": answer({"code": 500, "message": "system busy"}),
    "an unknown error under 200": answer({"error": {"code": "c", "message": "m"}}),
    "not found under 200": answer({"code": "task_not_exist", "message": "task_not_exist", "data": None}),
    "a 502": answer(b"<html>", 502),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_wait_survives_one_odd_answer(face: Face, odd: str) -> None:
    replies = in_turn(PROCESSING, ODD[odd], PROCESSING, answer(DONE))
    with RawService(replies) as service, client_of(service) as client:
        assert face(client, "wait", ID, poll_interval=0.02).status is JobStatus.DONE


@pytest.mark.parametrize("odd", ["an empty 200", "a page under 403", "a 404", "an unknown error under 200"])
def test_a_wait_that_hears_only_odd_answers_ends_with_its_timeout_and_says_so(face: Face, odd: str) -> None:
    with (
        RawService(in_turn(PROCESSING, ODD[odd])) as service,
        client_of(service) as client,
        pytest.raises(vidjob.WaitTimeout, match="the last poll failed: ") as caught,
    ):
        face(client, "wait", ID, poll_interval=0.02, timeout=0.5)
    assert caught.value.job is not None
    assert caught.value.job.progress == 40


MALFORMED = ["an empty 200", "a page under 200", "JSON cut short", "busy under 200"]


@pytest.mark.parametrize("odd", MALFORMED)
def test_a_query_repeats_a_malformed_answer_a_few_times(face: Face, odd: str) -> None:
    with RawService(in_turn(ODD[odd], PROCESSING)) as service, client_of(service, max_retries=1) as client:
        assert face(client, "get", ID).progress == 40
    with (
        RawService(in_turn(ODD[odd])) as service,
        client_of(service, max_retries=1) as client,
        pytest.raises(VidjobError) as caught,
    ):
        face(client, "get", ID)
    assert caught.value.request_id == ID
    assert len(service.seen) == 2


# ---- refusals under 200, and no money ------------------------------------------------------------

REFUSALS: list[tuple[Any, type[VidjobError]]] = [
    ({"code": "insufficient_user_quota", "message": "balance is not enough", "data": None}, vidjob.InsufficientBalance),
    ({"success": False, "message": "insufficient balance"}, vidjob.InsufficientBalance),
    ({"error": json.dumps({"code": "insufficient_quota", "message": "no"})}, vidjob.InsufficientBalance),
    ("You ran out of credits.", vidjob.InsufficientBalance),
    ({"error": {"message": "Incorrect API key provided", "code": ""}}, vidjob.AuthenticationError),
    ({"detail": "Not authenticated"}, vidjob.AuthenticationError),
    ({"code": "permission-denied", "error": "no"}, vidjob.PermissionDenied),
    ({"code": "invalid-argument", "error": "code: 'A', message: \"Invalid PNG image.\""}, vidjob.BadRequest),
    ({"code": "c", "error": "Prompt rejected by content moderation."}, vidjob.BadRequest),
    ({"error": {"code": "model_not_found", "message": "no"}}, vidjob.NotFound),
    ({"code": "resource-exhausted", "error": "Too many requests"}, vidjob.RateLimited),
    ({"code": "insufficient_user_quota", "data": "remaining quota: 0"}, vidjob.InsufficientBalance),
    ({"code": "insufficient_user_quota", "message": "no", "requestId": "2026"}, vidjob.InsufficientBalance),
    ({"result": "error", "message": "insufficient balance"}, vidjob.InsufficientBalance),
    ({"success": False, "message": "You ran out of credits", "data": "error"}, vidjob.InsufficientBalance),
    ({"output": "Error: invalid api key"}, vidjob.AuthenticationError),
]


@pytest.mark.parametrize(("body", "error"), REFUSALS)
def test_a_refusal_under_200_is_that_refusal(face: Face, body: Any, error: type[VidjobError]) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(error) as caught,
    ):
        face(client, "generate", "a candle")
    assert type(caught.value) is error
    assert service.creates == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "c", "message": "m"}},
        {"code": 500, "message": "busy"},
        {"code": 500, "message": "busy", "data": "busy"},
        {"error": "not found"},
        "fine",
        {"code": "success", "data": "Task submitted"},
        {"request_id": "null"},
        {"id": "None"},
    ],
)
def test_an_error_under_200_that_proves_nothing_leaves_the_outcome_unknown(face: Face, body: Any) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service, max_retries=3) as client,
        pytest.raises(vidjob.SubmitUnknown),
    ):
        face(client, "generate", "a candle")
    assert service.creates == 1


def test_a_rate_limit_under_200_is_repeated(face: Face) -> None:
    limited = answer({"code": "resource-exhausted", "error": "Too many requests"}, headers=["Retry-After: 0"])
    with (
        RawService(in_turn(limited, answer({"request_id": ID}))) as service,
        client_of(service, max_retries=1) as client,
    ):
        assert face(client, "generate", "a candle").request_id == ID
    assert service.creates == 2


NO_MONEY: list[Any] = [
    {"code": 429, "error": "You ran out of credits. [WKE=personal-team-blocked:spending-limit]"},
    {"code": "subscription:free-usage-exhausted", "error": "You've used all the included free usage …"},
    {"code": "personal-team-blocked:spending-limit", "error": "You have run out of credits …"},
    {"code": "resource-exhausted", "error": "Purchase credits"},
    {"error": {"message": "The billing hard limit has been reached", "code": "billing_hard_limit_reached"}},
    {"error": {"message": "This request would exceed your account balance"}},
    {"error": "Payment Required"},
]


@pytest.mark.parametrize("body", NO_MONEY)
@pytest.mark.parametrize("status", [200, 400, 402, 403, 429])
def test_no_money_is_neither_repeated_nor_waited_for(face: Face, status: int, body: Any) -> None:
    heard: list[Any] = []
    settings = {"max_retries": 3, "on_event": heard.append}
    with (
        RawService(in_turn(answer(body, status, ["Retry-After: 60"]))) as service,
        client_of(service, **settings) as client,
    ):
        # A pause of the whole client would hold up the second call for a minute.
        for verb, argument in (("generate", "a candle"), ("get", ID)):
            with pytest.raises(vidjob.InsufficientBalance):
                face(client, verb, argument)
    assert [event["event"] for event in heard] == ["request", "request"]


@pytest.mark.parametrize("status", [200, 429])
def test_a_batch_without_money_stops_and_counts_nothing(tmp_path: Path, status: int) -> None:
    with RawService(in_turn(answer(NO_MONEY[0], status))) as service, client_of(service) as client:
        batch = client.render_many([f"take {n}" for n in range(6)], tmp_path, concurrency=1, max_cost_usd=10)
        errors = [result.error for result in batch]
    assert isinstance(errors[0], vidjob.InsufficientBalance)
    assert batch.summary["stopped"] == "balance"
    assert (batch.summary["unknown"], float(batch.summary["spent_usd"])) == (0, 0.0)
    assert service.creates == 1


# ---- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "dGFzaw==",
        "projects:p:job",
        "a.b~c",
        "a+b@c!d",
        "id-é-猫",
        "100%",
        "a b",
        "a?b#c",
        "x" * 512,
        7,
        12345678901234567890123,
    ],
)
def test_ids_of_every_alphabet_are_taken_and_asked_after(face: Face, given: str | int) -> None:
    def reply(method: str, _path: str) -> bytes:
        return answer({"request_id": given} if method == "POST" else DONE)

    with RawService(reply) as service, client_of(service) as client:
        job = face(client, "wait", face(client, "generate", "a candle"), poll_interval=0.02)
    assert job.request_id == str(given)
    assert {unquote(path) for method, path in service.seen if method == "GET"} == {f"/v1/videos/{given}"}
    assert all(path.isascii() and not set(path) & set(" ?#=:+") for _, path in service.seen)


@pytest.mark.parametrize("given", ["a/b", "..", ".", "a\\b", "a\nb", "a\x00b", "x" * 513, "%2e%2e", "a%2fb"])
def test_an_id_that_could_lead_elsewhere_stands_in_the_error(face: Face, given: str) -> None:
    with RawService(in_turn(answer({"request_id": given}))) as service, client_of(service) as client:
        with pytest.raises(vidjob.SubmitUnknown, match="names the job") as caught:
            face(client, "generate", "a candle")
        with pytest.raises(vidjob.InvalidRequest):
            face(client, "get", given)
    assert caught.value.request_id == given
    assert "\n" not in str(caught.value)
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    "refusal", [answer({"error": "no such job"}, 404), answer({"code": "task_not_exist", "data": None})]
)
def test_a_job_with_two_ids_is_asked_after_by_the_one_that_works(face: Face, refusal: bytes) -> None:
    def reply(method: str, path: str) -> bytes:
        if method == "POST":
            return answer({"request_id": "outer", "id": "task:7"})
        return answer(DONE) if path.endswith("task%3A7") else refusal

    with RawService(reply) as service, client_of(service) as client:
        job = face(client, "generate", "a candle")
        for _ in range(3):
            assert face(client, "get", job).request_id == "outer"
        assert face(client, "wait", job, poll_interval=0.02).request_id == "outer"
    paths = [path.rpartition("/")[2] for method, path in service.seen if method == "GET"]
    assert paths == ["outer", "task%3A7", "task%3A7", "task%3A7", "task%3A7"]


def test_a_job_from_another_process_is_found_by_its_second_id(face: Face) -> None:
    def reply(_method: str, path: str) -> bytes:
        return answer(DONE) if path.endswith("/second") else answer({"error": "no such job"}, 404)

    job = vidjob.VideoJob("first", raw={"request_id": "first", "id": "second"})
    with RawService(reply) as service, client_of(service) as client:
        assert face(client, "wait", job, poll_interval=0.02).request_id == "first"


def test_a_job_that_no_id_finds_is_not_found(face: Face) -> None:
    job = vidjob.VideoJob("first", raw={"request_id": "first", "id": "second"})
    with (
        RawService(in_turn(answer({"error": "no such job"}, 404))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.NotFound) as caught,
    ):
        face(client, "wait", job, poll_interval=0.02)
    assert caught.value.request_id == "first"
    assert [path.rpartition("/")[2] for _, path in service.seen] == ["first", "second"]


# ---- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["aborted", "rejected", "timeout", "timed_out", "moderated", "blocked", "TIMED-OUT"])
def test_every_terminal_word_ends_a_wait(face: Face, word: str) -> None:
    error = vidjob.JobBlocked if word in {"moderated", "blocked"} else vidjob.JobFailed
    with (
        RawService(in_turn(PROCESSING, answer({"status": word}))) as service,
        client_of(service) as client,
        pytest.raises(error) as caught,
    ):
        face(client, "wait", ID, poll_interval=0.02)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", ["pending", "processing", "reticulating splines"])
def test_a_job_that_never_ends_is_given_up_at_its_largest_age(face: Face, status: str) -> None:
    with RawService(in_turn(answer({"status": status}))) as service, client_of(service, max_job_age=0.1) as client:
        for verb in ("wait", "watch"):
            with pytest.raises(vidjob.WaitTimeout, match="longer than max_job_age") as caught:
                face(client, verb, ID, poll_interval=0.02)
            assert caught.value.request_id == ID
            assert caught.value.job is not None


@pytest.mark.parametrize("age", [0, -1, float("nan")])
def test_a_largest_age_that_is_none_is_refused(age: float) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="max_job_age"):
        VideoClient(KEY, base_url="http://127.0.0.1:9", max_job_age=age)


def test_the_largest_age_may_be_none_and_travels() -> None:
    for age in (None, float("inf"), 5.0):
        client = VideoClient(KEY, base_url="http://127.0.0.1:9", max_job_age=age, pickle_key=True)
        again = pickle.loads(pickle.dumps(client))  # noqa: S301
        assert again._settings.max_job_age == age
