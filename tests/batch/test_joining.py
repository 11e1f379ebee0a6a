"""Results join back to the rows: no column is lost, and tables keep the index of a data frame."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support import ApiMode, many
from vidjob import RenderResult, Results, Simulator, VideoClient, VideoRequest

ADDED = (
    *("outcome", "path", "bytes", "sha256", "duration", "cost_usd", "render_seconds", "resumed"),
    *("request_id", "error", "index"),
)


def collected(api: ApiMode, client: VideoClient, *args: Any, **kwargs: Any) -> Results:
    if api.name == "blocking":
        return client.render_many(*args, **kwargs).collect()

    async def run() -> Results:
        return await client.render_many_async(*args, **kwargs).collect()

    return asyncio.run(run())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---- every column is kept ---------------------------------------------------------------------


def test_every_column_keeps_its_name_its_value_and_its_type(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 7, "prompt": "x", "duration": 2.0, "path": "mine", "scene": None},
        {"id": "b", "prompt": "y", "duration": "3", "bytes": 1, "index": "first", "scene": [1, {"a": 2}]},
    ]
    results = collected(api, client, rows, tmp_path)
    told = {row["prompt"]: row for row in results.to_dicts()}
    described = {line["prompt"]: line for line in lines(tmp_path / "metadata.jsonl")}
    for row in rows:
        for name, value in row.items():
            assert told[row["prompt"]][name] == value
            assert described[row["prompt"]][name] == value
    assert [told[prompt]["vidjob_index"] for prompt in "xy"] == [0, 1]
    assert [told[prompt]["vidjob_path"] for prompt in "xy"] == [
        str(tmp_path / "videos" / f"{name}.mp4") for name in ("7", "b")
    ]
    assert {*told["x"]} == {*told["y"]}, "all rows have the same columns"
    assert (described["x"]["vidjob_index"], described["y"]["vidjob_index"]) == (0, 1)
    assert described["x"]["vidjob_bytes"] == told["x"]["vidjob_bytes"] > 1
    # The same call again reads and writes the file with prefixes.
    again = collected(api, client, rows, tmp_path)
    assert all(result.resumed for result in again)
    assert {line["prompt"]: line for line in lines(tmp_path / "metadata.jsonl")} == described


def test_the_request_is_there_without_columns(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    request = VideoRequest("y", duration=2, aspect_ratio="1:1", image="https://a.example/i.png")
    told = collected(api, client, ["x", request], tmp_path, concurrency=1, max_jobs=0).to_dicts()
    assert [(row["prompt"], row["operation"], row["index"]) for row in told] == [
        ("x", "generate", 0),
        ("y", "generate", 1),
    ]
    assert (told[1]["duration"], told[1]["aspect_ratio"], "image" in told[1]) == (2, "1:1", False)
    assert [len(row["id"]) for row in told] == [16, 16]


def test_media_in_rows_do_not_stay_in_memory(client: VideoClient, tmp_path: Path) -> None:
    png = (Path(__file__).parent.parent / "media" / "picture.png").read_bytes()
    row = {"prompt": "x", "image": png, "reference_images": [png], "keyframes": [], "note": b"mine"}
    batch = client.render_many([{"prompt": "x", "image": png, "scene": 1}], tmp_path, max_jobs=0)
    [result] = batch
    assert result.row == {"prompt": "x", "scene": 1}
    assert set(row) - set(result.row)


def test_errors_keep_the_row_so_that_the_file_can_be_rendered_again(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    rows = [{"id": 7, "prompt": "x", "error": "mine", "duration": 2}]
    simulator.inject("job_fails", on="create")
    many(api, client, rows, tmp_path)
    [line] = lines(tmp_path / "errors.jsonl")
    assert {name: line[name] for name in rows[0]} == rows[0]
    assert (line["vidjob_error"]["type"], line["outcome"], line["index"]) == ("JobFailed", "failed", 0)
    # Our file is recognised, and removed once there is no error.
    [result] = many(api, client, rows, tmp_path, retry_failed=True)
    assert result.ok
    assert not (tmp_path / "errors.jsonl").exists()


# ---- tables -----------------------------------------------------------------------------------


@pytest.fixture
def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"prompt": ["a", "b", "c", "d"], "scene": [1, 2, 3, 4], "path": ["mine"] * 4})
    frame.index = pandas.Index([30, 10, 20, 40], name="shot")
    return frame


def test_a_data_frame_joins_its_results(
    api: ApiMode, simulator: Simulator, client: VideoClient, frame: Any, tmp_path: Path
) -> None:
    simulator.inject("job_fails", on="create", after=1)
    results = collected(api, client, frame, tmp_path, max_jobs=3)
    joined = frame.join(results.to_pandas())
    assert list(joined.index) == [30, 10, 20, 40]
    assert joined.index.name == "shot"
    assert list(joined["index"]) == [0, 1, 2, 3]
    assert list(joined["path"]) == ["mine"] * 4
    assert [*joined["outcome"]][3] == "not_submitted"
    assert sorted(joined["outcome"]) == ["failed", "not_submitted", "saved", "saved"]
    for prompt, path in zip(joined["prompt"], joined["vidjob_path"], strict=True):
        is_saved = joined.loc[joined["prompt"] == prompt, "outcome"].item() == "saved"
        assert (path is not None) == is_saved
    assert set(joined.columns) - set(frame.columns) == {*ADDED, "id", "vidjob_path"} - {"path"}


def test_every_kind_of_index_is_kept(client: VideoClient, frame: Any, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    indexes = (
        pandas.MultiIndex.from_product([["x", "y"], [1, 2]], names=["film", "shot"]),
        pandas.date_range("2026-01-01", periods=4, tz="UTC"),
        pandas.RangeIndex(4),
        pandas.CategoricalIndex(["d", "c", "b", "a"]),
    )
    for number, index in enumerate(indexes):
        results = client.render_many(frame.set_index(index), tmp_path / str(number), max_jobs=0).collect()
        assert results.to_pandas().index.equals(index)
        assert set(results[1:3].to_pandas().index) < set(index)
        assert results.ok.to_pandas().empty
    prompts = client.render_many(frame["prompt"], tmp_path / "series", max_jobs=0).collect()
    assert list(prompts.to_pandas().index) == [30, 10, 20, 40]
    assert "vidjob_path" not in prompts.to_pandas()


def test_results_of_other_sources_have_all_columns(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    rows = [{"id": name, "prompt": f"take {name}", "scene": number} for number, name in enumerate("ab")]
    table = collected(api, client, rows, tmp_path).to_pandas()
    assert list(table.index) == [0, 1]
    assert set(table.columns) == {"id", "prompt", "scene", *ADDED}
    assert list(table["prompt"]) == ["take a", "take b"]
    assert list(table["outcome"]) == ["saved", "saved"]


def test_polars_and_arrow_tables(api: ApiMode, client: VideoClient, frame: Any, tmp_path: Path) -> None:
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    table = polars.from_pandas(frame)
    results = collected(api, client, table, tmp_path / "polars", max_jobs=2, concurrency=1)
    joined = polars.concat([table, results.to_polars()], how="horizontal")
    assert joined["outcome"].to_list() == ["saved", "saved", "not_submitted", "not_submitted"]
    assert joined["prompt"].to_list() == ["a", "b", "c", "d"]
    assert (joined["bytes"].dtype, joined["resumed"].dtype) == (polars.Int64, polars.Boolean)
    results = collected(api, client, arrow.Table.from_pandas(frame), tmp_path / "arrow", max_jobs=0)
    assert results.to_arrow()["outcome"].to_pylist() == ["not_submitted"] * 4
    assert results.to_arrow().schema.field("bytes").type == arrow.int64()
    mixed = [{"prompt": "x", "note": 1}, {"prompt": "y", "note": "two"}]
    results = collected(api, client, mixed, tmp_path / "mixed", max_jobs=0)
    assert results.to_arrow()["note"].to_pylist() == ["1", "two"]
    assert results.to_polars()["note"].to_list() in ([None, "two"], ["1", "two"])


def test_an_absent_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for library, method in (("pandas", "to_pandas"), ("polars", "to_polars"), ("pyarrow", "to_arrow")):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        with pytest.raises(ImportError, match=f"pip install {library}"):
            getattr(Results([RenderResult("a")]), method)()


def test_results_without_a_batch_are_tables_too() -> None:
    table = pytest.importorskip("pandas")
    results = Results([RenderResult("a"), RenderResult("b", columns={"scene": 1})])
    assert list(results.to_pandas()["id"]) == ["a", "b"]
    assert list(results.to_pandas().index) == [0, 1]
    assert isinstance(results.to_pandas(), table.DataFrame)
    assert list(Results().to_pandas().columns) == list(ADDED)


def test_duplicate_labels_and_an_index_with_our_name_are_noticed(
    client: VideoClient, frame: Any, tmp_path: Path
) -> None:
    pandas = pytest.importorskip("pandas")
    twice = pandas.concat([frame, frame.assign(prompt=["e", "f", "g", "h"])])
    results = client.render_many(twice, tmp_path / "twice", max_jobs=0).collect()
    with pytest.warns(RuntimeWarning, match="duplicate labels, so a join repeats rows"):
        results.to_pandas()
    named = client.render_many(frame.rename_axis("id"), tmp_path / "named", max_jobs=0).collect()
    assert {"id", "vidjob_id"} < set(frame.rename_axis("id").join(named.to_pandas()).reset_index().columns)


def test_named_tuples_are_rows(api: ApiMode, client: VideoClient, frame: Any, tmp_path: Path) -> None:
    results = many(api, client, list(frame.itertuples()), tmp_path, max_jobs=0)
    ordered = sorted(results, key=lambda result: result.index or 0)
    assert [(result.row["prompt"], result.columns["Index"]) for result in ordered] == [
        *(("a", 30), ("b", 10), ("c", 20), ("d", 40))
    ]


# ---- costs ------------------------------------------------------------------------------------


def test_cost_is_of_this_run_and_spent_of_the_folder(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    rows = [{"id": str(number), "prompt": f"take {number}", "duration": 2} for number in range(3)]
    first = collected(api, client, rows[:2], tmp_path)
    assert (first.cost_usd, first.spent_usd) == (Decimal("0.2"), Decimal("0.2"))
    again = collected(api, client, rows, tmp_path)
    assert (again.cost_usd, again.spent_usd) == (Decimal("0.1"), Decimal("0.3"))
    assert (again.summary["cost_usd"], again.summary["spent_usd"]) == (0.1, 0.3)
    assert sum(record.spent_usd for record in client.jobs(tmp_path)) == again.spent_usd
    assert Results(list(again)).spent_usd is None


def test_jobs_of_earlier_runs_cost_nothing_in_this_one(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    rows = [{"id": str(number), "prompt": f"take {number}", "duration": 2} for number in range(3)]
    simulator.inject("job_moderated", on="create")
    collected(api, client, rows, tmp_path, concurrency=1)
    changed = [{**row, "prompt": "other"} for row in rows]
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        (rows, {}, "0"),
        (changed, {}, "0"),
        (rows, {"on_existing": "overwrite", "max_jobs": 0}, "0"),
        (rows, {"on_existing": "overwrite", "max_jobs": 1, "concurrency": 1}, "0.1"),
    ]
    for requests, options, cost in cases:
        results = collected(api, client, requests, tmp_path, **options)
        assert results.cost_usd == Decimal(cost)
        assert results.summary["cost_usd"] == float(cost)
        for result in results:
            if result.outcome == "not_submitted" or "another request" in str(result.error):
                assert result.job is None


def test_a_run_that_finishes_the_jobs_of_another_buys_nothing(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.pause()
    left = collected(api, client, ["x"], tmp_path, timeout=0)
    simulator.resume()
    finished = api(client, "resume", tmp_path)
    assert [(result.ok, result.bought) for result in finished] == [(True, False)]
    assert Results(finished).cost_usd == 0
    assert [result.bought for result in left] == [True]


def test_rows_that_repeat_another_do_not_count_its_cost_again(client: VideoClient, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="repeats"):
        results = client.render_many(["a", "a", "b"], tmp_path).collect()
    assert sum(row["cost_usd"] or 0 for row in results.to_dicts()) == float(results.cost_usd)


def test_words_for_outcomes_count_the_same_everywhere(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("job_fails", on="create")
    results = collected(api, client, ["a", "b", "c"], tmp_path, max_jobs=2, concurrency=1)
    assert len(results.failed) == results.summary["failed"] == 1
    assert len(results.ok) == results.summary["saved"] == 1
    assert len(results.without_file) == 2


def test_jobs_need_no_key(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    import vidjob

    many(api, client, ["x"], tmp_path)
    records = vidjob.jobs(tmp_path) if api.name == "blocking" else asyncio.run(vidjob.jobs_async(tmp_path))
    assert [(record.state, record.service) for record in records] == [("saved", client.base_url)]
    with pytest.raises(vidjob.InvalidRequest, match="the folder does not exist"):
        vidjob.jobs(tmp_path / "none")
