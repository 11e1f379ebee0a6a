"""Who hears of events during a call, and what an interrupted call leaves behind as a note."""

from __future__ import annotations

from vidjob._errors import VidjobError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, TypeAlias

    from typing_extensions import Self

    from vidjob._native import Video, VideoJob

    Event: TypeAlias = Mapping[str, Any]
    Hook: TypeAlias = Callable[[Event, "VideoJob | None"], object]

__all__ = ["Trace", "listener"]


def listener(on_event: Callable[[Event], object] | None, *hooks: Hook | None) -> Hook | None:
    """One callable for all who listen, or nobody: then the core does not even make the events.

    It runs in the context of the caller, so that context variables are the caller's own.
    """
    heard = [hook for hook in hooks if hook is not None]
    if on_event is None and not heard:
        return None

    from contextvars import copy_context

    def tell(event: Event, job: VideoJob | None) -> None:
        if on_event is not None:
            _observe(on_event, event)
        for hook in heard:
            hook(event, job)

    context = copy_context()
    return lambda event, job: context.run(tell, event, job)


def _observe(observer: Callable[[Event], object], event: Event) -> None:
    try:
        observer(event)
    except Exception:
        # An observer's mistake must not cost a paid render.
        import logging

        logging.getLogger("vidjob").exception("a callback failed")


class Trace:
    """Remembers which job a call is about, and says so when the call is interrupted."""

    __slots__ = ("_bar", "_creating", "_request_id")

    def __init__(self, job: VideoJob | Video | str | None) -> None:
        self._request_id: str | None = job if isinstance(job, str) else getattr(job, "request_id", None)
        self._creating = False
        self._bar: Any = None

    @classmethod
    def of_create(cls) -> Self:
        """The trace of a call that begins with a create."""
        trace = cls(None)
        trace._creating = True
        return trace

    def hears(self, event: Event, _job: VideoJob | None) -> None:
        """The hook that learns the id of a job just created."""
        if event["event"] == "accepted":
            self._request_id = event["request_id"]

    @staticmethod
    def updates(on_update: Callable[[VideoJob], object] | None) -> Hook | None:
        """The hook behind ``on_update``."""
        if on_update is None:
            return None

        def update(event: Event, job: VideoJob | None) -> None:
            if event["event"] == "status" and job is not None:
                on_update(job)

        return update

    def shows(self, progress: bool | Callable[[Event], object] | None) -> Hook | None:  # noqa: FBT001
        """The hook behind ``progress``."""
        if progress is None or progress is False:
            return None
        if progress is True:
            from vidjob.progress import Bar

            self._bar = bar = Bar()
            return bar.hears
        return self.observes(progress)

    @staticmethod
    def observes(observer: bool | Callable[[Event], object] | None) -> Hook | None:  # noqa: FBT001 - what ``progress`` takes
        """The hook behind a callable, which must not cost a render."""
        if not callable(observer):
            return None
        return lambda event, _job: _observe(observer, event)

    def close(self) -> None:
        """Ends what is shown."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        # Errors of vidjob name the job themselves; all others, Ctrl-C among them, leave it running unnamed.
        if error is not None and not isinstance(error, (VidjobError, GeneratorExit)):
            _add_note(error, self._note())

    def _note(self) -> str | None:
        if self._request_id is not None:
            return f"job {self._request_id} goes on; client.wait({self._request_id!r}) follows it again"
        if self._creating:
            return "a create may have been on its way: a job may exist and be billed"
        return None


def _add_note(error: BaseException, note: str | None) -> None:
    if note is not None and hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(note)
