"""A folder that was made at one service is not silently taken as done at another."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, Cli, many, quick_client
from vidjob import Simulator, VideoClient

ROWS = [{"id": name, "prompt": f"take {name}", "duration": 1} for name in "abc"]


@pytest.fixture
def other() -> Iterator[Simulator]:
    with Simulator(render_seconds=0.02) as other:
        yield other


def said(warned: pytest.WarningsRecorder) -> str:
    return "\n".join(str(warning.message) for warning in warned)


def test_finished_items_of_another_service_are_kept_with_a_warning(
    api: ApiMode, simulator: Simulator, client: VideoClient, other: Simulator, tmp_path: Path
) -> None:
    many(api, client, ROWS[:2], tmp_path)
    with quick_client(other) as client_of_other, pytest.warns(RuntimeWarning) as warned:
        results = many(api, client_of_other, ROWS, tmp_path)
    words = said(warned)
    for part in (
        "2 items",
        simulator.base_url,
        other.base_url,
        str(tmp_path / ".vidjob"),
        "another folder",
        "overwrite",
    ):
        assert part in words
    assert sorted(result.resumed for result in results) == [False, True, True]
    assert len(other.accepted) == 1


def test_unfinished_items_of_another_service_say_where_they_are(
    api: ApiMode, simulator: Simulator, client: VideoClient, other: Simulator, tmp_path: Path
) -> None:
    simulator.pause()
    many(api, client, ROWS[:1], tmp_path, timeout=0)
    with quick_client(other) as client_of_other, pytest.warns(RuntimeWarning, match="available only there"):
        [result] = many(api, client_of_other, ROWS[:1], tmp_path)
    with quick_client(other) as client_of_other:
        resumed = api(client_of_other, "resume", tmp_path)
    for each in (result, *resumed):
        assert isinstance(each.error, vidjob.InvalidRequest)
        assert each.error.field == "base_url"
        for part in (simulator.base_url, other.base_url, str(tmp_path / ".vidjob"), "use that base_url"):
            assert part in str(each.error)
    assert other.accepted == []


def test_items_that_are_not_asked_for_or_rendered_again_need_no_warning(
    api: ApiMode, client: VideoClient, other: Simulator, tmp_path: Path
) -> None:
    many(api, client, ROWS[:1], tmp_path)
    many(api, client, ROWS[:1], tmp_path)
    with quick_client(other) as client_of_other:
        many(api, client_of_other, ROWS[1:], tmp_path)
        assert len(many(api, client_of_other, ROWS[:1], tmp_path, on_existing="overwrite")) == 1
    assert len(other.accepted) == 3


def test_a_stream_warns_of_the_whole_journal(
    api: ApiMode, client: VideoClient, other: Simulator, tmp_path: Path
) -> None:
    many(api, client, ROWS[:1], tmp_path)
    with quick_client(other) as client_of_other, pytest.warns(RuntimeWarning, match="1 item was made at"):
        many(api, client_of_other, iter(ROWS[1:]), tmp_path)


def test_a_render_that_another_service_made_is_kept_with_a_warning(
    api: ApiMode, simulator: Simulator, client: VideoClient, other: Simulator, tmp_path: Path
) -> None:
    first = api(client, "render", "x", tmp_path / "a.mp4")
    with quick_client(other) as client_of_other:
        with pytest.warns(RuntimeWarning) as warned:
            again = api(client_of_other, "render", "x", tmp_path / "a.mp4")
        assert api(client_of_other, "render", "x", tmp_path / "a.mp4", overwrite=True).resumed is False
    for part in (simulator.base_url, other.base_url, str(tmp_path / ".vidjob"), "overwrite=True", "another path"):
        assert part in said(warned)
    assert (first.resumed, again.resumed, again.sha256) == (False, True, first.sha256)
    assert len(other.accepted) == 1


def test_a_second_render_is_resumed_and_keeps_its_path_as_given(
    api: ApiMode, client: VideoClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("a.mp4", "./a.mp4", Path("a.mp4"), tmp_path / "a.mp4"):
        result = api(client, "render", "x", path)
        assert result.path == Path(path)
        assert result.resumed is (path != "a.mp4")


# ---- the command line -------------------------------------------------------------------------


@pytest.fixture
def elsewhere(
    simulator: Simulator, other: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[str]]:
    """The options for both services."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(KEY)
    key = ["--api-key-file", str(tmp_path / "key")]
    return ["--base-url", simulator.base_url, *key], ["--base-url", other.base_url, *key]


@pytest.mark.parametrize(
    "command", ["batch rows.jsonl -o out --poll-interval 0.02", "render x -o a.mp4 --poll-interval 0.02"]
)
def test_the_command_line_asks_or_requires_yes(
    cli: Cli,
    elsewhere: tuple[list[str], list[str]],
    simulator: Simulator,
    other: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    Path("rows.jsonl").write_text('{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": "y"}\n')
    words, (here, there) = shlex.split(command), elsewhere
    assert cli(*words, *here)[0] == 0
    code, out, err = cli(*words, *there)
    assert (code, out, other.requests) == (2, "", [])
    assert simulator.base_url in err
    assert other.base_url in err
    assert "pass --yes to " in err
    code, _, err = cli(*words, "--yes", *there)
    assert (code, other.accepted) == (0, [])
    assert simulator.base_url in err
    for answer, code in (("n\n", 2), ("\n", 2), ("", 2), ("y\n", 0), ("YES\n", 0)):
        terminal: Any = type("Terminal", (), {"readline": lambda _self, answer=answer: answer})()
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("vidjob.cli.confirmation.is_terminal", lambda _stream: True)
        assert cli(*words, *there)[0] == code
    # Nothing is asked where everything is made again.
    again = "--on-existing=overwrite" if words[0] == "batch" else "--overwrite"
    monkeypatch.setattr("vidjob.cli.confirmation.is_terminal", lambda _stream: False)
    assert cli(*words, again, *there)[0] == 0
    assert len(other.accepted) > 0


def test_both_apis_warn_at_the_callers_line(client: VideoClient, other: Simulator, tmp_path: Path) -> None:
    list(client.render_many(ROWS[:1], tmp_path))
    with quick_client(other) as client_of_other:
        with pytest.warns(RuntimeWarning) as warned:
            list(client_of_other.render_many(ROWS[:1], tmp_path))

        async def run() -> None:
            async for _ in client_of_other.render_many_async(ROWS[:1], tmp_path):
                pass

        with pytest.warns(RuntimeWarning) as warned_async:
            asyncio.run(run())
    assert {Path(warning.filename).name for warning in (*warned, *warned_async)} == {Path(__file__).name}
