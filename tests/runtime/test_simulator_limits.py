"""The simulator: limits, bills and clips."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plain_http import ask, create, finished, mp4_length, until
from vidjob import Simulator

NEW, LITE = "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"


IMAGE = {"url": "https://a.example/i.png"}


VIDEO = {"url": "https://a.example/v.mp4"}


def frames(*at: float) -> list[dict[str, Any]]:
    return [{"image": IMAGE, "timestamp_s": seconds} for seconds in at]


#: (operation, the body beside a prompt, the status)
LIMITS: list[tuple[str, dict[str, Any], int]] = [
    ("generations", {"duration": 15}, 200),
    ("generations", {"duration": 16}, 400),
    ("generations", {"seconds": 15}, 200),
    ("generations", {"seconds": 16}, 400),
    ("generations", {"aspect_ratio": "21:9"}, 200),
    ("generations", {"aspect_ratio": "5:2"}, 200),
    ("generations", {"aspect_ratio": "9:21"}, 422),
    ("generations", {"resolution": "720p"}, 200),
    ("generations", {"resolution": "1080p"}, 400),
    ("generations", {"resolution": "1080p", "model": NEW}, 200),
    ("generations", {"resolution": "1080p", "model": LITE}, 200),
    ("generations", {"resolution": "720p", "model": NEW, "reference_images": [IMAGE]}, 200),
    ("generations", {"resolution": "1080p", "model": NEW, "reference_images": [IMAGE]}, 400),
    ("generations", {"prompt": None}, 422),
    ("generations", {"input_reference": IMAGE}, 200),
    ("generations", {"reference_images": [IMAGE] * 7, "duration": 10}, 200),
    ("generations", {"reference_images": [IMAGE] * 8}, 400),
    ("generations", {"reference_images": [IMAGE], "duration": 11}, 400),
    ("generations", {"reference_images": [IMAGE] * 14, "duration": 15, "model": NEW}, 200),
    ("generations", {"reference_images": [IMAGE] * 15, "model": NEW}, 400),
    ("generations", {"reference_images": [IMAGE], "image": IMAGE}, 400),
    ("generations", {"reference_images": [IMAGE], "image": IMAGE, "model": NEW}, 200),
    ("generations", {"reference_images": [IMAGE], "model": LITE}, 400),
    ("generations", {"image": IMAGE, "model": LITE}, 200),
    ("generations", {"reference_audios": [{"voice_id": "ara"}] * 3, "model": NEW}, 200),
    ("generations", {"reference_audios": [{"voice_id": "ara"}] * 4, "model": NEW}, 400),
    ("generations", {"reference_audios": [{"voice_id": "ara"}]}, 400),
    ("generations", {"reference_audios": [{"voice_id": "ara"}], "model": LITE}, 400),
    ("generations", {"last_frame": IMAGE, "model": NEW}, 200),
    ("generations", {"last_frame": IMAGE, "model": LITE}, 400),
    ("generations", {"keyframes": frames(1, 2, 3, 7.9), "model": NEW}, 200),
    ("generations", {"keyframes": frames(1, 2, 3, 4, 5), "model": NEW}, 400),
    ("generations", {"keyframes": frames(8), "model": NEW}, 400),
    ("generations", {"keyframes": frames(1, 1.34), "model": NEW}, 200),
    ("generations", {"keyframes": frames(1, 1.1), "model": NEW}, 400),
    ("generations", {"keyframes": frames(1), "model": LITE}, 400),
    ("edits", {"video": VIDEO, "model": "grok-imagine-video"}, 200),
    ("edits", {"video": VIDEO, "model": NEW}, 400),
    ("edits", {"video": VIDEO, "model": LITE}, 400),
    ("extensions", {"video": VIDEO, "duration": 1}, 200),
    ("extensions", {"video": VIDEO, "duration": 0}, 400),
    ("extensions", {"video": VIDEO, "duration": 10}, 200),
    ("extensions", {"video": VIDEO, "duration": 11}, 400),
    ("extensions", {"video": VIDEO, "model": LITE}, 400),
]


@pytest.mark.parametrize(("operation", "body", "status"), LIMITS)
def test_each_limit_is_checked_on_both_sides(
    simulator: Simulator, operation: str, body: dict[str, Any], status: int
) -> None:
    answer = ask(simulator, "POST", f"/videos/{operation}", {"prompt": "x", **body})
    assert (answer[0], len(simulator.accepted)) == (status, int(status == 200)), answer[2]


@pytest.mark.parametrize(
    "body",
    [
        {"image": IMAGE},
        {"reference_images": [IMAGE]},
        {"last_frame": IMAGE, "model": NEW},
        {"keyframes": frames(1), "model": NEW},
    ],
)
def test_images_need_no_prompt(simulator: Simulator, body: dict[str, Any]) -> None:
    assert ask(simulator, "POST", "/videos/generations", body)[0] == 200


def test_the_words_of_1_5_lite(simulator: Simulator) -> None:
    body = {"prompt": "x", "model": LITE, "reference_images": [IMAGE]}
    words = json.loads(ask(simulator, "POST", "/videos/generations", body)[2])["error"]["message"]
    assert words.startswith("`reference_images` is not supported for this model")


@pytest.mark.parametrize(
    ("body", "ticks"),
    [
        ({}, 500_000_000),
        ({"duration": 5}, 2_500_000_000),
        ({"resolution": "720p"}, 700_000_000),
        ({"model": NEW}, 800_000_000),
        ({"model": NEW, "image": IMAGE}, 900_000_000),
        ({"model": NEW, "reference_images": [IMAGE, IMAGE]}, 1_000_000_000),
        ({"model": NEW, "resolution": "720p"}, 1_400_000_000),
        ({"model": NEW, "resolution": "1080p"}, 2_500_000_000),
        ({"model": LITE}, 200_000_000),
        ({"model": LITE, "resolution": "720p"}, 300_000_000),
        ({"model": LITE, "resolution": "1080p"}, 1_400_000_000),
    ],
)
def test_bills_are_as_measured(body: dict[str, Any], ticks: int) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        request_id = create(simulator, **{"duration": 1, **body})
        last = until(simulator, request_id, lambda _, body: body.get("status") == "done")[1]
    assert last["usage"] == {"cost_in_usd_ticks": ticks}
    assert simulator.accepted[0]["cost_in_usd_ticks"] == ticks


@pytest.mark.parametrize(("ratio", "width", "height"), [("21:9", 168, 72), ("5:2", 160, 64), ("16:9", 192, 108)])
def test_clips_have_the_ratio_asked_for(ratio: str, width: int, height: int) -> None:
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        video = finished(simulator, create(simulator, aspect_ratio=ratio, duration=2))
        content = ask(simulator, "GET", video["url"])[2]
    header = content[content.index(b"tkhd") + 4 :]
    assert [int.from_bytes(header[at : at + 2], "big") for at in (76, 80)] == [width, height]
    assert mp4_length(content) == 2
