"""What values show of themselves in a notebook: plain HTML that outlives the kernel, and never a temporary link."""

from __future__ import annotations

import asyncio
import base64
import copy
import pickle
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from support import ApiMode
from vidjob import (
    ConfigurationError,
    Download,
    JobFailed,
    RenderResult,
    Results,
    Simulator,
    Usage,
    Video,
    VideoClient,
    VideoJob,
    notebook,
)

LINK = "https://vidgen.x.ai/bucket/xai-video-7.mp4?sig=abc"
HOSTILE = '<img src=x onerror=alert(1)>"&'
#: What JupyterLab's sanitizer lets through of what is used here.
ALLOWED = {
    "video": {"controls", "preload", "width", "src"},
    "progress": {"value", "max"},
    **{key: set[str]() for key in ("p", "b", "code", "div", "table", "thead", "tbody", "tr", "th", "td")},
}


class Page(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def shown(value: Any) -> Page:
    """What a value shows, after a look at what must hold of everything that is shown."""
    bundle = value._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    plain, html = bundle["text/plain"], bundle["text/html"]
    assert "\n" not in plain
    assert len(plain) < 400
    for said in (plain, html):
        assert "vidgen.x.ai/bucket" not in said
        assert "sig=" not in said
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
    return page


@pytest.fixture(autouse=True)
def _own_options() -> Iterator[None]:
    yield
    notebook.configure(embed="auto", embed_limit=5_000_000, width=480, max_rows=20)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def done(name: str = "job-7") -> VideoJob:
    return VideoJob(name, "done", 100, "grok-imagine-video", Video(LINK, 5.0, True), Usage(2_500_000_000))


def result(path: Path | None, name: str = "a", error: Any = None) -> RenderResult:
    size = None if path is None else path.stat().st_size
    return RenderResult(name, done(), path, "ab" * 32, size, error)


def mp4_file(path: Path, size: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0\0\0\x18ftypisom".ljust(size, b"\0"))
    return path


# ---- jobs and videos --------------------------------------------------------------------------


def test_a_job_under_way_is_a_card_with_a_bar() -> None:
    page = shown(VideoJob("job-7", "processing", 40, "grok-imagine-video"))
    assert page.all("progress") == [{"value": "40", "max": "100"}]
    assert "job-7" in page.text
    assert "processing, 40%" in page.text
    assert "client.wait('job-7')" in page.text
    assert VideoJob("job-7", "queued")._repr_mimebundle_()["text/plain"] == "VideoJob job-7 queued"
    assert shown(VideoJob("job-7", "queued")).all("progress") == []


def test_a_job_that_is_done_says_how_to_keep_its_file() -> None:
    page = shown(done())
    assert page.all("progress") == [{"value": "100", "max": "100"}]
    assert "client.download('job-7', 'video.mp4')" in page.text
    assert "5 s" in page.text
    assert "0.25 USD" in page.text
    assert done()._repr_mimebundle_()["text/plain"] == "VideoJob job-7 done, 5 s, 0.25 USD"


def test_a_job_without_a_video_says_why(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.inject("job_moderated", on="create")
    job = api(client, "generate", "a candle")
    jobs = [job]
    while not jobs[-1].is_terminal:
        jobs.append(api(client, "get", job))
    words = shown(jobs[-1]).text
    assert "client.download" not in words
    assert "moderation" in words.lower()


def test_a_video_shows_no_link() -> None:
    page = shown(Video(LINK, 5.0))
    assert page.all("video") == []
    assert "5 s" in page.text
    assert "client.download" in page.text
    assert "withheld by moderation" in shown(Video(None, None, False)).text


# ---- files ------------------------------------------------------------------------------------


def test_a_file_below_the_working_folder_is_linked(here: Path) -> None:
    path = mp4_file(here / "a folder" / 'b"#?ü.mp4')
    for value in (Download(path, 1000, "ab" * 32), result(path)):
        [player] = shown(value).all("video")
        assert player["src"] == "a%20folder/b%22%23%3F%C3%BC.mp4"
        assert player["width"] == "480"
    [player] = shown(result(Path("a folder") / 'b"#?ü.mp4')).all("video")
    assert player["src"] == "a%20folder/b%22%23%3F%C3%BC.mp4"


def test_a_small_file_elsewhere_is_embedded(here: Path, tmp_path: Path) -> None:
    path = mp4_file(tmp_path / "elsewhere.mp4", 3000)
    [player] = shown(result(path)).all("video")
    kind, _, content = str(player["src"]).partition(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(content) == path.read_bytes()
    notebook.configure(embed_limit=3000)
    assert shown(result(path)).all("video")
    notebook.configure(embed_limit=2999)
    page = shown(result(path))
    assert page.all("video") == []
    assert str(path) in page.text
    assert here.is_dir()


def test_embedding_is_settable(here: Path, tmp_path: Path) -> None:
    inside, outside = mp4_file(here / "a.mp4"), mp4_file(tmp_path / "b.mp4")
    notebook.configure(embed=True, width=320)
    [player] = shown(result(inside)).all("video")
    assert str(player["src"]).startswith("data:")
    assert player["width"] == "320"
    notebook.configure(embed_limit=10)
    assert shown(result(inside)).all("video")[0]["src"] == "a.mp4", "what is too large is linked where it can be"
    notebook.configure(embed=False)
    assert shown(result(inside)).all("video")[0]["src"] == "a.mp4"
    assert shown(result(outside)).all("video") == []


@pytest.mark.parametrize(
    "wrong", [{"embed": "yes"}, {"width": -1}, {"max_rows": 2.5}, {"embed_limit": True}, {"rows": 3}]
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    before = notebook.configure()
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        notebook.configure(**wrong)
    assert notebook.configure() == before


def test_a_missing_file_is_reported(here: Path) -> None:
    path = mp4_file(here / "a.mp4")
    value = result(path)
    path.unlink()
    page = shown(value)
    assert page.all("video") == []
    assert "no longer exists" in page.text


def test_a_failed_render_tells_the_error_without_its_link() -> None:
    error = JobFailed(f"no luck with {LINK} today", job=VideoJob("job-7", "failed"))
    page = shown(RenderResult("a", None, error=error))
    assert "no luck with https://vidgen.x.ai/… today" in page.text
    assert page.all("video") == []


# ---- many -------------------------------------------------------------------------------------


def test_results_are_a_table(here: Path) -> None:
    results = Results([result(mp4_file(here / f"{n}.mp4"), f"item-{n}") for n in range(25)])
    page = shown(results)
    assert len(page.all("video")) == 20
    assert len(page.all("tr")) == 21
    assert "and 5 more" in page.text
    assert "25 items" in page.text
    assert "6.25 USD" in page.text
    assert {player["width"] for player in page.all("video")} == {"160"}
    notebook.configure(max_rows=25)
    assert "more" not in shown(results).text
    assert len(page.all("th")) == len(page.all("td")) / 20


def test_a_table_embeds_no_more_than_one_output_may_carry(tmp_path: Path, here: Path) -> None:
    results = Results([result(mp4_file(tmp_path / f"{n}.mp4", 1000), f"item-{n}") for n in range(5)])
    notebook.configure(embed_limit=3000)
    assert len(shown(results).all("video")) == 3
    assert here.is_dir()


def test_results_are_a_sequence() -> None:
    good = RenderResult("a", done(), Path("a.mp4"), columns={"scene": 3, "id": "not this", "raw": b"x"})
    bad = RenderResult("b", None, error=JobFailed("no", job=VideoJob("x", "failed")))
    results = Results([good, bad])
    assert list(results) == [good, bad]
    assert results[0] is good
    assert isinstance(results[:1], Results)
    assert (list(results.ok), list(results.failed)) == ([good], [bad])
    assert results.cost_usd == Decimal("0.25")
    assert Results().cost_usd == 0
    rows = results.to_dicts()
    assert rows[0]["id"] == "a"
    assert (rows[0]["scene"], rows[0]["outcome"], rows[0]["cost_usd"], rows[0]["duration"]) == (3, "saved", 0.25, 5.0)
    assert "raw" not in rows[0]
    assert (rows[1]["outcome"], rows[1]["error"]) == ("failed", "no")
    for copied in (pickle.loads(pickle.dumps(results)), copy.deepcopy(results)):  # noqa: S301
        assert isinstance(copied, Results)
        assert copied[0] == good
    assert repr(Results([])) == "Results([])"


def test_a_batch_is_collected_and_shows_its_counts(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    prompts = ["one", "two", "three"]
    if api.name == "blocking":
        batch: Any = client.render_many(prompts, tmp_path, poll_interval=0.05)
        results = batch.collect()
    else:

        async def collect() -> tuple[Any, Results]:
            batch = client.render_many_async(prompts, tmp_path, poll_interval=0.05)
            return batch, await batch.collect()

        batch, results = asyncio.run(collect())
    assert isinstance(results, Results)
    assert len(results.ok) == 3
    assert "3 items" in shown(results).text
    assert "3 saved" in shown(batch).text
    records = client.jobs(tmp_path)
    assert len(records) == 3
    assert all("saved" in shown(record).text for record in records)


# ---- whatever it is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        VideoJob(HOSTILE, "processing", 40, HOSTILE),
        RenderResult(HOSTILE, None, error=JobFailed(HOSTILE, job=VideoJob("x", "failed"))),
        RenderResult(HOSTILE, done(), Path(HOSTILE)),
        Results([RenderResult(HOSTILE, done(), Path(HOSTILE))]),
        Download(HOSTILE, 3, HOSTILE),
    ],
    ids=["job", "failed", "kept", "many", "file"],
)
def test_values_from_the_service_are_escaped(value: Any) -> None:
    assert "onerror" in shown(value).text
    assert shown(value).all("img") == []


def test_only_what_is_wanted_is_given() -> None:
    job = done()
    assert set(job._repr_mimebundle_(include={"text/plain"})) == {"text/plain"}
    assert set(job._repr_mimebundle_(include={"text/html"})) == {"text/html"}
    assert set(job._repr_mimebundle_(exclude={"text/html"})) == {"text/plain"}
    assert job._repr_mimebundle_(include={"image/png"}) == {}


def test_ipython_shows_them_alone_and_in_lists(here: Path) -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell")
    formatter = shell.InteractiveShell().display_formatter
    values: list[Any] = [
        done(),
        Video(LINK),
        Download(mp4_file(here / "a.mp4"), 1000, "ab" * 32),
        result(here / "a.mp4"),
        Results([]),
    ]
    for value in values:
        formats, _metadata = formatter.format(value)
        assert formats == value._repr_mimebundle_()
    formats, _metadata = formatter.format(values)
    assert set(formats) == {"text/plain"}
    assert "vidgen" not in formats["text/plain"]
    assert "VideoJob job-7 done, 5 s, 0.25 USD" in formats["text/plain"]


def test_html_is_built_only_when_shown(run_python: Any) -> None:
    program = """
import sys
import vidjob
assert "vidjob.notebook" not in sys.modules and "html" not in sys.modules
vidjob.VideoJob("a", "done")._repr_mimebundle_()
assert "vidjob.notebook" in sys.modules
"""
    assert run_python(program).returncode == 0
