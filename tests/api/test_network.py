"""Proxies and TLS: servers made of the standard library's sockets."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import vidjob
from support import KEY, ApiMode, Run, many, mp4_file, refusing_port
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


def test_proxy_argument(api: ApiMode, proxy: Server) -> None:
    with VideoClient(KEY, base_url="http://api.example/v1", proxy=f"http://127.0.0.1:{proxy.port}") as client:
        assert api(client, "get", "abc").status == "queued"
    assert proxy.lines == ["GET http://api.example/v1/videos/abc HTTP/1.1"]


def test_proxy_from_the_environment(api: ApiMode, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    with VideoClient(KEY, base_url="http://api.example/v1") as client:
        assert api(client, "get", "abc").status == "queued"
    assert proxy.lines == ["GET http://api.example/v1/videos/abc HTTP/1.1"]


def test_no_proxy_is_honoured(api: ApiMode, proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "api.invalid")
    with (
        VideoClient(KEY, base_url="http://api.invalid/v1", max_retries=0) as client,
        pytest.raises(vidjob.ConnectionFailed),
    ):
        api(client, "get", "abc")
    assert proxy.lines == []


def test_loopback_services_bypass_the_environments_proxy(
    api: ApiMode, proxy: Server, client: VideoClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert api(client, "generate", "a candle").status == "pending"
    assert proxy.lines == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", ":::"),
        ("https_proxy", "ftp://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:99999"),
        ("all_proxy", "http://pro xy:1"),
        ("HTTPS_PROXY", "http://"),
        ("http_proxy", "http:/127.0.0.1:1"),
        ("HTTP_PROXY", "socks5://127.0.0.1:1"),
        ("ALL_PROXY", "socks5h://me:word@127.0.0.1:1"),
    ],
)
def test_an_unusable_proxy_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    with VideoClient(KEY, base_url="http://127.0.0.1:1/v1") as local:
        monkeypatch.setenv(variable, value)
        kind = "SOCKS" if "socks" in value else "is not an http"
        with pytest.raises(vidjob.ConfigurationError, match=f"{variable} .*{kind}.*unset it"):
            VideoClient(KEY, base_url="http://api.example/v1")
        VideoClient(KEY, base_url="http://127.0.0.1:1/v1").close()
        VideoClient(KEY, base_url="http://api.example/v1", proxy="http://127.0.0.1:1").close()
        monkeypatch.setenv("NO_PROXY", "*")
        VideoClient(KEY, base_url="http://api.example/v1").close()
        assert local.base_url == "http://127.0.0.1:1/v1"


@pytest.mark.skipif(sys.platform == "win32", reason="variables are text there")
def test_a_proxy_variable_that_is_not_text_is_an_error(run_python: Run) -> None:
    program = """
import os, vidjob
os.environb[b"HTTPS_PROXY"] = b"http://\\xff:1"
try:
    vidjob.VideoClient("k", base_url="https://api.example/v1")
except vidjob.ConfigurationError as error:
    print(error)
"""
    done = run_python(program)
    assert "HTTPS_PROXY" in done.stdout, done.stderr


def test_an_unusable_proxy_fails_the_download_of_a_local_service(
    api: ApiMode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", ":::")
    with (
        VideoClient(KEY, base_url="http://127.0.0.1:1/v1", max_retries=0) as client,
        pytest.raises(vidjob.ConfigurationError, match="HTTPS_PROXY"),
    ):
        api(client, "download", vidjob.Video("https://files.invalid/a.mp4"), tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "SOCKS4://127.0.0.1", "proxy.example:3128", "http://", "http://a b", ":::"]
)
def test_a_proxy_that_cannot_be_used_is_named_as_it_was_given(proxy: str) -> None:
    with pytest.raises(vidjob.ConfigurationError, match="proxy") as caught:
        VideoClient(KEY, proxy=proxy)
    assert f'"{proxy}"'.lower() in str(caught.value).lower()


@pytest.mark.parametrize("base_url", ["http://api.example/v1", "https://api.example/v1"])
@pytest.mark.parametrize("is_given", [True, False])
@pytest.mark.parametrize("verb", ["get", "generate", "download"])
def test_an_unreachable_proxy_is_named_in_the_error(
    api: ApiMode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str, base_url: str, *, is_given: bool
) -> None:
    arguments = {"download": [vidjob.Video("https://files.invalid/a.mp4"), tmp_path / "a.mp4"]}.get(verb, ["abc"])
    with refusing_port() as port:
        proxy = f"http://me:hidden-word@127.0.0.1:{port}"
        if not is_given:
            monkeypatch.setenv("ALL_PROXY", proxy)
        with (
            VideoClient(KEY, base_url=base_url, max_retries=0, proxy=proxy if is_given else None) as client,
            pytest.raises(vidjob.ConnectionFailed) as caught,
        ):
            api(client, verb, *arguments)
    assert str(caught.value).startswith(f"could not connect to the proxy 127.0.0.1:{port}: ")
    for absent in ("api.example", "files.invalid", "hidden-word", "me:"):
        assert absent not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "requires a user and password"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "refused the connection"),
        (b"", "could not connect to the proxy"),
    ],
)
def test_a_proxy_that_does_not_connect_is_named(api: ApiMode, answer: bytes, words: str) -> None:
    server = Server(answer=answer)
    proxy = f"127.0.0.1:{server.port}"
    try:
        with (
            VideoClient(KEY, base_url="https://api.example/v1", max_retries=0, proxy=f"http://{proxy}") as client,
            pytest.raises(vidjob.ConnectionFailed, match=words) as caught,
        ):
            api(client, "get", "abc")
    finally:
        server.close()
    assert proxy in str(caught.value)
    assert server.lines == ["CONNECT api.example:443 HTTP/1.1"]


# ---- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "https://10.0.0.1/a.mp4",
        "https://127.0.0.1/a.mp4",
        "https://2130706433/a.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/a.mp4",
        "https://localhost/a.mp4",
        "https://LOCALHOST./a.mp4",
        "https://files.localhost/a.mp4",
        "https://metadata.google.internal/a.mp4",
        "https://metadata/a.mp4",
    ],
)
def test_links_into_private_networks_are_not_sent_to_a_proxy(
    api: ApiMode, proxy: Server, tmp_path: Path, link: str
) -> None:
    settings = {"base_url": "https://api.example/v1", "proxy": f"http://127.0.0.1:{proxy.port}"}
    with VideoClient(KEY, **settings, max_retries=0) as client, pytest.raises(vidjob.UnsafeUrl):  # type: ignore[arg-type]
        api(client, "download", vidjob.Video(link), tmp_path / "a.mp4")
    assert proxy.connections == 0
    assert list(tmp_path.iterdir()) == []


def test_the_proxy_resolves_unknown_names(api: ApiMode, proxy: Server, tmp_path: Path) -> None:
    settings = {"base_url": "https://api.example/v1", "proxy": f"http://127.0.0.1:{proxy.port}"}
    with VideoClient(KEY, **settings, max_retries=0) as client, pytest.raises(vidjob.ConnectionFailed):  # type: ignore[arg-type]
        api(client, "download", vidjob.Video("https://files.invalid/a.mp4"), tmp_path / "a.mp4")
    assert proxy.lines == ["CONNECT files.invalid:443 HTTP/1.1"]


class Tunnel(Server):
    """A proxy that is itself at the other end of every tunnel, and speaks TLS there."""

    def __init__(self, context: ssl.SSLContext, answer: bytes) -> None:
        self._inside = context
        super().__init__(answer=answer)

    def _answer(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(5)
            self.lines.append(connection.recv(65536).split(b"\r\n")[0].decode())
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with self._inside.wrap_socket(connection, server_side=True) as inside:
                self.lines.append(inside.recv(65536).split(b"\r\n")[0].decode())
                inside.sendall(self._reply)
        except OSError:
            return


@pytest.mark.parametrize(
    "location", ["https://10.0.0.1/a.mp4", "https://localhost/a.mp4", "//[::1]/a.mp4", "http://a/b"]
)
def test_redirects_into_private_networks_are_not_sent_to_a_proxy(
    api: ApiMode, authority: trustme.CA, ca_file: Path, tmp_path: Path, location: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.invalid").configure_cert(context)
    tunnel = Tunnel(context, f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    client = VideoClient(
        KEY,
        base_url="https://api.example/v1",
        proxy=f"http://127.0.0.1:{tunnel.port}",
        ca_file=ca_file,
        max_retries=0,
    )
    try:
        with client, pytest.raises(vidjob.UnsafeUrl):
            api(client, "download", vidjob.Video("https://files.invalid/a.mp4"), tmp_path / "b.mp4")
    finally:
        tunnel.close()
    assert tunnel.lines == ["CONNECT files.invalid:443 HTTP/1.1", "GET /a.mp4 HTTP/1.1"]


@pytest.mark.parametrize("location", ["/ä ö.mp4".encode(), "/ä ö.mp4".encode("latin-1"), b"/%C3%A4%20%C3%B6.mp4"])
def test_redirects_with_non_ascii_locations_are_followed(api: ApiMode, tmp_path: Path, location: bytes) -> None:
    video = (Path(__file__).parent.parent / "media" / "h264.mp4").read_bytes()

    class Redirecting(Server):
        def _answer(self, connection: socket.socket) -> None:
            line = connection.recv(65536).split(b"\r\n")[0].decode()
            self.lines.append(line)
            if line.startswith("GET /a.mp4"):
                head, body = b"302 X\r\nLocation: " + location, b""
            else:
                head, body = b"200 OK", video
            head += b"\r\nConnection: close\r\nContent-Length: %d" % len(body)
            connection.sendall(b"HTTP/1.1 " + head + b"\r\n\r\n" + body)

    server = Redirecting()
    try:
        with VideoClient(KEY, base_url=f"http://127.0.0.1:{server.port}/v1", max_retries=0) as client:
            link = vidjob.Video(f"http://127.0.0.1:{server.port}/a.mp4")
            assert api(client, "download", link, tmp_path / "a.mp4").bytes == len(video)
    finally:
        server.close()
    assert server.lines == ["GET /a.mp4 HTTP/1.1", "GET /%C3%A4%20%C3%B6.mp4 HTTP/1.1"]


# ---- certificates ----------------------------------------------------------------------------


def test_an_unknown_certificate_is_refused_without_retries(api: ApiMode, secure: Server) -> None:
    with (
        VideoClient(KEY, base_url=f"https://localhost:{secure.port}/v1") as client,
        pytest.raises(vidjob.ConnectionFailed, match="ca_file") as caught,
    ):
        api(client, "get", "abc")
    assert "certificate" in str(caught.value)
    assert secure.connections == 1, "trying again cannot help"
    assert secure.lines == []


def test_a_certificate_of_a_ca_file(api: ApiMode, secure: Server, ca_file: Path) -> None:
    with VideoClient(KEY, base_url=f"https://localhost:{secure.port}/v1", ca_file=ca_file) as client:
        assert api(client, "get", "abc").status == "queued"
    assert len(secure.lines) == 1


def test_a_certificate_for_another_name(api: ApiMode, authority: trustme.CA, ca_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    server = Server(context)
    try:
        with (
            VideoClient(KEY, base_url=f"https://localhost:{server.port}/v1", ca_file=ca_file) as client,
            pytest.raises(vidjob.ConnectionFailed),
        ):
            api(client, "get", "abc")
    finally:
        server.close()
    assert server.lines == []


def test_ssl_cert_file_is_honoured(secure: Server, ca_file: Path, run_python: Run) -> None:
    program = f"import vidjob; print(vidjob.VideoClient('k', base_url='https://localhost:{secure.port}/v1').get('abc'))"
    done = run_python(program, env={"SSL_CERT_FILE": str(ca_file)})
    assert "queued" in done.stdout, done.stderr


def test_https_without_certificates_names_the_variable_to_set(run_python: Run, tmp_path: Path) -> None:
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
def test_a_video_without_content_length_is_checked_by_its_boxes(api: ApiMode, tmp_path: Path, missing: int) -> None:
    video = mp4_file(1500)
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + video[: len(video) - missing]
    server = Server(answer=answer)
    try:
        with VideoClient(KEY, base_url=f"http://127.0.0.1:{server.port}/v1", max_retries=0) as client:
            link, path = vidjob.Video(f"http://127.0.0.1:{server.port}/a.mp4"), tmp_path / "a.mp4"
            if not missing:
                assert api(client, "download", link, path).bytes == len(video)
            else:
                with pytest.raises(vidjob.IncompleteDownload):
                    api(client, "download", link, path)
                assert list(tmp_path.iterdir()) == []
    finally:
        server.close()


def test_a_service_that_is_down_is_one_message_with_address_cause_and_advice(api: ApiMode, tmp_path: Path) -> None:
    with refusing_port() as port:
        client = VideoClient(KEY, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        [item] = many(api, client, ["x"], tmp_path / "out")
        calls = (("get", "job-1"), ("generate", "x"), ("wait", "job-1"), ("render", "x", tmp_path / "a.mp4"))
        errors: list[Any] = [item.error]
        for verb, *args in calls:
            options = {"timeout": 0.2} if verb == "wait" else {}
            with pytest.raises(vidjob.VidjobError) as caught:
                api(client, verb, *args, **options)
            errors.append(caught.value)
    for error in errors:
        for part in (f"could not connect to 127.0.0.1:{port}: ", "refused", "run vidjob doctor"):
            assert part in str(error)
