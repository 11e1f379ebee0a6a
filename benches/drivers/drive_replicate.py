"""replicate, with its own `prediction.async_wait`."""

from __future__ import annotations

import replicate
from meter import followed, main


async def waiting(base_url: str, jobs: list[str], timeout: float) -> dict[str, float]:
    client = replicate.Client(api_token="k", base_url=base_url)  # noqa: S106 - not one

    async def follow(job: str) -> None:
        prediction = await client.predictions.async_get(job)
        await prediction.async_wait()
        assert prediction.status == "succeeded"

    return await followed(follow, jobs, timeout)


main({"waiting": waiting})
