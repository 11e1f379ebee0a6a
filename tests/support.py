"""The blocking and the async API of the client, and what else tests share."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vidjob import RenderResult, VideoClient

KEY = "sk-test-0123456789abcdef"

#: Runs a program in a fresh interpreter: see the fixture ``run_python``.
Run = Callable[..., "subprocess.CompletedProcess[str]"]


#: Runs pytest in the folder of the test: see the fixture ``run_pytest``.
RunPytest = Callable[..., "subprocess.CompletedProcess[str]"]


def box(name: bytes, content: bytes = b"") -> bytes:
    """One box of an MP4 file."""
    return (len(content) + 8).to_bytes(4, "big") + name + content


def mp4_file(size: int = 1000) -> bytes:
    """A file of this size with the outermost boxes of a video."""
    head = box(b"ftyp", b"isom\0\0\2\0isommp42") + box(b"moov", box(b"mvhd", bytes(100)))
    return head + box(b"mdat", bytes(index % 251 for index in range(size - len(head) - 8)))


#: Verbs whose result is iterated: the helper gives a list.
ITERATED = ("watch", "render_many", "resume")


class ApiMode:
    """One API of the client: ``api(client, "get", job)`` calls the verb or its async version."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, client: VideoClient, verb: str, *args: Any, **kwargs: Any) -> Any:
        if self.name == "blocking":
            result = getattr(client, verb)(*args, **kwargs)
            return list(result) if verb in ITERATED else result
        return asyncio.run(self._awaited(client, verb, *args, **kwargs))

    @staticmethod
    async def _awaited(client: VideoClient, verb: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(client, f"{verb}_async")(*args, **kwargs)
        if verb in ITERATED:
            return [item async for item in result]
        return await result


def many(api: ApiMode, client: VideoClient, *args: Any, **kwargs: Any) -> list[RenderResult]:
    """The results of ``render_many``."""
    results: list[RenderResult] = api(client, "render_many", *args, **kwargs)
    return results


def by_id(results: list[RenderResult]) -> dict[str, RenderResult]:
    assert len({result.id for result in results}) == len(results)
    return {result.id: result for result in results}


def quick_client(service: Any, **settings: Any) -> VideoClient:
    """A client of a service on this machine that polls and retries soon."""
    quick = {"base_url": service.base_url, "poll_interval": 0.02, "retry_delay": 0.01}
    return VideoClient(KEY, **{**quick, **settings})


POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and pseudo-terminals of POSIX")


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections. It is taken, so that no server of another test can get it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


#: Runs the command line: the exit code, standard output, standard error.
Cli = Callable[..., tuple[int, str, str]]

#: Clips of a simulator are done sooner than the usual pace expects.
OFTEN = ["--poll-interval", "0.05"]


def start_together(program: str, *arguments: str, count: int, **options: Any) -> list[subprocess.Popen[str]]:
    """Starts a program several times: each prints a line when it is ready, and goes on when all of them are."""
    command = [sys.executable, "-c", program, *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes, **options) for _ in range(count)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return started


def begin(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "vidjob", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **options,
    )
