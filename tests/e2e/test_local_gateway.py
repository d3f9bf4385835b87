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

from local.system import LocalSystem
from tests.e2e.callers import bearer, signed, token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


FORBIDDEN = (403, {"message": "Forbidden"})


def by_name(tiny: LocalSystem, method: str, url: str, name: str = "local-alice", body: bytes = b"") -> httpx.Response:
    """A request that is signed with a named key."""
    return httpx.request(method, url, content=body, headers=signed(method, url, name, "local", body))


def from_role(tiny: LocalSystem, method: str, path: str, **more: str) -> tuple[int, Any]:
    """A request that the api function signs with the credentials of its role."""
    body = {"do": "request", "method": method, "path": path, **more}
    answer = httpx.post(f"{tiny.url}/ask", json=body, headers=bearer(tiny), timeout=30).json()
    return answer["status"], answer["body"]


def test_the_event_is_of_payload_format_2(tiny: LocalSystem) -> None:
    event = httpx.post(
        f"{tiny.url}/echo?a=1&a=2&b=x%20y",
        headers=[
            ("X-Thing", "1"),
            ("x-thing", "2"),
            ("cookie", "c=1; d=2"),
            ("content-type", "application/json"),
            *bearer(tiny).items(),
        ],
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
    event = httpx.put(
        f"{tiny.url}/echo", content=b"\xff\x00", headers={"content-type": "image/png", **bearer(tiny)}
    ).json()
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_path_parameters_are_decoded(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/things/a%2Fb", headers=bearer(tiny)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("DELETE", "/ask"), ("HEAD", "/ask"), ("OPTIONS", "/ask")]
)
def test_what_no_route_fits_is_not_found(tiny: LocalSystem, method: str, path: str) -> None:
    answer = httpx.request(method, f"{tiny.url}{path}")
    assert answer.status_code == 404
    assert method == "HEAD" or answer.json() == {"message": "Not Found"}


def test_an_unsigned_request_is_forbidden(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.iam_url}/echo")
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_a_token_is_of_no_use_at_the_iam_api(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.iam_url}/echo", headers=bearer(tiny))
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_a_signature_is_of_no_use_at_the_jwt_api(tiny: LocalSystem) -> None:
    answer = by_name(tiny, "GET", f"{tiny.url}/echo")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_a_request_without_token_is_told_how_to_authenticate(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.url}/echo")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_event_of_a_token_has_its_claims_as_texts(tiny: LocalSystem) -> None:
    event = httpx.get(f"{tiny.url}/echo", headers=bearer(tiny, "viewer", tenant="acme")).json()
    jwt = event["requestContext"]["authorizer"]["jwt"]
    assert (jwt["claims"]["scope"], jwt["claims"]["org"], jwt["scopes"]) == (
        "taskyard/viewer tiny/read",
        "acme",
        None,
    )
    assert jwt["claims"]["iss"] == f"{tiny.url}/_local/issuer"
    assert all(isinstance(value, str) for value in jwt["claims"].values())
    assert event["requestContext"]["authorizer"].keys() == {"jwt"}


def test_a_route_with_scopes_takes_a_token_with_one_of_them(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/scoped", headers=bearer(tiny)).status_code == 200


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/jwks.json"])
def test_the_issuer_publishes_what_its_tokens_are_checked_with(tiny: LocalSystem, path: str) -> None:
    issuer = f"{tiny.url}/_local/issuer"
    document = httpx.get(issuer + path).json()
    assert document.get("issuer", issuer) == issuer
    assert document.get("jwks_uri", f"{issuer}/.well-known/jwks.json") == f"{issuer}/.well-known/jwks.json"


def test_a_token_is_made_for_who_has_the_secret(tiny: LocalSystem) -> None:
    proof = {"authorization": f"Bearer {tiny.token_secret}"}
    request = {"role": "viewer", "tenant": "acme", "ttl": 60}
    made = httpx.post(f"{tiny.url}/_local/token", json=request, headers=proof).json()
    event = httpx.get(f"{tiny.url}/echo", headers={"authorization": f"Bearer {made['token']}"}).json()
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    assert (claims["org"], int(claims["exp"]) - int(claims["iat"])) == ("acme", 60)


@pytest.mark.parametrize("secret", [None, "wrong", "é"])
def test_no_token_is_made_without_the_secret(tiny: LocalSystem, secret: str | None) -> None:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}".encode()}
    answer = httpx.post(f"{tiny.url}/_local/token", json={"role": "admin"}, headers=headers)
    assert answer.status_code == 401
    assert "token" not in answer.json()


def test_no_token_makes_another(tiny: LocalSystem) -> None:
    answer = httpx.post(f"{tiny.url}/_local/token", json={"role": "admin"}, headers=bearer(tiny, "operator"))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"{", "not JSON"), (b"[]", "not a JSON object"), (b'{"role": "root"}', "'root' is none of viewer, submitter")],
)
def test_a_wrong_request_for_a_token_says_what_is_wrong(tiny: LocalSystem, body: bytes, words: str) -> None:
    proof = {"authorization": f"Bearer {tiny.token_secret}"}
    answer = httpx.post(f"{tiny.url}/_local/token", content=body, headers=proof)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


@pytest.mark.parametrize("path", ["/_local/token", "/_local/mail", "/_local/issuer/.well-known/jwks.json"])
def test_the_iam_api_has_no_paths_of_the_local_system(tiny: LocalSystem, path: str) -> None:
    assert httpx.get(f"{tiny.iam_url}{path}").status_code == 404


def test_each_name_signs_for_an_account_of_its_own(tiny: LocalSystem) -> None:
    url = f"{tiny.iam_url}/echo?x=1"
    accounts = set()
    for name in ("local-alice", "local-bob"):
        event = by_name(tiny, "POST", url, name, b"{}").json()
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
    url = f"{tiny.iam_url}/echo"
    answer = httpx.get(url, headers=signed("GET", url, key, secret, service=service))
    assert (answer.status_code, answer.json()) == FORBIDDEN


@pytest.mark.parametrize("header", ["Bearer eyJhbGciOiJSUzI1NiJ9.e30.x", "Basic dTpw", "AWS4-HMAC-SHA256 x", ""])
def test_an_iam_route_takes_a_signature_and_no_other_authorization(tiny: LocalSystem, header: str) -> None:
    answer = httpx.get(f"{tiny.iam_url}/echo", headers={"authorization": header})
    assert (answer.status_code, answer.json()) == FORBIDDEN
    assert httpx.get(f"{tiny.iam_url}/open", headers={"authorization": header}).status_code == 200


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
    url, spec = f"{tiny.iam_url}/echo", tiny.stack.function_of(f"Tiny-{label}")
    credentials = tiny.functions[spec.arn].credentials
    headers = signed("GET", url, credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"])
    answer = httpx.get(url, headers=headers)
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_the_administrator_may_call_everything(tiny: LocalSystem) -> None:
    url = f"{tiny.iam_url}/echo"
    event = httpx.get(url, headers=signed("GET", url, tiny.admin.access_key, tiny.admin.secret)).json()
    assert event["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::123456789012:user/admin"


@pytest.mark.parametrize("path", ["/echo", "/open", "/_local/mail", "/_local/token", "/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example:4510"},
        {"host": "evil.example:4510", "origin": "https://console.example"},
    ],
    ids=str,
)
def test_a_page_of_another_site_is_forbidden(tiny: LocalSystem, path: str, headers: dict[str, str]) -> None:
    form = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = httpx.post(f"{tiny.url}{path}", content=b"{}", headers=form)
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_our_own_page_may_call(tiny: LocalSystem) -> None:
    headers = {"origin": tiny.url, "sec-fetch-site": "same-origin", **bearer(tiny)}
    assert httpx.post(f"{tiny.url}/echo", json={}, headers=headers).status_code == 200


CONSOLE = {"origin": "https://console.example", "sec-fetch-site": "cross-site"}


def test_a_page_of_an_origin_that_the_template_allows_may_call(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.url}/echo", headers=CONSOLE | bearer(tiny))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://console.example"
    assert answer.headers["access-control-expose-headers"] == "location"


def test_a_page_of_an_allowed_origin_can_read_why_it_is_refused(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.url}/echo", headers=CONSOLE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://console.example")


def test_a_preflight_for_a_route_that_takes_options_needs_its_token(tiny: LocalSystem) -> None:
    answer = httpx.options(f"{tiny.url}/echo", headers=CONSOLE | {"access-control-request-method": "GET"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://console.example")


def test_a_preflight_is_answered_as_the_template_configures_it(tiny: LocalSystem) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    answer = httpx.options(f"{tiny.url}/ask", headers=CONSOLE | asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {name: value for name, value in answer.headers.items() if name.startswith("access-control-")} == {
        "access-control-allow-origin": "https://console.example",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "300",
    }


@pytest.mark.parametrize("path", ["/_local/token", "/_local/mail"])
def test_an_allowed_origin_gets_nothing_of_the_local_system_itself(tiny: LocalSystem, path: str) -> None:
    proof = {"authorization": f"Bearer {tiny.token_secret}"}
    answer = httpx.post(f"{tiny.url}{path}", json={"role": "admin"}, headers=CONSOLE | proof)
    assert (answer.status_code, answer.json()) == FORBIDDEN


def test_an_api_without_cors_refuses_pages_and_sets_no_headers(tiny: LocalSystem) -> None:
    answer = httpx.get(f"{tiny.iam_url}/open", headers=CONSOLE)
    assert (answer.status_code, answer.json()) == FORBIDDEN
    own = httpx.get(f"{tiny.iam_url}/open", headers={"origin": str(tiny.iam_url)})
    assert own.status_code == 200
    assert not [name for name in own.headers if name.startswith("access-control-")]


def test_a_route_without_authorizer_has_no_caller(tiny: LocalSystem) -> None:
    assert httpx.get(f"{tiny.url}/open").status_code == 200


def test_a_body_over_ten_megabytes_is_too_large(tiny: LocalSystem) -> None:
    answer = httpx.post(f"{tiny.url}/echo", content=b"x" * (10 * 1024 * 1024 + 1), headers=bearer(tiny))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})
    event_too_large = httpx.post(f"{tiny.url}/echo", content=b"x" * (7 * 1024 * 1024), headers=bearer(tiny))
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
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403, "Forbidden"),
        (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n", 401, "Unauthorized"),
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
            b"POST /ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: TOKEN\r\n"
            b'Content-Length: 14\r\n\r\n{"do":"raise"}',
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
        connection.sendall(sent.replace(b"TOKEN", token(tiny).encode()))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
        assert answer.read() == f'{{"message":"{text}"}}'.encode()


def test_sixteen_requests_at_once(tiny: LocalSystem) -> None:
    with ThreadPoolExecutor(16) as pool:
        headers = bearer(tiny)
        statuses = list(pool.map(lambda _: httpx.get(f"{tiny.url}/echo", headers=headers).status_code, range(64)))
    assert set(statuses) == {200}


def test_curl_s_expect_header_and_chunked_bodies(tiny: LocalSystem) -> None:
    where = urlsplit(tiny.url)
    with socket.create_connection((where.hostname, where.port)) as connection:
        head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
        head += f"Authorization: Bearer {token(tiny)}\r\n"
        connection.sendall((head + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n").encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")

    def chunks() -> object:
        yield b"one "
        yield b"two"

    headers = {"content-type": "text/plain", **bearer(tiny)}
    assert httpx.post(f"{tiny.url}/echo", content=chunks(), headers=headers).json()["body"] == "one two"


def test_the_outputs_name_the_urls(tiny: LocalSystem) -> None:
    assert tiny.stack.outputs() == {"Url": tiny.url, "IamUrl": tiny.iam_url, "Issuer": f"{tiny.url}/_local/issuer"}
    assert tiny.url != tiny.iam_url
