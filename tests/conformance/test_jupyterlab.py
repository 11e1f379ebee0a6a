"""Seen with eyes: notebooks in a JupyterLab, live and reopened by somebody who does not trust them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyterlab_page import Notebook, lab, missing, opened

reason = missing()
pytestmark = [pytest.mark.skipif(reason is not None, reason=reason or "")]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
#: The widths of the players that a notebook shows: large for a file, small in a table.
NOTEBOOKS = {"first_steps": [480] * 2 + [160] * 3, "batch_from_dataframe": [160] * 11}


@pytest.mark.parametrize(("name", "widths"), NOTEBOOKS.items(), ids=NOTEBOOKS)
def test_players_load_in_live_and_untrusted_notebooks(name: str, widths: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(EXAMPLES / f"{name}.ipynb", folder)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()

    with lab(folder, mine) as address, opened(address, f"{name}.ipynb") as notebook:
        notebook.run()
        _see(notebook, widths, tmp_path / "live.png")
        notebook.save()
    with lab(folder, theirs) as address, opened(address, f"{name}.ipynb") as notebook:
        assert not notebook.is_trusted()
        _see(notebook, widths, tmp_path / "untrusted.png")


def _see(notebook: Notebook, widths: list[int], picture: Path) -> None:
    players = notebook.players()
    assert [player["shown"] for player in players] == widths
    for player in players:
        assert player["ready"] >= 2, player
        assert player["width"] > 0, player
        assert player["is_controlled"], player
    notebook.page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
