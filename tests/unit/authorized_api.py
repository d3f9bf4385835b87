"""An API on the loopback for tests of credentials: real HTTP, every request on record, 401 for an unknown token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class AuthorizedApi:
    """`tokens`: those that are accepted; None is any request. `answers`: statuses, documents and headers that come
    first, in order. `requests`: the headers of each, with names in lower case."""

    tokens: set[str] | None = None
    answers: list[tuple[int, Any, Mapping[str, str]]] = field(default_factory=list)
    requests: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def sent_tokens(self) -> list[str]:
        return [headers.get("authorization", "").removeprefix("Bearer ") for headers in self.requests]

    def respond(self, headers: Mapping[str, str]) -> tuple[int, Any, Mapping[str, str]]:
        self.requests.append(headers)
        if self.tokens is not None and self.sent_tokens[-1] not in self.tokens:
            return 401, {"message": "Unauthorized"}, {"www-authenticate": "Bearer"}
        if self.answers:
            return self.answers.pop(0)
        return 200, {"states": {}, "types": {}, "lanes": {}, "oldestSeconds": None}, {}


@contextmanager
def running_api(**settings: Any) -> Iterator[AuthorizedApi]:
    api = AuthorizedApi(**settings)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, document, headers = api.respond({name.lower(): value for name, value in self.headers.items()})
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PATCH = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
