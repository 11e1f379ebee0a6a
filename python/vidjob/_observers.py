"""Delivers the events of a call to the log, callbacks, spans and displays, and adds the job to its exceptions."""

from __future__ import annotations

from vidjob import _log
from vidjob._errors import VidjobError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    from typing_extensions import Self

    from vidjob._native import Video, VideoJob
    from vidjob._progress.display import Display
    from vidjob._tracing import CallSpans
    from vidjob._values import RenderResult
    from vidjob.types import Event, EventCallback

    Hook: TypeAlias = Callable[[Event, "VideoJob | None"], object]

__all__ = ["CallObserver", "Listener", "call_safely", "close_display", "event_listener", "notify", "report_interrupt"]


class Listener:
    """Receives each event of a call from the compiled part, on the caller's thread or event loop.

    Args:
        hooks: Called with each event. An exception of theirs ends the call.
        display: Shows the events and the time. An exception of it ends the display only.
    """

    __slots__ = ("_context", "_display", "_hooks", "wants_ticks")

    def __init__(self, hooks: list[Hook], display: Display | None) -> None:
        from contextvars import copy_context

        self._hooks = hooks
        self._display = display
        # Hooks see the caller's context variables.
        self._context = copy_context()
        self.wants_ticks = display is not None

    def __call__(self, event: Event, job: VideoJob | None) -> None:
        self._context.run(self._dispatch, event, job)

    def on_result(self, result: RenderResult) -> None:
        """Shows the result of one item of a batch."""
        if self._display is not None:
            self._show(self._display.on_result, result)

    def _dispatch(self, event: Event, job: VideoJob | None) -> None:
        display = self._display
        if event["event"] == "tick":
            if display is not None:
                self._show(display.tick)
            return
        for hook in self._hooks:
            hook(event, job)
        if display is not None:
            self._show(display.on_event, event, job)

    def _show(self, show: Callable[..., object], *args: object) -> None:
        if not call_safely("progress cannot be shown", show, *args):
            self._display = None


def event_listener(
    on_event: EventCallback | None, *hooks: Hook | None, display: Display | None = None
) -> Listener | None:
    """Returns one listener for all receivers, or ``None``: then the compiled part makes no events."""
    log_hook = _log.hook()
    if log_hook is None and on_event is None and display is None and not hooks:
        return None
    present = [hook for hook in (log_hook, _callback_hook(on_event), *hooks) if hook is not None]
    return Listener(present, display) if present or display is not None else None


def _callback_hook(callback: EventCallback | None) -> Hook | None:
    if callback is None:
        return None

    return lambda event, _job: notify(callback, event)


def notify(callback: EventCallback, event: Event) -> None:
    """Calls a callback with an event; an exception is logged."""
    call_safely("a callback failed", callback, event)


def call_safely(message: str, call: Callable[..., object], *args: object) -> bool:
    """Calls code whose exception must not lose a paid job: it is logged.

    Returns:
        Whether the call succeeded.
    """
    try:
        call(*args)
    except Exception:
        import logging

        logging.getLogger("vidjob").exception(message)
        return False
    return True


class CallObserver:
    """Observes one call: delivers its events, and adds the job to an exception that interrupts it.

    Args:
        job: The job of the call; ``None`` when the call begins with a create.
        on_event: The client's callback.
        on_update: Called with each changed snapshot.
        display: Shows progress.
        spans: Makes spans.
    """

    __slots__ = ("_display", "_is_create", "_request_id", "_spans", "listener")

    def __init__(
        self,
        job: VideoJob | Video | str | None,
        on_event: EventCallback | None,
        *,
        on_update: Callable[[VideoJob], object] | None = None,
        display: Display | None = None,
        spans: CallSpans | None = None,
    ) -> None:
        self._is_create = job is None
        self._request_id: str | None = job if isinstance(job, str) else getattr(job, "request_id", None)
        self._spans = spans
        self._display = display
        self.listener = event_listener(
            on_event,
            self._on_event if self._is_create else None,
            _update_hook(on_update),
            None if spans is None else spans.on_event,
            display=display,
        )

    def _on_event(self, event: Event, _job: VideoJob | None) -> None:
        if event["event"] == "accepted":
            self._request_id = event["request_id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            close_display(self._display)
        if self._spans is not None:
            self._spans.end(error)
        # vidjob's own errors name the job; all others, such as KeyboardInterrupt, do not.
        if error is None or isinstance(error, (VidjobError, GeneratorExit)):
            return
        if self._request_id is not None:
            _set_request_id(error, self._request_id)
        note = self._note()
        if note is not None:
            _add_note(error, note)
            report_interrupt(error, note)

    def _note(self) -> str | None:
        if self._request_id is not None:
            return f"job {self._request_id} is still running; client.wait({self._request_id!r}) waits for it"
        if self._is_create:
            return "a create may have been sent: a job may exist and be billed"
        return None


def report_interrupt(error: BaseException, line: str) -> bool:
    """Prints a line below a notebook's cell that was interrupted.

    Returns:
        Whether the error is an interrupt in a notebook.
    """
    from asyncio import CancelledError

    from vidjob._notebook import jupyter

    if not isinstance(error, (KeyboardInterrupt, CancelledError)) or not jupyter.is_kernel():
        return False
    if isinstance(error, KeyboardInterrupt):
        jupyter.print_line(line)
    else:
        jupyter.print_line_soon(line)
    return True


def _update_hook(on_update: Callable[[VideoJob], object] | None) -> Hook | None:
    if on_update is None:
        return None

    def update(event: Event, job: VideoJob | None) -> None:
        if event["event"] == "status" and job is not None:
            on_update(job)

    return update


def close_display(display: Display) -> None:
    """Closes a display; an exception is logged."""
    call_safely("progress cannot be shown", display.close)


def _set_request_id(error: BaseException, request_id: str) -> None:
    try:
        error.request_id = request_id  # type: ignore[attr-defined]
    except AttributeError:  # an exception with slots
        return


def _add_note(error: BaseException, note: str) -> None:
    if hasattr(error, "add_note"):  # Python 3.11 and later
        error.add_note(note)
