"""CSV files as people have them: what can be understood is, and what cannot is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import Cli
from vidjob import Keyframe, Simulator, StorageOptions, VideoClient, VideoRequest, Voice
from vidjob._batch.rows import Row, RowRules, place_of, read, row_of

NEW = "grok-imagine-video-1.5"
IMAGE = "https://a.example/i.png"


def rows_of(path: Path, text: str | bytes) -> list[Row]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [row_of(order, RowRules()) for order in read(path).rows]


def told(path: Path, text: str | bytes) -> list[str]:
    """What is wrong with the file, row by row."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    mistakes = []
    try:
        for index, order in enumerate(read(path).rows):
            try:
                row_of(order, RowRules())
            except vidjob.InvalidRequest as error:
                mistakes.append(f"{place_of(order, index)}: {error}")
    except vidjob.InvalidRequest as error:
        mistakes.append(str(error))
    return [words.replace(str(path), path.name) for words in mistakes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


#: (the file, the prompts that it asks for)
UNDERSTOOD: list[tuple[str, list[str | None]]] = [
    ("id,prompt\na,A cat\n", ["A cat"]),
    ("id,prompt\r\na,A cat\r\nb,A dog\r\n", ["A cat", "A dog"]),
    ("id,prompt\ra,A cat\rb,A dog", ["A cat", "A dog"]),
    ('id,prompt\na,"A cat, on a mat"\n', ["A cat, on a mat"]),
    ('id,prompt\na,"A cat\nand, a dog\n"\nb,x\n', ["A cat\nand, a dog\n", "x"]),
    ('id,prompt\r\na,"A cat\r\non a mat"\r\n', ["A cat\r\non a mat"]),
    ('id,prompt\na,"She says ""hi"", and goes"\n', ['She says "hi", and goes']),
    ('prompt\n""""\n', ['"']),
    ('id,prompt\na,a 5" nail\nb,4" by 6"\n', ['a 5" nail', '4" by 6"']),
    ('id,prompt\na,She says "hi"\n', ['She says "hi"']),
    ('id, prompt\na, "A cat, on a mat" \nb, x\n', ["A cat, on a mat", "x"]),
    ("id,prompt\na,x\n,\n,,,\n\n   \n  ,  \nb,y\n\n", ["x", "y"]),
    ("\n\nid,prompt\na,x\n", ["x"]),
    ("id,prompt,duration\na,x\n", ["x"]),
    ("id;prompt;duration\na;A cat, on a mat;5\n", ["A cat, on a mat"]),
    ("id\tprompt\na\tA cat, on; a mat\n", ["A cat, on; a mat"]),
    ("id|prompt\na|A cat, on a mat\n", ["A cat, on a mat"]),
    ("sep=;\nid;prompt\na;x\n", ["x"]),
    ("prompt\nA cat; a dog\n", ["A cat; a dog"]),
    ("ID,Prompt\na,x\n", ["x"]),
    (" Id , PROMPT\na, x \n", ["x"]),
    ("\ufeffprompt,id\nx,a\n", ["x"]),
    ('"id","prompt"\n"a","x"\n', ["x"]),
    (",id,prompt\n0,a,x\n1,b,y\n", ["x", "y"]),
    ("id,prompt,,\na,x,,\n", ["x"]),
    (f"id,prompt,image\na,,{IMAGE}\n", [None]),
    ("id,prompt\n", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "prompts"), UNDERSTOOD)
def test_a_file_is_understood_as_it_was_meant(path: Path, text: str, prompts: list[str | None]) -> None:
    assert [row.request.prompt for row in rows_of(path, text)] == prompts


#: (the file, what is said of each row that is wrong: how it begins, and a word that it has)
REFUSED: list[tuple[str, list[tuple[str, str]]]] = [
    # A comma without quotes.
    ("id,prompt\na,A cat, on a mat\n", [("rows.csv, line 2", "3 cells and the header 2")]),
    (
        "id,prompt\na,x\nb,A cat, on a mat\nc,y\nd,z,\n",
        [("rows.csv, line 3", "3 cells"), ("rows.csv, line 5", "cells")],
    ),
    ("id;prompt\na;A cat; on a mat\n", [("rows.csv, line 2", "3 cells")]),
    ("prompt\nA cat, on a mat\n", [("rows.csv, line 2", "2 cells and the header 1")]),
    ("id,prompt,\na,A cat, on a mat\n", [("rows.csv, line 2", "no column name")]),
    # A quote that is never closed, or that the quote of a later row closes.
    ('id,prompt\na,"A cat\nb,A dog\n', [("rows.csv, line 2", "never closed")]),
    ('id,prompt\na,x\nb,"A cat\n', [("rows.csv, line 3", "never closed")]),
    ('id,prompt,duration\na,"A cat,5\nb,"A dog",6\n', [("rows.csv, line 2", "follows a closing quote")]),
    ('id,prompt,note\na,"A cat,5\nb,A dog,"6"\n', [("rows.csv, line 2", "follows a closing quote")]),
    ('id,prompt,note\na,"A cat,5\nb,A dog,"\n', [("rows.csv, line 2", "never closed?")]),
    ('id,prompt,note\na,"A cat,5\nb,A dog,6"\nc,x,y\n', [("rows.csv, line 2", "never closed?")]),
    ('id,prompt\n"a,x\nb,y\n', [("rows.csv, line 2", "never closed")]),
    # Quotes inside a cell that are not doubled.
    ('id,prompt\na,"She says "hi" and goes"\n', [("rows.csv, line 2", "follows a closing quote")]),
    ('id,prompt\na,"She says \\"hi\\" and goes"\n', [("rows.csv, line 2", "follows a closing quote")]),
    ('id,prompt,note\na,"She says \\", and goes"\n', [("rows.csv, line 2", "a single quote")]),
    ('id,prompt,note\na,She says "hi, you"\n', [("rows.csv, line 2", "a single quote")]),
    # Lines are those of the file, however many a cell has.
    ('id,prompt\na,"x\n\ny"\nb,z,z\n', [("rows.csv, line 5", "3 cells")]),
    ('id,prompt\r\na,"x\r\ny"\r\nb,z,z\r\n', [("rows.csv, line 4", "3 cells")]),
    ("id,prompt\n\n\na,x,y\n", [("rows.csv, line 4", "3 cells")]),
    ("id,prompt,duration\na,x,5\nb,y,NaN\n", [("rows.csv, line 3", "duration must be a whole number")]),
    ("id,prompt,extra\na,x,[\n", [("rows.csv, line 2", "extra: not JSON")]),
    ("id,prompt,reference_images\na,x,cat.png\n", [("rows.csv, line 2", "reference_images must be a list")]),
    # Rows that leave the prompt out.
    ("id,prompt\na,\nb,x\n", [("rows.csv, line 2", "the prompt is missing")]),
    ("id,prompt\na,x\nb\n", [("rows.csv, line 3", "the prompt is missing")]),
    ('id,prompt\na,"  "\n', [("rows.csv, line 2", "the prompt is missing")]),
    ("id,image\na,\n", [("rows.csv, line 2", "the prompt is missing")]),
    # Headers.
    ("id,promt\na,x\n", [("rows.csv, line 1", "no column is named prompt; the columns are 'id', 'promt'")]),
    ("nothing\nat all\n", [("rows.csv, line 1", "the columns are 'nothing'")]),
    ("id,prompt,Prompt\na,x,y\n", [("rows.csv, line 1", "'prompt' and 'Prompt'")]),
    ("id,prompt,note, note\na,x,y,z\n", [("rows.csv, line 1", "'note' and ' note'")]),
    ('id,"prompt\na,x\n', [("rows.csv, line 1", "header cannot be read")]),
]


@pytest.mark.parametrize(("text", "mistakes"), REFUSED)
def test_ambiguous_rows_are_refused_with_their_line(path: Path, text: str, mistakes: list[tuple[str, str]]) -> None:
    said = told(path, text)
    assert len(said) == len(mistakes), said
    for words, (place, reason) in zip(said, mistakes, strict=True):
        assert place in words.partition(": ")[0] or place in words
        assert reason in words


def test_no_row_is_bought_from_a_file_with_a_wrong_one(
    simulator: Simulator, client: VideoClient, path: Path, tmp_path: Path
) -> None:
    path.write_text("id,prompt\na,x\nb,A cat, on a mat\nc,y,\n")
    with pytest.raises(vidjob.InvalidRequest, match=r"line 3: .*; 1 more row is refused: row 3: requests"):
        client.render_many(path, tmp_path / "out")
    assert simulator.requests == []


def test_python_and_the_command_line_count_the_same_lines(cli: Cli, path: Path) -> None:
    path.write_text('id,prompt\n\na,"x\ny"\nb,A cat, on a mat\nc,"z\n')
    code, _, err = cli("batch", str(path), "--dry-run")
    assert code == 2
    assert [line.partition(f"{path}, ")[2] for line in err.splitlines()] == [
        words.partition(", ")[2] for words in told(path, path.read_bytes())
    ]
    assert "line 5" in err
    assert "line 6" in err


def test_list_columns_take_json(path: Path) -> None:
    cells: dict[str, Any] = {
        "prompt": "x",
        "model": NEW,
        "reference_audios": [{"voice_id": "ara"}, {"url": IMAGE}],
        "keyframes": [{"image": {"url": IMAGE}, "timestamp_s": 1}],
        "storage_options": {"filename": "a", "public_url": {"expires_after": 3600}},
        "extra": {"seed": 7},
        "output": {"upload_url": "https://a.example/put"},
        "image": {"file_id": "f"},
    }
    texts = [value if isinstance(value, str) else json.dumps(value) for value in cells.values()]
    line = ",".join('"' + text.replace('"', '""') + '"' for text in texts)
    [row] = rows_of(path, f"{','.join(cells)}\n{line}\n")
    assert row.request == VideoRequest(
        "x",
        model=NEW,
        reference_audios=[Voice("ara"), IMAGE],
        keyframes=[Keyframe(IMAGE, 1)],
        storage_options=StorageOptions("a", None, True, 3600),
        extra={"seed": 7},
        upload_url="https://a.example/put",
        image=vidjob.FileId("f"),
    )


@pytest.mark.parametrize(
    "cell", [IMAGE, f" {IMAGE} ", f'["{IMAGE}"]', f'[{{"url": "{IMAGE}"}}]', f'{{"url": "{IMAGE}"}}']
)
def test_a_single_address_is_a_list_of_one(path: Path, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    [row] = rows_of(path, f"prompt,reference_images\nx,{quoted}\n")
    assert row.request.reference_images == (IMAGE,)


def test_ids_keep_their_spelling(path: Path) -> None:
    assert [row.id for row in rows_of(path, "id,prompt\n007,x\n1.0,y\n1e3,z\n,w\n")] == ["007", "1.0", "1e3", None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_what_they_are(path: Path, encoding: str) -> None:
    [row] = rows_of(path, "id;prompt\na;żółw 🐢\n".encode(encoding))
    assert row.request.prompt == "żółw 🐢"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("id,prompt\na,x\nb,café\n".encode("latin-1"), "byte 19 (line 3) is not UTF-8; save the file as UTF-8"),
        ("id,prompt\na,x\n".encode("utf-16-le"), "line 1 holds a NUL character; save the file as UTF-8"),
        (b"id,prompt\na,x\0y\n", "line 2 holds a NUL character"),
        ("id,prompt\na,x\n".encode("utf-16")[:-1], "is not UTF-16"),
    ],
)
def test_other_encodings_are_not_guessed_at(path: Path, data: bytes, words: str) -> None:
    [said] = told(path, data)
    assert said.startswith("rows.csv cannot be read: ")
    assert words in said


def test_cells_may_be_long(path: Path) -> None:
    address = "data:image/png;base64," + "A" * 1_000_000
    [row] = rows_of(path, f'prompt,image,note\nx,"{address}","{"y" * 200_000}"\n')
    assert isinstance(row.request.image, bytes)
    assert len(row.request.image) == 750_000
    assert len(row.columns["note"]) == 200_000
