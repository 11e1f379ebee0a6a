"""The commands about many jobs: what they print, how they end, and their options."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vidjob
from cli_batches import orders, pairs
from support import KEY, OFTEN, POSIX, Cli, begin, refusing_port
from vidjob import RenderResult, Simulator, VideoClient

MEDIA = Path(__file__).parent.parent / "media"


def test_batch(cli: Cli, at: list[str], simulator: Simulator) -> None:
    code, out, err = cli("batch", orders(4), "-o", "out", *OFTEN, *at)
    assert code == 0
    told = pairs(out)
    assert (told["saved"], told["folder"]) == ("4", "out")
    assert (told["cost"], told["spent"]) == ("0.40 USD (this run)", "0.40 USD (this folder)")
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
    # All four cost 0.40 USD. The limit for jobs is of each run.
    enough = ["--max-cost-usd", "0.40"] if options[0] == "--max-cost-usd" else options
    again = ["batch", "rows.jsonl", "-o", "out", *enough, *OFTEN, *at]
    assert err.splitlines()[-1] == "to continue: " + shlex.join(["vidjob", *again])
    _, out, _ = cli(*again)
    assert int(pairs(out)["saved"]) > int(pairs(out)["resumed"])


def test_3_failed_items(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("job_fails", on="create")
    code, out, err = cli("batch", orders(2), "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["failed"]) == (3, "1")
    assert re.match("i[01] failed: job ", err)
    assert [*err.splitlines()[-3:]] == [
        "error: 1 failed",
        "the reasons are in out/errors.jsonl",
        "--retry-failed buys failed items again",
    ]
    code, out, _ = cli("batch", "rows.jsonl", "-o", "out", "--retry-failed", *OFTEN, *at)
    assert (code, len(simulator.accepted)) == (0, 3)


def test_3_failed_creates_are_submitted_again_by_the_same_command(cli: Cli, simulator: Simulator) -> None:
    Path("key").write_text(KEY)
    with refusing_port() as port:
        down = ["--base-url", f"http://127.0.0.1:{port}/grok/v1", "--api-key-file", "key"]
        code, _, err = cli("batch", orders(1), "-o", "out", "--max-jobs", "1", *OFTEN, *down)
    assert (code, simulator.requests) == (3, [])
    assert [*err.splitlines()[-3:]] == [
        "error: 1 failed",
        "the reasons are in out/errors.jsonl",
        "to continue: " + shlex.join(["vidjob", "batch", "rows.jsonl", "-o", "out", "--max-jobs", "1", *OFTEN, *down]),
    ]


def test_3_unknown_items(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("lost_response", on="create")
    code, out, _ = cli("batch", orders(1), "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["unknown"]) == (3, "1")
    assert cli("batch", "rows.jsonl", "-o", "out", "--on-unknown", "resubmit", *OFTEN, *at)[0] == 0


def test_4_a_key_that_is_refused(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.respond("create", status=401, body='{"error": "no"}')
    code, _, err = cli("batch", orders(3), "-o", "out", "--concurrency", "1", *OFTEN, *at)
    assert code == 4
    assert "rejects the API key" in err
    # The same command would stop at once.
    assert err.splitlines()[-1] == (
        "to continue, correct the key (vidjob doctor checks it) and run the same command again"
    )
    simulator.respond("create", status=402, body='{"error": "no"}')
    code, _, err = cli("batch", orders(3), "-o", "out2", "--concurrency", "1", *OFTEN, *at)
    assert code == 5
    assert err.splitlines()[-1] == "to continue, top up the account and run the same command again"


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
    estimated = {"items": 2, "duplicates": 0, "unpriced": 2, "estimated_usd": 0.0}
    assert json.loads(out) == {
        **estimated,
        "bought": 0,
        "elsewhere": {},
        "spent_usd": 0.0,
        "submitted": 2,
        "stop": None,
    }
    Path("prices.json").write_text('{"grok-of-tomorrow": {"per_second": {"480p": 1}}}')
    code, out, _ = cli("batch", "rows.jsonl", "--dry-run", "--prices", "prices.json")
    assert "4.00 USD" in out


def test_a_dry_run_says_where_a_limit_would_stop(cli: Cli, at: list[str]) -> None:
    orders(4)
    code, out, _ = cli("batch", "rows.jsonl", "--dry-run", "--max-cost-usd", "0.25")
    assert (code, pairs(out)["would cost"]) == (0, "about 0.40 USD")
    assert pairs(out)["would stop"] == (
        "before row 3 (id 'i2'): --max-cost-usd 0.25 is reached after 2 items, and 2 would not be submitted"
    )
    assert "would stop" not in pairs(cli("batch", "rows.jsonl", "--dry-run", "--max-cost-usd", "0.40")[1])
    _, out, _ = cli("batch", "rows.jsonl", "--dry-run", "--max-jobs", "3")
    assert pairs(out)["would stop"].startswith("before row 4 (id 'i3'): --max-jobs 3 is reached after 3 items, and 1 ")
    # What the folder has counts, and is not bought again: the forecast is what then happens.
    assert cli("batch", "rows.jsonl", "-o", "out", "--max-jobs", "2", *OFTEN, *at)[0] == 5
    limited = ["batch", "rows.jsonl", "-o", "out", "--max-cost-usd", "0.30"]
    told = json.loads(cli(*limited, "--dry-run", "--json")[1])
    assert (told["bought"], told["spent_usd"], told["estimated_usd"], told["submitted"]) == (2, 0.2, 0.2, 1)
    assert told["stop"] == {"row": 4, "id": "i3", "limit": "budget", "spent_usd": 0.3}
    ran = json.loads(cli(*limited, "--json", *OFTEN, *at)[1])
    assert (ran["saved"], ran["not_submitted"], ran["stopped"]) == (3, 1, "budget")


def test_a_dry_run_forecasts_what_a_real_run_refuses(cli: Cli, at: list[str], simulator: Simulator) -> None:
    orders(2)
    simulator.inject("job_moderated", on="create")
    assert cli("batch", "rows.jsonl", "-o", "out", "--concurrency", "1", *OFTEN, *at)[0] == 3
    known = ["batch", "rows.jsonl", "-o", "out", "--dry-run"]
    # Blocked items are not bought again.
    told = json.loads(cli(*known, "--json", "--retry-failed", *at)[1])
    assert (told["bought"], told["estimated_usd"], told["elsewhere"]) == (2, 0.0, {})
    assert json.loads(cli(*known, "--json", "--on-existing", "overwrite", *at)[1])["submitted"] == 2
    code, _, err = cli(*known, "--on-existing", "error", *at)
    assert (code, err.count("--on-existing error refuses it")) == (2, 2)
    # Another service, another request, no price.
    assert json.loads(cli(*known, "--json")[1])["elsewhere"] == {simulator.base_url: 2}
    orders(2, prompt="another")
    code, _, err = cli(*known, *at)
    assert (code, err.count("the folder has another request under this id")) == (2, 2)
    orders(1, model="grok-of-tomorrow")
    code, _, err = cli("batch", "rows.jsonl", "--dry-run", "--max-cost-usd", "1")
    assert (code, "--max-cost-usd needs a price" in err) == (2, True)


def test_a_question_that_is_not_answered_changes_nothing(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("job_fails", on="create")
    assert cli("batch", orders(2), "-o", "out", *OFTEN, *at)[0] == 3
    before = {path.name: path.read_text() for path in Path("out").glob("*.json*")}
    Path("key").write_text(KEY)
    with Simulator() as other:
        elsewhere = ["--base-url", other.base_url, "--api-key-file", "key"]
        assert cli("batch", "rows.jsonl", "-o", "out", *OFTEN, *elsewhere)[0] == 2
    assert {path.name: path.read_text() for path in Path("out").glob("*.json*")} == before


def test_an_option_that_does_not_exist_suggests_the_nearest(cli: Cli) -> None:
    code, _, err = cli("batch", orders(1), "-o", "out", "--max-cost", "1")
    assert code == 2
    assert err.splitlines() == [
        "error: unrecognized arguments: --max-cost 1; did you mean --max-cost-usd?",
        "try: vidjob batch --help",
    ]


def test_nothing_is_advised_that_buys_again(cli: Cli, at: list[str]) -> None:
    assert cli("batch", orders(3), "-o", "out", *OFTEN, *at)[0] == 0
    again = ["batch", "rows.jsonl", "-o", "out", "--on-existing", "overwrite", "--max-jobs", "1", *OFTEN, *at]
    code, _, err = cli(*again)
    assert (code, err.splitlines()[-1]) == (5, "items that were not submitted keep what earlier runs made")
    next(Path("out/videos").iterdir()).write_text("changed")
    code, _, err = cli("batch", "rows.jsonl", "-o", "out", *OFTEN, *at)
    assert code == 3
    assert "move it away to download the video again at no cost" in err
    assert "--retry-failed" not in err


def test_resume_says_where_the_jobs_are(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.pause()
    cli("batch", orders(1), "-o", "out", "--timeout", "0", *OFTEN, *at)
    code, _, err = cli("resume", "out")
    assert code == 4
    assert f"jobs of out are at {simulator.base_url}: pass --base-url {simulator.base_url} to finish them" in err
    simulator.resume()
    code, _, err = cli("resume", "out", *OFTEN, *at)
    assert (code, "jobs of out are at" in err) == (0, False)


def test_resume_names_creates_without_an_outcome(cli: Cli, at: list[str], simulator: Simulator) -> None:
    simulator.inject("lost_response", on="create")
    assert cli("batch", orders(2), "-o", "out", *OFTEN, *at)[0] == 3
    _, _, err = cli("resume", "out", *OFTEN, *at)
    assert "1 create has no known outcome: see vidjob jobs out" in err
    _, out, _ = cli("jobs", "out")
    assert out.splitlines()[-1] == "2 jobs: 1 unknown, 1 saved; 0.20 USD spent (0.10 USD of it estimated)"


def test_duplicates_are_a_warning_with_their_ids(cli: Cli, at: list[str]) -> None:
    Path("rows.csv").write_text("id,prompt\na,x\nb,y\na,x\n")
    code, out, err = cli("batch", "rows.csv", "-o", "out", *OFTEN, *at)
    assert (code, pairs(out)["saved"], pairs(out)["duplicates"]) == (0, "2", "1")
    assert err.startswith("warning: row 3 repeats row 1 (id 'a'): ")
    assert "3 of 3 done" in err


def test_images_in_rows_are_relative_to_the_input_root(cli: Cli, at: list[str], simulator: Simulator) -> None:
    Path("rows.csv").write_text("id,prompt,image\na,x,picture.png\nb,y,./lossy.webp\n")
    Path("rows.jsonl").write_text('{"prompt": "z", "image": "baseline.jpg"}\n')
    for name, count in (("rows.csv", 2), ("rows.jsonl", 3)):
        code, _, err = cli("batch", name, "-o", "out", "--dry-run")
        assert code == 2
        assert "is a local path; pass --input-root FOLDER" in err
        assert cli("batch", name, "-o", "out", "--input-root", str(MEDIA), *OFTEN, *at)[0] == 0
        assert len(simulator.accepted) == count
    for path in ("../make.py", "/etc/passwd", "missing.png"):
        Path("rows.csv").write_text(f"prompt,image\nx,{path}\n")
        assert cli("batch", "rows.csv", "-o", "out", "--input-root", str(MEDIA), "--dry-run")[0] == 2


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
        said,
        [
            "row 2 (rows.jsonl, line 2, id 'b'): duration",
            "line 3, id 'a'): row 1 has another request with the same id",
            "leads out of",
            "Portable Document",
        ],
        strict=True,
    ):
        assert words in line


def test_dry_run_goes_on_behind_a_line_that_is_none(cli: Cli) -> None:
    Path("rows.jsonl").write_text('{"prompt": "x"}\n\n{"prompt": \n[1]\n' + '{"prompt": "x", "duration": 99}\n' * 20)
    code, out, err = cli("batch", "rows.jsonl", "--dry-run", "--json")
    assert code == 2
    first, second, third, *_, last = err.splitlines()
    assert len(err.splitlines()) == 22
    assert first.startswith("error: row 2: rows.jsonl, line 3: not JSON")
    assert second.startswith("row 3: a row must be a prompt")
    assert third == "row 4 (rows.jsonl, line 5): duration must be 1 to 15 seconds, not 99"
    assert last == "row 23 (rows.jsonl, line 24): duration must be 1 to 15 seconds, not 99"
    assert json.loads(out)["error"]["mistakes"][2] == third


def test_dry_run_of_other_files(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rows.csv").write_text('id,prompt,extra\na,x,\nb,y,"{""seed"": 7}"\nc,z,[\n', encoding="utf-8-sig")
    code, _, err = cli("batch", "rows.csv", "--dry-run")
    assert (code, err[:50]) == (2, "error: row 3 (rows.csv, line 4, id 'c'): extra: no")
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


def test_existing_items_are_refused_on_request(cli: Cli, at: list[str], simulator: Simulator) -> None:
    words = ["batch", orders(1), "-o", "out", *OFTEN, *at]
    assert cli(*words)[0] == 0
    code, _, err = cli(*words, "--on-existing", "error")
    assert (code, len(simulator.accepted)) == (3, 1)
    assert "; pass --on-existing overwrite to render it again" in err
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
    assert "no money left" in err


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


def test_jobs_and_resume(cli: Cli, at: list[str], simulator: Simulator, client: VideoClient) -> None:
    assert cli("jobs", "out") == (2, "", "error: there is no journal in out: the folder does not exist\n")
    assert cli("resume", "out", *at) == (2, "", "error: there is no journal in out: the folder does not exist\n")
    assert not Path("out").exists()
    simulator.pause()
    rows = [{"id": f"i{n}", "prompt": f"{n}"} for n in range(3)]
    assert not any(result.ok for result in client.render_many(rows, "out", timeout=0))
    simulator.resume()
    code, out, err = cli("jobs", "out")
    assert (code, err) == (0, "")
    heading, *shown, total = out.splitlines()
    assert total == "3 jobs: 3 accepted; 1.20 USD spent (1.20 USD of it estimated)"
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
