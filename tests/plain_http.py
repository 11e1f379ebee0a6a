"""Requests to the simulator with the standard library's HTTP client."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from vidjob import Simulator

AUTHORIZED = {"Authorization": "Bearer k"}


JSON = {**AUTHORIZED, "Content-Type": "application/json"}


Answer = tuple[int, dict[str, str], bytes]


def ask(
    simulator: Simulator, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request; ``path`` is a whole link, or a path below the base URL."""
    link = urlsplit(path if path.startswith("http") else simulator.base_url + path)
    connection = http.client.HTTPConnection(link.netloc, timeout=10)
    with contextlib.closing(connection):
        payload = json.dumps(body) if isinstance(body, dict) else body
        sent = JSON if method == "POST" else AUTHORIZED
        connection.request(method, link.path + ("?" + link.query if link.query else ""), payload, headers or sent)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def create(simulator: Simulator, operation: str = "generations", **body: Any) -> str:
    status, _, answer = ask(simulator, "POST", f"/videos/{operation}", {"prompt": "x", **body})
    assert status == 200, answer
    request_id = json.loads(answer)["request_id"]
    assert isinstance(request_id, str)
    return request_id


def until(
    simulator: Simulator,
    request_id: str,
    over: Callable[[int, Any], bool],
    between: Callable[[float], object] = time.sleep,
) -> tuple[list[Any], Any]:
    """Asks until the job is over, and lets time pass between; gives all answers before, and the last one."""
    before: list[Any] = []
    while True:
        status, _, body = ask(simulator, "GET", f"/videos/{request_id}")
        answer = (status, json.loads(body) if body else None)
        if over(*answer):
            return before, answer[1]
        before.append(answer)
        between(0.02)


def finished(simulator: Simulator, request_id: str) -> Any:
    """The video of a job, when it is done."""
    return until(simulator, request_id, lambda _, body: body.get("status") == "done")[1]["video"]


def mp4_length(content: bytes) -> float:
    """Seconds, from the header of the file."""
    header = content[content.index(b"mvhd") + 4 :]
    return int.from_bytes(header[16:20], "big") / int.from_bytes(header[12:16], "big")
