"""The credentials of both clients against a server that checks them: tokens, token providers, AWS, tenant, 401."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.session import Session
from taskyard import AsyncTaskyard, Backoff, Forbidden, NoCredentials, Taskyard, TaskyardError, Unauthorized
from taskyard.api.monitor import Stats

from tests.unit.authorized_api import AuthorizedApi, running_api

SECRET = "eyJ.the-secret-token.sig"
Read = Callable[..., Stats]
"""Opens a client with the arguments, and reads the stats."""


@pytest.fixture
def api() -> Iterator[AuthorizedApi]:
    with running_api() as running:
        yield running


def read(url: str, auth: Any, **options: Any) -> Stats:
    with Taskyard(url, auth, **options) as yard:
        return yard.stats()


def read_async(url: str, auth: Any, **options: Any) -> Stats:
    async def run() -> Stats:
        async with AsyncTaskyard(url, auth, **options) as yard:
            return await yard.stats()

    return asyncio.run(run())


@dataclass
class Renewable:
    """A source whose next token comes after a rejection."""

    tokens: list[str]
    rejected: list[str] = field(default_factory=list)

    def __call__(self) -> str:
        return self.tokens[0]

    def reject(self, token: str) -> None:
        self.rejected.append(token)
        if token == self.tokens[0] and len(self.tokens) > 1:
            self.tokens.pop(0)


@dataclass
class AsyncRenewable:
    tokens: list[str]
    rejected: list[str] = field(default_factory=list)

    async def __call__(self) -> str:
        await asyncio.sleep(0)
        return self.tokens[0]

    async def reject(self, token: str) -> None:
        self.rejected.append(token)
        self.tokens.pop(0)


both_clients = pytest.mark.parametrize("read", [read, read_async], ids=["sync", "async"])


@both_clients
def test_token_is_sent_as_bearer(api: AuthorizedApi, read: Read) -> None:
    read(api.url, "abc")
    assert api.requests[0]["authorization"] == "Bearer abc"


@both_clients
def test_provider_is_called_for_each_attempt(api: AuthorizedApi, read: Read) -> None:
    tokens = iter(["one", "two"])
    api.answers = [(503, {}, {})]
    read(api.url, lambda: next(tokens), backoff=Backoff(base=0))
    assert api.sent_tokens == ["one", "two"]


def test_async_provider_is_awaited_by_the_async_client(api: AuthorizedApi) -> None:
    async def provider() -> str:
        return "abc"

    read_async(api.url, provider)
    read_async(api.url, AsyncRenewable(["def"]))
    assert api.sent_tokens == ["abc", "def"]


def test_async_provider_is_refused_by_the_blocking_client(api: AuthorizedApi) -> None:
    with pytest.raises(TypeError, match="AsyncTaskyard"):
        read(api.url, AsyncRenewable(["abc"]))


@both_clients
@pytest.mark.parametrize("auth", [7, b"secret-bytes", ["secret"]])
def test_auth_of_another_type_is_refused_without_its_value(api: AuthorizedApi, read: Read, auth: Any) -> None:
    with pytest.raises(TypeError) as raised:
        read(api.url, auth)
    assert "secret" not in str(raised.value)


@both_clients
@pytest.mark.parametrize("session", [False, True])
def test_botocore_credentials_sign_requests(
    api: AuthorizedApi, read: Read, session: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    auth: Any = Credentials("AKIDMINE", "secret", "session")
    if session:
        auth = Session()
        auth.set_credentials("AKIDMINE", "secret", "session")
    read(api.url, auth)
    assert "Credential=AKIDMINE/" in api.requests[0]["authorization"]
    assert api.requests[0]["x-amz-security-token"] == "session"


@both_clients
def test_rejected_token_is_replaced_once(api: AuthorizedApi, read: Read) -> None:
    api.tokens, source = {"new"}, Renewable(["old", "new"])
    read(api.url, source, backoff=Backoff(tries=1))
    assert api.sent_tokens == ["old", "new"]
    assert source.rejected == ["old"]


def test_async_source_is_renewed_too(api: AuthorizedApi) -> None:
    api.tokens, source = {"new"}, AsyncRenewable(["old", "new"])
    read_async(api.url, source)
    assert api.sent_tokens == ["old", "new"]


@both_clients
def test_second_refusal_is_the_error(api: AuthorizedApi, read: Read) -> None:
    api.tokens = set()
    with pytest.raises(Unauthorized):
        read(api.url, Renewable(["one", "two", "three"]))
    assert api.sent_tokens == ["one", "two"]


@both_clients
@pytest.mark.parametrize("auth", ["abc", lambda: "abc", "none"])
def test_credentials_that_cannot_be_renewed_are_sent_once(api: AuthorizedApi, read: Read, auth: Any) -> None:
    api.tokens = set()
    with pytest.raises(Unauthorized):
        read(api.url, auth)
    assert len(api.requests) == 1


@both_clients
@pytest.mark.parametrize("token", ["", " ", f"{SECRET}\r\nx: y", f"a {SECRET}", f"é{SECRET}", None])
def test_token_that_no_header_holds_is_not_sent_and_not_shown(api: AuthorizedApi, read: Read, token: Any) -> None:
    with pytest.raises(NoCredentials) as raised:
        read(api.url, lambda: token)
    assert SECRET not in str(raised.value)
    assert api.requests == []


def test_line_break_at_the_end_of_a_token_is_dropped(api: AuthorizedApi) -> None:
    read(api.url, "abc\n")
    assert api.sent_tokens == ["abc"]


@both_clients
def test_error_of_a_provider_is_raised_as_it_is(api: AuthorizedApi, read: Read) -> None:
    def provider() -> str:
        raise TimeoutError("the vault does not answer")

    with pytest.raises(TimeoutError, match="vault"):
        read(api.url, provider)


@both_clients
@pytest.mark.parametrize("auth", [SECRET, lambda: SECRET, Renewable([SECRET])])
def test_token_is_in_no_log_error_or_repr(
    api: AuthorizedApi, read: Read, auth: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.tokens = set()
    with Taskyard(api.url, auth) as yard, pytest.raises(TaskyardError) as raised:
        yard.stats()
    with pytest.raises(TaskyardError):
        read(api.url, auth)
    connection = yard._performer.connection
    shown = [caplog.text, str(raised.value), repr(raised.value), repr(yard), repr(connection), str(connection.endpoint)]
    assert len(caplog.records) > 0
    assert [text for text in shown if SECRET in text] == []


@both_clients
def test_tenant_of_an_operator_is_a_header_of_each_request(api: AuthorizedApi, read: Read) -> None:
    read(api.url, "abc", tenant="acme")
    read(api.url, "abc")
    assert [headers.get("x-taskyard-tenant") for headers in api.requests] == ["acme", None]


@both_clients
@pytest.mark.parametrize("tenant", ["", "a b", "a\r\nx: y", "é", "a" * 129])
def test_tenant_that_no_header_holds_is_refused(api: AuthorizedApi, read: Read, tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        read(api.url, "abc", tenant=tenant)


@both_clients
@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [
        (401, "wrong-token-use", Unauthorized),
        (403, "no-role", Forbidden),
        (403, "no-tenant", Forbidden),
        (403, "several-tenants", Forbidden),
        (403, "invalid-tenant", Forbidden),
    ],
)
def test_refusal_has_the_slug_of_its_problem(
    api: AuthorizedApi, read: Read, status: int, slug: str, kind: type[Unauthorized | Forbidden]
) -> None:
    api.answers = [(status, {"type": f"urn:taskyard:problem:{slug}", "title": "No", "detail": "why"}, {})]
    with pytest.raises(kind, match="why") as raised:
        read(api.url, "abc")
    assert (raised.value.slug, raised.value.type) == (slug, f"urn:taskyard:problem:{slug}")


@both_clients
@pytest.mark.parametrize("document", [{"message": "Forbidden"}, {"type": "about:blank"}, {"type": "https://x/no-role"}])
def test_refusal_of_a_gateway_has_no_slug(api: AuthorizedApi, read: Read, document: object) -> None:
    api.answers = [(403, document, {})]
    with pytest.raises(Forbidden) as raised:
        read(api.url, "abc")
    assert raised.value.slug == ""
