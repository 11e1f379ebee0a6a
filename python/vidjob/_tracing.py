"""OpenTelemetry spans for submit, wait and download, made from the events of a call."""

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

#: The variable that allows instrumentations of generative services to record prompts and content.
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OPERATIONS = {"generate": "generate_video", "edit": "edit_video", "extend": "extend_video"}
_OUTPUTS = ("duration", "aspect_ratio", "resolution", "generate_audio")


def tracer() -> Tracer | None:
    """Returns the tracer, or ``None`` when spans are not collected."""
    # A program that collects spans has imported the API, or names the provider for it in this variable.
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
    """The spans of one job: each is made when its phase ends.

    Args:
        tracer: Makes spans.
        address: The service's host.
        phase: The first phase of the call: ``submit``, ``wait`` or ``download``.
        last: The last phase.
        request: The request, if it is known.
        request_id: The job, if it is known.
        began: Start of the first phase in nanoseconds since 1970. Default: now.
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

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None) -> None:
        """Records an event."""
        kind = event["event"]
        if kind == "accepted":
            self._request_id = event["request_id"]
            self._end_phase("submit", "wait")
        elif kind == "status":
            self._request_id, self._job = event["request_id"], job
            if self._phase == "submit":  # created by an earlier call
                self._phase = "wait"
            if is_terminal_status(event["status"]):
                self._end_phase("wait", "download", None if event["status"] == "done" else _code(event, job))
        elif kind == "download":
            self._bytes = event["received"]
            if self._phase in {"submit", "wait"}:
                self._phase = "download"

    def end(self, error: BaseException | None) -> None:
        """Ends the phase under way, with the error of the call."""
        # A submit phase without acceptance or error sent nothing: an earlier call had finished the work.
        if self._phase is not None and (error is not None or self._phase != "submit"):
            self._end_phase(self._phase, None, None if error is None else type(error).__qualname__)
        self._phase = None

    def _end_phase(self, phase: str, following: str | None, error: str | None = None) -> None:
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
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": _OPERATIONS[request.operation] if request else None,
            "gen_ai.request.model": request.model if request else None,
            "gen_ai.provider.name": "xai",
            "server.address": self._address,
            "gen_ai.output.type": "video",
            "gen_ai.response.id": self._request_id,
        }
        if phase == "submit" and request is not None:
            attributes |= _request_attributes(request)
        if phase == "wait" and self._job is not None:
            attributes |= _job_attributes(self._job)
        if phase == "download":
            attributes["vidjob.download.bytes"] = self._bytes
        return {name: value for name, value in attributes.items() if value is not None}


class BatchSpans:
    """The spans of many jobs.

    Args:
        tracer: Makes spans.
        address: The service's host.
    """

    def __init__(self, tracer: Tracer, address: str) -> None:
        self._tracer = tracer
        self._address = address
        self._requests: dict[str, VideoRequest] = {}
        self._calls: dict[str, CallSpans] = {}

    def on_item(self, name: str, request: VideoRequest) -> None:
        """Records the request of an item."""
        self._requests[name] = request

    def on_event(self, event: Mapping[str, Any], job: VideoJob | None) -> None:
        """Records an event of one item."""
        name = event["id"]
        call = self._calls.get(name)
        if call is None:
            # The first event comes at the end of the first exchange.
            began = time_ns() - int(event.get("elapsed", 0.0) * 1e9)
            request = self._requests.get(name)
            call = CallSpans(self._tracer, self._address, "submit", "download", request, began=began)
            self._calls[name] = call
        call.on_event(event, job)

    def on_result(self, name: str, error: BaseException | None) -> None:
        """Ends the spans of one item."""
        self._requests.pop(name, None)
        call = self._calls.pop(name, None)
        if call is not None:
            call.end(error)


def _records_content() -> bool:
    return os.environ.get(_CONTENT, "").lower() in {"true", "1"}


def _request_attributes(request: VideoRequest) -> dict[str, Any]:
    attributes = {f"gen_ai.request.video.{name}": getattr(request, name) for name in _OUTPUTS}
    attributes["gen_ai.request.storage"] = True if request.storage_options is not None else None
    if _records_content():
        attributes["gen_ai.prompt"] = request.prompt
    return attributes


def _job_attributes(job: VideoJob) -> dict[str, Any]:
    video, usage = job.video, job.usage
    attributes: dict[str, Any] = {"gen_ai.response.model": job.model}
    if usage is not None:
        attributes["gen_ai.usage.cost_in_usd_ticks"] = usage.cost_in_usd_ticks
    if video is not None:
        attributes["gen_ai.response.0.video.respect_moderation"] = video.respect_moderation
        attributes["gen_ai.response.0.video.duration"] = video.duration
        if _records_content() and video.url is not None:
            # The query has the link's signature, which is a secret.
            attributes["gen_ai.response.0.video.url"] = video.url.partition("?")[0]
    return attributes


def _code(event: Mapping[str, Any], job: VideoJob | None) -> str:
    code = None if job is None or job.error is None else job.error.code
    return code or str(event["status"])
