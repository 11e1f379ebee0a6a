"""The types in public signatures have names that users can import, and that tools can resolve."""

from __future__ import annotations

import ast
import builtins
import collections.abc
import importlib
import inspect
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import vidjob
import vidjob.types
from support import Run
from vidjob import Simulator, VideoClient, VideoJob, VideoRequest, _native
from vidjob.types import (
    Event,
    EventCallback,
    ImageInput,
    JobInput,
    OnExisting,
    OnUnknown,
    Operation,
    PathInput,
    Prices,
    ProgressInput,
    RequestInput,
    RequestsInput,
    UpdateCallback,
    VideoInput,
    VideoObject,
)

# ---- a program of a user --------------------------------------------------------------------------


class Studio:
    """Passes everything on, with the types of vidjob."""

    def __init__(self, client: VideoClient, progress: ProgressInput = None) -> None:
        self.client = client
        self.progress = progress

    def animate(self, image: ImageInput, *, on_update: UpdateCallback | None = None) -> VideoJob:
        job: JobInput = self.client.generate("It moves.", image=image)
        return self.client.wait(job, progress=self.progress, on_update=on_update)

    def change(self, video: VideoInput, operation: Operation = "edit") -> VideoRequest:
        return VideoRequest("Now it snows.", operation=operation, video=video)

    async def extend(self, video: VideoObject) -> VideoJob:
        return await self.client.extend_async(video, "It goes on.")

    def render(
        self,
        requests: RequestsInput,
        folder: PathInput,
        *,
        prices: Prices | None = None,
        on_existing: OnExisting = "resume",
        on_unknown: OnUnknown = "hold",
    ) -> list[str]:
        options: dict[str, Any] = {"poll_interval": 0.02}
        batch = self.client.render_many(
            requests, folder, prices=prices, on_existing=on_existing, on_unknown=on_unknown, **options
        )
        return [result.id for result in batch if result.ok]


def rows() -> Iterator[RequestInput]:
    yield {"id": "a", "prompt": "x"}
    yield "y"
    yield VideoRequest("z")


def listener(heard: list[Event]) -> EventCallback:
    def on_event(event: Event) -> None:
        heard.append(event)

    return on_event


def test_a_program_can_use_the_types(simulator: Simulator, tmp_path: Path) -> None:
    heard: list[Event] = []
    with simulator.client(on_event=listener(heard)) as client:
        studio = Studio(client, progress=heard.append)
        job = studio.animate("https://a.example/i.png")
        assert studio.change(job).preview()["prompt"] == "Now it snows."
        assert len(studio.render(rows(), tmp_path)) == 3
    assert heard


# ---- names ----------------------------------------------------------------------------------------

MODULES = ("vidjob", "vidjob.progress", "vidjob.notebook", "vidjob.types")
#: Special methods that are part of the interface.
SPECIAL = {"__init__", "__new__", "__iter__", "__next__", "__aiter__", "__anext__"} | {
    f"__{prefix}{name}__" for prefix in ("", "a") for name in ("enter", "exit")
}


def function_of(attribute: object) -> object:
    if isinstance(attribute, (classmethod, staticmethod)):
        return attribute.__func__
    return attribute.fget if isinstance(attribute, property) else attribute


def is_class(value: object) -> bool:
    # On Python 3.10, `dict[str, int]` counts as a class.
    return inspect.isclass(value) and not isinstance(value, types.GenericAlias)


def public_functions() -> dict[str, Callable[..., object]]:
    """Every public function, and every public method of a public class."""
    found: dict[str, Callable[..., object]] = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            value = getattr(module, name)
            parts = {name: value}
            if is_class(value):
                names = [each for each in dir(value) if not each.startswith("_") or each in SPECIAL]
                parts = {f"{name}.{each}": inspect.getattr_static(value, each) for each in names}
            functions = {key: function_of(part) for key, part in parts.items()}
            found.update((key, each) for key, each in functions.items() if isinstance(each, types.FunctionType))
    del found["JobRecord.__new__"]  # made by NamedTuple, in a namespace without builtins
    return found


def public_classes() -> dict[str, type]:
    values = {
        name: getattr(module, name) for module in map(importlib.import_module, MODULES) for name in module.__all__
    }
    return {name: value for name, value in values.items() if is_class(value)}


FUNCTIONS = public_functions()


def test_all_methods_of_the_client_are_looked_at() -> None:
    names = {name for name in dir(VideoClient) if not name.startswith("_")}
    assert {f"VideoClient.{name}" for name in (*names, "__init__", "__enter__")} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_name_in_a_public_signature_resolves(name: str) -> None:
    function = FUNCTIONS[name]
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function, eval_str=True)
    written = inspect.signature(function)
    assert list(signature.parameters) == list(written.parameters)
    for parameter in signature.parameters.values():
        assert not isinstance(parameter.annotation, str)
        assert (parameter.annotation is not inspect.Parameter.empty) == (parameter.name in hints)
    assert typing.get_type_hints(function, include_extras=True).keys() == hints.keys()


@pytest.mark.parametrize("name", public_classes())
def test_the_attributes_of_a_public_class_resolve(name: str) -> None:
    typing.get_type_hints(public_classes()[name])


def importable_names() -> set[str]:
    """Names that a user can import, or need not import."""
    standard = {*vars(builtins), *vars(collections.abc), *vars(typing), "Path", "PathLike", "os.PathLike", "Self"}
    return {*dir(vidjob), *vidjob.types.__all__, *standard, "Decimal", "datetime", "TracebackType", "Options"}


def names_of(annotation: str) -> set[str]:
    """The names in an annotation, without the words of literals."""
    return set(re.findall(r"[A-Za-z_][\w.]*", re.sub(r"'[^']*'|\"[^\"]*\"", "", annotation)))


#: Batches are made by `VideoClient.render_many`.
MADE_BY_US = {"Batch.__init__", "AsyncBatch.__init__"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - MADE_BY_US))
def test_every_name_in_a_public_signature_can_be_imported(name: str) -> None:
    """A user can write the same annotation."""
    written = [each for each in FUNCTIONS[name].__annotations__.values() if isinstance(each, str)]
    used = set[str]().union(*map(names_of, written))
    assert used <= importable_names()


def test_every_name_in_the_signatures_of_compiled_classes_can_be_imported() -> None:
    stub = ast.parse(Path(vidjob.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
    names = {name for name in vidjob.__all__ if getattr(vidjob, name) is getattr(_native, name, None)}
    classes = [node for node in stub.body if isinstance(node, ast.ClassDef) and node.name in names]
    assert {"VideoRequest", "VideoJob"} <= {each.name for each in classes}
    for each in classes:
        for method in each.body:
            if isinstance(method, ast.FunctionDef) and (not method.name.startswith("_") or method.name in SPECIAL):
                arguments = [*method.args.args, *method.args.kwonlyargs]
                annotations = [argument.annotation for argument in arguments] + [method.returns]
                used = set[str]().union(*(names_of(ast.unparse(found)) for found in annotations if found is not None))
                assert used <= importable_names(), f"{each.name}.{method.name}"


def test_the_signatures_are_resolved_to_the_aliases() -> None:
    for suffix in ("", "_async"):
        hints = typing.get_type_hints(getattr(VideoClient, f"extend{suffix}"))
        assert hints["video"] == VideoInput | None
        assert hints["storage_options"] == vidjob.StorageOptions | None
        assert hints["return"] is VideoJob
    assert typing.get_type_hints(VideoClient.render_many)["requests"] == RequestsInput
    assert typing.get_type_hints(VideoClient.watch)["return"] == Iterator[VideoJob]
    assert typing.get_type_hints(VideoClient.__init__)["on_event"] == EventCallback | None
    assert typing.get_type_hints(VideoClient.__init__)["ca_file"] == str | os.PathLike[str] | None
    assert typing.get_type_hints(Studio.render)["prices"] == Mapping[str, Mapping[str, Any]] | None


def test_the_source_of_a_method_is_still_found(tmp_path: Path) -> None:
    assert "def _get(self, job: JobInput)" in inspect.getsource(VideoClient.get)
    assert "def render_many(" in inspect.getsource(VideoClient.render_many)
    assert inspect.unwrap(VideoClient.get).__code__.co_filename.endswith("_client.py")


def test_every_type_is_documented() -> None:
    table = Path(__file__).parents[2].joinpath("docs", "requests.md").read_text(encoding="utf-8")
    for name in vidjob.types.__all__:
        assert re.search(rf"^    {name}: ", vidjob.types.__doc__ or "", re.MULTILINE), name
        assert f"`{name}`" in table, f"docs/requests.md does not explain {name}"


def test_the_types_are_imported_when_they_are_used(run_python: Run) -> None:
    program = """
import sys
before = set(sys.modules)
import vidjob
assert not {"vidjob.types", "vidjob._annotations", "typing", "pathlib"} & (set(sys.modules) - before)
import inspect
inspect.signature(vidjob.VideoClient.generate)
assert "vidjob.types" not in sys.modules
print(vidjob.types.OnUnknown)
"""
    done = run_python(program)
    assert (done.stdout, done.stderr) == ("typing.Literal['hold', 'resubmit']\n", "")
