"""Copies and pickles of clients: what they keep, and what they leave out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

import vidjob
from echo_service import CORE, KEY, PHRASE, SIGNATURE, Server, answer
from support import ApiMode
from vidjob import VideoClient


@pytest.fixture
def echoing(server: Server) -> Server:
    server.asked = answer(200, {"status": "queued"})
    return server


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_keep_the_key(
    api: ApiMode, echoing: Server, monkeypatch: pytest.MonkeyPatch, copied: Callable[[VideoClient], VideoClient]
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", "sk-somebody-elses")
    events: list[Any] = []
    original = VideoClient(
        KEY, base_url=f"{echoing.origin}/v1", headers={"X-Token": SIGNATURE}, on_event=events.append, timeout=3
    )
    with copied(copied(original)) as client:
        assert client is not original
        api(client, "get", "job-1")
    assert f"authorization: Bearer {KEY}" in echoing.heads[0]
    assert f"x-token: {SIGNATURE}" in echoing.heads[0]
    assert len(events) == 1
    # Each is closed by itself.
    api(original, "get", "job-1")
    with pytest.raises(vidjob.InvalidRequest, match="closed"):
        api(client, "get", "job-1")


def test_a_copy_keeps_the_key_of_the_environment_that_it_was_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    original = VideoClient()
    monkeypatch.delenv("COMETAPI_KEY")
    assert copy.deepcopy(original).base_url == original.base_url
    with pytest.raises(vidjob.ConfigurationError, match="COMETAPI_KEY"):
        pickle.loads(pickle.dumps(original))  # noqa: S301


def test_a_client_unpickled_without_its_key_uses_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("sk-somebody-elses", KEY):
        monkeypatch.setenv("COMETAPI_KEY", key)
        pickled = pickle.dumps(VideoClient(KEY))
        assert CORE.encode() not in pickled
        with pytest.raises(vidjob.ConfigurationError, match="without its API key; create it with pickle_key=True"):
            pickle.loads(pickled)  # noqa: S301


def test_secrets_are_pickled_only_with_pickle_key(
    api: ApiMode, echoing: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMETAPI_KEY", KEY)
    proxy = echoing.origin.replace("http://", f"http://me:{quote(PHRASE, safe='')}@")
    secrets: dict[str, Any] = {"headers": {"X-Token": SIGNATURE}, "proxy": proxy}
    for name, secret in secrets.items():
        pickled = pickle.dumps(VideoClient(**{name: secret}))
        assert b"9876543210" not in pickled
        for client in (pickle.loads(pickled), pickle.loads(pickle.dumps(copy.copy(pickle.loads(pickled))))):  # noqa: S301
            with pytest.raises(vidjob.ConfigurationError, match=rf"without .*{name}; create it with pickle_key=True"):
                api(client, "get", "job-1")
    assert echoing.heads == []
    travelling = VideoClient(KEY, base_url="http://api.example/v1", **secrets, pickle_key=True)
    with pickle.loads(pickle.dumps(travelling)) as client:  # noqa: S301
        api(client, "get", "job-1")
    assert f"authorization: Bearer {KEY}" in echoing.heads[0]
    assert f"x-token: {SIGNATURE}" in echoing.heads[0]
    assert "proxy-authorization: Basic" in echoing.heads[0]
    bare = pickle.loads(pickle.dumps(VideoClient(proxy=echoing.origin)))  # noqa: S301
    assert repr(bare) == "VideoClient(base_url='https://api.cometapi.com/grok/v1')"
