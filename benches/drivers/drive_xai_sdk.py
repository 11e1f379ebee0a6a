"""xai-sdk, with its own `video.get` and `video.generate`, over gRPC as it does."""

from __future__ import annotations

from meter import followed, main, one_by_one
from xai_sdk import AsyncClient, Client


def query(base_url: str, job: str, count: int) -> dict[str, float]:
    client = Client(api_key="k", api_host=base_url)
    return one_by_one(lambda: client.video.get(job), count)


async def waiting(base_url: str, jobs: list[str], timeout: float) -> dict[str, float]:
    client = AsyncClient(api_key="k", api_host=base_url)

    async def follow(job: str) -> None:
        # The stub takes the prompt for the job's id: `generate` cannot be told to follow one that is there.
        await client.video.generate(prompt=job, model="grok-imagine-video")

    return await followed(follow, jobs, timeout)


main({"query": query, "waiting": waiting})
