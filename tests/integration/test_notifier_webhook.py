"""The connection itself: to the address that was looked at, over TLS to the name; what comes back, bounded."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
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

from functions.notifier.webhook import NotAllowed, NotReached, Webhooks
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


def webhooks(*addresses: str, reach: Any = "any", ca: Path | None = None) -> Webhooks:
    tls = {"ca_certs": str(ca)} if ca else None
    return Webhooks(reach, lambda: 1_770_000_000_000, lambda host, port: addresses, tls)


def test_the_certificate_is_the_names_at_the_address_that_was_looked_at(secure: Secure) -> None:
    answer = webhooks("127.0.0.1", ca=secure.certificate).post(f"https://{NAME}:{secure.port}/", b"{}", {})
    assert answer.status == 204
    assert secure.hosts == [f"{NAME}:{secure.port}"]


def test_another_names_certificate_is_refused(secure: Secure) -> None:
    with pytest.raises(NotReached, match="SSLError"):
        webhooks("127.0.0.1", ca=secure.certificate).post(f"https://other.example.com:{secure.port}/", b"{}", {})
    assert secure.hosts == []


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Secure) -> None:
    with pytest.raises(NotReached, match="SSLError"):
        webhooks("127.0.0.1").post(f"https://{NAME}:{secure.port}/", b"{}", {})


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("169.254.169.254",), ("::1",)])
def test_one_address_that_is_not_public_is_enough_to_refuse(addresses: tuple[str, ...]) -> None:
    with pytest.raises(NotAllowed):
        webhooks(*addresses, reach="public").post(f"https://{NAME}/", b"{}", {})


def test_plain_http_is_refused_outside_development() -> None:
    with pytest.raises(NotAllowed, match="https"):
        webhooks("93.184.216.34", reach="public").post(f"http://{NAME}/", b"{}", {})


def test_an_address_where_nobody_is_leads_to_the_next() -> None:
    with receiver() as here:
        port = here.url.rpartition(":")[2]
        answer = webhooks("127.0.0.2", "127.0.0.1").post(f"http://{NAME}:{port}/a?b=c", b"{}", {"webhook-id": "x"})
    assert answer.status == 200
    assert (here.got[0].path, here.got[0].headers["webhook-id"]) == ("/a?b=c", "x")


def test_a_name_that_is_none_is_tried_again() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(NotReached, match=NAME):
        Webhooks("any", lambda: 0, resolve).post(f"https://{NAME}/", b"{}", {})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120.0), ("Mon, 02 Feb 2026 02:41:00 GMT", 60.0), ("Mon, 02 Feb 2026 02:39:00 GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    with receiver(Reply(503, {"Retry-After": value}, b"x" * 5000)) as here:
        answer = webhooks("127.0.0.1").post(here.url, b"{}", {})
    assert answer.retry_after == seconds
    assert len(answer.said) == 100


def test_an_error_says_nothing_of_the_path() -> None:
    with receiver(Reply(hang=True)) as here:
        here.closed.set()
        with pytest.raises(NotReached) as error:
            webhooks("127.0.0.1").post(f"{here.url}/secret-token", b"{}", {})
    assert "secret-token" not in str(error.value)
