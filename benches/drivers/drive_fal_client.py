"""fal-client, with its own `handle.get`."""

from __future__ import annotations

import httpx
from fal_client.client import AsyncRequestHandle
from meter import followed, main


async def waiting(base_url: str, jobs: list[str], timeout: float) -> dict[str, float]:
    async with httpx.AsyncClient(headers={"authorization": "Key k"}) as client:

        async def follow(job: str) -> None:
            # Its own way to a handle leads to a fixed host.
            url = f"{base_url}/requests/{job}"
            await AsyncRequestHandle(job, url, f"{url}/status", f"{url}/cancel", client).get()

        return await followed(follow, jobs, timeout)


main({"waiting": waiting})
