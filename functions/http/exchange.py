"""One HTTP request and its response, over one connection to one address, within an absolute deadline."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BODY_READ_BYTES = 4096
"""The most that is read of a body. Callers decide by the status and use the body only in error messages."""
BODY_TIMEOUT_SECONDS = 5.0
"""For the body, after the status has been read."""
REDIRECT_STATUSES = (307, 308)
"""The redirects that keep method and body. The others would turn a POST into a GET, and are not followed."""
MAX_INTERIM_RESPONSES = 32
"""1xx responses that are skipped before the final one."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """`headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Deadline:
    """`at`: on the clock of `monotonic`, in seconds. One deadline bounds all reads and writes together: with a time-out
    for each read, a receiver that sends a byte now and then would never end."""

    at: float
    monotonic: Callable[[], float]

    def remaining(self) -> float:
        """Seconds, more than 0. Raises TimeoutError when there are none."""
        seconds = self.at - self.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def shorten(self, seconds: float) -> None:
        """Moves the deadline to at most `seconds` from now."""
        self.at = min(self.at, self.monotonic() + seconds)


class SocketReader(io.RawIOBase):
    """The bytes that a socket receives. Each read ends at the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._connection.settimeout(self._deadline.remaining())
        return self._connection.recv_into(buffer)  # type: ignore[arg-type]


class DeadlineSocket:
    """The methods of a socket that http.client uses, bounded by a deadline. All responses share one buffered reader: it
    keeps what has been read beyond the end of an interim response."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._reader = io.BufferedReader(SocketReader(connection, deadline))

    def sendall(self, data: bytes) -> None:
        unsent = memoryview(data)
        while unsent:
            self._connection.settimeout(self._deadline.remaining())
            unsent = unsent[self._connection.send(unsent) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return self._reader  # type: ignore[return-value]

    def close(self) -> None:
        self._connection.close()


def connect(
    address: str, port: int, deadline: Deadline, *, seconds: float, tls: ssl.SSLContext | None, host: str
) -> socket.socket:
    """A connection to exactly this address. With TLS, the certificate must be valid for `host`. `seconds`: time-out of
    the TCP connection. Raises OSError."""
    connection = socket.create_connection((address, port), timeout=min(seconds, deadline.remaining()))
    if tls is None:
        return connection
    try:
        # Bounds the handshake as a whole.
        connection.settimeout(deadline.remaining())
        return tls.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def exchange(
    connection: socket.socket,
    deadline: Deadline,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> Response:
    """The response to one request. Once the status has been read, the response counts: headers or a body that cannot be
    read are empty. Raises OSError or HTTPException when there is no status."""
    deadline = Deadline(deadline.at, deadline.monotonic)
    deadline_socket = DeadlineSocket(connection, deadline)
    try:
        _write_request(deadline_socket, method, target, headers, body)
    except TimeoutError:
        raise
    except OSError:
        # A receiver may respond and close the connection before it has read the whole request.
        return _read_response(deadline_socket, deadline, method)
    return _read_response(deadline_socket, deadline, method)


def _write_request(
    connection: DeadlineSocket, method: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> None:
    request_writer = http.client.HTTPConnection("unused")
    request_writer.sock = connection
    request_writer.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        request_writer.putheader(name, value)
    if body is not None or method != "GET":
        request_writer.putheader("Content-Length", str(len(body or b"")))
    request_writer.endheaders(body)


def _read_response(connection: DeadlineSocket, deadline: Deadline, method: str) -> Response:
    interim_responses: list[http.client.HTTPResponse] = []
    while True:
        # The list keeps every response alive: a response that is garbage-collected closes the shared reader.
        response = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]
        try:
            response.begin()
        except (http.client.HTTPException, OSError, ValueError):
            # http.client sets the status when it has read the line, before the headers.
            if isinstance(response.status, int) and response.status >= 200:
                return Response(status=response.status, headers={}, text="")
            raise
        if response.status >= 200:
            break
        interim_responses.append(response)
        if len(interim_responses) > MAX_INTERIM_RESPONSES:
            raise http.client.HTTPException(f"more than {MAX_INTERIM_RESPONSES} interim responses")
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status in REDIRECT_STATUSES:
        # Only its Location is used, not its body.
        return Response(status=response.status, headers=headers, text="")
    deadline.shorten(BODY_TIMEOUT_SECONDS)
    return Response(
        status=response.status, headers=headers, text=_read_text(response, headers.get("content-encoding", ""))
    )


def _read_text(response: http.client.HTTPResponse, encoding: str) -> str:
    """The beginning of the body, from one read: a receiver that sends its body slowly must not delay the caller."""
    try:
        data = response.read1(BODY_READ_BYTES)
        if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
            # 47 = 15 + 32: zlib detects a gzip or a zlib header.
            data = zlib.decompressobj(47).decompress(data, BODY_READ_BYTES)
    except (http.client.HTTPException, OSError, ValueError, zlib.error):
        return ""
    return data.decode(errors="replace")
