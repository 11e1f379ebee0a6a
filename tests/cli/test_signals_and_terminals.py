"""Ctrl-C, closed pipes, full disks and terminals."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_values import DONE, ID
from support import KEY, OFTEN, POSIX, Cli, Run, begin
from terminal import on_a_terminal
from vidjob import Simulator
from vidjob.cli import main


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Simulator, list[str]]]:
    (tmp_path / "key").write_text(KEY)
    with Simulator(render_seconds=0.3) as simulator:
        yield simulator, ["--base-url", simulator.base_url, "--api-key-file", "key"]


@POSIX
def test_sigint_exits_130(cli: Cli, slow: tuple[Simulator, list[str]]) -> None:
    simulator, at = slow
    simulator.pause()
    with begin("render", "x", "-o", "a b.mp4", "--jsonl", *at) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while '"accepted"' not in (line := process.stdout.readline()):
            assert line, "it ended before the job was accepted"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        err = process.stderr.read()
    *_, said, command = err.splitlines()
    assert said == "error: interrupted; the job is still running"
    # The same command waits for the job that exists, and the journal records it.
    assert command == f"to continue: vidjob render x -o 'a b.mp4' --jsonl {shlex.join(at)}"
    assert "Traceback" not in err
    simulator.advance(60)
    assert cli(*shlex.split(command.partition(": vidjob ")[2]), *OFTEN)[0] == 0


@POSIX
def test_sigint_during_a_create_exits_130(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        base_url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        at = ["--base-url", base_url, "--api-key-file", "key"]
        with begin("render", "x", "-o", "a.mp4", *at) as process, server.accept()[0] as connection:
            assert connection.recv(4) == b"POST"
            assert process.stderr is not None
            process.send_signal(signal.SIGINT)
            err = process.stderr.readline()
            # The process stays for some seconds in case the answer comes.
            connection.close()
            err += process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert err == "error: interrupted; a create may have been sent: a job may exist and be billed\n"


@POSIX
def test_closed_output_pipe_exits_141(slow: tuple[Simulator, list[str]]) -> None:
    _, at = slow
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "vidjob", "doctor", "--offline", *at],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=20,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")


@POSIX
def test_a_render_is_saved_when_the_output_pipe_is_closed(slow: tuple[Simulator, list[str]]) -> None:
    _, at = slow
    with begin("render", "x", "-o", "a.mp4", "--jsonl", "-q", "--poll-interval", "0.2", *at) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""
    assert Path("a.mp4").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk(slow: tuple[Simulator, list[str]]) -> None:
    _, at = slow
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "vidjob", "doctor", "--offline", *at],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=20,
        )
    assert process.returncode == 1
    assert process.stderr.startswith("error: the output cannot be written: ")
    assert len(process.stderr.splitlines()) == 1


@POSIX
def test_a_bar_on_a_terminal(slow: tuple[Simulator, list[str]]) -> None:
    simulator, at = slow
    for _ in range(2):
        simulator.respond("get", body='{"status": "processing", "progress": 50}')
    simulator.advance(60)
    code, out, seen = on_a_terminal("render", "x", "-o", "a.mp4", "--poll-interval", "0.3", *at)
    assert code == 0
    assert out.startswith("file ")
    frames = seen.split("\r")
    assert any("processing" in frame and "%|█" in frame for frame in frames)
    assert re.search(r"downloaded  100%\|█+\|", seen)
    assert seen.endswith("\n")
    assert seen.count("\n") == 1


@POSIX
@pytest.mark.parametrize(
    ("environment", "begins"),
    [({}, "\x1b[1;31merror:\x1b[0m "), ({"NO_COLOR": "1"}, "error: "), ({"TERM": "dumb"}, "error: ")],
)
def test_colours(environment: dict[str, str], begins: str) -> None:
    code, _, seen = on_a_terminal("get", ID, **environment)
    assert code == 4
    assert seen.startswith(begins)


def test_without_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["get", ID]) == 4


def test_output_is_escaped_for_narrow_encodings(
    at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.respond("get", body=json.dumps({**DONE, "model": "żółw"}))
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken, encoding="ascii"))
    assert main(["get", ID, *at]) == 0
    assert b"model       \\u017c\\xf3\\u0142w" in taken.getvalue()


def test_importing_vidjob_does_not_import_this(run_python: Run) -> None:
    program = "import sys, vidjob; print([name for name in sys.modules if name in ('vidjob.cli', 'vidjob.progress')])"
    assert run_python(program).stdout == "[]\n"
