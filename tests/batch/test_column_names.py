"""Misspelt columns are refused, for they would buy something else; a missing prompt lists the columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode, many
from vidjob import Simulator, VideoClient
from vidjob._batch.column_names import FIELD_NAMES

#: A column, and the field that it misspells.
MISSPELT = {
    "duratoin": "duration",
    "Duration": "duration",
    "durations": "duration",
    "dration": "duration",
    "resoluton": "resolution",
    "aspect ratio": "aspect_ratio",
    "aspectRatio": "aspect_ratio",
    "modle": "model",
    "imgae": "image",
    "vido": "video",
    "reference-images": "reference_images",
    "last_frme": "last_frame",
    "keyframe": "keyframes",
    "generate_adio": "generate_audio",
    "Prompt": "prompt",
    "users": "user",
    "duration_s": "duration",
    "durationSeconds": "duration",
    "duration (s)": "duration",
    "seconds": "duration",
    "ImageURL": "image",
    "input_reference": "image",
    "aspect": "aspect_ratio",
    "model_name": "model",
    "audio": "generate_audio",
    "ID": "id",
    "customid": "custom_id",
}
#: Columns that people have.
OTHERS = (
    *("scene", "seed", "title", "name", "index", "tags", "split", "category", "style", "date", "score", "text", "uid"),
    *("page", "stage", "usage", "code", "node", "age", "customer", "customer_id", "set", "size", "weight", "author"),
)


def tables(column: str, tmp_path: Path) -> dict[str, Any]:
    """One row with this column, in every form."""
    row = {"prompt": "x", column: "5"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (tmp_path / "rows.csv").write_text(f"prompt,{column}\nx,5\n")
    pandas, polars, arrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    forms = {"list": [row], "jsonl": tmp_path / "rows.jsonl", "csv": tmp_path / "rows.csv"}
    frames = {
        "pandas": pandas.DataFrame([row]),
        "polars": polars.DataFrame([row]),
        "arrow": arrow.Table.from_pylist([row]),
    }
    return {**forms, **frames}


@pytest.mark.parametrize(("column", "field"), MISSPELT.items())
def test_a_misspelt_column_is_refused_unless_it_is_listed(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, column: str, field: str
) -> None:
    for form, source in tables(column, tmp_path).items():
        if form == "csv" and column.strip().lower() in {*FIELD_NAMES, "id"}:
            continue  # headers match in any case
        with pytest.raises(vidjob.InvalidRequest, match=f"did you mean '{field}'") as caught:
            many(api, client, source, tmp_path / form)
        assert (caught.value.field, simulator.accepted) == (column, []), form
    [result] = many(api, client, [{"prompt": "x", column: "5"}], tmp_path / "listed", columns=[column])
    assert result.columns == {column: "5"}


@pytest.mark.parametrize("column", OTHERS)
def test_other_columns_are_passed_on(client: VideoClient, tmp_path: Path, column: str) -> None:
    assert column not in FIELD_NAMES
    client.render_many([{"prompt": "x", column: "5"}], tmp_path).close()


def test_a_stream_and_a_batch_line_are_checked_too(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    line = {"custom_id": "a", "url": "/v1/videos/generations", "body": {"prompt": "x", "duratoin": 5}}
    beside = {"custom_id": "b", "body": {"prompt": "x"}, "duratoin": 5}
    results = many(api, client, iter([{"prompt": "x", "duratoin": 5}, line, beside]), tmp_path)
    assert ["did you mean 'duration'" in str(result.error) for result in results] == [True, True, True]
    outside = {"custom_id": "c", "body": {"prompt": "x"}, "duration": 5}
    with pytest.raises(vidjob.InvalidRequest, match="'duration' stands beside body") as caught:
        many(api, client, [outside], tmp_path)
    assert (caught.value.field, simulator.accepted) == ("duration", [])


def test_columns_are_any_collection_of_names(client: VideoClient, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"prompt": ["x"], "durations": [5]})
    client.render_many(frame, tmp_path / "a", columns=frame.columns).close()
    client.render_many(frame, tmp_path / "b", columns={"durations": 1}.keys()).close()


@pytest.mark.parametrize("columns", ["page", [5], [b"page"]])
def test_columns_are_a_list_of_names(client: VideoClient, tmp_path: Path, columns: Any) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="columns must be a list of names"):
        client.render_many(["x"], tmp_path, columns=columns)


@pytest.mark.parametrize("form", ["list", "jsonl", "csv", "pandas", "polars", "arrow"])
def test_a_missing_prompt_lists_the_columns_and_the_one_that_may_be_meant(
    api: ApiMode, client: VideoClient, tmp_path: Path, form: str
) -> None:
    row = {"promt": "x", "duration": 5}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (tmp_path / "rows.csv").write_text("promt,duration\nx,5\n")
    source: Any = {"list": [row], "jsonl": tmp_path / "rows.jsonl", "csv": tmp_path / "rows.csv"}.get(form)
    if source is None:
        module = pytest.importorskip("pyarrow" if form == "arrow" else form)
        source = module.Table.from_pylist([row]) if form == "arrow" else module.DataFrame([row])
    words = "no column is named prompt; the columns are 'promt', 'duration'; rename 'promt' to 'prompt'"
    with pytest.raises(vidjob.InvalidRequest, match=words):
        many(api, client, source, tmp_path / "out")
