"""The pytest plugin, in projects of users."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from support import Run, RunPytest

ROOT = Path(__file__).parents[2]


class Project:
    """A user's project with one file of tests."""

    def __init__(self, folder: Path, run: RunPytest) -> None:
        self._folder = folder
        self._run = run

    def __call__(self, tests: str, *arguments: str, **environment: str) -> tuple[dict[str, int], str]:
        """Runs the tests; gives how many ended in which way, and what was printed."""
        header = "import os\nimport pytest\nimport vidjob\nfrom vidjob import Simulator, VideoClient\n"
        (self._folder / "test_project.py").write_text(header + dedent(tests))
        ran = self._run("-q", *arguments, **environment)
        counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", ran.stdout)}
        return counts, ran.stdout + ran.stderr


@pytest.fixture
def project(tmp_path: Path, run_pytest: RunPytest) -> Project:
    return Project(tmp_path, run_pytest)


KEYS = {"COMETAPI_KEY": "sk-real", "XAI_API_KEY": "xai-real", "VIDJOB_BASE_URL": "http://127.0.0.1:9"}


def test_code_under_test_reaches_the_simulator_without_a_change_or_a_key(project: Project) -> None:
    counts, printed = project(
        """
        import asyncio

        def test_blocking(vidjob_simulator, tmp_path):
            with VideoClient() as client:
                assert client.render("a candle", tmp_path / "a.mp4").ok
            assert len(vidjob_simulator.accepted) == 1

        def test_async(vidjob_simulator, tmp_path):
            async def code():
                async with VideoClient() as client:
                    return await client.render_async("a candle", tmp_path / "a.mp4")

            assert asyncio.run(code()).ok
            assert len(vidjob_simulator.accepted) == 1

        def test_keys(vidjob_simulator):
            VideoClient().generate("a candle")
            assert vidjob_simulator.requests[0]["headers"]["authorization"] == "Bearer simulator"

        def test_no_test_can_reach_a_real_service(vidjob_simulator):
            for address in ("https://api.cometapi.com/grok/v1", "https://api.x.ai/v1"):
                with pytest.raises(vidjob.ConfigurationError, match="no API key"):
                    VideoClient(base_url=address)

        def test_restored():
            assert os.environ["COMETAPI_KEY"] == "sk-real"
            assert os.environ["XAI_API_KEY"] == "xai-real"
            assert os.environ["VIDJOB_BASE_URL"] == "http://127.0.0.1:9"
            assert "VIDJOB_POLL_INTERVAL" not in os.environ
        """,
        **KEYS,
    )
    assert counts == {"passed": 5}, printed


def test_each_test_has_a_simulator_and_a_client_of_its_own(project: Project) -> None:
    counts, printed = project(
        """
        seen = []

        @pytest.mark.parametrize("number", [0, 1])
        def test_fresh(vidjob_simulator, vidjob_client, tmp_path, number):
            assert len(seen) == number
            assert all(old.base_url != vidjob_simulator.base_url for old in seen)
            seen.append(vidjob_simulator)
            assert vidjob_client.base_url == vidjob_simulator.base_url
            assert vidjob_client.render("a candle", tmp_path / "a.mp4").ok
            assert len(vidjob_simulator.accepted) == 1

        def test_closed_afterwards():
            for old in seen:
                with pytest.raises(vidjob.ConnectionFailed):
                    VideoClient(base_url=old.base_url, max_retries=0).get("x")
        """
    )
    assert counts == {"passed": 3}, printed


def test_the_marker_sets_the_simulators_arguments(project: Project) -> None:
    counts, printed = project(
        """
        pytestmark = pytest.mark.vidjob_simulator(shape="xai", seed=5, render_seconds=0.2)

        class TestClass:
            pytestmark = pytest.mark.vidjob_simulator(render_seconds=60, api_key="good")

            @pytest.mark.vidjob_simulator(render_seconds=600)
            def test_the_nearest_wins(self, vidjob_simulator, vidjob_client):
                with pytest.raises(vidjob.AuthenticationError):
                    VideoClient().generate("a candle")
                vidjob_client.generate("a candle")
                [entry] = vidjob_simulator.accepted
                assert round(entry["over_at"] - entry["accepted_at"]) == 600
                assert vidjob_simulator.base_url.endswith("/v1")
                with Simulator(seed=5) as same:
                    same.client().generate("a candle")
                    assert same.accepted[0]["request_id"] == entry["request_id"]

            def test_other(self, vidjob_simulator, vidjob_client):
                vidjob_client.generate("a candle")
                [entry] = vidjob_simulator.accepted
                assert round(entry["over_at"] - entry["accepted_at"]) == 60

        def test_the_marker_alone_uses_the_simulator(tmp_path):
            assert VideoClient().render("a candle", tmp_path / "a.mp4").ok
        """
    )
    assert counts == {"passed": 3}, printed


def test_a_marked_test_has_its_simulator_before_other_fixtures_make_a_client(project: Project) -> None:
    counts, printed = project(
        """
        @pytest.fixture
        def client():
            return VideoClient()

        @pytest.mark.vidjob_simulator
        def test_marked(client):
            assert client.base_url.startswith("http://127.0.0.1:")

        @pytest.mark.vidjob_simulator
        class TestMarked:
            def test_marked(self, client):
                assert client.base_url.startswith("http://127.0.0.1:")

        @pytest.mark.vidjob_simulator
        def test_named_last(client, vidjob_simulator):
            assert client.base_url == vidjob_simulator.base_url
        """,
        COMETAPI_KEY="sk-real",
    )
    assert counts == {"passed": 3}, printed


def test_the_marker_can_be_that_of_one_parameter(project: Project) -> None:
    counts, printed = project(
        """
        marked = pytest.param("xai", marks=pytest.mark.vidjob_simulator(shape="xai"))

        @pytest.mark.parametrize("shape", ["none", marked, "none again"])
        def test_it(shape, request):
            assert ("VIDJOB_BASE_URL" in os.environ) == (shape == "xai")
            assert ("vidjob_simulator" in request.fixturenames) == (shape == "xai")
        """
    )
    assert counts == {"passed": 3}, printed


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        (
            "render_secs=1",
            "(render_secs=1): there is no argument render_secs: did you mean render_seconds? Simulator takes",
        ),
        ("colour=1", "there is no argument colour: Simulator takes shape, port, seed"),
        ("'xai', seed=1", "('xai', seed=1): takes keyword arguments only"),
        ("shape='comet'", "(shape='comet'): shape \"comet\" is not known: did you mean cometapi?"),
        ("render_seconds=-1", "(render_seconds=-1): render_seconds must be a finite number of at least 0, not -1"),
        ("render_seconds='1'", "(render_seconds='1'): "),
        ("port=70000", "(port=70000): port must be 0 to 65535, not 70000"),
    ],
)
def test_a_wrong_argument_of_the_marker_is_named(project: Project, marker: str, words: str) -> None:
    counts, printed = project(
        f"""
        @pytest.mark.vidjob_simulator({marker})
        def test_it(vidjob_simulator):
            pass
        """
    )
    assert counts == {"error": 1}, printed
    assert words in printed
    assert "During handling" not in printed
    assert "pytest_plugin.py" not in printed, "a traceback of the plugin is no help"


def test_a_fault_that_did_not_fire_is_noticed(project: Project) -> None:
    counts, printed = project(
        """
        def test_it(vidjob_simulator, vidjob_client):
            vidjob_simulator.inject("job_fails", on="create")
            with pytest.raises(vidjob.JobFailed):
                vidjob_client.wait(vidjob_client.generate("a candle"))
            assert vidjob_simulator.faults_left == 0
            vidjob_simulator.inject("reset", on="download")
            assert vidjob_simulator.faults_left == 0
        """
    )
    assert counts == {"failed": 1}, printed
    assert "assert 1 == 0" in printed


def test_processes_that_a_test_starts_reach_the_simulator(project: Project) -> None:
    counts, printed = project(
        """
        import subprocess, sys

        def test_it(vidjob_simulator, tmp_path):
            command = [sys.executable, "-m", "vidjob", "render", "a candle", "-o", str(tmp_path / "a.mp4")]
            assert subprocess.run(command).returncode == 0
            assert len(vidjob_simulator.accepted) == 1
        """
    )
    assert counts == {"passed": 1}, printed


def test_a_test_can_change_the_environment_itself(project: Project) -> None:
    counts, printed = project(
        """
        def test_it(vidjob_simulator, monkeypatch):
            monkeypatch.setenv("VIDJOB_BASE_URL", "http://127.0.0.1:9")
            monkeypatch.setenv("COMETAPI_KEY", "changed")
            assert VideoClient().base_url == "http://127.0.0.1:9"
            monkeypatch.undo()
            assert VideoClient().base_url == vidjob_simulator.base_url

        def test_restored():
            assert os.environ["COMETAPI_KEY"] == "sk-real"
        """,
        **KEYS,
    )
    assert counts == {"passed": 2}, printed


def test_unittest_and_xdist_projects_work(project: Project) -> None:
    counts, printed = project(
        """
        import unittest

        @pytest.mark.vidjob_simulator
        class TestIt(unittest.TestCase):
            def test_one(self):
                assert VideoClient().wait(VideoClient().generate("a candle")).status == "done"

            def test_two(self):
                assert VideoClient().base_url.startswith("http://127.0.0.1:")
        """,
        "-n2",
    )
    assert counts == {"passed": 2}, printed


def test_pytest_lists_fixtures_and_marker(project: Project) -> None:
    brief = project("", "--fixtures")[1]
    assert re.search(r"vidjob_simulator -- .*\n    A simulated service for one test: ", brief)
    assert re.search(r"vidjob_client -- .*\n    A `vidjob.VideoClient` of the fixture vidjob_simulator", brief)
    whole = project("", "--fixtures", "-vv")[1]
    for words in ("VIDJOB_BASE_URL", "COMETAPI_KEY", '(shape="xai"', "faults_left"):
        assert words in whole
    assert (
        "@pytest.mark.vidjob_simulator(**arguments): run the test against a vidjob.Simulator"
        in project("", "--markers")[1]
    )


def test_projects_that_do_not_use_it_are_left_alone(project: Project) -> None:
    counts, printed = project(
        """
        def test_it(request):
            assert request.fixturenames == ["request"]
            assert os.environ["VIDJOB_BASE_URL"] == "http://127.0.0.1:9"
        """,
        **KEYS,
    )
    assert counts == {"passed": 1}, printed


def test_the_plugin_loads_nothing_but_vidjob_itself(run_python: Run) -> None:
    program = "import sys, pytest, vidjob; before = set(sys.modules); import vidjob.pytest_plugin"
    ran = run_python(f"{program}; print(sorted(set(sys.modules) - before))")
    assert ran.stdout == "['vidjob.pytest_plugin']\n", ran.stderr


def test_the_package_names_the_plugin() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nvidjob = "vidjob.pytest_plugin"\n' in text
