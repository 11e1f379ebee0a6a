"""Large inputs: little memory, a file read anew for each attempt, and time counted while nothing moves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import vidjob
from support import KEY, ApiMode, Run, quick_client
from vidjob import Simulator, VideoClient

MEDIA = Path(__file__).parent.parent / "media"
MEGABYTE = 1_000_000


def padded(path: Path, size: int) -> Path:
    """A real video, made longer by a box that players skip; the file is sparse."""
    shutil.copy(MEDIA / "h264.mp4", path)
    padding = size - path.stat().st_size
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", padding, b"free"))
        file.truncate(size)
    return path


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does to each connection what ``handle`` says."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        handle(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def read_request(connection: socket.socket, piece: int = MEGABYTE, pause: float = 0) -> int:
    """Reads a whole request, with a pause after each piece, and gives the length of its body."""
    connection.settimeout(60)
    came = connection.recv(65536)
    while b"\r\n\r\n" not in came:
        came += connection.recv(65536)
    head, _, body = came.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    read = len(body)
    while read < length:
        end = min(read + piece, length)
        while read < end:
            part = len(connection.recv(end - read))
            if not part:
                return read
            read += part
        time.sleep(pause)
    return read


def answered(connection: socket.socket, body: str) -> None:
    connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())


MEMORY = """
    import asyncio, pathlib, resource, sys
    import vidjob

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    client = vidjob.VideoClient("k", base_url=sys.argv[1], timeout=60)
    source = pathlib.Path(sys.argv[2])
    client.edit("warm up", pathlib.Path(sys.argv[3]))
    before = peak()
    if sys.argv[4] == "edit":
        client.edit("x", source)
    else:
        asyncio.run(client.edit_async("x", source))
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is Unix's")
@pytest.mark.parametrize("verb", ["edit", "edit_async"])
def test_a_large_file_takes_little_memory(run_python: Run, tmp_path: Path, verb: str) -> None:
    large = padded(tmp_path / "large.mp4", 40 * MEGABYTE)
    # The service in a process of its own, so that its memory is not counted.
    service = subprocess.Popen([sys.executable, "-m", "vidjob", "simulate"], stdout=subprocess.PIPE, text=True)
    with service:
        assert service.stdout is not None
        address = service.stdout.readline().strip()
        done = run_python(textwrap.dedent(MEMORY), address, str(large), str(MEDIA / "h264.mp4"), verb)
        service.terminate()
    assert done.stderr == ""
    assert int(done.stdout) < 32 * 1024**2


def test_the_service_receives_the_file(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    large = padded(tmp_path / "large.mp4", 3 * MEGABYTE + 1)
    api(client, "edit", "x", large)
    [request] = simulator.requests
    characters = -(-(3 * MEGABYTE + 1) // 3) * 4
    frame = len('{"prompt":"x","video":{"url":"data:video/mp4;base64,"}}')
    assert int(request["headers"]["content-length"]) == characters + frame


def test_a_retry_reads_the_file_again(api: ApiMode, simulator: Simulator, client: VideoClient, tmp_path: Path) -> None:
    source = padded(tmp_path / "a.mp4", MEGABYTE)
    simulator.inject("rate_limited", on="create", retry_after=0, times=2)
    api(client, "edit", "x", source)
    lengths = [request["headers"]["content-length"] for request in simulator.requests]
    assert len(lengths) == 3
    assert len(set(lengths)) == 1
    assert len(simulator.accepted) == 1


def test_a_file_that_changes_in_between_is_not_sent(api: ApiMode, simulator: Simulator, tmp_path: Path) -> None:
    source = padded(tmp_path / "a.mp4", MEGABYTE)

    def shrink(event: Mapping[str, Any]) -> None:
        if event["event"] == "retry":
            padded(source, MEGABYTE // 2)

    with quick_client(simulator) as client:
        # Callbacks come on the caller's thread while the pause of a second passes.
        simulator.inject("rate_limited", on="create", retry_after=1)
        with pytest.raises(vidjob.InvalidRequest, match="changed while it was sent; nothing was created") as caught:
            api(quick_client(simulator, on_event=shrink), "edit", "x", source)
        assert caught.value.field == "video"
        assert simulator.accepted == []
        api(client, "edit", "x", source)


def test_a_slow_upload_may_take_longer_than_the_timeout(tmp_path: Path) -> None:
    source = padded(tmp_path / "a.mp4", 9 * MEGABYTE)
    came: list[int] = []

    def slowly(connection: socket.socket) -> None:
        # Twelve pieces and as many pauses: more than two seconds.
        came.append(read_request(connection, piece=MEGABYTE, pause=0.2))
        answered(connection, '{"request_id": "a"}')

    with serving(slowly) as address, VideoClient(KEY, base_url=address, timeout=2, max_retries=0) as client:
        assert client.edit("x", source).request_id == "a"
    assert came[0] > 9 * MEGABYTE * 4 / 3


def test_an_upload_that_stalls_started_nothing(api: ApiMode, tmp_path: Path) -> None:
    source = padded(tmp_path / "a.mp4", 9 * MEGABYTE)
    left = threading.Event()

    def stalls(_: socket.socket) -> None:
        left.wait(20)

    with serving(stalls) as address, VideoClient(KEY, base_url=address, timeout=0.3, max_retries=0) as client:
        try:
            with pytest.raises(vidjob.RequestTimeout, match=r"no response from 127.0.0.1 within the client's timeout"):
                api(client, "edit", "x", source)
        finally:
            left.set()


def test_a_create_without_a_response_has_an_unknown_outcome(api: ApiMode) -> None:
    ended: list[bytes | OSError] = []

    def silent(connection: socket.socket) -> None:
        connection.settimeout(20)
        try:
            while connection.recv(MEGABYTE):
                pass
        except TimeoutError as error:
            ended.append(error)
        else:
            ended.append(b"")

    with (
        serving(silent) as address,
        VideoClient(KEY, base_url=address, timeout=1, max_retries=3) as client,
        pytest.raises(vidjob.SubmitUnknown, match=r"\(no response from 127.0.0.1 within the client's timeout\)"),
    ):
        # A small file: a large one may be held back by the system for long after it was handed on.
        api(client, "edit", "x", MEDIA / "h264.mp4")
    # Once, and it was the client that gave up.
    assert ended == [b""]


def test_a_connection_that_breaks_half_way_is_tried_again(api: ApiMode, tmp_path: Path) -> None:
    source = padded(tmp_path / "a.mp4", 9 * MEGABYTE)
    seen: list[int] = []

    def moody(connection: socket.socket) -> None:
        seen.append(1)
        if len(seen) == 1:
            connection.recv(MEGABYTE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        read_request(connection)
        answered(connection, '{"request_id": "a"}')

    with serving(moody) as address, VideoClient(KEY, base_url=address, timeout=20, max_retries=1) as client:
        assert api(client, "edit", "x", source).request_id == "a"
    assert len(seen) == 2


def test_a_body_that_is_too_large_for_the_service(api: ApiMode, simulator: Simulator, client: VideoClient) -> None:
    simulator.respond("create", status=413, body='{"error": "too large"}')
    with pytest.raises(vidjob.BadRequest, match=r"\(the body has 1 MB: .* pass their https address\)"):
        api(client, "edit", "x", MEDIA / "h264.mp4")
    assert simulator.accepted == []


def test_a_create_may_queue_longer_than_the_timeout(simulator: Simulator) -> None:
    async def main() -> list[object]:
        settings = {"base_url": simulator.base_url, "timeout": 1, "max_retries": 0, "requests_per_second": 0.8}
        with VideoClient(KEY, **settings) as client:  # type: ignore[arg-type]
            creates = (client.generate_async("x") for _ in range(2))
            outcomes: list[object] = await asyncio.gather(*creates, return_exceptions=True)
            return outcomes

    outcomes = asyncio.run(main())
    assert [type(outcome) for outcome in outcomes] == [vidjob.VideoJob] * 2, outcomes


STOPPED = """
import sys, vidjob
print(vidjob.VideoClient("k", base_url=sys.argv[1], timeout=1, max_retries=0).generate("x").request_id)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")
def test_a_response_that_arrived_while_the_process_was_suspended_is_read() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with subprocess.Popen([sys.executable, "-c", STOPPED, address], stdout=-1, stderr=-1, text=True) as process:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                os.kill(process.pid, signal.SIGSTOP)
                answered(connection, '{"request_id": "paid"}')
                time.sleep(1.5)
                os.kill(process.pid, signal.SIGCONT)
                stdout, stderr = process.communicate(timeout=20)
    assert stdout == "paid\n", stderr


def test_a_create_that_was_answered_with_200_is_never_repeated(api: ApiMode, tmp_path: Path) -> None:
    """The head of a 200 has come: whatever follows, the outcome is unknown."""
    source = padded(tmp_path / "a.mp4", 9 * MEGABYTE)
    seen: list[int] = []

    def breaks(connection: socket.socket) -> None:
        seen.append(1)
        connection.settimeout(60)
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"request_id":')
        connection.shutdown(socket.SHUT_WR)
        # A reset could take the answer away before the client has read it.
        with contextlib.suppress(OSError):
            while connection.recv(MEGABYTE):
                pass

    with (
        serving(breaks) as address,
        VideoClient(KEY, base_url=address, timeout=5, max_retries=2) as client,
        pytest.raises(vidjob.VidjobError) as caught,
    ):
        api(client, "edit", "x", source)
    assert (type(caught.value), len(seen)) == (vidjob.SubmitUnknown, 1)
    assert "the connection broke" in str(caught.value)


def test_a_refusal_in_the_middle_of_an_upload_started_nothing(api: ApiMode, tmp_path: Path) -> None:
    """README: an upload that breaks off before its end has started nothing, and is tried again."""
    source = padded(tmp_path / "a.mp4", 9 * MEGABYTE)
    seen: list[int] = []

    def moody(connection: socket.socket) -> None:
        seen.append(1)
        if len(seen) == 1:
            connection.settimeout(60)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 503 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while connection.recv(MEGABYTE):
                    pass
            return
        read_request(connection)
        answered(connection, '{"request_id": "a"}')

    with serving(moody) as address, VideoClient(KEY, base_url=address, timeout=5, max_retries=1) as client:
        assert api(client, "edit", "x", source).request_id == "a"
    assert len(seen) == 2


def test_a_slow_line_is_no_reason_to_give_up(tmp_path: Path) -> None:
    """The last part was handed to the system long before it left: README says the time counts from there."""
    source = padded(tmp_path / "a.mp4", MEGABYTE)
    came: list[int] = []

    def slowly(connection: socket.socket) -> None:
        # More than a second in all.
        came.append(read_request(connection, piece=20_000, pause=0.02))
        with contextlib.suppress(OSError):
            answered(connection, '{"request_id": "a"}')

    with serving(slowly) as address, VideoClient(KEY, base_url=address, timeout=1, max_retries=0) as client:
        assert client.edit("x", source).request_id == "a"
    assert came[0] > MEGABYTE * 4 / 3
