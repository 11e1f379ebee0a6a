"""Options of a wrong type or below zero are refused by name, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, many
from vidjob import Simulator, VideoClient


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("wait", {"timeout": "soon"}, "timeout must be a number, not str"),
        ("wait", {"poll_interval": []}, "poll_interval must be a number, not list"),
        ("render", {"timeout": "soon"}, "timeout must be a number, not str"),
        ("render", {"max_bytes": 1.5}, "max_bytes must be an int, not float"),
        ("download", {"max_bytes": "1"}, "max_bytes must be an int, not str"),
        ("render_many", {"max_jobs": "3"}, "max_jobs must be an int, not str"),
        ("render_many", {"concurrency": 1.5}, "concurrency must be an int, not float"),
        ("render_many", {"deadline": "soon"}, "deadline must be a number, not str"),
        ("render_many", {"on_existing": 5}, "on_existing must be a str, not int"),
    ],
)
def test_an_option_of_a_wrong_type_is_named(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, verb: str, options: Any, message: str
) -> None:
    arguments: dict[str, list[Any]] = {
        "wait": ["job-1"],
        "render": ["x", tmp_path / "a.mp4"],
        "download": ["job-1", tmp_path / "a.mp4"],
        "render_many": [["x"], tmp_path / "renders"],
    }
    with pytest.raises(TypeError, match=message):
        api(client, verb, *arguments[verb], **options)
    assert simulator.requests == []


def test_a_count_below_zero_is_named(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="max_jobs must be at least 0, not -1") as caught:
        many(api, client, ["x"], tmp_path, max_jobs=-1)
    assert caught.value.field == "max_jobs"
    with pytest.raises(vidjob.InvalidRequest, match="max_bytes must be at least 0, not -1"):
        api(client, "render", "x", tmp_path / "a.mp4", max_bytes=-1)
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"timeout": "x"}, TypeError, "timeout must be a number, not str"),
        ({"max_concurrent_requests": "x"}, TypeError, "max_concurrent_requests must be an int, not str"),
        ({"max_retries": -1}, vidjob.ConfigurationError, "max_retries must be at least 0, not -1"),
    ],
)
def test_a_setting_of_a_wrong_type_is_named(settings: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        VideoClient(KEY, **settings)
    with pytest.raises(TypeError, match="api_key must be a str, not int"):
        VideoClient(5)  # type: ignore[arg-type]
