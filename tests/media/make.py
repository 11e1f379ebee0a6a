"""Makes the files that the tests of media send: real encoders, one small file for each format.

pip install imageio-ffmpeg pillow pillow-heif && python make.py
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pillow_heif
from PIL import Image

HERE = Path(__file__).parent
VIDEOS = {
    "h264.mp4": ["-c:v", "libx264"],
    "h264-faststart.mp4": ["-c:v", "libx264", "-movflags", "+faststart"],
    "h264-fragmented.mp4": ["-c:v", "libx264", "-movflags", "frag_keyframe+empty_moov"],
    "h265.mp4": ["-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=error:info=0"],
    "av1.mp4": ["-c:v", "libaom-av1", "-cpu-used", "8"],
    "mpeg4.mp4": ["-c:v", "mpeg4"],
    "quicktime.mov": ["-c:v", "libx264"],
    "vp9.webm": ["-c:v", "libvpx-vp9"],
    "transport.ts": ["-c:v", "libx264"],
}


def film(name: str, options: list[str], seconds: float = 3) -> None:
    """Makes one video of a grey field."""
    source = f"color=c=gray:s=64x64:r=4:d={seconds}"
    encoder = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*encoder, "-pix_fmt", "yuv420p", *options, str(HERE / name)], check=True)


def pictures() -> None:
    """Makes one image in each format."""
    picture = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    picture.save(HERE / "baseline.jpg", quality=60)
    picture.save(HERE / "progressive.jpg", quality=60, progressive=True)
    picture.save(HERE / "picture.png")
    picture.save(HERE / "picture.bmp")
    picture.save(HERE / "lossy.webp", quality=40)
    picture.save(HERE / "lossless.webp", lossless=True)
    picture.save(HERE / "picture.gif")
    picture.save(HERE / "picture.tiff")
    picture.save(HERE / "picture.avif", quality=30)
    picture.save(HERE / "document.pdf")
    pillow_heif.from_pillow(picture).save(HERE / "picture.heic", quality=30)


if __name__ == "__main__":
    pictures()
    for name, options in VIDEOS.items():
        film(name, options)
    film("long.mp4", ["-c:v", "libx264"], seconds=9)
    film("short.mp4", ["-c:v", "libx264"], seconds=1)
