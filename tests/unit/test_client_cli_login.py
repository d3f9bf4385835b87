"""`taskyard login` and `logout` against an issuer and an API on the loopback."""

from __future__ import annotations

import json
import os
import stat
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from taskyard.cli import main
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.login.errors import IssuerUnreachable, LoginError, LoginRequired
from taskyard.login.grants import TokenSet
from taskyard.login.token_store import Login, TokenStore

from tests.unit.authorized_api import AuthorizedApi, running_api
from tests.unit.login_issuer import CLIENT, SECRET, Clock, LoginIssuer, running_issuer


def follow_login_page(url: str) -> None:
    """To the callback, as a browser does in which somebody is logged in at the issuer."""
    httpx.get(url, follow_redirects=True).raise_for_status()


@dataclass(frozen=True)
class Run:
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Shell:
    """Runs the command with a home and an environment of its own."""

    home: Path
    variables: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *argv: str, **variables: str) -> Run:
        with self.monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith(("TASKYARD", "AWS", "XDG", "APPDATA")):
                    patch.delenv(name)
            for name, value in {"HOME": str(self.home), **self.variables, **variables}.items():
                patch.setenv(name, value)
            patch.chdir(self.home)
            patch.setattr(webbrowser, "open", follow_login_page)
            code = main(argv)
        return Run(code, *self.capsys.readouterr())

    @property
    def store(self) -> TokenStore:
        return TokenStore(self.home / ".config" / "taskyard" / "tokens.json")


@pytest.fixture
def issuer() -> Iterator[LoginIssuer]:
    with running_issuer(clock=Clock(time.time())) as running:
        yield running


@pytest.fixture
def api() -> Iterator[AuthorizedApi]:
    with running_api() as running:
        yield running


@pytest.fixture
def shell(
    tmp_path: Path, api: AuthorizedApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    return Shell(tmp_path, {"TASKYARD_URL": api.url}, monkeypatch, capsys)


def login(shell: Shell, issuer: LoginIssuer, *options: str) -> Run:
    return shell("login", "--issuer", issuer.url, "--client-id", CLIENT, *options)


def test_login_stores_tokens_that_later_commands_send(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    entered = login(shell, issuer)
    assert (entered.returncode, entered.stdout.startswith(f"logged in for {api.url}")) == (0, True), entered.stderr
    assert shell("stats").returncode == 0
    tokens = shell.store.load(issuer.url, CLIENT)
    assert tokens is not None
    assert api.sent_tokens == [tokens.access_token]
    assert stat.S_IMODE(shell.store.path.stat().st_mode) == 0o600


def test_login_shows_no_token(shell: Shell, issuer: LoginIssuer) -> None:
    entered = login(shell, issuer, "--json")
    tokens = shell.store.load(issuer.url, CLIENT)
    assert tokens is not None
    assert tokens.refresh_token is not None
    assert set(json.loads(entered.stdout)) == {"url", "issuer", "clientId", "expiresAt", "renewable"}
    shown = entered.stdout + entered.stderr
    assert [token for token in (tokens.access_token, tokens.refresh_token) if token in shown] == []


def test_token_that_the_api_refuses_is_renewed_by_the_refresh_token(
    shell: Shell, api: AuthorizedApi, issuer: LoginIssuer
) -> None:
    login(shell, issuer)
    api.answers = [(401, {"message": "Unauthorized"}, {})]
    shown = shell("stats")
    assert shown.returncode == 0, shown.stderr
    assert [form["grant_type"] for form in issuer.token_requests] == ["authorization_code", "refresh_token"]
    assert len(set(api.sent_tokens)) == 2


def test_stored_token_near_its_end_is_renewed_first(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    tokens = shell.store.load(issuer.url, CLIENT)
    assert tokens is not None
    shell.store.save(issuer.url, CLIENT, replace(tokens, renew_at=time.time()))
    assert shell("stats").returncode == 0
    assert api.sent_tokens != [tokens.access_token]
    assert issuer.token_requests[-1]["grant_type"] == "refresh_token"


def test_other_credentials_come_before_the_stored_login(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    shell("stats", "--auth", "option")
    shell("stats", TASKYARD_AUTH="auth")
    shell("stats", TASKYARD_TOKEN="token")
    shell("stats", "--auth", "none")
    assert api.sent_tokens == ["option", "auth", "token", ""]


def test_stored_login_is_for_its_url_only(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    with running_api() as other:
        shell("stats", "--url", other.url)
        assert other.sent_tokens == [""]
    shell("stats", "--url", f"{api.url}/")
    assert api.sent_tokens[0] != ""


def test_second_login_needs_neither_issuer_nor_client(shell: Shell, issuer: LoginIssuer) -> None:
    login(shell, issuer, "--scope", "openid", "--scope", "tasks")
    again = shell("login")
    assert again.returncode == 0, again.stderr
    assert "scope=openid+tasks" in again.stderr


def test_login_takes_issuer_and_client_of_the_environment(shell: Shell, issuer: LoginIssuer) -> None:
    entered = shell("login", TASKYARD_ISSUER=issuer.url, TASKYARD_CLIENT_ID=CLIENT, TASKYARD_SCOPES="openid a")
    assert entered.returncode == 0, entered.stderr
    assert "scope=openid+a" in entered.stderr


@pytest.mark.parametrize(
    ("argv", "missing"),
    [(("login",), "--issuer"), (("login", "--issuer", "https://issuer.example"), "--client-id")],
)
def test_login_without_a_setting_names_it(shell: Shell, argv: tuple[str, ...], missing: str) -> None:
    entered = shell(*argv)
    assert (entered.returncode, missing in entered.stderr) == (2, True)


def test_login_without_a_url_is_refused(shell: Shell) -> None:
    entered = replace(shell, variables={})("login", "--issuer", "https://issuer.example", "--client-id", "c")
    assert (entered.returncode, "--url" in entered.stderr) == (2, True)


def test_login_for_a_url_without_tls_is_refused(shell: Shell, issuer: LoginIssuer) -> None:
    entered = login(shell, issuer, "--url", "http://tasks.example.com")
    assert (entered.returncode, "unencrypted" in entered.stderr) == (5, True)
    assert issuer.token_requests == []


def test_login_on_a_device_shows_the_code(shell: Shell, issuer: LoginIssuer) -> None:
    issuer.device_interval = 1
    entered = login(shell, issuer, "--device")
    assert entered.returncode == 0, entered.stderr
    assert "open https://example.com/device and enter AB-CD" in entered.stderr
    assert shell.store.load(issuer.url, CLIENT) is not None


def test_device_login_at_an_issuer_without_it_exits_6(shell: Shell, issuer: LoginIssuer) -> None:
    issuer.discovery_changes = {"device_authorization_endpoint": None}
    entered = login(shell, issuer, "--device")
    assert (entered.returncode, "browser" in entered.stderr) == (6, True)


def test_login_at_an_issuer_that_is_down_exits_5(shell: Shell, issuer: LoginIssuer) -> None:
    issuer.down = True
    assert login(shell, issuer).returncode == 5


def test_login_replaces_a_file_that_others_can_read(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    shell.store.path.chmod(0o644)
    refused = shell("stats")
    assert (refused.returncode, "open to other users" in refused.stderr) == (6, True)
    assert login(shell, issuer).returncode == 0
    assert shell("stats").returncode == 0
    assert len(api.requests) == 1


def test_logout_deletes_the_tokens(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    tokens = shell.store.load(issuer.url, CLIENT)
    assert tokens is not None
    left = shell("logout")
    assert (left.returncode, left.stdout.startswith(f"logged out of {api.url}")) == (0, True)
    assert tokens.access_token not in shell.store.path.read_text()
    shell("stats")
    assert api.sent_tokens == [""]


def test_logout_without_a_login_says_so(shell: Shell) -> None:
    left = shell("logout", "--json")
    assert (left.returncode, json.loads(left.stdout)["loggedOut"]) == (0, False)


def test_logout_leaves_the_tokens_that_another_url_uses(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    login(shell, issuer, "--url", "https://other.example.com")
    shell("logout", "--url", "https://other.example.com")
    assert shell("stats").returncode == 0
    assert api.sent_tokens != [""]


def test_revoked_login_exits_6_and_says_to_log_in(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    login(shell, issuer)
    api.tokens = set()
    issuer.refresh_tokens.clear()
    shown = shell("stats")
    assert (shown.returncode, "taskyard login" in shown.stderr) == (6, True)


def test_service_needs_no_login(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    shown = shell("stats", TASKYARD_ISSUER=issuer.url, TASKYARD_CLIENT_ID=CLIENT, TASKYARD_CLIENT_SECRET=SECRET)
    assert shown.returncode == 0, shown.stderr
    assert [form["grant_type"] for form in issuer.token_requests] == ["client_credentials"]
    assert api.sent_tokens[0].count(".") == 2
    assert not shell.store.path.exists()


def test_url_of_a_file_gets_no_token_of_a_service(shell: Shell, api: AuthorizedApi, issuer: LoginIssuer) -> None:
    (shell.home / ".local").mkdir()
    (shell.home / ".local" / "endpoint.json").write_text(json.dumps({"url": api.url}))
    service = {"TASKYARD_ISSUER": issuer.url, "TASKYARD_CLIENT_ID": CLIENT, "TASKYARD_CLIENT_SECRET": SECRET}
    assert replace(shell, variables=service)("stats").returncode == 0
    assert (api.sent_tokens, issuer.token_requests) == ([""], [])


def test_service_without_an_issuer_exits_6_and_names_the_variable(shell: Shell) -> None:
    shown = shell("stats", TASKYARD_CLIENT_SECRET="secret-text")
    assert (shown.returncode, "TASKYARD_ISSUER" in shown.stderr) == (6, True)
    assert "secret-text" not in shown.stderr


def test_home_that_cannot_be_read_has_no_login(shell: Shell, api: AuthorizedApi) -> None:
    (shell.home / ".config").write_text("a file, not a folder")
    assert shell("stats").returncode == 0
    assert api.sent_tokens == [""]


def test_tenant_is_that_of_the_option_else_of_the_variable(shell: Shell, api: AuthorizedApi) -> None:
    shell("stats", "--tenant", "acme", TASKYARD_TENANT="other")
    shell("--tenant", "acme", "stats")
    shell("stats", TASKYARD_TENANT="other")
    shell("stats")
    assert [headers.get("x-taskyard-tenant") for headers in api.requests] == ["acme", "acme", "other", None]


@pytest.mark.parametrize("tenant", ["a b", "é"])
def test_tenant_that_no_header_holds_exits_2(shell: Shell, api: AuthorizedApi, tenant: str) -> None:
    assert shell("stats", "--tenant", tenant).returncode == 2
    assert api.requests == []


def test_refusal_of_the_api_exits_6_with_its_detail_and_no_advice(shell: Shell, api: AuthorizedApi) -> None:
    detail = "this takes the role submitter; the caller has viewer"
    api.answers = [(403, {"type": "urn:taskyard:problem:no-role", "title": "Not allowed", "detail": detail}, {})]
    shown = shell("stats", "--auth", "a-token")
    assert (shown.returncode, shown.stderr) == (6, f"taskyard: 403 Not allowed: {detail}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LoginRequired("https://issuer.example", "nobody is logged in"), ExitCode.NOT_ALLOWED),
        (IssuerUnreachable("https://issuer.example", "status 503"), ExitCode.UNAVAILABLE),
    ],
)
def test_exit_code_of_a_login_error(error: LoginError, code: ExitCode) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    "entry", [None, [], "text", {}, {"issuer": "https://i"}, {"issuer": "i", "client_id": "c", "scopes": 7}]
)
def test_stored_login_that_cannot_be_read_is_none(tmp_path: Path, entry: object) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.path.write_text(json.dumps({"login https://api.example": entry}))
    store.path.chmod(0o600)
    assert store.login_of("https://api.example") is None


def test_stored_login_is_read_as_it_was_saved(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    saved = Login("https://issuer.example", "client", ("openid", "a"), "audience")
    store.save_login("https://api.example", saved, TokenSet("access", 2.0, 1.0))
    assert store.login_of("https://api.example") == saved
    assert store.login_of("https://other.example") is None
