"""The commands about one job: what they print."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cli_values import DONE, ID
from support import OFTEN, Cli
from vidjob import RenderResult, Simulator, VideoClient, VideoJob


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


def test_download_does_not_overwrite(cli: Cli, at: list[str], job: VideoJob, simulator: Simulator) -> None:
    Path("a.mp4").write_text("mine")
    asked = len(simulator.requests)
    code, out, err = cli("download", job.request_id, "-o", "a.mp4", *at)
    assert (code, out) == (2, "")
    whole = Path("a.mp4").absolute()
    assert err == f"error: {whole} already exists; pass --overwrite to replace it (job {job.request_id})\n"
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
