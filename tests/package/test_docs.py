"""The README and the pages of docs/: their Python runs, their commands exist, and their links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
import inspect
import io
import logging
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import vidjob
from support import KEY, Cli, RunPytest
from vidjob import Simulator, VideoClient, VideoRequest

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parent.parent.parent
MEDIA = ROOT / "tests" / "media"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    shlex.split(line, comments=True)
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.startswith("vidjob ")
]
FLAGS = re.DOTALL | re.MULTILINE
#: Arguments of one page that another page explains.
EXPLAINED_ELSEWHERE = {"max_bytes", "poll_interval", "progress"}
#: What the pages call their files.
FILES = {
    "drawing.png": "picture.png",
    "boat.png": "picture.png",
    "drawings/boat.png": "picture.png",
    "drawings/tree.jpg": "baseline.jpg",
    "anna.jpg": "baseline.jpg",
    "clip.mp4": "h264.mp4",
}


def names_in(page: str) -> set[str]:
    """The words that stand as code in a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[\w-]+", code)}


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _file_name(code: str) -> str | None:
    """The name of a file, in the first line of its code."""
    named = re.match(r"# (\w+\.py)\n", code)
    return named and named[1]


def python_of(page: Path) -> list[str]:
    return [code for code in _blocks(page) if not _file_name(code)]


def files_of(page: Path) -> dict[str, str]:
    return {name: code for code in _blocks(page) if (name := _file_name(code))}


WITH_PYTHON = [page for page in PAGES if python_of(page)]
WITH_FILES = [page for page in PAGES if files_of(page)]


class _FastSimulator:
    """A simulator whose jobs take no time, with a client that polls often."""

    def __init__(self, **settings: Any) -> None:
        self._simulator = Simulator(**{**settings, "render_seconds": 0.02, "spread": 0.0})

    def client(self, **settings: Any) -> VideoClient:
        return _client_of(self._simulator.base_url)(**settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._simulator.close()


def _client_of(base_url: str) -> type[VideoClient]:
    class Client(VideoClient):
        """A client of the simulator, unless told otherwise."""

        def __init__(self, api_key: str = KEY, **settings: Any) -> None:
            super().__init__(api_key, **{"base_url": base_url, **settings})

    def polling_often(verb: str) -> Any:
        original = getattr(VideoClient, verb)

        def call(self: VideoClient, *args: Any, **kwargs: Any) -> Any:
            return original(self, *args, **{"poll_interval": 0.02, **kwargs})

        return call

    for verb in ("wait", "watch", "render", "render_many", "resume"):
        setattr(Client, verb, polling_often(verb))
        setattr(Client, f"{verb}_async", polling_often(f"{verb}_async"))
    return Client


def _run(code: str, page: Path, names: dict[str, Any]) -> None:
    compiled = compile(code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)  # noqa: S307 - code of this repository
    if inspect.iscoroutine(result):
        asyncio.run(result)


@pytest.fixture
def _settings_of_the_process() -> Iterator[None]:
    """Restores what the pages configure for the whole process: other tests run in it."""
    from vidjob import notebook

    loggers = (logging.getLogger(), logging.getLogger("vidjob"))
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    options = dataclasses.asdict(notebook.configure())
    yield
    notebook.configure(**options)
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.mark.usefixtures("_settings_of_the_process")
@pytest.mark.parametrize("page", WITH_PYTHON, ids=[page.name for page in WITH_PYTHON])
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    pandas = pytest.importorskip("pandas")
    fast = _FastSimulator()
    client = _client_of(fast.base_url)
    monkeypatch.setattr(vidjob, "VideoClient", client)
    monkeypatch.setattr(vidjob, "Simulator", _FastSimulator)
    monkeypatch.chdir(tmp_path)
    for name, source in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MEDIA / source, tmp_path / name)
    for name, text in re.findall(r"^`([\w.]+)`:\n\n```csv\n(.*?)^```", page.read_text(encoding="utf-8"), FLAGS):
        (tmp_path / name).write_text(text, encoding="utf-8")
    names: dict[str, Any] = {
        "__name__": "page",
        "figure": figures.Figure(),
        "pandas": pandas,
        "frame": pandas.DataFrame({"prompt": ["A candle"]}),
    }
    with fast, contextlib.redirect_stdout(io.StringIO()):
        for code in python_of(page):
            _run(code, page, names)


@pytest.mark.parametrize("page", WITH_FILES, ids=[page.name for page in WITH_FILES])
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path, run_pytest: RunPytest) -> None:
    for name, code in files_of(page).items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    ran = run_pytest()
    assert ran.returncode == 0, ran.stdout
    assert f"{sum(code.count('def test_') for code in files_of(page).values())} passed" in ran.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=shlex.join)
def test_the_commands_of_the_pages_exist(command: list[str], cli: Cli) -> None:
    end = command.index("&&") if "&&" in command else len(command)
    name, *arguments = command[1:end]
    code, shown, _ = cli(name, "--help")
    assert code == 0
    options = set(re.findall(r"--?[\w-]+", shown))
    assert {word for word in arguments if word.startswith("-")} <= options


def test_links_lead_to_files_and_headings() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if "://" not in target and not (file.exists() and (not anchor or anchor in _anchors(file))):
                broken.append(f"{page.name}: {target}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_exception_is_explained() -> None:
    exceptions = {
        name
        for name, value in vars(vidjob).items()
        if isinstance(value, type) and issubclass(value, vidjob.VidjobError)
    }
    assert exceptions <= names_in("errors.md")


@pytest.mark.parametrize(
    ("page", "function"),
    [
        ("client.md", VideoClient),
        ("requests.md", VideoRequest),
        ("batches.md", VideoClient.render_many),
        ("testing.md", Simulator),
    ],
)
def test_every_argument_is_explained(page: str, function: Any) -> None:
    arguments = set(inspect.signature(function).parameters) - {"self"}
    assert arguments - names_in(page) - EXPLAINED_ELSEWHERE == set()


def test_the_table_of_faults_is_that_of_the_simulator() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8").partition("## Faults")[2]
    rows = re.findall(r"^\| `(\w+)`((?:, `\w+`)*) \| ([a-z, ]+) \| (?:`(\w+)`)?", text, re.MULTILINE)
    assert not any(more for _, more, _, _ in rows)
    with Simulator() as simulator, pytest.raises(ValueError, match="kind") as caught:
        simulator.inject("?", on="get")  # type: ignore[arg-type]
    assert [kind for kind, *_ in rows] == re.findall(
        r"\w+", str(caught.value).partition("; use ")[2].replace(" or ", " ")
    )
    with Simulator() as simulator:
        for kind, _, ons, detail in rows:
            accepted = [on for on in ("create", "get", "download") if _injects(simulator, kind, on)]
            assert ons.split(", ") == accepted
            used = {name for name, value in DETAILS.items() if _injects(simulator, kind, accepted[0], **{name: value})}
            assert used == {detail} - {""}, kind


#: A value of each detail. That another value is expected means that the detail is used.
DETAILS: dict[str, Any] = {"status": 403, "retry_after": 1, "seconds": 0, "form": "?"}


def _injects(simulator: Simulator, kind: Any, on: Any, **details: Any) -> bool:
    try:
        simulator.inject(kind, on=on, **details)
    except ValueError as error:
        return "has no effect on" not in str(error) and "makes no difference" not in str(error)
    return True


def test_every_key_of_the_ledger_is_explained(simulator: Simulator, client: VideoClient) -> None:
    client.generate("a candle")
    assert set(simulator.accepted[0]) <= names_in("testing.md")


def test_the_paths_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:src|python|tests|docs|benches)/[\w./]*)`|(?<=[` ])(tests/\w+\.py)", text)
    named = {path for pair in paths for path in pair if path}
    assert len(named) > 10
    assert {path for path in named if not (ROOT / path).exists()} == set()
