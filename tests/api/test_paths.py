"""Paths are paths: an address in their place is refused before anything is sent or made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, POSIX, ApiMode, Cli
from vidjob import Simulator, VideoClient

PROC = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files")
ADDRESSES: list[str | bytes | Path] = [
    "s3://bucket/folder",
    "S3://bucket",
    "gs://bucket/a.mp4",
    "az://container/a.mp4",
    "file:///tmp/a.mp4",
    "http://a.example/a.mp4",
    "x-y+z.1://a",
    # pathlib makes one slash of two.
    Path("s3://bucket/folder"),
    Path("file:///tmp/a.mp4"),
    "s3:/bucket/folder",
    b"s3://bucket/folder",
    b"gs:/bucket/a.mp4",
]
if os.name == "posix":  # elsewhere a letter is a drive
    ADDRESSES += ["a://bucket/folder", "a:/bucket", Path("a://bucket"), b"a://bucket"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, which stays empty."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def as_text(address: str | bytes | Path) -> str:
    """A template is always a text."""
    return os.fsdecode(address)


def as_path(address: str | bytes | Path) -> Path:
    """Orders in a file are named by a ``Path``."""
    return Path(os.fsdecode(address))


def calls(api: ApiMode, client: VideoClient, address: Any) -> dict[str, Any]:
    """Every call that takes a path, with ``address`` in its place."""

    def many(method: str, *args: Any, **kwargs: Any) -> object:
        suffix = "" if api.name == "blocking" else "_async"
        return getattr(client, method + suffix)(*args, **kwargs)

    return {
        "download": lambda: api(client, "download", "job-1", address),
        "render": lambda: api(client, "render", "x", address),
        "jobs": lambda: api(client, "jobs", address),
        "resume": lambda: many("resume", address),
        "render_many": lambda: many("render_many", ["x"], address),
        "input_root": lambda: many("render_many", ["x"], "out", input_root=address),
        "filename": lambda: many("render_many", ["x"], "out", filename=f"{as_text(address)}{{id}}.mp4"),
        "rows": lambda: many("render_many", as_path(address), "out"),
    }


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "call", ["download", "render", "jobs", "resume", "render_many", "input_root", "filename", "rows"]
)
def test_an_address_is_no_path(
    api: ApiMode, client: VideoClient, simulator: Simulator, address: str | bytes | Path, call: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="is an address, and only") as caught:
        calls(api, client, address)[call]()
    assert caught.value.field in {"path", "folder", "input_root", "filename", "requests"}
    assert simulator.requests == []


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("setting", ["journal", "ca_file"])
def test_an_address_is_no_path_of_a_client(address: str | bytes | Path, setting: str) -> None:
    settings: dict[str, Any] = {setting: address}
    with pytest.raises(vidjob.ConfigurationError, match=f"{setting} .* is an address, and only"):
        VideoClient(KEY, **settings)


def test_an_address_is_shown_as_it_was_given_but_for_what_is_secret(client: VideoClient, tmp_path: Path) -> None:
    given: Any
    for given, shown in [("s3://me:word@b ucket/x?sig=word", "'s3://b ucket/x'"), (Path("gs://b//x"), "'gs://b/x'")]:
        with pytest.raises(vidjob.InvalidRequest) as caught:
            client.render("x", given)
        assert str(caught.value).startswith(f"path {shown} is an address")
    assert list(tmp_path.iterdir()) == []


@POSIX
@pytest.mark.parametrize("name", ["a:b", "a:b/c", "http", "s3", "s3:", "C:x"])
def test_a_folder_with_a_colon_in_its_name_is_a_folder(
    api: ApiMode, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir(parents=True)
    path = f"{name}/a.mp4"
    if name == "s3:":
        path = str(Path(name, "a.mp4").absolute())
    assert api(client, "render", "x", path, poll_interval=0.02).path.is_file()


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    "command",
    [
        ["download", "job-1", "-o", "s3://b/a.mp4"],
        ["render", "x", "-o", "s3://b/a.mp4"],
        ["batch", "rows.jsonl", "-o", "s3://b"],
        ["batch", "s3://b/rows.jsonl", "-o", "out"],
        ["batch", "rows.jsonl", "-o", "out", "--input-root", "s3://b"],
        ["batch", "rows.jsonl", "-o", "out", "--prices", "s3://b/prices.json"],
        ["batch", "rows.jsonl", "--dry-run", "--filename", "s3://b/{id}.mp4"],
        ["jobs", "s3://b"],
        ["resume", "s3://b"],
        ["resume", "s3:/b"],
        ["render", "x", "-o", "s3:/b/a.mp4"],
        ["demo", "--output", "s3://b"],
        ["get", "job-1", "--api-key-file", "s3://b/key"],
    ],
)
def test_2_an_address_is_no_path_on_the_command_line(cli: Cli, command: list[str]) -> None:
    code, out, err = cli(*command)
    assert (code, out) == (2, "")
    assert "is an address, and only" in err


@pytest.mark.parametrize("verb", ["download", "render"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("there.mp4", "already exists; pass --overwrite"),
        (".", "is a folder"),
        ("folder", "is a folder"),
        ("new/", "is a folder"),
        ("missing/a.mp4", "does not exist; create it"),
        pytest.param("/proc/a.mp4", "files cannot be created in the folder /proc", marks=PROC),
        ("there.mp4/a.mp4", "Not a directory"),
        ("x" * 300 + ".mp4", "too long"),
    ],
)
def test_2_a_target_that_cannot_be_is_wrong_usage(
    cli: Cli,
    at: list[str],
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    target: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.mp4").write_text("mine")
    Path("folder").mkdir()
    code, out, err = cli(verb, "job-1", "-o", target, *at)
    assert (code, out) == (2, "")
    assert words in err
    assert simulator.requests == []
    assert Path("there.mp4").read_text() == "mine"


def test_2_a_folder_that_is_a_file_is_wrong_usage(
    cli: Cli, at: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    Path("rows.jsonl").write_text('{"prompt": "x"}')
    for command in (["batch", "rows.jsonl", "-o", "file", *at], ["jobs", "file"], ["resume", "file", *at]):
        code, out, err = cli(*command)
        assert (code, out) == (2, "")
        assert "file is a file, not a folder" in err
