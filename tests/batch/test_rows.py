"""Orders from lists, files and tables, and the names of their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vidjob
from vidjob import FileId, Keyframe, StorageOptions, VideoRequest, Voice
from vidjob._batch.naming import Naming, component
from vidjob._batch.rows import RowRules, read, row_of

IMAGE = "https://a.example/i.png"
NEW = "grok-imagine-video-1.5"
MEDIA = Path(__file__).parent.parent / "media"


def request_of(order: object, root: Path | None = None) -> VideoRequest:
    return row_of(order, RowRules(root)).request


#: (row, the same as a request)
ROWS: list[tuple[object, VideoRequest]] = [
    ("x", VideoRequest("x")),
    (VideoRequest("x", duration=3), VideoRequest("x", duration=3)),
    ({"prompt": "x", "duration": "3", "resolution": "", "model": None}, VideoRequest("x", duration=3)),
    ({"prompt": "x", "duration": 3.0, "seed": 7, "aspect_ratio": float("nan")}, VideoRequest("x", duration=3)),
    ({"prompt": "x", "image": {"url": IMAGE}}, VideoRequest("x", image=IMAGE)),
    ({"image": {"file_id": "f"}}, VideoRequest(image=FileId("f"))),
    ({"prompt": "x", "image": {"bytes": b"png", "path": None}}, VideoRequest("x", image=b"png")),
    (
        {"prompt": "x", "reference_images": [IMAGE, {"file_id": "f"}]},
        VideoRequest("x", reference_images=[IMAGE, FileId("f")]),
    ),
    (
        {
            "prompt": "x",
            "model": NEW,
            "reference_audios": [{"voice_id": "ara"}, {"url": IMAGE}],
            "keyframes": [{"image": IMAGE, "timestamp_s": 1}],
            "generate_audio": "false",
        },
        VideoRequest(
            "x",
            model=NEW,
            reference_audios=[Voice("ara"), IMAGE],
            keyframes=[Keyframe(IMAGE, 1)],
            generate_audio=False,
        ),
    ),
    (
        {"prompt": "x", "storage_options": {"filename": "a", "public_url": {"expires_after": 3600}}},
        VideoRequest("x", storage_options=StorageOptions("a", None, True, 3600)),
    ),
    ({"prompt": "x", "operation": "edit", "video": IMAGE}, VideoRequest("x", operation="edit", video=IMAGE)),
    (
        {"custom_id": "a", "method": "POST", "url": "/v1/videos/generations", "body": {"prompt": "x", "seed": 7}},
        VideoRequest("x", extra={"seed": 7}),
    ),
    (
        {
            "custom_id": "a",
            "url": "/v1/videos/extensions",
            "body": {"prompt": "x", "video": {"url": IMAGE}, "output": {"upload_url": "https://a.example/put"}},
        },
        VideoRequest("x", operation="extend", video=IMAGE, upload_url="https://a.example/put"),
    ),
]


@pytest.mark.parametrize(("order", "request_"), ROWS)
def test_rows(order: object, request_: VideoRequest) -> None:
    assert request_of(order) == request_


def test_other_columns_are_kept() -> None:
    row = row_of({"id": 7, "prompt": "x", "scene": "a", "score": 0.5, "note": None}, RowRules())
    assert (row.id, row.columns) == ("7", {"scene": "a", "score": 0.5})
    line = {"custom_id": "a", "url": "/v1/videos/edits", "body": {"prompt": "x", "video": {"url": IMAGE}}, "note": "n"}
    row = row_of(line, RowRules())
    assert (row.id, row.columns, row.request.operation) == ("a", {"note": "n"}, "edit")


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (7, "requests"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x", "duration": "long"}, "duration"),
        ({"prompt": "x", "duration": 2.5}, "duration"),
        ({"prompt": "x", "generate_audio": "maybe"}, "generate_audio"),
        ({"prompt": "x", "image": "cat.png"}, "image"),
        ({"prompt": "x", "image": {}}, "image"),
        ({"prompt": "x", "image": {"path": "cat.png"}}, "image"),
        ({"prompt": "x", "model": NEW, "keyframes": [{"image": IMAGE}]}, "keyframes"),
        ({"prompt": "x", "storage_options": {"name": "a"}}, "storage_options"),
        ({"prompt": "x", "output": "https://a.example"}, "output"),
        ({"custom_id": "a", "url": "/v1/chat", "body": {"prompt": "x"}}, "url"),
        ({"custom_id": "a", "method": "GET", "url": "/v1/videos/edits", "body": {"prompt": "x"}}, "url"),
    ],
)
def test_invalid_rows_are_refused(order: object, field: str) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        request_of(order)
    assert caught.value.field == field
    assert field in {"requests", "prompt", "url"} or field in str(caught.value)


def test_paths_in_rows_stay_below_their_root(tmp_path: Path) -> None:
    inside = request_of({"prompt": "x", "image": {"path": "picture.png"}}, MEDIA)
    assert inside.image == MEDIA / "picture.png"
    for path in ("../test_rows.py", "/etc/passwd"):
        with pytest.raises(vidjob.InvalidRequest, match="leads out of"):
            request_of({"prompt": "x", "image": {"path": path}}, MEDIA)
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(vidjob.InvalidRequest, match="leads out of"):
        request_of({"prompt": "x", "image": {"path": "link/passwd"}}, tmp_path)


# ---- files and tables -------------------------------------------------------------------------

TABLE = [{"id": "a", "prompt": "x", "duration": 3, "scene": "s"}, {"id": "b", "prompt": 'ä, "y"', "scene": None}]
EXPECTED = [("a", VideoRequest("x", duration=3), {"scene": "s"}), ("b", VideoRequest('ä, "y"'), {})]


def all_of(source: object) -> list[tuple[str | None, VideoRequest, dict[str, Any]]]:
    return [tuple(row_of(order, RowRules()))[:3] for order in read(source).rows]  # type: ignore[misc]


def test_jsonl(tmp_path: Path) -> None:
    text = "\ufeff" + "\n\n".join(map(json.dumps, TABLE)) + "\n"
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    assert all_of(tmp_path / "a.jsonl") == EXPECTED
    (tmp_path / "b.jsonl").write_text('{"prompt": "x"}\n{"prompt":\n')
    with pytest.raises(vidjob.InvalidRequest, match="line 2: not JSON"):
        all_of(tmp_path / "b.jsonl")


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,prompt,duration,scene\na,x,3,s\nb,"ä, ""y""",,\n', encoding="utf-8")
    assert all_of(tmp_path / "a.csv") == EXPECTED


def test_tables(tmp_path: Path) -> None:
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(TABLE)
    parquet.write_table(table, tmp_path / "a.parquet")
    for source in (table, pandas.DataFrame(TABLE), tmp_path / "a.parquet", table.to_reader()):
        assert all_of(source) == EXPECTED


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    assert all_of(polars.DataFrame(TABLE)) == EXPECTED


def test_tables_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("pandas", "polars"):
        module = pytest.importorskip(name)
        assert all_of(module.DataFrame(TABLE)) == EXPECTED


def test_length_of_sized_sources_is_known() -> None:
    assert read(["x"]).is_whole
    assert not read(iter(["x"])).is_whole
    assert not read({"x": 1}.keys()).is_whole


@pytest.mark.parametrize("source", ["a.jsonl", b"a", {"prompt": "x"}, 7, None])
def test_other_sources_are_refused(source: object) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="requests must be"):
        read(source)


def test_an_unknown_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(vidjob.InvalidRequest, match=r"\.jsonl, \.csv and \.parquet"):
        read(tmp_path / "a.xlsx")


# ---- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("plain", "plain"),
        ('a/b\\c:d*e?f"g<h>i|j', "a_b_c_d_e_f_g_h_i_j"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("", "_"),
        ("...", "_"),
        (".hidden", "_.hidden"),
        ("-o", "_-o"),
        ("~root", "_~root"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("a\0b\nc\u202ed", "a_b_c_d"),
        ("trailing. . ", "trailing"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_components(value: str, name: str) -> None:
    assert component(value) == name
    assert Path(component(value)).name == component(value)


def test_long_names_stay_apart() -> None:
    one, other = component("ä" * 500 + "1"), component("ä" * 500 + "2")
    assert one != other
    assert max(len(one.encode()), len(other.encode())) <= 200


def test_templates(tmp_path: Path) -> None:
    naming = Naming(tmp_path, "{scene}/{id}-{index}.mp4")
    assert naming.path("a", {"scene": "../x", "id": "a", "index": "000001"}) == tmp_path / "_.._x" / "a-000001.mp4"
