"""`taskyard token`: tokens of the local system that runs here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from taskyard.cli import main
from taskyard.cli.arguments import build_parser

from functions.core.roles import Role

MADE = {"token": "a.b.c", "role": "viewer", "tenant": "acme", "expiresAt": "2026-01-01T01:00:00Z"}


class LocalSystem:
    """A server in place of the local system. `answer`: status and body of the next answers."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.answer: tuple[int, bytes] = (200, json.dumps(MADE).encode())
        self.requests: list[tuple[str, str | None, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSystem]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            system.requests.append((self.path, self.headers["authorization"], json.loads(body)))
            status, content = system.answer
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    system = LocalSystem(server)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKYARD_URL", "https://tasks.example.com")
    write_endpoint(tmp_path, url=system.url, token="t", tokenSecret="s")
    yield system
    server.shutdown()
    server.server_close()


def write_endpoint(folder: Path, **fields: str) -> None:
    (folder / ".local").mkdir(exist_ok=True)
    (folder / ".local" / "endpoint.json").write_text(json.dumps(fields))


def test_token_is_asked_of_the_system_of_the_endpoint_file_and_printed(
    local: LocalSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "--role", "viewer", "--tenant", "acme", "--ttl", "1h"]) == 0
    assert capsys.readouterr().out == "a.b.c\n"
    assert local.requests == [("/_local/token", "Bearer s", {"role": "viewer", "tenant": "acme", "ttl": 3600})]


def test_token_is_asked_with_what_is_given_only(local: LocalSystem, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--role", "admin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == MADE
    assert local.requests[0][2] == {"role": "admin"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "root"], "choose from"),
        ([], "--role"),
        (["--role", "admin", "--ttl", "soon"], "soon"),
        (["--role", "admin", "--ttl", "-1h"], "--ttl"),
    ],
)
def test_wrong_token_arguments_are_named(
    local: LocalSystem, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["token", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert local.requests == []


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((400, b'{"message": "ttl: seconds, 1 to 31622400"}'), 2, "taskyard: ttl: seconds, 1 to 31622400"),
        ((401, b'{"message": "no"}'), 5, "401"),
        ((404, b'{"message": "Not Found"}'), 5, "404"),
        ((200, b"<html>"), 5, "not Taskyard's"),
        ((200, b"[]"), 5, "not Taskyard's"),
        ((400, b"{}"), 5, "400"),
    ],
)
def test_refused_token_is_explained(
    local: LocalSystem, capsys: pytest.CaptureFixture[str], answer: tuple[int, bytes], code: int, words: str
) -> None:
    local.answer = answer
    assert main(["token", "--role", "viewer"]) == code
    assert words in capsys.readouterr().err


def test_token_without_local_system_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["token", "--role", "viewer"]) == 5
    assert "make local" in capsys.readouterr().err


def test_token_of_a_system_that_has_ended_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_endpoint(tmp_path, url="http://127.0.0.1:1", tokenSecret="s")
    assert main(["token", "--role", "viewer"]) == 5
    assert "is `make local` running?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "http://127.0.0.1:1"}, "no API that takes tokens"),
        ({"url": "https://elsewhere.example", "tokenSecret": "s"}, "not this machine"),
    ],
    ids=["without tokens", "elsewhere"],
)
def test_token_secret_is_sent_to_a_local_system_with_tokens_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_endpoint(tmp_path, **fields)
    assert main(["token", "--role", "viewer"]) == 5
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("role", Role)
def test_token_takes_each_role(role: Role) -> None:
    assert build_parser().parse_args(["token", "--role", role]).role == role
