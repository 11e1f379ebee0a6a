"""Who hears of events during a call, and what an interrupted call leaves behind as a note."""

from __future__ import annotations

from vidjob import _log
from vidjob._errors import VidjobError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, TypeAlias

    from typing_extensions import Self

    from vidjob._native import Video, VideoJob
    from vidjob._tracing import CallSpans
    from vidjob._values import RenderResult
    from vidjob.progress import Display

    Event: TypeAlias = Mapping[str, Any]
    Hook: TypeAlias = Callable[[Event, "VideoJob | None"], object]

__all__ = ["Listener", "Trace", "close", "interrupted", "listener", "observe"]


class Listener:
    """What the compiled part calls with each event of a call, on the caller's thread or event loop.

    Args:
        hooks: Who hears of each event. What they raise ends the call.
        display: Who shows it, and hears of the time as well. What it raises ends the showing.
    """

    __slots__ = ("_context", "_display", "_hooks", "wants_ticks")

    def __init__(self, hooks: list[Hook], display: Display | None) -> None:
        from contextvars import copy_context

        self._hooks = hooks
        self._display = display
        # Context variables are the caller's own.
        self._context = copy_context()
        self.wants_ticks = display is not None

    def __call__(self, event: Event, job: VideoJob | None) -> None:
        self._context.run(self._tell, event, job)

    def ended(self, result: RenderResult) -> None:
        """Shows the end of one item of a batch."""
        if self._display is not None:
            self._show(self._display.ended, result)

    def _tell(self, event: Event, job: VideoJob | None) -> None:
        display = self._display
        if event["event"] == "tick":
            if display is not None:
                self._show(display.tick)
            return
        for hook in self._hooks:
            hook(event, job)
        if display is not None:
            self._show(display.hears, event, job)

    def _show(self, show: Callable[..., object], *args: object) -> None:
        if not is_harmless("progress cannot be shown", show, *args):
            self._display = None


def listener(
    on_event: Callable[[Event], object] | None, *hooks: Hook | None, display: Display | None = None
) -> Listener | None:
    """One callable for all who listen, or nobody: then the core does not even make the events."""
    logs = _log.hook()
    if logs is None and on_event is None and display is None and not hooks:
        return None
    heard = [hook for hook in (logs, _observed(on_event), *hooks) if hook is not None]
    return Listener(heard, display) if heard or display is not None else None


def _observed(observer: Callable[[Event], object] | None) -> Hook | None:
    if observer is None:
        return None

    return lambda event, _job: observe(observer, event)


def observe(observer: Callable[[Event], object], event: Event) -> None:
    """Tells an observer."""
    is_harmless("a callback failed", observer, event)


def is_harmless(words: str, call: Callable[..., object], *args: object) -> bool:
    """Calls somebody whose mistake must not cost a paid render: it is logged; gives whether there was none."""
    try:
        call(*args)
    except Exception:
        import logging

        logging.getLogger("vidjob").exception(words)
        return False
    return True


class Trace:
    """Follows one call: tells those who listen, and says which job is left when the call is interrupted.

    Args:
        job: The job that the call is about; ``None`` when it begins with a create.
        on_event: The client's observer.
        on_update: Is given each changed snapshot.
        progress: What the caller wants to be shown.
        spans: Who makes spans of it.
    """

    __slots__ = ("_display", "_is_create", "_request_id", "_spans", "listener")

    def __init__(
        self,
        job: VideoJob | Video | str | None,
        on_event: Callable[[Event], object] | None,
        *,
        on_update: Callable[[VideoJob], object] | None = None,
        progress: object = None,
        spans: CallSpans | None = None,
    ) -> None:
        self._is_create = job is None
        self._request_id: str | None = job if isinstance(job, str) else getattr(job, "request_id", None)
        self._spans = spans
        self._display = _display(progress)
        self.listener = listener(
            on_event,
            self._hears if self._is_create else None,
            _updates(on_update),
            None if spans is None else spans.hears,
            display=self._display,
        )

    def _hears(self, event: Event, _job: VideoJob | None) -> None:
        if event["event"] == "accepted":
            self._request_id = event["request_id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            close(self._display)
        if self._spans is not None:
            self._spans.end(error)
        # Errors of vidjob name the job themselves; all others, Ctrl-C among them, leave it running unnamed.
        if error is None or isinstance(error, (VidjobError, GeneratorExit)):
            return
        if self._request_id is not None:
            # A handler gets the job without parsing the text.
            _name_job(error, self._request_id)
        note = self._note()
        if note is not None:
            _add_note(error, note)
            interrupted(error, note)

    def _note(self) -> str | None:
        if self._request_id is not None:
            return f"job {self._request_id} goes on; client.wait({self._request_id!r}) follows it again"
        if self._is_create:
            return "a create may have been on its way: a job may exist and be billed"
        return None


def interrupted(error: BaseException, line: str) -> bool:
    """Says below a notebook's cell what an interrupt has let go of; gives whether it was one."""
    from asyncio import CancelledError

    from vidjob import _kernel

    if not isinstance(error, (KeyboardInterrupt, CancelledError)) or not _kernel.is_here():
        return False
    if isinstance(error, KeyboardInterrupt):
        _kernel.say(line)
    else:
        _kernel.say_soon(line)
    return True


def _updates(on_update: Callable[[VideoJob], object] | None) -> Hook | None:
    if on_update is None:
        return None

    def update(event: Event, job: VideoJob | None) -> None:
        if event["event"] == "status" and job is not None:
            on_update(job)

    return update


def _display(progress: object) -> Display | None:
    if progress is None or progress is False:
        return None
    from vidjob._bars import shown

    return shown(progress)


def close(display: Display) -> None:
    """Ends what is shown."""
    is_harmless("progress cannot be shown", display.close)


def _name_job(error: BaseException, request_id: str) -> None:
    try:
        error.request_id = request_id  # type: ignore[attr-defined]
    except AttributeError:  # one with slots
        return


def _add_note(error: BaseException, note: str) -> None:
    if hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(note)
