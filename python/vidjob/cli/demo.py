"""``vidjob demo``: three clips at once from a simulator in this process. No key, no network, no cost."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import vidjob
from vidjob._progress.display import Display
from vidjob._progress.formatting import format_size, printable
from vidjob.cli.displays import job_display
from vidjob.cli.exit_codes import Exit
from vidjob.cli.single_job import cost, usd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from vidjob.cli.output import Output
    from vidjob.cli.single_job import Context

__all__ = ["run"]

_RENDER_SECONDS = 4.0
_QUEUE_SECONDS = 0.6
#: Frequent polls, so that progress is visible.
_POLL_INTERVAL = 0.3

_PROGRAM = """\
import asyncio
from vidjob import VideoClient
async def main(client, clips):
    return await asyncio.gather(*(client.render_async(prompt, file, duration=5) for prompt, file in clips))
clips = [("A candle flickers on a wooden table.", "candle.mp4"), ("Waves roll in at dawn.", "waves.mp4")]
print(asyncio.run(main(VideoClient(), clips)))"""


@dataclass(frozen=True)
class _Clip:
    name: str
    prompt: str
    duration: int
    aspect_ratio: str


_CLIPS = (
    _Clip("candle", "A candle flickers on a wooden table.", 5, "16:9"),
    _Clip("waves", "Waves roll onto a beach at dawn, seen from a pier.", 8, "9:16"),
    _Clip("city", "A street in the rain at night, neon signs in the puddles.", 3, "1:1"),
)


class _ClipDisplay(Display):
    """Shows the progress of one render, and measures it from acceptance to the end."""

    def __init__(self, output: Output, name: str) -> None:
        self._display = job_display(output.progress_stream, name, max(len(clip.name) for clip in _CLIPS))
        self._began = 0.0
        self.seconds = 0.0

    def on_event(self, event: Mapping[str, Any], job: vidjob.VideoJob | None = None) -> None:
        if event["event"] == "accepted":
            self._began = time.monotonic()
        elif event["event"] == "status":
            self.seconds = time.monotonic() - self._began
        if self._display is not None:
            self._display.on_event(event, job)

    def tick(self) -> None:
        if self._display is not None:
            self._display.tick()

    def finish(self) -> None:
        """Leaves the display as it is."""
        if self._display is not None:
            self._display.close()


@dataclass(frozen=True)
class _Made:
    clip: _Clip
    result: vidjob.RenderResult
    seconds: float


def run(context: Context) -> Exit:
    """Renders the clips, and prints what was made."""
    output, folder = context.output, Path(context.args.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        output.error(f"the folder {printable(str(folder))} cannot be made: {error.strerror}")
        return Exit.UNEXPECTED
    output.say("vidjob demo: three clips at once from a simulator inside this process.")
    output.say("No key, no network, no cost. The clips are test patterns, whatever the prompts say.\n")
    for clip in _CLIPS:
        output.say(f"  {clip.name:<8}{clip.duration} s  {clip.aspect_ratio:<5}  {clip.prompt}")
    output.say("")
    made = _make(output, folder)
    if output.form == "json":
        output.result(_as_json(made, folder))
    else:
        _print(output, made, folder)
    return Exit.OK


def _make(output: Output, folder: Path) -> list[_Made]:
    displays = [_ClipDisplay(output, clip.name) for clip in _CLIPS]
    for display in displays:
        display.tick()  # bars have the order of their first drawing
    # Address and key are the simulator's, so that those of the environment are not used.
    with (
        # The next simulator does not know this one's jobs, so the journal is temporary. After Ctrl-C a create that is
        # under way may still write there.
        TemporaryDirectory(ignore_cleanup_errors=True) as journal,
        vidjob.Simulator(render_seconds=_RENDER_SECONDS, spread=0.2, queue_seconds=_QUEUE_SECONDS) as simulator,
        simulator.client(journal=journal) as client,
    ):
        try:
            return asyncio.run(_render_all(client, folder, displays))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            for display in displays:
                display.finish()


def _let_ctrl_c_cancel() -> None:
    """Cancels the main task on Ctrl-C, as ``asyncio.run`` does from Python 3.11 on."""
    task = asyncio.current_task()
    if sys.version_info < (3, 11) and sys.platform != "win32" and task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)


async def _render_all(client: vidjob.VideoClient, folder: Path, displays: list[_ClipDisplay]) -> list[_Made]:
    _let_ctrl_c_cancel()
    renders = [_render(client, clip, folder, display) for clip, display in zip(_CLIPS, displays, strict=True)]
    return await asyncio.gather(*renders)


async def _render(client: vidjob.VideoClient, clip: _Clip, folder: Path, display: _ClipDisplay) -> _Made:
    result = await client.render_async(
        clip.prompt,
        folder / f"{clip.name}.mp4",
        duration=clip.duration,
        aspect_ratio=clip.aspect_ratio,
        poll_interval=_POLL_INTERVAL,
        overwrite=True,
        progress=display,
    )
    return _Made(clip, result, display.seconds)


def _print(output: Output, made: list[_Made], folder: Path) -> None:
    output.say("")
    output.line(f"Made in {printable(str(folder))} (test patterns from a simulator):\n")
    heading = ("file", "size", "seconds", "rendered in", "would cost", "sha256")
    output.table([heading, *map(_row, made)])
    output.line(f"\nFor real, such renders would cost about {usd(_total(made))}. Here they cost nothing.")
    output.say("\nThe same in six lines for real use, with a key in COMETAPI_KEY (this costs money):\n")
    for line in _PROGRAM.splitlines():
        output.say(f"    {line}")


def _row(made: _Made) -> tuple[str, ...]:
    result = made.result
    video = None if result.job is None else result.job.video
    return (
        f"{made.clip.name}.mp4",
        format_size(result.bytes or 0),
        "" if video is None or video.duration is None else f"{video.duration:g}",
        f"{made.seconds:.1f} s",
        cost(result.job),
        (result.sha256 or "")[:12],
    )


def _total(made: list[_Made]) -> Decimal:
    costs = [each.result.job.usage.cost_usd for each in made if each.result.job and each.result.job.usage]
    return sum(costs, Decimal(0))


def _as_json(made: list[_Made], folder: Path) -> dict[str, Any]:
    return {
        "simulated": True,
        "folder": str(folder),
        "would_cost_usd": f"{_total(made).normalize():f}",
        "results": [{**each.result.to_dict(), "render_seconds": round(each.seconds, 3)} for each in made],
    }
