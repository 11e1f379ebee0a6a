"""What is sent for what is asked: every field, every way to make a video."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode
from vidjob import FileId, Keyframe, Simulator, StorageOptions, Video, VideoClient, VideoJob, VideoRequest, Voice

IMAGE = "https://a.example/i.png"
VIDEO = "https://a.example/v.mp4"
NEW = "grok-imagine-video-1.5"
LITE = "grok-imagine-video-1.5-lite"
UNKNOWN = "grok-of-tomorrow"

#: (verb, arguments, the JSON that is sent)
SENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("generate", {}, {}),
    ("generate", {"model": "grok-imagine-video-beta"}, {"model": "grok-imagine-video-beta"}),
    ("generate", {"duration": 1}, {"duration": 1}),
    ("generate", {"duration": 15}, {"duration": 15}),
    ("generate", {"aspect_ratio": "2:3"}, {"aspect_ratio": "2:3"}),
    ("generate", {"aspect_ratio": "21:9"}, {"aspect_ratio": "21:9"}),
    ("generate", {"aspect_ratio": "5:2"}, {"aspect_ratio": "5:2"}),
    ("generate", {"resolution": "720p"}, {"resolution": "720p"}),
    ("generate", {"resolution": "1080p", "model": NEW}, {"resolution": "1080p", "model": NEW}),
    ("generate", {"resolution": "1080p", "model": LITE}, {"resolution": "1080p", "model": LITE}),
    ("generate", {"image": IMAGE, "model": LITE}, {"image": {"url": IMAGE}, "model": LITE}),
    ("generate", {"image": IMAGE}, {"image": {"url": IMAGE}}),
    ("generate", {"image": FileId("file-1")}, {"image": {"file_id": "file-1"}}),
    ("generate", {"reference_images": []}, {}),
    (
        "generate",
        {"reference_images": [IMAGE, FileId("file-2")]},
        {"reference_images": [{"url": IMAGE}, {"file_id": "file-2"}]},
    ),
    ("generate", {"reference_images": [IMAGE] * 7}, {"reference_images": [{"url": IMAGE}] * 7}),
    (
        "generate",
        {"reference_images": [IMAGE] * 14, "duration": 15, "model": NEW},
        {"reference_images": [{"url": IMAGE}] * 14, "duration": 15, "model": NEW},
    ),
    (
        "generate",
        {"reference_images": [IMAGE], "image": IMAGE, "resolution": "720p", "model": NEW},
        {"reference_images": [{"url": IMAGE}], "image": {"url": IMAGE}, "resolution": "720p", "model": NEW},
    ),
    (
        "generate",
        {"reference_audios": [Voice("ara"), "https://a.example/voice.wav"], "model": NEW},
        {"reference_audios": [{"voice_id": "ara"}, {"url": "https://a.example/voice.wav"}], "model": NEW},
    ),
    ("generate", {"last_frame": IMAGE, "model": NEW}, {"last_frame": {"url": IMAGE}, "model": NEW}),
    (
        "generate",
        {"keyframes": [Keyframe(IMAGE, 1.5), Keyframe(FileId("f"), 4)], "model": NEW},
        {
            "keyframes": [
                {"image": {"url": IMAGE}, "timestamp_s": 1.5},
                {"image": {"file_id": "f"}, "timestamp_s": 4.0},
            ],
            "model": NEW,
        },
    ),
    ("generate", {"generate_audio": False}, {"generate_audio": False}),
    ("generate", {"generate_audio": True}, {"generate_audio": True}),
    ("generate", {"user": "u1"}, {"user": "u1"}),
    (
        "generate",
        {"upload_url": "https://a.example/put?sig=1"},
        {"output": {"upload_url": "https://a.example/put?sig=1"}},
    ),
    ("generate", {"storage_options": StorageOptions("a.mp4")}, {"storage_options": {"filename": "a.mp4"}}),
    (
        "generate",
        {"storage_options": StorageOptions("a.mp4", expires_after=3600, public_url=True)},
        {"storage_options": {"filename": "a.mp4", "expires_after": 3600, "public_url": True}},
    ),
    (
        "generate",
        {"storage_options": StorageOptions("a.mp4", public_url=True, public_url_expires_after=3600)},
        {"storage_options": {"filename": "a.mp4", "public_url": {"expires_after": 3600}}},
    ),
    ("generate", {"extra": {"seed": 7, "duration": 3}, "duration": 5}, {"seed": 7, "duration": 3}),
    ("edit", {"video": VIDEO}, {"video": {"url": VIDEO}}),
    ("edit", {"video": FileId("f"), "user": "u1"}, {"video": {"file_id": "f"}, "user": "u1"}),
    (
        "edit",
        {"video": VIDEO, "model": "grok-imagine-video", "upload_url": "https://a.example/put"},
        {"video": {"url": VIDEO}, "model": "grok-imagine-video", "output": {"upload_url": "https://a.example/put"}},
    ),
    (
        "edit",
        {"video": VIDEO, "storage_options": StorageOptions("a.mp4"), "extra": {"seed": 1}},
        {"video": {"url": VIDEO}, "storage_options": {"filename": "a.mp4"}, "seed": 1},
    ),
    ("extend", {"video": VIDEO}, {"video": {"url": VIDEO}}),
    ("extend", {"video": VIDEO, "duration": 1}, {"video": {"url": VIDEO}, "duration": 1}),
    ("extend", {"video": VIDEO, "duration": 10}, {"video": {"url": VIDEO}, "duration": 10}),
    (
        "extend",
        {"video": VIDEO, "model": "grok-imagine-video", "storage_options": StorageOptions("a.mp4")},
        {"video": {"url": VIDEO}, "model": "grok-imagine-video", "storage_options": {"filename": "a.mp4"}},
    ),
]
PATHS = {"generate": "generations", "edit": "edits", "extend": "extensions"}


@pytest.mark.parametrize(("verb", "arguments", "sent"), SENT)
def test_json_bodies(
    api: ApiMode, simulator: Simulator, client: VideoClient, verb: str, arguments: dict[str, Any], sent: dict[str, Any]
) -> None:
    expected = {"prompt": "a candle", **sent}
    api(client, verb, "a candle", **arguments)
    request = VideoRequest("a candle", operation=verb, **arguments)  # type: ignore[arg-type]
    api(client, verb, request)
    assert [entry["body"] for entry in simulator.accepted] == [expected, expected]
    assert {entry["operation"] for entry in simulator.accepted} == {PATHS[verb]}
    assert request.preview() == expected
    assert request.path == f"/videos/{PATHS[verb]}"


#: (arguments without a prompt, the JSON that is sent)
WORDLESS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"image": IMAGE}, {"image": {"url": IMAGE}}),
    ({"reference_images": [IMAGE]}, {"reference_images": [{"url": IMAGE}]}),
    ({"last_frame": IMAGE, "model": NEW}, {"last_frame": {"url": IMAGE}, "model": NEW}),
    (
        {"keyframes": [Keyframe(IMAGE, 1)], "model": NEW},
        {"keyframes": [{"image": {"url": IMAGE}, "timestamp_s": 1.0}], "model": NEW},
    ),
    ({"extra": {"input_reference": {"url": IMAGE}}}, {"input_reference": {"url": IMAGE}}),
]


@pytest.mark.parametrize(("arguments", "sent"), WORDLESS)
def test_images_need_no_prompt(
    api: ApiMode, simulator: Simulator, client: VideoClient, arguments: dict[str, Any], sent: dict[str, Any]
) -> None:
    api(client, "generate", **arguments)
    assert simulator.accepted[0]["body"] == sent


def test_seconds_and_input_reference_pass_through_extra(
    api: ApiMode, simulator: Simulator, client: VideoClient
) -> None:
    extra = {"seconds": 3, "input_reference": {"url": IMAGE}}
    job = api(client, "generate", "x", extra=extra)
    assert simulator.accepted[0]["body"] == {"prompt": "x", **extra}
    video = client.wait(job, poll_interval=0.02).video
    assert video is not None
    assert video.duration == 3


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("generate", {"resolution": "1080p", "reference_images": [IMAGE] * 20, "image": IMAGE, "duration": 15}),
        ("generate", {"last_frame": IMAGE, "reference_audios": [Voice("ara")], "keyframes": [Keyframe(IMAGE, 1)]}),
        ("edit", {"video": VIDEO}),
        ("extend", {"video": VIDEO}),
    ],
)
def test_unknown_models_have_no_limits(
    api: ApiMode, simulator: Simulator, client: VideoClient, verb: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(vidjob.NotFound, match="does not exist"):
        api(client, verb, "x", model=UNKNOWN, **arguments)
    assert [request["status"] for request in simulator.requests] == [404]


@pytest.mark.parametrize("shape", ["cometapi", "xai"])
def test_both_services_take_every_way(api: ApiMode, shape: Any) -> None:
    with Simulator(shape, render_seconds=0.05) as simulator, simulator.client() as client:
        api(client, "generate", "x", image=IMAGE, duration=3)
        api(client, "edit", "x", VIDEO)
        api(client, "extend", "x", VIDEO)
        assert len(simulator.accepted) == 3


#: (verb, arguments, the field that is named); each limit's other side is a row above or a row of Rust's table
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("generate", {"prompt": None}, "prompt"),
    ("generate", {"reference_images": [IMAGE] * 8}, "reference_images"),
    ("generate", {"reference_images": [IMAGE] * 15, "model": NEW}, "reference_images"),
    ("generate", {"reference_images": [IMAGE], "model": LITE}, "reference_images"),
    ("generate", {"reference_images": [IMAGE], "resolution": "1080p", "model": NEW}, "resolution"),
    ("generate", {"reference_images": [IMAGE], "image": IMAGE}, "reference_images"),
    ("generate", {"reference_images": [IMAGE], "duration": 11}, "duration"),
    ("generate", {"reference_audios": [Voice("ara")]}, "reference_audios"),
    ("generate", {"reference_audios": [Voice("ara")] * 4, "model": NEW}, "reference_audios"),
    ("generate", {"reference_audios": [Voice("ara")], "model": LITE}, "reference_audios"),
    ("generate", {"last_frame": IMAGE}, "last_frame"),
    ("generate", {"last_frame": IMAGE, "model": LITE}, "last_frame"),
    ("generate", {"keyframes": [Keyframe(IMAGE, 1)], "model": LITE}, "keyframes"),
    ("generate", {"keyframes": [Keyframe(IMAGE, 1), Keyframe(IMAGE, 1.1)], "model": NEW}, "keyframes"),
    ("generate", {"keyframes": [Keyframe(IMAGE, 8)], "model": NEW}, "keyframes"),
    ("generate", {"keyframes": [Keyframe(IMAGE, 1)] * 5, "model": NEW}, "keyframes"),
    ("generate", {"upload_url": "s3://a/b"}, "upload_url"),
    ("edit", {"video": VIDEO, "model": NEW}, "model"),
    ("extend", {"video": VIDEO, "model": NEW}, "model"),
    ("edit", {"video": VIDEO, "model": LITE}, "model"),
    ("extend", {"video": VIDEO, "model": LITE}, "model"),
    ("extend", {"video": VIDEO, "duration": 0}, "duration"),
    ("extend", {"video": VIDEO, "duration": 11}, "duration"),
    ("edit", {}, "video"),
    ("extend", {}, "video"),
    ("edit", {"video": FileId("")}, "video"),
]


@pytest.mark.parametrize(("verb", "arguments", "field"), REFUSED)
def test_requests_beyond_the_limits_are_refused(
    api: ApiMode, simulator: Simulator, client: VideoClient, verb: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, verb, **{"prompt": "x", **arguments})
    assert caught.value.field == field
    assert field.rstrip("s") in str(caught.value)
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [
        ("generate", "video", VIDEO),
        ("edit", "duration", 5),
        ("edit", "aspect_ratio", "1:1"),
        ("edit", "resolution", "480p"),
        ("edit", "image", IMAGE),
        ("extend", "user", "u"),
        ("extend", "aspect_ratio", "1:1"),
        ("extend", "generate_audio", True),
        ("paint", "operation", "paint"),
    ],
)
def test_fields_of_other_operations_are_refused(operation: Any, field: str, value: object) -> None:
    source = {} if operation == "generate" else {"video": VIDEO}
    fields: dict[str, Any] = {"operation": operation, **source, field: value}
    with pytest.raises(vidjob.InvalidRequest, match=field) as caught:
        VideoRequest("x", **fields)
    assert caught.value.field == field


def test_storage_has_its_limits() -> None:
    for seconds in (3600, 2_592_000):
        assert StorageOptions("a", expires_after=seconds).expires_after == seconds
    refused: list[Callable[[], object]] = [
        lambda: StorageOptions(""),
        lambda: StorageOptions("a", expires_after=3599),
        lambda: StorageOptions("a", expires_after=2_592_001),
        lambda: StorageOptions("a", public_url_expires_after=60),
        lambda: StorageOptions.from_dict({"filename": "a", "expires_after": 1}),
    ]
    for build in refused:
        with pytest.raises(vidjob.InvalidRequest, match="storage_options") as caught:
            build()
        assert caught.value.field == "storage_options"


def test_a_request_stands_wherever_a_prompt_does(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    made = api(client, "render", VideoRequest("x", duration=3), tmp_path / "a.mp4", poll_interval=0.05)
    follow_up = VideoRequest("and on", operation="extend", video=made.job, duration=2)
    longer = api(client, "render", follow_up, tmp_path / "b.mp4", poll_interval=0.05)
    assert longer.job.video.duration == 5
    assert [entry["operation"] for entry in simulator.accepted] == ["generations", "extensions"]


def test_a_request_of_another_operation_names_its_verb(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    request = VideoRequest("x")
    for verb in ("edit", "extend"):
        with pytest.raises(vidjob.InvalidRequest, match="pass it to generate"):
            api(client, verb, request)
    assert simulator.requests == []


def test_render_keeps_the_file_itself(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        api(client, "render", VideoRequest("x", upload_url="https://a.example/put"), tmp_path / "a.mp4")
    assert caught.value.field == "upload_url"
    assert simulator.requests == []


# ---- as a value -------------------------------------------------------------------------------


def test_its_fields() -> None:
    request = VideoRequest(
        "x",
        image=Path("a.png"),
        reference_images=[b"png", IMAGE],
        reference_audios=[Voice("ara"), IMAGE],
        last_frame=FileId("f"),
        keyframes=[Keyframe(bytearray(b"png"), 2)],
        model=NEW,
        storage_options=StorageOptions("a.mp4"),
        extra={"seed": 1},
    )
    assert (request.operation, request.prompt, request.video, request.duration) == ("generate", "x", None, None)
    assert request.image == Path("a.png")
    assert request.reference_images == (b"png", IMAGE)
    assert request.reference_audios == (Voice("ara"), IMAGE)
    assert request.last_frame == FileId("f")
    assert request.keyframes == (Keyframe(b"png", 2),)
    assert request.keyframes[0].image == b"png"
    assert request.storage_options == StorageOptions("a.mp4")
    assert request.extra == {"seed": 1}
    assert VideoRequest("x").extra is None


def test_videos_of_earlier_jobs() -> None:
    job = VideoJob("a", "done", video=Video(VIDEO))
    for video in (job, job.video, Path("a.mp4"), FileId("f")):
        request = VideoRequest("x", operation="edit", video=video)
        assert request.video == video
        assert VideoRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_plain_json() -> None:
    request = VideoRequest("x", operation="edit", video=Path("a.mp4"), user="u")
    plain = {"operation": "edit", "prompt": "x", "video": {"path": "a.mp4"}, "user": "u"}
    assert request.to_dict() == plain
    assert VideoRequest.from_dict({"prompt": "x", "image": {"url": IMAGE}}) == VideoRequest("x", image=IMAGE)
    inline = VideoRequest("x", image=b"hello").to_dict()["image"]
    assert inline == "data:application/octet-stream;base64,aGVsbG8="
    assert VideoRequest("x", image=inline) == VideoRequest("x", image=b"hello")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"prompt": "x", "durtion": 5}, "unknown field `durtion`"),
        ({"prompt": "x", "image": "cat.png"}, r"^image: a local path must be a Path: pass Path\('cat.png'\)"),
        ({"prompt": "x", "image": {"url": "/etc/passwd"}}, "a local path must be a Path"),
        ({"prompt": "x", "duration": 16}, "1 to 15"),
        ({"prompt": "x", "duration": "5"}, "invalid type"),
        ({"prompt": "x", "operation": "paint"}, "unknown variant"),
        ([], "prompt is missing"),
    ],
)
def test_malformed_requests_are_refused(data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        VideoRequest.from_dict(data)
    assert "line 1" not in str(caught.value)


def test_its_repr_is_short_and_keeps_secrets() -> None:
    request = VideoRequest("x", image=b"x" * 1_000_000, reference_images=[f"{IMAGE}?sig=hush"], model=NEW)
    assert repr(request) == (
        "VideoRequest(prompt='x', operation='generate', image=<1000000 bytes>, "
        f"reference_images=['{IMAGE}?…'], model='{NEW}')"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"image": 7},
        {"image": object()},
        {"reference_images": IMAGE},
        {"reference_images": 7},
        {"reference_audios": [b"wav"]},
        {"keyframes": [IMAGE]},
        {"storage_options": {"filename": "a"}},
        {"durtion": 5},
        {"extra": [1]},
    ],
)
def test_types_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises(vidjob.InvalidRequest):
        VideoRequest("x", **arguments)


@pytest.mark.parametrize(
    "address",
    [
        "https://a.example/it's.png?sig=SECRET",
        "HTTPS://a.example/a.png?sig=SECRET",
        "https://u:SECRET@a.example/a.png",
    ],
)
def test_no_repr_shows_what_signs_an_address(address: str) -> None:
    assert "SECRET" not in repr(VideoRequest("x", image=address))
    assert "SECRET" not in repr(VideoRequest("x", upload_url=address))
    assert "SECRET" not in repr(vidjob.Video(address))


@pytest.mark.parametrize("field", ["upload_url", "image"])
def test_no_message_shows_what_signs_an_address(field: str) -> None:
    arguments: dict[str, Any] = {field: "s3://bucket/key?X-Amz-Signature=SECRET"}
    with pytest.raises(vidjob.InvalidRequest) as caught:
        VideoRequest("x", **arguments)
    assert "SECRET" not in str(caught.value)


def test_a_manifest_is_told_which_field_is_wrong() -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        VideoRequest.from_dict({"prompt": "x", "last_frame": "cat.png"})
    assert caught.value.field == "last_frame"


@pytest.mark.parametrize(
    "address", [" https://a.example/i.png", "https://a.example/i .png", "https://a.exa mple/i.png "]
)
def test_an_address_is_shown_as_it_was_given(address: str) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        VideoRequest("x", image=address)
    assert f'"{address}"' in str(caught.value)
