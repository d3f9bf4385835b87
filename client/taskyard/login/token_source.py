"""Functions that return a token that is good for the next request, renewed before it ends."""

import threading
from collections.abc import Callable
from typing import Protocol

import httpx

from taskyard.login.client_credentials import ClientCredentials, request_client_tokens
from taskyard.login.discovery import Provider, discover
from taskyard.login.errors import GrantRefused, IssuerUnreachable, LoginRequired
from taskyard.login.grants import Now, TokenSet, refresh
from taskyard.login.token_store import TokenStore


class TokenSource(Protocol):
    """An access token for the next request. Raises LoginError. Any function of this shape will do."""

    def __call__(self) -> str: ...


class ServiceTokenSource:
    """Tokens of the client-credentials grant, in memory only. For several threads."""

    def __init__(self, http: httpx.Client, credentials: ClientCredentials, *, now: Now) -> None:
        self._http = http
        self._credentials = credentials
        self._now = now
        self._provider: Provider | None = None
        self._tokens: TokenSet | None = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            if self._tokens is None or self._now() >= self._tokens.renew_at:
                self._tokens = _renewed_or_still_good(self._tokens, self._request, self._now)
            return self._tokens.access_token

    def reject(self, token: str) -> None:
        """The API did not take `token`: the next call gets another."""
        with self._lock:
            if self._tokens is not None and self._tokens.access_token == token:
                self._tokens = None

    def _request(self) -> TokenSet:
        if self._provider is None:
            self._provider = discover(self._http, self._credentials.issuer)
        return request_client_tokens(self._http, self._provider, self._credentials, now=self._now)


class StoredTokenSource:
    """Tokens of a person's login, shared by all programs of the user through the store."""

    def __init__(self, http: httpx.Client, store: TokenStore, issuer: str, client_id: str, *, now: Now) -> None:
        self._http = http
        self._store = store
        self._issuer = issuer
        self._client_id = client_id
        self._now = now
        self._rejected: str | None = None
        self._tokens: TokenSet | None = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Raises LoginRequired, ExposedTokenFile, and IssuerUnreachable when the token has expired already."""
        with self._lock:
            if not self._is_good(self._tokens):
                self._tokens = self._load_or_renew()
            assert self._tokens is not None
            return self._tokens.access_token

    def reject(self, token: str) -> None:
        """The API did not take `token`: the next call gets another."""
        with self._lock:
            self._rejected = token

    def _is_good(self, tokens: TokenSet | None) -> bool:
        return tokens is not None and self._now() < tokens.renew_at and tokens.access_token != self._rejected

    def _load_or_renew(self) -> TokenSet:
        tokens = self._store.load(self._issuer, self._client_id)
        if tokens is not None and self._is_good(tokens):
            return tokens
        with self._store.file_lock():
            # Another program may have renewed it while this one waited for the lock.
            tokens = self._store.load(self._issuer, self._client_id)
            if tokens is not None and self._is_good(tokens):
                return tokens
            return self._renew(tokens)

    def _renew(self, tokens: TokenSet | None) -> TokenSet:
        if tokens is None:
            raise LoginRequired(self._issuer, "nobody is logged in")
        if tokens.refresh_token is None:
            if self._now() < tokens.expires_at and tokens.access_token != self._rejected:
                return tokens
            raise LoginRequired(self._issuer, "the login has expired")
        refresh_token = tokens.refresh_token

        def request() -> TokenSet:
            provider = discover(self._http, self._issuer)
            renewed = refresh(self._http, provider, self._client_id, refresh_token, now=self._now)
            self._store.save(self._issuer, self._client_id, renewed)
            return renewed

        usable = None if tokens.access_token == self._rejected else tokens
        try:
            return _renewed_or_still_good(usable, request, self._now)
        except GrantRefused as refused:
            if refused.error != "invalid_grant":
                raise
            self._store.save(self._issuer, self._client_id, None)
            raise LoginRequired(self._issuer, "the login has expired or was revoked") from refused


def _renewed_or_still_good(tokens: TokenSet | None, request: Callable[[], TokenSet], now: Now) -> TokenSet:
    """An issuer that does not answer is no failure before the end of the token that there is."""
    try:
        return request()
    except IssuerUnreachable:
        if tokens is not None and now() < tokens.expires_at:
            return tokens
        raise
