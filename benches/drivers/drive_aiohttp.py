"""aiohttp, with the loop that a careful user would write."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import aiohttp
from meter import Meter, all_at_once, awaited_one_by_one, followed, main

TIMEOUT = aiohttp.ClientTimeout(sock_connect=10, sock_read=60)
AUTH = {"authorization": "Bearer k"}
AGAIN = {429, 500, 502, 503, 504}
ATTEMPTS = 4


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers=AUTH, timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=64))


async def get(client: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    for attempt in range(ATTEMPTS):
        try:
            async with client.get(url) as response:
                if response.status not in AGAIN:
                    response.raise_for_status()
                    job: dict[str, Any] = await response.json()
                    assert job["status"] in {"pending", "processing", "done"}
                    return job
        except (aiohttp.ClientConnectionError, asyncio.TimeoutError):
            if attempt == ATTEMPTS - 1:
                raise
        await asyncio.sleep(0.5 * 2**attempt)
    raise TimeoutError(url)


async def query_awaited(base_url: str, job: str, count: int) -> dict[str, float]:
    async with session() as client:
        return await awaited_one_by_one(lambda: get(client, f"{base_url}/videos/{job}"), count)


async def fan_out(base_url: str, job: str, count: int) -> dict[str, float]:
    async with session() as client:
        return await all_at_once(lambda: get(client, f"{base_url}/videos/{job}"), count)


async def waiting(base_url: str, jobs: list[str], timeout: float, poll_interval: float) -> dict[str, float]:
    async with session() as client:
        await get(client, f"{base_url}/videos/{jobs[0]}")

        async def follow(job: str) -> None:
            while (await get(client, f"{base_url}/videos/{job}"))["status"] != "done":
                await asyncio.sleep(poll_interval)

        return await followed(follow, jobs, timeout)


async def keep(client: aiohttp.ClientSession, url: str, path: Path) -> str:
    """Keeps a file whole or not at all, as ours does: hashed, flushed to the disk, renamed."""
    digest, part = hashlib.sha256(), path.with_suffix(".part")
    async with client.get(url) as response:
        response.raise_for_status()
        with part.open("wb") as file:
            async for chunk in response.content.iter_chunked(1 << 18):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    part.rename(path)
    return digest.hexdigest()


async def small_files(base_url: str, urls: list[str], folder: str) -> dict[str, float]:
    async with session() as client:
        with Meter() as meter:
            await asyncio.gather(
                *(keep(client, url, Path(folder) / f"{number}.mp4") for number, url in enumerate(urls))
            )
        return {"seconds": meter.seconds, "cpu": meter.cpu}


async def batch(base_url: str, folder: str, items: int, concurrency: int, poll_interval: float) -> dict[str, float]:
    turns = asyncio.Semaphore(concurrency)

    async def render(client: aiohttp.ClientSession, number: int) -> None:
        async with turns:
            body = {"model": "grok-imagine-video", "prompt": f"take {number}", "duration": 1}
            async with client.post(f"{base_url}/videos/generations", json=body) as response:
                response.raise_for_status()
                job = (await response.json())["request_id"]
            while True:
                await asyncio.sleep(poll_interval)
                told = await get(client, f"{base_url}/videos/{job}")
                if told["status"] == "done":
                    break
            await keep(client, told["video"]["url"], Path(folder) / f"i{number:05}.mp4")

    async with session() as client:
        with Meter() as meter:
            await asyncio.gather(*(render(client, number) for number in range(items)))
    return {"per_second": items / meter.seconds, "cpu_us": meter.cpu / items * 1e6, "grown": meter.grown}


main(
    {
        "query_awaited": query_awaited,
        "fan_out": fan_out,
        "waiting": waiting,
        "small_files": small_files,
        "batch": batch,
    }
)
