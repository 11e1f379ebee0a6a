"""Proxies and TLS: servers made of the standard library's sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import vidjob
from support import KEY, Face, Run, film
from vidjob import VideoClient

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"status":"queued"}'


class Server:
    """Answers every request with a queued job, and remembers the first line of each."""

    def __init__(self, context: ssl.SSLContext | None = None, answer: bytes = ANSWER) -> None:
        self._reply = answer
        self.lines: list[str] = []
        self.connections = 0
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.settimeout(5)
            request = connection.recv(65536)
            self.lines.append(request.split(b"\r\n")[0].decode())
            connection.sendall(self._reply)
            connection.close()
        except OSError:
            return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def proxy() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = Server(context)
    yield server
    server.close()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def test_a_proxy_given(face: Face, proxy: Server) -> None:
    with VideoClient(KEY, base_url="http://api.example/v1", proxy=f"http://127.0.0.1:{proxy.port}") as client:
        assert face(client, "get", "abc").status == "queued"
    assert proxy.lines == ["GET http://api.example/v1/videos/abc HTTP/1.1"]


def test_a_proxy_of_the_environment(face: Face, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    with VideoClient(KEY, base_url="http://api.example/v1") as client:
        assert face(client, "get", "abc").status == "queued"
    assert proxy.lines == ["GET http://api.example/v1/videos/abc HTTP/1.1"]


def test_no_proxy_is_honoured(face: Face, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "api.invalid")
    with (
        VideoClient(KEY, base_url="http://api.invalid/v1", max_retries=0) as client,
        pytest.raises(vidjob.ConnectionFailed),
    ):
        face(client, "get", "abc")
    assert proxy.lines == []


def test_the_environments_proxy_stands_aside_for_this_machine(
    face: Face, proxy: Server, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert face(client, "generate", "a candle").status == "pending"
    assert proxy.lines == []


def test_an_unknown_certificate_is_refused_at_once(face: Face, secure: Server) -> None:
    start = time.monotonic()
    with (
        VideoClient(KEY, base_url=f"https://localhost:{secure.port}/v1") as client,
        pytest.raises(vidjob.ConnectionFailed, match="ca_file") as caught,
    ):
        face(client, "get", "abc")
    assert "certificate" in str(caught.value)
    assert secure.connections == 1, "trying again cannot help"
    assert secure.lines == []
    assert time.monotonic() - start < 5


def test_a_certificate_of_a_ca_file(face: Face, secure: Server, ca_file: Path) -> None:
    with VideoClient(KEY, base_url=f"https://localhost:{secure.port}/v1", ca_file=ca_file) as client:
        assert face(client, "get", "abc").status == "queued"
    assert len(secure.lines) == 1


def test_a_certificate_for_another_name(face: Face, authority: trustme.CA, ca_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    server = Server(context)
    try:
        with (
            VideoClient(KEY, base_url=f"https://localhost:{server.port}/v1", ca_file=ca_file) as client,
            pytest.raises(vidjob.ConnectionFailed),
        ):
            face(client, "get", "abc")
    finally:
        server.close()
    assert server.lines == []


def test_ssl_cert_file_is_honoured(secure: Server, ca_file: Path, run_python: Run) -> None:
    program = f"import vidjob; print(vidjob.VideoClient('k', base_url='https://localhost:{secure.port}/v1').get('abc'))"
    done = run_python(program, env={"SSL_CERT_FILE": str(ca_file)})
    assert "queued" in done.stdout, done.stderr


def test_without_any_certificates_https_says_what_to_set(run_python: Run, tmp_path: Path) -> None:
    empty = tmp_path / "none.pem"
    empty.write_text("")
    environment = {"SSL_CERT_FILE": str(empty), "SSL_CERT_DIR": str(tmp_path / "nowhere")}
    program = """
import vidjob
try:
    vidjob.VideoClient("k").get("abc")
except vidjob.ConfigurationError as error:
    print(error)
with vidjob.Simulator(render_seconds=0.1) as simulator:
    print(simulator.client().generate("plain HTTP on this machine needs none").status)
"""
    done = run_python(program, env=environment)
    assert "SSL_CERT_FILE" in done.stdout, done.stderr
    assert done.stdout.endswith("pending\n")


@pytest.mark.parametrize("missing", [0, 1, 900])
def test_a_video_without_a_length_is_judged_by_its_boxes(face: Face, tmp_path: Path, missing: int) -> None:
    video = film(1500)
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + video[: len(video) - missing]
    server = Server(answer=answer)
    try:
        with VideoClient(KEY, base_url=f"http://127.0.0.1:{server.port}/v1", max_retries=0) as client:
            link, path = vidjob.Video(f"http://127.0.0.1:{server.port}/a.mp4"), tmp_path / "a.mp4"
            if not missing:
                assert face(client, "download", link, path).bytes == len(video)
            else:
                with pytest.raises(vidjob.IncompleteDownload):
                    face(client, "download", link, path)
                assert list(tmp_path.iterdir()) == []
    finally:
        server.close()
