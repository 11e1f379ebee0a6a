"""Services on this machine need no key, and never get one of the environment."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import vidjob
from support import KEY, ApiMode
from vidjob import Simulator, VideoClient

SERVICES = ["http://127.0.0.1:9", "http://localhost:9/v1", "https://localhost", "http://a.localhost", "http://[::1]:9"]
COPIES: list[Callable[[VideoClient], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda client: pickle.loads(pickle.dumps(client)),  # noqa: S301
    lambda client: pickle.loads(cloudpickle.dumps(client)),  # noqa: S301
]


@pytest.fixture(autouse=True)
def _keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    monkeypatch.setenv("XAI_API_KEY", KEY)


def keys(simulator: Simulator) -> set[str]:
    """What was sent as a key."""
    return {request["headers"]["authorization"].removeprefix("Bearer ") for request in simulator.requests}


@pytest.mark.parametrize("base_url", SERVICES)
def test_a_client_of_a_service_on_this_machine_needs_no_key(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = VideoClient(base_url=base_url)
    assert client._native.key_variable is None
    assert repr(client) == f"VideoClient(base_url={client.base_url!r})"
    monkeypatch.setenv("VIDJOB_BASE_URL", base_url)
    assert VideoClient().base_url == base_url


@pytest.mark.parametrize("base_url", ["http://10.0.0.1:9", "http://localhost.example", "http://127.0.0.1.example"])
def test_any_other_host_needs_a_key(base_url: str) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="pass api_key="):
        VideoClient(base_url=base_url)


@pytest.mark.parametrize("base_url", SERVICES)
def test_an_empty_key_is_refused_everywhere(base_url: str) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="api_key is empty"):
        VideoClient("", base_url=base_url)


def test_the_placeholder_is_sent_and_no_key_of_the_environment(
    api: ApiMode, simulator: Simulator, tmp_path: Path
) -> None:
    with VideoClient(base_url=simulator.base_url, poll_interval=0.02) as client:
        assert api(client, "render", "a candle", tmp_path / "a.mp4").path.is_file()
    assert keys(simulator) == {"simulator"}


def test_a_simulators_client_uses_the_simulators_key(api: ApiMode) -> None:
    with Simulator(api_key="good") as simulator:
        with simulator.client() as client:
            api(client, "generate", "a candle")
        with simulator.client(api_key="bad") as client, pytest.raises(vidjob.AuthenticationError) as caught:
            api(client, "generate", "a candle")
        assert "placeholder" not in str(caught.value)
        assert keys(simulator) == {"good", "bad"}


def test_a_simulators_client_sends_the_placeholder_where_any_key_will_do(api: ApiMode, simulator: Simulator) -> None:
    with simulator.client() as client:
        api(client, "generate", "a candle")
    assert keys(simulator) == {"simulator"}


@pytest.mark.parametrize("shape", ["cometapi", "envelope", "xai"])
@pytest.mark.parametrize("verb", ["get", "generate"])
def test_a_refused_placeholder_is_named(api: ApiMode, shape: Any, verb: str) -> None:
    with (
        Simulator(shape, api_key="good") as simulator,
        VideoClient(base_url=simulator.base_url) as client,
        pytest.raises(vidjob.AuthenticationError) as caught,
    ):
        api(client, verb, "abc")
    assert 'no key was given, so the placeholder "simulator" was sent' in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"api_key": "simulator"}])
def test_the_placeholder_is_not_masked(api: ApiMode, simulator: Simulator, given: dict[str, Any]) -> None:
    simulator.respond("get", status=400, body='{"error": "the simulator says: bad simulator"}')
    simulator.respond("get", body='{"status": "failed", "error": "the simulator failed"}')
    with simulator.client(**given) as client:
        with pytest.raises(vidjob.BadRequest, match="the simulator says: bad simulator"):
            api(client, "get", "abc")
        job = api(client, "get", "simulator-1")
    assert job.error.message == "the simulator failed"


def test_a_key_that_was_given_is_masked(api: ApiMode, simulator: Simulator) -> None:
    simulator.respond("get", status=400, body=f'{{"error": "the simulator dislikes {KEY}"}}')
    with simulator.client(api_key=KEY) as client, pytest.raises(vidjob.BadRequest, match=r"simulator dislikes \*\*\*"):
        api(client, "get", "abc")


@pytest.mark.parametrize("copied", COPIES)
def test_a_copied_or_pickled_client_still_sends_the_placeholder(
    api: ApiMode, simulator: Simulator, copied: Callable[[VideoClient], VideoClient]
) -> None:
    with copied(simulator.client()) as client:
        api(client, "generate", "a candle")
    assert keys(simulator) == {"simulator"}


def test_a_pickled_client_that_was_given_a_key_does_not_fall_back_to_the_placeholder(simulator: Simulator) -> None:
    pickled = pickle.dumps(VideoClient(KEY, base_url=simulator.base_url))
    with pytest.raises(vidjob.ConfigurationError, match="pickled without its API key"):
        pickle.loads(pickled)  # noqa: S301


def test_the_poll_interval_of_the_environment_is_the_default(
    api: ApiMode, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDJOB_POLL_INTERVAL", "0.02")
    simulator.pause()
    with VideoClient(base_url=simulator.base_url, requests_per_second=1000) as client:
        job = client.generate("a candle")
        with pytest.raises(vidjob.WaitTimeout):
            api(client, "wait", job, timeout=0.5)
    # The usual pace would poll once.
    assert simulator.accepted[0]["queries"] > 3
    for wrong in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("VIDJOB_POLL_INTERVAL", wrong)
        with pytest.raises(vidjob.ConfigurationError, match="VIDJOB_POLL_INTERVAL"):
            VideoClient()
