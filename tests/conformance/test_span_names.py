"""The names of our spans' attributes, compared with those of xai-sdk."""

from __future__ import annotations

from pathlib import Path

import pytest

from spans import Spans
from support import ApiMode
from vidjob import VideoClient


def test_the_names_are_those_of_xais_sdk(api: ApiMode, client: VideoClient, spans: Spans, tmp_path: Path) -> None:
    xai = pytest.importorskip("xai_sdk.video")
    source = Path(xai.__file__).read_text(encoding="utf-8")
    api(client, "render", "a", tmp_path / "a.mp4", duration=3, generate_audio=True)
    names = {name for span in spans.all for name in span.attributes}
    ours = {"gen_ai.response.id", "vidjob.download.bytes"}
    assert {name for name in names if f'"{name}"' not in source} <= ours
