"""What all tests are given: the blocking and the async API of the client, and a simulator."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from echo_service import Server
from plain_http import create, until
from spans import Spans
from support import KEY, ApiMode, Cli, Run, RunPytest, quick_client
from vidjob import Simulator, VideoClient, VideoJob
from vidjob.cli import main


def pytest_configure() -> None:
    """Lets the processes that tests start be interrupted, also where the shell ignores SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "conformance":
            item.add_marker(pytest.mark.conformance)


@pytest.fixture(params=["blocking", "asyncio"])
def api(request: pytest.FixtureRequest) -> ApiMode:
    return ApiMode(request.param)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["COMETAPI_KEY", "XAI_API_KEY", "VIDJOB_BASE_URL", "VIDJOB_LOG", "VIDJOB_POLL_INTERVAL"]
    names += [f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")]
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _own_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of the command line run in a folder of their own."""
    if request.path.parent.name == "cli":
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        monkeypatch.delenv("VIDJOB_DEBUG", raising=False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(render_seconds=0.02, spread=0.1) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[VideoClient]:
    with quick_client(simulator, max_retries=2, timeout=10) as client:
        yield client


@pytest.fixture
def run_python() -> Run:
    """Runs a program in a fresh interpreter, and gives what it printed."""

    def run(program: str, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
            **options,
        )

    return run


@pytest.fixture
def run_pytest(tmp_path: Path) -> RunPytest:
    """Runs pytest on a project in ``tmp_path``, with the plugin of this vidjob."""
    # An installed vidjob is a plugin already, and a second one of the same module is an error.
    is_installed = any(each.name == "vidjob" for each in importlib.metadata.entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "vidjob.pytest_plugin"]
    options = [*plugin, "-p", "no:cacheprovider", "--strict-markers", "--strict-config", "--rootdir", str(tmp_path)]

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "pytest", *options, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={**os.environ, **environment},
        )

    return run


@pytest.fixture
def job(client: VideoClient) -> VideoJob:
    """A finished job."""
    return client.wait(client.generate("a candle", duration=5))


@pytest.fixture
def key(tmp_path: Path) -> list[str]:
    """The options that give the key of a file in the working directory."""
    (tmp_path / "key").write_text(KEY)
    return ["--api-key-file", "key"]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def done() -> Iterator[tuple[Simulator, str]]:
    """A simulator, and the link of a finished job."""
    with Simulator(render_seconds=0.01, spread=0) as simulator:
        _, last = until(simulator, create(simulator, duration=5), lambda _, body: body.get("status") == "done")
        yield simulator, last["video"]["url"]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Collects the spans of OpenTelemetry."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    trace = pytest.importorskip("opentelemetry.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield Spans(exporter)
    provider.shutdown()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def at(simulator: Simulator, tmp_path: Path) -> list[str]:
    """The options that lead to the simulator."""
    file = tmp_path / "key file"
    file.write_text(f"\ufeff{KEY}\r\n", encoding="utf-8")
    return ["--base-url", simulator.base_url, "--api-key-file", str(file)]
