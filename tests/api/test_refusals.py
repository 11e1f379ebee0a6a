"""Malformed responses, refusals under 200, ids and terminal states, as gateways really give them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import vidjob
from odd_answers import DONE, ID, client_of
from raw import RawService, answer, in_turn
from support import KEY, ApiMode
from vidjob import JobStatus, VideoClient, VidjobError

PROCESSING = answer({"status": "processing", "progress": 40})


ODD: dict[str, bytes] = {
    "an empty 200": answer(),
    "a page under 200": answer(b"<html>back soon</html>"),
    "JSON cut short": answer(b'{"status": "proc'),
    "plain text under 200": answer(b"upstream connect error"),
    "nothing in it": answer({}),
    "a list": answer([1, 2]),
    "a status of the wrong type": answer({"status": 5}),
    "a video of the wrong type": answer({"status": "done", "video": "x"}),
    "a contradiction": answer({"status": "done", "error": "no"}),
    "a page under 403": answer(b"<html>Just a moment...</html>", 403),
    "a page under 404": answer(b"<html>Not Found</html>", 404),
    "a redirect": answer(b"", 302, ["Location: https://login.example/"]),
    "a 404": answer({"error": "not found"}, 404),
    "a 403": answer({"error": "no"}, 403),
    "a 401": answer({"error": "no"}, 401),
    "an unexplained 400": answer({"error": "no"}, 400),
    "a 409": answer({"error": "no"}, 409),
    "busy under 200": answer({"code": 500, "message": "system busy"}),
    "an unknown error under 200": answer({"error": {"code": "c", "message": "m"}}),
    "not found under 200": answer({"code": "task_not_exist", "message": "task_not_exist", "data": None}),
    "a 502": answer(b"<html>", 502),
}


@pytest.mark.parametrize("odd", ODD)
def test_wait_tolerates_one_malformed_response(api: ApiMode, odd: str) -> None:
    replies = in_turn(PROCESSING, ODD[odd], PROCESSING, answer(DONE))
    with RawService(replies) as service, client_of(service) as client:
        assert api(client, "wait", ID, poll_interval=0.02).status is JobStatus.DONE


@pytest.mark.parametrize("odd", ["an empty 200", "a page under 403", "a 404", "an unknown error under 200"])
def test_wait_timeout_reports_the_last_malformed_response(api: ApiMode, odd: str) -> None:
    with (
        RawService(in_turn(PROCESSING, ODD[odd])) as service,
        client_of(service) as client,
        pytest.raises(vidjob.WaitTimeout, match="the last poll failed: ") as caught,
    ):
        api(client, "wait", ID, poll_interval=0.02, timeout=0.5)
    assert caught.value.job is not None
    assert caught.value.job.progress == 40


MALFORMED = ["an empty 200", "a page under 200", "JSON cut short", "busy under 200"]


@pytest.mark.parametrize("odd", MALFORMED)
def test_get_retries_malformed_responses(api: ApiMode, odd: str) -> None:
    with RawService(in_turn(ODD[odd], PROCESSING)) as service, client_of(service, max_retries=1) as client:
        assert api(client, "get", ID).progress == 40
    with (
        RawService(in_turn(ODD[odd])) as service,
        client_of(service, max_retries=1) as client,
        pytest.raises(VidjobError) as caught,
    ):
        api(client, "get", ID)
    assert caught.value.request_id == ID
    assert len(service.seen) == 2


REFUSALS: list[tuple[Any, type[VidjobError]]] = [
    ({"code": "insufficient_user_quota", "message": "balance is not enough", "data": None}, vidjob.InsufficientBalance),
    ({"success": False, "message": "insufficient balance"}, vidjob.InsufficientBalance),
    ({"error": json.dumps({"code": "insufficient_quota", "message": "no"})}, vidjob.InsufficientBalance),
    ("You ran out of credits.", vidjob.InsufficientBalance),
    ({"error": {"message": "Incorrect API key provided", "code": ""}}, vidjob.AuthenticationError),
    ({"detail": "Not authenticated"}, vidjob.AuthenticationError),
    ({"code": "permission-denied", "error": "no"}, vidjob.PermissionDenied),
    ({"code": "invalid-argument", "error": "code: 'A', message: \"Invalid PNG image.\""}, vidjob.BadRequest),
    ({"code": "c", "error": "Prompt rejected by content moderation."}, vidjob.BadRequest),
    ({"error": {"code": "model_not_found", "message": "no"}}, vidjob.NotFound),
    ({"code": "resource-exhausted", "error": "Too many requests"}, vidjob.RateLimited),
    ({"code": "insufficient_user_quota", "data": "remaining quota: 0"}, vidjob.InsufficientBalance),
    ({"code": "insufficient_user_quota", "message": "no", "requestId": "2026"}, vidjob.InsufficientBalance),
    ({"result": "error", "message": "insufficient balance"}, vidjob.InsufficientBalance),
    ({"success": False, "message": "You ran out of credits", "data": "error"}, vidjob.InsufficientBalance),
    ({"output": "Error: invalid api key"}, vidjob.AuthenticationError),
]


@pytest.mark.parametrize(("body", "error"), REFUSALS)
def test_an_error_body_under_200_raises_that_error(api: ApiMode, body: Any, error: type[VidjobError]) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service) as client,
        pytest.raises(error) as caught,
    ):
        api(client, "generate", "a candle")
    assert type(caught.value) is error
    assert service.creates == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "c", "message": "m"}},
        {"code": 500, "message": "busy"},
        {"code": 500, "message": "busy", "data": "busy"},
        {"error": "not found"},
        "fine",
        {"code": "success", "data": "Task submitted"},
        {"request_id": "null"},
        {"id": "None"},
    ],
)
def test_an_unclear_error_under_200_is_submit_unknown(api: ApiMode, body: Any) -> None:
    with (
        RawService(in_turn(answer(body))) as service,
        client_of(service, max_retries=3) as client,
        pytest.raises(vidjob.SubmitUnknown),
    ):
        api(client, "generate", "a candle")
    assert service.creates == 1


def test_a_rate_limit_under_200_is_retried(api: ApiMode) -> None:
    limited = answer({"code": "resource-exhausted", "error": "Too many requests"}, headers=["Retry-After: 0"])
    with (
        RawService(in_turn(limited, answer({"request_id": ID}))) as service,
        client_of(service, max_retries=1) as client,
    ):
        assert api(client, "generate", "a candle").request_id == ID
    assert service.creates == 2


NO_MONEY: list[Any] = [
    {"code": 429, "error": "You ran out of credits. [WKE=personal-team-blocked:spending-limit]"},
    {"code": "subscription:free-usage-exhausted", "error": "You've used all the included free usage …"},
    {"code": "personal-team-blocked:spending-limit", "error": "You have run out of credits …"},
    {"code": "resource-exhausted", "error": "Purchase credits"},
    {"error": {"message": "The billing hard limit has been reached", "code": "billing_hard_limit_reached"}},
    {"error": {"message": "This request would exceed your account balance"}},
    {"error": "Payment Required"},
]


@pytest.mark.parametrize("body", NO_MONEY)
@pytest.mark.parametrize("status", [200, 400, 402, 403, 429])
def test_insufficient_balance_is_not_retried(api: ApiMode, status: int, body: Any) -> None:
    heard: list[Any] = []
    settings = {"max_retries": 3, "on_event": heard.append}
    with (
        RawService(in_turn(answer(body, status, ["Retry-After: 60"]))) as service,
        client_of(service, **settings) as client,
    ):
        # A pause of the whole client would hold up the second call for a minute.
        for verb, argument in (("generate", "a candle"), ("get", ID)):
            with pytest.raises(vidjob.InsufficientBalance):
                api(client, verb, argument)
    assert [event["event"] for event in heard] == ["request", "request"]


@pytest.mark.parametrize("status", [200, 429])
def test_a_batch_without_money_stops_and_counts_nothing(tmp_path: Path, status: int) -> None:
    with RawService(in_turn(answer(NO_MONEY[0], status))) as service, client_of(service) as client:
        batch = client.render_many([f"take {n}" for n in range(6)], tmp_path, concurrency=1, max_cost_usd=10)
        errors = [result.error for result in batch]
    assert isinstance(errors[0], vidjob.InsufficientBalance)
    assert batch.summary["stopped"] == "balance"
    assert (batch.summary["unknown"], float(batch.summary["spent_usd"])) == (0, 0.0)
    assert service.creates == 1


@pytest.mark.parametrize(
    "given",
    [
        "dGFzaw==",
        "projects:p:job",
        "a.b~c",
        "a+b@c!d",
        "id-é-猫",
        "100%",
        "a b",
        "a?b#c",
        "x" * 512,
        7,
        12345678901234567890123,
    ],
)
def test_ids_of_every_alphabet_can_be_polled(api: ApiMode, given: str | int) -> None:
    def reply(method: str, _path: str) -> bytes:
        return answer({"request_id": given} if method == "POST" else DONE)

    with RawService(reply) as service, client_of(service) as client:
        job = api(client, "wait", api(client, "generate", "a candle"), poll_interval=0.02)
    assert job.request_id == str(given)
    assert {unquote(path) for method, path in service.seen if method == "GET"} == {f"/v1/videos/{given}"}
    assert all(path.isascii() and not set(path) & set(" ?#=:+") for _, path in service.seen)


@pytest.mark.parametrize("given", ["a/b", "..", ".", "a\\b", "a\nb", "a\x00b", "x" * 513, "%2e%2e", "a%2fb"])
def test_an_unsafe_id_is_refused_and_in_the_error(api: ApiMode, given: str) -> None:
    with RawService(in_turn(answer({"request_id": given}))) as service, client_of(service) as client:
        with pytest.raises(vidjob.SubmitUnknown, match="names the job") as caught:
            api(client, "generate", "a candle")
        with pytest.raises(vidjob.InvalidRequest):
            api(client, "get", given)
    assert caught.value.request_id == given
    assert "\n" not in str(caught.value)
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    "refusal", [answer({"error": "no such job"}, 404), answer({"code": "task_not_exist", "data": None})]
)
def test_a_job_with_two_ids_is_polled_by_the_one_that_works(api: ApiMode, refusal: bytes) -> None:
    def reply(method: str, path: str) -> bytes:
        if method == "POST":
            return answer({"request_id": "outer", "id": "task:7"})
        return answer(DONE) if path.endswith("task%3A7") else refusal

    with RawService(reply) as service, client_of(service) as client:
        job = api(client, "generate", "a candle")
        for _ in range(3):
            assert api(client, "get", job).request_id == "outer"
        assert api(client, "wait", job, poll_interval=0.02).request_id == "outer"
    paths = [path.rpartition("/")[2] for method, path in service.seen if method == "GET"]
    assert paths == ["outer", "task%3A7", "task%3A7", "task%3A7", "task%3A7"]


def test_a_job_from_another_process_is_found_by_its_second_id(api: ApiMode) -> None:
    def reply(_method: str, path: str) -> bytes:
        return answer(DONE) if path.endswith("/second") else answer({"error": "no such job"}, 404)

    job = vidjob.VideoJob("first", raw={"request_id": "first", "id": "second"})
    with RawService(reply) as service, client_of(service) as client:
        assert api(client, "wait", job, poll_interval=0.02).request_id == "first"


def test_a_job_that_no_id_finds_is_not_found(api: ApiMode) -> None:
    job = vidjob.VideoJob("first", raw={"request_id": "first", "id": "second"})
    with (
        RawService(in_turn(answer({"error": "no such job"}, 404))) as service,
        client_of(service) as client,
        pytest.raises(vidjob.NotFound) as caught,
    ):
        api(client, "wait", job, poll_interval=0.02)
    assert caught.value.request_id == "first"
    assert [path.rpartition("/")[2] for _, path in service.seen] == ["first", "second"]


@pytest.mark.parametrize("word", ["aborted", "rejected", "timeout", "timed_out", "moderated", "blocked", "TIMED-OUT"])
def test_every_terminal_status_ends_a_wait(api: ApiMode, word: str) -> None:
    error = vidjob.JobBlocked if word in {"moderated", "blocked"} else vidjob.JobFailed
    with (
        RawService(in_turn(PROCESSING, answer({"status": word}))) as service,
        client_of(service) as client,
        pytest.raises(error) as caught,
    ):
        api(client, "wait", ID, poll_interval=0.02)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", ["pending", "processing", "reticulating splines"])
def test_wait_ends_at_max_job_age(api: ApiMode, status: str) -> None:
    with RawService(in_turn(answer({"status": status}))) as service, client_of(service, max_job_age=0.1) as client:
        for verb in ("wait", "watch"):
            with pytest.raises(vidjob.WaitTimeout, match="longer than max_job_age") as caught:
                api(client, verb, ID, poll_interval=0.02)
            assert caught.value.request_id == ID
            assert caught.value.job is not None


@pytest.mark.parametrize("age", [0, -1, float("nan")])
def test_an_invalid_max_job_age_is_refused(age: float) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="max_job_age"):
        VideoClient(KEY, base_url="http://127.0.0.1:9", max_job_age=age)


def test_max_job_age_none_is_pickled() -> None:
    for age in (None, float("inf"), 5.0):
        client = VideoClient(KEY, base_url="http://127.0.0.1:9", max_job_age=age, pickle_key=True)
        again = pickle.loads(pickle.dumps(client))  # noqa: S301
        assert again._settings.max_job_age == age
