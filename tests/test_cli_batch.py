"""The commands about many jobs: what they print, how they end, and what Ctrl-C leaves."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, OFTEN, POSIX, Cli, begin
from test_progress import Clock, Terminal
from vidjob import RenderResult, Simulator, VideoClient
from vidjob._totals import Totals

MEDIA = Path(__file__).parent / "media"


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
        (["--max-cost-usd", "0.25"], 5, "--max-cost-usd is reached"),
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
    assert "errors.jsonl tells why" in err
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
        code, out, _ = cli("batch", orders(2), "-o", "out", "--deadline", "0.4", *OFTEN, *service)
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
    assert (code, err) == (0, "nothing is bought\n")
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
        said, ["'b': duration", "'a': the same id", "leads out of", "Portable Document"], strict=True
    ):
        assert words in line


# ---- jobs, resume -----------------------------------------------------------------------------


def test_jobs_and_resume(cli: Cli, at: list[str], simulator: Simulator, client: VideoClient) -> None:
    assert cli("jobs", "out") == (0, "", "no jobs are recorded in out\n")
    for result in client.render_many([{"id": f"i{n}", "prompt": f"{n}"} for n in range(3)], "out", poll_interval=0.05):
        assert result.ok
        break
    code, out, err = cli("jobs", "out")
    assert (code, err) == (0, "")
    heading, *rows = out.splitlines()
    assert heading.split()[:3] == ["id", "state", "request_id"]
    assert sorted(row.split()[0] for row in rows) == ["i0", "i1", "i2"]
    code, out, _ = cli("resume", "out", *OFTEN, *at)
    assert code == 0
    code, out, _ = cli("jobs", "out", "--json")
    assert [record["state"] for record in json.loads(out)] == ["saved"] * 3
    assert cli("jobs", "out", "--state", "failed")[1] == ""
    assert len(cli("jobs", "out", "--jsonl")[1].splitlines()) == 3
    assert len(simulator.accepted) == 3


def test_already_running(cli: Cli, at: list[str], client: VideoClient) -> None:
    with client.render_many(["x"], "out"):
        code, _, err = cli("batch", orders(1), "-o", "out", *at)
    assert code == 1
    assert "already running (process" in err


# ---- Ctrl-C -----------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("times", [1, 2])
def test_130_interrupted(tmp_path: Path, times: int) -> None:
    (tmp_path / "key").write_text(KEY)
    with Simulator(render_seconds=2 if times == 1 else 60, spread=0) as simulator:
        service = ["--base-url", simulator.base_url, "--api-key-file", "key"]
        words = ["batch", orders(6), "-o", "out", "--concurrency", "2", *OFTEN, *service]
        with begin(*words) as process:
            while len(simulator.accepted) < 2:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = ""
            while "buying has stopped" not in said:
                said = process.stderr.readline()
                assert said, "it ended at once"
            began = time.monotonic()
            if times == 2:
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "2 under way" in said
        assert err.splitlines()[-1] == "to continue: " + shlex.join(["vidjob", *words])
        assert "Traceback" not in err
        if times == 1:
            assert pairs(out)["saved"] == "2"
        else:
            assert time.monotonic() - began < 10
        assert len(simulator.accepted) == 2


# ---- progress ---------------------------------------------------------------------------------

ACCEPTED: dict[str, Any] = {"event": "accepted", "request_id": "x"}


def ended(name: str) -> RenderResult:
    return RenderResult(name, path=Path("a.mp4"))


def test_totals_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), Terminal()
    totals = Totals(20, terminal, clock, None)
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


def test_totals_in_a_log() -> None:
    clock, log = Clock(), io.StringIO()
    totals = Totals(None, log, clock, None)
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
