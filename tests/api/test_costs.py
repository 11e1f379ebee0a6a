"""Costs that cannot be right: they are shown as reported, counted in full, and never open a budget."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode
from vidjob import RenderResult, Simulator, VideoClient

LARGEST = 2**63 - 1


def many(api: ApiMode, client: VideoClient, *args: Any, **kwargs: Any) -> list[RenderResult]:
    """All results of one call, by either API."""
    kwargs = {"poll_interval": 0.02, **kwargs}
    if api.name == "blocking":
        return list(client.render_many(*args, **kwargs))

    async def run() -> list[RenderResult]:
        return [result async for result in client.render_many_async(*args, **kwargs)]

    return asyncio.run(run())


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"id": name, "prompt": f"take {name}", "duration": 1} for name in names]


def bill(simulator: Simulator, ticks: object) -> None:
    """The next job that is asked after has failed, and cost this."""
    failed = {"status": "failed", "error": "no luck", "usage": {"cost_in_usd_ticks": ticks}}
    simulator.respond("get", body=json.dumps(failed))


@pytest.mark.parametrize(
    "costs", [(LARGEST, LARGEST), (2**62, 2**62), (LARGEST, 1), (2**63, 2**63), (10**30, "1" + "0" * 30)]
)
def test_a_budget_buys_nothing_once_absurd_costs_are_counted(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, costs: tuple[object, object]
) -> None:
    for cost in costs:
        bill(simulator, cost)
    many(api, client, rows("a", "b"), tmp_path, concurrency=2)
    assert len(simulator.accepted) == 2
    results = many(api, client, rows("a", "b", "c"), tmp_path, max_cost_usd=1)
    assert len(simulator.accepted) == 2, "nothing more is bought"
    errors = {result.id: result.error for result in results}
    assert isinstance(errors["c"], vidjob.NotSubmitted)
    assert "max_cost_usd" in str(errors["c"])
    spent = json.loads((tmp_path / "summary.json").read_text())["spent_usd"]
    assert spent > 4e8


def test_a_budget_buys_nothing_once_absurd_costs_are_reported(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    for _ in range(2):
        bill(simulator, LARGEST)
    many(api, client, rows("a", "b", "c", "d"), tmp_path, concurrency=2, max_cost_usd=1)
    assert len(simulator.accepted) <= 3
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["stopped"] == "budget"
    assert summary["spent_usd"] >= 2 * 922_337_203


def test_an_absurd_cost_is_shown_as_reported_and_logged_as_a_warning(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bill(simulator, LARGEST)
    [result] = many(api, client, rows("a"), tmp_path)
    assert result.job is not None
    assert result.job.usage == vidjob.Usage(LARGEST)
    assert result.job.usage.cost_usd == Decimal("922337203.6854775807")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (record.name, record.levelname) == ("vidjob.jobs", "WARNING")
    assert result.job.request_id in record.getMessage()
    assert "922337203.6854775807 USD is implausible" in record.getMessage()


@pytest.mark.parametrize(("ticks", "count"), [(10**16, 0), (10**16 + 1, 1)])
def test_a_render_reports_a_cost_above_a_million_dollars(
    api: ApiMode,
    simulator: Simulator,
    client: VideoClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    ticks: int,
    count: int,
) -> None:
    video = client.wait(client.generate("a candle", duration=1), poll_interval=0.02).video
    assert video is not None
    done = {"status": "done", "video": {"url": video.url, "duration": 1}, "usage": {"cost_in_usd_ticks": ticks}}
    simulator.respond("get", body=json.dumps(done))
    result = api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.02)
    assert result.job.usage.cost_in_usd_ticks == ticks
    assert len([record for record in caplog.records if "implausible" in record.getMessage()]) == count
