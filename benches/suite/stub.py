"""A service of jobs that end when their ids say so, in the words of each peer. A process of its own.

It keeps nothing: the id `{start}-{end}-{number}-{p or x}` says when the job begins and ends, in milliseconds since
1970, and whether progress is reported. `GET /count` gives how many queries there were since the last time.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

try:
    import uvloop as loops
except ImportError:
    loops = asyncio  # type: ignore[misc]


class Stub(asyncio.Protocol):
    """One connection."""

    count = 0

    def __init__(self) -> None:
        self._head = b""
        #: Bytes of a body that are still to come, and what is answered then.
        self._left = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
            else:
                self._head += data
                head, found, data = self._head.partition(b"\r\n\r\n")
                if not found:
                    return
                self._head = b""
                self._begin(head)
            if not self._left:
                self._transport.write(self._answer)

    def _begin(self, head: bytes) -> None:
        line, _, fields = head.partition(b"\r\n")
        path = line.split(b" ")[1].partition(b"?")[0].decode()
        fields = fields.lower()
        if b"content-length:" in fields:
            self._left = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if b"100-continue" in fields:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = json.dumps(self._told(path)).encode()
        self._answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
            len(body),
            body,
        )

    def _told(self, path: str) -> dict[str, Any]:
        if path == "/count":
            count, Stub.count = Stub.count, 0
            return {"count": count}
        if path.endswith("/edits"):
            return {"request_id": "a-job"}
        Stub.count += 1
        service, _, rest = path.removeprefix("/").partition("/")
        return SERVICES[service](*at(rest.removesuffix("/status").rpartition("/")[2]), rest.endswith("/status"))


def at(job: str) -> tuple[str, bool, int | None]:
    """A job with whether it is over, and its progress in percent."""
    start, end, _number, reports = job.split("-")
    now, begun, done = time.time(), float(start) / 1e3, float(end) / 1e3
    part = min(max((now - begun) / (done - begun), 0.0), 0.99)
    return job, now >= done, int(part * 100) if reports == "p" else None


def grok(job: str, is_over: bool, progress: int | None, _is_status: bool) -> dict[str, Any]:  # noqa: FBT001
    if is_over:
        video = {"url": f"https://vidgen.x.ai/{job}.mp4", "duration": 1, "respect_moderation": True}
        usage = {"cost_in_usd_ticks": 500000000}
        return {"status": "done", "video": video, "model": "grok-imagine-video", "usage": usage, "progress": 100}
    told = {"status": "processing", "model": "grok-imagine-video"}
    return told if progress is None else told | {"progress": progress}


def openai(job: str, is_over: bool, progress: int | None, _is_status: bool) -> dict[str, Any]:  # noqa: FBT001
    told = {"id": job, "object": "video", "model": "sora-2", "created_at": 0, "size": "1280x720", "seconds": "4"}
    return told | {"status": "completed" if is_over else "in_progress", "progress": 100 if is_over else progress or 0}


def replicate(job: str, is_over: bool, _progress: int | None, _is_status: bool) -> dict[str, Any]:  # noqa: FBT001
    status = "succeeded" if is_over else "processing"
    output = f"https://replicate.example/{job}.mp4" if is_over else None
    return {"id": job, "model": "xai/grok", "version": "1", "status": status, "input": {}, "output": output, "urls": {}}


def fal(job: str, is_over: bool, _progress: int | None, is_status: bool) -> dict[str, Any]:  # noqa: FBT001
    if is_status:
        return {"status": "COMPLETED" if is_over else "IN_PROGRESS", "logs": None, "request_id": job}
    return {"video": {"url": f"https://fal.example/{job}.mp4"}}


SERVICES = {"grok": grok, "openai": openai, "replicate": replicate, "fal": fal}


async def serve() -> None:
    """Serves until it is killed; prints the port."""
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


loops.run(serve())
