"""Limits: every row of a finite input ends in one result, in the order of rows, and all counts agree."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import ApiMode, many, quick_client
from vidjob import NotSubmitted, RenderResult, Simulator, VideoClient

FORMS = ("list", "csv", "jsonl", "pandas")


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"i{number}", "prompt": f"take {number}", "duration": 2} for number in range(count)]


def source(form: str, folder: Path, count: int) -> Any:
    if form == "list":
        return rows(count)
    if form == "pandas":
        return pytest.importorskip("pandas").DataFrame(rows(count))
    path = folder / f"rows.{form}"
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows(count))))
    else:
        path.write_text("id,prompt,duration\n" + "".join(f"i{n},take {n},2\n" for n in range(count)))
    return path


def summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return told


def bought(simulator: Simulator) -> set[str]:
    return {entry["body"]["prompt"] for entry in simulator.accepted}


def check_counts(results: list[RenderResult], told: dict[str, Any], count: int) -> None:
    """Every row has one result, and the summary counts the same."""
    assert sorted(result.index for result in results if result.index is not None) == list(range(count))
    outcomes = Counter(result.outcome for result in results)
    words = ("saved", "failed", "blocked", "pending", "unknown", "not_submitted", "duplicates")
    assert {word: told[word] for word in words} == {word: outcomes[word.removesuffix("s")] for word in words}
    assert told["items"] + told["duplicates"] == count


@pytest.mark.parametrize("concurrency", [1, 4, 32, 100])
@pytest.mark.parametrize("limit", [{"max_cost_usd": 0.65}, {"max_jobs": 6}])
def test_a_limit_leaves_every_row_a_result_and_buys_the_first_ones(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, limit: dict[str, Any], concurrency: int
) -> None:
    results = many(api, client, rows(20), tmp_path, concurrency=concurrency, **limit)
    check_counts(results, summary(tmp_path), 20)
    assert bought(simulator) == {f"take {number}" for number in range(6)}
    errors = [result.error for result in sorted(results, key=lambda result: result.index or 0)][6:]
    [name] = limit
    for error in errors:
        assert isinstance(error, NotSubmitted)
        assert str(error).startswith(f"not submitted: {name}={'0.65 would' if name == 'max_cost_usd' else '6 is'}")
        assert (error.limit, error.spent_usd, error.estimate_usd) == (summary(tmp_path)["stopped"], 0.6, 0.1)


@pytest.mark.parametrize("form", FORMS)
def test_every_finite_source_has_a_result_for_each_row(
    api: ApiMode, client: VideoClient, tmp_path: Path, form: str
) -> None:
    results = many(api, client, source(form, tmp_path, 20), tmp_path / "out", max_cost_usd=0.35)
    check_counts(results, summary(tmp_path / "out"), 20)
    assert sum(result.ok for result in results) == 3


def test_items_are_submitted_in_the_order_of_their_rows(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    many(api, client, rows(30), tmp_path, concurrency=1)
    assert [entry["body"]["prompt"] for entry in simulator.accepted] == [f"take {number}" for number in range(30)]


def test_a_row_that_costs_less_is_not_bought_before_an_earlier_one(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    orders = [{"prompt": f"take {number}", "duration": 10 if number == 2 else 1} for number in range(8)]
    results = many(api, client, orders, tmp_path, max_cost_usd=0.3)
    check_counts(results, summary(tmp_path), 8)
    assert bought(simulator) == {"take 0", "take 1"}


def test_a_refused_create_leaves_room_for_a_later_row(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.respond("create", status=400, body='{"error": "no"}')
    results = many(api, client, rows(5), tmp_path, max_jobs=2, concurrency=5)
    check_counts(results, summary(tmp_path), 5)
    assert (len(simulator.accepted), summary(tmp_path)["failed"], summary(tmp_path)["not_submitted"]) == (2, 1, 2)


def test_finished_rows_behind_a_limit_are_still_reported(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    many(api, client, rows(3), tmp_path)
    orders = [{"prompt": "new"}, *rows(3), {"prompt": "newer"}]
    results = many(api, client, orders, tmp_path, max_cost_usd=0.3)
    check_counts(results, summary(tmp_path), 5)
    assert [result.outcome for result in sorted(results, key=lambda result: result.index or 0)] == [
        *("not_submitted", "saved", "saved", "saved", "not_submitted")
    ]
    assert len(simulator.accepted) == 3


@pytest.mark.parametrize(("status", "stopped"), [(401, "key"), (402, "balance"), (403, "key")])
def test_a_refusal_of_the_account_leaves_every_row_a_result(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, status: int, stopped: str
) -> None:
    simulator.respond("create", status=status, body='{"error": "no"}')
    results = many(api, client, rows(9), tmp_path, concurrency=1)
    check_counts(results, summary(tmp_path), 9)
    assert (summary(tmp_path)["stopped"], len(simulator.accepted)) == (stopped, 0)
    assert sum(request["method"] == "POST" for request in simulator.requests) == 1


def test_stopping_and_deadlines_leave_every_row_a_result(simulator: Simulator, tmp_path: Path) -> None:
    simulator.pause()
    with quick_client(simulator) as client:
        batch = client.render_many(rows(9), tmp_path / "late", deadline=0.3, concurrency=2)
        check_counts(list(batch), batch.summary, 9)
        simulator.resume()
        batch = client.render_many(rows(9), tmp_path / "stopped", concurrency=1)
        results = [next(batch)]
        batch.stop()
        check_counts([*results, *batch], batch.summary, 9)
    assert [result.error.limit for result in results if isinstance(result.error, NotSubmitted)] == []


@pytest.mark.parametrize("make", [dict.fromkeys, deque, lambda rows: dict.fromkeys(rows).keys()])
def test_every_input_of_known_length_has_a_result_for_each_row(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, make: Any
) -> None:
    prompts = [f"take {number}" for number in range(9)]
    source = make(prompts)
    results = many(api, client, source.keys() if isinstance(source, dict) else source, tmp_path, max_jobs=2)
    check_counts(results, summary(tmp_path), 9)
    assert bought(simulator) == {"take 0", "take 1"}


@pytest.mark.parametrize("end", ["deadline", "stop"])
def test_a_slow_row_holds_up_neither_the_deadline_nor_a_stop(simulator: Simulator, tmp_path: Path, end: str) -> None:
    with quick_client(simulator, timeout=3600) as client, ThreadPoolExecutor(1) as pool:
        job = client.generate("source")
        # The link of the source is asked for before the extension is submitted, and there is no response.
        simulator.inject("hang", on="get", seconds=3600)
        orders = [{"prompt": "on", "operation": "extend", "video": job.request_id}, *rows(8)]
        batch = client.render_many(orders, tmp_path, deadline=0.3 if end == "deadline" else None)
        results = pool.submit(list, batch)
        while simulator.faults_left:
            time.sleep(0.01)
        if end == "stop":
            batch.stop()
        check_counts(results.result(60), batch.summary, 9)
    assert len(simulator.accepted) == 1


def test_nothing_is_submitted_after_a_stop(simulator: Simulator, tmp_path: Path) -> None:
    with quick_client(simulator, creates_per_second=1.0) as client:
        batch = client.render_many(rows(9), tmp_path, concurrency=9)
        first = next(batch)
        batch.stop()
        accepted = len(simulator.accepted)
        check_counts([first, *batch], batch.summary, 9)
    assert len(simulator.accepted) == accepted


# ---- streams ----------------------------------------------------------------------------------


def test_an_endless_input_stops_at_the_first_row_that_the_limit_refuses(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    taken = itertools.count()

    def endless() -> Iterator[str]:
        for number in taken:
            yield f"take {number}"

    results = many(api, client, endless(), tmp_path, max_jobs=3, concurrency=1)
    assert [result.outcome for result in results] == ["saved", "saved", "saved", "not_submitted"]
    assert next(taken) == 4
    check_counts(results, summary(tmp_path), 4)


def test_an_endless_async_input_stops_in_the_same_way(
    simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    async def endless() -> AsyncIterator[str]:
        for number in itertools.count():
            yield f"take {number}"

    async def run() -> list[RenderResult]:
        batch = client.render_many_async(endless(), tmp_path, max_cost_usd=1.3, concurrency=4)
        return [result async for result in batch]

    results = asyncio.run(run())
    check_counts(results, summary(tmp_path), len(results))
    assert bought(simulator) == {"take 0", "take 1", "take 2"}


# ---- duplicates -------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("form", ["list", "stream"])
def test_a_row_that_repeats_another_has_its_result(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, form: str, concurrency: int
) -> None:
    orders = ["x", {"id": "a", "prompt": "y", "tag": 1}, "x", {"id": "a", "prompt": "y", "tag": 2}, "x"]
    with pytest.warns(RuntimeWarning) as warned:
        results = many(api, client, iter(orders) if form == "stream" else orders, tmp_path, concurrency=concurrency)
    said = " ".join(str(warning.message) for warning in warned)
    for words in ("row 3 repeats row 1 (id '", "row 4 repeats row 2 (id 'a')", "row 5 repeats row 1 (id '"):
        assert words in said
    assert "rendered once" in said
    check_counts(results, summary(tmp_path), 5)
    ordered = sorted(results, key=lambda result: result.index or 0)
    assert [result.duplicate_of for result in ordered] == [None, None, 0, 1, 0]
    assert [result.path for result in ordered[2:]] == [ordered[at].path for at in (0, 1, 0)]
    assert ordered[3].columns == {"tag": 2}
    assert all(result.ok for result in results)
    assert len(simulator.accepted) == 2
    assert summary(tmp_path)["cost_usd"] == pytest.approx(0.8)


def test_a_row_that_repeats_an_item_of_version_0_1_has_its_result(
    api: ApiMode, client: VideoClient, tmp_path: Path
) -> None:
    many(api, client, [{"id": "7.0", "prompt": "x"}], tmp_path)
    with pytest.warns(RuntimeWarning, match="row 2 repeats row 1"):
        results = many(api, client, [{"id": 7, "prompt": "x"}, {"id": 7, "prompt": "x"}], tmp_path)
    assert [(result.ok, result.resumed) for result in results] == [(True, True), (True, True)]


def test_a_row_that_repeats_one_without_a_video_has_its_error(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("job_fails", on="create")
    with pytest.warns(RuntimeWarning, match="repeats"):
        failed = many(api, client, ["x", "x"], tmp_path / "failed", concurrency=1, retry_failed=True)
    with pytest.warns(RuntimeWarning, match="repeats"):
        limited = many(api, client, ["x", "x"], tmp_path / "limited", concurrency=1, max_jobs=0)
    check_counts(failed, summary(tmp_path / "failed"), 2)
    check_counts(limited, summary(tmp_path / "limited"), 2)
    assert {type(result.error) for result in failed} == {vidjob.JobFailed}
    assert {type(result.error) for result in limited} == {NotSubmitted}
    assert len(simulator.accepted) == 1
    assert len((tmp_path / "failed" / "errors.jsonl").read_text().splitlines()) == 1


def test_wrong_rows_of_a_stream_have_their_position(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    orders = ["x", {"prompt": "y", "duration": 99, "tag": 7}, 5]
    results = many(api, client, iter(orders), tmp_path)
    check_counts(results, summary(tmp_path), 3)
    wrong = {result.index: result for result in results if not result.ok}
    assert str(wrong[1].error).startswith("row 2: duration must be 1 to 15 seconds")
    assert wrong[1].row == {"prompt": "y", "duration": 99, "tag": 7}
    assert str(wrong[2].error).startswith("row 3: a row must be")
