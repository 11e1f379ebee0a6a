"""openai, with its own `videos.retrieve` and `videos.poll`."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path

from meter import Meter, all_at_once, awaited_one_by_one, followed, main, one_by_one
from openai import AsyncOpenAI, OpenAI

warnings.simplefilter("ignore", DeprecationWarning)


def query(base_url: str, job: str, count: int) -> dict[str, float]:
    with OpenAI(api_key="k", base_url=base_url) as client:
        return one_by_one(lambda: client.videos.retrieve(job), count)


async def query_awaited(base_url: str, job: str, count: int) -> dict[str, float]:
    async with AsyncOpenAI(api_key="k", base_url=base_url) as client:
        return await awaited_one_by_one(lambda: client.videos.retrieve(job), count)


async def fan_out(base_url: str, job: str, count: int) -> dict[str, float]:
    async with AsyncOpenAI(api_key="k", base_url=base_url) as client:
        return await all_at_once(lambda: client.videos.retrieve(job), count)


async def waiting(base_url: str, jobs: list[str], timeout: float) -> dict[str, float]:
    async with AsyncOpenAI(api_key="k", base_url=base_url) as client:
        await client.videos.retrieve(jobs[0])

        async def follow(job: str) -> None:
            video = await client.videos.poll(job)
            assert video.status == "completed"

        return await followed(follow, jobs, timeout)


def upload(base_url: str, path: str) -> dict[str, float]:
    with OpenAI(api_key="k", base_url=base_url, max_retries=0) as client:
        with Meter() as meter:
            data = base64.b64encode(Path(path).read_bytes()).decode()
            body = {"prompt": "Now it snows.", "video": {"url": f"data:video/mp4;base64,{data}"}}
            answer = client.post("/videos/edits", body=body, cast_to=object)
        assert answer
        return {"seconds": meter.seconds, "cpu": meter.cpu, "grown": meter.grown}


main(
    {
        "query": query,
        "query_awaited": query_awaited,
        "fan_out": fan_out,
        "waiting": waiting,
        "upload": upload,
    }
)
