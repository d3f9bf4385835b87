"""`taskyard login` and `taskyard logout`. They talk to the issuer, not to the API."""

import argparse
import json
import os
import secrets
import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from taskyard.cli.exit_codes import ExitCode
from taskyard.errors import one_line

if TYPE_CHECKING:
    from taskyard.login.device import DeviceCode
    from taskyard.login.grants import TokenSet
    from taskyard.login.token_store import Login, TokenStore


def login(args: argparse.Namespace) -> ExitCode:
    from taskyard.login.token_store import TokenStore

    url = api_url(args.url, os.environ)
    store = TokenStore.of_user(os.environ)
    login = login_settings(args, os.environ, _last_login(store, url))
    tokens = _request_tokens(login, on_device=args.device)
    with store.file_lock():
        store.save_login(url, login, tokens)
    renewable = tokens.refresh_token is not None
    if args.json:
        document = {"url": url, "issuer": login.issuer, "clientId": login.client_id}
        print(json.dumps(document | {"expiresAt": _instant(tokens.expires_at), "renewable": renewable}))
    else:
        ends = "is renewed when it is used" if renewable else f"ends at {_instant(tokens.expires_at)}"
        print(f"logged in for {url} at {login.issuer}; the login {ends}")
    return ExitCode.OK


def logout(args: argparse.Namespace) -> ExitCode:
    from taskyard.login.token_store import TokenStore

    url = api_url(args.url, os.environ)
    store = TokenStore.of_user(os.environ)
    with store.file_lock():
        login = store.remove_login(url)
    if args.json:
        print(json.dumps({"url": url, "loggedOut": login is not None}))
    elif login is None:
        print(f"nobody is logged in for {url}")
    else:
        print(f"logged out of {url}; the browser may still be logged in at {login.issuer}")
    return ExitCode.OK


LOGIN_COMMANDS: dict[str, Callable[[argparse.Namespace], ExitCode]] = {"login": login, "logout": logout}


def api_url(url: str | None, environ: Mapping[str, str]) -> str:
    """Of a deployed API: a local system gives its token in a file. Raises InvalidEndpoint, also for a URL to which no
    token may be sent; ValueError for none."""
    from taskyard.transport.endpoint import find_endpoint

    url = url or environ.get("TASKYARD_URL")
    if not url:
        raise ValueError("give the URL of the API: --url, or TASKYARD_URL. A local system needs no login")
    return find_endpoint(url, "any-token", {}, Path()).url


def login_settings(args: argparse.Namespace, environ: Mapping[str, str], last: "Login | None") -> "Login":
    """Options before variables before the last login for the URL. Raises ValueError."""
    from taskyard.login.pkce import DEFAULT_SCOPES
    from taskyard.login.token_store import Login

    issuer = args.issuer or environ.get("TASKYARD_ISSUER") or (last.issuer if last else None)
    client_id = args.client_id or environ.get("TASKYARD_CLIENT_ID") or (last.client_id if last else None)
    if not issuer:
        raise ValueError("give the issuer of tokens: --issuer, or TASKYARD_ISSUER (the output Issuer of the stack)")
    if not client_id:
        raise ValueError("give the client of people's logins: --client-id, or TASKYARD_CLIENT_ID")
    is_same = last is not None and (last.issuer, last.client_id) == (issuer, client_id)
    scopes = tuple(args.scope or environ.get("TASKYARD_SCOPES", "").split())
    audience = args.audience or environ.get("TASKYARD_AUDIENCE") or None
    if last is not None and is_same:
        scopes, audience = scopes or last.scopes, audience or last.audience
    return Login(issuer, client_id, scopes or DEFAULT_SCOPES, audience)


def _request_tokens(login: "Login", *, on_device: bool) -> "TokenSet":
    from taskyard.login.device import login_on_device
    from taskyard.login.discovery import discover, http_client
    from taskyard.login.pkce import login_in_browser

    with http_client() as http:
        provider = discover(http, login.issuer)
        if on_device:
            return login_on_device(
                http,
                provider,
                login.client_id,
                show=_show_device_code,
                now=time.time,
                sleep=time.sleep,
                scopes=login.scopes,
            )
        return login_in_browser(
            http,
            provider,
            login.client_id,
            open_browser=_open_browser,
            now=time.time,
            randomness=secrets.token_bytes,
            scopes=login.scopes,
            audience=login.audience,
        )


def _open_browser(url: str) -> None:
    """Also shown: a machine may have no browser, or open one that nobody sees."""
    print(f"log in at\n  {url}", file=sys.stderr, flush=True)
    webbrowser.open(url)


def _show_device_code(code: "DeviceCode") -> None:
    # Text of the issuer, on a terminal.
    print(f"open {one_line(code.verification_uri)} and enter {one_line(code.user_code)}", file=sys.stderr)
    if code.complete_uri:
        print(f"  or open {one_line(code.complete_uri)}", file=sys.stderr)
    sys.stderr.flush()


def _last_login(store: "TokenStore", url: str) -> "Login | None":
    """None also for a file that others can read: the login replaces it."""
    from taskyard.login.errors import ExposedTokenFile

    try:
        return store.login_of(url)
    except ExposedTokenFile:
        return None


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
