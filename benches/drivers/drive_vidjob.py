"""vidjob, as its README says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from meter import Meter, all_at_once, awaited_one_by_one, followed, main, one_by_one

from vidjob import Video, VideoClient


def query(base_url: str, job: str, count: int) -> dict[str, float]:
    with VideoClient("k", base_url=base_url) as client:
        return one_by_one(lambda: client.get(job), count)


async def query_awaited(base_url: str, job: str, count: int) -> dict[str, float]:
    async with VideoClient("k", base_url=base_url) as client:
        return await awaited_one_by_one(lambda: client.get_async(job), count)


async def fan_out(base_url: str, job: str, count: int) -> dict[str, float]:
    async with VideoClient("k", base_url=base_url) as client:
        return await all_at_once(lambda: client.get_async(job), count)


async def waiting(
    base_url: str, jobs: list[str], timeout: float, poll_interval: float | None = None
) -> dict[str, float]:
    async with VideoClient("k", base_url=base_url) as client:
        await client.get_async(jobs[0])
        return await followed(lambda job: client.wait_async(job, poll_interval=poll_interval), jobs, timeout)


def download(base_url: str, url: str, path: str, ca_file: str | None) -> dict[str, Any]:
    with VideoClient("k", base_url=base_url, ca_file=ca_file) as client:
        with Meter() as meter:
            kept = client.download(Video(url), path, max_bytes=1 << 34)
        return {
            "bytes": kept.bytes,
            "sha256": kept.sha256,
            "seconds": meter.seconds,
            "cpu": meter.cpu,
            "grown": meter.grown,
        }


async def small_files(base_url: str, urls: list[str], folder: str) -> dict[str, float]:
    async with VideoClient("k", base_url=base_url) as client:
        with Meter() as meter:
            kept = await asyncio.gather(
                *(client.download_async(Video(url), Path(folder) / f"{number}.mp4") for number, url in enumerate(urls))
            )
        assert all(file.sha256 for file in kept)
        return {"seconds": meter.seconds, "cpu": meter.cpu}


def upload(base_url: str, path: str) -> dict[str, float]:
    with VideoClient("k", base_url=base_url) as client:
        with Meter() as meter:
            job = client.edit("Now it snows.", Path(path))
        assert job.request_id
        return {"seconds": meter.seconds, "cpu": meter.cpu, "grown": meter.grown}


def batch(base_url: str, folder: str, items: int, concurrency: int, poll_interval: float) -> dict[str, float]:
    rows = ({"id": f"i{number:05}", "prompt": f"take {number}", "duration": 1} for number in range(items))
    with VideoClient("k", base_url=base_url, max_concurrent_requests=64) as client:
        with Meter() as meter:
            results = client.render_many(rows, folder, concurrency=concurrency, poll_interval=poll_interval)
            kept = sum(result.ok for result in results)
        assert kept == items
        return {"per_second": items / meter.seconds, "cpu_us": meter.cpu / items * 1e6, "grown": meter.grown}


main(
    {
        "query": query,
        "query_awaited": query_awaited,
        "fan_out": fan_out,
        "waiting": waiting,
        "download": download,
        "small_files": small_files,
        "upload": upload,
        "batch": batch,
    }
)
