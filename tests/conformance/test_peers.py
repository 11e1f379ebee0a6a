"""Servers and clients written by others, so that the simulator is not the judge of its own client."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vidjob
from support import KEY, ApiMode, mp4_file
from vidjob import Simulator, Video, VideoClient

PEERS = Path(__file__).parent.parent / "peers"

needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_ai_sdk = pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "node_modules").is_dir(),
    reason="@ai-sdk/xai is not installed: npm ci --prefix tests/peers",
)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def nginx(tmp_path: Path, simulator: Simulator) -> Iterator[str]:
    """Serves files, and passes the API through to the simulator."""
    port = free_port()
    root = tmp_path / "nginx"
    (root / "files").mkdir(parents=True)
    origin = simulator.base_url.split("/grok")[0]
    (root / "nginx.conf").write_text(
        textwrap.dedent(f"""
        daemon off; {"user root;" if os.geteuid() == 0 else ""}
        pid {root}/pid;
        error_log {root}/error.log;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
            uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
            types {{ video/mp4 mp4; text/html html; }}
            server {{
                listen 127.0.0.1:{port};
                location /files/ {{ root {root}; }}
                location /moved/ {{ rewrite ^/moved/(.*)$ /files/$1 redirect; }}
                location /endless/ {{ rewrite ^/endless/(.*)$ /endless/$1x redirect; }}
                location /gone/ {{ return 410; }}
                location /grok/ {{ proxy_pass {origin}; proxy_http_version 1.1; }}
                location /slow/ {{ alias {root}/files/; limit_rate 2m; }}
            }}
        }}
        """)
    )
    server = subprocess.Popen(["nginx", "-p", str(root), "-c", str(root / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise TimeoutError(port)


def movie(folder: Path, size: int) -> bytes:
    content = mp4_file(size)
    (folder / "nginx" / "files" / "clip.mp4").write_bytes(content)
    return content


@needs_nginx
def test_a_file_served_by_nginx(api: ApiMode, nginx: str, tmp_path: Path) -> None:
    content = movie(tmp_path, 5_000_000)
    with VideoClient(KEY, base_url=f"{nginx}/grok/v1") as client:
        for path in ("files", "moved", "slow"):
            kept = api(client, "download", Video(f"{nginx}/{path}/clip.mp4"), tmp_path / f"{path}.mp4")
            assert (kept.bytes, kept.content_type) == (len(content), "video/mp4")
            assert kept.sha256 == hashlib.sha256(content).hexdigest()
        with pytest.raises(vidjob.UnsafeUrl, match="redirect"):
            api(client, "download", Video(f"{nginx}/endless/clip.mp4"), tmp_path / "endless.mp4")
        with pytest.raises(vidjob.VideoUrlExpired):
            api(client, "download", Video(f"{nginx}/gone/clip.mp4"), tmp_path / "gone.mp4")


class Breaking:
    """A proxy in front of nginx that drops the first connections after some bytes."""

    def __init__(self, target: int, after: int, times: int) -> None:
        self._target, self._after, self._left = target, after, times
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", self._target)) as far:
                far.sendall(near.recv(65536))
                self._pass_on(near, far)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        passed = 0
        far.settimeout(1)
        with contextlib.suppress(OSError):
            while chunk := far.recv(65536):
                near.sendall(chunk)
                passed += len(chunk)
                if self._left and passed > self._after:
                    self._left -= 1
                    return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@needs_nginx
def test_nginx_resumes_what_broke(api: ApiMode, nginx: str, tmp_path: Path) -> None:
    import threading

    content = movie(tmp_path, 3_000_000)
    breaking = Breaking(int(nginx.rsplit(":", 1)[1]), after=1_000_000, times=2)
    thread = threading.Thread(target=breaking.run)
    thread.start()
    try:
        with VideoClient(KEY, base_url=f"{nginx}/grok/v1") as client:
            link = f"http://127.0.0.1:{breaking.port}/files/clip.mp4"
            kept = api(client, "download", Video(link), tmp_path / "a.mp4")
    finally:
        breaking.close()
        thread.join()
    assert kept.sha256 == hashlib.sha256(content).hexdigest()


@needs_nginx
def test_the_whole_path_through_nginx(api: ApiMode, nginx: str, tmp_path: Path) -> None:
    with VideoClient(KEY, base_url=f"{nginx}/grok/v1") as client:
        assert api(client, "render", "a candle", tmp_path / "a.mp4", poll_interval=0.1).ok


@needs_nginx
def test_nginx_refuses_a_large_body(api: ApiMode, nginx: str, simulator: Simulator, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    clip = (Path(__file__).parent.parent / "media" / "h264.mp4").read_bytes()
    large.write_bytes(clip + struct.pack(">I4s", 20_000_000, b"free") + bytes(20_000_000 - 8))
    with VideoClient(KEY, base_url=f"{nginx}/grok/v1", max_retries=1) as client:
        with pytest.raises(vidjob.BadRequest, match="the body has 27 MB") as caught:
            api(client, "edit", "x", large)
        assert caught.value.status_code == 413
    assert simulator.accepted == []


@needs_curl
def test_the_simulator_serves_curl(simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    job = client.wait(client.generate("a candle", duration=10), poll_interval=0.05)
    assert job.video is not None
    assert job.video.url is not None
    whole, half = tmp_path / "whole.mp4", tmp_path / "half.mp4"

    def curl(*arguments: object) -> str:
        command = ["curl", "-sS", "--noproxy", "*", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    curl("-f", "-o", whole, job.video.url)
    half.write_bytes(whole.read_bytes()[:1000])
    curl("-f", "-C", "-", "-o", half, job.video.url)
    assert half.read_bytes() == whole.read_bytes() == client_copy(client, job, tmp_path)
    assert "video/mp4" in curl("-I", job.video.url)
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-r", "99999999-", job.video.url) == "416"
    head = curl("-H", f"Authorization: Bearer {KEY}", f"{simulator.base_url}/videos/{job.request_id}")
    assert json.loads(head)["status"] == "done"


def client_copy(client: VideoClient, job: vidjob.VideoJob, folder: Path) -> bytes:
    return client.download(job, folder / "ours.mp4").path.read_bytes()


@needs_ai_sdk
def test_the_ai_sdk_renders_against_the_simulator(tmp_path: Path) -> None:
    with Simulator("xai", render_seconds=0.5) as simulator:
        output = tmp_path / "clip.mp4"
        done = subprocess.run(
            ["node", "render.mjs", simulator.base_url, str(output)],
            cwd=PEERS,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        [entry] = simulator.accepted
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["warnings"] == []
    assert told["metadata"]["requestId"] == entry["request_id"]
    assert told["metadata"]["costInUsdTicks"] == 1_500_000_000
    assert entry["body"] == {
        "model": "grok-imagine-video",
        "prompt": "A candle flickers on a wooden table.",
        "duration": 3,
        "aspect_ratio": "9:16",
    }
    assert output.read_bytes()[4:8] == b"ftyp"
