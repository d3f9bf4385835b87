"""An issuer on the loopback for tests of the login: real HTTP, a virtual clock, and every request on record."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from local.identity.issuer import Issuer
from local.identity.jose import SigningKey

KEY = SigningKey()
"""One for all tests: making it takes longer than most of them."""
CLIENT, SECRET = "people", "s3cret/+ :é"


@dataclass
class Clock:
    """Seconds since the epoch; `sleep` moves it."""

    seconds: float = 1_800_000_000.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds


@dataclass
class LoginIssuer:
    """`answers`: what the token endpoint answers first, before it decides itself, each a status and a document.
    `changes`: members of the discovery document and of ID tokens that differ. `rotates`: whether a refresh token is
    good for one use."""

    clock: Clock = field(default_factory=Clock)
    ttl_seconds: int = 3600
    rotates: bool = True
    answers: list[tuple[int, Any]] = field(default_factory=list)
    discovery_changes: dict[str, Any] = field(default_factory=dict)
    id_token_changes: dict[str, Any] = field(default_factory=dict)
    callback_changes: dict[str, str] = field(default_factory=dict)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    device_interval: int = 5
    down: bool = False
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/pool"
        self.issuer = Issuer(self.url, now=self.clock, client=CLIENT, key=KEY)

    def respond(self, method: str, path: str, query: dict[str, str], form: dict[str, str], basic: str) -> Any:
        """Status, document, location."""
        with self.lock:
            if self.down:
                return 503, {"message": "down"}, None
            match method, path:
                case "GET", "/pool/.well-known/openid-configuration":
                    endpoints = {
                        name: f"{self.url}/{name}"
                        for name in ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint")
                    }
                    document = self.issuer.discovery() | endpoints | self.discovery_changes
                    return 200, {name: value for name, value in document.items() if value is not None}, None
                case "GET", "/pool/authorization_endpoint":
                    code = uuid.uuid4().hex
                    self.codes[code] = query
                    answer = {"code": code, "state": query["state"]} | self.callback_changes
                    return 302, {}, f"{query['redirect_uri']}?{urlencode(answer)}"
                case "POST", "/pool/device_authorization_endpoint":
                    page = "https://example.com/device"
                    device = {"device_code": "d", "user_code": "AB-CD", "verification_uri": page}
                    return 200, device | {"expires_in": 600, "interval": self.device_interval}, None
                case "POST", "/pool/token_endpoint":
                    self.token_requests.append(form)
                    if self.answers:
                        return *self.answers.pop(0), None
                    return *self.grant(form, basic), None
        return 404, {}, None

    def grant(self, form: Mapping[str, str], basic: str) -> tuple[int, dict[str, Any]]:
        refused = 400, {"error": "invalid_grant"}
        nonce = None
        match form.get("grant_type"):
            case "authorization_code":
                asked = self.codes.pop(form["code"], None)
                challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                if (
                    asked is None
                    or asked["code_challenge_method"] != "S256"
                    or asked["code_challenge"] != base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
                    or (asked["redirect_uri"], asked["client_id"]) != (form["redirect_uri"], form["client_id"])
                ):
                    return refused
                nonce = asked["nonce"]
            case "refresh_token":
                if form["refresh_token"] not in self.refresh_tokens:
                    return refused
                if self.rotates:
                    self.refresh_tokens.remove(form["refresh_token"])
            case "client_credentials":
                given = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
                if (unquote_plus(given[0]), unquote_plus(given[2])) != (CLIENT, SECRET):
                    return 401, {"error": "invalid_client"}
            case _:
                pass
        answer: dict[str, Any] = {
            "access_token": self.issuer.mint({"scope": "taskyard/viewer"}, ttl_seconds=self.ttl_seconds),
            "token_type": "Bearer",
            "expires_in": self.ttl_seconds,
        }
        if form.get("grant_type") != "client_credentials" and (self.rotates or nonce):
            answer["refresh_token"] = uuid.uuid4().hex
            self.refresh_tokens.add(answer["refresh_token"])
        if nonce:
            claims = {"iss": self.url, "aud": CLIENT, "nonce": nonce} | self.id_token_changes
            answer["id_token"] = self.issuer.key.sign(claims)
        return 200, answer


@contextmanager
def running_issuer(**settings: Any) -> Iterator[LoginIssuer]:
    issuer = LoginIssuer(**settings)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            query, form = ({name: values[0] for name, values in parse_qs(text).items()} for text in (url.query, body))
            basic = self.headers.get("authorization") or ""
            status, document, location = issuer.respond(self.command, url.path, query, form, basic)
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.start(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
