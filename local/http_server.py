"""HTTP/1.1 on an asyncio event loop: what curl, boto3, httpx and AWS's runtime client need of it, and no more.

Three servers of one local system use it (the HTTP API, the AWS endpoint, a Lambda Runtime API per process). An
answer that needs no waiting is written at once, without a task, which halves the cost of an AWS call.
"""

from __future__ import annotations

import asyncio
import http
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

HEADER_LIMIT = 64 * 1024


@dataclass(slots=True)
class Request:
    """One request. `headers` has lower-case names; repeated ones are joined by commas (cookies by `; `)."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    gone: Callable[[], bool] = lambda: False
    """Whether whoever asked has closed the connection: what waits can stop waiting."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


App = Callable[[Request], Response | Awaitable[Response]]


class _BadRequest(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests are answered in turn."""

    def __init__(self, app: App, body_limit: int, too_large: Response, open_connections: set[Connection]) -> None:
        self._app = app
        self._body_limit = body_limit
        self._too_large = too_large
        self._open = open_connections
        self._buffer = bytearray()
        self._request: Request | None = None  # its head is read, its body is not yet
        self._length = 0
        self._chunked = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._serve()

    def _serve(self) -> None:
        """Answer the requests that are complete in the buffer, until one has to wait."""
        try:
            while (request := self._next_request()) is not None:
                try:
                    answer = self._app(request)
                    if not isinstance(answer, Response):
                        self._task = asyncio.ensure_future(self._answer_later(request, answer))
                        return
                except Exception:
                    traceback.print_exc(file=sys.stderr)
                    answer = Response(500, b"internal error of the local runtime; see its console")
                self._write(request, answer)
        except _BadRequest as bad:
            self._write(None, self._too_large if bad.status == 413 else Response(bad.status))

    async def _answer_later(self, request: Request, pending: Awaitable[Response]) -> None:
        try:
            answer = await pending
        except Exception:
            traceback.print_exc(file=sys.stderr)
            answer = Response(500, b"internal error of the local runtime; see its console")
        self._task = None
        self._write(request, answer)
        self._serve()

    def _next_request(self) -> Request | None:
        if self.transport.is_closing():
            return None
        if self._request is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEADER_LIMIT:
                    raise _BadRequest(431)
                return None
            self._request = self._read_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        request = self._request
        if self._chunked:
            body = self._read_chunks()
            if body is None:
                return None
            request.body = body
        elif self._length:
            if len(self._buffer) < self._length:
                return None
            request.body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
        self._request = None
        return request

    def _read_head(self, head: bytes) -> Request:
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _BadRequest(400)
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise _BadRequest(400)
            name, value = name.lower(), value.strip(" \t")
            if name in headers:
                value = headers[name] + ("; " if name == "cookie" else ",") + value
            headers[name] = value
        length = headers.get("content-length", "0")
        if not length.isdigit():
            raise _BadRequest(400)
        self._length, self._chunked = int(length), headers.get("transfer-encoding", "").lower() == "chunked"
        if self._length > self._body_limit:
            raise _BadRequest(413)
        if headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if parts[2] == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return Request(parts[0], parts[1], headers, gone=self.transport.is_closing)

    def _read_chunks(self) -> bytes | None:
        """The whole body when its last chunk is in the buffer, else None."""
        body, position = bytearray(), 0
        while True:
            line_end = self._buffer.find(b"\r\n", position)
            if line_end < 0:
                return None
            try:
                size = int(bytes(self._buffer[position:line_end]).partition(b";")[0], 16)
            except ValueError:
                raise _BadRequest(400) from None
            if len(body) + size > self._body_limit:
                raise _BadRequest(413)
            position = line_end + 2
            if size == 0:
                trailer_end = self._buffer.find(b"\r\n", position)
                while trailer_end > position:  # trailers end with an empty line
                    position = trailer_end + 2
                    trailer_end = self._buffer.find(b"\r\n", position)
                if trailer_end < 0:
                    return None
                del self._buffer[: trailer_end + 2]
                return bytes(body)
            if len(self._buffer) < position + size + 2:
                return None
            body += self._buffer[position : position + size]
            position += size + 2

    def _write(self, request: Request | None, response: Response) -> None:
        if self.transport.is_closing():
            return
        close = request is None or request.headers.get("connection", "").lower() == "close"
        try:
            phrase = http.HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {response.status} {phrase}"]
        has_length = False
        for name, value in response.headers:
            has_length = has_length or name.lower() == "content-length"
            head.append(f"{name}: {value}".replace("\r", "").replace("\n", ""))
        if not has_length and response.status not in (204, 304):
            head.append(f"content-length: {len(response.body)}")
        if close:
            head.append("connection: close")
        data = "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n"
        if request is None or request.method != "HEAD":
            data += response.body
        self.transport.write(data)
        if close:
            self.transport.close()


class Server:
    """A listening socket on loopback."""

    def __init__(self, server: asyncio.Server, connections: set[Connection]) -> None:
        self._server = server
        self._connections = connections
        self.port: int = server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @classmethod
    async def start(
        cls, app: App, port: int = 0, *, body_limit: int = 1 << 30, too_large: Response | None = None
    ) -> Server:
        """Listen on 127.0.0.1:`port` (0: any free one). OSError when it is taken."""
        connections: set[Connection] = set()
        too_large = too_large or Response(413)
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(app, body_limit, too_large, connections), "127.0.0.1", port, family=socket.AF_INET
        )
        return cls(server, connections)

    def close(self) -> None:
        """Stop listening and drop the connections, answered or not."""
        self._server.close()
        for connection in list(self._connections):
            if connection._task:
                connection._task.cancel()
            connection.transport.abort()
