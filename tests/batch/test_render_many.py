"""Many renders: none lost, none bought twice, and the same call again goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, by_id, many, quick_client
from vidjob import Simulator, VideoClient, VideoRequest

OFTEN = {"poll_interval": 0.05}


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"i{number}", "prompt": f"take {number}", "duration": 2, "tag": number} for number in range(count)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return told


def bought(simulator: Simulator) -> Counter[str]:
    return Counter(entry["body"]["prompt"] for entry in simulator.accepted)


# ---- the whole path ---------------------------------------------------------------------------


def test_render_many_saves_every_item(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    results = by_id(many(api, client, rows(12), tmp_path, concurrency=5))
    assert len(results) == 12
    for number in range(12):
        result = results[f"i{number}"]
        assert result.ok
        assert result.path == tmp_path / "videos" / f"i{number}.mp4"
        assert result.path.stat().st_size == result.bytes
        assert (result.columns, result.resumed) == ({"tag": number}, False)
        assert result.render_seconds is not None
    assert set(bought(simulator).values()) == {1}
    metadata = {line["file_name"]: line for line in lines(tmp_path / "metadata.jsonl")}
    first = metadata["videos/i0.mp4"]
    assert (first["id"], first["prompt"], first["tag"], first["duration"]) == ("i0", "take 0", 0, 2)
    assert first["sha256"] == results["i0"].sha256
    assert not (tmp_path / "errors.jsonl").exists()
    told = summary(tmp_path)
    assert (told["items"], told["saved"], told["failed"], told["stopped"]) == (12, 12, 0, None)
    assert told["cost_usd"] == told["spent_usd"] == pytest.approx(1.2)
    assert told["render_seconds"]["p50"] > 0


def test_the_same_call_again_buys_nothing(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    first = by_id(many(api, client, rows(5), tmp_path))
    requests = len(simulator.requests)
    again = by_id(many(api, client, rows(5), tmp_path))
    assert len(simulator.requests) == requests
    assert all(result.resumed for result in again.values())
    for name, result in again.items():
        assert (result.path, result.sha256, result.bytes) == (first[name].path, first[name].sha256, first[name].bytes)
        assert result.job is not None
        assert result.job.usage == first[name].job.usage  # type: ignore[union-attr]
    assert len(lines(tmp_path / "metadata.jsonl")) == 5
    more = many(api, client, rows(7), tmp_path)
    assert sum(result.resumed for result in more) == 5
    assert len(simulator.accepted) == 7


@pytest.mark.parametrize("verify", [False, True])
def test_missing_files_are_downloaded_without_a_purchase(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, *, verify: bool
) -> None:
    many(api, client, rows(2), tmp_path)
    (tmp_path / "videos" / "i1.mp4").unlink()
    results = by_id(many(api, client, rows(2), tmp_path, verify=verify))
    assert results["i1"].ok
    assert [results[name].resumed for name in ("i0", "i1")] == [True, False]
    assert len(simulator.accepted) == 2


def test_a_file_that_was_changed_is_not_touched(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    many(api, client, rows(2), tmp_path)
    longer, same = tmp_path / "videos" / "i0.mp4", tmp_path / "videos" / "i1.mp4"
    longer.write_bytes(longer.read_bytes() + b"mine")
    content = same.read_bytes()
    same.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    results = by_id(many(api, client, rows(2), tmp_path))
    assert isinstance(results["i0"].error, vidjob.DownloadError)
    assert results["i1"].resumed
    results = by_id(many(api, client, rows(2), tmp_path, verify=True))
    assert isinstance(results["i1"].error, vidjob.DownloadError)
    assert longer.read_bytes().endswith(b"mine")


def test_a_file_is_adopted_by_its_content(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    """A run may end between putting a file in place and writing that down."""
    many(api, client, rows(2), tmp_path)
    [segment] = (tmp_path / ".vidjob").glob("*.jsonl")
    kept = [line for line in segment.read_text().splitlines() if '"event":"saved"' not in line]
    segment.write_text("".join(f"{line}\n" for line in kept))
    (tmp_path / "videos" / "i1.mp4").write_bytes(b"mine")
    results = by_id(many(api, client, rows(2), tmp_path))
    assert results["i0"].ok
    assert isinstance(results["i1"].error, vidjob.DownloadError)
    assert (tmp_path / "videos" / "i1.mp4").read_bytes() == b"mine"
    assert len(simulator.accepted) == 2
    assert not list((tmp_path / ".vidjob").glob("*.mp4"))


def test_a_file_is_never_adopted_by_its_name(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "i0.mp4").write_bytes(b"mine")
    [result] = many(api, client, rows(1), tmp_path)
    assert "was not created by this journal" in str(result.error)
    assert simulator.accepted == []
    [result] = many(api, client, rows(1), tmp_path, on_existing="overwrite")
    assert result.ok
    assert len(simulator.accepted) == 1


def test_on_existing(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    many(api, client, rows(1), tmp_path)
    [refused] = many(api, client, rows(1), tmp_path, on_existing="error")
    assert isinstance(refused.error, vidjob.DownloadError)
    [anew] = many(api, client, rows(1), tmp_path, on_existing="overwrite")
    assert (anew.ok, anew.resumed) == (True, False)
    assert len(simulator.accepted) == 2


# ---- what goes wrong --------------------------------------------------------------------------


def test_failures_are_results(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    simulator.inject("job_fails", on="create")
    simulator.inject("job_moderated", on="create")
    results = many(api, client, rows(4), tmp_path, concurrency=1)
    assert [type(result.error).__name__ for result in results] == ["JobFailed", "JobBlocked", "NoneType", "NoneType"]
    assert results[1].job is not None
    assert results[1].job.usage is not None
    errors = lines(tmp_path / "errors.jsonl")
    assert [(line["id"], line["error"]["type"], line["tag"]) for line in errors] == [
        ("i0", "JobFailed", 0),
        ("i1", "JobBlocked", 1),
    ]
    told = summary(tmp_path)
    assert (told["failed"], told["blocked"], told["saved"]) == (1, 1, 2)
    # Nothing that failed is bought again by itself; moderated ones not even when asked.
    assert len(simulator.accepted) == 4
    many(api, client, rows(4), tmp_path)
    assert len(simulator.accepted) == 4
    again = many(api, client, rows(4), tmp_path, retry_failed=True, concurrency=1)
    assert [type(result.error).__name__ for result in again].count("JobBlocked") == 1
    assert bought(simulator) == {"take 0": 2, "take 1": 1, "take 2": 1, "take 3": 1}


def test_a_lost_response_holds_the_item(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.inject("lost_response", on="create")
    [held] = many(api, client, rows(1), tmp_path)
    assert isinstance(held.error, vidjob.SubmitUnknown)
    [still] = many(api, client, rows(1), tmp_path)
    assert isinstance(still.error, vidjob.SubmitUnknown)
    assert "on_unknown" in str(still.error)
    assert summary(tmp_path)["unknown"] == 1
    assert summary(tmp_path)["spent_usd"] == pytest.approx(0.1)
    assert len(simulator.accepted) == 1
    [again] = many(api, client, rows(1), tmp_path, on_unknown="resubmit")
    assert again.ok
    assert len(simulator.accepted) == 2


@pytest.mark.parametrize(("status", "stopped"), [(401, "key"), (403, "key"), (402, "balance")])
def test_refused_keys_and_balances_stop_a_batch(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, status: int, stopped: str
) -> None:
    orders = iter(rows(10))

    def pulled() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(orders):
            if number == 2:
                simulator.respond("create", status=status, body='{"error": "no"}')
            yield row

    results = by_id(many(api, client, pulled(), tmp_path, concurrency=1))
    assert results["i0"].ok
    assert results["i1"].ok
    assert isinstance(results["i2"].error, vidjob.APIError)
    assert len(results) == 3
    assert summary(tmp_path)["stopped"] == stopped
    # A refusal is no purchase: the next run tries again.
    assert len(many(api, client, rows(10), tmp_path)) == 10
    assert set(bought(simulator).values()) == {1}


def test_a_refused_item_does_not_stop_the_others(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    simulator.respond("create", status=400, body='{"error": "no"}')
    results = many(api, client, rows(3), tmp_path, concurrency=1)
    assert [result.ok for result in results] == [False, True, True]
    assert isinstance(results[0].error, vidjob.BadRequest)
    assert all(result.ok for result in many(api, client, rows(3), tmp_path))


# ---- limits -----------------------------------------------------------------------------------


def test_max_cost(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    results = many(api, client, rows(8), tmp_path, max_cost_usd=0.35)
    assert sum(result.ok for result in results) == 3
    assert all(isinstance(result.error, vidjob.NotSubmitted) for result in results if not result.ok)
    assert summary(tmp_path)["stopped"] == "budget"
    # What earlier runs spent counts.
    many(api, client, rows(8), tmp_path, max_cost_usd=0.35)
    assert len(simulator.accepted) == 3
    many(api, client, rows(8), tmp_path, max_cost_usd=0.5)
    assert len(simulator.accepted) == 5


def test_reservations_are_settled(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    high = {"grok-imagine-video": {"per_second": {"480p": 0.2}}}
    results = many(api, client, rows(4), tmp_path, max_cost_usd=0.7, prices=high)
    assert sum(result.ok for result in results) == 4, "each is reserved at 0.40 and settled at 0.10"
    unknown = [{"prompt": "x", "model": "grok-of-tomorrow"}]
    [refused] = many(api, client, unknown, tmp_path / "b", max_cost_usd=1)
    assert "none is known for grok-of-tomorrow at 480p" in str(refused.error)


def test_max_jobs(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    results = many(api, client, rows(6), tmp_path, max_jobs=2, concurrency=2)
    assert sum(result.ok for result in results) == 2
    assert summary(tmp_path)["stopped"] == "max_jobs"
    many(api, client, rows(6), tmp_path, max_jobs=2, concurrency=2)
    assert len(simulator.accepted) == 4


def test_deadline(api: ApiMode, tmp_path: Path) -> None:
    with Simulator(render_seconds=60) as simulator, simulator.client() as client:
        results = many(api, client, rows(2), tmp_path, timeout=0)
        assert [type(result.error) for result in results] == [vidjob.WaitTimeout] * 2
        results = many(api, client, rows(2), tmp_path, deadline=0.3)
        assert [type(result.error) for result in results] == [vidjob.WaitTimeout] * 2
        assert {result.error.request_id for result in results if result.error} == {
            entry["request_id"] for entry in simulator.accepted
        }
        told = summary(tmp_path)
        assert (told["pending"], told["stopped"]) == (2, "deadline")


def test_an_endless_iterator_is_pulled_as_there_is_room(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    pulled = []

    def orders() -> Iterator[str]:
        for number in itertools.count():
            pulled.append(number)
            yield f"take {number}"

    results = many(api, client, orders(), tmp_path, concurrency=3, max_jobs=7)
    assert sum(result.ok for result in results) == 7
    assert len(pulled) <= 7 + 3


def test_an_async_iterable(simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    async def orders() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0)
            yield f"take {number}"

    async def run() -> int:
        async with client.render_many_async(orders(), tmp_path, poll_interval=0.05) as batch:
            return sum([result.ok async for result in batch])

    assert asyncio.run(run()) == 3
    with pytest.raises(vidjob.InvalidRequest, match="render_many_async"):
        client.render_many(orders(), tmp_path)  # type: ignore[arg-type]


def test_stop(client: VideoClient, tmp_path: Path) -> None:
    batch = client.render_many((f"take {number}" for number in itertools.count()), tmp_path, concurrency=2, **OFTEN)  # type: ignore[arg-type]
    assert next(batch).ok
    batch.stop()
    assert all(result.ok or isinstance(result.error, vidjob.NotSubmitted) for result in batch)
    assert batch.summary["stopped"] == "caller"
    assert batch.in_flight == 0


def test_leaving_early_lets_go_and_the_next_call_goes_on(
    simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    for result in client.render_many(rows(6), tmp_path, concurrency=6, poll_interval=0.05):
        assert result.ok
        break
    assert (tmp_path / "summary.json").exists()
    results = list(client.render_many(rows(6), tmp_path, poll_interval=0.05))
    assert all(result.ok for result in results)
    assert set(bought(simulator).values()) == {1}


def test_one_run_at_a_time(simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    with client.render_many(rows(2), tmp_path, poll_interval=0.05):
        with pytest.raises(vidjob.AlreadyRunning, match=r"already running \(this process, \d+\)"):
            client.render_many(rows(2), tmp_path)
        with pytest.raises(vidjob.AlreadyRunning):
            client.resume(tmp_path)
    assert len(list(client.render_many(rows(2), tmp_path, poll_interval=0.05))) == 2


def test_names_by_template(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    orders = [{"id": "a", "prompt": "x", "scene": "one/two"}, {"id": "b", "prompt": "y", "scene": "three"}]
    results = by_id(many(api, client, orders, tmp_path, filename="{scene}/{index}-{id}.mp4"))
    assert results["a"].path == tmp_path / "one_two" / "000000-a.mp4"
    assert results["b"].path == tmp_path / "three" / "000001-b.mp4"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [".vidjob", "one_two", "three"]


# ---- orders that are in each other's way --------------------------------------------------------

CLASHES: list[tuple[list[Any], str, str]] = [
    (
        [{"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}],
        "id",
        "row 2 (id 'a'): row 1 has another request with the same id",
    ),
    ([{"id": "a/b", "prompt": "x"}, {"id": "a_b", "prompt": "y"}], "id", "the same file"),
    ([{"id": "A", "prompt": "x"}, {"id": "a", "prompt": "y"}], "id", "the same file"),
    ([{"id": "a", "prompt": "x"}, {"id": "b", "prompt": "x", "duration": 99}], "duration", "row 2 (id 'b'): duration"),
    (["x", ""], "prompt", "row 2: the prompt"),
    (["x", 7], "requests", "row 2: a row must be"),
    ([{"id": " ", "prompt": "x"}], "id", "empty"),
    ([VideoRequest("x", upload_url="https://a.example/put")], "upload_url", "cannot be used in a batch"),
]


@pytest.mark.parametrize(("orders", "field", "words"), CLASHES)
def test_lists_are_checked_before_anything_is_bought(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, orders: list[Any], field: str, words: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest, match=re.escape(words)) as caught:
        many(api, client, orders, tmp_path)
    assert caught.value.field == field
    assert simulator.requests == []
    # Of a stream, each item is checked when it comes, and a bad one is a result.
    results = many(api, client, iter(orders), tmp_path)
    assert sum(not result.ok for result in results) == 1
    assert len(simulator.accepted) == len(orders) - 1


def test_the_same_order_again_is_one_item(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    with pytest.warns(RuntimeWarning, match="row 2 repeats row 1"):
        results = many(api, client, ["x", "x", {"id": "a", "prompt": "x"}], tmp_path)
    assert sorted(result.outcome for result in results) == ["duplicate", "saved", "saved"]
    assert (summary(tmp_path)["items"], summary(tmp_path)["duplicates"]) == (2, 1)
    assert len(simulator.accepted) == 2


def test_an_id_of_an_earlier_run_stands_for_its_request(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path
) -> None:
    many(api, client, [{"id": "a", "prompt": "x"}], tmp_path)
    [result] = many(api, client, [{"id": "a", "prompt": "y"}], tmp_path)
    assert isinstance(result.error, vidjob.InvalidRequest)
    assert result.error.field == "id"
    assert len(simulator.accepted) == 1


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"max_cost_usd": -1}, "max_cost_usd"),
        ({"max_cost_usd": float("nan")}, "max_cost_usd"),
        ({"deadline": -1}, "deadline"),
        ({"on_existing": "adopt"}, "on_existing"),
        ({"on_unknown": "guess"}, "on_unknown"),
        ({"prices": {"m": 1}}, "prices"),
        ({"prices": {"m": {"per_second": {"480p": -1}}}}, "prices"),
        ({"filename": "videos/fixed.mp4"}, "filename"),
        ({"filename": "../{id}.mp4"}, "filename"),
        ({"filename": "/tmp/{id}.mp4"}, "filename"),  # noqa: S108
        ({"filename": "{id.__class__}.mp4"}, "filename"),
        ({"filename": "{none}.mp4"}, "filename"),
    ],
)
def test_wrong_arguments(
    api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(vidjob.InvalidRequest) as caught:
        many(api, client, rows(1), tmp_path, **arguments)
    assert caught.value.field == field
    assert simulator.requests == []


def test_events_name_their_item(api: ApiMode, client: VideoClient, tmp_path: Path) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    many(api, client, rows(2), tmp_path, progress=lambda event: seen.update([(event["id"], event["event"])]))
    for name in ("i0", "i1"):
        assert seen[name, "accepted"] == 1
        assert seen[name, "status"] >= 1
        assert seen[name, "download"] >= 1


def test_the_journal_does_not_hold_the_key(client: VideoClient, tmp_path: Path) -> None:
    list(client.render_many(rows(1), tmp_path, poll_interval=0.05))
    [segment] = (tmp_path / ".vidjob").glob("*.jsonl")
    assert KEY not in segment.read_text()
    events = [json.loads(line)["event"] for line in segment.read_text().splitlines()]
    assert events == ["open", "intent", "accepted", "terminal", "saved"]


# ---- pacing -----------------------------------------------------------------------------------


def test_learned_render_times_set_the_pace(api: ApiMode, tmp_path: Path) -> None:
    with Simulator(render_seconds=1, spread=0) as simulator, quick_client(simulator) as client:
        many(api, client, rows(10), tmp_path)
        segments = sorted((tmp_path / ".vidjob").glob("*.jsonl"))
        ends = [line for segment in segments for line in lines(segment) if line["event"] == "terminal"]
        assert len(ends) == 10
        simulator.pause()
        # Without experience, the first poll comes after 4.5 s or more: here, only the last one, at the timeout.
        orders = [
            {"id": "like the others", "prompt": "x", "duration": 2},
            {"id": "longer", "prompt": "x", "duration": 9},
        ]
        with VideoClient(KEY, base_url=simulator.base_url) as paced:
            many(api, paced, orders, tmp_path, timeout=2.5)
        polls = {entry["body"]["duration"]: entry["queries"] for entry in simulator.accepted[10:]}
    assert polls[2] >= 2
    assert polls[9] == 1, "another duration is another matter"
