"""The simulator: scripted faults, ends of jobs, and the rest of its interface."""

from __future__ import annotations

import ast
import contextlib
import gzip
import http.client
import http.server
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import vidjob
from plain_http import AUTHORIZED, Answer, ask, create, finished, mp4_length, until
from vidjob import Simulator


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
def test_scripted_ends_of_jobs(kind: Any, end: str) -> None:
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
    with Simulator(port=port or 0) as again:
        assert again.base_url == simulator.base_url
        with pytest.raises(OSError, match="in use"):
            Simulator(port=port or 0)


def test_bad_arguments() -> None:
    for arguments in ({"shape": "other"}, {"progress": "other"}, {"render_seconds": -1}, {"spread": float("nan")}):
        with pytest.raises(ValueError, match=r"not known|must be"):
            Simulator(**arguments)
    with Simulator() as simulator:
        with pytest.raises(ValueError, match="kind must be lost_response, "):
            simulator.inject("other", on="get")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="on must be create, get or download"):
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


def test_hundreds_on_one_connection(simulator: Simulator) -> None:
    request_id = create(simulator)
    link = urlsplit(simulator.base_url)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        for _ in range(500):
            connection.request("GET", f"{link.path}/videos/{request_id}", headers=AUTHORIZED)
            assert connection.getresponse().read()
