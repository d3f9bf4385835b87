"""HTTP/1.1 on an asyncio event loop, as far as curl, boto3, httpx and AWS's runtime client need it.

Three servers of one local system use it (the HTTP API, the AWS endpoint, a Lambda Runtime API per process). A
response that needs no waiting is written at once, without a task, which halves the cost of an AWS call.

Requests are read strictly: a request that two readers of RFC 9112 may understand differently is refused. A request of
a web page from another origin is refused too, because browsers reach the loopback from every site.
"""

from __future__ import annotations

import asyncio
import http
import re
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

HEADER_LIMIT = 64 * 1024
"""Bytes of a request line and its headers, and of trailers."""
CHUNK_LINE_LIMIT = 4096
"""Bytes of a chunk's size and its extensions."""
REQUEST_SECONDS = 30.0
"""From a request's first byte to its last. A connection without a request may stay open."""
LINGER_SECONDS = 10.0
"""For how long what a client still sends is read and dropped after the last answer. A socket that is closed with unread
bytes resets the connection, and the client loses the answer."""

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word for a name
_REQUEST_LINE = re.compile(rf"({_TOKEN}) (/[!-~]*|\*) HTTP/1\.([01])")
_HEADER = re.compile(rf"({_TOKEN}):[ \t]*((?:[^\x00-\x1f\x7f]|\t)*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

T = TypeVar("T")
Reading = Generator[None, None, T]
"""Yields when it needs more bytes."""


@dataclass(slots=True)
class Request:
    """One request. `headers` has lower-case names; repeated ones are joined by commas (cookies by `; `)."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    gone: Callable[[], bool] = lambda: False
    """Whether the client has closed the connection: a long poll then ends."""

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
AllowsPage = Callable[[str, str], bool]
"""(request target, origin) → whether web pages of that other origin may send this."""


class Refused(Exception):
    """A request that is not read to its end. `status`: 400, 403, 408, 413 or 431."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestReader:
    """Parses the requests of one connection. Each byte is read once, also when few arrive at a time."""

    def __init__(
        self, body_limit: int, expected: Callable[[], None], allows_page: AllowsPage = lambda target, origin: False
    ) -> None:
        """`expected` tells a client that waits for it (`Expect: 100-continue`) to send the body."""
        self.buffer = bytearray()
        self._body_limit = body_limit
        self._allows_page = allows_page
        self._expected = expected
        self._within = False
        self._requests = self._read_requests()

    @property
    def begun(self) -> bool:
        """Whether part of a request has come."""
        return self._within or bool(self.buffer)

    def next(self) -> Request | None:
        """The next request, or None when it is not yet whole. Raises Refused; the reader is then of no more use."""
        return next(self._requests)

    def _read_requests(self) -> Generator[Request | None, None, None]:
        while True:
            request = yield from self._read_request()
            self._within = False
            yield request

    def _read_request(self) -> Reading[Request]:
        room = HEADER_LIMIT
        first = b""
        while not first:  # RFC 9112: empty lines before a request are ignored
            first = yield from self._read_line(room, 431)
            room -= len(first) + 2
        self._within = True
        line = _REQUEST_LINE.fullmatch(first.decode("latin-1"))
        if not line:
            raise Refused(400)
        headers = yield from self._read_headers(room)
        modern = line[3] == "1"
        if "," in headers.get("host", "") or (modern and "host" not in headers):
            raise Refused(400)
        if not _is_loopback_host(headers) or (
            _is_cross_origin(headers) and not self._allows_page(line[2], headers.get("origin", ""))
        ):
            raise Refused(403)
        if not modern:
            headers.setdefault("connection", "close")
        body = yield from self._read_body(headers, modern)
        return Request(line[1], line[2], headers, body)

    def _read_headers(self, room: int) -> Reading[dict[str, str]]:
        headers: dict[str, str] = {}
        while line := (yield from self._read_line(room, 431)):
            room -= len(line) + 2
            header = _HEADER.fullmatch(line.decode("latin-1"))
            if not header:
                raise Refused(400)
            name, value = header[1].lower(), header[2].rstrip(" \t")
            if name in headers:
                value = headers[name] + ("; " if name == "cookie" else ",") + value
            headers[name] = value
        return headers

    def _read_body(self, headers: dict[str, str], modern: bool) -> Reading[bytes]:
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if encoding is not None:
            if length is not None or encoding.lower() != "chunked" or not modern:
                raise Refused(400)
        elif length is None:
            return b""
        elif not _LENGTH.fullmatch(length):
            raise Refused(400)
        elif int(length) > self._body_limit:
            raise Refused(413)
        if headers.get("expect", "").lower() == "100-continue":
            self._expected()
        if encoding is not None:
            return (yield from self._read_chunks())
        return (yield from self._read_bytes(int(length or 0)))

    def _read_chunks(self) -> Reading[bytes]:
        body = bytearray()
        while True:
            chunk = _CHUNK.fullmatch((yield from self._read_line(CHUNK_LINE_LIMIT, 400)))
            if not chunk:
                raise Refused(400)
            size = int(chunk[1], 16)
            if len(body) + size > self._body_limit:
                raise Refused(413)
            if size == 0:
                yield from self._read_headers(HEADER_LIMIT)  # trailers: nothing here needs them
                return bytes(body)
            body += yield from self._read_bytes(size)
            if (yield from self._read_bytes(2)) != b"\r\n":
                raise Refused(400)

    def _read_line(self, limit: int, too_long: int) -> Reading[bytes]:
        """One line without its CRLF."""
        start = 0
        while (end := self.buffer.find(b"\n", start)) < 0 and len(self.buffer) <= limit:
            start = len(self.buffer)
            yield
        if end < 0 or end > limit:
            raise Refused(too_long)
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Refused(400)
        return line[:-1]

    def _read_bytes(self, count: int) -> Reading[bytes]:
        while len(self.buffer) < count:
            yield
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data


def _is_loopback_host(headers: dict[str, str]) -> bool:
    """Another name that leads here shows DNS rebinding."""
    return bool(_LOOPBACK.fullmatch(headers.get("host", "localhost")))


def _is_cross_origin(headers: dict[str, str]) -> bool:
    """Whether a web page of another origin sent this. Clients that are not browsers send neither of the two headers."""
    own = f"http://{headers.get('host', 'localhost')}".lower()
    return headers.get("origin", own).lower() != own or headers.get("sec-fetch-site", "none") not in (
        "none",
        "same-origin",
    )


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests are answered in turn."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reader = RequestReader(server.body_limit, self._ask_for_body, server.allows_page)
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._lingering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._stop_clock()

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._reader.buffer += data
        if self._task is None:
            self._serve()
        elif len(self._reader.buffer) > HEADER_LIMIT:
            self.transport.pause_reading()  # requests that are sent ahead wait in the client

    def drop(self) -> None:
        """Close at once, answered or not."""
        if self._task:
            self._task.cancel()
        self.transport.abort()

    def _serve(self) -> None:
        """Answer the requests that are complete in the buffer, until one has to wait."""
        try:
            while not self._lingering and (request := self._reader.next()) is not None:
                self._stop_clock()
                request.gone = self.transport.is_closing
                try:
                    answer = self._server.app(request)
                    if not isinstance(answer, Response):
                        self._task = asyncio.ensure_future(self._answer_later(request, answer))
                        return
                except Exception:
                    answer = _failure()
                self._write(request, answer)
        except Refused as refused:
            self._write(None, self._server.refusal(refused.status))
        if not self._lingering and self._reader.begun and self._deadline is None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._server.request_seconds, self._give_up_waiting)

    async def _answer_later(self, request: Request, pending: Awaitable[Response]) -> None:
        try:
            answer = await pending
        except Exception:
            answer = _failure()
        self._task = None
        self._write(request, answer)
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._serve()

    def _ask_for_body(self) -> None:
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _give_up_waiting(self) -> None:
        self._write(None, self._server.refusal(408))

    def _stop_clock(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _write(self, request: Request | None, response: Response) -> None:
        """`request`: None for one that was not read to its end, after which nothing more can be read."""
        if self.transport.is_closing():
            return
        close = request is None or "close" in re.split(r"[ \t,]+", request.headers.get("connection", "").lower())
        try:
            phrase = http.HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        head = [f"HTTP/1.1 {response.status} {phrase}"]
        has_body = response.status not in (204, 304)
        has_length = False
        for name, value in response.headers:
            has_length = has_length or name.lower() == "content-length"
            head.append(f"{name}: {value}".replace("\r", "").replace("\n", ""))
        if not has_length and has_body:
            head.append(f"content-length: {len(response.body)}")
        if close:
            head.append("connection: close")
        data = "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n"
        if has_body and (request is None or request.method != "HEAD"):
            data += response.body
        self.transport.write(data)
        if close:
            self._linger()

    def _linger(self) -> None:
        self._lingering = True
        self._reader.buffer.clear()
        self._stop_clock()
        self.transport.write_eof()
        self._deadline = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)


def _failure() -> Response:
    traceback.print_exc(file=sys.stderr)
    return Response(500, b"internal error of the local runtime; see its console")


class Server:
    """A listening socket on loopback. `refusal`: the answer to a request that is not read to its end."""

    def __init__(
        self,
        app: App,
        *,
        body_limit: int,
        request_seconds: float,
        refusal: Callable[[int], Response],
        allows_page: AllowsPage,
    ) -> None:
        self.app = app
        self.body_limit = body_limit
        self.request_seconds = request_seconds
        self.refusal = refusal
        self.allows_page = allows_page
        self.connections: set[Connection] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @classmethod
    async def start(
        cls,
        app: App,
        port: int = 0,
        *,
        body_limit: int = 1 << 30,
        request_seconds: float = REQUEST_SECONDS,
        refusal: Callable[[int], Response] = Response,
        allows_page: AllowsPage = lambda target, origin: False,
    ) -> Server:
        """Listen on 127.0.0.1:`port` (0: any free one). OSError when it is taken."""
        server = cls(
            app, body_limit=body_limit, request_seconds=request_seconds, refusal=refusal, allows_page=allows_page
        )
        listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(server), "127.0.0.1", port, family=socket.AF_INET
        )
        server._server = listening
        server.port = listening.sockets[0].getsockname()[1]
        return server

    def close(self) -> None:
        """Stop listening and drop the connections, answered or not."""
        if self._server:
            self._server.close()
        for connection in list(self.connections):
            connection.drop()
