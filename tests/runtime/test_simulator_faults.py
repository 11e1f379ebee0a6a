"""The simulator: scripted faults, ends of jobs, and the rest of its interface."""

from __future__ import annotations

import ast
import contextlib
import gzip
import http.client
import http.server
import inspect
import json
import re
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


# ---- what inject accepts -----------------------------------------------------------------------

ENDPOINTS: list[Any] = ["create", "get", "download"]
#: The kinds that use each detail, and a value that all of them allow.
DETAILS: dict[str, tuple[Any, set[str]]] = {
    "status": (403, {"server_error", "no_money", "link_expired", "late_file"}),
    "retry_after": (0.5, {"rate_limited"}),
    "seconds": (0, {"hang"}),
    "form": (None, {"job_ends", "link_elsewhere", "odd_answer", "odd_body"}),
}
FORMS = {"job_ends": [*WORDS], "link_elsewhere": [*PLACES], "odd_answer": [*ODD], "odd_body": [*BODIES]}


def kinds() -> list[Any]:
    """All kinds, as the message about an unknown one lists them."""
    with Simulator() as simulator, pytest.raises(ValueError, match="kind") as caught:
        simulator.inject("?", on="get")  # type: ignore[arg-type]
    return re.findall(r"\w+", str(caught.value).partition("; use ")[2].replace(" or ", " "))


KINDS = kinds()


def pairs(simulator: Simulator) -> set[tuple[str, Any]]:
    """Which kinds can be injected into which requests."""
    found: set[tuple[str, Any]] = set()
    for kind in KINDS:
        for on in ENDPOINTS:
            with contextlib.suppress(ValueError):
                simulator.inject(kind, on=on)
                found.add((kind, on))
    return found


def test_the_stub_names_every_kind() -> None:
    stub = Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    [inject] = [node for node in ast.walk(ast.parse(stub)) if getattr(node, "name", "") == "inject"]
    assert isinstance(inject, ast.FunctionDef)
    kind = inject.args.args[1].annotation
    assert kind is not None
    assert {node.value for node in ast.walk(kind) if isinstance(node, ast.Constant)} == set(KINDS)


def test_help_says_what_the_stub_says() -> None:
    stub = Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    [simulator] = [node for node in ast.parse(stub).body if getattr(node, "name", "") == "Simulator"]
    assert isinstance(simulator, ast.ClassDef)
    assert inspect.getdoc(Simulator) == ast.get_docstring(simulator)
    members = [node for node in simulator.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    assert {node.name for node in members} == {name for name in dir(Simulator) if name[0] != "_"}
    for member in members:
        assert inspect.getdoc(getattr(Simulator, member.name)) == ast.get_docstring(member), member.name


def test_help_lists_every_kind_with_its_targets(simulator: Simulator) -> None:
    described = inspect.getdoc(Simulator.inject) or ""
    rows = re.findall(r"^    (\w+) +((?:create|get|download)(?:, (?:get|download))*) ", described, re.MULTILINE)
    assert [kind for kind, _ in rows] == KINDS
    assert {(kind, on) for kind, ons in rows for on in ons.split(", ")} == pairs(simulator)
    assert all(f"``{form}``" in described for forms in FORMS.values() for form in forms)


@pytest.mark.parametrize("kind", KINDS)
def test_a_detail_that_a_kind_does_not_use_is_refused(simulator: Simulator, kind: Any) -> None:
    on = next(on for known, on in sorted(pairs(simulator)) if known == kind)
    for detail, (value, users) in DETAILS.items():
        options: dict[str, Any] = {detail: value if detail != "form" else FORMS.get(kind, ["gzip"])[-1]}
        if detail == "status" and kind == "server_error":
            options = {"status": 503}
        before = simulator.faults_left
        if kind in users:
            simulator.inject(kind, on=on, **options)
            assert simulator.faults_left == before + 1
            continue
        with pytest.raises(ValueError, match=f'^{detail}= has no effect on "{kind}"') as caught:
            simulator.inject(kind, on=on, **options)
        assert all(user in str(caught.value) for user in users)
        assert simulator.faults_left == before


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("reset", {"times": 0}, "times must be at least 1, not 0"),
        ("reset", {"times": -1}, "times must be at least 1"),
        ("reset", {"times": -(10**30)}, "times must be at least 1"),
        ("reset", {"after": -1}, "after must be at least 0"),
        ("hang", {"seconds": -1}, "seconds must be a finite number of at least 0, not -1"),
        ("hang", {"seconds": float("nan")}, "seconds must be"),
        ("hang", {"seconds": float("inf")}, "seconds must be"),
        ("rate_limited", {"retry_after": -0.5}, "retry_after must be"),
        ("rate_limited", {"retry_after": float("nan")}, "retry_after must be"),
        ("server_error", {"status": 404}, "must be 500 to 599, not 404"),
        ("server_error", {"status": 600}, "must be 500 to 599"),
        ("server_error", {"status": 10**30}, "must be 500 to 599"),
        ("no_money", {"status": 500}, "must be 429, 402, 403 or 200, not 500"),
        ("no_money", {"status": -1}, "must be 429, 402, 403 or 200"),
        ("link_expired", {"status": 200}, "must be 400 to 499"),
        ("late_file", {"status": 302}, "must be 200 to 299 or 400 to 599"),
        ("late_file", {"status": 100}, "must be 200 to 299 or 400 to 599"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(simulator: Simulator, kind: Any, options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        simulator.inject(kind, on="download", **options)
    assert simulator.faults_left == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda s: s.inject("lost_respons", on="get"),
            'kind "lost_respons" is not known: did you mean lost_response? ',
        ),
        (lambda s: s.inject("Reset", on="get"), 'kind "Reset" is not known: did you mean reset? '),
        (lambda s: s.inject("xyzzy", on="get"), 'kind "xyzzy" is not known; use lost_response, reset, '),
        (lambda s: s.inject("reset", on="gett"), "did you mean get? The others are create and download"),
        (lambda s: s.inject("reset", on="xyzzy"), 'on "xyzzy" is not known; use create, get or download'),
        (lambda s: s.respond("downloads"), "did you mean download? The others are create and get"),
        (lambda s: s.inject("odd_answer", on="get", form="emtpy"), "did you mean empty? The others are html, cut, "),
        (lambda s: s.inject("odd_body", on="get", form="empty"), 'form "empty" is not known; use bom, nan, '),
        (lambda s: s.inject("job_fails", on="get"), 'makes no difference on="get"; use on="create"'),
        (lambda s: s.inject("odd_body", on="download"), 'use on="create" or on="get"'),
        (lambda s: s.respond("get", status=99), "status must be 200 to 599, not 99"),
        (lambda s: s.respond("get", status=10**30), "status must be 200 to 599"),
        (lambda s: s.respond("get", headers={"a b": "c"}), "HTTP does not allow the header"),
        (lambda s: s.respond("get", headers={"a": "b\n"}), "HTTP does not allow the header"),
        (lambda _: Simulator("comet"), "did you mean cometapi? The others are envelope and xai"),  # type: ignore[arg-type]
        (lambda _: Simulator("openai"), 'shape "openai" is not known; use cometapi, envelope or xai'),  # type: ignore[arg-type]
        (lambda _: Simulator(progress="none"), "did you mean None? The others are linear and stalling"),  # type: ignore[arg-type]
        (lambda _: Simulator(progress="xyzzy"), "use linear, stalling or None"),  # type: ignore[arg-type]
        (lambda _: Simulator(render_seconds=-1), "render_seconds must be a finite number of at least 0, not -1"),
        (lambda _: Simulator(spread=float("nan")), "spread must be"),
        (lambda _: Simulator(creates_per_second=0), "creates_per_second must be greater than 0, not 0"),
        (lambda _: Simulator(requests_per_second=float("nan")), "requests_per_second must be greater than 0"),
        (lambda _: Simulator(port=70_000), "port must be 0 to 65535, not 70000"),
        (lambda _: Simulator(port=-1), "port must be 0 to 65535, not -1"),
        (lambda _: Simulator(seed=-1), "seed must be at least 0, not -1"),
        (lambda _: Simulator(video_bytes=-1), "video_bytes must be at least 0, not -1"),
        (lambda _: Simulator(api_key=""), "api_key must"),
        (lambda _: Simulator(api_key="two words"), "api_key must"),
    ],
)
def test_wrong_arguments_name_the_right_ones(
    simulator: Simulator, call: Callable[[Simulator], object], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        call(simulator)


# ---- when faults fire --------------------------------------------------------------------------


def test_faults_left_counts_what_has_not_fired(simulator: Simulator) -> None:
    assert simulator.faults_left == 0
    simulator.inject("rate_limited", on="create", times=2, after=1)
    simulator.inject("reset", on="get")
    simulator.respond("get", body="{}")
    left = [simulator.faults_left]
    for _ in range(3):
        ask(simulator, "POST", "/videos/generations", {"prompt": "x"})
        left.append(simulator.faults_left)
    assert left == [3, 3, 2, 1]
    with pytest.raises(ConnectionResetError):
        ask(simulator, "GET", "/videos/x")
    assert simulator.faults_left == 0
    simulator.inject("reset", on="get", times=10**30)
    assert simulator.faults_left > 10**9


def test_a_fault_of_a_job_waits_for_a_create_that_is_accepted() -> None:
    with Simulator(creates_per_second=0.001) as simulator:
        simulator.inject("job_fails", on="create")
        assert ask(simulator, "POST", "/videos/generations", {"prompt": ""})[0] == 400
        assert ask(simulator, "POST", "/videos/generations", {"prompt": "x"})[0] == 429
        simulator.respond("create", status=503)
        assert ask(simulator, "POST", "/videos/generations", {"prompt": "x"})[0] == 503
        assert simulator.faults_left == 1
        simulator.advance(10_000)
        create(simulator)
        assert (simulator.faults_left, simulator.accepted[0]["end"]) == (0, "failed")


def test_faults_of_creates_fire_in_order_and_one_at_a_time(simulator: Simulator) -> None:
    simulator.inject("job_fails", on="create", after=1)
    simulator.inject("lost_response", on="create")
    simulator.inject("job_expires", on="create")
    create(simulator)
    create(simulator)
    with pytest.raises(http.client.RemoteDisconnected):
        create(simulator)
    create(simulator)
    assert [entry["end"] for entry in simulator.accepted] == ["done", "failed", "done", "expired"]
    assert simulator.faults_left == 0


def test_a_link_is_elsewhere_once_there_is_one() -> None:
    with Simulator(render_seconds=8, spread=0) as simulator:
        simulator.pause()
        request_id = create(simulator)
        simulator.inject("link_elsewhere", on="get")
        simulator.inject("server_error", on="get")
        assert ask(simulator, "GET", f"/videos/{request_id}")[0] == 500
        ask(simulator, "GET", f"/videos/{request_id}")
        assert simulator.faults_left == 1
        simulator.advance(8)
        first, second = (json.loads(ask(simulator, "GET", f"/videos/{request_id}")[2]) for _ in range(2))
        assert ("metadata" in first, "metadata" in second) == (True, False)
        assert simulator.faults_left == 0


def test_a_scripted_response_is_lost_or_cut_as_any_other(simulator: Simulator) -> None:
    for _ in range(3):
        simulator.respond("get", body='{"status": "queued"}', headers={"content-type": "application/json"})
    simulator.inject("lost_response", on="get")
    with pytest.raises(http.client.RemoteDisconnected):
        ask(simulator, "GET", "/videos/x")
    simulator.inject("truncated", on="get")
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(simulator, "GET", "/videos/x")
    assert caught.value.partial == b'{"status":'
    simulator.inject("odd_body", on="get", form="bom")
    assert ask(simulator, "GET", "/videos/x")[2] == b'\xef\xbb\xbf{"status": "queued"}'


def test_a_fault_that_replaces_the_response_leaves_a_scripted_one_for_the_next_request(simulator: Simulator) -> None:
    simulator.respond("get", body="{}")
    for kind in ("rate_limited", "not_found_yet"):
        simulator.inject(kind, on="get")
    assert [ask(simulator, "GET", "/videos/x")[0] for _ in range(3)] == [429, 404, 200]


def test_a_response_without_a_body_is_truncated_too(simulator: Simulator) -> None:
    simulator.respond("get", status=204)
    simulator.inject("truncated", on="get")
    with pytest.raises(http.client.RemoteDisconnected):
        ask(simulator, "GET", "/videos/x")


# ---- the rest ----------------------------------------------------------------------------------


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


def test_hundreds_on_one_connection(simulator: Simulator) -> None:
    request_id = create(simulator)
    link = urlsplit(simulator.base_url)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        for _ in range(500):
            connection.request("GET", f"{link.path}/videos/{request_id}", headers=AUTHORIZED)
            assert connection.getresponse().read()
