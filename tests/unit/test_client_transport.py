"""The client's way over the network, against servers that answer oddly: the status decides, a request has an end."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from taskyard import (
    AsyncTaskyard,
    Backoff,
    Cause,
    Conflict,
    Forbidden,
    NotFound,
    Taskyard,
    TaskyardError,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    WaitTimeout,
)

from tests.unit.client_fake import task_document

TASK = json.dumps(task_document()).encode()
ONCE = Backoff(tries=1)
CLIENTS = pytest.mark.parametrize("client", ["sync", "async"])


@contextmanager
def server(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[str]:
    """Its URL. Each connection's request gets the next answer, the last one again and again; then it is closed."""
    listening = socket.create_server(("127.0.0.1", 0))
    pending = list(answers)

    def serve(connection: socket.socket, answer: bytes | Callable[[socket.socket], None]) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(answer) if isinstance(answer, bytes) else answer(connection)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            answer = pending.pop(0) if len(pending) > 1 else pending[0]
            threading.Thread(target=serve, args=(connection, answer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def answer(status: int, body: bytes, **headers: str) -> bytes:
    phrase = http.client.responses.get(status, "Odd")
    fields = {"content-length": str(len(body)), "connection": "close", "content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode() + body


def ask(url: str, client: str, act: Callable[[Any], Any], **options: Any) -> Any:
    options = {"auth": "none", "backoff": ONCE} | options
    if client == "sync":
        with Taskyard(url, **options) as yard:
            return act(yard)

    async def asked() -> Any:
        async with AsyncTaskyard(url, **options) as yard:
            return await act(yard)

    return asyncio.run(asked())


@CLIENTS
@pytest.mark.parametrize("early", [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_informational_response_is_skipped(client: str, early: bytes) -> None:
    with server(early * 3 + answer(200, TASK)) as url:
        assert ask(url, client, lambda yard: yard.get("t1")).id == "t1"


MISLABELLED = ("gzip", "br", "deflate", "zstd", "nonsense")


@CLIENTS
@pytest.mark.parametrize("encoding", MISLABELLED)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_refusal_with_an_undecodable_body_is_the_refusal(
    client: str, encoding: str, status: int, kind: type[TaskyardError]
) -> None:
    with server(answer(status, b"not compressed", content_encoding=encoding)) as url, pytest.raises(kind) as refused:
        ask(url, client, lambda yard: yard.get("t1"))
    assert str(status) in str(refused.value)
    assert "\n" not in str(refused.value)


@CLIENTS
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_success_with_an_undecodable_body_is_unexpected_with_its_status(client: str, encoding: str) -> None:
    answered = answer(200, b"not compressed", content_encoding=encoding)
    with server(answered) as url, pytest.raises(UnexpectedAnswer, match=r"status 200 .*cannot be read") as refused:
        ask(url, client, lambda yard: yard.get("t1"))
    assert refused.value.status == 200


@CLIENTS
def test_compressed_answer_is_read(client: str) -> None:
    with server(answer(200, gzip.compress(TASK), content_encoding="gzip")) as url:
        assert ask(url, client, lambda yard: yard.get("t1")).id == "t1"


@CLIENTS
@pytest.mark.parametrize("cut", [0, 5])
def test_refusal_with_an_incomplete_body_is_the_refusal(client: str, cut: int) -> None:
    whole = answer(409, b"x" * 10)
    with server(whole[: len(whole) - 10 + cut]) as url, pytest.raises(Conflict):
        ask(url, client, lambda yard: yard.get("t1"))


@CLIENTS
def test_success_with_an_incomplete_body_is_requested_again(client: str) -> None:
    whole = answer(200, TASK)
    with server(whole[:-5], whole) as url:
        assert ask(url, client, lambda yard: yard.get("t1"), backoff=Backoff(base=0)).id == "t1"


@CLIENTS
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>hello</html>", UnexpectedAnswer),
        (b"\xff\xfe", UnexpectedAnswer),
        (b'"text"', UnexpectedAnswer),
        (b"[" * 100_000, UnexpectedAnswer),
        (b'{"id": "t1", "x": "\x1b[2J\r\n"', UnexpectedAnswer),
    ],
)
def test_success_of_another_server_is_an_error_of_one_line(client: str, body: bytes, kind: type[TaskyardError]) -> None:
    with server(answer(200, body)) as url, pytest.raises(kind) as refused:
        ask(url, client, lambda yard: yard.get("t1"))
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)


# -- an end


def drip(head: bytes) -> Callable[[socket.socket], None]:
    """A byte every hundredth of a second, for ever: no read takes long."""

    def send(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)

    return send


HEADERS = b"HTTP/1.1 200 OK\r\nx: "
BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
SILENT = b""


@CLIENTS
@pytest.mark.parametrize("head", [HEADERS, BODY, SILENT], ids=["headers", "body", "nothing of HTTP"])
@pytest.mark.timeout(20)
def test_request_with_a_slow_answer_ends_at_its_timeout(client: str, head: bytes) -> None:
    with server(drip(head)) as url, pytest.raises(Unreachable) as late:
        ask(url, client, lambda yard: yard.get("t1"), timeout=0.3)
    if head:
        assert late.value.cause is Cause.TIMEOUT


@CLIENTS
@pytest.mark.timeout(20)
def test_wait_with_an_unanswered_read_ends_at_its_timeout(client: str) -> None:
    with server(answer(200, TASK), drip(BODY)) as url, pytest.raises(WaitTimeout) as late:
        ask(url, client, lambda yard: yard.wait("t1", timeout=0.5))
    assert late.value.task.id == "t1"


@CLIENTS
@pytest.mark.timeout(20)
def test_wait_whose_first_read_is_unanswered_is_unreachable(client: str) -> None:
    with server(drip(BODY)) as url, pytest.raises(Unreachable):
        ask(url, client, lambda yard: yard.wait("t1", timeout=0.3), backoff=Backoff(tries=1000))


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_timeout_of_zero_or_less_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        Taskyard("http://127.0.0.1:1", timeout=timeout)


# -- why there is no answer


@pytest.fixture
def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@CLIENTS
def test_closed_port_is_unreachable_because_refused(client: str, unused: int) -> None:
    with pytest.raises(Unreachable) as failed:
        ask(f"http://127.0.0.1:{unused}", client, lambda yard: yard.stats())
    assert failed.value.cause is Cause.REFUSED


@CLIENTS
def test_unknown_host_is_unreachable_because_of_its_name(client: str) -> None:
    with pytest.raises(Unreachable) as failed:
        ask("http://no-such-host.invalid", client, lambda yard: yard.stats())
    assert failed.value.cause is Cause.NAME


@CLIENTS
def test_https_to_an_http_server_is_unreachable_because_of_tls(client: str) -> None:
    with server(answer(400, b"plain HTTP only")) as url, pytest.raises(Unreachable) as failed:
        ask(url.replace("http:", "https:"), client, lambda yard: yard.stats())
    assert failed.value.cause is Cause.TLS


@CLIENTS
def test_server_without_http_is_unreachable_because_of_the_protocol(client: str) -> None:
    with server(b"SSH-2.0-OpenSSH_9.6\r\n") as url, pytest.raises(Unreachable) as failed:
        ask(url, client, lambda yard: yard.stats())
    assert failed.value.cause is Cause.PROTOCOL


@CLIENTS
def test_proxy_that_refuses_is_unreachable_because_of_the_proxy(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(answer(407, b"")) as url:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(Unreachable) as failed:
            ask("https://taskyard.example", client, lambda yard: yard.stats())
    assert failed.value.cause is Cause.PROXY


@CLIENTS
def test_proxy_is_used_except_for_loopback_and_no_proxy(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(answer(200, TASK)) as url:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "inside.invalid")
        assert ask("http://taskyard.invalid", client, lambda yard: yard.get("t1")).id == "t1"
        for away in ("http://inside.invalid", "http://127.0.0.1:1"):
            with pytest.raises(Unreachable):
                ask(away, client, lambda yard: yard.get("t1"))
