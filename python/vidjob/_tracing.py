"""Spans of OpenTelemetry for submit, wait and download, made of the events of a call."""

from __future__ import annotations

import os
import sys
from time import time_ns

from vidjob._native import is_terminal_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from opentelemetry.trace import Tracer

    from vidjob._native import VideoJob, VideoRequest

__all__ = ["BatchSpans", "CallSpans", "tracer"]

#: The variable by which instrumentations of generative services are allowed to record what was said.
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OPERATIONS = {"generate": "generate_video", "edit": "edit_video", "extend": "extend_video"}
_OUTPUTS = ("duration", "aspect_ratio", "resolution", "generate_audio")


def tracer() -> Tracer | None:
    """Who makes spans, or ``None`` when nobody collects them."""
    # A program that collects spans has imported the API, or names the provider that the API is to import.
    if "opentelemetry" not in sys.modules and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ:
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return None
    from vidjob._native import __version__

    return provider.get_tracer("vidjob", __version__)


class CallSpans:
    """The spans of one job: each is made when its phase is over.

    Args:
        tracer: Who makes spans.
        address: The service's host.
        phase: What the call begins with: ``submit``, ``wait`` or ``download``.
        last: What it ends with.
        request: What is asked for, if that is known.
        request_id: The job, if it is known.
        began: When, in nanoseconds since 1970. Default: now.
    """

    __slots__ = ("_address", "_began", "_bytes", "_job", "_last", "_phase", "_request", "_request_id", "_tracer")

    def __init__(
        self,
        tracer: Tracer,
        address: str,
        phase: str,
        last: str,
        request: VideoRequest | None = None,
        request_id: str | None = None,
        began: int | None = None,
    ) -> None:
        self._tracer = tracer
        self._address = address
        self._phase: str | None = phase
        self._last = last
        self._request = request
        self._request_id = request_id
        self._job: VideoJob | None = None
        self._bytes: int | None = None
        self._began = time_ns() if began is None else began

    def hears(self, event: Mapping[str, Any], job: VideoJob | None) -> None:
        """Takes note of an event."""
        kind = event["event"]
        if kind == "accepted":
            self._request_id = event["request_id"]
            self._over("submit", "wait")
        elif kind == "status":
            self._request_id, self._job = event["request_id"], job
            if self._phase == "submit":  # bought in an earlier run
                self._phase = "wait"
            if is_terminal_status(event["status"]):
                self._over("wait", "download", None if event["status"] == "done" else _code(event, job))
        elif kind == "download":
            self._bytes = event["received"]
            if self._phase in {"submit", "wait"}:
                self._phase = "download"

    def end(self, error: BaseException | None) -> None:
        """Ends what is under way, with what went wrong."""
        # A submit without an error or an acceptance is none: what there was to do had been done before.
        if self._phase is not None and (error is not None or self._phase != "submit"):
            self._over(self._phase, None, None if error is None else type(error).__qualname__)
        self._phase = None

    def _over(self, phase: str, following: str | None, error: str | None = None) -> None:
        if self._phase != phase:
            return
        now = time_ns()
        self._make(phase, now, error)
        self._phase = None if phase == self._last or error is not None else following
        self._began = now

    def _make(self, phase: str, ended: int, error: str | None) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        attributes = self._attributes(phase)
        if error is not None:
            attributes["error.type"] = error
        model = attributes.get("gen_ai.request.model")
        span = self._tracer.start_span(
            f"video.{phase} {model}" if model else f"video.{phase}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=self._began,
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def _attributes(self, phase: str) -> dict[str, Any]:
        request = self._request
        told: dict[str, Any] = {
            "gen_ai.operation.name": _OPERATIONS[request.operation] if request else None,
            "gen_ai.request.model": request.model if request else None,
            "gen_ai.provider.name": "xai",
            "server.address": self._address,
            "gen_ai.output.type": "video",
            "gen_ai.response.id": self._request_id,
        }
        if phase == "submit" and request is not None:
            told |= _asked(request)
        if phase == "wait" and self._job is not None:
            told |= _answered(self._job)
        if phase == "download":
            told["vidjob.download.bytes"] = self._bytes
        return {name: value for name, value in told.items() if value is not None}


class BatchSpans:
    """The spans of many jobs.

    Args:
        tracer: Who makes spans.
        address: The service's host.
    """

    def __init__(self, tracer: Tracer, address: str) -> None:
        self._tracer = tracer
        self._address = address
        self._requests: dict[str, VideoRequest] = {}
        self._calls: dict[str, CallSpans] = {}

    def begins(self, name: str, request: VideoRequest) -> None:
        """Takes note of what is asked for under a name."""
        self._requests[name] = request

    def hears(self, event: Mapping[str, Any], job: VideoJob | None) -> None:
        """Takes note of an event of one item."""
        name = event["id"]
        call = self._calls.get(name)
        if call is None:
            # The first event is the end of the first exchange.
            began = time_ns() - int(event.get("elapsed", 0.0) * 1e9)
            request = self._requests.get(name)
            call = CallSpans(self._tracer, self._address, "submit", "download", request, began=began)
            self._calls[name] = call
        call.hears(event, job)

    def ended(self, name: str, error: BaseException | None) -> None:
        """Ends the spans of one item."""
        self._requests.pop(name, None)
        call = self._calls.pop(name, None)
        if call is not None:
            call.end(error)


def _may_tell_content() -> bool:
    return os.environ.get(_CONTENT, "").lower() in {"true", "1"}


def _asked(request: VideoRequest) -> dict[str, Any]:
    told = {f"gen_ai.request.video.{name}": getattr(request, name) for name in _OUTPUTS}
    told["gen_ai.request.storage"] = True if request.storage_options is not None else None
    if _may_tell_content():
        told["gen_ai.prompt"] = request.prompt
    return told


def _answered(job: VideoJob) -> dict[str, Any]:
    video, usage = job.video, job.usage
    told: dict[str, Any] = {"gen_ai.response.model": job.model}
    if usage is not None:
        told["gen_ai.usage.cost_in_usd_ticks"] = usage.cost_in_usd_ticks
    if video is not None:
        told["gen_ai.response.0.video.respect_moderation"] = video.respect_moderation
        told["gen_ai.response.0.video.duration"] = video.duration
        if _may_tell_content() and video.url is not None:
            # What signs a link is as good as a key.
            told["gen_ai.response.0.video.url"] = video.url.partition("?")[0]
    return told


def _code(event: Mapping[str, Any], job: VideoJob | None) -> str:
    code = None if job is None or job.error is None else job.error.code
    return code or str(event["status"])
