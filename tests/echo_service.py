"""A service that repeats what it is sent."""

from __future__ import annotations

import json
import socketserver
import threading

#: With characters that JSON and addresses escape.
KEY = "sk-echo/0123456789+abcdef"


#: Every form in which the key is repeated has this.
CORE = "0123456789"


SIGNATURE = "token-9876543210"


PHRASE = "pass/9876543210"


def answer(status: int, body: bytes | str | object = b"", **headers: str) -> bytes:
    """An HTTP answer. What is no text becomes JSON."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    names = {"content-length": str(len(content)), "connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in names.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content


ACCEPTED = answer(200, {"request_id": "job-1"})


DONE = answer(200, {"status": "done", "video": {"url": "/file.mp4"}})


class Server:
    """Answers with bytes that it is given, and remembers the heads of requests.

    Attributes:
        created: What a create is answered with.
        asked: What a query is answered with.
        file: What everything else is answered with.
        heads: The requests, without their bodies.
        bodies: Their bodies.
    """

    def __init__(self) -> None:
        server = self
        self.created = ACCEPTED
        self.asked = DONE
        self.file = answer(500)
        self.heads: list[str] = []
        self.bodies: list[str] = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                lines = [line.decode() for line in iter(self.rfile.readline, b"\r\n") if line]
                if not lines:
                    return
                length = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
                server.bodies.append(self.rfile.read(length).decode())
                server.heads.append("".join(lines))
                is_query = "/v1/videos/" in lines[0]
                is_create = lines[0].startswith("POST")
                self.wfile.write(server.created if is_create else server.asked if is_query else server.file)

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Threads(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
