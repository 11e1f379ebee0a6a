"""A service whose answers are given byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

#: What answers a request: its method and path are given, its answer is returned as it goes over the line.
Reply = Callable[[str, str], bytes]


def answer(body: object = b"", status: int = 200, headers: Iterable[str] = ()) -> bytes:
    """One answer of HTTP/1.1; whatever is not ``bytes`` becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + content


def in_turn(*replies: bytes) -> Reply:
    """Gives each answer once, and the last one again and again."""
    left = list(replies)
    return lambda _method, _path: left.pop(0) if len(left) > 1 else left[0]


class RawService:
    """Answers each request with what ``reply`` returns, and remembers method and path.

    Args:
        reply: Gives the answers.
        keeps_open: Whether connections stay open behind an answer until the client closes them.
    """

    def __init__(self, reply: Reply, *, keeps_open: bool = False) -> None:
        self._reply = reply
        self._keeps_open = keeps_open
        self.seen: list[tuple[str, str]] = []
        self.heads: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.root = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.base_url = f"{self.root}/v1"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            head, body = b"", b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(65536)
                if not part:
                    return
                head += part
            head, _, body = head.partition(b"\r\n\r\n")
            names = (line.partition(b":") for line in head.split(b"\r\n"))
            length = next((int(value) for name, _, value in names if name.lower() == b"content-length"), 0)
            while len(body) < length:
                body += connection.recv(65536)
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            self.heads.append(head)
            self.seen.append((method, path))
            connection.sendall(self._reply(method, path))
            if self._keeps_open:
                connection.recv(1)

    @property
    def creates(self) -> int:
        """How many creates came."""
        return sum(method == "POST" for method, _ in self.seen)
