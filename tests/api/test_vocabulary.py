"""Fields, statuses, errors and events stand in one table each; what lists them again agrees with it."""

from __future__ import annotations

import argparse
import ast
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import Cli
from vidjob import _native
from vidjob.cli.commands import COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vidjob.types import Operation

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "python" / "vidjob"
FIELDS = {field["name"]: field for field in _native.request_fields()}
OPERATIONS: tuple[Operation, ...] = ("generate", "edit", "extend")

IMAGE, VIDEO = "https://a.example/i.png", "https://a.example/v.mp4"
#: A value for a field of each kind, as an argument.
SAMPLES: dict[str, Any] = {
    "text": "https://a.example/text",
    "seconds": 5,
    "flag": False,
    "video": VIDEO,
    "image": IMAGE,
    "images": (IMAGE,),
    "audios": (vidjob.Voice("ara"),),
    "keyframes": (vidjob.Keyframe(IMAGE, 1.5),),
    "storage": vidjob.StorageOptions("a.mp4"),
    "extra": {"seed": 7},
}
#: Where any text would not do.
TEXTS = {"aspect_ratio": "9:16", "resolution": "720p"}
#: How the command line spells what is made of several options.
PARTS = {"storage_options": {"store_as", "store_for", "public_url", "public_url_for"}}
#: Where a verb leaves a field out on purpose: the file would not come to the path.
LEFT_OUT = {"render": {"upload_url"}}

FIELD = pytest.mark.parametrize("name", FIELDS)


def taken(operation: str) -> list[str]:
    return [name for name, field in FIELDS.items() if operation in field["operations"]]


def docs() -> str:
    return "\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def request_with(name: str) -> vidjob.VideoRequest:
    """A request with this field, and what it needs beside it."""
    field = FIELDS[name]
    value = TEXTS.get(name, SAMPLES[field["kind"]])
    operation = field["operations"][0]
    source = {"video": VIDEO} if operation != "generate" else {}
    # A model that is not known here takes every field.
    fields = {"prompt": "x", "model": "another", **source, name: value}
    return vidjob.VideoRequest(operation=operation, **fields)


# ---- the fields of a request --------------------------------------------------------------------


@FIELD
def test_every_kind_of_field_has_a_sample_here(name: str) -> None:
    kind = FIELDS[name]["kind"]
    assert kind in SAMPLES, f"add a value for fields of the kind {kind!r} to SAMPLES in {__file__}"


@FIELD
def test_a_field_comes_through_every_form_of_a_request(name: str) -> None:
    request = request_with(name)
    value = getattr(request, name)
    assert value not in (None, ()), name
    assert request == vidjob.VideoRequest.from_dict(request.to_dict())
    assert request == pickle.loads(pickle.dumps(request))  # noqa: S301 - our own
    assert name in request.to_dict(), name
    assert f"{name}=" in repr(request), name


@FIELD
def test_a_field_is_sent_under_its_key(name: str) -> None:
    key = FIELDS[name]["key"]
    expected = "seed" if key == "*" else key
    assert expected in request_with(name).preview(), f"the body of a create lacks {key!r} for the field {name!r}"


@FIELD
def test_a_field_is_read_from_rows_and_is_no_column_of_the_caller(name: str, tmp_path: Path) -> None:
    row = {**request_with(name).to_dict(), "id": "a", "mine": 1}
    with vidjob.VideoClient("k", base_url="http://127.0.0.1:9") as client:
        if name == "upload_url":
            with pytest.raises(vidjob.InvalidRequest, match="upload_url"):
                client.render_many([row], tmp_path)
            return
        (result,) = client.render_many([row], tmp_path, max_jobs=0)
    assert isinstance(result.error, vidjob.NotSubmitted)
    assert result.columns == {"mine": 1}


@FIELD
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_field_is_refused_by_operations_that_do_not_take_it(name: str, operation: Operation) -> None:
    fields = {"prompt": "x", "model": "another", **({} if operation == "generate" else {"video": VIDEO})}
    given = {**fields, name: TEXTS.get(name, SAMPLES[FIELDS[name]["kind"]])}
    if operation in FIELDS[name]["operations"]:
        vidjob.VideoRequest(operation=operation, **given)
        return
    with pytest.raises(vidjob.InvalidRequest) as caught:
        vidjob.VideoRequest(operation=operation, **given)
    assert caught.value.field == name


@pytest.mark.parametrize("operation", [*OPERATIONS, "render"])
@pytest.mark.parametrize("face", ["", "_async"])
def test_the_arguments_of_a_verb_are_the_fields_it_takes(operation: str, face: str) -> None:
    verb = getattr(vidjob.VideoClient, operation + face)
    expected = taken("generate" if operation == "render" else operation)
    expected = [name for name in expected if name not in LEFT_OUT.get(operation, ())]
    given = [name for name in inspect.signature(verb).parameters if name in FIELDS]
    assert given == expected, f"VideoClient.{operation}{face} and the fields' table differ"


@pytest.mark.parametrize("operation", [*OPERATIONS, "render"])
def test_the_docstring_of_a_verb_explains_the_fields_it_takes(operation: str) -> None:
    words = inspect.getdoc(getattr(vidjob.VideoClient, operation)) or ""
    expected = set(taken("generate" if operation == "render" else operation)) - LEFT_OUT.get(operation, set())
    missing = [name for name in expected if not re.search(rf"^ *{name}: ", words, re.MULTILINE)]
    assert not missing, f"the docstring of VideoClient.{operation} does not explain {missing}"


def test_the_request_class_and_its_stub_have_every_field() -> None:
    first, *others = FIELDS
    expected = [first, "operation", *others]
    assert list(inspect.signature(vidjob.VideoRequest).parameters) == expected
    stub = ast.parse((SOURCES / "_native.pyi").read_text("utf-8"))
    body = next(node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "VideoRequest").body
    methods = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    arguments = methods["__new__"].args
    given = [each.arg for each in (*arguments.args, *arguments.kwonlyargs)][1:]
    assert given == expected, "VideoRequest.__new__ in _native.pyi and the fields' table differ"
    missing = [name for name in expected if name not in methods]
    assert not missing, f"_native.pyi lacks the properties {missing} of VideoRequest"


def test_the_typed_arguments_of_the_verbs_are_all_fields_but_the_prompt() -> None:
    source = ast.parse((SOURCES / "_arguments.py").read_text("utf-8"))
    typed = next(node for node in ast.walk(source) if isinstance(node, ast.ClassDef) and node.name == "RequestFields")
    names = [ast.unparse(node.target) for node in typed.body if isinstance(node, ast.AnnAssign)]
    assert names == [name for name in FIELDS if name != "prompt"], "RequestFields in _arguments.py and the table differ"


@pytest.mark.parametrize("operation", [*OPERATIONS, "render"])
def test_the_command_line_has_an_option_for_every_field(operation: str) -> None:
    parser = argparse.ArgumentParser()
    next(command for command in COMMANDS if command.name == operation).arguments(parser)
    options = {action.dest for action in parser._actions}
    expected = set(FIELDS) if operation == "render" else set(taken(operation))
    expected -= LEFT_OUT.get(operation, set())
    missing = {name for name in expected if not PARTS.get(name, {name}) <= options}
    assert not missing, f"vidjob {operation} has no option for {missing}"
    unknown = (options & set(FIELDS)) - expected
    assert not unknown, f"vidjob {operation} has options for {unknown}, which it does not take"


@FIELD
def test_the_docs_name_every_field(name: str) -> None:
    assert re.search(rf"`{name}`|\b{name}=", docs()), f"neither README.md nor docs/ names the field {name!r}"


# ---- statuses -----------------------------------------------------------------------------------


def test_the_status_class_has_every_status() -> None:
    members = {status.value: status.name for status in vidjob.JobStatus}
    assert members == {word: word.upper() for word in _native.statuses()}, "JobStatus in _values.py and the core differ"
    assert {status.value: status.is_terminal for status in vidjob.JobStatus} == _native.statuses()


@pytest.mark.parametrize("status", _native.statuses())
def test_a_status_is_explained(status: str) -> None:
    member = vidjob.JobStatus(status)
    assert f"{member.name}: " in (inspect.getdoc(vidjob.JobStatus) or ""), f"JobStatus does not explain {status!r}"
    assert re.search(rf"\b{status}\b", docs()), f"neither README.md nor docs/ names the status {status!r}"
    assert vidjob.VideoJob("a", status).status is member


# ---- errors -------------------------------------------------------------------------------------

#: How the command line ends with each error.
EXIT_CODES = {
    "APIError": 1,
    "AlreadyRunning": 6,
    "AuthenticationError": 4,
    "BadRequest": 1,
    "ConfigurationError": 4,
    "ConnectionFailed": 1,
    "DownloadError": 1,
    "IncompleteDownload": 1,
    "InsufficientBalance": 5,
    "InvalidRequest": 2,
    "InvalidResponse": 1,
    "JobBlocked": 3,
    "JobExpired": 3,
    "JobFailed": 3,
    "JournalError": 1,
    "NotAVideo": 1,
    "NotSubmitted": 1,
    "NotFound": 1,
    "PermissionDenied": 4,
    "RateLimited": 1,
    "RequestTimeout": 1,
    "ServerError": 1,
    "SubmitUnknown": 1,
    "TooLarge": 1,
    "UnsafeUrl": 1,
    "VideoUrlExpired": 1,
    "VidjobError": 1,
    "WaitTimeout": 6,
}


def public_errors() -> set[str]:
    named = {name: getattr(vidjob, name) for name in vidjob.__all__}
    return {name for name, value in named.items() if isinstance(value, type) and issubclass(value, vidjob.VidjobError)}


def test_every_error_of_the_core_is_a_public_class_and_the_reverse() -> None:
    differ = public_errors() ^ {*_native.error_names(), "VidjobError"}
    assert not differ, f"only one of vidjob.__all__ and src/python/errors.rs has {differ}"
    assert len(_native.error_names()) == len(set(_native.error_names()))


@pytest.mark.parametrize("name", sorted({*_native.error_names(), "VidjobError"}))
def test_an_error_is_explained_and_has_an_exit_code(name: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect.getdoc(getattr(vidjob, name)), name
    assert re.search(rf"`{name}`", docs()), f"neither README.md nor docs/ explains {name}"
    assert name in EXIT_CODES, f"say in EXIT_CODES how the command line ends with {name}"

    def fail(*_: object, **__: object) -> None:
        raise getattr(vidjob, name)("words")

    monkeypatch.setenv("COMETAPI_KEY", "k")
    monkeypatch.setattr(vidjob.VideoClient, "get", fail)
    assert cli("get", "a")[0] == EXIT_CODES[name]


# ---- events -------------------------------------------------------------------------------------

#: Nothing happened: for displays that show the time, and not for callers.
INNER = {"tick"}
#: Lines that the command line adds to the events with ``--jsonl``.
OF_THE_COMMAND_LINE = {"result", "error", "item"}


#: The files where ``kind`` is that name.
WITH_KIND = {path for path in SOURCES.rglob("*.py") if re.search(r"\bkind\b.* = event\[", path.read_text("utf-8"))}


def compared_names() -> dict[str, set[str]]:
    """The names that the package compares events with, by file."""
    found: dict[str, set[str]] = {}
    for path in SOURCES.rglob("*.py"):
        names = {"event['event']", "kind"} if path in WITH_KIND else {"event['event']"}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare) and ast.unparse(node.left) in names:
                words = [str(each.value) for each in ast.walk(node.comparators[0]) if isinstance(each, ast.Constant)]
                found.setdefault(path.name, set()).update(words)
    return found


def test_events_are_compared_with_names_that_exist() -> None:
    known = {*_native.event_names(), *OF_THE_COMMAND_LINE}
    wrong = {file: names - known for file, names in compared_names().items() if names - known}
    assert not wrong, f"no event has these names: {wrong}"
    assert {"accepted", "status", "download"} <= set().union(*compared_names().values())


@pytest.mark.parametrize("name", sorted({*_native.event_names()} - INNER))
def test_an_event_is_explained_and_logged(name: str) -> None:
    from vidjob import _log

    assert f"``{name}``" in (inspect.getdoc(vidjob.VideoClient.__init__) or ""), "on_event in VideoClient's docstring"
    assert name in _log._NAMES, f"vidjob._log has no logger for the event {name!r}"


def test_logging_knows_no_event_that_does_not_exist() -> None:
    from vidjob import _log

    assert set(_log._NAMES) == set(_native.event_names()) - INNER
