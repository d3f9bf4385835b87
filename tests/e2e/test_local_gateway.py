"""The HTTP API: routes, events, callers, limits."""

from __future__ import annotations

import base64
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.system import LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


def signed(method: str, url: str, key: str, secret: str, body: bytes = b"") -> dict[str, str]:
    request = AWSRequest(method, url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def test_the_event_is_of_payload_format_2(tiny: LocalSystem) -> None:
    event = httpx.post(
        f"{tiny.url}/echo?a=1&a=2&b=x%20y",
        headers=[("X-Thing", "1"), ("x-thing", "2"), ("cookie", "c=1; d=2"), ("content-type", "application/json")],
        content=b'{"q": 1}',
    ).json()
    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /echo"
    assert event["rawPath"] == "/echo"
    assert event["rawQueryString"] == "a=1&a=2&b=x%20y"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "x y"}
    assert event["headers"]["x-thing"] == "1,2"
    assert event["cookies"] == ["c=1", "d=2"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"q": 1}', False)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["stage"] == "$default"


def test_a_binary_body_is_base64(tiny: LocalSystem) -> None:
    event = httpx.put(f"{tiny.url}/echo", content=b"\xff\x00", headers={"content-type": "image/png"}).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_path_parameters_are_decoded(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/things/a%2Fb").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("DELETE", "/ask"), ("HEAD", "/ask"), ("OPTIONS", "/ask")]
)
def test_what_no_route_fits_is_not_found(tiny: LocalSystem, method: str, path: str) -> None:
    answer = httpx.request(method, f"{tiny.url}{path}")
    assert answer.status_code == 404
    assert method == "HEAD" or answer.json() == {"message": "Not Found"}


def test_without_a_signature_the_development_caller_signs(tiny: LocalSystem) -> None:
    caller = httpx.get(f"{tiny.url}/echo").json()["requestContext"]["authorizer"]["iam"]
    assert caller["accountId"] == "123456789012"
    assert caller["userArn"] == "arn:aws:sts::123456789012:assumed-role/DevelopmentCaller/local"


def test_each_name_signs_for_an_account_of_its_own(tiny: LocalSystem) -> None:
    url = f"{tiny.url}/echo?x=1"
    accounts = set()
    for name in ("local-alice", "local-bob"):
        event = httpx.post(url, content=b"{}", headers=signed("POST", url, name, "local", b"{}")).json()
        accounts.add(event["requestContext"]["authorizer"]["iam"]["accountId"])
    assert len(accounts) == 2
    assert all(len(account) == 12 for account in accounts)
    assert "123456789012" not in accounts


@pytest.mark.parametrize(("key", "secret"), [("AKIAUNKNOWN", "local"), ("local-alice", "wrong")])
def test_a_caller_that_is_not_known_or_signed_wrongly_is_forbidden(tiny: LocalSystem, key: str, secret: str) -> None:
    url = f"{tiny.url}/echo"
    answer = httpx.get(url, headers=signed("GET", url, key, secret))
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})


def test_a_route_without_authorizer_has_no_caller(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/open").status_code == 200


def test_a_body_over_ten_megabytes_is_too_large(tiny: LocalSystem) -> None:
    answer = httpx.post(f"{tiny.url}/echo", content=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})
    event_too_large = httpx.post(f"{tiny.url}/echo", content=b"x" * (7 * 1024 * 1024))
    assert event_too_large.status_code == 413


def test_a_request_of_another_host_is_forbidden(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/open", headers={"host": "evil.example:4510"}).status_code == 403


def test_sixteen_requests_at_once(tiny: LocalSystem) -> None:
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: httpx.get(f"{tiny.url}/echo").status_code, range(64)))
    assert set(statuses) == {200}


def test_curl_s_expect_header_and_chunked_bodies(tiny: LocalSystem) -> None:
    where = urlsplit(tiny.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        connection.sendall((head + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n").encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")

    def chunks() -> object:
        yield b"one "
        yield b"two"

    assert httpx.post(f"{tiny.url}/echo", content=chunks(), headers={"content-type": "text/plain"}).json()["body"] == (
        "one two"
    )


def test_the_outputs_name_the_url(tiny: LocalSystem) -> None:
    assert tiny.stack.outputs() == {"Url": tiny.url}
