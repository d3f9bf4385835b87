"""Login in a browser: authorization code with PKCE (RFC 7636) and a redirect to the loopback (RFC 8252)."""

import base64
import hashlib
import hmac
import json
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from taskyard.login.discovery import Provider
from taskyard.login.errors import GrantRefused, InvalidIdToken, InvalidIssuer, LoginTimeout, NoFreePort
from taskyard.login.grants import Now, TokenSet, request_tokens

Randomness = Callable[[int], bytes]
"""That many random bytes that nobody can foresee: secrets.token_bytes."""

CALLBACK_PATH = "/callback"
CALLBACK_PORTS = (8976, 8977, 8978)
"""The callback URLs of the stack's user pool. Other issuers take any port of the loopback, or these configured."""
DEFAULT_SCOPES = ("openid", "email", "profile")
LOGIN_SECONDS = 300.0
_PAGE = b"<!doctype html><title>Taskyard</title><p>%s You can close this window and go back to the terminal."


@dataclass(frozen=True)
class LoginAttempt:
    """The secrets of one login: each is checked where it comes back."""

    verifier: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)

    @property
    def challenge(self) -> str:
        return code_challenge(self.verifier)


def login_attempt(randomness: Randomness) -> LoginAttempt:
    return LoginAttempt(_base64url(randomness(32)), _base64url(randomness(32)), _base64url(randomness(32)))


def code_challenge(verifier: str) -> str:
    """S256 of RFC 7636, section 4.2."""
    return _base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def authorization_url(
    endpoint: str,
    attempt: LoginAttempt,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    audience: str | None,
) -> str:
    """`audience`: for issuers that ask for one (Auth0)."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }
    if audience:
        query["audience"] = audience
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


def login_in_browser(
    http: httpx.Client,
    provider: Provider,
    client_id: str,
    *,
    open_browser: Callable[[str], object],
    now: Now,
    randomness: Randomness,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    audience: str | None = None,
    ports: Sequence[int] = CALLBACK_PORTS,
    redirect_host: str = "localhost",
    timeout_seconds: float = LOGIN_SECONDS,
) -> TokenSet:
    """`open_browser` gets the URL of the login page; it opens or shows it. `redirect_host`: as the issuer has the
    callback configured; Cognito takes http for `localhost` only. Raises LoginError."""
    if provider.authorization_endpoint is None:
        raise InvalidIssuer(provider.issuer, "it has no authorization_endpoint")
    attempt = login_attempt(randomness)
    with RedirectServer(attempt.state, issuer=provider.issuer, ports=ports) as server:
        redirect_uri = f"http://{redirect_host}:{server.port}{CALLBACK_PATH}"
        open_browser(
            authorization_url(
                provider.authorization_endpoint,
                attempt,
                client_id=client_id,
                redirect_uri=redirect_uri,
                scopes=scopes,
                audience=audience,
            )
        )
        code = server.wait_for_code(timeout_seconds)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "code_verifier": attempt.verifier,
    }
    tokens = request_tokens(http, provider, form, now=now)
    if "openid" in scopes:
        check_id_token(tokens.id_token, issuer=provider.issuer, client_id=client_id, nonce=attempt.nonce)
    return tokens


def check_id_token(id_token: str | None, *, issuer: str, client_id: str, nonce: str) -> None:
    """That it answers this login. It came from the token endpoint itself, so its signature need not be checked (OpenID
    Connect Core, 3.1.3.7). Raises InvalidIdToken."""
    claims = _claims(id_token or "")
    audience = claims.get("aud")
    if claims.get("iss") != issuer:
        raise InvalidIdToken("iss")
    if client_id not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidIdToken("aud")
    if not hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode()):
        raise InvalidIdToken("nonce")


class RedirectServer:
    """Listens on 127.0.0.1 for the one redirect that carries `state`; anything else is refused and changes nothing."""

    def __init__(self, state: str, *, issuer: str, ports: Sequence[int] = CALLBACK_PORTS) -> None:
        """`ports`: the first that is free; 0 for any. Raises NoFreePort."""
        self._answers: queue.Queue[str | GrantRefused] = queue.Queue()
        self._server = _listen(_handler(state, issuer, self._answers), ports)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> "RedirectServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for_code(self, timeout_seconds: float) -> str:
        """Raises LoginTimeout, GrantRefused."""
        try:
            answer = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            raise LoginTimeout(timeout_seconds) from None
        if isinstance(answer, GrantRefused):
            raise answer
        return answer


class _LoopbackServer(ThreadingHTTPServer):
    """With threads: a connection that a browser opens ahead and leaves silent must not hold up the redirect."""

    # POSIX: a port whose last connection has just closed is free. Windows: the same option would share the port with
    # another program that listens on it.
    allow_reuse_address = os.name == "posix"


def _listen(handler: type[BaseHTTPRequestHandler], ports: Sequence[int]) -> _LoopbackServer:
    for port in ports:
        try:
            return _LoopbackServer(("127.0.0.1", port), handler)
        except OSError:
            continue
    raise NoFreePort(tuple(ports))


def _handler(state: str, issuer: str, answers: "queue.Queue[str | GrantRefused]") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            # A repeated parameter is refused: two readers may take different ones.
            query = {name: values[0] for name, values in parse_qs(url.query).items() if len(values) == 1}
            is_ours = url.path == CALLBACK_PATH and hmac.compare_digest(query.get("state", "").encode(), state.encode())
            # RFC 9207: an issuer that names itself must be the one that was asked.
            if not is_ours or query.get("iss", issuer) != issuer or not ("code" in query or "error" in query):
                self._respond(400, b"This is not the answer to the login that is waiting.")
            elif "error" in query:
                answers.put(GrantRefused(query["error"][:100], query.get("error_description", "")))
                self._respond(200, b"The login was refused.")
            else:
                answers.put(query["code"])
                self._respond(200, b"You are logged in.")

        def _respond(self, status: int, text: bytes) -> None:
            body = _PAGE % text
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            # The address holds the code.
            self.send_header("referrer-policy", "no-referrer")
            self.send_header("content-security-policy", "default-src 'none'")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """The request line holds the code: it is not logged."""

    return Handler


def _claims(token: str) -> dict[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
