"""Takes the pictures of notebooks for the README and docs/notebooks.md.

    pip install '.[test]' --group browser && python docs/pictures.py

It runs the example notebooks in JupyterLab, in a headless Chromium.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from PIL import Image

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from jupyterlab_page import lab, missing, opened  # noqa: E402 - found by the line above


class Picture(NamedTuple):
    """A picture of a code cell with its output.

    Attributes:
        name: File name without extension.
        notebook: Name of the example notebook.
        cell: Index of the code cell.
        moment: Output at which the picture is taken, as a regular expression; by default, at the end.
        height: Height at which the picture is cropped, in pixels.
    """

    name: str
    notebook: str
    cell: int
    moment: str | None = None
    height: int = 640


PICTURES = [
    Picture("render", "first_steps", 1),
    Picture("bars", "first_steps", 6, moment=r"(processing\s+[1-9]\d%.*){3}"),
    Picture("batch", "batch_from_dataframe", 2),
]
LIMIT = 120_000
COLOURS = 128


def main() -> int:
    """Takes all pictures."""
    reason = missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 1
    with TemporaryDirectory() as room:
        for name in dict.fromkeys(picture.notebook for picture in PICTURES):
            _take([picture for picture in PICTURES if picture.notebook == name], name, Path(room) / name)
    return 0


def _take(pictures: list[Picture], name: str, folder: Path) -> None:
    private = folder / ".private"
    private.mkdir(parents=True)
    shutil.copy(DOCS.parent / "examples" / f"{name}.ipynb", folder)
    with lab(folder, private) as address, opened(address, f"{name}.ipynb", width=1120, height=2400) as notebook:
        notebook.begin()
        for picture in sorted(pictures, key=lambda picture: picture.moment is None):
            if picture.moment is None:
                notebook.finish()
                notebook.players()
            else:
                notebook.wait_until_says(picture.cell, picture.moment)
            _keep(notebook.picture_of(picture.cell), picture)


def _keep(png: bytes, picture: Picture) -> None:
    """Saves a picture with few colours, which makes it a few kilobytes."""
    path = DOCS / "pictures" / f"{picture.name}.png"
    with Image.open(BytesIO(png)) as image:
        shown = image.convert("RGB").crop((0, 0, image.width, min(image.height, picture.height)))
        shown.quantize(COLOURS).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(DOCS.parent)} {size:,} bytes")
    if size > LIMIT:
        raise SystemExit(f"{path} is larger than {LIMIT:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
