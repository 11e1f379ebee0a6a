"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, OFTEN, POSIX, Cli, Run, begin
from vidjob import RenderResult, Simulator, VideoClient, VideoJob
from vidjob.cli import commands, demo, doctor, main

ID = "f5f35814-953e-b094-5a2c-4a90014a58cb"
DONE = {"status": "done", "video": {"url": "https://a.example/v.mp4", "duration": 8}, "model": "m"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDJOB_DEBUG", raising=False)


@pytest.fixture
def job(client: VideoClient) -> VideoJob:
    return client.wait(client.generate("a candle", duration=5), poll_interval=0.05)


# ---- the commands ----------------------------------------------------------------------------


def test_get(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("get", body=json.dumps({**DONE, "usage": {"cost_in_usd_ticks": 4_125_000_000}}))
    code, out, err = cli("get", ID, *at)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"request_id  {ID}",
        "status      done",
        "progress    100%",
        "model       m",
        "seconds     8",
        "cost        0.4125 USD",
        "video       https://a.example/v.mp4",
    ]


def test_get_tells_of_a_failed_job(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("get", body=json.dumps({"status": "failed", "error": {"code": "c", "message": "a\x1b[2J\nb"}}))
    code, out, _ = cli("get", ID, *at)
    assert code == 0
    assert out.splitlines()[-1] == "error       c: a [2J b"


def test_get_json(cli: Cli, at: list[str], job: VideoJob) -> None:
    code, out, _ = cli("get", job.request_id, "--json", *at)
    assert code == 0
    assert VideoJob.from_dict(json.loads(out)) == job


def test_wait(cli: Cli, at: list[str], simulator: Simulator, client: VideoClient) -> None:
    request_id = client.generate("a candle").request_id
    simulator.respond("get", body=json.dumps({"request_id": request_id}))
    simulator.advance(60)
    code, out, err = cli("wait", request_id, *OFTEN, *at)
    assert code == 0
    assert "status      done" in out
    assert [line.split()[:2] for line in err.splitlines()] == [[request_id[:8], "pending"], [request_id[:8], "done"]]
    assert cli("wait", request_id, "-q", *at)[2] == ""


def test_wait_jsonl(cli: Cli, at: list[str], client: VideoClient) -> None:
    request_id = client.generate("a candle").request_id
    code, out, _ = cli("wait", request_id, *OFTEN, "--jsonl", *at)
    *events, result = map(json.loads, out.splitlines())
    assert code == 0
    assert {"request", "status"} == {event["event"] for event in events}
    assert result.pop("event") == "result"
    assert VideoJob.from_dict(result).request_id == request_id


def test_download(cli: Cli, at: list[str], job: VideoJob) -> None:
    code, out, err = cli("download", job.request_id, *at)
    file = Path(f"{job.request_id}.mp4")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert code == 0
    assert out.splitlines()[0] == f"file    {file}"
    assert out.splitlines()[2] == f"sha256  {sha256}"
    assert err.splitlines()[-1].split()[1] == "downloaded"
    code, out, _ = cli("download", job.request_id, "-o", "b.mp4", "--json", "-q", *at)
    assert json.loads(out)["sha256"] == sha256


def test_download_waits_for_a_job_that_is_not_over(cli: Cli, at: list[str], client: VideoClient) -> None:
    request_id = client.generate("a candle").request_id
    assert cli("download", request_id, "-o", "a.mp4", *OFTEN, *at)[0] == 0
    assert Path("a.mp4").is_file()


def test_download_spares_what_is_there(cli: Cli, at: list[str], job: VideoJob, simulator: Simulator) -> None:
    Path("a.mp4").write_text("mine")
    asked = len(simulator.requests)
    code, out, err = cli("download", job.request_id, "-o", "a.mp4", *at)
    assert (code, out) == (2, "")
    whole = Path("a.mp4").absolute()
    assert err == f"error: {whole} exists already; pass --overwrite to replace it (job {job.request_id})\n"
    assert len(simulator.requests) == asked
    assert cli("download", job.request_id, "-o", "a.mp4", "--overwrite", *at)[0] == 0


def test_render(cli: Cli, at: list[str], simulator: Simulator) -> None:
    code, out, err = cli(
        *["render", "a candle", "-o", "candle.mp4", "--duration", "5", "--aspect-ratio", "9:16"],
        *["--resolution", "720p", "--model", "grok-imagine-video", "--user", "u1", "--extra", '{"seed": 7}'],
        *OFTEN,
        *at,
    )
    assert code == 0
    (bought,) = simulator.accepted
    assert bought["body"] == {
        "prompt": "a candle",
        "duration": 5,
        "aspect_ratio": "9:16",
        "resolution": "720p",
        "model": "grok-imagine-video",
        "user": "u1",
        "seed": 7,
    }
    assert [line.split(maxsplit=1)[0] for line in out.splitlines()] == ["file", "size", "sha256", "request_id", "cost"]
    assert out.splitlines()[-1] == "cost        0.35 USD"
    assert [line.split()[1] for line in err.splitlines()] == ["pending", "done", "downloaded"]


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_render_for_machines(cli: Cli, at: list[str], form: str) -> None:
    code, out, err = cli("render", "a candle", "-o", "a.mp4", form, "-q", *OFTEN, *at)
    assert (code, err) == (0, "")
    lines = [out] if form == "--json" else out.splitlines()
    assert RenderResult.from_dict(json.loads(lines[-1])).ok
    if form == "--jsonl":
        kinds = [json.loads(line)["event"] for line in lines]
        assert kinds[:2] == ["request", "accepted"]
        assert kinds[-2:] == ["download", "result"]


# ---- how it ends -----------------------------------------------------------------------------


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
def test_2_a_key_does_not_belong_here(cli: Cli, words: list[str]) -> None:
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
    assert err == "error: no API key: set COMETAPI_KEY in the environment, or pass --api-key-file FILE\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "empty"), (b"\xff\xfe", "not text"), (b"two words", "not allowed in an API key")],
)
def test_4_a_bad_key_file(cli: Cli, tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    code, _, err = cli("get", ID, "--api-key-file", "key")
    assert code == 4
    assert words in err
    assert "two words" not in err


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
    assert err == f"error: {Path('a.mp4').absolute()} exists already; pass --overwrite to replace it\n"
    assert simulator.accepted == []


def test_1_no_such_job(cli: Cli, at: list[str]) -> None:
    code, _, err = cli("wait", ID, *at)
    assert code == 1
    assert len(err.splitlines()) == 1


def test_1_unexpected(cli: Cli, at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
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


# ---- signals, pipes, terminals ---------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Simulator, list[str]]]:
    (tmp_path / "key").write_text(KEY)
    with Simulator(render_seconds=2.0, spread=0) as simulator:
        yield simulator, ["--base-url", simulator.base_url, "--api-key-file", "key"]


@POSIX
def test_130_interrupted(cli: Cli, slow: tuple[Simulator, list[str]]) -> None:
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
    request_id = simulator.accepted[0]["request_id"]
    *_, said, command = err.splitlines()
    assert said == "error: interrupted; the job is still running"
    assert command == f"to continue: vidjob download {request_id} -o 'a b.mp4' {shlex.join(at)}"
    assert "Traceback" not in err
    simulator.advance(60)
    assert cli(*shlex.split(command.partition(": vidjob ")[2]), *OFTEN)[0] == 0


@POSIX
def test_130_interrupted_during_a_create(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    with socket.create_server(("127.0.0.1", 0)) as server:
        base_url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        at = ["--base-url", base_url, "--api-key-file", "key"]
        with begin("render", "x", "-o", "a.mp4", *at) as process, server.accept()[0] as connection:
            assert connection.recv(4) == b"POST"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "error: interrupted; a create may have been sent: a job may exist and be billed\n"


@POSIX
def test_141_whoever_read_went_away(slow: tuple[Simulator, list[str]]) -> None:
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
def test_a_paid_file_is_kept_though_nobody_reads_the_events(slow: tuple[Simulator, list[str]]) -> None:
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


def on_a_terminal(*arguments: str, program: str = "", **environment: str) -> tuple[int, str, str]:
    """The command line with standard error on a pseudo-terminal."""
    import pty

    above, below = pty.openpty()
    command = f"{program}\nimport sys\nfrom vidjob.cli import main\nsys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=below,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment},
    ) as process:
        os.close(below)
        seen = bytearray()
        reader = threading.Thread(target=lambda: seen.extend(_read_all(above)))
        reader.start()
        assert process.stdout is not None
        out = process.stdout.read()
        code = process.wait(30)
        reader.join(30)
    os.close(above)
    return code, out, seen.decode()


def _read_all(descriptor: int) -> bytes:
    seen = b""
    try:
        while part := os.read(descriptor, 65536):
            seen += part
    except OSError:
        pass  # Linux says so that the other end is closed.
    return seen


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


def test_letters_that_the_output_cannot_take(
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


# ---- simulate --------------------------------------------------------------------------------


@POSIX
def test_simulate() -> None:
    arguments = ["--render-seconds", "0.1", "--key", "good", "--shape", "xai", "--seed", "3"]
    with begin("simulate", *arguments) as process:
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


def test_simulate_on_a_port_that_is_taken(cli: Cli, simulator: Simulator) -> None:
    port = simulator.base_url.split(":")[2].partition("/")[0]
    code, _, err = cli("simulate", "--port", port)
    assert code == 1
    assert err.startswith(f"error: port {port}: ")


def test_simulate_with_a_seed_out_of_range(cli: Cli) -> None:
    code, _, err = cli("simulate", "--seed", "-1")
    assert code == 2
    assert len(err.splitlines()) == 1


# ---- demo ------------------------------------------------------------------------------------


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
    monkeypatch.setattr(vidjob, "VideoClient", partial(VideoClient, KEY, base_url=simulator.base_url))
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


QUICK = "from vidjob.cli import demo; demo._RENDER_SECONDS = 1.0; demo._QUEUE_SECONDS = 0.1; demo._POLL_INTERVAL = 0.1"


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


# ---- doctor ----------------------------------------------------------------------------------


def checks(out: str) -> dict[str, tuple[str, str]]:
    return {check["check"]: (check["state"], check["detail"]) for check in json.loads(out)}


def test_doctor(cli: Cli, at: list[str]) -> None:
    code, out, err = cli("doctor", *at)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} <= {"ok", "warn"}
    assert out.splitlines()[-1].startswith("ok    network    the service responds and accepts the key")
    assert KEY not in out


def test_doctor_without_a_key(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json")
    assert code == 4
    assert checks(out)["key"][0] == "FAIL"
    assert "COMETAPI_KEY" in checks(out)["key"][1]
    assert checks(out)["network"] == ("warn", "not tried")


def test_doctor_offline(cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass@proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "user:p@ss@proxy.example:3128")
    monkeypatch.setenv("XAI_API_KEY", KEY)
    code, out, _ = cli("doctor", "--offline", "--json", *at)
    assert code == 0
    assert simulator.requests == []
    assert checks(out)["network"] == ("ok", "not tried")
    assert checks(out)["variables"][1] == "COMETAPI_KEY is not set, XAI_API_KEY is set"
    assert checks(out)["proxies"][1] == "HTTPS_PROXY=http://proxy.example:3128, ALL_PROXY=proxy.example:3128"
    assert KEY not in out


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [(404, "ok", 0), (400, "ok", 0), (401, "FAIL", 4), (403, "FAIL", 4), (429, "warn", 0), (500, "warn", 0)],
)
def test_doctor_reads_the_answer(
    cli: Cli, at: list[str], simulator: Simulator, status: int, state: str, expected: int
) -> None:
    simulator.respond("get", status=status, body='{"error": "words"}')
    code, out, _ = cli("doctor", "--json", *at)
    assert (code, checks(out)["network"][0]) == (expected, state)
    assert len(simulator.requests) == 1


def test_doctor_finds_nobody(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.close()
    code, out, _ = cli("doctor", "--json", *at)
    assert (code, checks(out)["network"][0]) == (1, "FAIL")


def test_doctor_does_not_hang(cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._TIMEOUT <= 15
    monkeypatch.setattr(doctor, "_TIMEOUT", 0.2)
    simulator.inject("hang", on="get", seconds=30)
    code, out, _ = cli("doctor", "--json", *at)
    assert (code, checks(out)["network"][0]) == (1, "FAIL")


def test_doctor_finds_what_is_set_up_badly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDJOB_BASE_URL", "nonsense")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    monkeypatch.setattr(vidjob, "__version__", "0.0.0")
    code, out, _ = cli("doctor", "--json")
    assert code == 4
    told = {name: state for name, (state, _) in checks(out).items() if state != "ok"}
    assert told == {"version": "warn", "base URL": "FAIL", "SSL_CERT_FILE": "FAIL", "key": "FAIL", "network": "warn"}


# ---- generate, edit, extend ------------------------------------------------------------------

MEDIA = Path(__file__).parent / "media"
PNG, CLIP = str(MEDIA / "picture.png"), str(MEDIA / "h264.mp4")
NEW = "grok-imagine-video-1.5"


def data_uri(kind: str, path: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


IMAGE = {"url": data_uri("image/png", PNG)}
VIDEO = {"url": data_uri("video/mp4", CLIP)}

#: (command line, path, the JSON that is sent)
CREATES: list[tuple[list[str], str, dict[str, Any]]] = [
    (["generate", "x"], "generations", {"prompt": "x"}),
    (["generate", "--image", PNG], "generations", {"image": IMAGE}),
    (
        ["generate", "x", "--image", "https://a.example/i.png", "--duration", "3", "--aspect-ratio", "1:1"],
        "generations",
        {"prompt": "x", "image": {"url": "https://a.example/i.png"}, "duration": 3, "aspect_ratio": "1:1"},
    ),
    (
        ["generate", "x", "--reference", PNG, "--reference", "file-id:file-1", "--resolution", "720p", "--user", "u"],
        "generations",
        {"prompt": "x", "reference_images": [IMAGE, {"file_id": "file-1"}], "resolution": "720p", "user": "u"},
    ),
    (
        ["generate", "x", "--model", NEW, "--voice", "ara", "--voice", "https://a.example/v.wav", "--no-audio"],
        "generations",
        {
            "prompt": "x",
            "model": NEW,
            "reference_audios": [{"voice_id": "ara"}, {"url": "https://a.example/v.wav"}],
            "generate_audio": False,
        },
    ),
    (
        ["generate", "x", "--model", NEW, "--last-frame", PNG, "--keyframe", f"2.5={PNG}"],
        "generations",
        {"prompt": "x", "model": NEW, "last_frame": IMAGE, "keyframes": [{"image": IMAGE, "timestamp_s": 2.5}]},
    ),
    (
        ["generate", "x", "--upload-url", "https://a.example/put", "--extra", '{"seed": 7}'],
        "generations",
        {"prompt": "x", "output": {"upload_url": "https://a.example/put"}, "seed": 7},
    ),
    (
        ["generate", "x", "--store-as", "a.mp4", "--store-for", "3600", "--public-url", "--public-url-for", "7200"],
        "generations",
        {
            "prompt": "x",
            "storage_options": {"filename": "a.mp4", "expires_after": 3600, "public_url": {"expires_after": 7200}},
        },
    ),
    (["edit", "a hat", "--video", CLIP], "edits", {"prompt": "a hat", "video": VIDEO}),
    (
        ["extend", "on", "--video", "https://a.example/v.mp4", "--duration", "4"],
        "extensions",
        {"prompt": "on", "video": {"url": "https://a.example/v.mp4"}, "duration": 4},
    ),
]


@pytest.mark.parametrize(("line", "path", "body"), CREATES)
def test_creates(
    cli: Cli, at: list[str], simulator: Simulator, line: list[str], path: str, body: dict[str, Any]
) -> None:
    code, out, err = cli(*line, *at)
    assert code == 0
    [entry] = simulator.accepted
    assert (entry["operation"], entry["body"]) == (path, body)
    assert out.splitlines() == [f"request_id  {entry['request_id']}", "status      pending"]
    assert err.splitlines()[-1] == f"to save it: vidjob download {entry['request_id']} {shlex.join(at)}"
    code, out, _ = cli("render", *line[1:], "--operation", line[0], *OFTEN, "-o", "a.mp4", *at)
    if "--upload-url" in line:
        assert code == 2
    else:
        assert (code, simulator.accepted[-1]["body"]) == (0, body)


def test_creates_as_json(cli: Cli, at: list[str], simulator: Simulator) -> None:
    code, out, _ = cli("generate", "x", "--json", *at)
    assert code == 0
    assert VideoJob.from_dict(json.loads(out)).request_id == simulator.accepted[0]["request_id"]


@pytest.mark.parametrize("command", ["edit", "extend"])
def test_an_earlier_job_as_source(
    cli: Cli, at: list[str], simulator: Simulator, client: VideoClient, job: VideoJob, command: str
) -> None:
    assert cli(command, "on", "--job", job.request_id, *at)[0] == 0
    assert job.video is not None
    assert simulator.accepted[-1]["body"] == {"prompt": "on", "video": {"url": job.video.url}}
    assert cli("render", "on", "--job", job.request_id, "-o", "a.mp4", *OFTEN, *at)[0] == 0
    assert simulator.accepted[-1]["operation"] == "edits"


@pytest.mark.parametrize(("line", "path", "body"), CREATES)
def test_dry_run_needs_no_key(cli: Cli, line: list[str], path: str, body: dict[str, Any]) -> None:
    code, out, err = cli(*line, "--dry-run")
    assert (code, err) == (0, f"nothing is sent; this would go to /videos/{path}\n")
    shown = json.loads(out)
    assert shown.keys() == body.keys()
    assert len(out) < 600
    if body.get("image") == IMAGE:
        assert shown["image"] == {"url": f"data:image/png;base64,… ({Path(PNG).stat().st_size} bytes)"}
    else:
        assert "base64,iVBOR" not in out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["generate"], "prompt is missing"),
        (["generate", "x", "--image", "none.png"], "none.png cannot be read"),
        (["generate", "x", "--image", __file__], "is plain text; expected a JPEG"),
        (["generate", "x", "--duration", "16"], "1 to 15"),
        (["generate", "x", "--resolution", "1080p"], "--model grok-imagine-video-1.5"),
        (["generate", "x", "--keyframe", PNG], "like 2.5=frame.png"),
        (["generate", "x", "--store-for", "3600"], "--store-as"),
        (["generate", "x", "--store-as", "a", "--public-url-for", "3600"], "--public-url"),
        (["edit", "x"], "--video --job"),
        (["edit", "x", "--video", CLIP, "--job", ID], "not allowed with"),
        (["edit", "x", "--video", PNG], "a PNG image; expected an MP4 video"),
        (["extend", "x", "--video", CLIP, "--duration", "11"], "1 to 10"),
        (["render", "x", "-o", "a.mp4", "--video", CLIP, "--duration", "5"], "takes its duration from its source"),
        (["render", "x", "--operation", "extend", "-o", "a.mp4"], "video is missing"),
        (["render", "x"], "-o/--output"),
    ],
)
def test_2_mistakes_in_creates(cli: Cli, at: list[str], simulator: Simulator, line: list[str], words: str) -> None:
    code, out, err = cli(*line, *at)
    assert (code, out) == (2, "")
    assert words in err
    assert simulator.requests == []


@pytest.mark.parametrize("arguments", [["--image", "~nosuchuser/x.png"], ["--keyframe", "2=~nosuchuser/x.png"]])
def test_a_home_that_does_not_exist(run_python: Run, arguments: list[str]) -> None:
    program = "import sys; from vidjob.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run_python(program, "generate", "x", *arguments, "--dry-run")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_a_keyframe_without_a_picture(run_python: Run) -> None:
    program = "import sys; from vidjob.cli import main; sys.exit(main(sys.argv[1:]))"
    model = ["--model", "grok-imagine-video-1.5"]
    done = run_python(program, "generate", "x", "--keyframe", "2", *model, "--dry-run")
    assert "SECONDS=PATH" in done.stderr
