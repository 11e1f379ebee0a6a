"""Pins every error message that calls over the public API raise, so that a change is seen in review.

Each case fails over the blocking and the asyncio API with the same message. The messages are compared with
``messages.txt``; rewrite it with ``VIDJOB_UPDATE_MESSAGES=1 pytest tests/api/test_messages.py``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, Cli, quick_client, refusing_port
from vidjob import FileId, Keyframe, Simulator, StorageOptions, Video, VideoClient, VideoRequest, Voice

SNAPSHOT = Path(__file__).with_name("messages.txt")
MEDIA = next(folder for folder in Path(__file__).parents if (folder / "media").is_dir()) / "media"

PNG = MEDIA / "picture.png"
CLIP = MEDIA / "h264.mp4"
URL = "https://a.example/picture.png"
NEWER = "grok-imagine-video-1.5"
FRAME = Keyframe(URL, 1.0)

#: What differs between two runs, and what stands for it.
VOLATILE = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bthis process, \d+"), "this process, PID"),
    (re.compile(r"\bvidjob-[0-9a-f]+"), "vidjob-KEY"),
    (re.compile(r"\bos error \d+"), "os error N"),
)


@dataclass
class Setting:
    """What a case is run with."""

    api: ApiMode
    simulator: Simulator
    client: VideoClient
    folder: Path

    def __call__(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return self.api(self.client, verb, *args, **kwargs)


Case = Callable[[Setting], object]


def call(verb: str, *args: Any, **kwargs: Any) -> Case:
    """A call that fails by itself."""
    return lambda setting: setting(verb, *args, **kwargs)


def invalid_calls() -> Iterator[Case]:
    """Arguments that are rejected before anything is sent."""
    generations: list[dict[str, Any]] = [
        {"prompt": None},
        {"prompt": " "},
        {"prompt": "x" * 4097},
        {"prompt": 5},
        {"duration": 16},
        {"duration": "5"},
        {"aspect_ratio": "2:1"},
        {"resolution": "auto"},
        {"resolution": "1080p"},
        {"generate_audio": "yes"},
        {"model": ""},
        {"user": ""},
        {"upload_url": "ftp://a.example/put"},
        {"storage_options": "a.mp4"},
        {"extra": {"a": float("nan")}},
        {"extra": {"a": object()}},
        {"extra": {1: 2}},
        {"reference_images": [URL] * 8},
        {"reference_images": [URL], "image": URL},
        {"reference_images": [URL], "duration": 15},
        {"reference_images": [URL], "resolution": "1080p", "model": NEWER},
        {"reference_images": URL},
        {"reference_audios": [Voice("a")] * 4, "model": NEWER},
        {"reference_audios": ["voice.mp3"], "model": NEWER},
        {"last_frame": URL},
        {"keyframes": [FRAME] * 5, "model": NEWER},
        {"keyframes": [Keyframe(URL, 9.0)], "model": NEWER},
        {"keyframes": [FRAME, FRAME], "model": NEWER},
        {"image": "picture.png"},
        {"image": "data:image/png"},
        {"image": "data:image/png,a"},
        {"image": "data:image/png;base64,!"},
        {"image": b""},
        {"image": b"plain text"},
        {"image": b"<!doctype html>"},
        {"image": bytes([0, 1, 2, 3])},
        {"image": PNG.read_bytes()[:40]},
        {"image": MEDIA},
        {"image": MEDIA / "missing.png"},
        {"image": MEDIA / "document.pdf"},
        {"image": CLIP},
        {"image": object()},
    ]
    for fields in generations:
        yield call("generate", **{"prompt": "x", **fields})
    yield call("edit", "x", video=PNG)
    yield call("edit", "x", video=MEDIA / "long.mp4")
    yield call("edit", "x", video=MEDIA / "mpeg4.mp4")
    yield call("edit", "x", video=CLIP, model=NEWER)
    yield call("generate", VideoRequest("x", operation="edit", video=CLIP))
    yield call("extend", "x", video=CLIP, duration=11)
    yield call("extend", "x", video=MEDIA / "short.mp4")
    yield lambda setting: setting("edit", VideoRequest("x", operation="edit"))
    yield lambda setting: setting("edit", VideoRequest("x", operation="edit", video=CLIP, duration=5))
    yield lambda setting: setting("edit", VideoRequest("x", operation="edit", video=CLIP, keyframes=[FRAME]))
    yield lambda setting: setting("generate", VideoRequest("x", video=CLIP))
    yield lambda setting: setting("generate", "x", image=FileId(""))
    yield lambda setting: setting("generate", "x", reference_audios=[Voice("")], model=NEWER)
    yield lambda _: StorageOptions(filename="")
    yield lambda _: StorageOptions(filename="a.mp4", expires_after=1)
    yield lambda _: StorageOptions(filename="a.mp4", public_url_expires_after=3600)
    for request_id in ("", "a" * 5000, "a\0", "..", 5):
        yield call("get", request_id)
    yield call("wait", "a", timeout=-1)
    yield call("wait", "a", timeout=float("nan"))
    yield call("wait", "a", poll_interval=0)
    yield call("download", "a", "a.mp4", max_bytes=0)
    yield call("download", "a", "https://a.example/a.mp4")
    yield call("resume")
    yield call("jobs")


def invalid_batches() -> Iterator[Case]:
    """Batches that are rejected before anything is sent."""

    def batch(requests: Any, **options: Any) -> Case:
        return lambda setting: setting("render_many", requests, setting.folder, **options)

    for options in (
        {"concurrency": 0},
        {"max_downloads": 0},
        {"max_cost_usd": -1},
        {"max_jobs": -1},
        {"deadline": -1},
        {"on_existing": "ask"},
        {"on_unknown": "ask"},
        {"prices": {"a": {"per_second": {"720p": -1}}}},
        {"prices": 5},
        {"filename": "a.mp4"},
        {"filename": "{missing}.mp4"},
        {"filename": "../{id}.mp4"},
        {"filename": ""},
        {"input_root": 5},
    ):
        yield batch(["x"], **options)
    tables: list[Any] = [
        5,
        [5],
        [{}],
        [{"prompt": ""}],
        [{"prompt": "x", "duration": "long"}],
        [{"prompt": "x", "image": "picture.png"}],
        [{"prompt": "x", "id": "a"}, {"prompt": "y", "id": "a"}],
        [{"custom_id": "a", "url": "/v1/chat", "body": {"prompt": "x"}}],
        [VideoRequest("x", upload_url="https://a.example/put")],
        MEDIA / "missing.jsonl",
        MEDIA / "document.pdf",
    ]
    for rows in tables:
        yield batch(rows)


def responses() -> Iterator[Case]:
    """Error responses and malformed responses, to a poll and to a create."""
    replies: list[tuple[int, Any]] = [
        (status, {"error": "an explanation"}) for status in (400, 401, 402, 403, 404, 408, 409, 422, 429, 500, 503)
    ]
    replies += [(status, body) for status in (401, 500) for body in ("", "<html>a page</html>")]
    replies += [
        (302, ""),
        (429, {"error": {"message": "insufficient balance", "code": "insufficient_quota"}}),
        (503, {"error": {"message": "no available channel", "code": "model_not_found"}}),
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, '{"id": '),
        (200, "<html>a page</html>"),
        (200, {"error": "invalid api key"}),
        (200, {"status": 5}),
        (200, {"status": "done", "error": "an explanation"}),
        (200, {"status": "done", "video": 5}),
        (200, {"status": "done", "video": {"url": 5}}),
        (200, {"status": "SUCCESS", "data": {"status": "failed", "error": "an explanation"}}),
    ]

    def reply(on: Any, status: int, body: Any, verb: str, *args: Any) -> Case:
        def case(setting: Setting) -> object:
            text = body if isinstance(body, str) else json.dumps(body)
            headers = {"location": "https://login.example/?token=a"} if status == 302 else None
            setting.simulator.respond(on, status=status, body=text, headers=headers)
            return setting(verb, *args)

        return case

    yield reply("create", 200, {"id": "../a"}, "generate", "x")
    for status, body in replies:
        yield reply("get", status, body, "get", "a")
        yield reply("create", status, body, "generate", "x")


def faults() -> Iterator[Case]:
    """Faults of the connection, of jobs and of files."""

    def fault(kind: Any, on: Any, verb: str, *args: Any, **options: Any) -> Case:
        def case(setting: Setting) -> object:
            setting.simulator.inject(kind, on=on, **options)
            return setting(verb, *args)

        return case

    def saved(kind: Any, **options: Any) -> Case:
        def case(setting: Setting) -> object:
            job = setting("wait", setting("generate", "x"))
            setting.simulator.inject(kind, on="download", **options)
            return setting("download", job.video, setting.folder / "a.mp4")

        return case

    for kind in ("lost_response", "reset", "wrong_type", "truncated", "rate_limited", "no_money"):
        yield fault(kind, "create", "generate", "x")
    for kind in ("reset", "garbage", "wrong_type", "rate_limited", "server_error", "not_found_yet"):
        yield fault(kind, "get", "get", "a")
    for kind in ("job_fails", "job_moderated", "job_expires"):

        def ends(setting: Setting, kind: Any = kind) -> object:
            setting.simulator.inject(kind, on="create")
            return setting("wait", setting("generate", "x"))

        yield ends
    yield saved("link_expired", status=400)
    yield saved("reset")
    yield saved("truncated")

    def page(setting: Setting) -> object:
        job = setting("wait", setting("generate", "x"))
        setting.simulator.respond("download", body="<html>a page</html>", headers={"content-type": "text/html"})
        return setting("download", job.video, setting.folder / "a.mp4")

    yield page

    def hang(setting: Setting) -> object:
        setting.simulator.inject("hang", on="get", seconds=30)
        with quick_client(setting.simulator, max_retries=0, timeout=0.05) as client:
            return setting.api(client, "get", "a")

    yield hang

    def times_out(setting: Setting) -> object:
        setting.simulator.pause()
        job = setting("generate", "x")
        try:
            return setting("wait", job, timeout=0.01)
        finally:
            setting.simulator.resume()

    yield times_out

    def unreachable(setting: Setting) -> object:
        with refusing_port() as port, VideoClient(KEY, base_url=f"http://127.0.0.1:{port}", max_retries=0) as client:
            return setting.api(client, "get", "a")

    yield unreachable

    def closed(setting: Setting) -> object:
        client = quick_client(setting.simulator)
        client.close()
        return setting.api(client, "get", "a")

    yield closed


def targets() -> Iterator[Case]:
    """Files that cannot be written, and links that are not followed."""

    def save(source: Any, name: str, **options: Any) -> Case:
        return lambda setting: setting("download", source, setting.folder / name, **options)

    public = VideoClient(KEY)

    def follow(link: str) -> Case:
        return lambda setting: setting.api(public, "download", Video(link, None, None), setting.folder / "a.mp4")

    for link in (
        "http://a.example/a.mp4",
        "ftp://a.example/a.mp4",
        "https://user:password@a.example/a.mp4",
        "https://127.0.0.1/a.mp4",
        "https://10.0.0.1/a.mp4",
        "https://",
    ):
        yield follow(link)
    yield save(Video(None, None, None), "a.mp4")
    yield save(Video(None, None, False), "a.mp4")
    yield save(Video("https://a.example/a.mp4", None, None), "missing/a.mp4")
    yield save(Video("https://a.example/a.mp4", None, None), ".")

    def existing(verb: str) -> Case:
        def case(setting: Setting) -> object:
            path = setting.folder / "a.mp4"
            path.write_bytes(b"something else")
            source = "x" if verb == "render" else setting("wait", setting("generate", "x"))
            return setting(verb, source, path)

        return case

    yield existing("render")
    yield existing("download")

    def too_large(setting: Setting) -> object:
        job = setting("wait", setting("generate", "x"))
        return setting("download", job, setting.folder / "a.mp4", max_bytes=10)

    yield too_large

    def not_done(setting: Setting) -> object:
        setting.simulator.pause()
        try:
            return setting("download", setting("generate", "x").request_id, setting.folder / "b.mp4")
        finally:
            setting.simulator.resume()

    yield not_done


def journals() -> Iterator[Case]:
    """Journals in use, creates without a known outcome, and limits of a batch."""

    def held(setting: Setting) -> object:
        setting.simulator.inject("lost_response", on="create")
        with pytest.raises(vidjob.SubmitUnknown):
            setting("render", "x", setting.folder / "a.mp4")
        return setting("render", "x", setting.folder / "a.mp4")

    yield held

    def in_use(setting: Setting) -> object:
        setting.simulator.pause()
        try:
            with setting.client.render_many(["x"], setting.folder / "batch", max_jobs=1):
                return setting("render_many", ["x"], setting.folder / "batch")
        finally:
            setting.simulator.resume()

    yield in_use

    def item(rows: Any, **options: Any) -> Case:
        def case(setting: Setting) -> object:
            for result in setting("render_many", rows, setting.folder / "items", **options):
                if result.error:
                    raise result.error
            return None

        return case

    yield item(["x"], max_cost_usd=0.001)
    yield item(["x"], max_jobs=0)
    yield item([{"prompt": "x", "model": "unknown"}], max_cost_usd=1)

    def rejected(status: int) -> Case:
        def case(setting: Setting) -> object:
            setting.simulator.respond("create", status=status, body=json.dumps({"error": "an explanation"}))
            results = setting("render_many", ["x", "y"], setting.folder / "rejected", concurrency=1)
            raise next(result.error for result in results if isinstance(result.error, vidjob.NotSubmitted))

        return case

    yield rejected(401)
    yield rejected(402)


def configurations(folder: Path) -> Iterator[dict[str, Any]]:
    """Settings that no client can be made of."""
    key = {"api_key": "a"}
    yield {}
    yield {"api_key": " "}
    yield {"api_key": "two words"}
    yield {"base_url": "https://a.example/v1"}
    for base_url in ("a.example", "ftp://a.example", "https://u:p@a.example", "https://a.example/?q", "https://a b"):
        yield {**key, "base_url": base_url}
    for name in ("timeout", "requests_per_second", "creates_per_second", "max_job_age", "poll_interval"):
        yield {**key, name: 0}
    yield {**key, "timeout": 1e300}
    yield {**key, "requests_per_second": 1e-9}
    yield {**key, "max_concurrent_requests": 0}
    yield {**key, "max_retries": -1}
    yield {**key, "proxy": "a b"}
    yield {**key, "proxy": "socks5://a.example:1080"}
    yield {**key, "ca_file": folder / "missing.pem"}
    yield {**key, "headers": {"a b": "c"}}
    yield {**key, "headers": {"a": "b\n"}}
    yield {**key, "headers": {"Authorization": "a"}}


#: Command lines that are rejected.
COMMANDS = (
    ["generate"],
    ["generate", "x", "--duration", "long"],
    ["generate", "x", "--image", str(CLIP)],
    ["get"],
    ["get", ".."],
    ["wait", "a", "--timeout", "-1"],
    ["download", "a"],
    ["render", "x"],
    ["batch", "missing.jsonl"],
    ["generate", "x"],
)


def stable(message: str, folder: Path) -> str:
    """A message on one line, without what differs between two runs."""
    for path, name in ((folder, "FOLDER"), (MEDIA, "MEDIA")):
        message = message.replace(str(path), name)
    for pattern, name in VOLATILE:
        message = pattern.sub(name, message)
    return message.replace("\n", "\\n")


def raised(case: Callable[[], object], folder: Path) -> str:
    """The class and the message of the exception that a case raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any exception is compared
        case()
    return f"{caught.type.__name__}: {stable(str(caught.value), folder)}"


def messages_of(api: ApiMode, folder: Path) -> list[str]:
    """The messages of all cases over one API, in their order."""
    cases = [
        case for group in (invalid_calls, invalid_batches, responses, faults, targets, journals) for case in group()
    ]
    messages = []
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(render_seconds=0.01, spread=0))
        client = stack.enter_context(quick_client(simulator, max_retries=0, timeout=5))
        for number, case in enumerate(cases):
            place = folder / str(number)
            place.mkdir(parents=True)
            setting = Setting(api, simulator, client, place)
            messages.append(raised(lambda case=case, setting=setting: case(setting), place))  # type: ignore[misc]
    return messages


def test_messages_match_the_snapshot(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocking, asyncio = (messages_of(ApiMode(name), tmp_path / name) for name in ("blocking", "asyncio"))
    assert blocking == asyncio
    messages = set(blocking)
    messages |= {
        raised(lambda settings=settings: VideoClient(**settings), tmp_path)  # type: ignore[misc]
        for settings in configurations(tmp_path)
    }
    for command in COMMANDS:
        code, _, errors = cli(*command)
        [line] = [line for line in errors.splitlines() if line.startswith("error: ")]
        messages.add(f"exit {code}: {stable(line, tmp_path)}")
    text = "".join(f"{message}\n" for message in sorted(messages))
    if os.environ.get("VIDJOB_UPDATE_MESSAGES"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8"), "run with VIDJOB_UPDATE_MESSAGES=1 and review the change"
