from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from local.http_server import Request, Response, Server


def app(request: Request) -> Response | Awaitable[Response]:
    """Says what it got; under /later, after a while; under /boom, not at all."""
    text = f"{request.method} {request.path}?{request.query} {request.body.decode()} {request.headers.get('x', '')}"
    if request.path == "/boom":
        raise ValueError("boom")
    return later(text) if request.path == "/later" else Response(200, text.encode())


async def later(text: str) -> Response:
    await asyncio.sleep(0.01)
    return Response(200, text.encode())


def talk(*parts: bytes, expected: int = 1, **options: int) -> str:
    """Send the parts one after the other, return what came back until the server closed or answered enough."""

    async def scenario() -> str:
        server = await Server.start(app, **options)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)
        answer = b""
        while answer.count(b"HTTP/1.1 ") < expected or not _whole(answer):
            data = await asyncio.wait_for(reader.read(65536), 5)
            if not data:
                break
            answer += data
        writer.close()
        server.close()
        return answer.decode()

    return asyncio.run(scenario())


def _whole(answer: bytes) -> bool:
    head, _, body = answer.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length")]
    return bool(lengths) and len(body) >= int(lengths[0])


def test_a_request_in_pieces() -> None:
    answer = talk(b"POST /a?b=c HT", b"TP/1.1\r\nX: 1\r\nx: 2\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo")
    assert answer.endswith("POST /a?b=c hello 1,2")


def test_requests_on_one_connection_are_answered_in_turn() -> None:
    one, two = b"GET /later HTTP/1.1\r\n\r\n", b"GET /now HTTP/1.1\r\n\r\n"
    answer = talk(one + two + one, expected=3)
    assert [answer.find("/later"), answer.find("/now")] == sorted([answer.find("/later"), answer.find("/now")])
    assert answer.count("200 OK") == 3


def test_a_chunked_body_with_a_trailer() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = talk(head, b"3\r\nabc\r\n4;x=y\r\nde", b"fg\r\n0\r\nTrailer: x\r\n\r\n")
    assert "POST /? abcdefg" in answer


def test_a_client_that_waits_to_be_asked() -> None:
    answer = talk(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", b"hi", expected=2)
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_head_has_no_body() -> None:
    answer = talk(b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert "content-length: 10" in answer
    assert answer.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n", "413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n", "413"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, "431"),
        (b"GET /boom HTTP/1.1\r\nConnection: close\r\n\r\n", "500"),
    ],
)
def test_what_is_refused(request_bytes: bytes, status: str) -> None:
    assert talk(request_bytes, body_limit=10).startswith(f"HTTP/1.1 {status} ")


def test_a_connection_of_http_1_0_is_closed() -> None:
    assert "connection: close" in talk(b"GET / HTTP/1.0\r\n\r\n")
