"""The local servers, each a process of its own, and what they can do at most."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite import children

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = Path(__file__).parent
SIMULATOR = """
import json, sys, time, vidjob
with vidjob.Simulator(**json.loads(sys.argv[1])) as simulator:
    print(simulator.base_url, flush=True)
    time.sleep(86400)
"""
CERTIFICATE = """
import sys, trustme
authority = trustme.CA()
authority.cert_pem.write_to_path(sys.argv[1] + "/ca.pem")
authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(sys.argv[1] + "/server.pem")
"""


@contextlib.contextmanager
def _program(command: list[str]) -> Iterator[str]:
    """A server while it runs; gives the first line that it prints."""
    with subprocess.Popen(command, env=children.surroundings(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def simulator(python: str, *, core: int | None = None, **settings: Any) -> Iterator[str]:
    """The simulator, on one core if so wished; gives its `base_url`."""
    with _program(children.on_core(core, [python, "-c", SIMULATOR, json.dumps(settings)])) as address:
        yield address


@contextlib.contextmanager
def stub(python: str) -> Iterator[str]:
    """Jobs that end when their ids say so; gives the address, to be followed by `/{service}`."""
    with _program([python, str(SUITE / "stub.py")]) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def xai_stub(python: str, *, core: int | None = None) -> Iterator[str]:
    """The same over gRPC; gives what xai-sdk takes as its host."""
    with _program(children.on_core(core, [python, str(SUITE / "xai_stub.py")])) as port:
        yield f"localhost:{port}"


def finished_job(base_url: str) -> str:
    """A job of the simulator's, as soon as it is done: all its fields are there."""
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    body = json.dumps({"model": "grok-imagine-video", "prompt": "a candle"}).encode()
    create = urllib.request.Request(f"{base_url}/videos/generations", body, headers)  # noqa: S310 - our own
    job: str = _asked(create)["request_id"]
    get = urllib.request.Request(f"{base_url}/videos/{job}", headers=headers)  # noqa: S310 - our own
    while _asked(get).get("status") != "done":
        time.sleep(0.01)
    return job


def queries(address: str) -> int:
    """How many there were of the stub, since the last time."""
    count: int = _asked(f"{address}/count")["count"]
    return count


def _asked(what: Any) -> Any:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(what, timeout=30) as response:
        return json.load(response)


def limit(url: str, seconds: int = 3) -> str:
    """What a server does at most, in words: asked by wrk, which is far faster than any client here."""
    if shutil.which("wrk") is None:
        return "wrk is not here, so the server's own limit is not known."
    told = children.run(["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", "authorization: Bearer k", url])
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert found is not None, told
    return f"The server by itself answers {float(found[1]):,.0f} queries/s (wrk, one thread, 32 connections)."


@contextlib.contextmanager
def files(python: str, root: Path) -> Iterator[tuple[str, str, str]]:
    """Nginx with the files of a folder; gives its addresses over HTTP and TLS, and whom to trust."""
    children.run([python, "-c", CERTIFICATE, str(root)])
    plain, tls = _free_port(), _free_port()
    (root / "nginx.conf").write_text(
        textwrap.dedent(f"""
        daemon off; {"user root;" if os.geteuid() == 0 else ""}
        pid {root}/pid;
        error_log {root}/error.log;
        events {{}}
        http {{
            access_log off; sendfile on; tcp_nopush on;
            client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
            uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
            types {{ video/mp4 mp4; }}
            server {{
                listen 127.0.0.1:{plain};
                listen 127.0.0.1:{tls} ssl;
                ssl_certificate {root}/server.pem;
                ssl_certificate_key {root}/server.pem;
                root {root};
            }}
        }}
        """)
    )
    command = ["nginx", "-p", str(root), "-c", str(root / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(tls)
            yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", str(root / "ca.pem")
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on {port}")
