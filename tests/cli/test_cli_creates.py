"""The commands that create jobs: options, bodies, and what is refused."""

from __future__ import annotations

import base64
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli_values import ID
from support import OFTEN, Cli, Run
from vidjob import Simulator, VideoClient, VideoJob

MEDIA = Path(__file__).parent.parent / "media"


PNG, CLIP = str(MEDIA / "picture.png"), str(MEDIA / "h264.mp4")


NEW = "grok-imagine-video-1.5"


def data_uri(kind: str, path: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


IMAGE = {"url": data_uri("image/png", PNG)}


VIDEO = {"url": data_uri("video/mp4", CLIP)}


#: (command line, path, the JSON that is sent)
CREATES: list[tuple[list[str], str, dict[str, Any]]] = [
    (["generate", "x"], "generations", {"prompt": "x"}),
    (["generate", "--image", PNG], "generations", {"image": IMAGE}),
    (
        ["generate", "x", "--image", "https://a.example/i.png", "--duration", "3", "--aspect-ratio", "1:1"],
        "generations",
        {"prompt": "x", "image": {"url": "https://a.example/i.png"}, "duration": 3, "aspect_ratio": "1:1"},
    ),
    (
        ["generate", "x", "--reference", PNG, "--reference", "file-id:file-1", "--resolution", "720p", "--user", "u"],
        "generations",
        {"prompt": "x", "reference_images": [IMAGE, {"file_id": "file-1"}], "resolution": "720p", "user": "u"},
    ),
    (
        ["generate", "x", "--model", NEW, "--voice", "ara", "--voice", "https://a.example/v.wav", "--no-audio"],
        "generations",
        {
            "prompt": "x",
            "model": NEW,
            "reference_audios": [{"voice_id": "ara"}, {"url": "https://a.example/v.wav"}],
            "generate_audio": False,
        },
    ),
    (
        ["generate", "x", "--model", NEW, "--last-frame", PNG, "--keyframe", f"2.5={PNG}"],
        "generations",
        {"prompt": "x", "model": NEW, "last_frame": IMAGE, "keyframes": [{"image": IMAGE, "timestamp_s": 2.5}]},
    ),
    (
        ["generate", "x", "--upload-url", "https://a.example/put", "--extra", '{"seed": 7}'],
        "generations",
        {"prompt": "x", "output": {"upload_url": "https://a.example/put"}, "seed": 7},
    ),
    (
        ["generate", "x", "--store-as", "a.mp4", "--store-for", "3600", "--public-url", "--public-url-for", "7200"],
        "generations",
        {
            "prompt": "x",
            "storage_options": {"filename": "a.mp4", "expires_after": 3600, "public_url": {"expires_after": 7200}},
        },
    ),
    (["edit", "a hat", "--video", CLIP], "edits", {"prompt": "a hat", "video": VIDEO}),
    (
        ["extend", "on", "--video", "https://a.example/v.mp4", "--duration", "4"],
        "extensions",
        {"prompt": "on", "video": {"url": "https://a.example/v.mp4"}, "duration": 4},
    ),
]


@pytest.mark.parametrize(("line", "path", "body"), CREATES)
def test_creates(
    cli: Cli, at: list[str], simulator: Simulator, line: list[str], path: str, body: dict[str, Any]
) -> None:
    code, out, err = cli(*line, *at)
    assert code == 0
    [entry] = simulator.accepted
    assert (entry["operation"], entry["body"]) == (path, body)
    assert out.splitlines() == [f"request_id  {entry['request_id']}", "status      pending"]
    assert err.splitlines()[-1] == f"to save it: vidjob download {entry['request_id']} {shlex.join(at)}"
    code, out, _ = cli("render", *line[1:], "--operation", line[0], *OFTEN, "-o", "a.mp4", *at)
    if "--upload-url" in line:
        assert code == 2
    else:
        assert (code, simulator.accepted[-1]["body"]) == (0, body)


def test_creates_as_json(cli: Cli, at: list[str], simulator: Simulator) -> None:
    code, out, _ = cli("generate", "x", "--json", *at)
    assert code == 0
    assert VideoJob.from_dict(json.loads(out)).request_id == simulator.accepted[0]["request_id"]


@pytest.mark.parametrize("command", ["edit", "extend"])
def test_an_earlier_job_as_source(
    cli: Cli, at: list[str], simulator: Simulator, client: VideoClient, job: VideoJob, command: str
) -> None:
    assert cli(command, "on", "--job", job.request_id, *at)[0] == 0
    assert job.video is not None
    assert simulator.accepted[-1]["body"] == {"prompt": "on", "video": {"url": job.video.url}}
    assert cli("render", "on", "--job", job.request_id, "-o", "a.mp4", *OFTEN, *at)[0] == 0
    assert simulator.accepted[-1]["operation"] == "edits"


@pytest.mark.parametrize(("line", "path", "body"), CREATES)
def test_dry_run_needs_no_key(cli: Cli, line: list[str], path: str, body: dict[str, Any]) -> None:
    code, out, err = cli(*line, "--dry-run")
    assert code == 0
    assert re.fullmatch(rf"nothing is sent; this would go to /videos/{path} and cost about 0\.\d\d+ USD\n", err)
    shown = json.loads(out)
    assert shown.keys() == body.keys()
    assert len(out) < 600
    if body.get("image") == IMAGE:
        assert shown["image"] == {"url": f"data:image/png;base64,… ({Path(PNG).stat().st_size} bytes)"}
    else:
        assert "base64,iVBOR" not in out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["generate"], "prompt is missing"),
        (["generate", "x", "--image", "none.png"], "none.png cannot be read"),
        (["generate", "x", "--image", __file__], "is plain text; expected a JPEG"),
        (["generate", "x", "--duration", "16"], "1 to 15"),
        (["generate", "x", "--resolution", "1080p"], "--model grok-imagine-video-1.5"),
        (["generate", "x", "--keyframe", PNG], "like 2.5=frame.png"),
        (["generate", "x", "--store-for", "3600"], "--store-as"),
        (["generate", "x", "--store-as", "a", "--public-url-for", "3600"], "--public-url"),
        (["edit", "x"], "--video --job"),
        (["edit", "x", "--video", CLIP, "--job", ID], "not allowed with"),
        (["edit", "x", "--video", PNG], "a PNG image; expected an MP4 video"),
        (["extend", "x", "--video", CLIP, "--duration", "11"], "1 to 10"),
        (["render", "x", "-o", "a.mp4", "--video", CLIP, "--duration", "5"], "takes its duration from its source"),
        (["render", "x", "--operation", "extend", "-o", "a.mp4"], "video is missing"),
        (["render", "x"], "-o/--output"),
    ],
)
def test_2_mistakes_in_creates(cli: Cli, at: list[str], simulator: Simulator, line: list[str], words: str) -> None:
    code, out, err = cli(*line, *at)
    assert (code, out) == (2, "")
    assert words in err
    assert simulator.requests == []


@pytest.mark.parametrize("arguments", [["--image", "~nosuchuser/x.png"], ["--keyframe", "2=~nosuchuser/x.png"]])
def test_an_unknown_home_folder_is_wrong_usage(run_python: Run, arguments: list[str]) -> None:
    program = "import sys; from vidjob.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run_python(program, "generate", "x", *arguments, "--dry-run")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_a_keyframe_without_a_picture(run_python: Run) -> None:
    program = "import sys; from vidjob.cli import main; sys.exit(main(sys.argv[1:]))"
    model = ["--model", "grok-imagine-video-1.5"]
    done = run_python(program, "generate", "x", "--keyframe", "2", *model, "--dry-run")
    assert "SECONDS=PATH" in done.stderr
