"""The HTTP API: routes, events, callers, limits."""

from __future__ import annotations

import base64
import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.system import LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


FORBIDDEN = (403, {"message": "Forbidden"})


def signed(
    method: str, url: str, key: str, secret: str, body: bytes = b"", service: str = "execute-api"
) -> dict[str, str]:
    request = AWSRequest(method, url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return dict(request.headers)


def from_role(tiny: LocalSystem, method: str, path: str, **more: str) -> tuple[int, Any]:
    """A request that the api function signs with the credentials of its role."""
    body = {"do": "request", "method": method, "path": path, **more}
    answer = httpx.post(f"{tiny.url}/ask", json=body, timeout=30).json()
    return answer["status"], answer["body"]


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


@pytest.mark.parametrize(
    ("key", "secret", "service"),
    [
        ("AKIAUNKNOWN", "local", "execute-api"),
        ("local-alice", "wrong", "execute-api"),
        ("local-alice", "local", "lambda"),
    ],
)
def test_a_caller_that_is_not_known_or_signed_wrongly_is_forbidden(
    tiny: LocalSystem, key: str, secret: str, service: str
) -> None:
    url = f"{tiny.url}/echo"
    answer = httpx.get(url, headers=signed("GET", url, key, secret, service=service))
    assert (answer.status_code, answer.json()) == FORBIDDEN


@pytest.mark.parametrize("header", ["Bearer eyJhbGciOiJSUzI1NiJ9.e30.x", "Basic dTpw", "AWS4-HMAC-SHA256 x", ""])
def test_an_iam_route_takes_a_signature_and_no_other_authorization(tiny: LocalSystem, header: str) -> None:
    answer = httpx.get(f"{tiny.url}/echo", headers={"authorization": header})
    assert (answer.status_code, answer.json()) == FORBIDDEN
    assert httpx.get(f"{tiny.url}/open", headers={"authorization": header}).status_code == 200


def test_a_role_may_call_what_its_policies_allow(tiny: LocalSystem) -> None:
    status, event = from_role(tiny, "GET", "/echo?a=b")
    assert status == 200
    identity = event["requestContext"]["authorizer"]["iam"]
    assert identity["accountId"] == "123456789012"
    assert identity["userArn"] == "arn:aws:sts::123456789012:assumed-role/Tiny-ApiRole/Tiny-api"
    assert from_role(tiny, "GET", "/things/7")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/echo", id="another method than the policy names"),
        pytest.param("GET", "/things/secret", id="an explicit deny"),
        pytest.param("POST", "/ask", id="a route that no policy names"),
    ],
)
def test_a_role_may_not_call_what_its_policies_do_not_allow(tiny: LocalSystem, method: str, path: str) -> None:
    assert from_role(tiny, method, path) == FORBIDDEN


def test_a_role_that_signs_for_another_service_is_forbidden(tiny: LocalSystem) -> None:
    assert from_role(tiny, "GET", "/echo", service="sqs") == FORBIDDEN


@pytest.mark.parametrize("label", ["worker", "dead", "observer"])
def test_a_role_without_such_a_policy_is_forbidden(tiny: LocalSystem, label: str) -> None:
    url, spec = f"{tiny.url}/echo", tiny.stack.function_of(f"Tiny-{label}")
    credentials = tiny.functions[spec.arn].credentials
    headers = signed("GET", url, credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"])
    answer = httpx.get(url, headers=headers)
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_the_administrator_may_call_everything(tiny: LocalSystem) -> None:
    url = f"{tiny.url}/echo"
    event = httpx.get(url, headers=signed("GET", url, tiny.admin.access_key, tiny.admin.secret)).json()
    assert event["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:user/admin"


@pytest.mark.parametrize("path", ["/echo", "/open", "/_local/mail", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example:4510"},
    ],
    ids=str,
)
def test_a_page_of_another_site_is_forbidden(tiny: LocalSystem, path: str, headers: dict[str, str]) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = httpx.post(f"{tiny.url}{path}", content=b"{}", headers=form)
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_our_own_page_may_call(tiny: LocalSystem) -> None:
    headers = {"origin": tiny.url, "sec-fetch-site": "same-origin"}
    assert httpx.post(f"{tiny.url}/echo", json={}, headers=headers).status_code == 200


def test_a_route_without_authorizer_has_no_caller(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/open").status_code == 200


def test_a_body_over_ten_megabytes_is_too_large(tiny: LocalSystem) -> None:
    answer = httpx.post(f"{tiny.url}/echo", content=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})
    event_too_large = httpx.post(f"{tiny.url}/echo", content=b"x" * (7 * 1024 * 1024))
    assert event_too_large.status_code == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_eleven_megabytes_before_it_reads_gets_its_413(tiny: LocalSystem, chunked: bool) -> None:
    where = urlsplit(tiny.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    body: Any = iter([b"x" * 65_536] * 176) if chunked else b"x" * (11 << 20)
    connection.request("POST", "/echo", body, {"content-type": "text/plain"}, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (413, b'{"message":"Request Entity Too Large"}')


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX : 1\r\n\r\n", 400, "Bad Request"),
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n", 403, "Forbidden"),
        (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "Not Found"),
        (
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "Request Entity Too Large",
        ),
        (
            b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 11_000 + b"\r\n\r\n",
            431,
            "Request Header Fields Too Large",
        ),
        (
            b'POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{"do":"raise"}',
            500,
            "Internal Server Error",
        ),
    ],
)
def test_what_the_gateway_answers_itself_has_the_shape_of_api_gateway_s(
    tiny: LocalSystem, sent: bytes, status: int, text: str
) -> None:
    where = urlsplit(tiny.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
        assert answer.read() == f'{{"message":"{text}"}}'.encode()


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
