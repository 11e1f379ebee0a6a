"""Ctrl-C during a batch: what it keeps, and how to continue."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from typing import Any

import pytest

from cli_batches import orders, pairs
from support import OFTEN, POSIX, Cli, begin
from vidjob import Simulator, VideoClient
from vidjob.cli.batch_run import again, exit_of_run


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """What it says on standard error up to a line with these words."""
    assert process.stderr is not None
    said = ""
    while words not in said:
        line = process.stderr.readline()
        assert line, f"it ended, and said: {said}"
        said += line
    return said


def wait_until_bought(process: subprocess.Popen[str], simulator: Simulator, count: int) -> None:
    while len(simulator.accepted) < count:
        assert process.poll() is None
        time.sleep(0.01)


@POSIX
def test_first_sigint_finishes_jobs_under_way(cli: Cli, key: list[str]) -> None:
    with Simulator(render_seconds=0.05) as simulator:
        simulator.pause()
        service = ["--base-url", simulator.base_url, *key]
        words = ["batch", orders(4), "-o", "two words", "--concurrency", "2", *OFTEN, *service]
        with begin(*words) as process:
            wait_until_bought(process, simulator, 2)
            process.send_signal(signal.SIGINT)
            said = wait_for(process, "no more jobs are submitted")
            simulator.resume()
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said == "no more jobs are submitted; 2 running jobs will be saved; press Ctrl-C again to leave at once\n"
        assert pairs(out)["saved"] == "2"
        *_, reason, command = err.splitlines()
        assert reason == "error: interrupted"
        assert command == "to continue: " + shlex.join(["vidjob", *words])
        assert "Traceback" not in err
        assert len(simulator.accepted) == 2
        assert cli(*shlex.split(command.partition(": vidjob ")[2]))[0] == 0
        assert len(simulator.accepted) == 4


@POSIX
def test_second_sigint_leaves_at_once(cli: Cli, key: list[str]) -> None:
    with Simulator(render_seconds=60, spread=0) as simulator:
        service = ["--base-url", simulator.base_url, *key]
        with begin("batch", orders(4), "-o", "out", "--concurrency", "2", "--json", *OFTEN, *service) as process:
            wait_until_bought(process, simulator, 2)
            process.send_signal(signal.SIGINT)
            wait_for(process, "no more jobs are submitted")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert (json.loads(out)["saved"], json.loads(out)["stopped"]) == (0, "caller")
        *_, reason, command = err.splitlines()
        assert reason == "error: interrupted; 2 jobs are still running"
        assert command.startswith("to continue: vidjob batch rows.jsonl -o out ")
        assert "Traceback" not in err
        assert len(simulator.accepted) == 2
        assert [record["state"] for record in json.loads(cli("jobs", "out", "--json")[1])] == ["accepted"] * 2


@POSIX
def test_sigint_while_reading_standard_input(key: list[str]) -> None:
    with Simulator(render_seconds=0.2, spread=0) as simulator:
        service = ["--base-url", simulator.base_url, *key]
        with begin("batch", "-", "-o", "out", *OFTEN, *service, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write('{"prompt": "a"}\n')
            process.stdin.flush()
            wait_until_bought(process, simulator, 1)
            process.send_signal(signal.SIGINT)
            wait_for(process, "no more jobs are submitted")
            out, err = process.communicate(timeout=30)
        assert (process.returncode, pairs(out)["saved"]) == (130, "1")
        assert "to continue, with the same lines: vidjob batch - -o out" in err


@POSIX
def test_sigint_ends_resume_at_once(client: VideoClient, key: list[str]) -> None:
    with Simulator(render_seconds=60, spread=0) as simulator:
        with simulator.client() as slow:
            slow.render_many(["x"], "out", timeout=0).__next__()
        service = ["--base-url", simulator.base_url, *key]
        with begin("resume", "out", "--jsonl", *OFTEN, *service) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert json.loads(out.splitlines()[-1])["event"] == "result"
        assert err.splitlines()[-2] == "error: interrupted; 1 jobs are still running"
        assert err.splitlines()[-1] == "to continue: " + shlex.join(
            ["vidjob", "resume", "out", "--jsonl", *OFTEN, *service]
        )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["batch", "a b", "-o", "x"], "vidjob batch 'a b' -o x"),
        (["batch", "a", "--on-existing", "overwrite", "-o", "x"], "vidjob batch a -o x"),
        (["batch", "a", "--on-existing=error", "--verify"], "vidjob batch a --verify"),
    ],
)
def test_the_command_to_continue_drops_on_existing(words: list[str], expected: str) -> None:
    assert again(words) == expected


@pytest.mark.parametrize(
    ("counts", "more", "code"),
    [
        ({}, {}, 0),
        ({"saved": 2, "resumed": 1, "duplicates": 3}, {}, 0),
        ({"pending": 1}, {}, 6),
        ({"stopped": "deadline", "not_submitted": 1}, {}, 6),
        ({"failed": 1, "pending": 1}, {}, 3),
        ({"blocked": 1, "stopped": "deadline"}, {}, 3),
        ({"unknown": 1}, {}, 3),
        ({"stopped": "budget", "failed": 1}, {}, 5),
        ({"stopped": "max_jobs"}, {}, 5),
        ({"stopped": "balance", "failed": 1}, {}, 5),
        ({"stopped": "key", "failed": 1}, {}, 4),
        ({"failed": 1}, {"is_key_refused": True}, 4),
        ({"stopped": "key", "failed": 1}, {"was_interrupted": True, "is_key_refused": True}, 130),
    ],
)
def test_exit_codes(counts: dict[str, Any], more: dict[str, bool], code: int) -> None:
    names = ("saved", "resumed", "failed", "blocked", "pending", "unknown", "not_submitted", "duplicates")
    summary = {**dict.fromkeys(names, 0), "stopped": None, **counts}
    assert exit_of_run(summary, **more) == code
