"""Tables of pandas, polars and Arrow: read alike, whether pyarrow is there or not."""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidjob
from support import ApiMode, many
from vidjob import Simulator, VideoClient
from vidjob._batch.rows import Row, RowRules, read, row_of

IMAGE = "https://a.example/i.png"


def rows_of(source: object) -> list[Row]:
    table = read(source)
    assert table.is_whole
    return [row_of(order, RowRules()) for order in table.rows]


@pytest.fixture(params=["with pyarrow", "without pyarrow"])
def pandas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, beside pyarrow and without it."""
    library = pytest.importorskip("pandas")
    if request.param == "with pyarrow":
        pytest.importorskip("pyarrow")
    else:
        # Where pyarrow is installed, pandas itself loads a part of it at the first categories.
        library.Categorical(["s", None])
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    return library


@pytest.fixture
def polars() -> Any:
    return pytest.importorskip("polars")


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow")


# ---- pandas -----------------------------------------------------------------------------------

SOMETHING = object()
NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone.utc)

#: (a column, what its cells are in the rows; what is missing is no column there)
PANDAS_COLUMNS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "numbers and texts": (lambda _: [1, "two", 2.5], [1, "two", 2.5]),
    "objects": (lambda _: [SOMETHING, None, SOMETHING], [SOMETHING, None, SOMETHING]),
    "lists and dicts": (lambda _: [[1, 2], {"a": 1}, "b"], [[1, 2], {"a": 1}, "b"]),
    "categories": (lambda pd: pd.Categorical(["s", None, "s"]), ["s", None, "s"]),
    "whole numbers with gaps": (lambda pd: pd.array([1, None, 2**60], dtype="Int64"), [1, None, 2**60]),
    "truth with gaps": (lambda pd: pd.array([True, None, False], dtype="boolean"), [True, None, False]),
    "texts with gaps": (lambda pd: pd.array(["s", None, "t"], dtype="string"), ["s", None, "t"]),
    "nothing in three ways": (lambda pd: [None, float("nan"), pd.NA], [None, None, None]),
    "times": (lambda pd: pd.to_datetime([NOON, None, NOON]), [NOON, None, NOON]),
    "decimals": (
        lambda _: [decimal.Decimal(1), None, decimal.Decimal("NaN")],
        [decimal.Decimal(1), None, None],
    ),
}


@pytest.mark.parametrize("name", PANDAS_COLUMNS)
def test_every_column_of_pandas_is_read_alike_with_and_without_pyarrow(pandas: Any, name: str) -> None:
    make, cells = PANDAS_COLUMNS[name]
    frame = pandas.DataFrame({"prompt": ["x", "y", "z"], "column": make(pandas)})
    rows = rows_of(frame)
    assert [row.request.prompt for row in rows] == ["x", "y", "z"]
    assert [row.columns.get("column") for row in rows] == cells


def test_fields_in_columns_of_several_types_are_understood(pandas: Any) -> None:
    frame = pandas.DataFrame(
        {
            "id": [1, None, 3],
            "prompt": ["x", "y", "z"],
            "duration": [5, "7", None],
            "generate_audio": [True, None, "no"],
            "reference_images": [np.array([IMAGE, IMAGE]), [IMAGE], None],
            "extra": [{"seed": 1}, '{"seed": 2}', float("nan")],
        }
    )
    rows = rows_of(frame)
    assert [row.id for row in rows] == ["1", None, "3"]
    assert [row.request.duration for row in rows] == [5, 7, None]
    assert [row.request.generate_audio for row in rows] == [True, None, False]
    assert [len(row.request.reference_images) for row in rows] == [2, 1, 0]
    assert [row.request.extra for row in rows] == [{"seed": 1}, {"seed": 2}, None]


def test_a_series_is_a_list_of_prompts(pandas: Any) -> None:
    for series in (pandas.Series(["a cat", "a dog"]), pandas.Index(["a cat", "a dog"])):
        assert [row.request.prompt for row in rows_of(series)] == ["a cat", "a dog"]
    assert [row.id for row in rows_of(pandas.Series([{"prompt": "x", "id": 7}]))] == ["7"]


def test_tables_are_rendered(
    api: ApiMode, pandas: Any, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    frame = pandas.DataFrame({"id": [1, None], "prompt": ["x", "y"], "note": [1, "two"], "o": [object(), None]})
    assert all(result.ok for result in many(api, client, frame, tmp_path / "a"))
    assert all(result.ok for result in many(api, client, pandas.Series(["x", "y"]), tmp_path / "b"))
    assert len(simulator.accepted) == 4
    assert (tmp_path / "a" / "videos" / "1.mp4").exists()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([0, 1], "no column is named prompt; the columns are '0', '1'"),
        (["Promt", "id"], "no column is named prompt; the columns are 'Promt', 'id'"),
        (["prompt", "prompt"], "two columns are named 'prompt'"),
        ([("prompt", "a"), ("prompt", "b")], "no column is named prompt"),
    ],
)
def test_a_table_without_a_prompt_names_its_columns(pandas: Any, columns: list[Any], words: str) -> None:
    frame = pandas.DataFrame([["x", "y"]])
    frame.columns = pandas.MultiIndex.from_tuples(columns) if isinstance(columns[0], tuple) else columns
    with pytest.raises(vidjob.InvalidRequest) as caught:
        rows_of(frame)
    assert words in str(caught.value)
    assert caught.value.field == "prompt"


def test_other_columns_need_not_be_named_by_texts(pandas: Any) -> None:
    [row] = rows_of(pandas.DataFrame([["x", 1]], columns=["prompt", 2024]))
    assert row.columns == {"2024": 1}


#: (an id as it is held, as it is spelled, or `None` where it is refused)
IDS: list[tuple[object, str | None]] = [
    ("007", "007"),
    (1, "1"),
    (1.0, "1"),
    (-2.0, "-2"),
    (1.5, "1.5"),
    (np.int64(7), "7"),
    (np.uint8(7), "7"),
    (np.float32(7), "7"),
    (np.float64(7), "7"),
    (np.str_("a"), "a"),
    (2**53 - 1.0, "9007199254740991"),
    (1e300, None),
    (float("inf"), None),
    (decimal.Decimal("1.50"), "1.50"),
    (dt.date(2024, 1, 1), "2024-01-01"),
    (Path("a"), "a"),
    (10**100, "1" + "0" * 100),
    (10**5000, None),
    (True, None),
    (np.bool_(True), None),
    (b"a", None),
    (np.bytes_(b"a"), None),
    ((1, 2), None),
    ([1], None),
    (np.array([1]), None),
    (object(), None),
    ("a\ud83d", None),
    ("a\nb", "a\nb"),
    ("x" * 5000, "x" * 5000),
    (None, None),
]


@pytest.mark.parametrize("number", range(len(IDS)))
def test_ids_keep_their_spelling(number: int) -> None:
    given, spelled = IDS[number]
    if spelled is not None or given is None:
        assert row_of({"id": given, "prompt": "x"}, RowRules()).id == spelled
        return
    with pytest.raises(vidjob.InvalidRequest) as caught:
        row_of({"id": given, "prompt": "x"}, RowRules())
    assert caught.value.field == "id"


# ---- polars and Arrow -------------------------------------------------------------------------


def test_columns_of_polars(polars: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = polars.DataFrame(
        {
            "id": [1, None],
            "prompt": ["x", "y"],
            "duration": polars.Series(["5", "7"], dtype=polars.Categorical),
            "reference_images": [[IMAGE], None],
            "image": [None, {"url": IMAGE}],
            "price": polars.Series([decimal.Decimal("1.5"), None]),
            "at": polars.Series([NOON, None], dtype=polars.Datetime("us", "UTC")),
            "vector": polars.Series([[1.0, 2.0], None], dtype=polars.Array(polars.Float64, 2)),
            "thing": polars.Series([SOMETHING, None], dtype=polars.Object),
        }
    )
    one, other = rows_of(frame)
    assert (one.id, one.request.duration, one.request.reference_images) == ("1", 5, (IMAGE,))
    assert (other.id, other.request.duration, other.request.image) == (None, 7, IMAGE)
    assert one.columns.pop("vector") is not None
    assert one.columns == {"price": decimal.Decimal("1.5"), "at": NOON, "thing": SOMETHING}
    assert other.columns == {}
    assert [row.request.prompt for row in rows_of(polars.Series(["x", "y"]))] == ["x", "y"]
    with pytest.raises(vidjob.InvalidRequest, match="no column is named prompt"):
        rows_of(polars.DataFrame({"a": [1]}))


def test_columns_of_arrow(arrow: Any, tmp_path: Path) -> None:
    table = arrow.table(
        {
            "id": arrow.array([1, None]),
            "prompt": arrow.array(["x", "y"]).dictionary_encode(),
            "duration": arrow.array(["5", "7"]).dictionary_encode(),
            "reference_images": arrow.array([[IMAGE], None]),
            "at": arrow.array([NOON, None], arrow.timestamp("us", "UTC")),
            "price": arrow.array([decimal.Decimal("1.5"), None]),
            # No date of Python's.
            "late": arrow.array([2**62, None], arrow.timestamp("us")),
        }
    )
    from pyarrow import parquet

    parquet.write_table(table, tmp_path / "a.parquet")
    for source in (table, table.to_batches()[0], table.to_reader(), table.to_struct_array(), tmp_path / "a.parquet"):
        one, other = rows_of(source)
        assert (one.id, one.request.duration, one.request.reference_images) == ("1", 5, (IMAGE,))
        assert (other.id, other.request.prompt, other.columns) == (None, "y", {})
        assert (one.columns["at"], one.columns["price"]) == (NOON, decimal.Decimal("1.5"))
        assert isinstance(one.columns["late"], str)
    for prompts in (arrow.array(["x", "y"]), arrow.chunked_array([["x"], ["y"]])):
        assert [row.request.prompt for row in rows_of(prompts)] == ["x", "y"]
    twice = arrow.table([["x"], ["y"]], names=["prompt", "prompt"])
    with pytest.raises(vidjob.InvalidRequest, match="two columns are named 'prompt'"):
        rows_of(twice)


class Stream:
    """A table of another library, which has nothing but Arrow's interface."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_tables_of_other_libraries_are_read_with_pyarrow(arrow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Stream(arrow.table({"prompt": ["x"], "id": [1]}))
    assert [row.id for row in rows_of(table)] == ["1"]
    assert [row.request.prompt for row in rows_of(Stream(arrow.chunked_array([["x"]])))] == ["x"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(vidjob.InvalidRequest, match="pip install pyarrow"):
        rows_of(table)


def test_unreadable_sources_are_named(arrow: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "broken.jsonl").write_bytes('{"prompt": "x"}'.encode("utf-16"))
    (tmp_path / "folder.csv").mkdir()
    for name in ("broken.parquet", "broken.jsonl", "folder.csv", "none.jsonl", "none.csv", "none.parquet"):
        with pytest.raises(vidjob.InvalidRequest, match=rf"{name}.* cannot be read: "):
            rows_of(tmp_path / name)

    class Broken(Stream):
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("no")

    with pytest.raises(vidjob.InvalidRequest, match="the Broken cannot be read: no"):
        rows_of(Broken(None))
