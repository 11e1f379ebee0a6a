"""The commands about many jobs: what they print, how they end, and what Ctrl-C leaves."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vidjob
from support import KEY, OFTEN, POSIX, Cli, begin
from terminal import Clock, Terminal, on_a_terminal
from vidjob import RenderResult, Simulator, VideoClient
from vidjob.cli.running import again, exit_of_run
from vidjob.cli.totals import Totals
from vidjob.progress import duration

MEDIA = Path(__file__).parent.parent / "media"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIDJOB_DEBUG", raising=False)


def orders(count: int, name: str = "rows.jsonl", **more: Any) -> str:
    rows = [{"id": f"i{number}", "prompt": f"take {number}", "duration": 2, **more} for number in range(count)]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def pairs(out: str) -> dict[str, str]:
    cells = (re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines())
    return {cell[0]: cell[1] for cell in cells}


def test_batch(cli: Cli, at: list[str], simulator: Simulator) -> None:
    code, out, err = cli("batch", orders(4), "-o", "out", *OFTEN, *at)
    assert code == 0
    told = pairs(out)
    assert (told["saved"], told["cost"], told["folder"]) == ("4", "0.40 USD", "out")
    assert "4 of 4 done" in err.splitlines()[-1]
    assert sorted(path.name for path in Path("out/videos").iterdir()) == [f"i{number}.mp4" for number in range(4)]
    code, out, _ = cli("batch", "rows.jsonl", "-o", "out", "--json", *OFTEN, *at)
    assert code == 0
    assert (json.loads(out)["saved"], json.loads(out)["resumed"]) == (4, 4)
    assert len(simulator.accepted) == 4


def test_batch_jsonl(cli: Cli, at: list[str]) -> None:
    code, out, _ = cli("batch", orders(2), "-o", "out", "--jsonl", *OFTEN, *at)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    items = [event for event in events if event["event"] == "item"]
    assert {RenderResult.from_dict(item).id for item in items} == {"i0", "i1"}
    assert (events[-1]["event"], events[-1]["saved"]) == ("result", 2)
    assert {event["id"] for event in events if event["event"] == "accepted"} == {"i0", "i1"}


def test_batch_from_standard_input(
    cli: Cli,
    at: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"prompt": "a"}\n\n{"prompt": "b", "duration": 2}\n'))
    code, out, _ = cli("batch", "-", "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["saved"]) == (0, "2")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--max-cost-usd", "0.25"], 5, "--max-cost-usd would be exceeded"),
        (["--max-jobs", "1"], 5, "--max-jobs is reached"),
    ],
)
def test_5_limits(cli: Cli, at: list[str], options: list[str], code: int, words: str) -> None:
    ended, _, err = cli("batch", orders(4), "-o", "out", *options, *OFTEN, *at)
    assert ended == code
    assert words in err
    assert err.splitlines()[-1] == "to continue: " + shlex.join(
        ["vidjob", "batch", "rows.jsonl", "-o", "out", *options, *OFTEN, *at]
    )


def test_3_failed_items(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("job_fails", on="create")
    code, out, err = cli("batch", orders(2), "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["failed"]) == (3, "1")
    assert re.match("i[01] failed: job ", err)
    assert [*err.splitlines()[-3:]] == [
        "error: 1 failed",
        "the reasons are in out/errors.jsonl",
        "--retry-failed buys what failed again",
    ]
    code, out, _ = cli("batch", "rows.jsonl", "-o", "out", "--retry-failed", *OFTEN, *at)
    assert (code, len(simulator.accepted)) == (0, 3)


def test_3_unknown_items(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("lost_response", on="create")
    code, out, _ = cli("batch", orders(1), "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["unknown"]) == (3, "1")
    assert cli("batch", "rows.jsonl", "-o", "out", "--on-unknown", "resubmit", *OFTEN, *at)[0] == 0


def test_4_a_key_that_is_refused(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("create", status=401, body='{"error": "no"}')
    code, _, err = cli("batch", orders(3), "-o", "out", "--concurrency", "1", *OFTEN, *at)
    assert code == 4
    assert "refuses the key" in err


def test_6_a_deadline(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    with Simulator(render_seconds=60) as slow:
        service = ["--base-url", slow.base_url, "--api-key-file", "key"]
        # How many are bought before the deadline depends on the machine.
        code, out, _ = cli("batch", orders(2), "-o", "out", "--deadline", "0.4", *OFTEN, *service)
        assert (code, int(pairs(out).get("pending", 0))) == (6, len(slow.accepted))
        code, out, _ = cli("batch", "rows.jsonl", "-o", "out", "--timeout", "0", *service)
        assert (code, pairs(out)["pending"]) == (6, "2")
        code, out, _ = cli("resume", "out", "--deadline", "0.2", *OFTEN, *service)
        assert code == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.jsonl", "-o", "out"], "none.jsonl cannot be read"),
        (["rows.txt", "-o", "out"], ".jsonl, .csv and .parquet"),
        (["rows.jsonl"], "-o/--output"),
        (["rows.jsonl", "-o", "out", "--concurrency", "0"], "concurrency"),
        (["rows.jsonl", "-o", "out", "--filename", "same.mp4"], "filename"),
        (["rows.jsonl", "-o", "out", "--prices", "none.json"], "none.json"),
    ],
)
def test_2_mistakes(cli: Cli, at: list[str], simulator: Simulator, arguments: list[str], words: str) -> None:
    orders(1)
    code, out, err = cli("batch", *arguments, *at)
    assert (code, out) == (2, "")
    assert words in err
    assert simulator.requests == []


def test_dry_run_needs_no_key(cli: Cli) -> None:
    code, out, err = cli("batch", orders(3), "--dry-run")
    assert (code, err) == (0, "nothing is sent\n")
    assert out.splitlines() == ["items       3", "would cost  about 0.30 USD"]
    code, out, _ = cli("batch", orders(2, model="grok-of-tomorrow"), "--dry-run", "--json")
    assert json.loads(out) == {"items": 2, "duplicates": 0, "unpriced": 2, "estimated_usd": 0.0}
    Path("prices.json").write_text('{"grok-of-tomorrow": {"per_second": {"480p": 1}}}')
    code, out, _ = cli("batch", "rows.jsonl", "--dry-run", "--prices", "prices.json")
    assert "4.00 USD" in out


def test_dry_run_tells_every_mistake(cli: Cli) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "prompt": "x"},
        {"id": "b", "prompt": "x", "duration": 99},
        {"id": "a", "prompt": "y"},
        {"id": "c", "prompt": "x", "image": {"path": "../make.py"}},
        {"id": "d", "prompt": "x", "image": {"path": "document.pdf"}},
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, err = cli("batch", "rows.jsonl", "--dry-run", "--input-root", str(MEDIA))
    assert (code, out) == (2, "")
    said = err.splitlines()
    assert len(said) == 4
    for line, words in zip(
        said, ["order 2 (b): duration", "order 3 (a): the same id", "leads out of", "Portable Document"], strict=True
    ):
        assert words in line


def test_dry_run_goes_on_behind_a_line_that_is_none(cli: Cli) -> None:
    Path("rows.jsonl").write_text('{"prompt": "x"}\n\n{"prompt": \n[1]\n' + '{"prompt": "x", "duration": 99}\n' * 20)
    code, out, err = cli("batch", "rows.jsonl", "--dry-run", "--json")
    assert code == 2
    first, second, third, *_, last = err.splitlines()
    assert len(err.splitlines()) == 22
    assert first.startswith("error: order 2: rows.jsonl, line 3: not JSON")
    assert second.startswith("order 3: an order is a prompt")
    assert third == "order 4: duration must be 1 to 15 seconds, not 99"
    assert last == "order 23: duration must be 1 to 15 seconds, not 99"
    assert json.loads(out)["error"]["mistakes"][2] == third


def test_dry_run_of_other_files(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rows.csv").write_text('id,prompt,extra\na,x,\nb,y,"{""seed"": 7}"\nc,z,[\n', encoding="utf-8-sig")
    code, _, err = cli("batch", "rows.csv", "--dry-run")
    assert (code, err[:50]) == (2, "error: order 3 (c): rows.csv, line 4: extra: not J")
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table({"id": ["a", "b"], "prompt": ["x", "y"]}), "rows.parquet")
    assert json.loads(cli("batch", "rows.parquet", "--dry-run", "--json")[1])["items"] == 2
    Path("rows.parquet").write_bytes(b"PAR1")
    assert "rows.parquet cannot be read: " in cli("batch", "rows.parquet", "--dry-run")[2]
    Path("rows.jsonl").write_bytes(b"\xff\xfe")
    assert "rows.jsonl cannot be read: " in cli("batch", "rows.jsonl", "--dry-run")[2]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO('{"prompt": "ż"}'.encode("utf-8-sig")), "ascii"))
    assert json.loads(cli("batch", "-", "--dry-run", "--json")[1])["items"] == 1
    monkeypatch.setattr("sys.stdin", None)
    assert cli("batch", "-", "--dry-run")[0] == 2


def test_dry_run_refuses_prices_that_are_none(cli: Cli) -> None:
    Path("prices.json").write_text('{"grok-imagine-video": 7}')
    code, _, err = cli("batch", orders(3), "--dry-run", "--prices", "prices.json")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "per_second" in err


# ---- options ----------------------------------------------------------------------------------


def test_options_are_those_of_the_call(cli: Cli, at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def render_many(_self: VideoClient, _orders: object, _folder: object, **settings: Any) -> None:
        seen.update(settings)
        raise vidjob.InvalidRequest("seen")

    monkeypatch.setattr(VideoClient, "render_many", render_many)
    assert cli("batch", orders(1), "-o", "out", *at)[0] == 2
    assert not {"concurrency", "max_downloads", "max_cost_usd", "max_jobs", "deadline"} & seen.keys()
    options = ["--concurrency", "3", "--max-downloads", "2", "--max-cost-usd", "0", "--max-jobs", "5"]
    assert cli("batch", "rows.jsonl", "-o", "out", *options, "--deadline", "7", *at)[0] == 2
    assert (seen["concurrency"], seen["max_downloads"], seen["max_cost_usd"]) == (3, 2, 0)
    assert (seen["max_jobs"], seen["deadline"]) == (5, 7)


def test_names_and_inputs(cli: Cli, at: list[str], simulator: Simulator) -> None:
    name = orders(1, image={"path": "picture.png"}, tag="../a")
    assert cli("batch", name, "-o", "out", *OFTEN, *at)[0] == 2
    options = ["--filename", "{tag}/{id}.mp4", "--input-root", str(MEDIA)]
    assert cli("batch", name, "-o", "out", *options, *OFTEN, *at)[0] == 0
    assert "image" in simulator.accepted[0]["body"]
    [file] = Path("out").glob("*/i0.mp4")
    assert file.parent.parent == Path("out")


def test_what_is_there_already(cli: Cli, at: list[str], simulator: Simulator) -> None:
    words = ["batch", orders(1), "-o", "out", *OFTEN, *at]
    assert cli(*words)[0] == 0
    code, _, err = cli(*words, "--on-existing", "error")
    assert (code, len(simulator.accepted)) == (3, 1)
    assert "; --on-existing overwrite makes it anew" in err
    file = Path("out/videos/i0.mp4")
    file.write_bytes(bytes(file.stat().st_size))
    assert cli(*words)[0] == 0
    assert cli(*words, "--verify")[0] == 3
    assert cli(*words, "--on-existing", "overwrite")[0] == 0
    assert len(simulator.accepted) == 2
    assert any(file.read_bytes())


def test_6_a_timeout(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.pause()
    code, out, err = cli("batch", orders(1), "-o", "out", "--timeout", "0.01", *at)
    assert (code, pairs(out)["pending"]) == (6, "1")
    assert err.splitlines()[-2] == "error: 1 pending"
    simulator.advance(60)
    assert cli("batch", "rows.jsonl", "-o", "out", *OFTEN, *at)[0] == 0
    assert len(simulator.accepted) == 1


def test_4_resume_with_a_key_that_is_refused(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.pause()
    assert cli("batch", orders(1), "-o", "out", "--timeout", "0.01", *at)[0] == 6
    for _ in range(9):
        simulator.respond("get", status=401, body='{"error": "no"}')
    assert cli("resume", "out", *OFTEN, *at)[0] == 4


def test_4_no_key(cli: Cli) -> None:
    assert cli("batch", orders(1), "-o", "out")[0] == 4
    assert not Path("out").exists()


def test_5_no_money_left(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("create", status=402, body='{"error": "insufficient balance"}')
    code, _, err = cli("batch", orders(3), "-o", "out", "--concurrency", "1", *OFTEN, *at)
    assert code == 5
    assert "no money is left" in err


def test_lines_are_pulled_as_there_is_room(
    cli: Cli, at: list[str], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought: list[int] = []

    def endless() -> Iterator[bytes]:
        for number in range(1000):
            bought.append(len(simulator.accepted))
            yield f'{{"prompt": "{number}"}}\n'.encode()

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=endless(), isatty=lambda: False))
    code, out, _ = cli("batch", "-", "-o", "out", "--concurrency", "1", "--max-jobs", "3", *OFTEN, *at)
    assert (code, pairs(out)["saved"]) == (5, "3")
    assert bought == [0, 1, 2, 3]


def test_a_line_that_is_none_stops_nothing(cli: Cli, at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"prompt": "a"}\nwhat?\n{"prompt": "b"}\n'))
    code, out, err = cli("batch", "-", "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["saved"], pairs(out)["failed"]) == (3, "2", "1")
    assert "standard input, line 2: not JSON" in err
    assert "line 2" in Path("out/errors.jsonl").read_text()


def test_no_more_than_ten_failures_are_told(cli: Cli, at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("what?\n" * 30))
    err = cli("batch", "-", "-o", "out", *at)[2]
    assert err.count("not JSON") == 10
    assert err.count("further failures") == 1


@POSIX
def test_closed_output_pipe_stops_a_batch_with_141(key: list[str]) -> None:
    with Simulator(render_seconds=0.3, spread=0) as simulator:
        service = ["--base-url", simulator.base_url, *key]
        words = ["batch", orders(50), "-o", "out", "--jsonl", "-q", "--concurrency", "2", *OFTEN, *service]
        with begin(*words) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(30) == 141
            assert process.stderr.read() == ""
        count = len(simulator.accepted)
    assert count < 50
    assert len(list(Path("out/videos").iterdir())) == count


# ---- jobs, resume -----------------------------------------------------------------------------


def test_jobs_and_resume(cli: Cli, at: list[str], simulator: Simulator, client: VideoClient) -> None:
    assert cli("jobs", "out") == (2, "", "error: there is no journal in out\n")
    assert cli("resume", "out", *at) == (2, "", "error: there is no journal in out\n")
    assert not Path("out").exists()
    simulator.pause()
    rows = [{"id": f"i{n}", "prompt": f"{n}"} for n in range(3)]
    assert not any(result.ok for result in client.render_many(rows, "out", timeout=0))
    simulator.resume()
    code, out, err = cli("jobs", "out")
    assert (code, err) == (0, "")
    heading, *shown = out.splitlines()
    assert heading.split()[:3] == ["id", "state", "request_id"]
    assert sorted(row.split()[0] for row in shown) == ["i0", "i1", "i2"]
    code, out, _ = cli("resume", "out", "--json", *OFTEN, *at)
    assert code == 0
    told = json.loads(out)
    assert told["saved"] == told["items"] == 3
    assert (told["failed"], told["folder"]) == (0, "out")
    code, out, _ = cli("jobs", "out", "--json")
    assert [record["state"] for record in json.loads(out)] == ["saved"] * 3
    assert cli("jobs", "out", "--state", "failed")[1] == ""
    assert len(cli("jobs", "out", "--jsonl")[1].splitlines()) == 3
    assert len(simulator.accepted) == 3


def test_already_running(cli: Cli, at: list[str], client: VideoClient) -> None:
    with client.render_many(["x"], "out"):
        code, _, err = cli("batch", orders(1), "-o", "out", *at)
    assert code == 6
    assert "already running (this process" in err


# ---- Ctrl-C -----------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    (tmp_path / "key").write_text(KEY)
    return ["--api-key-file", "key"]


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
            said = wait_for(process, "buying has stopped")
            simulator.resume()
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said == "buying has stopped; 2 under way are still kept; Ctrl-C again leaves at once\n"
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
            wait_for(process, "buying has stopped")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert (json.loads(out)["saved"], json.loads(out)["stopped"]) == (0, "caller")
        *_, reason, command = err.splitlines()
        assert reason == "error: interrupted; 2 jobs go on"
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
            wait_for(process, "buying has stopped")
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
        assert err.splitlines()[-2] == "error: interrupted; 1 jobs go on"
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
        ({"stopped": "deadline", "not_bought": 1}, {}, 6),
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
    names = ("saved", "resumed", "failed", "blocked", "pending", "unknown", "not_bought", "duplicates")
    summary = {**dict.fromkeys(names, 0), "stopped": None, **counts}
    assert exit_of_run(summary, **more) == code


# ---- progress ---------------------------------------------------------------------------------

ACCEPTED: dict[str, Any] = {"event": "accepted", "request_id": "x"}


def ended(name: str) -> RenderResult:
    return RenderResult(name, path=Path("a.mp4"))


def test_totals_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), Terminal()
    totals = Totals(20, terminal, clock)
    for number in range(10):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    assert "0 of 20 done, 10 under way" in terminal.getvalue()
    rows = terminal.frames[-9:]
    assert sum("pending" in row for row in rows) == 8
    for number in range(4):
        clock.now += 1
        totals.ended(ended(f"i{number}"))
    totals.ended(RenderResult("i4", error=vidjob.JobFailed("no")))
    assert "4 of 20 done, 5 under way, 1 failed, 0.00 USD" in totals.text
    assert totals.text.endswith("left")
    totals.close()
    assert terminal.getvalue().endswith("\n")


def test_totals_make_room_for_words_and_leave_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), Terminal()
    totals = Totals(3, terminal, clock)
    totals.say("first")
    for number in range(2):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    totals.say("i0 failed")
    assert terminal.getvalue().startswith("first\n")
    above, _, below = terminal.getvalue().partition("\x1b[2A\r\x1b[Ji0 failed\n")
    assert "i1" in above
    assert [line.strip()[:2] for line in below.splitlines()] == ["0", "i0", "i1"] or below.count("\n") == 2
    totals.close()
    totals.say("late")
    last = terminal.getvalue().rpartition("\x1b[2A\n")
    assert last[1:] == ("\x1b[2A\n", "")
    assert "i1" not in last[0].rpartition("\x1b[2A")[2]


@pytest.mark.parametrize("progress", [None, 50])
def test_time_left_counts_jobs_under_way(progress: int | None) -> None:
    clock = Clock()
    totals = Totals(20, io.StringIO(), clock)
    for number in range(8):
        totals.hears({**ACCEPTED, "id": f"i{number}"})
    clock.now += 60
    for number in range(2):
        totals.ended(ended(f"i{number}"))
    assert "left" not in totals.text, "too few to tell"
    totals.ended(RenderResult("known", path=Path("a.mp4"), resumed=True))
    totals.ended(ended("i2"))
    for number in range(3, 8):
        status = {"event": "status", "request_id": "x", "status": "processing", "progress": progress}
        totals.hears({**status, "id": f"i{number}"})
    # 19 are to be made, 3 are, and 5 are halfway, or as old as those that ended.
    left = 60 / 5.5 * 13.5 if progress else 60 / 7.75 * 11.25
    assert totals.text.endswith(f"1:00, {duration(left)} left")


def test_items_not_bought_are_not_counted_as_failed() -> None:
    totals = Totals(5, io.StringIO(), Clock())
    for error in (vidjob.NotBought("no"), vidjob.WaitTimeout("no"), vidjob.JobBlocked("no")):
        totals.ended(RenderResult("a", error=error))
    totals.forget(1)
    assert totals.text.startswith("0 of 4 done, 1 failed, 0.00 USD")


@POSIX
@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}])
def test_a_batch_on_a_terminal(simulator: Simulator, key: list[str], environment: dict[str, str]) -> None:
    service = ["--base-url", simulator.base_url, *key]
    for _ in range(40):
        simulator.respond("get", body='{"status": "processing", "progress": 50}')
    code, out, seen = on_a_terminal("batch", orders(4), "-o", "out", *OFTEN, *service, **environment)
    assert (code, pairs(out)["saved"]) == (0, "4")
    assert re.search("4 of 4 done, 0.40 USD, 0:0[0-9] *(\r|\n)", seen)
    assert ("█" in seen) is ("\x1b[" in seen) is (not environment)
    assert "\x1b[3" not in seen.replace("\x1b[3A", "")


def test_totals_in_a_log() -> None:
    clock, log = Clock(), io.StringIO()
    totals = Totals(None, log, clock)
    for second in range(100):
        clock.now += 1
        totals.hears({**ACCEPTED, "id": f"i{second}"})
    assert len(log.getvalue().splitlines()) == 3
    totals.close()
    assert log.getvalue().splitlines()[-1].startswith("0 done, 100 under way")


def test_a_call_shows_nothing_in_a_pipe(
    simulator: Simulator, client: VideoClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(list(client.render_many(["x"], tmp_path / "out", poll_interval=0.05, progress=True))) == 1
    assert capfd.readouterr() == ("", "")
