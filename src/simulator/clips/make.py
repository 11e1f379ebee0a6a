"""Makes the simulator's clips: an H.264 test pattern for each aspect ratio, of which shorter clips are the beginning.

pip install imageio-ffmpeg && python make.py
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

SIZES = {
    "1:1": (144, 144),
    "16:9": (192, 108),
    "9:16": (108, 192),
    "4:3": (160, 120),
    "3:4": (120, 160),
    "3:2": (168, 112),
    "2:3": (112, 168),
    "21:9": (168, 72),
    "5:2": (160, 64),
}
COLOURS = ["0x264653", "0x2a9d8f", "0x8ab17d", "0xb5838d", "0x6d597a", "0x355070", "0x7f5539", "0x588157", "0x9c6644"]
FRAMES_PER_SECOND = 8
SECONDS = 25


def make(ratio: str, colour: str) -> None:
    """Makes one clip: a square that crosses a coloured field every 5 s."""
    width, height = SIZES[ratio]
    side = min(width, height) // 4
    source = f"color=c={colour}:s={width}x{height}:r={FRAMES_PER_SECOND}:d={SECONDS}"
    square = f"color=c=0xf4a261:s={side}x{side}:r={FRAMES_PER_SECOND}:d={SECONDS}"
    across = "overlay=x='(W-w)*(0.5-0.5*cos(PI*t/5))':y='(H-h)*(0.5+0.5*sin(2*PI*t/3))'"
    subprocess.run(
        [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-y",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            source,
            "-f",
            "lavfi",
            "-i",
            square,
            "-filter_complex",
            f"[0][1]{across},format=yuv420p",
            "-t",
            str(SECONDS),
            "-c:v",
            "libx264",
            "-preset",
            "veryslow",
            "-crf",
            "38",
            # One key frame, and frames in the order in which they are shown: the beginning stands by itself.
            "-g",
            "10000",
            "-bf",
            "0",
            "-x264-params",
            "sei=0:scenecut=0",
            "-bitexact",
            "-map_metadata",
            "-1",
            "-movflags",
            "+faststart",
            f"{ratio.replace(':', 'x')}.mp4",
        ],
        check=True,
        cwd=Path(__file__).parent,
    )


for ratio, colour in zip(SIZES, COLOURS, strict=True):
    make(ratio, colour)
