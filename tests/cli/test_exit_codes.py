"""How the command line ends: exit codes, and what it says to do next."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

import vidjob
from cli_values import ID
from support import OFTEN, POSIX, Cli
from terminal import typed_on_a_terminal
from vidjob import Simulator, VideoClient
from vidjob.cli import commands


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["nothing"], "invalid choice"),
        (["get"], "ID"),
        (["get", ID, "--time", "5"], "--time"),
        (["get", ID, "--timeout", "0"], "not a number above 0"),
        (["wait", ID, "--json", "--jsonl"], "not allowed with"),
        (["render", "x"], "--output"),
        (["render", "x", "-o", "a.mp4", "--extra", "["], "not JSON"),
        (["render", "x", "-o", "a.mp4", "--extra", "[]"], "not a JSON object"),
        (["simulate", "--port", "65536"], "not a port"),
        (["simulate", "--shape", "round"], "invalid choice"),
        (["simulate", "--render-seconds", "nan"], "not a number above 0"),
    ],
)
def test_2_usage(cli: Cli, arguments: list[str], words: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert words in first
    assert second.startswith("try: vidjob")


@pytest.mark.parametrize(
    "arguments",
    [
        ["render", "x", "-o", "a.mp4", "--duration", "99"],
        ["get", "../x"],
        ["wait", ID, "--timeout", "-1"],
        ["wait", ID, "--poll-interval", "0"],
    ],
)
def test_2_refused_before_anything_is_sent(cli: Cli, at: list[str], simulator: Simulator, arguments: list[str]) -> None:
    code, out, err = cli(*arguments, *at)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert simulator.requests == []


@pytest.mark.parametrize("words", [["--api-key", "sk-secret"], ["--api-key=sk-secret"], ["--apikey", "sk-secret"]])
def test_2_a_key_on_the_command_line_is_refused(cli: Cli, words: list[str]) -> None:
    for arguments in ([*words, "get", ID], ["get", ID, *words]):
        code, out, err = cli(*arguments)
        assert (code, out) == (2, "")
        assert "--api-key-file" in err
        assert "sk-secret" not in err


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"status": "failed", "error": "boiler"}, "JobFailed"),
        (200, {"status": "expired"}, "JobExpired"),
        (400, {"code": "imagine:content-moderated", "error": "no"}, "JobBlocked"),
    ],
)
@pytest.mark.parametrize("command", ["wait", "download"])
def test_3_the_job_failed(
    cli: Cli, at: list[str], simulator: Simulator, command: str, status: int, body: Any, kind: str
) -> None:
    for _ in range(3):
        simulator.respond("get", status=status, body=json.dumps(body))
    code, out, err = cli(command, ID, "-q", *at)
    assert (code, out) == (3, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1  # there is nothing to continue
    error = json.loads(cli(command, ID, "-q", "--json", *at)[1])["error"]
    assert (error["type"], error["request_id"]) == (kind, ID)
    last = json.loads(cli(command, ID, "-q", "--jsonl", *at)[1].splitlines()[-1])
    assert (last["event"], last["error"]["type"]) == ("error", kind)


def test_4_no_key(cli: Cli) -> None:
    code, out, err = cli("get", ID)
    assert (code, out) == (4, "")
    assert err.startswith("error: no API key: set COMETAPI_KEY in the environment, or pass --api-key-file FILE;")
    assert err.endswith("; vidjob demo works without one\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b"\xff\xfe", "not text"),
        (b"two words", "not allowed in an API key"),
    ],
)
def test_4_a_bad_key_file(cli: Cli, tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    code, _, err = cli("get", ID, "--api-key-file", "key")
    assert code == 4
    assert words in err
    assert "two words" not in err


def stdin_with(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


@pytest.mark.parametrize("content", [b"good", b"good\n", b"\xef\xbb\xbfgood\r\n"])
def test_the_key_can_come_from_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    with Simulator(api_key="good", render_seconds=0.02) as simulator:
        for command in (["render", "x", "-o", "a.mp4", *OFTEN], ["doctor"]):
            monkeypatch.setattr("sys.stdin", stdin_with(content))
            code, _, err = cli(*command, "--base-url", simulator.base_url, "--api-key-file", "-")
            assert code == 0, err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no standard input"),
        (b"", "the key on standard input is empty"),
        (b"\xff\xfe", "the key on standard input cannot be read: it is not text"),
        (b"two words", "not allowed in an API key"),
    ],
)
def test_4_a_bad_key_on_standard_input(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    monkeypatch.setattr("sys.stdin", None if content is None else stdin_with(content))
    code, _, err = cli("get", ID, "--api-key-file", "-")
    assert code == 4
    assert words in err
    assert "two words" not in err


@POSIX
@pytest.mark.parametrize(("typed", "expected"), [(b"good\n", 0), (b"bad\n", 4), (b"\n", 4), (b"\x04", 4)])
def test_a_key_that_is_typed_is_not_shown(typed: bytes, expected: int) -> None:
    with Simulator(api_key="good", render_seconds=0.02) as simulator:
        arguments = ["render", "x", "-o", "a.mp4", *OFTEN, "--base-url", simulator.base_url, "--api-key-file", "-"]
        code, seen = typed_on_a_terminal(typed, *arguments)
    assert code == expected, seen
    assert "API key: " in seen
    assert not {"good", "bad"} & set(seen.split())


@pytest.mark.parametrize("more", [["-o", "x"], ["--dry-run"]])
def test_2_rows_and_key_cannot_both_come_from_standard_input(cli: Cli, more: list[str]) -> None:
    code, out, err = cli("batch", "-", *more, "--api-key-file", "-")
    assert (code, out) == (2, "")
    assert err.startswith("error: the rows and the key cannot both be read from standard input")


def test_no_key_is_needed_for_a_simulator_and_none_of_the_environment_is_sent_there(
    cli: Cli, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-real")
    monkeypatch.setenv("XAI_API_KEY", "xai-real")
    monkeypatch.setenv("VIDJOB_BASE_URL", simulator.base_url)
    assert cli("render", "x", "-o", "a.mp4", *OFTEN)[0] == 0
    assert {request["headers"]["authorization"] for request in simulator.requests} == {"Bearer simulator"}


def test_4_a_simulator_that_wants_a_key_says_that_none_was_given(cli: Cli) -> None:
    with Simulator(api_key="good") as simulator:
        code, _, err = cli("get", ID, "--base-url", simulator.base_url)
    assert code == 4
    assert 'no key was given, so the placeholder "simulator" was sent' in err


@pytest.mark.parametrize("status", [401, 403])
def test_4_the_key_is_refused(cli: Cli, at: list[str], simulator: Simulator, status: int) -> None:
    simulator.respond("get", status=status, body='{"error": "no"}')
    code, _, err = cli("wait", ID, *at)
    assert code == 4
    assert len(err.splitlines()) == 1


def test_5_no_money_left(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("create", status=402, body='{"error": "insufficient balance"}')
    assert cli("render", "x", "-o", "a.mp4", *at)[0] == 5


@pytest.mark.parametrize("command", ["wait", "download"])
def test_6_still_pending(cli: Cli, at: list[str], simulator: Simulator, command: str) -> None:
    simulator.respond("get", body='{"status": "processing"}')
    code, out, err = cli(command, ID, "--timeout", "0", *at)
    assert (code, out) == (6, "")
    assert "error: job" in err
    end = shlex.join(at)
    kept = f" -o {ID}.mp4" if command == "download" else ""
    assert err.splitlines()[-1] == f"to continue: vidjob {command} {ID}{kept} {end}"


def test_6_the_command_that_continues_a_render_does(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.pause()
    code, _, err = cli("render", "x", "-o", "two words.mp4", "--timeout", "0", *at)
    assert code == 6
    simulator.advance(60)
    command = shlex.split(err.splitlines()[-1].partition("to continue: ")[2])
    assert command[0] == "vidjob"
    assert cli(*command[1:], *OFTEN)[0] == 0
    assert Path("two words.mp4").is_file()
    assert len(simulator.accepted) == 1


def test_1_a_create_whose_answer_was_lost(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("lost_response", on="create")
    code, _, err = cli("render", "x", "-o", "a.mp4", *at)
    assert code == 1
    assert "a job may exist and be billed" in err
    assert len(err.splitlines()) == 1


def test_1_a_file_that_does_not_arrive(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("wrong_type", on="download", times=1)
    code, _, err = cli("render", "x", "-o", "a.mp4", "-q", *OFTEN, *at)
    assert code == 1
    first, second = err.splitlines()
    assert first.startswith("error: ")
    said, _, command = second.partition(": ")
    assert said == "the video is paid for; to download it"
    assert cli(*shlex.split(command)[1:])[0] == 0
    assert Path("a.mp4").is_file()


def test_2_nothing_is_bought_for_a_file_that_cannot_be_kept(cli: Cli, at: list[str], simulator: Simulator) -> None:
    Path("a.mp4").write_text("mine")
    code, _, err = cli("render", "x", "-o", "a.mp4", *at)
    assert code == 2
    assert err == f"error: {Path('a.mp4').absolute()} already exists; pass --overwrite to replace it\n"
    assert simulator.accepted == []


def test_1_no_such_job(cli: Cli, at: list[str]) -> None:
    code, _, err = cli("wait", ID, *at)
    assert code == 1
    assert len(err.splitlines()) == 1


def test_1_unexpected_exception(cli: Cli, at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object, **__: object) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.setattr(VideoClient, "get", burst)
    assert cli("get", ID, *at) == (1, "", "error: RuntimeError: a b\nset VIDJOB_DEBUG=1 for a traceback\n")
    monkeypatch.setenv("VIDJOB_DEBUG", "1")
    assert "Traceback" in cli("get", ID, *at)[2]


def test_0_help_and_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"vidjob {vidjob.__version__}\n", "")
    code, out, _ = cli("--help")
    assert code == 0
    for command in commands.COMMANDS:
        assert command.summary in out
        assert cli(command.name, "--help")[0] == 0
