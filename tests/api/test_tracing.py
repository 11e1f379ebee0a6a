"""Spans: one for each of submit, wait and download, with the names that xai-sdk gives to attributes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from spans import Spans
from support import ApiMode, Run
from vidjob import BadRequest, JobFailed, NotAVideo, NotFound, Simulator, VideoClient, VideoRequest

trace = pytest.importorskip("opentelemetry.trace")

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def test_a_render_is_three_spans(api: ApiMode, client: VideoClient, spans: Spans, tmp_path: Path) -> None:
    tracer = trace.get_tracer_provider().get_tracer("test")
    with tracer.start_as_current_span("outer") as outer:
        made = api(
            client,
            "render",
            "a candle",
            tmp_path / "a.mp4",
            duration=5,
            aspect_ratio="1:1",
            resolution="720p",
            model="grok-imagine-video",
            poll_interval=0.05,
        )
    assert spans.names == [
        "video.submit grok-imagine-video",
        "video.wait grok-imagine-video",
        "video.download grok-imagine-video",
        "outer",
    ]
    assert {span.parent.span_id for span in spans.all[:3]} == {outer.get_span_context().span_id}
    times = [(span.start_time, span.end_time) for span in spans.all[:3]]
    assert times == sorted(times)
    assert [end for _start, end in times[:2]] == [start for start, _end in times[1:]]
    assert all(span.kind is trace.SpanKind.CLIENT and span.status.is_unset for span in spans.all[:3])
    common = {
        "gen_ai.operation.name": "generate_video",
        "gen_ai.request.model": "grok-imagine-video",
        "gen_ai.provider.name": "xai",
        "server.address": "127.0.0.1",
        "gen_ai.output.type": "video",
        "gen_ai.response.id": made.job.request_id,
    }
    asked = {"duration": 5, "aspect_ratio": "1:1", "resolution": "720p"}
    assert spans.attributes("video.submit") == {
        **common,
        **{f"gen_ai.request.video.{name}": value for name, value in asked.items()},
    }
    assert spans.attributes("video.wait") == {
        **common,
        "gen_ai.response.model": made.job.model,
        "gen_ai.usage.cost_in_usd_ticks": made.job.usage.cost_in_usd_ticks,
        "gen_ai.response.0.video.respect_moderation": True,
        "gen_ai.response.0.video.duration": made.job.video.duration,
    }
    assert spans.attributes("video.download") == {**common, "vidjob.download.bytes": made.bytes}


def test_spans_of_single_verbs(api: ApiMode, client: VideoClient, spans: Spans, tmp_path: Path) -> None:
    job = api(client, "generate", "a candle")
    assert spans.names == ["video.submit"]
    api(client, "get", job)
    done = api(client, "wait", job, poll_interval=0.05)
    api(client, "download", done, tmp_path / "a.mp4")
    assert spans.names == ["video.submit", "video.wait", "video.download"]
    assert {spans.attributes(name)["gen_ai.response.id"] for name in spans.names} == {job.request_id}
    edited = api(client, "edit", VideoRequest("snow", operation="edit", video=done))
    assert spans.all[-1].attributes["gen_ai.operation.name"] == "edit_video"
    assert spans.all[-1].attributes["gen_ai.response.id"] == edited.request_id


def test_a_resumed_render_has_no_submit_span(
    api: ApiMode, client: VideoClient, simulator: Simulator, spans: Spans, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    simulator.inject("wrong_type", on="download")
    with pytest.raises(NotAVideo):
        api(client, "render", "a candle", path, poll_interval=0.05)
    assert spans.names == ["video.submit", "video.wait", "video.download"]
    assert spans.all[2].attributes["error.type"] == "NotAVideo"
    before = len(spans.all)
    assert api(client, "render", "a candle", path, poll_interval=0.05).ok
    assert "video.submit" not in spans.names[before:]
    before = len(spans.all)
    assert api(client, "render", "a candle", path, poll_interval=0.05).ok
    assert spans.names[before:] == []


def test_errors(api: ApiMode, client: VideoClient, simulator: Simulator, spans: Spans) -> None:
    simulator.respond("create", status=400, body='{"error": "not this: a candle"}')
    with pytest.raises(BadRequest):
        api(client, "generate", "a candle")
    simulator.inject("job_fails", on="create")
    job = api(client, "generate", "a candle")
    with pytest.raises(JobFailed) as failed:
        api(client, "wait", job, poll_interval=0.05)
    with pytest.raises(NotFound):
        api(client, "wait", "unknown-job")
    told = [(span.name, span.attributes.get("error.type"), span.status.status_code.name) for span in spans.all]
    code = failed.value.job.error.code or "failed"  # type: ignore[union-attr]
    assert told == [
        ("video.submit", "BadRequest", "ERROR"),
        ("video.submit", None, "UNSET"),
        ("video.wait", code, "ERROR"),
        ("video.wait", "NotFound", "ERROR"),
    ]
    assert "a candle" not in "".join(span.to_json() for span in spans.all)


def test_a_batch(api: ApiMode, client: VideoClient, spans: Spans, tmp_path: Path) -> None:
    rows = [{"id": name, "prompt": name, "duration": 3} for name in ("a", "b", "c")]

    async def collect() -> None:
        async for result in client.render_many_async(rows, tmp_path, poll_interval=0.05):
            assert result.ok

    if api.name == "blocking":
        assert all(result.ok for result in client.render_many(rows, tmp_path, poll_interval=0.05))
    else:
        asyncio.run(collect())
    assert sorted(spans.names) == ["video.download"] * 3 + ["video.submit"] * 3 + ["video.wait"] * 3
    assert len({span.attributes["gen_ai.response.id"] for span in spans.all}) == 3
    assert all(span.start_time <= span.end_time for span in spans.all)


@pytest.mark.parametrize("asked", [False, True])
def test_spans_hold_prompts_and_links_only_on_request(
    api: ApiMode, client: VideoClient, spans: Spans, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, asked: bool
) -> None:
    if asked:
        monkeypatch.setenv(CONTENT, "true")
    job = api(client, "render", "a secret candle", tmp_path / "a.mp4", poll_interval=0.05).job
    everything = "".join(span.to_json() for span in spans.all)
    assert ("a secret candle" in everything) is asked
    link, _, query = job.video.url.partition("?")
    assert (link in everything) is asked
    assert not query or query not in everything
    if asked:
        assert spans.attributes("video.submit")["gen_ai.prompt"] == "a secret candle"
        assert spans.attributes("video.wait")["gen_ai.response.0.video.url"] == link


def test_no_spans_without_opentelemetry(run_python: Run) -> None:
    program = """
import sys
from vidjob import Simulator
with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
    client.wait(client.generate("a"), poll_interval=0.05)
    assert "opentelemetry" not in sys.modules
    import opentelemetry.trace
    client.wait(client.generate("a"), poll_interval=0.05)
    assert "opentelemetry.sdk" not in sys.modules
"""
    result = run_python(program)
    assert (result.returncode, result.stderr) == (0, "")


def test_tracer_provider_from_the_environment(run_python: Run) -> None:
    program = """
from vidjob import Simulator, _tracing
with Simulator(render_seconds=0.1) as simulator, simulator.client() as client:
    client.wait(client.generate("a"), poll_interval=0.05)
    print(type(_tracing.tracer()).__module__)
"""
    result = run_python(program, env={"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"})
    assert result.stdout == "opentelemetry.sdk.trace\n"
