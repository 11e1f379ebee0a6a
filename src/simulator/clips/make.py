"""Makes the simulator's clips: H.264 test patterns, one for each duration and aspect ratio.

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


def make(ratio: str, colour: str, seconds: int) -> None:
    """Makes one clip: a square that crosses a coloured field once."""
    width, height = SIZES[ratio]
    side = min(width, height) // 4
    source = f"color=c={colour}:s={width}x{height}:r={FRAMES_PER_SECOND}:d={seconds}"
    square = f"color=c=0xf4a261:s={side}x{side}:r={FRAMES_PER_SECOND}:d={seconds}"
    across = f"overlay=x='(W-w)*t/{seconds}':y='(H-h)*(0.5+0.5*sin(2*PI*t/3))'"
    name = f"{ratio.replace(':', 'x')}-{seconds:02}.mp4"
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
            str(seconds),
            "-c:v",
            "libx264",
            "-preset",
            "veryslow",
            "-crf",
            "38",
            "-g",
            "64",
            "-bf",
            "2",
            "-x264-params",
            "sei=0",
            "-bitexact",
            "-map_metadata",
            "-1",
            "-movflags",
            "+faststart",
            name,
        ],
        check=True,
        cwd=Path(__file__).parent,
    )


for ratio, colour in zip(SIZES, COLOURS, strict=True):
    for seconds in range(1, 26):
        make(ratio, colour, seconds)
