"""Where tokens are stored, and when they are renewed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from taskyard.login.client_credentials import ClientCredentials
from taskyard.login.discovery import discover, http_client
from taskyard.login.errors import ExposedTokenFile, GrantRefused, IssuerUnreachable, LoginRequired
from taskyard.login.grants import TokenSet, request_tokens
from taskyard.login.token_source import ServiceTokenSource, StoredTokenSource
from taskyard.login.token_store import TokenStore, token_file

from tests.unit.login_issuer import CLIENT, SECRET, LoginIssuer, running_issuer

TOKENS = TokenSet("access", 2.0, 1.0, "refresh")


@pytest.fixture
def issuer() -> Iterator[LoginIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with http_client() as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "config" / "taskyard" / "tokens.json")


def log_in(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> TokenSet:
    """A stored login, as the grants leave it."""
    tokens = request_tokens(http, discover(http, issuer.url), {"grant_type": "device"}, now=issuer.clock)
    if tokens.refresh_token is None:
        issuer.refresh_tokens.add("kept")
        tokens = TokenSet(tokens.access_token, tokens.expires_at, tokens.renew_at, "kept")
    store.save(issuer.url, CLIENT, tokens)
    issuer.token_requests.clear()
    return tokens


def source(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> StoredTokenSource:
    return StoredTokenSource(http, store, issuer.url, CLIENT, now=issuer.clock)


# The store.


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "home/.config/taskyard/tokens.json"),
        ({"XDG_CONFIG_HOME": "xdg"}, "xdg/taskyard/tokens.json"),
        ({"APPDATA": "appdata"}, "appdata/taskyard/tokens.json"),
    ],
)
def test_token_file_is_in_the_users_configuration(environ: dict[str, str], path: str) -> None:
    assert token_file(environ, Path("home")) == Path(path)


def test_tokens_are_stored_per_issuer_and_client(store: TokenStore) -> None:
    store.save("https://i", "c", TOKENS)
    store.save("https://i", "d", TokenSet("other", 4.0, 3.0))
    assert store.load("https://i", "c") == TOKENS
    assert store.load("https://i", "d") == TokenSet("other", 4.0, 3.0)
    assert store.load("https://j", "c") is None
    store.save("https://i", "c", None)
    assert store.load("https://i", "c") is None
    assert store.load("https://i", "d") is not None


def test_token_file_is_the_users_alone_whatever_the_umask(store: TokenStore) -> None:
    before = os.umask(0)
    try:
        with store.file_lock():
            store.save("https://i", "c", TOKENS)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert modes == {"tokens.json": 0o600, "tokens.lock": 0o600}
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_id_token_is_not_stored(store: TokenStore) -> None:
    store.save("https://i", "c", TokenSet("access", 2.0, 1.0, "refresh", "identity"))
    assert "identity" not in store.path.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_token_file_that_others_can_open_is_not_used(store: TokenStore, mode: int) -> None:
    store.save("https://i", "c", TOKENS)
    store.path.chmod(mode)
    with pytest.raises(ExposedTokenFile):
        store.load("https://i", "c")
    store.save("https://i", "d", TOKENS)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert store.load("https://i", "c") is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"https://i c": 7}', '{"https://i c": {}}', '{"https://i c": {"x": 1}}', "[" * 9999],
)
def test_token_file_that_cannot_be_read_holds_nothing(store: TokenStore, text: str) -> None:
    store.save("https://i", "c", TOKENS)
    store.path.write_text(text)
    assert store.load("https://i", "c") is None
    store.save("https://i", "c", TOKENS)
    assert store.load("https://i", "c") == TOKENS


def test_failed_write_leaves_the_old_file_and_no_other(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("https://i", "c", TOKENS)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            store.save("https://i", "c", None)
    assert store.load("https://i", "c") == TOKENS
    assert [path.name for path in store.path.parent.iterdir()] == ["tokens.json"]


def test_lock_is_one_holders_across_processes(store: TokenStore) -> None:
    """Each of three processes adds one 20 times: without the lock, some would write what another has read too."""
    program = (
        "import sys; from pathlib import Path; from taskyard.login.grants import TokenSet; "
        "from taskyard.login.token_store import TokenStore\n"
        "store = TokenStore(Path(sys.argv[1]))\n"
        "for _ in range(20):\n"
        "    with store.file_lock():\n"
        "        before = store.load('https://i', 'c')\n"
        "        store.save('https://i', 'c', TokenSet('a', (before.expires_at if before else 0) + 1, 0))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "client")}
    running = [subprocess.Popen([sys.executable, "-c", program, str(store.path)], env=environment) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0] * 3
    tokens = store.load("https://i", "c")
    assert tokens is not None
    assert tokens.expires_at == 60


# People.


def test_stored_token_is_used_until_it_is_time_to_renew(
    http: httpx.Client, issuer: LoginIssuer, store: TokenStore
) -> None:
    tokens = log_in(http, issuer, store)
    provide = source(http, issuer, store)
    assert provide() == tokens.access_token
    issuer.clock.seconds += 3539
    assert provide() == tokens.access_token
    assert issuer.token_requests == []
    issuer.clock.seconds += 1
    renewed = provide()
    assert renewed != tokens.access_token
    assert issuer.token_requests == [
        {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "client_id": CLIENT}
    ]
    stored = store.load(issuer.url, CLIENT)
    assert stored is not None
    assert stored.access_token == renewed


@pytest.mark.parametrize("rotates", [True, False])
def test_login_is_renewed_time_after_time(
    http: httpx.Client, issuer: LoginIssuer, store: TokenStore, rotates: bool
) -> None:
    issuer.rotates = rotates
    log_in(http, issuer, store)
    provide = source(http, issuer, store)
    for _ in range(4):
        issuer.clock.seconds += 3600
        provide()
    assert len({request["refresh_token"] for request in issuer.token_requests}) == (4 if rotates else 1)


def test_token_that_another_program_renewed_is_used(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    log_in(http, issuer, store)
    first, second = source(http, issuer, store), source(http, issuer, store)
    first()
    second()
    issuer.clock.seconds += 3600
    assert first() == second()
    assert len(issuer.token_requests) == 1


def test_many_at_once_renew_once(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    """A refresh token that is used twice would be refused, and end the login."""
    log_in(http, issuer, store)
    issuer.clock.seconds += 3600
    sources = [source(http, issuer, store) for _ in range(3)]
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda it=it: tokens.append(it())) for it in sources * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(tokens), len(set(tokens)), len(issuer.token_requests)) == (9, 1, 1)


def test_nobody_is_logged_in_at_first(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    with pytest.raises(LoginRequired) as error:
        source(http, issuer, store)()
    assert "taskyard login" in str(error.value)


def test_revoked_login_is_forgotten(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    log_in(http, issuer, store)
    issuer.refresh_tokens.clear()
    issuer.clock.seconds += 3600
    with pytest.raises(LoginRequired):
        source(http, issuer, store)()
    assert store.load(issuer.url, CLIENT) is None


def test_another_refusal_leaves_the_login(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    log_in(http, issuer, store)
    issuer.clock.seconds += 3600
    issuer.answers = [(400, {"error": "invalid_client"})]
    with pytest.raises(GrantRefused):
        source(http, issuer, store)()
    assert source(http, issuer, store)()


@pytest.mark.parametrize(("later", "is_good"), [(3550, True), (3600, False)])
def test_issuer_that_is_down_matters_at_the_end_of_the_token_only(
    http: httpx.Client, issuer: LoginIssuer, store: TokenStore, later: float, is_good: bool
) -> None:
    tokens = log_in(http, issuer, store)
    issuer.clock.seconds += later
    issuer.down = True
    provide = source(http, issuer, store)
    if is_good:
        assert provide() == tokens.access_token
    else:
        with pytest.raises(IssuerUnreachable):
            provide()
    assert store.load(issuer.url, CLIENT) == tokens


def test_login_without_a_refresh_token_lasts_as_long_as_its_token(
    http: httpx.Client, issuer: LoginIssuer, store: TokenStore
) -> None:
    end = issuer.clock() + 100
    store.save(issuer.url, CLIENT, TokenSet("access", end, end - 25))
    provide = source(http, issuer, store)
    issuer.clock.seconds = end - 1
    assert provide() == "access"
    issuer.clock.seconds = end
    with pytest.raises(LoginRequired):
        provide()


def test_rejected_token_is_renewed_early(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    log_in(http, issuer, store)
    provide = source(http, issuer, store)
    rejected = provide()
    provide.reject(rejected)
    assert provide() != rejected
    # The same answer about the old token, from a request that was under way: nothing happens.
    current = provide()
    provide.reject(rejected)
    assert provide() == current
    assert len(issuer.token_requests) == 1


def test_tokens_stand_in_no_file_but_the_store(http: httpx.Client, issuer: LoginIssuer, store: TokenStore) -> None:
    log_in(http, issuer, store)
    issuer.clock.seconds += 3600
    token = source(http, issuer, store)()
    holders = [path.name for path in store.path.parent.iterdir() if token in path.read_text()]
    assert holders == ["tokens.json"]
    assert len(json.loads(store.path.read_text())) == 1


# Services.


def service_source(http: httpx.Client, issuer: LoginIssuer, secret: str = SECRET) -> ServiceTokenSource:
    return ServiceTokenSource(http, ClientCredentials(issuer.url, CLIENT, secret), now=issuer.clock)


def test_service_gets_a_token_again_before_its_end(http: httpx.Client, issuer: LoginIssuer) -> None:
    provide = service_source(http, issuer)
    first = provide()
    issuer.clock.seconds += 3539
    assert provide() == first
    issuer.clock.seconds += 1
    assert provide() != first
    assert len(issuer.token_requests) == 2


def test_service_uses_its_token_while_the_issuer_is_down(http: httpx.Client, issuer: LoginIssuer) -> None:
    provide = service_source(http, issuer)
    first = provide()
    issuer.down = True
    issuer.clock.seconds += 3599
    assert provide() == first
    issuer.clock.seconds += 1
    with pytest.raises(IssuerUnreachable):
        provide()


def test_service_gets_another_token_for_a_rejected_one(http: httpx.Client, issuer: LoginIssuer) -> None:
    provide = service_source(http, issuer)
    first = provide()
    provide.reject("another")
    assert provide() == first
    provide.reject(first)
    assert provide() != first


def test_service_with_a_wrong_secret_has_no_token(http: httpx.Client, issuer: LoginIssuer) -> None:
    with pytest.raises(GrantRefused):
        service_source(http, issuer, "wrong")()
