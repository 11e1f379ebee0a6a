"""Calls, which can be run or awaited, and the methods of the client that make them.

Each verb is written once, as a plan: a private method ``_verb`` that returns a ``Call[T]``. ``blocking(plan)`` makes
the blocking method ``verb`` of it, and ``awaitable(plan)`` the coroutine method ``verb_async``.
"""

from __future__ import annotations

from types import FunctionType

from vidjob._hints import with_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
    from pathlib import Path
    from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

    from vidjob._arguments import RequestDraft
    from vidjob._batch.batch import AsyncBatch, Batch, BatchParts
    from vidjob._native import Client, Download, Video, VideoJob, VideoRequest, Watch
    from vidjob._observers import CallObserver, Listener
    from vidjob._options import DownloadOptions, WaitOptions
    from vidjob._values import JobRecord, RenderResult
    from vidjob.types import OnUnknown

    B = TypeVar("B")
    A = TypeVar("A")
    C = TypeVar("C")
    P = ParamSpec("P")
    T = TypeVar("T")
    T_co = TypeVar("T_co", covariant=True)

    class Create(Protocol[T_co]):
        """A create of the compiled part."""

        def __call__(self, request: VideoRequest, /, *, listener: Listener | None) -> T_co: ...

else:
    A, B, T = "A", "B", "T"

    class Generic:
        """Stands in for typing's, which takes longer to import than all of vidjob."""

        __slots__ = ()

        def __class_getitem__(cls, _types: object) -> type:
            return cls


__all__ = [
    "BatchStream",
    "Call",
    "CreateCall",
    "DownloadCall",
    "GetCall",
    "JobsCall",
    "RenderCall",
    "Stream",
    "WaitCall",
    "WatchStream",
    "async_iterating",
    "awaitable",
    "blocking",
    "constructor",
    "iterating",
    "method",
]


# ---- methods made of plans --------------------------------------------------------------------


def blocking(plan: Callable[Concatenate[C, P], Call[T]]) -> Callable[Concatenate[C, P], T]:
    """Makes the blocking method of a plan."""
    prepare = _renamed(plan, "", "Call[", "]")
    check = _keyword_check(prepare)

    def method(client: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if kwargs:
            check(kwargs)
        return prepare(client, *args, **kwargs).run()

    return _disguised(method, prepare)


def awaitable(plan: Callable[Concatenate[C, P], Call[T]]) -> Callable[Concatenate[C, P], Coroutine[Any, Any, T]]:
    """Makes the coroutine method of a plan."""
    prepare = _renamed(plan, "_async", "Call[", "]")
    check = _keyword_check(prepare)

    async def method(client: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if kwargs:
            check(kwargs)
        return await prepare(client, *args, **kwargs).run_async()

    return _disguised(method, prepare)


def iterating(plan: Callable[Concatenate[C, P], Stream[B, A]]) -> Callable[Concatenate[C, P], B]:
    """Makes the method of a plan that returns an iterator."""
    prepare = _renamed(plan, "", "Stream[", ", ")
    check = _keyword_check(prepare)

    def method(client: C, /, *args: P.args, **kwargs: P.kwargs) -> B:
        if kwargs:
            check(kwargs)
        return prepare(client, *args, **kwargs).open()

    return _disguised(method, prepare)


def async_iterating(plan: Callable[Concatenate[C, P], Stream[B, A]]) -> Callable[Concatenate[C, P], A]:
    """Makes the method of a plan that returns an async iterator."""
    prepare = _renamed(plan, "_async", ", ", "]")
    check = _keyword_check(prepare)

    def method(client: C, /, *args: P.args, **kwargs: P.kwargs) -> A:
        if kwargs:
            check(kwargs)
        return prepare(client, *args, **kwargs).open_async()

    return _disguised(method, prepare)


def method(function: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
    """Makes a method refuse keywords that it does not have by an error that suggests the right one."""
    check = _keyword_check(function)

    def checked(client: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if kwargs:
            check(kwargs)
        return function(client, *args, **kwargs)

    return _disguised(checked, function)


def constructor(function: Callable[Concatenate[C, P], None]) -> Callable[Concatenate[C, P], None]:
    """Makes an ``__init__`` refuse keywords as `method` does, with a ``ConfigurationError``."""
    check = _keyword_check(function)

    def checked(client: C, /, *args: P.args, **kwargs: P.kwargs) -> None:
        from vidjob._errors import ConfigurationError, InvalidRequest

        try:
            check(kwargs)
        except InvalidRequest as error:
            raise ConfigurationError(error.message) from None
        function(client, *args, **kwargs)

    return _disguised(checked, function)


def _keyword_check(function: Callable[..., object]) -> Callable[[Mapping[str, object]], None]:
    """Returns a function that refuses keywords that a method does not have."""
    code = function.__code__
    # Without `self`.
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    names = frozenset(known)

    def check(keywords: Mapping[str, object]) -> None:
        if names.issuperset(keywords):
            return
        from vidjob._checks import unknown_keyword

        name = next(keyword for keyword in keywords if keyword not in names)
        raise unknown_keyword(function.__qualname__.removesuffix(".__init__"), name, known)

    return check


def _renamed(plan: Callable[P, T], suffix: str, before: str, after: str) -> Callable[P, T]:
    """Copies a plan under its public name, so that signatures and errors about arguments show it.

    Args:
        plan: A method named ``_verb``.
        suffix: Follows the name.
        before: Stands before the public return type in the plan's annotation.
        after: Stands after it.
    """
    assert isinstance(plan, FunctionType)  # noqa: S101 - plans are methods
    name = plan.__name__[1:]
    copy = FunctionType(plan.__code__, plan.__globals__, name + suffix, plan.__defaults__, plan.__closure__)
    copy.__kwdefaults__ = plan.__kwdefaults__
    copy.__module__ = plan.__module__
    copy.__qualname__ = plan.__qualname__.removesuffix(plan.__name__) + name + suffix
    copy.__doc__ = f"Async version of `{name}`, with the same arguments." if suffix else plan.__doc__
    returned = plan.__annotations__["return"].partition(before)[2].rpartition(after)[0]
    copy.__annotations__ = {**plan.__annotations__, "return": returned}
    return copy


def _disguised(method: Callable[P, T], prepare: Callable[..., object]) -> Callable[P, T]:
    """Gives a method the name, docstring and signature of its plan, as ``functools.wraps`` does."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(method, name, getattr(prepare, name))
    method.__wrapped__ = with_names(prepare)  # type: ignore[attr-defined]
    return method


# ---- calls ------------------------------------------------------------------------------------


class Call(Generic[T]):
    """A verb with its arguments."""

    __slots__ = ()

    def run(self) -> T:
        """Runs the call, and returns its result."""
        raise NotImplementedError

    async def run_async(self) -> T:
        """Runs the call on the event loop, and returns its result."""
        raise NotImplementedError


class GetCall(Call["VideoJob"]):
    """Polls a job once."""

    __slots__ = ("_job", "_listener", "_native")

    def __init__(self, native: Client, job: VideoJob | str, listener: Listener | None) -> None:
        self._native = native
        self._job = job
        self._listener = listener

    def run(self) -> VideoJob:
        return self._native.get(self._job, listener=self._listener)

    async def run_async(self) -> VideoJob:
        return await self._native.get_async(self._job, listener=self._listener)


class WaitCall(Call["VideoJob"]):
    """Waits for a job."""

    __slots__ = ("_job", "_native", "_observer", "_options")

    def __init__(self, native: Client, job: VideoJob | str, options: WaitOptions, observer: CallObserver) -> None:
        self._native = native
        self._job = job
        self._options = options
        self._observer = observer

    def run(self) -> VideoJob:
        with self._observer as observer:
            return self._native.wait(self._job, self._options, listener=observer.listener)

    async def run_async(self) -> VideoJob:
        with self._observer as observer:
            return await self._native.wait_async(self._job, self._options, listener=observer.listener)


class CreateCall(Call["VideoJob"]):
    """Creates a job."""

    __slots__ = ("_create", "_create_async", "_draft", "_observe")

    def __init__(
        self,
        draft: RequestDraft,
        observe: Callable[[VideoRequest], CallObserver],
        create: Create[VideoJob],
        create_async: Create[Awaitable[VideoJob]],
    ) -> None:
        self._draft = draft
        self._observe = observe
        self._create = create
        self._create_async = create_async

    def run(self) -> VideoJob:
        request = self._draft.build()
        with self._observe(request) as observer:
            return self._create(request, listener=observer.listener)

    async def run_async(self) -> VideoJob:
        request = await self._draft.build_async()
        with self._observe(request) as observer:
            return await self._create_async(request, listener=observer.listener)


class DownloadCall(Call["Download"]):
    """Downloads a file."""

    __slots__ = ("_native", "_observer", "_options", "_source")

    def __init__(
        self, native: Client, source: VideoJob | Video | str, options: DownloadOptions, observer: CallObserver
    ) -> None:
        self._native = native
        self._source = source
        self._options = options
        self._observer = observer

    def run(self) -> Download:
        with self._observer as observer:
            saved = self._native.download(self._source, self._options, listener=observer.listener)
        return self._options.as_given(saved)

    async def run_async(self) -> Download:
        with self._observer as observer:
            saved = await self._native.download_async(self._source, self._options, listener=observer.listener)
        return self._options.as_given(saved)


class RenderCall(Call["RenderResult"]):
    """Creates a job, waits for it and downloads its file."""

    __slots__ = ("_download", "_draft", "_native", "_observe", "_on_unknown", "_wait")

    def __init__(
        self,
        native: Client,
        draft: RequestDraft,
        wait: WaitOptions,
        download: DownloadOptions,
        on_unknown: OnUnknown,
        observe: Callable[[VideoRequest], CallObserver],
    ) -> None:
        self._native = native
        self._draft = draft
        self._wait = wait
        self._download = download
        self._on_unknown = on_unknown
        self._observe = observe

    def run(self) -> RenderResult:
        request = self._draft.build()
        with self._observe(request) as observer:
            rendered = self._native.render(
                request, self._wait, self._download, self._on_unknown, listener=observer.listener
            )
        return self._result(*rendered)

    async def run_async(self) -> RenderResult:
        request = await self._draft.build_async()
        with self._observe(request) as observer:
            rendered = await self._native.render_async(
                request, self._wait, self._download, self._on_unknown, listener=observer.listener
            )
        return self._result(*rendered)

    def _result(self, job: VideoJob, saved: Download, resumed: bool, bought: bool, warning: str | None) -> RenderResult:  # noqa: FBT001 - of the compiled part
        from vidjob._log import warn_of_implausible_cost
        from vidjob._observers import call_safely
        from vidjob._values import RenderResult

        warn_of_implausible_cost(job)
        if warning is not None:
            from warnings import warn

            call_safely("a warning failed", warn, warning, RuntimeWarning)
        file = self._download.as_given(saved)
        return RenderResult(job.request_id, job, file.path, file.sha256, file.bytes, resumed=resumed, bought=bought)


class JobsCall(Call["list[JobRecord]"]):
    """Reads a journal."""

    __slots__ = ("_folder",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self) -> list[JobRecord]:
        from vidjob._native import read_journal
        from vidjob._values import JobRecord

        records, damage = read_journal(self._folder)
        if damage:
            from warnings import warn

            from vidjob._journal import damage_warnings

            for warning in damage_warnings(damage):
                warn(warning, RuntimeWarning, stacklevel=3)
        return [JobRecord.from_native(record) for record in records]

    async def run_async(self) -> list[JobRecord]:
        from asyncio import to_thread

        return await to_thread(self.run)


# ---- iterators --------------------------------------------------------------------------------


class Stream(Generic[B, A]):
    """A verb with its arguments, whose results are iterated over."""

    __slots__ = ()

    def open(self) -> B:
        """Returns an iterator."""
        raise NotImplementedError

    def open_async(self) -> A:
        """Returns an async iterator."""
        raise NotImplementedError


class WatchStream(Stream["Iterator[VideoJob]", "AsyncIterator[VideoJob]"]):
    """The snapshots of a job."""

    __slots__ = ("_job", "_listener", "_watch")

    def __init__(self, watch: Watch, job: VideoJob | str, listener: Callable[[], Listener | None]) -> None:
        self._watch = watch
        self._job = job
        self._listener = listener

    def open(self) -> Iterator[VideoJob]:
        from vidjob._observers import CallObserver

        with CallObserver(self._job, None):
            while (snapshot := self._watch.next(listener=self._listener())) is not None:
                yield snapshot

    async def open_async(self) -> AsyncIterator[VideoJob]:
        from vidjob._observers import CallObserver

        with CallObserver(self._job, None):
            while (snapshot := await self._watch.next_async(listener=self._listener())) is not None:
                yield snapshot


class BatchStream(Stream["Batch", "AsyncBatch"]):
    """The results of a batch."""

    __slots__ = ("_parts",)

    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts

    def open(self) -> Batch:
        from vidjob._batch.batch import Batch

        return Batch(self._parts)

    def open_async(self) -> AsyncBatch:
        from vidjob._batch.batch import AsyncBatch

        return AsyncBatch(self._parts)
