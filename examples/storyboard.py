"""Three shots at once, the last one extended: a small storyboard.

python storyboard.py                # with COMETAPI_KEY set: this costs money
python storyboard.py --simulate     # on this machine: no key, no cost
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import repeat
from pathlib import Path

from vidjob import Simulator, VideoClient, VideoJob, VideoRequest

SHOTS = {
    "1-harbour": VideoRequest("Dawn over a small harbour, fishing boats at rest.", duration=4, aspect_ratio="16:9"),
    "2-nets": VideoRequest("Close on hands that mend a net, morning light.", duration=3, aspect_ratio="16:9"),
    "3-leaving": VideoRequest("A boat leaves the harbour, seen from the pier.", duration=5, aspect_ratio="16:9"),
}
ENDING = "The boat grows small against the rising sun, gulls follow it."


async def make(client: VideoClient, request: VideoRequest, path: Path) -> VideoJob:
    """Makes one shot, and keeps it."""
    job = await client.wait_async(await client.generate_async(request))
    await client.download_async(job, path)
    return job


async def tell(client: VideoClient, folder: Path) -> dict[Path, VideoJob]:
    """Makes the shots and the ending, and keeps them all."""
    paths = [folder / f"{name}.mp4" for name in SHOTS]
    jobs = await asyncio.gather(*map(make, repeat(client), SHOTS.values(), paths))
    ending = await client.wait_async(await client.extend_async(jobs[-1], ENDING, duration=4))
    path = folder / "3-leaving-extended.mp4"
    await client.download_async(ending, path)
    return {**dict(zip(paths, jobs, strict=True)), path: ending}


def main() -> None:
    """Reads the arguments, and shows what was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true", help="run the service on this machine")
    parser.add_argument("-o", "--output", type=Path, default=Path("storyboard"), metavar="DIR")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.simulate:
        with Simulator(render_seconds=2) as simulator, simulator.client() as client:
            jobs = asyncio.run(tell(client, args.output))
    else:
        with VideoClient() as client:
            jobs = asyncio.run(tell(client, args.output))
    for path, job in jobs.items():
        if job.video and job.usage:
            print(f"{path}: {job.video.duration:g} s, {job.usage.cost_usd} USD")


if __name__ == "__main__":
    main()
