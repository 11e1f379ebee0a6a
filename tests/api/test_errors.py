"""The exceptions: their tree, their fields, and that they travel."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import cloudpickle
import pytest

import vidjob
from vidjob import VideoJob, VidjobError

#: As promised: name, and the builtins it is a child of.
TREE: dict[str, tuple[str, type[BaseException]]] = {
    "ConfigurationError": ("VidjobError", ValueError),
    "InvalidRequest": ("VidjobError", ValueError),
    "APIError": ("VidjobError", Exception),
    "AuthenticationError": ("APIError", PermissionError),
    "PermissionDenied": ("APIError", PermissionError),
    "InsufficientBalance": ("APIError", Exception),
    "NotFound": ("APIError", LookupError),
    "BadRequest": ("APIError", ValueError),
    "RateLimited": ("APIError", Exception),
    "ServerError": ("APIError", Exception),
    "ConnectionFailed": ("VidjobError", ConnectionError),
    "RequestTimeout": ("VidjobError", TimeoutError),
    "InvalidResponse": ("VidjobError", Exception),
    "SubmitUnknown": ("VidjobError", ConnectionError),
    "JobFailed": ("VidjobError", Exception),
    "JobExpired": ("VidjobError", Exception),
    "JobBlocked": ("VidjobError", Exception),
    "WaitTimeout": ("VidjobError", TimeoutError),
    "DownloadError": ("VidjobError", OSError),
    "VideoUrlExpired": ("DownloadError", OSError),
    "UnsafeUrl": ("DownloadError", OSError),
    "NotAVideo": ("DownloadError", OSError),
    "IncompleteDownload": ("DownloadError", OSError),
    "JournalError": ("VidjobError", OSError),
    "AlreadyRunning": ("JournalError", OSError),
    "NotSubmitted": ("VidjobError", Exception),
    "TooLarge": ("DownloadError", OSError),
}

#: A value for every field that any of them has.
FIELDS: dict[str, Any] = {
    "request_id": "abc",
    "field": "prompt",
    "status_code": 503,
    "code": "internal",
    "retry_after": 1.5,
    "body": "the beginning",
    "job": VideoJob("abc", "failed", raw={"x": 1}),
    "errno": 28,
    "limit": "budget",
    "spent_usd": 1.75,
    "estimate_usd": 0.4,
}


def filled(name: str) -> VidjobError:
    cls: type[VidjobError] = getattr(vidjob, name)
    return cls("what went wrong", **{field: FIELDS[field] for field in cls._fields})


def test_every_error_is_exported() -> None:
    public = {getattr(vidjob, name) for name in vidjob.__all__}
    errors = {each.__name__ for each in public if isinstance(each, type) and issubclass(each, VidjobError)}
    assert errors == {"VidjobError", *TREE}


@pytest.mark.parametrize("name", TREE)
def test_parents(name: str) -> None:
    parent, builtin = TREE[name]
    cls = getattr(vidjob, name)
    assert issubclass(cls, getattr(vidjob, parent))
    assert issubclass(cls, builtin)
    assert cls.__doc__


@pytest.mark.parametrize("name", ["VidjobError", *TREE])
@pytest.mark.parametrize(
    "travel",
    [
        lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301
        lambda error: cloudpickle.loads(cloudpickle.dumps(error)),
        copy.copy,
        copy.deepcopy,
        lambda error: VidjobError.from_dict(error.to_dict()),
    ],
    ids=["pickle", "cloudpickle", "copy", "deepcopy", "dict"],
)
def test_errors_can_be_pickled(name: str, travel: Any) -> None:
    error = filled(name)
    arrived = travel(error)
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.message) == (str(error), "what went wrong")
    for field in error._fields:
        assert getattr(arrived, field) == FIELDS[field], field


def test_notes_survive_pickle() -> None:
    error = filled("WaitTimeout")
    vars(error)["__notes__"] = ["job abc goes on"]
    assert vars(pickle.loads(pickle.dumps(error)))["__notes__"] == ["job abc goes on"]  # noqa: S301


def test_an_unknown_error_type_becomes_a_vidjob_error() -> None:
    assert type(VidjobError.from_dict({"type": "OfTomorrow", "message": "no"})) is VidjobError


def test_a_text_names_the_job_once() -> None:
    error = filled("DownloadError")
    assert error.message == "what went wrong"
    assert str(error) == "what went wrong (job abc)", "a traceback alone is enough to find the job"
    assert repr(error) == "DownloadError('what went wrong')"
    assert str(vidjob.DownloadError("job abc is gone", request_id="abc")) == "job abc is gone"
