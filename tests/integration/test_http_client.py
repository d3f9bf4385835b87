"""The one HTTP client against real sockets: where it connects to, what it makes of each answer, when it gives up."""

from __future__ import annotations

import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from taskyard.tasks.http import HttpRequest, HttpResponse, ReceiverFailedError, ReceiverRefusedError

from functions.core.webhooks.addresses import Reach
from functions.http.client import Client, redirect_target
from tests.integration.receiver import Reply, receiver

NAME = "hooks.example.com"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Self-signed, for that name: certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


@dataclass
class Secure:
    port: int
    certificate: Path
    hosts: list[str] = field(default_factory=list)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    public, private = certificate(tmp_path, NAME)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            here.hosts.append(self.headers["Host"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    here = Secure(server.server_address[1], public)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield here
    server.shutdown()
    server.server_close()


def client(*addresses: str, reach: Reach = "local", ca: Path | None = None) -> Client:
    """Every name has these addresses."""

    def authorities() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))

    return Client(reach, lambda host, port: addresses, authorities)


def post(here: Client, url: str, *, seconds: float = 5.0, **fields: Any) -> HttpResponse:
    return here.send(HttpRequest(method="POST", url=url, body=b"{}", **fields), seconds=seconds)


# -- where it connects to


def test_the_certificate_is_the_names_at_the_address_that_was_looked_at(secure: Secure) -> None:
    answer = post(client("127.0.0.1", ca=secure.certificate), f"https://{NAME}:{secure.port}/")
    assert answer.status == 204
    assert secure.hosts == [f"{NAME}:{secure.port}"]


def test_a_trailing_dot_is_no_other_name(secure: Secure) -> None:
    assert post(client("127.0.0.1", ca=secure.certificate), f"https://{NAME}.:{secure.port}/").status == 204


def test_another_names_certificate_is_refused(secure: Secure) -> None:
    with pytest.raises(ReceiverFailedError, match="SSLCertVerificationError"):
        post(client("127.0.0.1", ca=secure.certificate), f"https://other.example.com:{secure.port}/")
    assert secure.hosts == []


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Secure) -> None:
    with pytest.raises(ReceiverFailedError, match="SSLCertVerificationError"):
        post(client("127.0.0.1"), f"https://{NAME}:{secure.port}/")
    assert secure.hosts == []


def test_an_address_where_nobody_is_leads_to_the_next() -> None:
    with receiver() as here:
        port = here.url.rpartition(":")[2]
        url = f"http://{NAME}:{port}/a?b=c"
        assert post(client("127.0.0.2", "127.0.0.1"), url, headers={"webhook-id": "x"}).status == 200
    assert (here.got[0].path, here.got[0].headers["webhook-id"]) == ("/a?b=c", "x")


def test_a_name_that_resolves_to_another_address_the_next_moment_leads_nowhere_else() -> None:
    """Rebinding: public when it is looked at, private when it is looked up again."""
    with receiver() as good, receiver() as evil:
        asked: list[str] = []
        places = {"127.0.0.1": good, "127.0.0.2": evil}

        def resolve(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return [list(places)[len(asked) - 1]]

        url = good.url.replace("127.0.0.1", NAME)
        assert post(Client("local", resolve), url).status == 200
    assert asked == [NAME], "once: what was looked at is what is connected to"
    assert (len(good.got), len(evil.got)) == (1, 0)


def test_a_redirect_back_to_a_name_that_leads_elsewhere_now_is_refused() -> None:
    with receiver(Reply(307, {"Location": "/again"}), Reply()) as here:
        answers = iter([["127.0.0.1"], ["169.254.169.254"]])
        url = here.url.replace("127.0.0.1", NAME)
        with pytest.raises(ReceiverRefusedError, match=r"169\.254\.169\.254"):
            post(Client("local", lambda host, port: next(answers)), url, redirects=3)
    assert [got.path for got in here.got] == ["/"]


def test_a_name_that_is_none_is_tried_again() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(ReceiverFailedError, match=f"{NAME} cannot be resolved"):
        post(Client("public", resolve), f"https://{NAME}/")


def test_a_name_without_addresses_is_tried_again() -> None:
    with pytest.raises(ReceiverFailedError, match=f"{NAME} cannot be reached"):
        post(client(), f"https://{NAME}/")


# -- what it makes of an answer

OK = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
UNREADABLE = {
    "mislabelled gzip": b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
    "mislabelled deflate": b"Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\nok",
    "cut": b"Content-Length: 10\r\n\r\n",
    "no chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "cut chunk": b"Transfer-Encoding: chunked\r\n\r\n5\r\n",
    "no chunks": b"Transfer-Encoding: chunked\r\n\r\n",
    "no length": b"Content-Length: many\r\n\r\n",
    "too many headers": b"X: y\r\n" * 200 + b"\r\n",
    "a header too long": b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    "headers cut": b"Content-Le",
    "a header that is none": b"\xff\xfe\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("status", [200, 204, 301, 307, 404, 410, 429, 500, 503])
@pytest.mark.parametrize("rest", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_the_status_stands_whatever_follows_it(status: int, rest: bytes) -> None:
    with receiver(Reply(raw=b"HTTP/1.1 %d Because\r\n" % status + rest)) as here:
        answer = post(client("127.0.0.1"), here.url)
    assert (answer.status, answer.text) == (status, "")


@pytest.mark.parametrize("status", [200, 410, 503])
def test_the_status_stands_when_the_body_never_comes(status: int) -> None:
    head = b"HTTP/1.1 %d Because\r\nRetry-After: 7\r\nContent-Length: 10\r\n\r\n" % status
    with receiver(Reply(raw=head, hang=True)) as here:
        answer = post(client("127.0.0.1"), here.url, seconds=0.5)
    assert (answer.status, answer.headers["retry-after"], answer.text) == (status, "7", "")


@pytest.mark.parametrize(
    "interim",
    [EARLY, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" * 5, EARLY + EARLY],
)
@pytest.mark.parametrize("status", [200, 404, 503])
def test_interim_answers_are_read_past(interim: bytes, status: int) -> None:
    with receiver(Reply(raw=interim + b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)) as here:
        answer = post(client("127.0.0.1"), here.url)
    assert (answer.status, answer.text) == (status, "ok")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        EARLY,
        EARLY * 100,
        b"\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00" * 9000,
    ],
)
def test_what_has_no_final_status_is_tried_again(raw: bytes) -> None:
    with receiver(Reply(raw=raw)) as here, pytest.raises(ReceiverFailedError, match="did not answer"):
        post(client("127.0.0.1"), here.url)


def test_a_compressed_body_is_read() -> None:
    packed = zlib.compressobj(wbits=31)
    body = packed.compress(b"busy, come back") + packed.flush()
    with receiver(Reply(503, {"Content-Encoding": "gzip"}, body)) as here:
        assert post(client("127.0.0.1"), here.url).text == "busy, come back"


def test_of_a_long_body_the_beginning_is_read() -> None:
    with receiver(Reply(body=b"x" * 1_000_000)) as here:
        assert 0 < len(post(client("127.0.0.1"), here.url).text) <= 4096


def test_of_a_body_that_unpacks_to_much_the_beginning_is_read() -> None:
    body = zlib.compress(b"x" * 1_000_000)
    with receiver(Reply(200, {"Content-Encoding": "deflate"}, body)) as here:
        assert post(client("127.0.0.1"), here.url).text == "x" * 4096


def test_a_receiver_that_refuses_before_it_has_read_it_all_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            # With what it has not read this is a reset.
            connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        request = HttpRequest(method="POST", url=f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"x" * 20_000_000)
        assert client("127.0.0.1").send(request, seconds=10).status == 413


# -- when it gives up


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 ", EARLY], ids=["status line", "status", "after an interim answer"])
def test_a_receiver_that_drips_its_status_does_not_outlive_the_deadline(raw: bytes) -> None:
    """Each byte comes well within any time-out that counts per read; together they would take 20 s, and say 200."""
    line = (b"HTTP/1.1 " if raw != b"HTTP/1.1 " else b"") + b"200 " + b"O" * 1000 + b"\r\nContent-Length: 0\r\n\r\n"
    with receiver(Reply(raw=raw, drip=line)) as here, pytest.raises(ReceiverFailedError, match="timed out"):
        post(client("127.0.0.1"), here.url, seconds=0.3)
    assert here.dripped[0] < len(line)


def test_a_receiver_that_drips_its_headers_has_said_its_status() -> None:
    drip = b"X: " + b"y" * 1000 + b"\r\nRetry-After: 5\r\n\r\n"
    with receiver(Reply(raw=b"HTTP/1.1 503 Busy\r\n", drip=drip)) as here:
        answer = post(client("127.0.0.1"), here.url, seconds=0.3)
    assert (answer.status, answer.headers) == (503, {})
    assert here.dripped[0] < len(drip)


def test_a_name_server_that_does_not_answer_does_not_outlive_the_deadline() -> None:
    released = threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        released.wait(20)
        return ["127.0.0.1"]

    try:
        with pytest.raises(ReceiverFailedError, match="cannot be resolved: TimeoutError"):
            post(Client("local", resolve), f"http://{NAME}/", seconds=0.2)
    finally:
        released.set()


def test_a_handshake_that_is_not_answered_does_not_outlive_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ReceiverFailedError, match="TimeoutError"):
        post(client("127.0.0.1"), f"https://127.0.0.1:{server.getsockname()[1]}/", seconds=0.3)


def test_a_receiver_that_reads_nothing_does_not_outlive_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        request = HttpRequest(method="POST", url=f"http://127.0.0.1:{server.getsockname()[1]}/", body=b"x" * 20_000_000)
        with pytest.raises(ReceiverFailedError, match="TimeoutError"):
            client("127.0.0.1").send(request, seconds=0.3)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_nothing_is_sent(seconds: float) -> None:
    with receiver() as here, pytest.raises(ReceiverFailedError, match="no time left"):
        post(client("127.0.0.1"), here.url, seconds=seconds)
    assert here.got == []


# -- redirects, headers, what is told


@pytest.mark.parametrize("kind", ["port", "host", "same"])
def test_headers_of_the_caller_do_not_follow_to_another_origin(kind: str) -> None:
    given = {"Authorization": "a", "X-Api-Key": "b", "Anything": "c"}
    with receiver() as other, receiver(Reply(308, {"Location": "/new"}), Reply()) as here:
        port = here.url.rpartition(":")[2]
        target = {"port": f"{other.url}/new", "host": f"http://other.example.com:{port}/new", "same": "/new"}[kind]
        here.replies[0].headers["Location"] = target
        answer = post(
            client("127.0.0.1"), here.url + "/old", headers={"Ours": "d"}, first_origin_headers=given, redirects=1
        )
    final = other.got[0] if kind == "port" else here.got[1]
    assert answer.url.endswith("/new")
    assert final.headers["Ours"] == "d"
    assert set(given) <= set(here.got[0].headers)
    assert (set(given) & set(final.headers)) == (set(given) if kind == "same" else set())


def test_redirects_are_followed_as_often_as_is_asked() -> None:
    with receiver(Reply(307, {"Location": "/"})) as here:
        assert post(client("127.0.0.1"), here.url).status == 307
        assert len(here.got) == 1
        assert post(client("127.0.0.1"), here.url, redirects=2).status == 307
        assert len(here.got) == 4


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://a/x", "https://a/y", "https://a/y"),
        ("https://a/x", "/y#z", "https://a/y"),
        ("https://a/x", "http://a/y", None),
        ("http://a/x", "ftp://a/y", None),
        ("http://a/x", "file:///etc/passwd", None),
        ("http://a/x", "http://u:p@b/", None),
        ("http://a/x", "http://0x7f.1/", None),
        ("http://a/x", "http://[::1", None),
        ("http://a/x", "/ü", None),
        ("http://a/x", "", None),
        ("http://a/x", None, None),
    ],
)
def test_redirects_stay_on_the_web(url: str, location: str | None, target: str | None) -> None:
    assert redirect_target(url, 307, location) == redirect_target(url, 308, location) == target
    assert [redirect_target(url, status, location) for status in (200, 301, 302, 303)] == [None] * 4


def test_a_header_that_frames_the_request_is_refused() -> None:
    with receiver() as here, pytest.raises(ReceiverRefusedError, match="Content-Length"):
        post(client("127.0.0.1"), here.url, first_origin_headers={"Content-Length": "0"})
    assert here.got == []


SECRET = "/services/T0/s3cr3t?token=s3cr3t"


@pytest.mark.parametrize(
    ("reply", "addresses", "reach"),
    [
        (Reply(raw=b""), ["127.0.0.1"], "local"),
        (Reply(raw=b"nonsense\r\n\r\n"), ["127.0.0.1"], "local"),
        (Reply(hang=True), ["127.0.0.1"], "local"),
        (Reply(), ["127.0.0.2"], "local"),
        (Reply(), [], "local"),
        (Reply(), ["127.0.0.1"], "any"),
        (Reply(), ["93.184.216.34"], "public"),
    ],
)
def test_no_error_says_more_of_a_url_than_its_origin(reply: Reply, addresses: list[str], reach: Reach) -> None:
    with receiver(reply) as here:
        url = here.url.replace("127.0.0.1", NAME) + SECRET
        with pytest.raises((ReceiverFailedError, ReceiverRefusedError)) as error:
            post(client(*addresses, reach=reach), url, seconds=0.3)
    chain: BaseException | None = error.value
    while chain is not None:
        assert "s3cr3t" not in f"{chain} {chain!r}"
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
