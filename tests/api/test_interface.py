"""What users see of the package without calling it: names, signatures, help and types."""

from __future__ import annotations

import ast
import asyncio
import inspect
import pickle
import pydoc
import re
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import vidjob
from vidjob import AsyncBatch, Batch, Download, JobRecord, RenderResult, Simulator, VideoClient, VideoJob

VERBS = ("get", "wait", "generate", "edit", "extend", "download", "render", "jobs")
ITERATORS = ("watch", "render_many", "resume")
ASYNC = [f"{verb}_async" for verb in (*VERBS, *ITERATORS)]

CROSS_REFERENCE = re.compile(r"\]\[vidjob")

if TYPE_CHECKING:
    from typing_extensions import assert_type

    def blocking_types(client: VideoClient) -> None:
        assert_type(client.get("x"), VideoJob)
        assert_type(client.wait(job="x", timeout=1.0), VideoJob)
        assert_type(client.watch("x"), Iterator[VideoJob])
        assert_type(client.generate("x", duration=3, image=Path("x.png")), VideoJob)
        assert_type(client.download("x", path="x.mp4"), Download)
        assert_type(client.render("x", "x.mp4", overwrite=True), RenderResult)
        assert_type(client.render_many(["x"], "x"), Batch)
        assert_type(client.jobs(), list[JobRecord])
        assert_type(client.resume(folder="x"), Batch)
        client.get(request_id="x")  # type: ignore[call-arg]
        client.generate("x", duration="3")  # type: ignore[arg-type]

    async def async_types(client: VideoClient, rows: AsyncIterator[str]) -> None:
        assert_type(await client.get_async("x"), VideoJob)
        assert_type(await client.wait_async(job="x", timeout=1.0), VideoJob)
        assert_type(client.watch_async("x"), AsyncIterator[VideoJob])
        assert_type(await client.generate_async("x", duration=3), VideoJob)
        assert_type(await client.download_async("x", path="x.mp4"), Download)
        assert_type(await client.render_async("x", "x.mp4"), RenderResult)
        assert_type(client.render_many_async(rows, "x"), AsyncBatch)
        assert_type(await client.jobs_async(), list[JobRecord])
        assert_type(client.resume_async(), AsyncBatch)
        await client.get_async(request_id="x")  # type: ignore[call-arg]
        client.render_many(rows, "x")  # type: ignore[arg-type]


def public_names(value: object) -> list[str]:
    return [name for name in dir(value) if not name.startswith("_")]


def test_dir_has_all_public_names_and_no_others() -> None:
    assert public_names(vidjob) == sorted(set(vidjob.__all__) - {"__version__"})
    assert {"JobStatus", "RenderResult", "Results", "JobRecord", "Batch", "AsyncBatch"} <= set(dir(vidjob))


def test_the_client_has_no_public_names_but_its_verbs() -> None:
    properties = {"aclose", "base_url", "close"}
    assert set(public_names(VideoClient)) == {*VERBS, *ITERATORS, *ASYNC, *properties}


@pytest.mark.parametrize("name", ["", *public_names(vidjob)])
def test_help_has_no_raw_cross_references(name: str) -> None:
    value = getattr(vidjob, name) if name else vidjob
    assert not CROSS_REFERENCE.search(pydoc.plain(pydoc.render_doc(value)))


def test_docstrings_in_the_stub_have_no_raw_cross_references() -> None:
    stub = Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    assert not CROSS_REFERENCE.search(stub)


@pytest.mark.parametrize("verb", [*VERBS, *ITERATORS])
def test_both_versions_of_a_verb_have_the_same_arguments(verb: str) -> None:
    blocking, awaitable = getattr(VideoClient, verb), getattr(VideoClient, f"{verb}_async")
    one, other = inspect.signature(blocking), inspect.signature(awaitable)
    assert list(one.parameters) == list(other.parameters)
    assert [each.default for each in one.parameters.values()] == [each.default for each in other.parameters.values()]
    if verb in VERBS:
        assert one == other
        assert "Call" not in one.return_annotation


def test_signatures_are_those_that_are_written() -> None:
    assert str(inspect.signature(VideoClient.get)) == "(self, job: 'JobInput') -> 'VideoJob'"
    waits = "*, timeout: 'float | None' = None, poll_interval: 'float | None' = None"
    assert str(inspect.signature(VideoClient.watch)) == f"(self, job: 'JobInput', {waits}) -> 'Iterator[VideoJob]'"
    expected = f"(self, job: 'JobInput', {waits}) -> 'AsyncIterator[VideoJob]'"
    assert str(inspect.signature(VideoClient.watch_async)) == expected


@pytest.mark.parametrize("name", [*VERBS, *ITERATORS, *ASYNC])
def test_a_verb_has_its_own_name_and_documentation(name: str, client: VideoClient) -> None:
    method = getattr(VideoClient, name)
    assert (method.__name__, method.__qualname__) == (name, f"VideoClient.{name}")
    assert method.__module__ == "vidjob._client"
    assert inspect.iscoroutinefunction(method) is (name.removesuffix("_async") in VERBS and name in ASYNC)
    assert re.search(rf"\b{name}\(\s*self,", pydoc.plain(pydoc.render_doc(method)))
    if name in ASYNC:
        assert method.__doc__.startswith(f"Async version of `{name.removesuffix('_async')}`")
    else:
        assert "Args:" in method.__doc__
    assert pickle.loads(pickle.dumps(method)) is method  # noqa: S301
    again = pickle.loads(pickle.dumps(getattr(VideoClient("k", pickle_key=True), name)))  # noqa: S301
    assert again.__func__ is method


def test_errors_about_arguments_name_the_public_method(client: VideoClient) -> None:
    with pytest.raises(TypeError, match=r"VideoClient\.get\(\) missing 1 required positional argument: 'job'"):
        client.get()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"VideoClient\.get_async\(\) missing 1 required positional argument: 'job'"):
        asyncio.run(client.get_async())  # type: ignore[call-arg]
    with pytest.raises(vidjob.InvalidRequest, match=r"get_async\(\) has no argument 'id'; it takes job"):
        asyncio.run(client.get_async(id="x"))  # type: ignore[call-arg]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_traceback_has_two_frames_of_the_package(client: VideoClient, *, is_async: bool) -> None:
    def call() -> Any:
        return asyncio.run(client.get_async("nothing")) if is_async else client.get("nothing")

    with pytest.raises(vidjob.NotFound) as caught:
        call()
    package = Path(vidjob.__file__).parent
    frames = [frame for frame in traceback.extract_tb(caught.tb) if package in Path(frame.filename).parents]
    assert len(frames) == 2


def test_old_names_are_deprecated() -> None:
    import vidjob.progress

    with pytest.warns(DeprecationWarning, match=r"vidjob\.progress\.megabytes"):
        format_size: Any = vidjob.progress.megabytes
    assert format_size(1000) == "1.0 kB"
    with pytest.raises(AttributeError):
        vidjob.progress.nonsense  # noqa: B018
    with pytest.warns(DeprecationWarning, match="Old.hears is deprecated: rename it to on_event"):

        class Old(vidjob.progress.Display):
            def hears(self, event: Any, job: Any = None) -> None:  # noqa: ARG002
                self.heard = event

    old = Old()  # type: ignore[abstract]
    old.on_event({"event": "status"})
    assert old.heard == {"event": "status"}


def test_lower_layers_find_the_objects_that_the_package_registers() -> None:
    from vidjob._native import lookup

    for name in vidjob._REGISTERED:
        assert lookup(name) is not None
    assert lookup("VideoClient") is VideoClient
    assert lookup("errors")["JobFailed"] is vidjob.JobFailed
    assert lookup("JobStatus") is vidjob.JobStatus


def test_the_simulators_docstrings_are_those_of_the_stub() -> None:
    stub = ast.parse(Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
    [simulator] = [node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Simulator"]
    documented = {
        node.name: ast.get_docstring(node)
        for node in simulator.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("__")
    }
    assert "inject" in documented
    assert documented == {name: inspect.getdoc(getattr(Simulator, name)) for name in documented}
