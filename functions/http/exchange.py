"""One request and its answer, over one connection to one address, within an absolute deadline."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

BODY_BYTES = 4096
"""Read of a body: what a receiver has to say is in its status."""
BODY_SECONDS = 5.0
"""Waited for a body, which nobody needs, after the status."""
REDIRECTS = (307, 308)
"""Those that keep method and body; all others would turn a POST into a GET."""
INTERIM_ANSWERS = 32
"""1xx that are read past."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Deadline:
    """`at`: on the clock of `monotonic`, in seconds. It counts for everything together: a time-out for each read lets a
    receiver that sends a byte now and then go on for ever."""

    at: float
    monotonic: Callable[[], float]

    def remaining(self) -> float:
        """Seconds, more than 0. Raises TimeoutError when there are none."""
        seconds = self.at - self.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def shorten(self, seconds: float) -> None:
        self.at = min(self.at, self.monotonic() + seconds)


class Incoming(io.RawIOBase):
    """What comes in, each read within what is left of the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self._connection.settimeout(self._deadline.remaining())
        return self._connection.recv_into(buffer)  # type: ignore[arg-type]


class Channel:
    """A connection as http.client takes it for a socket. There is one reader for all answers that it is asked for:
    what has been read behind an interim one stays in it."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._reader = io.BufferedReader(Incoming(connection, deadline))

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._connection.settimeout(self._deadline.remaining())
            left = left[self._connection.send(left) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return self._reader  # type: ignore[return-value]

    def close(self) -> None:
        self._connection.close()


def connected(
    address: str, port: int, deadline: Deadline, *, seconds: float, tls: ssl.SSLContext | None, host: str
) -> socket.socket:
    """A connection to this very address; over TLS the certificate has to be the one of `host`. `seconds`: the most
    that may go by until the address answers. Raises OSError."""
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
) -> Answer:
    """The answer to one request. As soon as a status has been read it stands: headers and a body that cannot be read
    are none. Raises OSError or HTTPException when there is no status."""
    deadline = Deadline(deadline.at, deadline.monotonic)
    channel = Channel(connection, deadline)
    try:
        _send(channel, method, target, headers, body)
    except TimeoutError:
        raise
    except OSError:
        # A receiver that has refused may close before it has read it all. Its answer may have come nevertheless.
        return _answer(channel, deadline, method)
    return _answer(channel, deadline, method)


def _send(channel: Channel, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> None:
    sender = http.client.HTTPConnection("unused")
    sender.sock = channel
    sender.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        sender.putheader(name, value)
    if body is not None or method != "GET":
        sender.putheader("Content-Length", str(len(body or b"")))
    sender.endheaders(body)


def _answer(channel: Channel, deadline: Deadline, method: str) -> Answer:
    interim: list[http.client.HTTPResponse] = []
    while True:
        # One that is collected closes the reader: they are kept.
        answer = http.client.HTTPResponse(channel, method=method)  # type: ignore[arg-type]
        try:
            answer.begin()
        except (http.client.HTTPException, OSError, ValueError):
            # http.client sets the status when it has read the line, before the headers.
            if isinstance(answer.status, int) and answer.status >= 200:
                return Answer(status=answer.status, headers={}, text="")
            raise
        if answer.status >= 200:
            break
        interim.append(answer)
        if len(interim) > INTERIM_ANSWERS:
            raise http.client.HTTPException(f"more than {INTERIM_ANSWERS} interim answers")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status in REDIRECTS:
        # What it says is where to; nobody waits for more.
        return Answer(status=answer.status, headers=headers, text="")
    deadline.shorten(BODY_SECONDS)
    return Answer(status=answer.status, headers=headers, text=_text(answer, headers.get("content-encoding", "")))


def _text(answer: http.client.HTTPResponse, encoding: str) -> str:
    """The beginning of the body. One read, not all of it: a receiver that drips its body must not hold us."""
    try:
        read = answer.read1(BODY_BYTES)
        if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
            # 47: either header.
            read = zlib.decompressobj(47).decompress(read, BODY_BYTES)
    except (http.client.HTTPException, OSError, ValueError, zlib.error):
        return ""
    return read.decode(errors="replace")
