"""The example notebooks: each runs from top to bottom without a key, and is kept without outputs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from support import POSIX

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

pytestmark = [
    POSIX,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
LINK = re.compile(r"http://127\.0\.0\.1:\d+/files|\.mp4\?")


def ran(name: str, folder: Path) -> Any:
    """A notebook, run in a copy whose renders take less time."""
    path = folder / f"{name}.ipynb"
    shutil.copy(EXAMPLES / path.name, path)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(r"render_seconds=\d", "render_seconds=0.2", cell.source)
        cell.source = re.sub(r"poll_interval=0\.3", "poll_interval=0.05", cell.source)
    nbclient.NotebookClient(
        notebook, timeout=90, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    for output in outputs(notebook):
        assert not LINK.search(
            nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])]))
        )
        assert output.get("name") != "stderr", output.text
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def htmls(notebook: Any) -> list[str]:
    shown = [output.data.get("text/html", "") for output in outputs(notebook) if "data" in output]
    return [html for html in shown if html]


def test_the_example_notebooks_are_known() -> None:
    names = ["batch_from_dataframe", "first_steps", "image_to_video", "resume_after_restart"]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert outputs(notebook) == []
    assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}
    assert [cell.id for cell in notebook.cells] == [
        f"{path.stem.replace('_', '-')}-{number:02}" for number in range(len(notebook.cells))
    ]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_first_steps(tmp_path: Path) -> None:
    shown = htmls(ran("first_steps", tmp_path))
    players = [source for html in shown for source in re.findall(r'<video [^>]*src="([^"]*)"', html)]
    assert "first_steps/candle.mp4" in players
    assert "first_steps/waves.mp4" in players
    assert any("<progress" in html for html in shown)
    names = {"candle", "waves", "city", "forest", "sea"}
    assert {path.stem for path in (tmp_path / "first_steps").glob("*.mp4")} == names


def test_image_to_video(tmp_path: Path) -> None:
    notebook = ran("image_to_video", tmp_path)
    assert sum("<video" in html for html in htmls(notebook)) == 2
    assert any("image/png" in output.data for output in outputs(notebook) if "data" in output)
    preview = next(output for output in outputs(notebook) if "grok-imagine" in str(output) or "'prompt'" in str(output))
    assert len(str(preview)) < 2000


def test_batch_from_dataframe(tmp_path: Path) -> None:
    notebook = ran("batch_from_dataframe", tmp_path)
    table = next(html for html in htmls(notebook) if "<video" in html)
    assert table.count("<tr>") == 13
    assert table.count("<video") == 11
    assert "11 saved" in table
    assert any("image/png" in output.data for output in outputs(notebook) if "data" in output)
    assert outputs(notebook)[-1].data["text/plain"] == "(12, 11, 13)"


def test_resume_after_restart(tmp_path: Path) -> None:
    notebook = ran("resume_after_restart", tmp_path)
    assert len(list((tmp_path / "resume" / "videos").glob("*.mp4"))) == 10
    table = next(html for html in htmls(notebook) if "<video" in html)
    assert "10 saved" in table
