"""Media as users have them: every kind of holder, every format, told by content and never by name."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import vidjob
from support import ApiMode, Run
from vidjob import Simulator, VideoClient, VideoRequest

MEDIA = Path(__file__).parent.parent / "media"
IMAGES = {
    "baseline.jpg": "image/jpeg",
    "progressive.jpg": "image/jpeg",
    "picture.png": "image/png",
    "lossy.webp": "image/webp",
    "lossless.webp": "image/webp",
}
VIDEOS = ["h264.mp4", "h264-faststart.mp4", "h264-fragmented.mp4", "h265.mp4", "av1.mp4"]


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def content_of(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def holders(path: Path) -> list[Any]:
    """One file in every way that all kinds of media share."""
    content = path.read_bytes()
    return [path, content, bytearray(content), io.BytesIO(content), data_uri("text/plain", content)]


# ---- what is taken ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGES)
def test_images(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, name: str) -> None:
    shutil.copy(MEDIA / name, tmp_path / "no_name_tells.txt")
    expected = {"url": data_uri(IMAGES[name], (MEDIA / name).read_bytes())}
    for holder in holders(tmp_path / "no_name_tells.txt"):
        api(client, "generate", "x", image=holder)
        assert simulator.accepted[-1]["body"]["image"] == expected
    with (MEDIA / name).open("rb") as opened:
        api(client, "generate", "x", reference_images=[MEDIA / name, opened])
    assert simulator.accepted[-1]["body"]["reference_images"] == [expected, expected]


@pytest.mark.parametrize("name", VIDEOS)
def test_videos(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path, name: str) -> None:
    shutil.copy(MEDIA / name, tmp_path / "picture.png")
    expected = {"url": data_uri("video/mp4", (MEDIA / name).read_bytes())}
    for holder in holders(tmp_path / "picture.png"):
        api(client, "edit", "x", holder)
        assert simulator.accepted[-1]["body"]["video"] == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "PA"])
def test_pil_images(api: ApiMode, simulator: Simulator, client: VideoClient, mode: str) -> None:
    api(client, "generate", "x", image=Image.new(mode, (12, 8)))
    sent = Image.open(io.BytesIO(content_of(simulator.accepted[0]["body"]["image"]["url"])))
    assert (sent.format, sent.size) == ("PNG", (12, 8))


def test_pil_images_keep_their_pixels_and_are_turned_upright(simulator: Simulator, client: VideoClient) -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putpixel((0, 0), (250, 20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    client.generate("x", image=Image.open(buffer))
    sent = Image.open(io.BytesIO(content_of(simulator.accepted[0]["body"]["image"]["url"])))
    assert sent.size == (1, 2)
    assert sent.convert("RGB").getpixel((0, 0)) == (250, 20, 30)


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays(api: ApiMode, simulator: Simulator, client: VideoClient, channels: int) -> None:
    array = np.arange(5 * 7 * channels, dtype=np.uint8).reshape(5, 7, channels)
    for held in (array, np.asfortranarray(array), array[:, ::-1]):
        api(client, "generate", "x", image=held)
        sent = Image.open(io.BytesIO(content_of(simulator.accepted[-1]["body"]["image"]["url"])))
        assert np.array_equal(np.asarray(sent), held)


def test_figures(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.subplots().plot([1, 2, 4])
    api(client, "generate", "x", image=figure)
    sent = Image.open(io.BytesIO(content_of(simulator.accepted[0]["body"]["image"]["url"])))
    assert (sent.format, sent.size) == ("PNG", (150, 100))


def test_addresses_are_sent_as_they_are(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    address = "https://a.example/A%20b.png?sig=a%2Fb#part"
    api(client, "generate", "x", image=address)
    assert simulator.accepted[0]["body"]["image"] == {"url": address}


def test_libraries_that_are_not_in_use_are_not_imported(run_python: Run) -> None:
    done = run_python(
        "import sys, vidjob; vidjob.VideoRequest('x', image=b'png');"
        "print([name for name in ('PIL', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_file_is_read_when_it_is_sent(simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    request = VideoRequest("x", image=tmp_path / "later.png")
    with pytest.raises(vidjob.InvalidRequest, match=r"later\.png cannot be read"):
        client.generate(request)
    shutil.copy(MEDIA / "picture.png", tmp_path / "later.png")
    client.generate(request)
    assert len(simulator.accepted) == 1


# ---- what is not ------------------------------------------------------------------------------

#: (file, what it is said to be)
FOREIGN_IMAGES = [
    ("picture.heic", "High Efficiency Image"),
    ("picture.avif", "AV1 Image"),
    ("picture.gif", "Graphics Interchange Format"),
    ("picture.bmp", "Bitmap"),
    ("picture.tiff", "Tag Image File Format"),
    ("document.pdf", "Portable Document Format"),
    ("h264.mp4", "an MP4 video"),
    ("make.py", "plain text"),
]
FOREIGN_VIDEOS = [
    ("quicktime.mov", "QuickTime"),
    ("vp9.webm", "Extensible Binary Meta Language|WebM|Matroska"),
    ("transport.ts", "MPEG-2 Transport Stream"),
    ("mpeg4.mp4", "mp4v"),
    ("picture.heic", "High Efficiency Image"),
    ("picture.png", "a PNG image"),
    ("document.pdf", "Portable Document Format"),
    ("make.py", "plain text"),
]


@pytest.mark.parametrize(("name", "what"), FOREIGN_IMAGES)
def test_foreign_images(api: ApiMode, simulator: Simulator, client: VideoClient, name: str, what: str) -> None:
    for holder in holders(MEDIA / name):
        with pytest.raises(vidjob.InvalidRequest, match=what) as caught:
            api(client, "generate", "x", image=holder)
        assert caught.value.field == "image"
        assert str(caught.value).endswith("expected a JPEG, PNG or WebP image")
    assert simulator.requests == []


@pytest.mark.parametrize(("name", "what"), FOREIGN_VIDEOS)
def test_foreign_videos(api: ApiMode, simulator: Simulator, client: VideoClient, name: str, what: str) -> None:
    for holder in holders(MEDIA / name):
        with pytest.raises(vidjob.InvalidRequest, match=what) as caught:
            api(client, "edit", "x", holder)
        assert caught.value.field == "video"
    assert simulator.requests == []


@pytest.mark.parametrize("name", [*IMAGES, *VIDEOS])
def test_files_that_end_too_early(api: ApiMode, simulator: Simulator, client: VideoClient, name: str) -> None:
    whole = (MEDIA / name).read_bytes()
    for part in (0.3, 0.6, 0.95):
        verb, arguments = ("generate", {"image": whole[: int(len(whole) * part)]})
        if name in VIDEOS:
            verb, arguments = ("edit", {"video": arguments["image"]})
        with pytest.raises(vidjob.InvalidRequest, match="is truncated"):
            api(client, verb, "x", **arguments)
    assert simulator.requests == []


def test_lengths_of_files(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    for verb, name, words in (
        ("edit", "long.mp4", r"9\.00 s long; an edit"),
        ("extend", "short.mp4", r"1\.00 s long; an ext"),
    ):
        with pytest.raises(vidjob.InvalidRequest, match=words):
            api(client, verb, "x", MEDIA / name)
    api(client, "extend", "x", MEDIA / "long.mp4")
    api(client, "edit", "x", MEDIA / "short.mp4")
    assert len(simulator.accepted) == 2


def test_places_that_are_no_files(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    cases = [(tmp_path, "is a directory"), (tmp_path / "none", "cannot be read"), (tmp_path / "empty.png", "is empty")]
    if sys.platform != "win32":
        cases.append((Path("/dev/null"), "is not a regular file"))
    for path, words in cases:
        with pytest.raises(vidjob.InvalidRequest, match=words):
            api(client, "generate", "x", image=path)
    assert simulator.requests == []


@pytest.mark.parametrize("text", ["", "picture.png", "./picture.png", "/etc/passwd", "C:\\a.png", "file:///etc/passwd"])
def test_a_text_is_never_a_path(
    api: ApiMode, simulator: Simulator, client: VideoClient, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(MEDIA)
    for verb, arguments in (
        ("generate", {"image": text}),
        ("generate", {"reference_images": [text]}),
        ("edit", {"video": text}),
    ):
        with pytest.raises(vidjob.InvalidRequest, match=r"pass (pathlib\.)?Path\("):
            api(client, verb, "x", **arguments)
        with pytest.raises(ValueError, match=r"pass (pathlib\.)?Path\("):
            VideoRequest.from_dict(json.loads(json.dumps({"prompt": "x", "operation": verb, **arguments})))
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3)), r"\* 255"),
        (np.zeros((4, 4, 3), np.int64), "uint8, not int64"),
        (np.zeros((4, 4), np.uint8), "not 4 x 4"),
        (np.zeros((4, 4, 2), np.uint8), "not 4 x 4 x 2"),
        (np.zeros((3, 4, 4, 3), np.uint8), "RGB"),
        (np.zeros((0, 4, 3), np.uint8), "not 0 x 4 x 3"),
    ],
)
def test_arrays_that_are_no_images(client: VideoClient, array: Any, words: str) -> None:
    with pytest.raises(vidjob.InvalidRequest, match=words) as caught:
        client.generate("x", image=array)
    assert caught.value.field == "image"


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_pil_images_of_more_than_8_bits(client: VideoClient, mode: str) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="more than 8 bits"):
        client.generate("x", image=Image.new(mode, (4, 4)))


def test_masked_arrays(client: VideoClient) -> None:
    with pytest.raises(vidjob.InvalidRequest, match="masked"):
        client.generate("x", image=np.ma.masked_array(np.zeros((4, 4, 3), np.uint8)))


def test_open_files(client: VideoClient, tmp_path: Path) -> None:
    read = io.BytesIO(b"all of it")
    read.read()
    with pytest.raises(vidjob.InvalidRequest, match="nothing left to read"):
        client.generate("x", image=read)
    with (MEDIA / "make.py").open() as text, pytest.raises(vidjob.InvalidRequest, match="open it with 'rb'"):
        client.generate("x", image=text)  # type: ignore[arg-type]


def test_a_pil_image_that_cannot_be_read(client: VideoClient) -> None:
    whole = (MEDIA / "baseline.jpg").read_bytes()
    broken = Image.open(io.BytesIO(whole[:-60]))
    with pytest.raises(vidjob.InvalidRequest, match="PIL image cannot be read"):
        client.generate("x", image=broken)


def test_earlier_renders_are_no_images(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    for holder in (vidjob.VideoJob("a", "done"), vidjob.Video("https://a.example/v.mp4")):
        for field, value in (("image", holder), ("reference_images", [holder]), ("last_frame", holder)):
            with pytest.raises(vidjob.InvalidRequest, match="takes an image"):
                api(client, "generate", "x", model="grok-imagine-video-1.5", **{field: value})
    assert simulator.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="Unix has FIFOs")
@pytest.mark.timeout(15)
def test_a_fifo_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    request = VideoRequest("x", image=tmp_path / "fifo")
    with pytest.raises(vidjob.InvalidRequest, match="not a regular file"):
        request.preview()


def test_a_jpeg_with_fill_bytes_before_a_marker_is_whole() -> None:
    whole = (MEDIA / "baseline.jpg").read_bytes()
    filled = whole[:2] + b"\xff" + whole[2:]  # ITU T.81, B.1.1.2: any marker may be preceded by fill bytes
    Image.open(io.BytesIO(filled)).load()
    VideoRequest("x", image=filled).preview()


def marker_places(jpeg: bytes) -> list[int]:
    """Where the markers of a JPEG's header are, up to the first scan."""
    places = [2]
    while jpeg[places[-1] + 1] != 0xDA:
        places.append(places[-1] + 2 + int.from_bytes(jpeg[places[-1] + 2 : places[-1] + 4], "big"))
    return places


def is_loaded_by_pillow(content: bytes) -> bool:
    try:
        Image.open(io.BytesIO(content)).load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg"])
def test_a_jpeg_with_stray_bytes_that_pillow_loads_is_taken(name: str) -> None:
    whole = (MEDIA / name).read_bytes()
    stray = [b"\0", b"ab", b"\xff\0", b"\xff\0ab", b"\xff\xff\xff", b"\xff\xd0", b"\xff\x01"]
    stray += [bytes((length * place * 37) % 255 for place in range(length)) for length in range(1, 20)]
    loaded = 0
    for place in marker_places(whole):
        for extra in stray:
            content = whole[:place] + extra + whole[place:]
            if is_loaded_by_pillow(content):
                loaded += 1
                VideoRequest("x", image=content).preview()
    assert loaded > 100


@pytest.mark.parametrize("operation", ["edit", "extend"])
def test_a_content_whose_length_is_all_ones_has_no_known_length(operation: Any) -> None:
    content = bytearray((MEDIA / "h264.mp4").read_bytes())
    at = content.find(b"mvhd")
    content[at + 20 : at + 24] = b"\xff" * 4
    VideoRequest("x", operation=operation, video=bytes(content)).preview()


@pytest.mark.parametrize("tail", [b"\0\0\0\0", b"abc", b"TAG garbage garbage"])
def test_bytes_after_the_end_of_an_image_are_accepted(tail: bytes) -> None:
    VideoRequest("x", operation="edit", video=(MEDIA / "h264.mp4").read_bytes() + tail).preview()


def lasting(seconds: float) -> bytes:
    content = bytearray((MEDIA / "h264.mp4").read_bytes())
    at = content.find(b"mvhd")
    scale = int.from_bytes(content[at + 16 : at + 20], "big")
    content[at + 20 : at + 24] = round(seconds * scale).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize(
    ("operation", "seconds", "nonsense"),
    [
        ("edit", 8.708, "is 8.7 s long; an edit accepts at most 8.7 s"),
        ("extend", 1.96, "is 2.0 s long; an extension accepts 2 to"),
        ("extend", 30.03, "is 30.0 s long; an extension accepts 2 to 30 s"),
    ],
)
def test_a_length_is_not_refused_in_words_that_allow_it(operation: str, seconds: float, nonsense: str) -> None:
    said = ""
    try:
        VideoRequest("x", operation=operation, video=lasting(seconds)).preview()  # type: ignore[arg-type]
    except vidjob.InvalidRequest as error:
        said = str(error)
    assert nonsense not in said


def test_grey_pil_images_of_more_than_8_bits_do_not_become_white() -> None:
    picture = Image.new("I", (4, 4), 30_000)  # what many 16-bit files open as
    with contextlib.suppress(vidjob.InvalidRequest):
        sent = Image.open(io.BytesIO(VideoRequest("x", image=picture).image))  # type: ignore[arg-type]
        assert sent.convert("L").getpixel((0, 0)) == pytest.approx(30_000 // 256, abs=2)


def test_pil_palettes_keep_their_transparency() -> None:
    picture = Image.new("RGBA", (2, 2), (9, 9, 9, 0)).convert("PA")
    sent = Image.open(io.BytesIO(VideoRequest("x", image=picture).image))  # type: ignore[arg-type]
    assert sent.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]
