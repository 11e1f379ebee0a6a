"""Configured secrets appear in no output, whatever the service repeats."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import vidjob
from echo_service import ACCEPTED, CORE, KEY, PHRASE, SIGNATURE, Server, answer
from support import ApiMode, Cli
from vidjob import VideoClient

MEDIA = Path(__file__).parent.parent / "media" / "h264.mp4"


MP4 = MEDIA.read_bytes()


def spelled(secret: str) -> list[str]:
    """A secret as it may stand inside a JSON string."""
    return [
        secret,
        f"\\u00{ord(secret[0]):02x}{secret[1:]}",
        secret.replace("/", "\\/"),
        "".join(f"\\u{ord(character):04X}" if character in "/+" else character for character in secret),
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        secret.replace("/", "&#x2f;").replace("+", "&#43;"),
        json.dumps(json.dumps(secret))[1:-1],
        f"{secret[:-2]}…",
        f"x{secret}{secret}x",
    ]


#: Bodies in which a key may be repeated, with ``KEY`` in its place: each is read in another way.
BODIES = {
    "message": '{"error": {"message": "bad key KEY.", "type": "comet_api_error", "code": "invalid_request"}}',
    "code": '{"code": "KEY", "error": {"code": "KEY", "message": "KEY"}}',
    "sentence": '{"code": "The key is wrong", "error": "Incorrect API key provided: KEY"}',
    "nested": '{"error": "{\\"message\\": \\"KEY\\"}", "detail": [{"msg": "KEY"}]}',
    "string": '"KEY"',
    "name": '{"KEY": "KEY"}',
    "text": "KEY is wrong",
    "page": "<html><title>KEY</title></html>",
    "broken": '{"error": "KEY',
    "long": '{"error": "' + "x" * 285 + ' KEY"}',
    "failed": '{"status": "failed", "error": {"code": "KEY", "message": "KEY"}, "model": "KEY"}',
    "moderated": '{"code": "KEY", "error": "rejected by content moderation: KEY"}',
    "done": '{"status": "done", "video": {"url": "", "respect_moderation": true, "storage_error": "KEY"}}',
    "kept": '{"status": "done", "video": {"url": "/KEY.mp4", "file_output": {"file_id": "KEY", "public_url": "KEY"}}}',
    "record": '{"code": "success", "data": {"status": "FAILURE", "fail_reason": "KEY", "data": {"error": "KEY"}}}',
    "expired": '{"status": "expired", "note": "KEY"}',
    "id": '{"request_id": "KEY", "id": "task-KEY", "task_id": ["KEY"]}',
}


def answers_of(status: int, secret: str, forms: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Answers of a status that repeat a secret, in every body and in so many spellings."""
    headers = {"location": f"https://a.example/{secret}?k={secret}"} if status == 301 else {}
    for name, body in BODIES.items():
        yield name, answer(status, body.replace("KEY", secret), **headers)
    for form in spelled(secret)[:forms]:
        yield form, answer(status, f'{{"error": {{"message": "bad key {form}"}}}}', **headers)


def shown(value: Any) -> str:
    """All that can be seen of a result or an error."""
    if isinstance(value, list):
        return "\n".join(map(shown, value))
    parts = [str(value), repr(value), repr(pickle.dumps(value))]
    if hasattr(value, "to_dict"):
        parts.append(json.dumps(value.to_dict(), default=str))
    if hasattr(value, "raw"):
        parts.append(repr(value.raw))
    if isinstance(value, BaseException):
        parts += [repr(vars(value)), repr(value.args), *traceback.format_exception(value)]
        parts += [shown(cause) for cause in (value.__cause__, value.__context__) if cause is not None]
    for name in ("job", "error"):
        inner = getattr(value, name, None)
        if inner is not None:
            parts.append(shown(inner))
    return "\n".join(parts)


class Witness:
    """Calls a client and keeps all that leaves."""

    def __init__(self, api: ApiMode, caplog: pytest.LogCaptureFixture, folder: Path) -> None:
        self._api = api
        self._log = caplog
        self._folder = folder
        self._count = 0
        self._events: list[Any] = []
        caplog.set_level(logging.DEBUG)

    def client(self, **settings: Any) -> VideoClient:
        return VideoClient(
            **{"max_retries": 0, "timeout": 5, "retry_delay": 0.001, **settings}, on_event=self._events.append
        )

    def sees(self, client: VideoClient, verb: str) -> str:
        """All that leaves when a verb is called."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        before = len(self._events), len(self._log.records)
        try:
            told = shown(self._call(client, verb, folder))
        except vidjob.VidjobError as error:
            told = shown(error)
        records = [_record(record) for record in self._log.records[before[1] :]]
        files = [file.read_bytes().decode(errors="replace") for file in folder.rglob("*") if file.is_file()]
        everything = "\n".join([told, repr(client), *map(repr, self._events[before[0] :]), *records, *files])
        # Times have random digits, which may be those of a secret.
        return re.sub(r"\b\d+\.\d+(e-\d+)?", "", everything)

    def _call(self, client: VideoClient, verb: str, folder: Path) -> Any:
        soon = {"timeout": 0.02, "poll_interval": 0.01}
        job = vidjob.VideoJob("job-1")
        if verb == "render_many":
            return self._many(client, folder, soon)
        arguments: dict[str, tuple[list[Any], dict[str, Any]]] = {
            "get": ([job], {}),
            "wait": ([job], soon),
            "watch": ([job], soon),
            "generate": (["x"], {}),
            "edit": (["x", MEDIA], {}),
            "extend": (["x", MEDIA], {}),
            "download": ([job, folder / "a.mp4"], {}),
            "render": (["x", folder / "a.mp4"], soon),
        }
        positional, named = arguments[verb]
        return self._api(client, verb, *positional, **named)

    def _many(self, client: VideoClient, folder: Path, soon: dict[str, Any]) -> Any:
        if self._api.name == "blocking":
            return list(client.render_many(["x"], folder, **soon))

        async def many() -> list[Any]:
            return [result async for result in client.render_many_async(["x"], folder, **soon)]

        import asyncio

        return asyncio.run(many())


def _record(record: logging.LogRecord) -> str:
    random = {"thread", "process"}
    fields = {name: value for name, value in vars(record).items() if name not in random}
    return f"{fields} {record.getMessage()}"


@pytest.fixture
def witness(api: ApiMode, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> Witness:
    return Witness(api, caplog, tmp_path)


#: The verbs, the statuses, and how many of the spellings: what reads an answer is the same for all of them.
VERBS: list[tuple[str, list[int], int]] = [
    ("get", [200, 400], 99),
    ("get", [202, 301, 401, 403, 404, 503], 1),
    ("generate", [200, 400], 99),
    ("generate", [202, 301, 401, 403, 404, 503], 1),
    ("wait", [200, 400], 2),
    ("watch", [202, 400], 2),
    ("edit", [200, 400], 2),
    ("extend", [200, 503], 2),
    ("download", [200, 400], 2),
    ("render", [200], 1),
    ("render_many", [400], 1),
]


@pytest.mark.parametrize(("verb", "statuses", "forms"), VERBS)
def test_a_key_repeated_by_the_service_is_redacted_everywhere(
    witness: Witness, server: Server, verb: str, statuses: list[int], forms: int
) -> None:
    leaks = []
    with witness.client(api_key=KEY, base_url=f"{server.origin}/v1") as client:
        for status in statuses:
            for name, reply in answers_of(status, KEY, forms):
                # To the query after a create, or to the create itself.
                for created in [ACCEPTED, reply] if verb.startswith("render") else [reply]:
                    server.created, server.asked = created, reply
                    if CORE in witness.sees(client, verb):
                        leaks.append((status, name))
    assert leaks == []


FILES: list[bytes] = [
    answer(200, f"bad key {KEY}, and a page that goes on for a while"),
    answer(200, f"<html>{KEY}</html>", content_type=f"text/html; key={KEY}"),
    answer(200, {"error": KEY}, content_type="application/json"),
    answer(200, f"0123 bad key is {KEY}".replace("0123 ", "")),
    answer(200, MP4, content_type=f"video/mp4; key={KEY}"),
    answer(302, location=f"http://127.0.0.1:1/{KEY}.mp4"),
    answer(302, location=f"http://{quote(KEY, safe='')}:{KEY}@127.0.0.1/"),
    answer(302, location=f"ftp://127.0.0.1/{KEY}"),
    answer(302, location=f"http://[{KEY}"),
    answer(302, location=f"/{KEY}"),
    answer(451, KEY),
    answer(500, KEY),
]


@pytest.mark.parametrize("link", ["/file.mp4", f"/{quote(KEY)}/file.mp4"])
@pytest.mark.parametrize("verb", ["download", "render", "render_many"])
def test_a_key_in_a_download_response_is_redacted_everywhere(
    witness: Witness, server: Server, verb: str, link: str
) -> None:
    server.asked = answer(200, {"status": "done", "video": {"url": link}})
    leaks = []
    with witness.client(api_key=KEY, base_url=f"{server.origin}/v1", max_retries=1) as client:
        for reply in FILES:
            server.file = reply
            if CORE in witness.sees(client, verb):
                leaks.append(reply)
    assert leaks == []


def test_a_link_that_holds_the_key_is_followed_and_not_shown(api: ApiMode, server: Server, tmp_path: Path) -> None:
    target = f"/file.mp4?key={quote(KEY, safe='')}"
    server.asked = answer(200, {"status": "done", "video": {"url": server.origin + target}})
    server.file = answer(200, MP4)
    with VideoClient(KEY, base_url=f"{server.origin}/v1", max_retries=0) as client:
        job = api(client, "get", "job-1")
        assert job.video.url == f"{server.origin}/file.mp4?key=***"
        assert api(client, "download", job, tmp_path / "a.mp4").bytes == len(MP4)
        assert api(client, "download", job.video, tmp_path / "b.mp4").bytes == len(MP4)
        api(client, "edit", "x", job)
        assert quote(KEY, safe="") in server.bodies[-1]
        assert api(client, "render", "x", tmp_path / "c.mp4", poll_interval=0.01).bytes == len(MP4)
    # Elsewhere only what is shown is known, and the job is asked once more.
    with VideoClient(KEY, base_url=f"{server.origin}/v1", max_retries=0) as client:
        kept = vidjob.VideoJob.from_dict(job.to_dict())
        with pytest.raises(vidjob.InvalidRequest, match="pass the job"):
            api(client, "download", kept.video, tmp_path / "e.mp4")
        assert api(client, "download", kept, tmp_path / "d.mp4").bytes == len(MP4)
    with VideoClient(KEY, base_url=f"{server.origin}/v1", max_retries=0) as client:
        api(client, "edit", "x", kept)
        assert quote(KEY, safe="") in server.bodies[-1]
    paths = {head.split(" ")[1] for head in server.heads}
    assert paths == {"/v1/videos/job-1", "/v1/videos/edits", "/v1/videos/generations", target}


def test_the_id_of_a_job_is_never_a_key(api: ApiMode, server: Server) -> None:
    server.created = answer(200, {"request_id": f"task-{KEY}"})
    with VideoClient(KEY, base_url=f"{server.origin}/v1", max_retries=0) as client:
        with pytest.raises(vidjob.SubmitUnknown, match=r"\*\*\*"):
            api(client, "generate", "x")
        server.heads.clear()
        for verb in ("get", "wait"):
            with pytest.raises(vidjob.InvalidRequest, match="the API key was passed as a job"):
                api(client, verb, f"task-{KEY}")
        assert server.heads == []


@pytest.mark.parametrize("key", ["k", "done", "status", "request_id", "200", "null", "5000"])
def test_a_short_key_does_not_corrupt_responses(api: ApiMode, server: Server, key: str) -> None:
    body = '{"request_id": "task_k", "status": "done" , "code": 200, "n": null, "video": {"url": "/k/k.mp4"}, '
    body += '"usage": {"cost_in_usd_ticks": 5000 }}'
    server.asked = answer(200, body)
    with VideoClient(key, base_url=f"{server.origin}/v1", max_retries=0) as client:
        job = api(client, "get", "task_k")
        assert (job.status, job.video.url, job.usage.cost_in_usd_ticks) == ("done", "/k/k.mp4", 5000)
        assert job.raw == json.loads(body)
        server.asked = answer(401, {"error": f"your key {key} is wrong"})
        with pytest.raises(vidjob.AuthenticationError, match=r"your key (\*\*\*|200|null|5000) is wrong"):
            api(client, "get", "task_k")


def test_the_command_line_redacts_a_key_repeated_by_the_service(
    cli: Cli, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path.parent / f"{tmp_path.name}.key"
    file.write_text(KEY)
    at = ["--base-url", f"{server.origin}/v1", "--api-key-file", str(file)]
    commands = [
        ["get", "job-1"],
        ["get", "job-1", "--json"],
        ["wait", "job-1", "--jsonl", "--timeout", "0.05"],
        ["download", "job-1", "--timeout", "0.05"],
        ["render", "x", "-o", "a.mp4", "--timeout", "0.05"],
    ]
    leaks = []
    for name, reply in answers_of(400, KEY, 1):
        for command in commands:
            server.asked = reply
            _, out, err = cli(*command, *at)
            if CORE in out + err:
                leaks.append((name, command, out, err))
    assert leaks == []


@pytest.mark.parametrize("verb", ["get", "generate"])
def test_a_secret_header_is_redacted_everywhere(witness: Witness, server: Server, verb: str) -> None:
    leaks = []
    headers = {"X-Token": f"Bearer {SIGNATURE}", "X-Team": "blue"}
    with witness.client(api_key=KEY, base_url=f"{server.origin}/v1", headers=headers) as client:
        for name, reply in [*answers_of(401, SIGNATURE), *answers_of(200, f"Bearer {SIGNATURE}")]:
            server.created = server.asked = reply
            if "9876543210" in witness.sees(client, verb):
                leaks.append(name)
    assert leaks == []


#: Secrets of digits, from the shortest one that is replaced.
NUMBERS = ["918273", "20261126", "1234567890123", "918273645546372819"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("where", ["key", "header", "cookie", "proxy"])
def test_a_numeric_secret_is_redacted_everywhere(witness: Witness, server: Server, where: str, number: str) -> None:
    settings: dict[str, Any] = {"api_key": KEY, "base_url": f"{server.origin}/v1"}
    if where == "key":
        settings["api_key"] = number
    elif where == "proxy":
        settings |= {"base_url": "http://api.example/v1", "proxy": server.origin.replace("//", f"//me:{number}@")}
    else:
        number = number.zfill(8)
        settings["headers"] = {"X-Pin": number} if where == "header" else {"Cookie": f"a=b; session={number}; c=d"}
    leaks = []
    # A short one stays where it is a part of an id or of an address.
    bodies = {name: body for name, body in BODIES.items() if len(number) > 8 or name not in {"id", "kept"}}
    with witness.client(**settings) as client:
        for verb, status in [("get", 200), ("get", 401), ("generate", 400), ("wait", 200)]:
            for name, body in bodies.items():
                server.created = server.asked = answer(status, body.replace("KEY", number))
                if number in witness.sees(client, verb):
                    leaks.append((verb, status, name))
    assert leaks == []


@pytest.mark.parametrize("key", NUMBERS)
def test_a_numeric_secret_does_not_corrupt_responses(api: ApiMode, server: Server, key: str) -> None:
    body = {"request_id": "job-1", "status": "done", "video": {"url": f"/{key[:8]}/a.mp4"}}
    usage = {"cost_in_usd_ticks": int(f"{key}0"), "other": int(key)}
    server.asked = answer(200, {**body, "usage": usage})
    with VideoClient(key, base_url=f"{server.origin}/v1", max_retries=0) as client:
        job = api(client, "get", "job-1")
    assert (job.status, job.video.url) == ("done", body["video"]["url"])  # type: ignore[index]
    assert job.raw["usage"]["cost_in_usd_ticks"] == int(f"{key}0")
    assert job.raw["usage"]["other"] == ("***" if len(key) > 8 else int(key))


@pytest.mark.parametrize("in_environment", [False, True])
def test_a_proxy_password_is_redacted_everywhere(
    witness: Witness, server: Server, monkeypatch: pytest.MonkeyPatch, *, in_environment: bool
) -> None:
    user, password = "me", quote(PHRASE, safe="")
    proxy = server.origin.replace("http://", f"http://{user}:{password}@")
    settings: dict[str, Any] = {} if in_environment else {"proxy": proxy}
    if in_environment:
        monkeypatch.setenv("http_proxy", proxy)
    sent = base64.b64encode(f"{user}:{PHRASE}".encode()).decode()
    leaks = []
    with witness.client(api_key=KEY, base_url="http://api.example/v1", **settings) as client:
        for secret in (PHRASE, sent):
            for name, reply in answers_of(407, secret):
                server.asked = reply
                told = witness.sees(client, "get")
                if "9876543210" in told or sent in told:
                    leaks.append(name)
        assert sent in server.heads[0]
    assert leaks == []


def test_addresses_are_shown_without_their_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        "https://me:PASSWORD@a.example/v1",
        "https://me:PASS?WORD@a.example/v1",
        "https://me:PASSWORD@a.example:port/v1",
        "https://me:PASSWORD@a exa.mple/v1",
        "me:PASSWORD@a.example:port",
    ):
        wrong: list[dict[str, Any]] = [{"base_url": address}, {"proxy": address.replace("https", "ftp")}]
        for settings in wrong:
            with pytest.raises(vidjob.ConfigurationError) as caught:
                VideoClient(KEY, **settings)
            assert "WORD" not in shown(caught.value)
            assert "a.example" in str(caught.value) or "a exa.mple" in str(caught.value)
        monkeypatch.setenv("HTTPS_PROXY", address.replace("https", "ftp"))
        with pytest.raises(vidjob.ConfigurationError, match="HTTPS_PROXY") as caught:
            VideoClient(KEY, base_url="https://api.example/v1")
        assert "WORD" not in shown(caught.value)
        monkeypatch.delenv("HTTPS_PROXY")
