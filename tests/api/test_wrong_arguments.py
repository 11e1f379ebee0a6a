"""Arguments of a wrong type and keywords that do not exist are refused by name, before anything is sent."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vidjob
from support import KEY, ApiMode, many
from vidjob import (
    ConfigurationError,
    FileId,
    InvalidRequest,
    Keyframe,
    RenderResult,
    Simulator,
    StorageOptions,
    VideoClient,
    VideoJob,
    VideoRequest,
    Voice,
)
from vidjob._native import describe_value

URL = "https://a.example/v.mp4"
VERBS = ["get", "wait", "watch", "generate", "edit", "extend", "download", "render", "render_many", "jobs", "resume"]

# ---- what each argument does not take -----------------------------------------------------------

TEXT: list[Any] = [5, 1.5, True, b"a", ["a"], Path("a"), object(), str]
WORD: list[Any] = [*TEXT, "sometimes", ""]
WHOLE: list[Any] = ["3", 3.5, 3.0, True, np.True_, Decimal(3), [3], np.array([3, 4]), object()]
NUMBER: list[Any] = ["2", b"2", True, np.True_, [2], np.array([1.0, 2.0]), object(), float]
FLAG: list[Any] = ["false", "", 0, 1, 1.0, [True], np.array([True]), object()]
PATH: list[Any] = [7, True, b"a.mp4", ["a.mp4"], object(), Path]
CALLBACK: list[Any] = [5, "x", True, [print], object()]
PROGRESS: list[Any] = [5, 0, "yes", [True], {}, object()]
JOB: list[Any] = [5, True, b"id", ["id"], {"request_id": "id"}, Path("id"), object()]
IMAGE: list[Any] = [5, 1.5, True, ["a"], {"url": URL}, object(), print]
ITEMS: list[Any] = [5, URL, b"png", {"a": 1}, iter([URL]), np.zeros((2, 2, 3), dtype=np.uint8), object()]
REQUESTS: list[Any] = ["a prompt", b"a prompt", 5, True, {"prompt": "x"}, VideoRequest("x"), object()]
MAPPING: list[Any] = [5, "x", True, [1], [("a", 1)], {"a"}, object()]
STORAGE: list[Any] = [5, "a.mp4", True, {"filename": "a.mp4"}, ["a.mp4"], object()]

#: Wrong values by the name of the argument. Every argument must be listed.
WRONG: dict[str, list[Any]] = {
    "aspect_ratio": [16 / 9, *TEXT],
    "api_key": TEXT,
    "base_url": TEXT,
    "ca_file": PATH,
    "columns": [5, "page", b"page", True, [5], [b"page"], object()],
    "concurrency": WHOLE,
    "creates_per_second": NUMBER,
    "deadline": NUMBER,
    "duration": WHOLE,
    "expires_after": WHOLE,
    "extra": MAPPING,
    "file_id": TEXT,
    "filename": TEXT,
    "folder": PATH,
    "generate_audio": FLAG,
    "headers": ["x", b"x", 5, True, ["x"], object()],
    "image": IMAGE,
    "input_root": PATH,
    "job": JOB,
    "job_or_video": JOB,
    "journal": PATH,
    "keyframes": [*ITEMS, [URL], [5]],
    "last_frame": IMAGE,
    "max_bytes": WHOLE,
    "max_concurrent_requests": WHOLE,
    "max_cost_usd": NUMBER,
    "max_downloads": WHOLE,
    "max_job_age": NUMBER,
    "max_jobs": WHOLE,
    "max_retries": WHOLE,
    "model": TEXT,
    "on_event": CALLBACK,
    "on_existing": WORD,
    "on_unknown": WORD,
    "on_update": CALLBACK,
    "operation": TEXT,
    "overwrite": FLAG,
    "path": PATH,
    "pickle_key": FLAG,
    "poll_interval": NUMBER,
    "prices": MAPPING,
    "progress": PROGRESS,
    "prompt": [5, 1.5, True, ["x"], {"prompt": "x"}, object()],
    "proxy": TEXT,
    "public_url": FLAG,
    "public_url_expires_after": WHOLE,
    "reference_audios": [*ITEMS, [5], [b"wav"]],
    "reference_images": [*ITEMS, [5], [{"url": URL}]],
    "requests": REQUESTS,
    "requests_per_second": NUMBER,
    "resolution": [720, *TEXT],
    "retry_delay": NUMBER,
    "retry_failed": FLAG,
    "storage_options": STORAGE,
    "timeout": NUMBER,
    "timestamp": NUMBER,
    "upload_url": TEXT,
    "user": TEXT,
    "verify": FLAG,
    "video": IMAGE,
    "voice_id": TEXT,
}
#: Arguments whose values are lists: a message is about one of them.
OF_ITEMS = ("keyframes", "reference_audios", "reference_images")


def arguments_of(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in inspect.signature(function).parameters.items() if name != "self"}


def wrong_values(argument: inspect.Parameter) -> Iterator[Any]:
    yield from WRONG[argument.name]
    if argument.default is not None and "None" not in str(argument.annotation):
        yield None


def check(error: vidjob.VidjobError, name: str, value: object) -> None:
    message = str(error)
    assert message.startswith(f"{name} must be ")
    item = value[0] if name in OF_ITEMS and isinstance(value, list) else value
    shown = describe_value(item)
    # Of words that are texts, as they should be, the type says nothing.
    assert f", not {shown.removesuffix(' (str)')}" in message, message
    assert "\n" not in message


# ---- calls ------------------------------------------------------------------------------------


def good_arguments(verb: str, folder: Path) -> dict[str, Any]:
    """The required arguments of a verb."""
    good = {
        "job": "job-1",
        "job_or_video": "job-1",
        "path": folder / "a.mp4",
        "prompt": "x",
        "requests": ["x"],
        "folder": folder / "renders",
    }
    if verb in {"edit", "extend"}:
        good["video"] = URL
    return {name: good[name] for name in arguments_of(getattr(VideoClient, verb)) if name in good}


@pytest.mark.parametrize(
    ("verb", "name"), [(verb, name) for verb in VERBS for name in arguments_of(getattr(VideoClient, verb))]
)
def test_a_call_refuses_values_of_other_types(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, verb: str, name: str
) -> None:
    good = good_arguments(verb, tmp_path)
    for value in wrong_values(arguments_of(getattr(VideoClient, verb))[name]):
        with pytest.raises(InvalidRequest) as caught:
            api(client, verb, **{**good, name: value})
        check(caught.value, name, value)
        assert caught.value.field == name
    assert simulator.requests == []
    assert list(tmp_path.iterdir()) == [], "nothing is written before the arguments are checked"


def test_the_messages_of_common_mistakes(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    folder = tmp_path / "renders"
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
        ("render_many", (["x"], folder), {"max_cost_usd": "2"}, "max_cost_usd must be a number or None, not '2' (str)"),
        ("render_many", (["x"], folder), {"concurrency": None}, "concurrency must be an int, not None"),
        (
            "generate",
            ("x",),
            {"duration": 3.0},
            "duration must be a whole number of seconds, an int, not 3.0 (float)",
        ),
        ("generate", ("x",), {"resolution": 720}, "resolution must be a str such as '720p', not 720 (int)"),
        ("generate", ("x",), {"model": Decimal("1.5")}, "model must be a str, not 1.5 (Decimal)"),
        ("download", ("a", "a.mp4"), {"overwrite": "false"}, "overwrite must be a bool, not 'false' (str)"),
        ("get", (["a"],), {}, "job must be a VideoJob or the request_id of one (a str), not a list"),
        ("wait", (VideoJob,), {}, "job must be a VideoJob or the request_id of one (a str), not the class VideoJob"),
        (
            "render_many",
            ("rows.csv", folder),
            {},
            (
                "requests must be a list of prompts, requests or rows, not 'rows.csv' (str); "
                "for a file pass pathlib.Path(...)"
            ),
        ),
        (
            "render_many",
            ({"prompt": "x"}, folder),
            {},
            "requests must be a list of prompts, requests or rows, not a dict; put it into a list",
        ),
    ]
    for verb, arguments, options, message in cases:
        with pytest.raises(InvalidRequest) as caught:
            api(client, verb, *arguments, **options)
        assert str(caught.value) == message


def test_a_coroutine_is_to_be_awaited(api: ApiMode, client: VideoClient) -> None:
    created = client.generate_async("x")
    with pytest.raises(InvalidRequest, match="not a coroutine; await it first"):
        api(client, "get", created)
    created.close()


def test_a_complete_request_stands_alone(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    for verb, arguments in (("generate", {"duration": 5}), ("edit", {"video": URL}), ("extend", {"extra": {}})):
        name = next(iter(arguments))
        with pytest.raises(InvalidRequest, match=f"{name} cannot be passed beside a VideoRequest") as caught:
            api(client, verb, VideoRequest("x"), **arguments)
        assert caught.value.field == name
    assert simulator.requests == []


def test_python_reports_missing_and_surplus_arguments(api: ApiMode, client: VideoClient) -> None:
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'path'"):
        api(client, "download", "job-1")
    with pytest.raises(TypeError, match="positional arguments but"):
        api(client, "get", "job-1", 5)
    makes: list[Any] = [Voice, FileId, Keyframe, StorageOptions]
    for make in makes:
        with pytest.raises(TypeError, match="missing required argument"):
            make()
        with pytest.raises(TypeError, match="positional arguments"):
            make(*"abcdef")


def test_numbers_of_libraries_are_accepted(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    api(client, "generate", "x", duration=np.int64(3), generate_audio=np.False_)
    assert simulator.accepted[-1]["body"] == {"prompt": "x", "duration": 3, "generate_audio": False}
    options = {"max_cost_usd": Decimal("5.5"), "max_jobs": np.int32(3), "concurrency": np.uint8(2), "verify": np.False_}
    waits = {"timeout": np.float32(60), "poll_interval": Fraction(1, 20)}
    assert all(result.ok for result in many(api, client, ["a", "b"], tmp_path, **options, **waits))
    path = tmp_path / "a.mp4"
    for _ in range(2):
        made = api(client, "render", "c", path, overwrite=np.True_, max_bytes=np.int64(10**9), progress=np.False_)
        assert made.ok
    settings: dict[str, Any] = {"timeout": Decimal(5), "max_retries": np.int64(0)}
    with VideoClient(KEY, base_url=simulator.base_url, **settings) as other:
        assert (other._settings.timeout, other._settings.max_retries) == (5.0, 0)
    assert Keyframe(URL, np.float64(1.5)) == Keyframe(URL, 1.5)


@pytest.mark.parametrize("name", ["concurrency", "max_jobs", "max_bytes", "max_downloads"])
def test_a_count_out_of_range_is_refused(api: ApiMode, client: VideoClient, tmp_path: Path, name: str) -> None:
    for value, words in ((-1, "at least 0"), (2**63, "at most"), (10**5000, "at most")):
        with pytest.raises(InvalidRequest, match=f"{name} must be {words}") as caught:
            api(client, "render_many", ["x"], tmp_path, **{name: value})
        assert caught.value.field == name


def test_a_number_out_of_range_is_refused(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="max_cost_usd is a number out of range"):
        api(client, "render_many", ["x"], tmp_path, max_cost_usd=10**400)
    assert VideoClient(KEY, max_retries=2**40).base_url


# ---- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", arguments_of(VideoClient))
def test_the_client_refuses_settings_of_other_types(name: str) -> None:
    for value in wrong_values(arguments_of(VideoClient)[name]):
        with pytest.raises(ConfigurationError) as caught:
            VideoClient(**{"api_key": KEY, name: value})
        assert str(caught.value).startswith(f"{name} must be ")
        if name not in {"api_key", "headers", "proxy"}:
            check(caught.value, name, value)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": b"hush"},
        {"api_key": ["hush"]},
        {"proxy": b"http://u:hush@a.example"},
        {"proxy": Path("http://u:hush@a.example")},
        {"headers": "X-Token: hush"},
        {"headers": {"X-Token": b"hush"}},
        {"headers": {b"hush": "a"}},
        {"headers": {"X-Token": "hush\ud83d"}},
        {"api_key": "hush\ud83d"},
        {"base_url": b"https://u:hush@a.example"},
        {"timeout": "https://a.example/?sig=hush"},
        {"timeout": "sk-hush0123456789abcdefghij"},
    ],
)
def test_no_message_about_a_setting_has_a_secret(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VideoClient(**{"api_key": KEY, **settings})
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_long_value_is_shortened(api: ApiMode, client: VideoClient) -> None:
    with pytest.raises(InvalidRequest) as caught:
        api(client, "wait", "a", timeout="soon " * 1000)
    assert len(str(caught.value)) < 150


# ---- values -----------------------------------------------------------------------------------

VALUES: dict[Callable[..., object], dict[str, Any]] = {
    VideoRequest: {"prompt": "x"},
    Keyframe: {"image": URL, "timestamp": 1.0},
    Voice: {"voice_id": "ara"},
    FileId: {"file_id": "f"},
    StorageOptions: {"filename": "a.mp4"},
}


@pytest.mark.parametrize(("make", "name"), [(make, name) for make in VALUES for name in arguments_of(make)], ids=str)
def test_a_value_refuses_parts_of_other_types(make: Callable[..., object], name: str) -> None:
    for value in wrong_values(arguments_of(make)[name]):
        with pytest.raises(InvalidRequest) as caught:
            make(**{**VALUES[make], name: value})
        check(caught.value, name, value)
        assert caught.value.field == name


# ---- keywords ---------------------------------------------------------------------------------


def misspelt(name: str) -> str:
    """A name with its last two letters swapped, or one letter too many."""
    return name[:-2] + name[-1] + name[-2] if name[-1] != name[-2] else name + "x"


@pytest.mark.parametrize("verb", VERBS)
def test_a_misspelt_keyword_suggests_the_right_one(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, verb: str
) -> None:
    shown = verb if api.name == "blocking" else f"{verb}_async"
    for name in arguments_of(getattr(VideoClient, verb)):
        wrong = misspelt(name)
        with pytest.raises(InvalidRequest) as caught:
            api(client, verb, **{wrong: 5})
        assert str(caught.value) == f"{shown}() has no argument {wrong!r}; did you mean {name!r}?"
        assert caught.value.field == wrong
    assert simulator.requests == []


@pytest.mark.parametrize("make", [VideoClient, *VALUES])
def test_a_misspelt_field_suggests_the_right_one(make: Any) -> None:
    error = ConfigurationError if make is VideoClient else InvalidRequest
    for name in arguments_of(make):
        wrong = misspelt(name)
        with pytest.raises(error) as caught:
            make(**{wrong: 5})
        assert str(caught.value) == f"{make.__name__}() has no argument {wrong!r}; did you mean {name!r}?"
        assert getattr(caught.value, "field", wrong) == wrong


@pytest.mark.parametrize(
    ("verb", "keyword", "hint"),
    [
        ("get", "colour", "it takes job"),
        ("edit", "duration", "it takes prompt, video, model, user, upload_url, storage_options, extra"),
        ("render_many", "colour", r"see help(VideoClient.render_many)"),
        (
            "generate",
            "seed",
            "see help(VideoClient.generate), or pass a field that vidjob does not know in extra={'seed': ...}",
        ),
    ],
)
def test_an_unknown_keyword_says_what_there_is(
    api: ApiMode, client: VideoClient, verb: str, keyword: str, hint: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        api(client, verb, **{keyword: 5})
    shown = verb if api.name == "blocking" else f"{verb}_async"
    expected = f"{shown}() has no argument {keyword!r}; {hint}"
    assert str(caught.value).startswith(expected.replace(f"VideoClient.{verb}", f"VideoClient.{shown}"))


def test_self_is_no_keyword(client: VideoClient) -> None:
    with pytest.raises(InvalidRequest, match=r"get\(\) has no argument 'self'"):
        client.get("a", self=5)  # type: ignore[call-arg]


def test_an_async_method_raises_where_its_other_errors_come(client: VideoClient, tmp_path: Path) -> None:
    keywords: dict[str, Any] = {"colour": 5}
    client.get_async("a", **keywords).close()
    with pytest.raises(InvalidRequest):
        client.watch_async("a", **keywords)
    with pytest.raises(InvalidRequest):
        client.render_many_async(["x"], tmp_path, **keywords)


def test_a_client_of_a_simulator_refuses_unknown_settings(simulator: Simulator) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'max_retries'"):
        simulator.client(max_retrys=5)


class Studio(VideoClient):
    """A client with a constructor of its own."""

    def __init__(self, name: str = "one", **settings: Any) -> None:
        super().__init__(KEY, **settings)
        self.name = name


def test_a_subclass_keeps_its_own_constructor(simulator: Simulator) -> None:
    with Studio("two", base_url=simulator.base_url) as studio:
        assert studio.name == "two"
        assert studio.generate("x").request_id
    with pytest.raises(ConfigurationError, match=r"VideoClient\(\) has no argument 'timeuot'"):
        Studio("two", timeuot=5)
    with pytest.raises(TypeError):
        Studio("two", "three")  # type: ignore[call-arg]


def test_a_pickled_client_keeps_its_settings(simulator: Simulator, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"timeout": 5, "headers": {"X-A": "b"}, "journal": tmp_path / "j", "max_job_age": None}
    client = VideoClient(KEY, base_url=simulator.base_url, pickle_key=True, **settings)
    again = pickle.loads(pickle.dumps(client))  # noqa: S301
    assert again._settings == client._settings
    assert again.generate("x").request_id


# ---- rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("duration", [3, 3.0, "3", "3.0", np.float64(3), np.int64(3), np.float32(3), Decimal(3)])
def test_rows_take_whole_numbers_of_every_kind(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, duration: Any
) -> None:
    [result] = many(api, client, [{"id": "a", "prompt": "x", "duration": duration}], tmp_path, poll_interval=0.02)
    assert isinstance(result, RenderResult)
    assert result.ok
    assert simulator.accepted[0]["body"]["duration"] == 3


@pytest.mark.parametrize("duration", [3.5, "3.5", "three", True, np.True_, np.float64(3.5), Decimal("3.5"), [3]])
def test_rows_refuse_numbers_that_are_not_whole(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, duration: Any
) -> None:
    rows = [{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "x", "duration": duration}]
    with pytest.raises(
        InvalidRequest, match=r"^row 2 \(id 'b'\): duration must be a whole number of seconds, not "
    ) as caught:
        many(api, client, rows, tmp_path)
    assert caught.value.field == "duration"
    assert simulator.requests == []


def test_a_wrong_part_of_a_field_is_one_of_the_field(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    cases: list[tuple[str, Any, str]] = [
        ("keyframes", [{"image": "frame.png", "timestamp": 1}], "keyframes: 'frame.png' is a local path"),
        ("storage_options", {"filename": "a.mp4", "duration": 5}, "storage_options: StorageOptions() has no argument"),
        ("storage_options", {"filename": 5}, "storage_options: filename must be a str"),
    ]
    for name, value, words in cases:
        with pytest.raises(InvalidRequest) as caught:
            many(api, client, [{"prompt": "x", name: value}], tmp_path)
        assert words in str(caught.value)
        assert caught.value.field == name
