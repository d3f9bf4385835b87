"""How a request proves who sends it: not at all, by a bearer token, or by an AWS signature.

A token is a string, or comes from a function that is called for each attempt. No text of this module holds one.
"""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeGuard, runtime_checkable

from taskyard.errors import NoCredentials
from taskyard.transport.signing import AwsCredentials, AwsSession, IamSigner

TokenProvider = Callable[[], str]
"""Called for each attempt of a request. It may have a method `reject(token)`: after a 401 the client calls it with the
token that was refused, and sends the request once more with the next one."""

AsyncTokenProvider = Callable[[], Awaitable[str]]
"""The same for AsyncTaskyard, which awaits it. Its `reject` may be asynchronous or not."""

Auth = str | TokenProvider | AwsCredentials | AwsSession
AsyncAuth = Auth | AsyncTokenProvider

_TOKEN = re.compile(r"[\x21-\x7e]+")


@runtime_checkable
class RenewableSource(Protocol):
    """A token provider that can be told that the API refused a token."""

    def reject(self, token: str) -> Any: ...


class Authenticator:
    """Sends no credentials; the base of those that do."""

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """The headers to add. Called for each attempt: a signature contains its time. Raises NoCredentials, and what a
        token provider raises."""
        return {}

    async def async_headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """`headers` outside the event loop: it may read credentials over the network."""
        return await asyncio.to_thread(self.headers, method, url, headers, body)

    def renew(self, sent_headers: Mapping[str, str]) -> bool:
        """Whether another attempt may bring other credentials than those that got the status 401."""
        return False

    async def async_renew(self, sent_headers: Mapping[str, str]) -> bool:
        return await asyncio.to_thread(self.renew, sent_headers)


class TokenAuthenticator(Authenticator):
    """The same token for each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return bearer_headers(self._token)


class ProviderAuthenticator(Authenticator):
    """A token of a function."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return bearer_headers(self._provider())

    def renew(self, sent_headers: Mapping[str, str]) -> bool:
        if not isinstance(self._provider, RenewableSource):
            return False
        self._provider.reject(token_of(sent_headers))
        return True


class AsyncProviderAuthenticator(Authenticator):
    """A token of an asynchronous function, awaited on the event loop of the client."""

    def __init__(self, provider: AsyncTokenProvider) -> None:
        self._provider = provider

    async def async_headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return bearer_headers(await self._provider())

    async def async_renew(self, sent_headers: Mapping[str, str]) -> bool:
        if not isinstance(self._provider, RenewableSource):
            return False
        result = self._provider.reject(token_of(sent_headers))
        if inspect.isawaitable(result):
            await result
        return True


class IamAuthenticator(Authenticator):
    """A signature (SigV4)."""

    def __init__(self, signer: IamSigner) -> None:
        self._signer = signer

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return self._signer(method, url, headers, body)


def authenticator_for(auth: AsyncAuth | None, *, is_async: bool = False) -> Authenticator:
    """auth: None (no credentials), "iam" (a signature with the credentials of the environment), a bearer token, a
    function that returns one, or credentials or a session of botocore or boto3. Raises TypeError."""
    if auth is None:
        return Authenticator()
    if isinstance(auth, str):
        return IamAuthenticator(IamSigner()) if auth == "iam" else TokenAuthenticator(auth)
    if is_aws(auth):
        return IamAuthenticator(IamSigner(auth))
    if not callable(auth):
        # Its repr may hold a token.
        kind = type(auth).__name__
        raise TypeError(f"auth is a token, a function that returns one, or AWS credentials, not a {kind}")
    if not is_coroutine_function(auth):
        provider: Any = auth
        return ProviderAuthenticator(provider)
    if not is_async:
        raise TypeError("auth is an asynchronous function, which only AsyncTaskyard awaits")
    async_provider: Any = auth
    return AsyncProviderAuthenticator(async_provider)


def is_aws(auth: object) -> TypeGuard[AwsCredentials | AwsSession]:
    return isinstance(auth, AwsCredentials | AwsSession)


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Also for an object whose `__call__` is asynchronous."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def bearer_headers(token: str) -> Mapping[str, str]:
    """Raises NoCredentials for what no header can hold: an HTTP library would show it in its error."""
    stripped = token.strip() if isinstance(token, str) else ""
    if not _TOKEN.fullmatch(stripped):
        raise NoCredentials("the bearer token is empty, or holds characters that no token has")
    return {"authorization": f"Bearer {stripped}"}


def token_of(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")
