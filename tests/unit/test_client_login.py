"""Logging in against an issuer on the loopback: in a browser, on a device, as a service."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from taskyard.login.client_credentials import ClientCredentials, client_credentials_of, request_client_tokens
from taskyard.login.device import DeviceCode, login_on_device
from taskyard.login.discovery import Provider, discover, http_client
from taskyard.login.errors import (
    DeviceLoginUnsupported,
    GrantRefused,
    InvalidIdToken,
    InvalidIssuer,
    IssuerUnreachable,
    LoginError,
    LoginTimeout,
    MissingClientSetting,
    NoFreePort,
)
from taskyard.login.grants import TokenSet, request_tokens
from taskyard.login.pkce import RedirectServer, code_challenge, login_attempt, login_in_browser

from tests.unit.login_issuer import CLIENT, SECRET, LoginIssuer, running_issuer


@pytest.fixture
def issuer() -> Iterator[LoginIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with http_client() as client:
        yield client


class Browser:
    """Opens the login page, and follows where it leads, in a thread of its own."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.pages: list[httpx.Response] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        self.threads.append(threading.Thread(target=self._visit, args=(url,)))
        self.threads[-1].start()

    def _visit(self, url: str) -> None:
        self.pages.append(httpx.get(url, follow_redirects=True))

    def close(self) -> None:
        for thread in self.threads:
            thread.join()


@pytest.fixture
def browser() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


def login(http: httpx.Client, issuer: LoginIssuer, browser: Any, **options: Any) -> TokenSet:
    provider = discover(http, issuer.url)
    settings: dict[str, Any] = {"ports": (0,), "redirect_host": "127.0.0.1", "timeout_seconds": 10.0} | options
    return login_in_browser(
        http,
        provider,
        CLIENT,
        open_browser=browser,
        now=issuer.clock,
        randomness=secrets.token_bytes,
        **settings,
    )


# Discovery.


def test_endpoints_are_discovered(http: httpx.Client, issuer: LoginIssuer) -> None:
    assert discover(http, issuer.url) == Provider(
        issuer.url,
        f"{issuer.url}/token_endpoint",
        f"{issuer.url}/authorization_endpoint",
        f"{issuer.url}/device_authorization_endpoint",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuer": "https://evil.example"}, "its document is of 'https://evil.example'"),
        ({"issuer": None}, "its document is of None"),
        ({"token_endpoint": None}, "no token_endpoint"),
        ({"token_endpoint": 7}, "token_endpoint is no URL"),
        ({"token_endpoint": "http://login.example.com/token"}, "token_endpoint is not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is not https"),
        ({"device_authorization_endpoint": "//x"}, "device_authorization_endpoint is not https"),
        ({"token_endpoint": "https://[x"}, "token_endpoint is no URL"),
    ],
)
def test_document_that_is_not_the_issuers_is_refused(
    http: httpx.Client, issuer: LoginIssuer, changes: dict[str, Any], reason: str
) -> None:
    issuer.discovery_changes = changes
    with pytest.raises(InvalidIssuer) as error:
        discover(http, issuer.url)
    assert reason in error.value.reason


@pytest.mark.parametrize("url", ["http://login.example.com", "ftp://127.0.0.1", "login.example.com", "", "https://"])
def test_issuer_without_tls_is_not_asked(http: httpx.Client, url: str) -> None:
    with pytest.raises(InvalidIssuer):
        discover(http, url)


def test_issuer_elsewhere_is_no_issuer(http: httpx.Client, issuer: LoginIssuer) -> None:
    with pytest.raises(InvalidIssuer):
        discover(http, f"{issuer.url}/other")


def test_issuer_that_is_down_is_unreachable(http: httpx.Client, issuer: LoginIssuer) -> None:
    issuer.down = True
    with pytest.raises(IssuerUnreachable):
        discover(http, issuer.url)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(IssuerUnreachable):
            discover(http, f"http://127.0.0.1:{unused.getsockname()[1]}")


# In a browser.


def test_challenge_is_the_one_of_the_rfc() -> None:
    """RFC 7636, appendix B."""
    assert code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == (
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_secrets_of_a_login_are_long_and_all_different() -> None:
    attempt = login_attempt(secrets.token_bytes)
    values = {attempt.verifier, attempt.state, attempt.nonce}
    assert len(values) == 3
    assert all(len(value) == 43 for value in values)
    assert not any(value in repr(attempt) for value in values)


def test_login_in_a_browser_gives_tokens(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    tokens = login(http, issuer, browser)
    assert tokens.expires_at == issuer.clock() + 3600
    assert tokens.renew_at == issuer.clock() + 3540
    assert tokens.refresh_token in issuer.refresh_tokens
    browser.close()
    (page,) = browser.pages
    assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    query = parse_qs(urlsplit(browser.urls[0]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["openid email profile"]
    # The verifier leaves this machine for the token endpoint only.
    assert issuer.token_requests[0]["code_verifier"] not in browser.urls[0]


def test_tokens_are_in_no_repr(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    tokens = login(http, issuer, browser)
    assert tokens.access_token not in repr(tokens)
    assert str(tokens.refresh_token) not in repr(tokens)


def test_login_page_gets_the_audience_where_one_is_configured(
    http: httpx.Client, issuer: LoginIssuer, browser: Browser
) -> None:
    login(http, issuer, browser, audience="https://taskyard")
    assert parse_qs(urlsplit(browser.urls[0]).query)["audience"] == ["https://taskyard"]


def test_refused_login_is_the_issuers_error(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    issuer.callback_changes = {"error": "access_denied", "error_description": "no\nway"}
    with pytest.raises(GrantRefused) as refused:
        login(http, issuer, browser)
    assert refused.value.error == "access_denied"
    assert str(refused.value) == "the issuer refused: access_denied (no way)"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "other"},
        {"state": ""},
        {"iss": "https://evil.example"},
    ],
)
def test_redirect_of_another_login_ends_nothing(
    http: httpx.Client, issuer: LoginIssuer, browser: Browser, changes: dict[str, str]
) -> None:
    issuer.callback_changes = changes
    with pytest.raises(LoginTimeout):
        # Long enough for a browser on a busy machine: the redirect has to reach the login while it waits.
        login(http, issuer, browser, timeout_seconds=2)
    assert issuer.token_requests == []
    browser.close()
    assert browser.pages[0].status_code == 400


def test_redirect_that_names_its_issuer_is_taken(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    issuer.callback_changes = {"iss": issuer.url}
    assert login(http, issuer, browser).access_token


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/callback?code=c", 400),
        ("/callback?state=s", 400),
        ("/callback?state=s&state=s&code=c", 400),
        ("/callback?state=s&code=c&code=d", 400),
        ("/callback?state=S&code=c", 400),
        ("/callback?state=%C3%A9&code=c", 400),
        ("/?state=s&code=c", 400),
        ("/favicon.ico", 400),
        ("/callback?state=s&code=c", 200),
    ],
)
def test_redirect_server_takes_the_one_redirect_only(target: str, status: int) -> None:
    with RedirectServer("s", issuer="https://i", ports=(0,)) as server:
        assert httpx.get(f"http://127.0.0.1:{server.port}{target}").status_code == status
        if status == 200:
            assert server.wait_for_code(1) == "c"
        else:
            with pytest.raises(LoginTimeout):
                server.wait_for_code(0)


def test_redirect_comes_through_beside_a_silent_connection() -> None:
    """Browsers open connections ahead of requests."""
    with (
        RedirectServer("s", issuer="https://i", ports=(0,)) as server,
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        assert httpx.get(f"http://127.0.0.1:{server.port}/callback?state=s&code=c").status_code == 200
        assert server.wait_for_code(1) == "c"


def test_port_of_a_login_that_has_just_ended_is_free() -> None:
    with RedirectServer("s", issuer="https://i", ports=(0,)) as server:
        port = server.port
        httpx.get(f"http://127.0.0.1:{port}/callback?state=s&code=c")
    with RedirectServer("s", issuer="https://i", ports=(port,)) as server:
        assert server.port == port


def test_redirect_server_takes_the_first_free_port_of_loopback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with RedirectServer("s", issuer="https://i", ports=(port, 0)) as server:
            assert server.port != port
        with pytest.raises(NoFreePort) as error:
            RedirectServer("s", issuer="https://i", ports=(port,))
        assert error.value.ports == (port,)


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
    ],
)
def test_id_token_of_another_login_is_refused(
    http: httpx.Client, issuer: LoginIssuer, browser: Browser, changes: dict[str, Any], claim: str
) -> None:
    issuer.id_token_changes = changes
    with pytest.raises(InvalidIdToken) as error:
        login(http, issuer, browser)
    assert error.value.claim == claim


def test_login_without_an_id_token_is_refused(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    issuer.answers = [(200, {"access_token": "a", "token_type": "Bearer"})]
    with pytest.raises(InvalidIdToken):
        login(http, issuer, browser)


def test_login_without_openid_needs_no_id_token(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    issuer.answers = [(200, {"access_token": "a", "token_type": "Bearer"})]
    assert login(http, issuer, browser, scopes=("taskyard/viewer",)).access_token == "a"


def test_code_that_another_login_made_is_refused(http: httpx.Client, issuer: LoginIssuer, browser: Browser) -> None:
    """An injected code was bound to the verifier of whoever asked for it."""
    issuer.codes["stolen"] = {"code_challenge": "x", "code_challenge_method": "S256"}
    issuer.callback_changes = {"code": "stolen"}
    with pytest.raises(GrantRefused) as refused:
        login(http, issuer, browser)
    assert refused.value.error == "invalid_grant"


# The token endpoint.


@pytest.mark.parametrize(
    ("status", "document", "error"),
    [
        (400, {"error": "invalid_grant"}, GrantRefused),
        (401, {"error": "invalid_client", "error_description": 7}, GrantRefused),
        (400, {}, IssuerUnreachable),
        (429, {"error": "slow"}, IssuerUnreachable),
        (500, {"error": "server_error"}, IssuerUnreachable),
        (302, {}, IssuerUnreachable),
        (200, b"<html>", IssuerUnreachable),
        (200, [], IssuerUnreachable),
        (200, {}, IssuerUnreachable),
        (200, {"access_token": "", "token_type": "Bearer"}, IssuerUnreachable),
        (200, {"access_token": "a"}, IssuerUnreachable),
        (200, {"access_token": "a", "token_type": "mac"}, IssuerUnreachable),
    ],
)
def test_answer_of_the_token_endpoint_without_a_token_is_an_error(
    http: httpx.Client, issuer: LoginIssuer, status: int, document: Any, error: type[LoginError]
) -> None:
    issuer.answers = [(status, document)]
    with pytest.raises(error):
        request_tokens(http, discover(http, issuer.url), {}, now=issuer.clock)


@pytest.mark.parametrize(
    ("expires_in", "lifetime", "margin"),
    [(3600, 3600, 60), ("3600", 3600, 60), (40, 40, 10), (None, 300, 60), (-1, 300, 60), ("x", 300, 60), ([], 300, 60)],
)
def test_token_is_renewed_a_margin_before_its_end(
    http: httpx.Client, issuer: LoginIssuer, expires_in: Any, lifetime: float, margin: float
) -> None:
    issuer.answers = [(200, {"access_token": "a", "token_type": "bearer", "expires_in": expires_in})]
    tokens = request_tokens(http, discover(http, issuer.url), {}, now=issuer.clock)
    assert (tokens.expires_at, tokens.expires_at - tokens.renew_at) == (issuer.clock() + lifetime, margin)


# On a device.

PENDING, SLOW_DOWN = (400, {"error": "authorization_pending"}), (400, {"error": "slow_down"})
SUCCESS = (200, {"access_token": "a", "token_type": "Bearer"})


def device_login(http: httpx.Client, issuer: LoginIssuer) -> tuple[TokenSet, list[DeviceCode]]:
    shown: list[DeviceCode] = []
    tokens = login_on_device(
        http,
        discover(http, issuer.url),
        CLIENT,
        show=shown.append,
        now=issuer.clock,
        sleep=issuer.clock.sleep,
        scopes=("openid",),
    )
    return tokens, shown


@pytest.mark.parametrize(
    ("answers", "sleeps"),
    [
        ([SUCCESS], [5]),
        ([PENDING, PENDING, SUCCESS], [5, 5, 5]),
        ([PENDING, SLOW_DOWN, PENDING, SLOW_DOWN, SUCCESS], [5, 5, 10, 10, 15]),
        ([(503, {}), (503, {}), SUCCESS], [5, 10, 20]),
        ([(503, {})] * 5 + [SUCCESS], [5, 10, 20, 40, 60, 60]),
    ],
)
def test_device_login_polls_as_slowly_as_it_is_told(
    http: httpx.Client, issuer: LoginIssuer, answers: list[Any], sleeps: list[float]
) -> None:
    issuer.answers = list(answers)
    tokens, shown = device_login(http, issuer)
    assert tokens.access_token == "a"
    assert issuer.clock.sleeps == sleeps
    assert (shown[0].user_code, shown[0].verification_uri) == ("AB-CD", "https://example.com/device")
    assert issuer.token_requests[0] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "d",
        "client_id": CLIENT,
    }


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_client"])
def test_refused_device_login_ends_at_once(http: httpx.Client, issuer: LoginIssuer, error: str) -> None:
    issuer.answers = [PENDING, (400, {"error": error})]
    with pytest.raises(GrantRefused) as refused:
        device_login(http, issuer)
    assert (refused.value.error, len(issuer.token_requests)) == (error, 2)


def test_device_login_ends_with_its_code(http: httpx.Client, issuer: LoginIssuer) -> None:
    issuer.answers = [PENDING] * 1000
    with pytest.raises(LoginTimeout) as timeout:
        device_login(http, issuer)
    assert timeout.value.seconds == 600
    assert sum(issuer.clock.sleeps) < 600


def test_device_login_is_not_tried_where_the_issuer_has_none(http: httpx.Client, issuer: LoginIssuer) -> None:
    issuer.discovery_changes = {"device_authorization_endpoint": None}
    with pytest.raises(DeviceLoginUnsupported):
        device_login(http, issuer)


# As a service.


def service(issuer: LoginIssuer, **changes: Any) -> ClientCredentials:
    fields: dict[str, Any] = {"issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET}
    return ClientCredentials(**(fields | changes))


def test_service_gets_a_token_with_its_secret_in_the_header(http: httpx.Client, issuer: LoginIssuer) -> None:
    credentials = service(issuer, scopes=("taskyard/viewer", "taskyard/admin"), audience="https://taskyard")
    tokens = request_client_tokens(http, discover(http, issuer.url), credentials, now=issuer.clock)
    assert tokens.refresh_token is None
    assert issuer.token_requests == [
        {
            "grant_type": "client_credentials",
            "scope": "taskyard/viewer taskyard/admin",
            "audience": "https://taskyard",
        }
    ]
    assert SECRET not in repr(credentials)


def test_service_with_a_wrong_secret_is_refused(http: httpx.Client, issuer: LoginIssuer) -> None:
    with pytest.raises(GrantRefused) as refused:
        request_client_tokens(
            http, discover(http, issuer.url), service(issuer, client_secret="wrong"), now=issuer.clock
        )
    assert refused.value.error == "invalid_client"
    assert "wrong" not in str(refused.value)


ENVIRON = {"TASKYARD_ISSUER": "https://i", "TASKYARD_CLIENT_ID": "c", "TASKYARD_CLIENT_SECRET": "s"}


@pytest.mark.parametrize(
    ("environ", "credentials"),
    [
        ({}, None),
        ({"TASKYARD_ISSUER": "https://i", "TASKYARD_CLIENT_ID": "c"}, None),
        (ENVIRON, ClientCredentials("https://i", "c", "s")),
        (
            ENVIRON | {"TASKYARD_SCOPES": " a  b ", "TASKYARD_AUDIENCE": "x"},
            ClientCredentials("https://i", "c", "s", ("a", "b"), "x"),
        ),
    ],
)
def test_credentials_of_a_service_are_in_the_environment(
    environ: dict[str, str], credentials: ClientCredentials | None
) -> None:
    assert client_credentials_of(environ) == credentials


@pytest.mark.parametrize("variable", ["TASKYARD_ISSUER", "TASKYARD_CLIENT_ID"])
def test_missing_variable_of_a_service_is_named(variable: str) -> None:
    with pytest.raises(MissingClientSetting) as error:
        client_credentials_of(ENVIRON | {variable: ""})
    assert error.value.variable == variable
