"""The values: frozen, equal and hashable by what they say, and able to travel."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidjob import (
    Download,
    FileId,
    FileOutput,
    JobError,
    JobFailed,
    JobStatus,
    Keyframe,
    RenderResult,
    StorageOptions,
    Usage,
    Video,
    VideoJob,
    VideoRequest,
    Voice,
)

URL = "https://vidgen.x.ai/v.mp4"
JOB = VideoJob(
    "f5f35814",
    JobStatus.DONE,
    100,
    "grok-imagine-video",
    Video(URL, 6, True),
    Usage(500_000_000),
    JobError(None, "none"),
    {"status": "done", "unknown": [1, None]},
)

#: (a value, another one, the first's repr)
TABLE: list[tuple[Any, Any, str]] = [
    (
        Video(URL, 6, True),
        Video(URL, 7, True),
        f"Video(url='{URL}', duration=6.0, respect_moderation=True)",
    ),
    (Video(), Video(None, None, False), "Video(url=None)"),
    (
        Video(URL, 6, True, FileOutput("file-1", "a.mp4", 1_773_297_002), "no room"),
        Video(URL, 6, True, FileOutput("file-2", "a.mp4", 1_773_297_002), "no room"),
        (
            f"Video(url='{URL}', duration=6.0, respect_moderation=True, "
            "file_output=FileOutput(file_id='file-1', filename='a.mp4', expires_at=1773297002), "
            "storage_error='no room')"
        ),
    ),
    (
        FileOutput("file-1", "a.mp4", 7, f"{URL}?sig=hush", 8, "no"),
        FileOutput("file-1"),
        (
            f"FileOutput(file_id='file-1', filename='a.mp4', expires_at=7, public_url='{URL}?…', "
            "public_url_expires_at=8, public_url_error='no')"
        ),
    ),
    (FileId("file-1"), FileId("file-2"), "FileId(file_id='file-1')"),
    (Voice("ara"), Voice("eve"), "Voice(voice_id='ara')"),
    (Keyframe(URL, 1), Keyframe(URL, 2), f"Keyframe(image='{URL}', timestamp=1.0)"),
    (Keyframe(b"png", 0.0), Keyframe(Path("a.png"), 0.0), "Keyframe(image=<3 bytes>, timestamp=0.0)"),
    (
        StorageOptions("a.mp4", 3600, True, 7200),
        StorageOptions("a.mp4", 3600, True),
        "StorageOptions(filename='a.mp4', expires_after=3600, public_url=True, public_url_expires_after=7200)",
    ),
    (VideoRequest("x"), VideoRequest("x", extra={"seed": 1}), "VideoRequest(prompt='x', operation='generate')"),
    (
        VideoRequest("x", operation="edit", video=JOB, storage_options=StorageOptions("a.mp4")),
        VideoRequest("x", operation="edit", video=Path("a.mp4")),
        "",
    ),
    (Usage(500_000_000), Usage(1), "Usage(cost_in_usd_ticks=500000000)"),
    (JobError("code", "why"), JobError(None, "why"), "JobError(code='code', message='why')"),
    (VideoJob("a"), VideoJob("b"), "VideoJob(request_id='a', status=<JobStatus.PENDING: 'pending'>)"),
    (JOB, VideoJob("f5f35814", JobStatus.DONE), ""),
    (
        Download(Path("a.mp4"), 7, "ab", "video/mp4"),
        Download("a.mp4", 7, "ab"),
        f"Download(path={Path('a.mp4')!r}, bytes=7, sha256='ab', content_type='video/mp4')",
    ),
    (
        RenderResult("a", VideoJob("a"), Path("a.mp4"), "ab", 7),
        RenderResult("a"),
        (
            "RenderResult(id='a', job=VideoJob(request_id='a', status=<JobStatus.PENDING: 'pending'>), "
            f"path={Path('a.mp4')!r}, sha256='ab', bytes=7)"
        ),
    ),
    (
        RenderResult("a", error=JobFailed("boiler", job=VideoJob("a", JobStatus.FAILED), request_id="a")),
        RenderResult("a", error=JobFailed("other")),
        "",
    ),
]
VALUES = [value for value, _, _ in TABLE]


@pytest.mark.parametrize(("value", "other", "shown"), TABLE)
def test_equal_by_value(value: Any, other: Any, shown: str) -> None:
    same = type(value).from_dict(value.to_dict())
    assert value == same
    assert hash(value) == hash(same)
    assert value != other
    assert value != "something else"
    assert len({value, same, other}) == 2
    if shown:
        assert repr(value) == shown


@pytest.mark.parametrize("value", VALUES)
def test_frozen(value: Any) -> None:
    for name in (*value.__match_args__, "brand_new"):
        with pytest.raises(AttributeError):
            setattr(value, name, None)
        with pytest.raises(AttributeError):
            delattr(value, name)


@pytest.mark.parametrize("value", VALUES)
def test_round_trips(value: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value  # noqa: S301
    assert cloudpickle.loads(cloudpickle.dumps(value)) == value
    assert copy.copy(value) == copy.deepcopy(value) == value
    assert type(value).from_dict(json.loads(json.dumps(value.to_dict()))) == value


@pytest.mark.parametrize("value", [value for value in VALUES if not isinstance(value, VideoRequest)])
def test_match_args_are_the_constructors(value: Any) -> None:
    fields = [getattr(value, name) for name in value.__match_args__]
    assert type(value)(*fields) == value


def test_matching() -> None:
    match JOB:
        case VideoJob(request_id, JobStatus.DONE, video=Video(url)):
            assert (request_id, url) == ("f5f35814", URL)
        case _:
            pytest.fail("no match")


def test_raw_takes_no_part_in_comparison_and_travels() -> None:
    plain = VideoJob("a", raw={"x": 1})
    assert plain == VideoJob("a")
    assert hash(plain) == hash(VideoJob("a"))
    assert plain.raw is plain.raw
    assert pickle.loads(pickle.dumps(plain)).raw == {"x": 1}  # noqa: S301
    assert VideoJob("a").raw is None
    assert JOB.to_dict()["raw"] == {"status": "done", "unknown": [1, None]}


def test_a_links_query_is_not_shown() -> None:
    video = Video(f"{URL}?sig=hush")
    assert video.url == f"{URL}?sig=hush"
    for shown in (repr(video), repr(VideoJob("a", video=video)), repr(RenderResult("a", VideoJob("a", video=video)))):
        assert "hush" not in shown
        assert f"{URL}?…" in shown


def test_statuses() -> None:
    words = ["pending", "queued", "processing", "done", "failed", "expired", "unknown"]
    assert [status.value for status in JobStatus] == words
    for status in JobStatus:
        assert status == status.value == str(status)
        assert VideoJob("a", status.value).status is status
        assert VideoJob("a", status).is_terminal is status.is_terminal
        assert pickle.loads(pickle.dumps(status)) is status  # noqa: S301
    assert [status.value for status in JobStatus if status.is_terminal] == ["done", "failed", "expired"]


@pytest.mark.parametrize(
    ("ticks", "dollars"),
    [
        (500_000_000, "0.05"),
        (2_500_000_000, "0.25"),
        (14_400_000_000, "1.44"),
        (1, "0.0000000001"),
        (0, "0"),
        (2**63 - 1, "922337203.6854775807"),
        (-(2**63), "-922337203.6854775808"),
    ],
)
def test_costs_are_exact(ticks: int, dollars: str) -> None:
    assert Usage(ticks).cost_usd == Decimal(dollars)


@pytest.mark.parametrize(
    "build",
    [
        lambda: VideoJob("a", "nonsense"),
        lambda: VideoJob("a", progress=101),
        lambda: Video(duration=float("nan")),
        lambda: Keyframe(URL, float("nan")),
        lambda: Keyframe.from_dict({"image": "cat.png", "timestamp": 1}),
        lambda: FileId.from_dict({"file_id": "a", "url": "b"}),
        lambda: VideoRequest(""),
        lambda: VideoJob.from_dict({}),
        lambda: VideoJob.from_dict({"request_id": "a", "status": "nonsense"}),
        lambda: Usage.from_dict({"cost_in_usd_ticks": "many"}),
        lambda: Usage.from_dict([]),  # type: ignore[arg-type]
    ],
)
def test_invalid_values_are_refused(build: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        build()


def test_whether_a_result_is_ok() -> None:
    assert RenderResult("a", path=Path("a.mp4")).ok
    assert not RenderResult("a").ok
    assert not RenderResult("a", path=Path("a.mp4"), error=JobFailed("no")).ok


texts = st.none() | st.text(max_size=20)
videos = st.builds(
    Video, texts, st.none() | st.floats(allow_nan=False, allow_infinity=False), st.none() | st.booleans()
)
jobs = st.builds(
    VideoJob,
    st.text(max_size=20),
    st.sampled_from(JobStatus),
    st.none() | st.integers(0, 100),
    texts,
    st.none() | videos,
    st.none() | st.builds(Usage, st.integers(-(2**63), 2**63 - 1)),
    st.none() | st.builds(JobError, texts, st.text(max_size=20)),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)


@settings(max_examples=50)
@given(jobs)
def test_any_job_survives_pickle_and_json(job: VideoJob) -> None:
    for copied in (pickle.loads(pickle.dumps(job)), VideoJob.from_dict(json.loads(json.dumps(job.to_dict())))):  # noqa: S301
        assert copied == job
        assert hash(copied) == hash(job)
        assert copied.raw == job.raw
