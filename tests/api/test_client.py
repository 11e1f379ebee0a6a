"""Setting up a client: keys, addresses, closing, pickling."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import vidjob
from support import KEY, ApiMode
from vidjob import ConfigurationError, Simulator, VideoClient


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="COMETAPI_KEY"):
        VideoClient()
    with pytest.raises(ConfigurationError, match="XAI_API_KEY"):
        VideoClient(base_url="https://api.x.ai/v1")
    monkeypatch.setenv("COMETAPI_KEY", " ")
    with pytest.raises(ConfigurationError, match="COMETAPI_KEY"):
        VideoClient()


def test_keys_of_the_environment_are_sent_only_to_their_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    monkeypatch.setenv("XAI_API_KEY", KEY)
    assert VideoClient().base_url == "https://api.cometapi.com/grok/v1"
    assert VideoClient(base_url="https://api.x.ai/v1/").base_url == "https://api.x.ai/v1"
    for elsewhere in ("https://example.com/v1", "http://api.cometapi.com/grok/v1", "http://10.0.0.1:1/v1"):
        with pytest.raises(ConfigurationError, match="pass api_key"):
            VideoClient(base_url=elsewhere)
        monkeypatch.setenv("VIDJOB_BASE_URL", elsewhere)
        with pytest.raises(ConfigurationError, match="pass api_key"):
            VideoClient()
        assert VideoClient(KEY).base_url == elsewhere
        monkeypatch.delenv("VIDJOB_BASE_URL")


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "nonsense"},
        {"base_url": "ftp://a.example/"},
        {"base_url": "https://u:p@a.example/"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"requests_per_second": 0},
        {"creates_per_second": -1},
        {"max_concurrent_requests": 0},
        {"poll_interval": 0},
        {"poll_interval": float("inf")},
        {"retry_delay": -1},
        {"retry_delay": float("nan")},
        {"proxy": "nonsense"},
        {"ca_file": "/nowhere/ca.pem"},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\nc"}},
        {"api_key": "two words"},
        {"api_key": ""},
    ],
)
def test_bad_settings_have_names(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        VideoClient(**{"api_key": KEY, **settings})
    assert isinstance(caught.value, ValueError)
    assert KEY not in str(caught.value)


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigurationError, match="ca_file"):
        VideoClient(KEY, ca_file=path).get("abc")


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "nonsense"},
        {"journal": "s3://b"},
        {"headers": {"X-Token": "hush\n"}},
        {"timeout": "long"},
        {"no": 1},
    ],
)
def test_a_client_that_could_not_be_set_up_is_shown(settings: dict[str, Any]) -> None:
    client = VideoClient.__new__(VideoClient)
    with pytest.raises(ConfigurationError):
        VideoClient.__init__(client, KEY, **settings)
    assert repr(client) == str(client) == "VideoClient(not set up)"


def test_nothing_shows_the_key(simulator: Simulator) -> None:
    client = VideoClient(KEY, base_url=simulator.base_url)
    simulator.respond("get", status=401, body=f'{{"error": "bad key {KEY}"}}')
    with pytest.raises(vidjob.AuthenticationError) as caught:
        client.get("abc")
    shown = [repr(client), str(client), repr(pickle.dumps(client)), repr(client._native)]
    shown += [str(caught.value), repr(caught.value), str(caught.value.body), str(caught.value.to_dict())]
    assert KEY not in "".join(shown)
    assert simulator.base_url in repr(client)
    assert caught.value.__cause__ is None


def test_extra_headers_go_to_the_api(api: ApiMode, simulator: Simulator) -> None:
    with VideoClient(KEY, base_url=simulator.base_url, headers={"X-Team": "blue"}) as client:
        simulator.respond("get", body='{"status": "queued"}')
        api(client, "get", "abc")
    headers = simulator.requests[0]["headers"]
    assert headers["x-team"] == "blue"
    assert headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("verb", ["get", "watch", "wait", "generate", "download", "render"])
def test_a_closed_client_says_so(api: ApiMode, client: VideoClient, verb: str, tmp_path: Path) -> None:
    client.close()
    client.close()
    arguments = {"download": ["abc", tmp_path / "a"], "render": ["abc", tmp_path / "a"]}.get(verb, ["abc"])
    with pytest.raises(vidjob.InvalidRequest, match="closed"):
        api(client, verb, *arguments)
    assert "closed" in repr(client)


def test_context_managers_close(simulator: Simulator) -> None:
    with VideoClient(KEY, base_url=simulator.base_url) as client:
        pass
    assert "closed" in repr(client)

    async def use() -> VideoClient:
        async with VideoClient(KEY, base_url=simulator.base_url) as client:
            await client.aclose()
        return client

    assert "closed" in repr(asyncio.run(use()))


@pytest.mark.parametrize("dump", [pickle.dumps, cloudpickle.dumps])
def test_pickled_as_configuration(monkeypatch: pytest.MonkeyPatch, simulator: Simulator, dump: Any) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    client = pickle.loads(dump(VideoClient(timeout=5)))  # noqa: S301
    assert client.base_url == "https://api.cometapi.com/grok/v1"
    assert KEY.encode() not in dump(VideoClient())

    given = VideoClient(KEY, base_url=simulator.base_url)
    assert KEY.encode() not in dump(given)
    with pytest.raises(ConfigurationError):
        pickle.loads(dump(given))  # noqa: S301

    travelling = VideoClient(KEY, base_url=simulator.base_url, pickle_key=True)
    simulator.respond("get", body='{"status": "queued"}')
    assert pickle.loads(dump(travelling)).get("abc").status == "queued"  # noqa: S301


def test_on_event_gets_every_event(api: ApiMode, simulator: Simulator) -> None:
    events: list[Any] = []
    with VideoClient(KEY, base_url=simulator.base_url, on_event=events.append) as client:
        simulator.respond("get", status=503, headers={"Retry-After": "0"})
        simulator.respond("get", body='{"status": "queued"}')
        api(client, "get", "abc")
    assert [event["event"] for event in events] == ["request", "retry", "request"]
    assert events[0]["status_code"] == 503
    assert events[0]["path"] == "/videos/abc"
    assert events[1]["attempt"] == 1


def test_an_exception_in_on_event_is_logged_and_ignored(
    api: ApiMode, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_event: object) -> None:
        raise ZeroDivisionError

    with VideoClient(KEY, base_url=simulator.base_url, on_event=fails) as client:
        simulator.respond("get", body='{"status": "queued"}')
        assert api(client, "get", "abc").status == "queued"
    assert "a callback failed" in caplog.text


def test_requests_per_second_are_kept(api: ApiMode, simulator: Simulator) -> None:
    async def ask_too_soon(client: VideoClient) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get_async("abc"), 0.1)

    simulator.respond("get", body='{"status": "queued"}')
    with VideoClient(KEY, base_url=simulator.base_url, requests_per_second=0.001) as client:
        api(client, "get", "abc")
        asyncio.run(ask_too_soon(client))
    assert len(simulator.requests) == 1


def test_a_429_slows_the_whole_client(simulator: Simulator) -> None:
    told = asyncio.Event()

    def heard(event: Any) -> None:
        if event["event"] == "retry":
            told.set()

    async def ask(client: VideoClient) -> None:
        first = asyncio.create_task(client.get_async("first"))
        await told.wait()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get_async("second"), 0.1)
        first.cancel()

    simulator.respond("get", status=429, headers={"Retry-After": "30"})
    with VideoClient(KEY, base_url=simulator.base_url, on_event=heard) as client:
        asyncio.run(ask(client))
    assert len(simulator.requests) == 1


def test_poll_interval_of_the_client_holds_for_every_wait_without_its_own(
    api: ApiMode, simulator: Simulator, tmp_path: Path
) -> None:
    polls: list[str] = []

    def heard(event: Any) -> None:
        if event["event"] == "request" and event["method"] == "GET":
            polls.append(event["path"])
            # The job is over with the third poll. A paced wait polls at 4.5 s, or only at its timeout.
            if polls.count(event["path"]) == 2:
                simulator.advance(60)

    settings = {"base_url": simulator.base_url, "on_event": heard, "poll_interval": 0.01}
    simulator.pause()
    with VideoClient(KEY, **settings) as client:  # type: ignore[arg-type]
        assert api(client, "wait", client.generate("a"), timeout=4).status == "done"
        assert api(client, "watch", client.generate("b"), timeout=4)[-1].status == "done"
        assert api(client, "render", "c", tmp_path / "a.mp4", timeout=4).ok
        assert api(client, "render_many", ["d"], tmp_path / "many", timeout=4)[0].ok
        with pytest.raises(vidjob.WaitTimeout):
            api(client, "wait", client.generate("e"), timeout=0.3, poll_interval=60)
    assert simulator.accepted[-1]["queries"] == 1


def test_retry_delay_of_the_client_bounds_its_retries(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    delays: list[float] = []

    def heard(event: Any) -> None:
        if event["event"] == "retry":
            delays.append(event["delay"])

    settings = {"base_url": simulator.base_url, "on_event": heard, "poll_interval": 0.01, "retry_delay": 0.001}
    with VideoClient(KEY, **settings) as client:  # type: ignore[arg-type]
        simulator.inject("rate_limited", on="create", times=3)
        simulator.inject("reset", on="get", times=3)
        simulator.inject("reset", on="download", times=3)
        assert api(client, "render", "a candle", tmp_path / "a.mp4").ok
    assert len(delays) >= 6
    assert max(delays) <= 0.004


@pytest.mark.parametrize("copied", [copy.copy, lambda client: pickle.loads(pickle.dumps(client))])  # noqa: S301
def test_poll_interval_and_retry_delay_travel(simulator: Simulator, copied: Any) -> None:
    client = VideoClient(KEY, base_url=simulator.base_url, poll_interval=0.5, retry_delay=2, pickle_key=True)
    settings = copied(client)._settings
    assert (settings.poll_interval, settings.retry_delay) == (0.5, 2)


def test_a_client_of_the_simulator_polls_and_retries_soon(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    with simulator.client() as client:
        assert (client._settings.poll_interval, client._settings.retry_delay) == (0.02, 0.01)
        assert api(client, "render", "a candle", tmp_path / "a.mp4").ok
    with simulator.client(poll_interval=None, retry_delay=0.5) as client:
        assert (client._settings.poll_interval, client._settings.retry_delay) == (None, 0.5)


def test_import_loads_no_heavy_modules() -> None:
    program = "import sys; before = set(sys.modules); import vidjob; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(vidjob.__file__).parent.parent)},
    )
    loaded = set(done.stdout.split())
    assert "vidjob._client" in loaded, done.stderr
    heavy = {"asyncio", "logging", "typing", "enum", "dataclasses", "json", "decimal", "inspect", "ssl", "re"}
    assert loaded & heavy == set()


def test_everything_public_is_there() -> None:
    for name in vidjob.__all__:
        assert getattr(vidjob, name) is not None
    with pytest.raises(AttributeError):
        vidjob.nonsense  # noqa: B018


def test_the_first_client_imports_what_its_methods_need(tmp_path: Path) -> None:
    # A later import could fail for want of descriptors, and hang in a child that was forked meanwhile.
    program = """
import asyncio, sys, vidjob
from pathlib import Path
simulator = vidjob.Simulator(render_seconds=0)
client = vidjob.VideoClient("k", base_url=simulator.base_url, journal="journal")
before = set(sys.modules)
async def use(name):
    await client.render_async("x", f"{name}.mp4", poll_interval=0.01)
    await client.wait_async(await client.generate_async("x"), poll_interval=0.01)
    [result async for result in client.render_many_async([{"id": 1, "prompt": "x"}], name, poll_interval=0.01)]
    [result async for result in client.resume_async(name, poll_interval=0.01)]
client.render("x", "a.mp4", poll_interval=0.01)
client.download(client.wait(client.generate("x"), poll_interval=0.01), "b.mp4")
Path("rows.csv").write_text("prompt\\nx\\n")
[*client.render_many(Path("rows.csv"), "c", poll_interval=0.01), *client.resume("c"), *client.jobs("c")]
asyncio.run(use("d"))
print(*sorted(name for name in set(sys.modules) - before if name.startswith("vidjob")))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert run.stdout.split() == []
