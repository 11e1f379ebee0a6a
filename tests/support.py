"""The two faces of the client, and what else tests share."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from typing import Any

from vidjob import VideoClient

KEY = "sk-test-0123456789abcdef"

#: Runs a program in a fresh interpreter: see the fixture ``run_python``.
Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Face:
    """One face of the client: ``face(client, "get", job)`` calls the verb or its twin."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, client: VideoClient, verb: str, *args: Any, **kwargs: Any) -> Any:
        if self.name == "blocking":
            result = getattr(client, verb)(*args, **kwargs)
            return list(result) if verb == "watch" else result
        return asyncio.run(self._awaited(client, verb, *args, **kwargs))

    @staticmethod
    async def _awaited(client: VideoClient, verb: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(client, f"{verb}_async")(*args, **kwargs)
        if verb == "watch":
            return [job async for job in result]
        return await result
