"""The examples run, against the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import vidjob
from support import ApiMode
from vidjob import Simulator, VideoClient

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_storyboard_renders_four_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "storyboard.py", "--simulate", "-o", tmp_path / "story"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    names = ["1-harbour.mp4", "2-nets.mp4", "3-leaving.mp4", "3-leaving-extended.mp4"]
    assert [Path(line.partition(":")[0]).name for line in done.stdout.splitlines()] == names
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["4", "3", "5", "9"]
    for name in names:
        assert (tmp_path / "story" / name).read_bytes()[4:8] == b"ftyp"


def test_one_line_reads_naturally(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    # The pace of a real service would make this wait longer than it needs to.
    calm = {"poll_interval": 0.05}
    if api.name == "blocking":
        client.extend(client.wait(client.generate("A candle"), **calm), "It goes out.")  # type: ignore[arg-type]
    else:
        api(client, "extend", api(client, "wait", api(client, "generate", "A candle"), **calm), "It goes out.")
    assert [entry["operation"] for entry in simulator.accepted] == ["generations", "extensions"]


def test_the_storyboard_buys_nothing_that_it_cannot_keep(tmp_path: Path) -> None:
    sys.path.insert(0, str(EXAMPLES))
    try:
        import storyboard
    finally:
        sys.path.pop(0)
    for name in storyboard.SHOTS:
        (tmp_path / f"{name}.mp4").touch()
    with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
        with contextlib.suppress(vidjob.DownloadError):
            asyncio.run(storyboard.tell(client, tmp_path))
        assert simulator.accepted == []
