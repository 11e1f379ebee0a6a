"""The simulator and the demonstration on the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

import vidjob
from support import POSIX, Cli, begin, quick_client
from terminal import on_a_terminal
from vidjob import RenderResult, Simulator, VideoClient
from vidjob.cli import demo


@contextmanager
def simulating(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``vidjob simulate``, which never ends by itself."""
    with begin("simulate", *arguments) as process:
        try:
            yield process
        finally:
            process.kill()


@POSIX
def test_simulate() -> None:
    arguments = ["--render-seconds", "0.1", "--key", "good", "--shape", "xai", "--seed", "3"]
    with simulating(*arguments) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        with VideoClient("good", base_url=base_url) as client:
            job = client.wait(client.generate("a candle"), poll_interval=0.05)
        with VideoClient("bad", base_url=base_url) as client, pytest.raises(vidjob.AuthenticationError):
            client.get(job)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "test patterns" in err
    assert "Traceback" not in err


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs a line in a shell that knows no key, with ``vidjob`` on its path."""
    program = tmp_path / "bin" / "vidjob"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -W error -m vidjob "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("VIDJOB_POLL_INTERVAL", "0.02")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)

    return run


@POSIX
@pytest.mark.parametrize("key", [None, "good", "a'b\"c$d`e", r"a\nb\\", "-n", "#", "*"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_line_that_simulate_prints_works_in_another_terminal(
    shell: Callable[[str], subprocess.CompletedProcess[str]], key: str | None, form: str
) -> None:
    options = [] if key is None else [f"--key={key}"]
    options += ["--json"] if form == "json" else []
    with simulating("--render-seconds", "0.05", *options) as process:
        assert process.stderr is not None
        _, _, line = (process.stderr.readline().strip() for _ in range(3))
        for _ in range(2):
            rendered = shell(line)
            assert rendered.returncode == 0, rendered.stderr
            assert Path("simulated.mp4").read_bytes()[4:8] == b"ftyp"
            Path("simulated.mp4").write_bytes(b"")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    base_url = re.findall(r"http://127\.0\.0\.1:\d+/grok/v1", line)[0]
    if form == "json":
        assert json.loads(out) == {"base_url": base_url, "command": line}
    else:
        assert out == f"{base_url}\n"


@POSIX
def test_simulate_prints_nothing_but_the_address_when_quiet() -> None:
    with simulating("-q") as process:
        assert process.stdout is not None
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/grok/v1\n", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")


@pytest.mark.parametrize("key", ["", "two words", "schlüssel"])
def test_simulate_with_a_key_that_no_client_can_send(cli: Cli, key: str) -> None:
    code, out, err = cli("simulate", "--key", key)
    assert (code, out) == (2, "")
    assert err.startswith("error: --key must consist of visible ASCII characters")


def test_simulate_on_a_port_that_is_taken(cli: Cli, simulator: Simulator) -> None:
    port = simulator.base_url.split(":")[2].partition("/")[0]
    code, _, err = cli("simulate", "--port", port)
    assert code == 1
    assert err.startswith(f"error: port {port}: ")


def test_simulate_with_a_seed_out_of_range(cli: Cli) -> None:
    code, _, err = cli("simulate", "--seed", "-1")
    assert code == 2
    assert len(err.splitlines()) == 1


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_RENDER_SECONDS", 0.3)
    monkeypatch.setattr(demo, "_QUEUE_SECONDS", 0.1)
    monkeypatch.setattr(demo, "_POLL_INTERVAL", 0.05)


@pytest.mark.usefixtures("_quick")
def test_demo(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    # Were any of these read, nothing would work.
    monkeypatch.setenv("COMETAPI_KEY", "not a key")
    monkeypatch.setenv("VIDJOB_BASE_URL", "nonsense")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for _ in range(2):
        code, out, err = cli("demo")
        assert code == 0
        assert "test patterns" in err
        assert "No key, no network, no cost" in err
        title, _, heading, *rows, _, total = out.splitlines()
        assert "test patterns from a simulator" in title
        assert heading.split()[0] == "file"
        assert "0.80 USD" in total
        for row in rows:
            name, *_, sha256 = row.split()
            assert hashlib.sha256((Path("vidjob-demo") / name).read_bytes()).hexdigest().startswith(sha256)
        assert len(rows) == len(list(Path("vidjob-demo").iterdir())) == 3


@pytest.mark.usefixtures("_quick")
def test_the_program_that_the_demo_shows_works(cli: Cli, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    err = cli("demo", "--output", "folder")[2]
    lines = err.rpartition("(this costs money):\n\n")[2].splitlines()
    assert len(lines) == 6
    monkeypatch.setattr(vidjob, "VideoClient", partial(quick_client, simulator))
    exec("\n".join(line[4:] for line in lines), {})  # noqa: S102
    assert Path("candle.mp4").is_file()
    assert Path("waves.mp4").is_file()


@pytest.mark.usefixtures("_quick")
def test_demo_json(cli: Cli) -> None:
    code, out, err = cli("demo", "--json", "-q", "--output", "a/b")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["simulated"] is True
    assert told["would_cost_usd"] == "0.8"
    assert all(RenderResult.from_dict(result).ok for result in told["results"])


def test_demo_where_no_folder_can_be(cli: Cli) -> None:
    Path("file").write_text("")
    code, _, err = cli("demo", "--output", "file")
    assert code == 2
    assert err.startswith("error: argument --output: file is a file, not a folder")


QUICK = "from vidjob.cli import demo; demo._RENDER_SECONDS = 0.4; demo._QUEUE_SECONDS = 0.1; demo._POLL_INTERVAL = 0.1"


@POSIX
def test_demo_redraws_three_rows_on_a_terminal() -> None:
    code, out, seen = on_a_terminal("demo", program=QUICK)
    assert code == 0
    assert "sha256" in out
    assert seen.count("\x1b[A\x1b[A") >= 3
    for name in ("candle", "waves ", "city  "):
        assert f"\r{name}  downloaded  100%" in seen


@POSIX
def test_demo_interrupted() -> None:
    with begin("demo") as process:
        assert process.stderr is not None
        while "pending" not in (line := process.stderr.readline()):
            assert line, "it ended before a job was accepted"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert list(Path("vidjob-demo").iterdir()) == []
