"""httpx, with the loop that a careful user would write."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import httpx
from meter import Meter, all_at_once, awaited_one_by_one, followed, main, one_by_one

TIMEOUT = httpx.Timeout(60, connect=10)
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64)
AUTH = {"authorization": "Bearer k"}
AGAIN = {429, 500, 502, 503, 504}
ATTEMPTS = 4


def checked(response: httpx.Response) -> dict[str, Any]:
    response.raise_for_status()
    job: dict[str, Any] = response.json()
    assert job["status"] in {"pending", "processing", "done"}
    return job


def get(client: httpx.Client, url: str) -> dict[str, Any]:
    for attempt in range(ATTEMPTS):
        try:
            response = client.get(url)
        except httpx.TransportError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            if response.status_code not in AGAIN:
                return checked(response)
        time.sleep(0.5 * 2**attempt)
    raise TimeoutError(url)


async def get_async(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    for attempt in range(ATTEMPTS):
        try:
            response = await client.get(url)
        except httpx.TransportError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            if response.status_code not in AGAIN:
                return checked(response)
        await asyncio.sleep(0.5 * 2**attempt)
    raise TimeoutError(url)


def query(base_url: str, job: str, count: int) -> dict[str, float]:
    with httpx.Client(headers=AUTH, timeout=TIMEOUT) as client:
        return one_by_one(lambda: get(client, f"{base_url}/videos/{job}"), count)


async def query_awaited(base_url: str, job: str, count: int) -> dict[str, float]:
    async with httpx.AsyncClient(headers=AUTH, timeout=TIMEOUT) as client:
        return await awaited_one_by_one(lambda: get_async(client, f"{base_url}/videos/{job}"), count)


async def fan_out(base_url: str, job: str, count: int) -> dict[str, float]:
    # A thousand tasks in its own queue would only make it slower.
    turns = asyncio.Semaphore(64)
    async with httpx.AsyncClient(headers=AUTH, timeout=TIMEOUT, limits=LIMITS) as client:

        async def ask() -> dict[str, Any]:
            async with turns:
                return await get_async(client, f"{base_url}/videos/{job}")

        return await all_at_once(ask, count)


async def waiting(base_url: str, jobs: list[str], timeout: float, poll_interval: float) -> dict[str, float]:
    turns = asyncio.Semaphore(64)
    async with httpx.AsyncClient(headers=AUTH, timeout=TIMEOUT, limits=LIMITS) as client:
        await get_async(client, f"{base_url}/videos/{jobs[0]}")

        async def follow(job: str) -> None:
            while True:
                async with turns:
                    told = await get_async(client, f"{base_url}/videos/{job}")
                if told["status"] == "done":
                    return
                await asyncio.sleep(poll_interval)

        return await followed(follow, jobs, timeout)


def download(base_url: str, url: str, path: str, ca_file: str | None) -> dict[str, Any]:
    import ssl

    context = ssl.create_default_context(cafile=ca_file)
    digest, part = hashlib.sha256(), Path(f"{path}.part")
    with httpx.Client(timeout=TIMEOUT, verify=context) as client:
        with Meter() as meter:
            with client.stream("GET", url) as response, part.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes(1 << 18):
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        return {
            "bytes": Path(path).stat().st_size,
            "sha256": digest.hexdigest(),
            "seconds": meter.seconds,
            "cpu": meter.cpu,
            "grown": meter.grown,
        }


def upload(base_url: str, path: str) -> dict[str, float]:
    with httpx.Client(headers=AUTH, timeout=TIMEOUT) as client:
        with Meter() as meter:
            data = base64.b64encode(Path(path).read_bytes()).decode()
            body = {"prompt": "Now it snows.", "video": {"url": f"data:video/mp4;base64,{data}"}}
            response = client.post(f"{base_url}/videos/edits", json=body)
            response.raise_for_status()
        assert response.json()["request_id"]
        return {"seconds": meter.seconds, "cpu": meter.cpu, "grown": meter.grown}


main(
    {
        "query": query,
        "query_awaited": query_awaited,
        "fan_out": fan_out,
        "waiting": waiting,
        "download": download,
        "upload": upload,
    }
)
