"""Wrong values in rows: each is refused with its row and field, and whatever is accepted can be written everywhere."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidjob
from support import ApiMode, Cli, by_id, many
from vidjob import (
    FileId,
    Keyframe,
    RenderResult,
    Simulator,
    StorageOptions,
    VideoClient,
    VideoRequest,
    Voice,
    _json_values,
)
from vidjob._batch.naming import Naming
from vidjob._batch.plan import Plan, planned
from vidjob._batch.results import Results
from vidjob._batch.rows import RowRules, read
from vidjob._json_values import json_columns

IMAGE = "https://a.example/i.png"
NEW = "grok-imagine-video-1.5"
HALF = "c \ud83d"
HUGE = 10**5000


class Tensor:
    """What compares to itself part by part, and has no truth."""

    def __ne__(self, other: object) -> Any:
        return self

    def __eq__(self, other: object) -> Any:
        return self

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")


class TensorWithList(Tensor):
    shape = (2,)

    def tolist(self) -> list[float]:
        return [1.5, float("nan")]


def raising(*names: str) -> Any:
    """An object whose methods of these names raise."""

    def raises(*_: object) -> Any:
        raise RuntimeError("not me")

    return type("Raising", (), dict.fromkeys(names, raises))()


class Items(Mapping[str, Any]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("not me")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("not me")

    def __len__(self) -> int:
        return 1


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int = 1


def nested(depth: int) -> dict[str, Any]:
    outer: dict[str, Any] = {}
    for _ in range(depth):
        outer = {"a": outer}
    return outer


def endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


def frame(timestamp: object, image: object = IMAGE) -> dict[str, Any]:
    return {"model": NEW, "keyframes": [{"image": image, "timestamp": timestamp}]}


#: (what stands in the row beside an id and a prompt, the field that is named)
WRONG: dict[str, tuple[dict[Any, Any], str]] = {
    **{f"half an emoji as {name}": ({name: HALF}, name) for name in ("prompt", "model", "user", "aspect_ratio")},
    **{f"half an emoji as {name}": ({name: HALF}, name) for name in ("image", "operation", "upload_url", "id")},
    **{f"a number as {name}": ({name: 5}, name) for name in ("prompt", "model", "image", "video", "last_frame")},
    **{f"a number as {name}": ({name: 5}, name) for name in ("reference_images", "reference_audios", "keyframes")},
    **{f"a number as {name}": ({name: 5}, name) for name in ("storage_options", "extra", "output", "generate_audio")},
    **{
        f"a duration of {number if number != HUGE else 'many digits'!r}": ({"duration": number}, "duration")
        for number in ("NaN", float("inf"), 1e30, HUGE, "1e400", 2.5, True, "soon", [5], {"a": 1}, b"5")
    },
    "a duration that raises": ({"duration": raising("__float__")}, "duration"),
    "a duration that signals": ({"duration": decimal.Decimal("sNaN")}, "duration"),
    "a tensor as a duration": ({"duration": Tensor()}, "duration"),
    "a tensor as a prompt": ({"prompt": TensorWithList()}, "prompt"),
    "a tensor in a column": ({"emb": Tensor()}, "emb"),
    "a column that raises when compared": ({"note": raising("__eq__", "__ne__")}, "note"),
    "a signalling NaN in a column": ({"note": decimal.Decimal("sNaN")}, "note"),
    "two columns of one name": ({1: "a", "1": "b"}, "1"),
    "a path that is a number": ({"image": {"path": 5}}, "image"),
    "a path with a NUL": ({"image": {"path": "a\0b"}}, "image"),
    "a path that is half an emoji": ({"image": {"path": HALF}}, "image"),
    "a path that raises": ({"image": raising("__fspath__")}, "image"),
    "a file id that is a number": ({"image": {"file_id": 5}}, "image"),
    "a file id that is half an emoji": ({"image": {"file_id": HALF}}, "image"),
    "an address that is a number": ({"image": {"url": 5}}, "image"),
    "bytes that are a number": ({"image": {"bytes": 5}}, "image"),
    "an object that is no image": ({"image": object()}, "image"),
    "a file that cannot be read": ({"image": raising("read")}, "image"),
    "an array that is no image": ({"image": np.zeros(3)}, "image"),
    "references with a hole": ({"reference_images": [IMAGE, None]}, "reference_images"),
    "references with a number": ({"reference_images": [5]}, "reference_images"),
    "references in an array of numbers": ({"reference_images": np.arange(3)}, "reference_images"),
    "references that hold themselves": ({"reference_images": endless()}, "reference_images"),
    "references as half of JSON": ({"reference_images": '["https://'}, "reference_images"),
    "references as JSON without end": ({"reference_images": "[" * 100_000}, "reference_images"),
    "a voice that is a number": ({"model": NEW, "reference_audios": [5]}, "reference_audios"),
    "a voice id that is a number": ({"model": NEW, "reference_audios": [{"voice_id": 5}]}, "reference_audios"),
    "a voice that is half an emoji": ({"model": NEW, "reference_audios": [{"voice_id": HALF}]}, "reference_audios"),
    "a voice without an id": ({"model": NEW, "reference_audios": [{}]}, "reference_audios"),
    **{
        f"a keyframe at {moment!r}": (frame(moment), "keyframes")
        for moment in ("soon", "NaN", float("nan"), float("inf"), 10**400, True, [1], -1, 99)
    },
    "a keyframe of half an emoji": (frame(1, HALF), "keyframes"),
    "a keyframe of a number": (frame(1, 5), "keyframes"),
    "a keyframe that is a number": ({"model": NEW, "keyframes": [5]}, "keyframes"),
    "a stored name that is a number": ({"storage_options": {"filename": 5}}, "storage_options"),
    "a stored name that is half an emoji": ({"storage_options": {"filename": HALF}}, "storage_options"),
    "a storage time out of range": ({"storage_options": {"filename": "a", "expires_after": HUGE}}, "storage_options"),
    "storage options of numbers": ({"storage_options": {1: 2}}, "storage_options"),
    "an upload address that is a number": ({"output": {"upload_url": 5}}, "output"),
    "an extra that is a text": ({"extra": "x"}, "extra"),
    "an extra that is a list": ({"extra": [1]}, "extra"),
    "an extra that holds itself": ({"extra": {"a": endless()}}, "extra"),
    "an extra without end": ({"extra": nested(10_000)}, "extra"),
    "an extra that cannot be read": ({"extra": Items()}, "extra"),
    **{
        f"an extra with {name}": ({"extra": {"a": value}}, "extra")
        for name, value in {
            "NaN": float("nan"),
            "infinity": float("inf"),
            "a number of 65 bits": 2**64,
            "a number of many digits": HUGE,
            "half an emoji": HALF,
            "a key that is half an emoji": {HALF: 1},
            "a key that is a number": {1: 2},
            "a key that is a tuple": {(1, 2): 3},
            "bytes": b"a",
            "a date": dt.date(2024, 1, 1),
            "an object": object(),
            "an array": np.arange(3),
        }.items()
    },
    "an id that is a list": ({"id": [1]}, "id"),
    "an id that is infinite": ({"id": float("inf")}, "id"),
    "an id that raises": ({"id": raising("__str__")}, "id"),
    "an id of many digits": ({"id": HUGE}, "id"),
}
#: The same of orders that are no such rows.
WRONG_ORDERS: dict[str, tuple[object, str]] = {
    "half an emoji": (HALF, "prompt"),
    "nothing": (None, "requests"),
    "a tensor": (Tensor(), "requests"),
    "a mapping that cannot be read": (Items(), "requests"),
    "an empty row": ({}, "prompt"),
    "a row without a prompt": ({"id": "b", "Promt": "x"}, "prompt"),
    "a batch line whose extra is a text": ({"custom_id": "b", "body": {"prompt": "p", "extra": "x"}}, "extra"),
    "a batch line with NaN": ({"custom_id": "b", "body": {"prompt": "p", "seed": float("inf")}}, "extra"),
    "a batch line to a number": ({"custom_id": "b", "url": 5, "body": {"prompt": "p"}}, "url"),
    "a batch line by a list": ({"custom_id": "b", "method": [1], "body": {"prompt": "p"}}, "url"),
    "a batch line whose id is a list": ({"custom_id": [1], "body": {"prompt": "p"}}, "id"),
}


def order_of(name: str) -> tuple[Any, str]:
    if name in WRONG_ORDERS:
        return WRONG_ORDERS[name]
    fields, field = WRONG[name]
    return {"id": "b", "prompt": "p", **fields}, field


@pytest.mark.parametrize("name", [*WRONG, *WRONG_ORDERS])
def test_a_wrong_value_is_refused_with_its_row_and_field(name: str, tmp_path: Path) -> None:
    order, field = order_of(name)
    table = read([{"id": "a", "prompt": "fine"}, order, {"id": "c", "prompt": "fine too"}])
    with pytest.raises(vidjob.InvalidRequest) as caught:
        planned(table, Plan(Naming(tmp_path, "{id}.mp4"), RowRules(tmp_path)))
    assert caught.value.field == field
    says_id = isinstance(order, dict) and order.get("id") == "b"
    assert str(caught.value).startswith("row 2 (id 'b'): " if says_id else "row 2")
    assert len(str(caught.value)) < 1000
    json.dumps(caught.value.to_dict(), ensure_ascii=False, allow_nan=False).encode()


def test_wrong_rows_of_a_stream_are_results_and_stop_no_others(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    wrong = [order_of(name) for name in (*WRONG, *WRONG_ORDERS)]
    fine = [{"id": f"fine {number}", "prompt": f"take {number}", "duration": 1} for number in range(3)]
    orders = [fine[0], *(order for order, _ in wrong[:50]), fine[1], *(order for order, _ in wrong[50:]), fine[2]]
    results = many(api, client, iter(orders), tmp_path, input_root=tmp_path)
    assert [result.id for result in sorted(results, key=lambda result: result.id) if result.ok] == [
        "fine 0",
        "fine 1",
        "fine 2",
    ]
    errors = [result.error for result in results if not result.ok]
    assert {type(error) for error in errors} == {vidjob.InvalidRequest}
    assert [error.field for error in errors if isinstance(error, vidjob.InvalidRequest)] == [name for _, name in wrong]
    assert len(simulator.accepted) == 3
    assert len(strict_lines(tmp_path / "errors.jsonl")) == len(wrong)


def test_a_list_with_wrong_rows_names_the_first_and_up_to_ten_more(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    rows: list[Any] = [{"id": f"i{number}", "prompt": "x", "duration": 99} for number in range(14)]
    rows[3] = "fine"
    rows[5] = 7
    with pytest.raises(vidjob.InvalidRequest) as caught:
        many(api, client, rows, tmp_path)
    first, _, more = str(caught.value).partition("; ")
    assert first.startswith("row 1 (id 'i0'): duration")
    assert more.startswith(
        "12 more rows are refused: row 2 (id 'i1'): duration, row 3 (id 'i2'): duration, row 5 (id 'i4'): duration"
    )
    assert "row 6: requests" in more
    assert more.count("row ") == 10
    assert more.endswith(", …")
    assert simulator.requests == []
    with pytest.raises(vidjob.InvalidRequest, match=r"; 1 more row is refused: row 2: prompt$"):
        many(api, client, ["", ""], tmp_path)


def test_exceptions_of_the_callers_iterator_reach_the_caller(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    def orders() -> Any:
        yield "x"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        many(api, client, orders(), tmp_path)


# ---- columns ----------------------------------------------------------------------------------

SELF: dict[str, Any] = {}
SELF["self"] = [SELF]
#: (what stands in a column, what is written of it)
COLUMNS: dict[str, tuple[Any, Any]] = {
    "a text": ("żółw 🐢", "żółw 🐢"),
    "half an emoji": (HALF, "c \\ud83d"),
    "numbers": ([1, 2.5, True, None], [1, 2.5, True, None]),
    "infinity": (float("inf"), None),
    "NaN inside": ({"a": [float("nan")]}, {"a": [None]}),
    "64 bits": ([2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
    "65 bits": (2**64, str(2**64)),
    "many digits": (HUGE, "<int of 16610 bits>"),
    "a key that is a tuple": ({(1, 2): 3}, {"(1, 2)": 3}),
    "a key that is half an emoji": ({HALF: HALF}, {"c \\ud83d": "c \\ud83d"}),
    "a key that raises": ({raising("__str__"): 1}, {"<Raising>": 1}),
    "a list that holds itself": (endless(), ["<list: holds itself>"]),
    "an object that holds itself": (SELF, {"self": ["<dict: holds itself>"]}),
    "an object that raises": (raising("__str__", "__repr__"), "<Raising>"),
    "an object that raises inside": ([raising("__str__", "__repr__", "__eq__")], ["<Raising>"]),
    "a mapping that cannot be read": (Items(), "<Items: cannot be written>"),
    "a tensor": (TensorWithList(), [1.5, None]),
    "a small array": (np.arange(3), [0, 1, 2]),
    "an array of objects": (np.array(["a", None], object), ["a", None]),
    "an array of dates": (np.array(["2024-01-01"], "M8[ns]"), ["2024-01-01T00:00:00.000000000"]),
    "an image in an array": (np.zeros((64, 64, 3), np.uint8), "<ndarray of shape (64, 64, 3)>"),
    "a number of NumPy": (np.int64(5), 5),
    "a short number of NumPy": (np.float32(0.5), 0.5),
    "a truth of NumPy": (np.bool_(True), True),
    "a text of NumPy": (np.str_("a"), "a"),
    "a date of NumPy": (np.datetime64("2024-01-01"), "2024-01-01"),
    "bytes inside": (
        {"image": {"bytes": b"png", "path": "a.png"}, "all": [b"a"]},
        {"image": {"path": "a.png"}, "all": [None]},
    ),
    "a date": (dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone.utc), "2024-01-01 12:00:00+00:00"),
    "a time": (dt.timedelta(hours=1), "1:00:00"),
    "a decimal": (decimal.Decimal("1.50"), "1.50"),
    "an infinite decimal": (decimal.Decimal("inf"), None),
    "an id": (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "a path": (Path("caf\udce9"), "caf\\udce9"),
    "a member of an enum": (Colour.RED, "red"),
    "a set": ({"b", "a"}, ["a", "b"]),
    "a tuple": ((1, (2,)), [1, [2]]),
    "a dataclass": (Point(), repr(Point())),
}


def strict_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file as a reader of JSON takes them that knows no NaN."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    return [json.loads(line, parse_constant=refuse) for line in path.read_bytes().decode().splitlines()]


def rows_with_columns() -> list[dict[Any, Any]]:
    columns = [value for value, _ in COLUMNS.values()]
    return [
        {"id": name, "prompt": f"take {number}", "duration": 1, "column": value, (number, HALF): 1, "blob": b"a"}
        for number, (name, value) in enumerate(zip(COLUMNS, columns, strict=True))
    ]


def test_every_accepted_column_can_be_written_to_every_output(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.respond("create", status=400, body='{"error": "no"}')
    rows = rows_with_columns()
    results = by_id(many(api, client, rows, tmp_path))
    assert sorted(results) == sorted(COLUMNS)
    [refused] = strict_lines(tmp_path / "errors.jsonl")
    written = {line["id"]: line for line in (refused, *strict_lines(tmp_path / "metadata.jsonl"))}
    for number, (name, (value, expected)) in enumerate(COLUMNS.items()):
        assert written[name]["column"] == expected, name
        assert written[name][f"({number}, 'c \\ud83d')"] == 1
        assert "blob" not in written[name]
        assert results[name].columns["column"] is value
        told = results[name].to_dict()
        assert told["columns"]["column"] == expected
        assert RenderResult.from_dict(json.loads(json.dumps(told, allow_nan=False))).id == name
        assert name in repr(results[name])
    json.dumps(Results(results.values()).to_dicts(), ensure_ascii=False, allow_nan=False).encode()
    again = many(api, client, rows, tmp_path)
    assert all(result.ok for result in again)
    assert len(simulator.accepted) == len(COLUMNS)


def test_deep_wide_and_endless_columns_are_truncated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_values, "_MAX_VALUES", 10_000)

    def depth(value: Any) -> int:
        return 1 + depth(next(iter(value.values()))) if isinstance(value, dict) else 0

    written = json_columns({"deep": nested(10_000)})
    assert 50 < depth(written["deep"]) < 100
    assert "<dict: nested too deep>" in json.dumps(written)
    many_times: list[Any] = [1]
    for _ in range(40):
        many_times = [many_times, many_times]
    assert "<list: too large>" in str(json_columns({"wide": many_times})["wide"])


def test_columns_are_parts_of_file_names_whatever_they_hold(tmp_path: Path) -> None:
    naming = Naming(tmp_path, "{id}-{column}.mp4")
    for name, (value, _) in COLUMNS.items():
        path = naming.path(name, {"id": name, "column": value})
        assert path.parent == tmp_path
        str(path).encode()
    for template in ("{id}\ud83d.mp4", "{id}\0.mp4"):
        with pytest.raises(vidjob.InvalidRequest) as caught:
            Naming(tmp_path, template)
        assert caught.value.field == "filename"


# ---- one request ------------------------------------------------------------------------------

#: (verb, arguments, the field that is named)
ARGUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("generate", {"prompt": HALF}, "prompt"),
    ("generate", {"model": HALF}, "model"),
    ("generate", {"user": HALF}, "user"),
    ("generate", {"aspect_ratio": HALF}, "aspect_ratio"),
    ("generate", {"resolution": HALF}, "resolution"),
    ("generate", {"upload_url": HALF}, "upload_url"),
    ("generate", {"image": HALF}, "image"),
    ("generate", {"image": Path(HALF)}, "image"),
    ("generate", {"reference_images": [HALF]}, "reference_images"),
    ("generate", {"reference_audios": [HALF]}, "reference_audios"),
    ("generate", {"last_frame": HALF}, "last_frame"),
    ("generate", {"duration": HUGE}, "duration"),
    ("generate", {"duration": 2**63}, "duration"),
    ("generate", {"extra": {"a": HALF}}, "extra"),
    ("generate", {"extra": {HALF: 1}}, "extra"),
    ("generate", {"extra": {"a": float("nan")}}, "extra"),
    ("generate", {"extra": {"a": HUGE}}, "extra"),
    ("generate", {"extra": {"a": 2**64}}, "extra"),
    ("generate", {"extra": {1: 2}}, "extra"),
    ("generate", {"extra": {"a": endless()}}, "extra"),
    ("generate", {"extra": nested(10_000)}, "extra"),
    ("edit", {"prompt": HALF, "video": IMAGE}, "prompt"),
    ("edit", {"video": HALF}, "video"),
    ("extend", {"video": IMAGE, "duration": HUGE}, "duration"),
]


@pytest.mark.parametrize("number", range(len(ARGUMENTS)))
def test_an_argument_that_cannot_be_sent_is_refused_with_its_field(
    api: ApiMode, simulator: Simulator, client: VideoClient, number: int
) -> None:
    verb, arguments, field = ARGUMENTS[number]
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, verb, **{"prompt": "x", **arguments})
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
    str(caught.value).encode()
    assert simulator.requests == []


def test_values_of_requests_are_refused_likewise() -> None:
    cases: list[tuple[Any, tuple[Any, ...]]] = [
        (FileId, (HALF,)),
        (Voice, (HALF,)),
        (StorageOptions, (HALF,)),
        (StorageOptions, ("a", HUGE)),
        (Keyframe, (IMAGE, float("nan"))),
        (Keyframe, (IMAGE, 10**400)),
        (Keyframe, (HALF, 1)),
        (VideoRequest.from_dict, ({"prompt": HALF},)),
        (VideoRequest.from_dict, ({(1, 2): 3},)),
        (VideoRequest.from_dict, ({"extra": endless()},)),
        (VideoRequest.from_dict, (object(),)),
    ]
    for make, arguments in cases:
        with pytest.raises(vidjob.InvalidRequest):
            make(*arguments)


def test_a_truth_is_no_number_and_a_number_no_text() -> None:
    wrong: list[dict[str, Any]] = [
        {"prompt": 5},
        {"operation": 5},
        {"duration": True},
        {"duration": 5.0},
        {"model": 5},
        {"generate_audio": "no"},
        {"storage_options": {"filename": "a"}},
    ]
    for arguments in wrong:
        with pytest.raises(vidjob.InvalidRequest, match=f"^{next(iter(arguments))} must be a"):
            VideoRequest(**{"prompt": "x", **arguments})


@pytest.mark.parametrize("verb", ["get", "wait"])
def test_an_id_that_cannot_be_sent_is_refused(
    api: ApiMode, simulator: Simulator, client: VideoClient, verb: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, verb, HALF)
    assert caught.value.field == "request_id"
    assert simulator.requests == []


# ---- the command line -------------------------------------------------------------------------

BYTES = "caf\udce9"


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", BYTES, "--dry-run"],
        ["generate", "x", "--model", BYTES, "--dry-run"],
        ["generate", "x", "--extra", f'{{"a": "{BYTES}"}}', "--dry-run"],
        ["generate", "x", "--extra", '{"a": ' * 10_000, "--dry-run"],
        ["generate", "x", "--voice", BYTES, "--dry-run"],
        ["generate", "x", "--duration", "9" * 30, "--dry-run"],
        ["edit", "x", "--job", BYTES],
        ["render", "x", "-o", f"{BYTES}.mp4"],
        ["get", BYTES],
        ["get", "x", "--base-url", f"http://{BYTES}"],
        ["batch", "rows.jsonl", "--filename", f"{BYTES}{{id}}.mp4", "--dry-run"],
    ],
)
def test_arguments_that_cannot_be_sent_are_wrong_usage(cli: Cli, arguments: list[str]) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_a_dry_run_lists_every_wrong_row(cli: Cli, tmp_path: Path) -> None:
    rows = [f'{{"id": "i{number}", "prompt": "x", "duration": 1e400}}' for number in range(30)]
    rows[7] = '{"prompt": "fine"}'
    (tmp_path / "rows.jsonl").write_text("\n".join([*rows, '{"prompt": "\\ud83d"}', "[" * 100_000, "9" * 5000, "\\"]))
    code, out, err = cli("batch", str(tmp_path / "rows.jsonl"), "--dry-run")
    assert (code, out) == (2, "")
    told = err.splitlines()
    assert len(told) == 33
    assert told[8].endswith("line 10, id 'i9'): duration must be a whole number of seconds, not inf")
    assert told[8].startswith("row 10 (")
    assert [line[:6] for line in told[-4:]] == ["row 31", "row 32", "row 33", "row 34"]
