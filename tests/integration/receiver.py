"""An HTTP receiver on the loopback that answers as it is told, and remembers what it got."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    hang: bool = False
    """Until the receiver is closed."""
    raw: bytes | None = None
    """Instead of all that: exactly these bytes; with `hang` the connection stays open behind them."""
    drip: bytes = b""
    """Sent behind `raw`, byte by byte with pauses, until it is all sent or the other side is gone."""


@dataclass
class Got:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`replies`: one a request, the last for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    got: list[Got] = field(default_factory=list)
    dripped: list[int] = field(default_factory=list)
    """How many bytes of each drip were sent."""
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver(*replies: Reply) -> Iterator[Receiver]:
    here = Receiver(replies=list(replies) or [Reply()])

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            here.got.append(Got(self.command, self.path, dict(self.headers.items()), self.rfile.read(length)))
            reply = here.replies.pop(0) if len(here.replies) > 1 else here.replies[0]
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
                here.dripped.append(self.drip(reply.drip))
            if reply.hang:
                here.closed.wait(20)
            if reply.hang or reply.raw is not None:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def drip(self, drops: bytes) -> int:
            for at in range(len(drops)):
                if here.closed.wait(0.02):
                    return at
                try:
                    self.connection.sendall(drops[at : at + 1])
                except OSError:
                    return at
            return len(drops)

        do_POST = do_PUT = do_PATCH = do_GET = answer

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Mon, 02 Feb 2026 02:40:00 GMT"

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield here
    finally:
        here.closed.set()
        server.shutdown()
        server.server_close()
