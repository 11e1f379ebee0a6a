"""A small storyboard: three shots at once, the last one extended.

python storyboard.py                # needs COMETAPI_KEY, and costs money
python storyboard.py --simulate     # runs the service on this machine: no key, no cost
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from vidjob import RenderResult, Simulator, VideoClient, VideoRequest

SHOTS = {
    "1-harbour": VideoRequest("Dawn over a small harbour, fishing boats at rest.", duration=4, aspect_ratio="16:9"),
    "2-nets": VideoRequest("Close on hands that mend a net, morning light.", duration=3, aspect_ratio="16:9"),
    "3-leaving": VideoRequest("A boat leaves the harbour, seen from the pier.", duration=5, aspect_ratio="16:9"),
}
ENDING = "The boat grows small against the rising sun, gulls follow it."


async def tell(client: VideoClient, folder: Path) -> list[RenderResult]:
    """Renders the shots at once, then the ending. The same call again resumes."""
    shots = [client.render_async(request, folder / f"{name}.mp4") for name, request in SHOTS.items()]
    results = await asyncio.gather(*shots)
    ending = VideoRequest(ENDING, operation="extend", video=results[-1].job, duration=4)
    return [*results, await client.render_async(ending, folder / "3-leaving-extended.mp4")]


def main() -> None:
    """Parses the arguments and prints what was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulate", action="store_true", help="run the service on this machine")
    parser.add_argument("-o", "--output", type=Path, default=Path("storyboard"), metavar="DIR")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.simulate:
        with Simulator(render_seconds=0.5) as simulator, simulator.client() as client:
            results = asyncio.run(tell(client, args.output))
    else:
        with VideoClient() as client:
            results = asyncio.run(tell(client, args.output))
    for result in results:
        if result.job and result.job.video and result.job.usage:
            print(f"{result.path}: {result.job.video.duration:g} s, {result.job.usage.cost_usd} USD")


if __name__ == "__main__":
    main()
