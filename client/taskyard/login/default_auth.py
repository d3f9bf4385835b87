"""The credentials for a URL where none are given: those of a service, else the stored login of a person."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskyard.login.token_source import TokenSource


def default_auth(url: str) -> "TokenSource | None":
    """Of the environment and the home of this process. Raises MissingClientSetting, ExposedTokenFile."""
    return auth_for_url(url, os.environ)


def auth_for_url(url: str, environ: Mapping[str, str], home: Path | None = None) -> "TokenSource | None":
    """url: without a slash at its end. home: else that of the user. Nothing is sent before a token is needed."""
    from taskyard.login.client_credentials import client_credentials_of
    from taskyard.login.discovery import http_client
    from taskyard.login.token_source import ServiceTokenSource, StoredTokenSource
    from taskyard.login.token_store import TokenStore

    if credentials := client_credentials_of(environ):
        return ServiceTokenSource(http_client(), credentials, now=time.time)
    try:
        store = TokenStore.of_user(environ, home)
        login = store.login_of(url)
    except (OSError, RuntimeError):
        # A service may have no home, or one that it cannot read: nobody logged in there.
        return None
    if login is None:
        return None
    return StoredTokenSource(http_client(), store, login.issuer, login.client_id, now=time.time)
