"""What a folder tells of its videos, whichever run has made them; and runs that break off."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode, Run, many, quick_client
from vidjob import Simulator, VideoClient

OFTEN: dict[str, Any] = {"poll_interval": 0.02}


def described(folder: Path) -> dict[str, dict[str, Any]]:
    file = folder / "metadata.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {line["id"]: line for line in map(json.loads, lines)}


def rows(*names: str, scene: int = 1) -> list[dict[str, Any]]:
    return [{"id": name, "prompt": f"take {name}", "scene": scene, "note": "grüß dich"} for name in names]


# ---- metadata.jsonl ---------------------------------------------------------------------------


def test_metadata_describes_every_video_of_the_folder_with_its_columns(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    many(api, client, rows("a", "b"), tmp_path)
    first = described(tmp_path)
    assert {name: line["scene"] for name, line in first.items()} == {"a": 1, "b": 1}
    many(api, client, rows("c", scene=2), tmp_path)
    second = described(tmp_path)
    assert {name: line["scene"] for name, line in second.items()} == {"a": 1, "b": 1, "c": 2}
    assert {name: second[name] for name in first} == first
    many(api, client, rows("a", scene=7), tmp_path)
    assert described(tmp_path)["a"]["scene"] == 7, "a row that was given again says what counts now"
    many(api, client, [], tmp_path)
    assert described(tmp_path)["a"]["scene"] == 7
    assert set(described(tmp_path)) == {"a", "b", "c"}
    assert len(simulator.accepted) == 3


@pytest.mark.parametrize("name", ["metadata.jsonl", "errors.jsonl", "summary.json"])
@pytest.mark.parametrize("orders", [[], ["x"], ["refused"]])
def test_a_file_of_somebody_else_is_left_as_it_is(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, orders: list[str], name: str
) -> None:
    text = '{"file_name": "cat.png", "text": "a cat"}\n'
    (tmp_path / name).write_text(text, encoding="utf-8")
    if orders == ["refused"]:
        simulator.respond("create", status=400, body='{"error": "no"}')
    with pytest.warns(RuntimeWarning, match=f"{name} was not written by vidjob"):
        many(api, client, orders, tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_videos_stay_described_when_the_journal_was_removed(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    many(api, client, rows("a", "b"), tmp_path)
    before = described(tmp_path)
    shutil.rmtree(tmp_path / ".vidjob")
    assert not many(api, client, rows("a"), tmp_path)[0].ok, "the file exists, but vidjob did not save it"
    assert described(tmp_path) == before
    many(api, client, rows("c"), tmp_path)
    assert set(described(tmp_path)) == set("abc")
    (tmp_path / before["a"]["file_name"]).unlink()
    many(api, client, [], tmp_path)
    assert set(described(tmp_path)) == set("bc")


@pytest.mark.parametrize("status", [401, 402])
def test_a_run_that_is_refused_takes_nothing_from_the_metadata(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, status: int
) -> None:
    many(api, client, rows("a"), tmp_path)
    before = described(tmp_path)
    for _ in "bc":
        simulator.respond("create", status=status, body='{"error": "no"}')
    results = many(api, client, rows("b", "c"), tmp_path)
    assert not any(result.ok for result in results)
    assert described(tmp_path) == before


def test_a_run_that_is_left_early_takes_nothing_from_the_metadata(
    simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    list(client.render_many(rows("a", "b"), tmp_path, **OFTEN))
    before = described(tmp_path)
    for _ in client.render_many(rows("b", "c", "d", "e"), tmp_path, concurrency=2, **OFTEN):
        break
    after = described(tmp_path)
    assert {name: {**after[name], "index": None} for name in before} == {
        name: {**line, "index": None} for name, line in before.items()
    }
    list(client.render_many(rows("b", "c", "d", "e"), tmp_path, **OFTEN))
    assert set(described(tmp_path)) == set("abcde")
    assert len(simulator.accepted) == 5


def test_metadata_includes_files_of_a_killed_run(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, run_python: Run
) -> None:
    program = """
        import os, sys, vidjob
        client = vidjob.VideoClient("k" * 20, base_url=sys.argv[1])
        rows = [{"id": name, "prompt": name, "scene": 3} for name in "ab"]
        for result in client.render_many(rows, sys.argv[2], concurrency=1, poll_interval=0.02):
            os._exit(9)
    """
    assert run_python(textwrap.dedent(program), simulator.base_url, str(tmp_path)).returncode == 9
    assert not (tmp_path / "metadata.jsonl").exists()
    api(client, "resume", tmp_path, **OFTEN)
    assert described(tmp_path)["a"]["scene"] == 3
    (tmp_path / described(tmp_path)["a"]["file_name"]).unlink()
    many(api, client, [], tmp_path)
    assert "a" not in described(tmp_path), "what is no longer there is not described"


def test_metadata_of_version_0_1_keeps_its_columns(client: VideoClient, tmp_path: Path) -> None:
    list(client.render_many(rows("a"), tmp_path, **OFTEN))
    [segment] = (tmp_path / ".vidjob").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"columns"' not in line]
    # As version 0.1 wrote it: its lines hold no columns.
    [intent] = [json.loads(line) for line in lines if b'"columns"' in line]
    del intent["columns"], intent["crc"]
    text = json.dumps(intent, separators=(",", ":"))
    import zlib

    segment.rename(segment.with_name("0-old-1-0.jsonl"))
    segment.with_name("0-old-1-0.jsonl").write_bytes(
        b"".join(kept) + f'{text[:-1]},"crc":"{zlib.crc32(text.encode()):08x}"}}\n'.encode()
    )
    before = described(tmp_path)
    assert before["a"]["scene"] == 1
    with quick_client(client) as other:
        list(other.render_many([{"id": "b", "prompt": "y"}], tmp_path, **OFTEN))
    assert described(tmp_path)["a"] == {**before["a"], "index": None}


def test_errors_are_those_of_the_last_run(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("job_fails", on="create")
    [failed] = many(api, client, rows("a"), tmp_path)
    assert failed.job is not None
    [line] = map(json.loads, (tmp_path / "errors.jsonl").read_text().splitlines())
    assert (line["id"], line["request_id"], line["scene"]) == ("a", failed.job.request_id, 1)
    assert many(api, client, rows("a"), tmp_path, retry_failed=True)[0].ok
    assert not (tmp_path / "errors.jsonl").exists()


# ---- runs that break off ----------------------------------------------------------------------


def breaking(fails: bool) -> Iterator[dict[str, Any]]:  # noqa: FBT001 - a table's column
    yield rows("a")[0]
    if fails:
        raise OSError("the dataset's host is gone")
    yield rows("b")[0]


def test_a_run_whose_rows_break_off_is_closed(
    api: ApiMode, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="host is gone") as caught:
        many(api, client, breaking(True), tmp_path)
    monkeypatch.setattr(sys, "last_value", caught.value, raising=False)
    assert sorted(result.id for result in many(api, client, breaking(False), tmp_path)) == ["a", "b"]
    assert set(described(tmp_path)) == {"a", "b"}


def test_a_run_whose_loop_broke_off_does_not_stand_in_the_way(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook remembers the exception, and with it the run."""

    def cell() -> None:
        for _ in client.render_many(rows("a", "b"), tmp_path, concurrency=1, **OFTEN):
            raise KeyError("a mistake in the loop")

    async def awaiting_cell() -> None:
        async for _ in client.render_many_async(rows("a", "b"), tmp_path, concurrency=1, **OFTEN):
            raise KeyError("a mistake in the loop")

    with pytest.raises(KeyError) as caught:
        cell() if api.name == "blocking" else asyncio.run(awaiting_cell())
    monkeypatch.setattr(sys, "last_value", caught.value, raising=False)
    assert sorted(result.id for result in many(api, client, rows("a", "b"), tmp_path)) == ["a", "b"]
    assert len(simulator.accepted) == 2


def test_a_run_that_is_still_asked_is_not_closed_by_another(client: VideoClient, tmp_path: Path) -> None:
    batch = client.render_many(rows("a", "b"), tmp_path, **OFTEN)
    for _ in batch:
        with pytest.raises(vidjob.AlreadyRunning, match="this process"):
            client.render_many(rows("c"), tmp_path)
    assert batch.summary["saved"] == 2


def test_a_replaced_run_raises_when_it_is_used(client: VideoClient, tmp_path: Path) -> None:
    def begin() -> vidjob.Batch:
        batch = client.render_many(rows("a", "b"), tmp_path, concurrency=1, **OFTEN)
        next(batch)
        return batch

    old = begin()
    assert len(list(client.render_many(rows("a", "b"), tmp_path, **OFTEN))) == 2
    with pytest.raises(vidjob.AlreadyRunning, match="closed when another one started"):
        next(old)
