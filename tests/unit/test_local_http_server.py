from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from local.http_server import Refused, Request, RequestReader, Response, Server


def app(request: Request) -> Response | Awaitable[Response]:
    """Says what it got; under /later, after a while; under /boom, not at all."""
    text = f"{request.method} {request.path}?{request.query} {request.body.decode()} {request.headers.get('x', '')}"
    if request.path == "/boom":
        raise ValueError("boom")
    return later(text) if request.path == "/later" else Response(200, text.encode())


async def later(text: str) -> Response:
    await asyncio.sleep(0.01)
    return Response(200, text.encode())


def talk(*parts: bytes, expected: int = 1, **options: Any) -> str:
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
    answer = talk(
        b"POST /a?b=c HT", b"TP/1.1\r\nHost: localhost\r\nX: 1\r\nx: 2\r\nContent-Le", b"ngth: 5\r\n\r\nhe", b"llo"
    )
    assert answer.endswith("POST /a?b=c hello 1,2")


def test_requests_on_one_connection_are_answered_in_turn() -> None:
    one, two = b"GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = talk(one + two + one, expected=3)
    assert [answer.find("/later"), answer.find("/now")] == sorted([answer.find("/later"), answer.find("/now")])
    assert answer.count("200 OK") == 3


def test_a_chunked_body_with_a_trailer() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = talk(head, b"3\r\nabc\r\n4;x=y\r\nde", b"fg\r\n0\r\nTrailer: x\r\n\r\n")
    assert "POST /? abcdefg" in answer


def test_a_client_that_waits_to_be_asked() -> None:
    answer = talk(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", b"hi", expected=2
    )
    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_head_has_no_body() -> None:
    answer = talk(b"HEAD /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert "content-length: 10" in answer
    assert answer.endswith("\r\n\r\n")


def post(*headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "Host: localhost", *headers, "", "")).encode("latin-1") + body


def get(*headers: str) -> bytes:
    return "\r\n".join(("GET / HTTP/1.1", *headers, "", "")).encode("latin-1")


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


MALFORMED = {
    "no request line": b"nonsense\r\n\r\n",
    "two words": b"GET /\r\n\r\n",
    "four words": b"GET / x HTTP/1.1\r\n\r\n",
    "another protocol": b"GET / HTCPCP/1.0\r\n\r\n",
    "a later version": b"GET / HTTP/2.0\r\n\r\n",
    "a method that is no token": b"G(T / HTTP/1.1\r\n\r\n",
    "an absolute target": b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a target that is not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: localhost\rX: 1\r\n\r\n",
    "no colon": get("Host: localhost", "no colon"),
    "no name": get("Host: localhost", ": x"),
    "a space before the colon": get("Host: localhost", "X : 1"),
    "a folded line": get("Host: localhost", "X: 1", " more"),
    "a line folded by a tab": get("Host: localhost", "X: 1", "\tmore"),
    "a NUL in a value": get("Host: localhost", "X: a\0b"),
    "a name that is no token": get("Host: localhost", "X(1): a"),
    "no host": get(),
    "two hosts": get("Host: localhost", "Host: localhost"),
    "a length that is no number": post("Content-Length: x"),
    "a negative length": post("Content-Length: -9"),
    "a signed length": post("Content-Length: +2", body=b"hi"),
    "a hexadecimal length": post("Content-Length: 0x2", body=b"hi"),
    "an empty length": post("Content-Length:"),
    "a length of superscripts": post("Content-Length: \u00b2"),
    "a length of 5,000 digits": post("Content-Length: " + "9" * 5000),
    "two lengths": post("Content-Length: 2", "Content-Length: 3", body=b"hi!"),
    "one length twice": post("Content-Length: 2", "Content-Length: 2", body=b"hi"),
    "a list of lengths": post("Content-Length: 2, 2", body=b"hi"),
    "a length and chunks": post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and a length": post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    "an encoding that is not known": post("Transfer-Encoding: gzip"),
    "chunked, not last": post("Transfer-Encoding: chunked, identity"),
    "two encodings": post("Transfer-Encoding: gzip, chunked"),
    "chunked twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "something like chunked": post("Transfer-Encoding: xchunked"),
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": chunked(b"-9\r\n"),
    "a signed chunk": chunked(b"+2\r\nhi\r\n"),
    "a chunk size with 0x": chunked(b"0x2\r\nhi\r\n"),
    "a chunk size with a gap": chunked(b"1_0\r\n"),
    "a chunk size that is not hexadecimal": chunked(b"zz\r\n"),
    "a chunk size after a space": chunked(b" 2\r\nhi\r\n"),
    "an empty chunk size": chunked(b"\r\n"),
    "only an extension": chunked(b";x=y\r\n"),
    "a chunk size of 40 digits": chunked(b"f" * 40 + b"\r\n"),
    "a chunk line that does not end": chunked(b"2;" + b"x" * 5000),
    "a control character in an extension": chunked(b"2;\x01\r\nhi\r\n0\r\n\r\n"),
    "a chunk size that ends in a bare line feed": chunked(b"2\nhi\r\n0\r\n\r\n"),
    "a chunk that is longer than its size": chunked(b"2\r\nhi!\r\n0\r\n\r\n"),
    "a chunk that ends in bare line feeds": chunked(b"2\r\nhi\n\n0\r\n\r\n"),
    "a trailer without a colon": chunked(b"0\r\ntrailer\r\n\r\n"),
}
TOO_LARGE = {
    "a length above the limit": post("Content-Length: 11"),
    "a length of 18 digits": post("Content-Length: " + "9" * 18),
    "a length above the limit, waiting to be asked": post("Content-Length: 11", "Expect: 100-continue"),
    "a chunk above the limit": chunked(b"ff\r\n"),
    "a chunk of 15 digits": chunked(b"f" * 15 + b"\r\n"),
    "chunks that are above it together": chunked(b"6\r\nabcdef\r\n6\r\n"),
}
HEADERS_TOO_LARGE = {
    "a header that does not end": b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000,
    "a header of 70 KB": get("Host: localhost", "X: " + "x" * 70_000),
    "many headers": get("Host: localhost", *["X: 1"] * 20_000),
    "a request line that does not end": b"GET /" + b"x" * 70_000,
    "nothing but empty lines": b"\r\n" * 40_000,
    "trailers of 70 KB": chunked(b"0\r\n" + b"X: 1\r\n" * 12_000),
}
FROM_ELSEWHERE = {
    "another host": get("Host: evil.example:4510"),
    "a host that looks like ours": get("Host: localhost.evil.example"),
    "another address": get("Host: 10.0.0.1"),
    "an empty host": get("Host:"),
    "another origin": get("Host: localhost:4510", "Origin: https://evil.example"),
    "another port": get("Host: localhost:4510", "Origin: http://localhost:3000"),
    "another scheme": get("Host: localhost:4510", "Origin: https://localhost:4510"),
    "an origin that is not told": get("Host: localhost:4510", "Origin: null"),
    "a page of another site": get("Host: localhost:4510", "Sec-Fetch-Site: cross-site"),
    "a page of another port": get("Host: localhost:4510", "Sec-Fetch-Site: same-site"),
    "a form of another site": post("Sec-Fetch-Site: cross-site", "Content-Type: application/x-www-form-urlencoded"),
}
NOT_SENT_TO_ITS_END = {
    "half a request line": b"GET /",
    "half a head": b"GET / HTTP/1.1\r\nHost: loc",
    "half a body": post("Content-Length: 5", body=b"ab"),
    "no body": post("Content-Length: 5"),
    "half a chunk": chunked(b"5\r\nab"),
    "a chunk without its end": chunked(b"2\r\nab"),
    "no last chunk": chunked(b"2\r\nab\r\n"),
    "no end of the trailers": chunked(b"0\r\nX: 1\r\n"),
}


def cases(status: int, requests: dict[str, bytes]) -> list[Any]:
    return [pytest.param(sent, status, id=name) for name, sent in requests.items()]


@pytest.mark.parametrize(
    ("sent", "status"),
    [*cases(400, MALFORMED), *cases(413, TOO_LARGE), *cases(431, HEADERS_TOO_LARGE), *cases(403, FROM_ELSEWHERE)],
)
def test_a_request_that_is_malformed_too_large_or_from_elsewhere_is_refused(sent: bytes, status: int) -> None:
    assert talk(sent, body_limit=10).startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize(("sent", "status"), cases(400, MALFORMED))
def test_a_malformed_request_byte_by_byte_is_refused_alike(sent: bytes, status: int) -> None:
    reader = RequestReader(10, lambda: None)
    with pytest.raises(Refused) as refused:
        for byte in sent:
            reader.buffer.append(byte)
            assert reader.next() is None
    assert refused.value.status == status


@pytest.mark.parametrize(("sent", "status"), cases(408, NOT_SENT_TO_ITS_END))
def test_a_request_that_is_not_sent_to_its_end_is_given_up(sent: bytes, status: int) -> None:
    assert talk(sent, body_limit=10, request_seconds=0.01).startswith(f"HTTP/1.1 {status} ")


def test_a_connection_without_a_request_stays_open() -> None:
    answer = talk(b"", get("Host: localhost"), b"", get("Host: localhost"), expected=2, request_seconds=0.001)
    assert answer.count("200 OK") == 2


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\r\n\r\n" + get("Host: localhost"), id="empty lines before it"),
        pytest.param(get("Host: 127.0.0.1:4510", "Origin: http://127.0.0.1:4510"), id="our own page"),
        pytest.param(get("Host: LOCALHOST:4510", "Origin: http://localhost:4510"), id="our own page, by its name"),
        pytest.param(get("Host: [::1]:4510", "Sec-Fetch-Site: same-origin"), id="our own page, over IPv6"),
        pytest.param(get("Host: localhost", "Sec-Fetch-Site: none"), id="an address that a person typed"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP/1.0 without a host"),
        pytest.param(chunked(b"00002 ;a=b;c\r\nhi\r\n0;x\r\nX: 1\r\n\r\n"), id="extensions and trailers"),
        pytest.param(post("Transfer-Encoding: Chunked", body=b"A\r\n0123456789\r\n0\r\n\r\n"), id="capitals"),
        pytest.param(post("Content-Length: 002", body=b"hi"), id="a length with zeros before it"),
        pytest.param(get("Host: localhost", "X:", "Y:\t a \t"), id="an empty header and spaces around one"),
    ],
)
def test_a_request_that_is_well_formed_is_answered(sent: bytes) -> None:
    assert talk(sent, body_limit=10).startswith("HTTP/1.1 200 OK")


def test_reading_many_small_chunks_costs_as_much_as_there_are() -> None:
    """Counted in bytes that are searched: each once, in however many pieces they come."""

    class Counting(bytearray):
        searched = 0

        def find(self, what: Any, start: Any = 0, end: Any = None) -> int:
            found = super().find(what, start)
            self.searched += (len(self) if found < 0 else found + 1) - start
            return found

    def searched(chunks: int) -> int:
        reader = RequestReader(10**9, lambda: None)
        reader.buffer = Counting()
        for piece in (chunked(b""), *[b"1\r\nx\r\n"] * chunks):
            for byte in piece:
                reader.buffer.append(byte)
                assert reader.next() is None
        return reader.buffer.searched

    assert searched(2000) < 2.1 * searched(1000)


def test_an_app_that_fails_is_500() -> None:
    assert talk(b"GET /boom HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 500 ")


@pytest.mark.parametrize("size", [11 << 20, 64 << 20])
def test_a_client_that_sends_all_before_it_reads_gets_its_413(size: int) -> None:
    async def scenario() -> bytes:
        server = await Server.start(app, body_limit=10 << 20)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post(f"Content-Length: {size}"))
        for _ in range(size >> 20):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
        answer = await reader.read()
        writer.close()
        server.close()
        return answer

    assert asyncio.run(asyncio.wait_for(scenario(), 60)).startswith(b"HTTP/1.1 413 ")


def test_requests_sent_ahead_wait_in_the_client() -> None:
    later = b"POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000
    assert talk(later, later, later, expected=3).count("200 OK") == 3


def test_a_connection_of_http_1_0_is_closed() -> None:
    assert "connection: close" in talk(b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("value", ["close", "Close", "TE, close"])
def test_a_client_that_closes_is_told_so(value: str) -> None:
    assert "connection: close" in talk(get("Host: localhost", f"Connection: {value}"))
