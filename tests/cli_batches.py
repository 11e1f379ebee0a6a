"""Orders and results of batches on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vidjob import RenderResult


def orders(count: int, name: str = "rows.jsonl", **more: Any) -> str:
    rows = [{"id": f"i{number}", "prompt": f"take {number}", "duration": 2, **more} for number in range(count)]
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def pairs(out: str) -> dict[str, str]:
    cells = (re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines())
    return {cell[0]: cell[1] for cell in cells}


def ended(name: str) -> RenderResult:
    return RenderResult(name, path=Path("a.mp4"))
