"""The receiver that the demo's webhooks are delivered to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What the webhook receiver saw: (path, status answered, body) of each delivery."""

    url: str
    deliveries: list[tuple[str, int, Any]]


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Answers on loopback: /orders with 503 and Retry-After: 1 the first time, then 200; all else with 404."""
    deliveries: list[tuple[str, int, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                known = self.path == "/orders"
                first = all(path != self.path for path, _, _ in deliveries)
                status = 404 if not known else 503 if first else 200
                deliveries.append((self.path, status, json.loads(body or b"null")))
            self.send_response(status)
            if status == 503:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet: the table shows what becomes of the deliveries."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="webhook-receiver", daemon=True)
    thread.start()
    try:
        yield Receiver(f"http://127.0.0.1:{server.server_port}", deliveries)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
