"""Changing a video, and going on with one: sources of every kind, in either order, with links that are good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode
from vidjob import FileId, FileOutput, Simulator, StorageOptions, Video, VideoClient, VideoJob

MEDIA = Path(__file__).parent.parent / "media"
VERBS = ["edit", "extend"]


#: Answers of a link that is no longer good.
EXPIRED: list[dict[str, Any]] = [
    {"status": 410},
    {"status": 401},
    {"status": 400, "body": "<Error><Code>ExpiredToken</Code></Error>"},
    {"status": 403, "body": "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"},
]


@pytest.fixture
def shot(client: VideoClient) -> VideoJob:
    return client.wait(client.generate("a candle", duration=4), poll_interval=0.05)


def downloads(simulator: Simulator) -> int:
    return sum(request["path"].startswith("/vidgen/") for request in simulator.requests)


@pytest.mark.parametrize("verb", VERBS)
def test_an_earlier_job_in_either_order(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, verb: str
) -> None:
    assert shot.video is not None
    for arguments in ((shot, "and on"), ("and on", shot), (shot.video, "and on"), ("and on", shot.video)):
        api(client, verb, *arguments)
        assert simulator.accepted[-1]["body"] == {"prompt": "and on", "video": {"url": shot.video.url}}
    for source in (FileId("f"), MEDIA / "h264.mp4"):
        api(client, verb, source, "and on")
        assert simulator.accepted[-1]["body"]["prompt"] == "and on"


@pytest.mark.parametrize("verb", VERBS)
def test_the_verbs_chain(api: ApiMode, simulator: Simulator, client: VideoClient, verb: str) -> None:
    shot = api(client, "wait", api(client, "generate", "a candle", duration=4), poll_interval=0.05)
    job = api(client, "wait", api(client, verb, shot, "and on"), poll_interval=0.05)
    assert job.video.duration == {"edit": 4, "extend": 10}[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_an_expired_link_is_renewed(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, verb: str
) -> None:
    simulator.inject("link_expired", on="download")
    api(client, verb, shot, "and on")
    assert shot.video is not None
    sent = simulator.accepted[-1]["body"]["video"]["url"]
    assert sent != shot.video.url
    assert sent == client.get(shot).video.url  # type: ignore[union-attr]


@pytest.mark.parametrize("verb", VERBS)
def test_a_link_that_stays_bad_buys_nothing(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, verb: str
) -> None:
    for answer in EXPIRED:
        simulator.respond("download", **answer)
        simulator.respond("download", **answer)
        with pytest.raises(vidjob.VideoUrlExpired, match="nothing was created") as caught:
            api(client, verb, shot, "and on")
        assert caught.value.request_id == shot.request_id
        simulator.respond("download", **answer)
        with pytest.raises(vidjob.VideoUrlExpired):
            api(client, verb, shot.video, "and on")
    assert len(simulator.accepted) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_source_that_comes_a_moment_after_its_link_is_waited_for(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, status: int
) -> None:
    for source in (shot, shot.video):
        for _ in range(2):
            simulator.respond("download", status=status)
        api(client, "edit", source, "and on")
    assert shot.video is not None
    assert [entry["body"]["video"]["url"] for entry in simulator.accepted[1:]] == [shot.video.url] * 2


@pytest.mark.parametrize("trouble", ["reset", "hang", "server_error"])
def test_only_gone_means_gone(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, trouble: Any
) -> None:
    simulator.inject(trouble, on="download", seconds=0.2 if trouble == "hang" else None)
    api(client, "edit", shot, "a hat")
    assert len(simulator.accepted) == 2
    assert downloads(simulator) == 1


def test_a_stored_file_is_used_when_its_link_has_expired(
    api: ApiMode, simulator: Simulator, client: VideoClient
) -> None:
    kept = client.generate("x", duration=3, storage_options=StorageOptions("a.mp4"))
    job = client.wait(kept, poll_interval=0.05)
    assert job.video is not None
    assert isinstance(job.video.file_output, FileOutput)
    assert job.video.file_output.filename == "a.mp4"
    simulator.respond("download", status=404)
    simulator.respond("download", status=404)
    api(client, "edit", job, "a hat")
    assert simulator.accepted[-1]["body"]["video"] == {"file_id": job.video.file_output.file_id}


def test_the_key_goes_to_no_other_host(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    with Simulator(render_seconds=0.05) as elsewhere, elsewhere.client() as other:
        job = other.wait(other.generate("x", duration=3), poll_interval=0.02)
        api(client, "edit", job.video, "a hat")
        [probe] = [request for request in elsewhere.requests if request["path"].startswith("/vidgen/")]
    assert "authorization" not in probe["headers"]


@pytest.mark.parametrize("verb", VERBS)
def test_jobs_without_a_video(api: ApiMode, simulator: Simulator, client: VideoClient, verb: str) -> None:
    cases: list[tuple[Any, type[Exception], str]] = [
        (VideoJob("a"), vidjob.InvalidRequest, "wait for it, and pass the result of wait"),
        (VideoJob("a", "failed"), vidjob.JobFailed, "a"),
        (VideoJob("a", "expired"), vidjob.JobExpired, "a"),
        (VideoJob("a", "done", video=Video(respect_moderation=False)), vidjob.JobBlocked, "a"),
        (VideoJob("../a", "done"), vidjob.InvalidRequest, "request ID"),
        (Video(), vidjob.InvalidRequest, "no url"),
    ]
    for source, error, words in cases:
        with pytest.raises(error, match=words):
            api(client, verb, source, "and on")
    assert simulator.accepted == []


@pytest.mark.parametrize(
    ("verb", "seconds", "is_taken"),
    [
        ("edit", 8.7, True),
        ("edit", 8.8, False),
        ("edit", 0, True),
        ("extend", 1.9, False),
        ("extend", 2, True),
        ("extend", 30, True),
        ("extend", 30.1, False),
    ],
)
def test_known_lengths(api: ApiMode, verb: str, seconds: float, *, is_taken: bool) -> None:
    with VideoClient(KEY, base_url="http://127.0.0.1:9", max_retries=0) as client:
        video = Video("http://127.0.0.1:9/v.mp4", seconds)
        with pytest.raises(vidjob.VidjobError) as caught:
            api(client, verb, video, "and on")
    assert isinstance(caught.value, vidjob.ConnectionFailed if is_taken else vidjob.InvalidRequest)


def test_a_text_beside_a_text_is_the_video(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="the prompt comes first") as caught:
        api(client, "edit", "https://a.example/v.mp4", "a hat")
    assert caught.value.field == "video"
    assert simulator.requests == []
