"""Calls that more than one client of the service can make, and how to say them in a client's own words."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from vidjob import FileId, StorageOptions, Voice

AI_SDK, XAI_SDK = "@ai-sdk/xai", "xai-sdk"
BOTH = (AI_SDK, XAI_SDK)

BASE, NEWER, LITE = "grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"
IMAGE, OTHER, THIRD = (f"https://a.example/{name}" for name in ("a.png", "b.jpg", "c.webp"))
FILM, VOICE = "https://a.example/a.mp4", "https://a.example/a.wav"
MEDIA = Path(__file__).parent / "media"
PNG, JPEG, WEBP = ((MEDIA / name).read_bytes() for name in ("picture.png", "baseline.jpg", "lossy.webp"))
MP4 = (MEDIA / "h264.mp4").read_bytes()
IMAGE_DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()
FILM_DATA = "data:video/mp4;base64," + base64.b64encode(MP4).decode()
VOICE_DATA = "data:audio/wav;base64," + base64.b64encode(b"RIFF\x04\0\0\0WAVE").decode()

RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
#: xai-sdk has no words for them.
NEWER_RATIOS = ("21:9", "5:2")
SIZES = {"480p": "854x480", "720p": "1280x720", "1080p": "1920x1080"}


#: What a field is in the words of some client: arguments of a call.
Words = Callable[[Any], dict[str, Any]]


class Frame(NamedTuple):
    """An image for a moment of the video."""

    image: str | FileId
    timestamp: float


class Call(NamedTuple):
    """A call that some client may make, in the words of ours."""

    name: str
    fields: dict[str, Any]
    verb: str = "generate"
    peers: tuple[str, ...] = BOTH
    #: How we are known to differ; the test then fails as soon as we do not.
    differs: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        words = {} if "prompt" in self.fields else {"prompt": "A candle flickers."}
        return {"model": BASE, **words, **self.fields}


STORED = {
    "by name": StorageOptions("a.mp4"),
    "for a time": StorageOptions("a.mp4", expires_after=7200),
    "in public": StorageOptions("a.mp4", public_url=True),
    "in public for a time": StorageOptions("a.mp4", expires_after=7200, public_url=True, public_url_expires_after=3600),
}

CALLS = [
    Call("a prompt", {}),
    Call("a prompt beyond ASCII", {"prompt": 'a "candle"\n\t… 🕯'}),
    Call("another model", {"model": NEWER}),
    Call("all settings", {"duration": 3, "aspect_ratio": "9:16", "resolution": "720p", "generate_audio": False}),
    *(Call(f"the ratio {ratio}", {"aspect_ratio": ratio}) for ratio in RATIOS),
    *(Call(f"the ratio {ratio}", {"aspect_ratio": ratio}, peers=(AI_SDK,)) for ratio in NEWER_RATIOS),
    *(Call(f"the resolution {size}", {"resolution": size, "model": NEWER}) for size in SIZES),
    *(Call(f"the resolution {size} at less", {"resolution": size, "model": LITE}) for size in SIZES),
    Call("sound", {"generate_audio": True, "model": NEWER}),
    Call("a user", {"user": "u-1"}, peers=(AI_SDK,)),
    # ---- images
    Call("an image", {"image": IMAGE}),
    Call("an image alone", {"image": IMAGE, "prompt": None}),
    Call("an image as data", {"image": IMAGE_DATA}),
    Call("a PNG image in memory", {"image": PNG}, peers=(AI_SDK,)),
    Call("a JPEG image in memory", {"image": JPEG}, peers=(AI_SDK,)),
    Call("a WebP image in memory", {"image": WEBP}, peers=(AI_SDK,)),
    Call("an image by its id", {"image": FileId("file-1")}, peers=(XAI_SDK,)),
    # ---- references
    Call("references", {"reference_images": [IMAGE, OTHER, IMAGE_DATA], "duration": 10}),
    Call("fourteen references", {"reference_images": [IMAGE, OTHER] * 7, "duration": 15, "model": NEWER}),
    Call("references alone", {"reference_images": [IMAGE], "prompt": None}, peers=(XAI_SDK,)),
    Call("references in memory", {"reference_images": [PNG, JPEG]}, peers=(AI_SDK,)),
    Call(
        "references by their ids", {"reference_images": [FileId("file-1"), FileId("file-2"), IMAGE]}, peers=(XAI_SDK,)
    ),
    Call("references and an image", {"reference_images": [OTHER], "image": IMAGE, "model": NEWER}),
    Call("voices", {"reference_images": [IMAGE], "reference_audios": [Voice("ara"), Voice("leo")], "model": NEWER}),
    Call("voices alone", {"reference_audios": [Voice("ara")], "model": NEWER}, peers=(XAI_SDK,)),
    Call(
        "voices of one's own",
        {"reference_audios": [VOICE, VOICE_DATA, Voice("ara")], "model": NEWER},
        peers=(AI_SDK,),
    ),
    # ---- pinned frames
    Call("a last frame", {"last_frame": IMAGE, "model": NEWER}),
    Call("a first and a last frame", {"image": IMAGE, "last_frame": IMAGE_DATA, "model": NEWER}),
    Call("a last frame in memory", {"last_frame": JPEG, "model": NEWER}, peers=(AI_SDK,)),
    Call("a last frame by its id", {"last_frame": FileId("file-1"), "model": NEWER}, peers=(XAI_SDK,)),
    Call(
        "keyframes",
        {"keyframes": [Frame(IMAGE, 1.5), Frame(IMAGE_DATA, 2.25)], "duration": 4, "model": NEWER},
    ),
    Call(
        "keyframes by their ids",
        {"keyframes": [Frame(FileId("file-1"), 0.5)], "model": NEWER},
        peers=(XAI_SDK,),
    ),
    Call(
        "everything pinned",
        {
            "image": IMAGE,
            "last_frame": OTHER,
            "reference_images": [THIRD],
            "reference_audios": [Voice("ara")],
            "keyframes": [Frame(IMAGE, 1.5)],
            "model": NEWER,
        },
        peers=(XAI_SDK,),
    ),
    # ---- keeping
    *(Call(f"kept {how}", {"storage_options": options}) for how, options in STORED.items()),
    # ---- edits
    Call("an edit", {"video": FILM}, "edit"),
    Call("an edit of data", {"video": FILM_DATA}, "edit"),
    Call("an edit by id", {"video": FileId("file-1")}, "edit", (XAI_SDK,)),
    Call("an edit that is kept", {"video": FILM, "storage_options": STORED["in public"]}, "edit"),
    Call("an edit for a user", {"video": FILM, "user": "u-1"}, "edit", (AI_SDK,)),
    # ---- extensions
    Call("an extension", {"video": FILM}, "extend"),
    Call("an extension of some seconds", {"video": FILM, "duration": 6}, "extend"),
    Call("an extension of a second", {"video": FILM, "duration": 1}, "extend"),
    Call("an extension of data", {"video": FILM_DATA}, "extend"),
    Call("an extension by id", {"video": FileId("file-1")}, "extend", (XAI_SDK,)),
    Call("an extension that is kept", {"video": FILM, "storage_options": STORED["in public for a time"]}, "extend"),
]


def same(name: str) -> Words:
    return lambda value: {name: value}


def merge(whole: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and name in whole:
            merge(whole[name], value)
        elif isinstance(value, list) and name in whole:
            whole[name] = whole[name] + value
        else:
            whole[name] = value


def translated(call: Call, words: dict[str, Words]) -> dict[str, Any]:
    """The call in the words of a peer; a field for which it has none is an error of the table."""
    options: dict[str, Any] = {}
    for name, value in call.arguments.items():
        if value is not None:
            merge(options, words[name](value))
    return options
