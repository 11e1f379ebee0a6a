"""Changing a video, and going on with one: sources of every kind, in either order, with links that are good."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, many, quick_client
from vidjob import (
    Download,
    FileId,
    FileOutput,
    InvalidRequest,
    RenderResult,
    Simulator,
    StorageOptions,
    Video,
    VideoClient,
    VideoJob,
    VideoRequest,
)

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


# ---- results, downloads and ids -----------------------------------------------------------------


@pytest.fixture
def saved(client: VideoClient, tmp_path: Path) -> RenderResult:
    """A render whose file is a real video."""
    result = client.render("a candle", tmp_path / "candle.mp4", duration=4, poll_interval=0.02)
    assert result.path is not None
    result.path.write_bytes((MEDIA / "h264.mp4").read_bytes())
    return result


def sent_videos(simulator: Simulator) -> list[str]:
    """The videos of all edits and extensions: a link, or ``file``."""
    urls = [entry["body"]["video"]["url"] for entry in simulator.accepted if "video" in entry["body"]]
    return ["file" if url.startswith("data:video/mp4;base64,") else url for url in urls]


def in_both_orders(api: ApiMode, client: VideoClient, verb: str, video: Any) -> None:
    api(client, verb, video, "and on")
    api(client, verb, "and on", video)
    api(client, verb, prompt="and on", video=video)


@pytest.mark.parametrize("verb", VERBS)
def test_a_result_stands_for_its_job(
    api: ApiMode, simulator: Simulator, client: VideoClient, saved: RenderResult, verb: str
) -> None:
    assert saved.job is not None
    assert saved.job.video is not None
    in_both_orders(api, client, verb, saved)
    api(client, verb, VideoRequest("and on", operation=verb, video=saved))  # type: ignore[arg-type]
    assert sent_videos(simulator) == [saved.job.video.url] * 4
    assert {entry["body"]["prompt"] for entry in simulator.accepted[1:]} == {"and on"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_result_stands_for_its_file_when_its_link_is_gone(
    api: ApiMode, simulator: Simulator, client: VideoClient, saved: RenderResult, verb: str
) -> None:
    for answer in EXPIRED:
        simulator.respond("download", **answer)
        simulator.respond("download", **answer)
        api(client, verb, saved, "and on")
    assert sent_videos(simulator) == ["file"] * len(EXPIRED)


def test_a_result_whose_job_is_forgotten_stands_for_its_file(
    api: ApiMode, simulator: Simulator, saved: RenderResult
) -> None:
    simulator.respond("download", status=410)
    with quick_client(simulator, max_retries=0) as later:
        simulator.respond("get", status=404, body='{"error": "no such job"}')
        api(later, "edit", saved, "a hat")
    assert sent_videos(simulator) == ["file"]


def test_a_result_whose_link_and_file_are_gone_buys_nothing(
    api: ApiMode, simulator: Simulator, client: VideoClient, saved: RenderResult
) -> None:
    assert saved.path is not None
    saved.path.unlink()
    for _ in range(2):
        simulator.respond("download", status=410)
    with pytest.raises(vidjob.VideoUrlExpired, match="nothing was created"):
        api(client, "edit", saved, "a hat")
    assert len(simulator.accepted) == 1


def test_the_file_of_a_result_is_found_from_another_folder(
    api: ApiMode,
    simulator: Simulator,
    client: VideoClient,
    saved: RenderResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RenderResult("a", saved.job, Path("candle.mp4"))
    assert api(client, "edit", RenderResult("a", path=Path("candle.mp4")), "a hat").request_id
    for _ in range(2):
        simulator.respond("download", status=410)
    assert api(client, "edit", result, "a hat").request_id
    assert sent_videos(simulator) == ["file", "file"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_download_stands_for_its_file(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, tmp_path: Path, verb: str
) -> None:
    saved = api(client, "download", shot, tmp_path / "shot.mp4")
    saved.path.write_bytes((MEDIA / "h264.mp4").read_bytes())
    in_both_orders(api, client, verb, saved)
    assert sent_videos(simulator) == ["file"] * 3
    assert VideoRequest("x", operation="edit", video=saved).video == saved.path
    with pytest.raises(InvalidRequest, match="expected a JPEG, PNG or WebP image"):
        api(client, "generate", "x", image=saved)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        api(client, verb, Download(tmp_path / "none.mp4", 5, "0" * 64), "and on")


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_id_stands_for_its_job(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob, verb: str
) -> None:
    assert shot.video is not None
    in_both_orders(api, client, verb, shot.request_id)
    api(client, verb, VideoRequest("and on", operation=verb, video=shot.request_id))  # type: ignore[arg-type]
    assert sent_videos(simulator) == [shot.video.url] * 4
    assert {entry["body"]["prompt"] for entry in simulator.accepted[1:]} == {"and on"}


def test_an_id_of_another_form_is_polled(
    api: ApiMode, simulator: Simulator, client: VideoClient, shot: VideoJob
) -> None:
    assert shot.video is not None
    done = f'{{"status": "done", "video": {{"url": "{shot.video.url}", "duration": 4}}}}'
    before = len(simulator.requests)
    ids = ["task_x", "12345", "a.b~c", "video_68d7512d07848190b3e45da0ecbebcde", "0123456789abcdef0123456789abcdef"]
    for given in ids:
        simulator.respond("get", body=done)
        api(client, "edit", "a hat", given)
    for given in (ids[0], ids[3], ids[4]):
        simulator.respond("get", body=done)
        api(client, "edit", given, "a hat")
    paths = [
        request["path"].rpartition("/")[2] for request in simulator.requests[before:] if "/videos/" in request["path"]
    ]
    assert [path for path in paths if path != "edits"] == [*ids, ids[0], ids[3], ids[4]]
    assert {entry["body"]["prompt"] for entry in simulator.accepted[1:]} == {"a hat"}


def test_a_request_id_without_a_video_buys_nothing(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    cases: list[tuple[str, type[Exception], str]] = [
        ('{"status": "processing"}', InvalidRequest, "is not finished; wait for it"),
        ('{"status": "failed", "error": {"code": "c", "message": "m"}}', vidjob.JobFailed, "failed"),
        ('{"status": "expired"}', vidjob.JobExpired, "expired"),
        ('{"status": "done", "video": {"url": "", "respect_moderation": false}}', vidjob.JobBlocked, "moderation"),
    ]
    for body, error, words in cases:
        simulator.respond("get", body=body)
        with pytest.raises(error, match=words):
            api(client, "edit", "a hat", "task_x")
    with pytest.raises(vidjob.NotFound) as caught:
        api(client, "edit", "a hat", "task_y")
    assert caught.value.request_id == "task_y"
    assert simulator.accepted == []


def test_a_result_without_a_video_is_refused(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    blocked = VideoJob("a", "done", video=Video(respect_moderation=False))
    cases = [
        (RenderResult("a"), "neither a job with a video nor a file"),
        (RenderResult("a", VideoJob("a")), "neither a job with a video nor a file"),
        (RenderResult("a", VideoJob("a", "failed"), error=vidjob.JobFailed("job a failed: no")), "job a failed: no"),
        (RenderResult("a", blocked, error=vidjob.JobBlocked("withheld by moderation")), "withheld by moderation"),
        (RenderResult("a", error=vidjob.NotSubmitted("not submitted: max_jobs is reached")), "max_jobs is reached"),
    ]
    for result, words in cases:
        for arguments in ((result, "and on"), ("and on", result)):
            with pytest.raises(InvalidRequest, match=f"video: the result 'a' has no video: .*{words}") as caught:
                api(client, "extend", *arguments)
            assert caught.value.field == "video"
    with pytest.raises(InvalidRequest, match="image takes an image"):
        api(client, "generate", "x", image=RenderResult("a", path=Path("a.mp4")))
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("base.mp4", "on it goes"), r"^video: a local path must be a Path: pass Path\('base.mp4'\)$"),
        (("on it goes", "base.mp4"), r"^video: a local path must be a Path: pass Path\('base.mp4'\)$"),
        (("~/clips/base", "on it goes"), r"pass Path\('~/clips/base'\)"),
        (("my clip.MOV", "on it goes"), r"pass Path\('my clip.MOV'\)"),
        (("on it goes", "clips/base"), r"pass Path\('clips/base'\)"),
        (("a hat", "make it snow"), "video must be an http.* or a request_id if it is a string"),
        (("a man/woman dances", "make it snow"), "video must be an http.* or a request_id if it is a string"),
        (("a hat", "s3://bucket/v.mp4"), "video must be an http.* or a request_id if it is a string"),
        (("a hat", ""), "video must be an http.* or a request_id if it is a string"),
        (("base.mp4",), r"pass Path\('base.mp4'\)"),
        (("a hat",), "video is missing"),
        (("https://a.example/v.mp4", "a hat"), "the prompt comes first"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_texts_that_are_no_videos(
    api: ApiMode, simulator: Simulator, client: VideoClient, verb: str, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        api(client, verb, *arguments)
    assert caught.value.field == "video"
    assert simulator.requests == []


def test_a_prompt_that_looks_like_something_else_is_a_prompt_beside_a_video(
    api: ApiMode, simulator: Simulator, client: VideoClient
) -> None:
    prompts = ["base.mp4", "a/b", "task_x", "4b2cd27e-0b0d-3dec-c31c-7572daf74bb3", "data"]
    for prompt in prompts:
        api(client, "edit", prompt, "https://a.example/v.mp4")
        api(client, "edit", prompt, FileId("f"))
        api(client, "edit", FileId("f"), prompt)
    assert [entry["body"]["prompt"] for entry in simulator.accepted] == [text for text in prompts for _ in range(3)]


def test_requests_keep_what_stands_for_a_video(saved: RenderResult) -> None:
    for video in (saved, "task_x"):
        request = VideoRequest("x", operation="edit", video=video)
        again = VideoRequest.from_dict(json.loads(json.dumps(request.to_dict())))
        assert again == request == pickle.loads(pickle.dumps(request))  # noqa: S301
        assert again.preview()["prompt"] == "x"
        assert repr(video)[:12] in repr(request)
    held = VideoRequest("x", operation="edit", video=saved).video
    assert isinstance(held, RenderResult)
    assert (held.job, held.path) == (saved.job, saved.path)


def test_rows_take_what_the_verbs_take(
    api: ApiMode, simulator: Simulator, client: VideoClient, saved: RenderResult, tmp_path: Path
) -> None:
    assert saved.job is not None
    assert saved.job.video is not None
    assert saved.path is not None
    assert saved.sha256 is not None
    videos = {
        "result": saved,
        "download": Download(saved.path, 5, saved.sha256),
        "id": saved.job.request_id,
        "object": {"request_id": saved.job.request_id},
        "job": saved.job,
    }
    rows = [{"id": name, "prompt": name, "operation": "edit", "video": video} for name, video in videos.items()]
    results = many(api, client, rows, tmp_path / "renders", poll_interval=0.02)
    assert all(result.ok for result in results), [result.error for result in results]
    link = saved.job.video.url
    sent = {entry["body"]["prompt"]: entry["body"]["video"]["url"] for entry in simulator.accepted[1:]}
    assert sent.pop("download").startswith("data:video/mp4")
    assert sent == dict.fromkeys(("result", "id", "object", "job"), link)
    rows = [{"prompt": "x", "operation": "edit", "video": "base.mp4"}]
    with pytest.raises(
        InvalidRequest,
        match=r"row 1: video: 'base.mp4' is a local path; pass input_root",
    ):
        many(api, client, rows, tmp_path / "others")


def test_a_job_its_result_and_its_id_are_the_same_item(
    api: ApiMode, simulator: Simulator, client: VideoClient, saved: RenderResult, tmp_path: Path
) -> None:
    assert saved.job is not None
    requests = [VideoRequest("x", operation="edit", video=video) for video in (saved.job, saved, saved.job.request_id)]
    for request in requests:
        [result] = many(api, client, [request], tmp_path / "renders", poll_interval=0.02)
        assert result.ok
    assert len(simulator.accepted) == 2
