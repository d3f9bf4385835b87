"""Where the client looks for the API and its credentials."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from taskyard.errors import InvalidEndpoint, NoEndpoint
from taskyard.transport.endpoint import find_endpoint
from taskyard.transport.signing import KeyPair


def local_system(folder: Path, **fields: Any) -> Path:
    (folder / ".local").mkdir()
    (folder / ".local" / "endpoint.json").write_text(json.dumps(fields))
    return folder


def test_endpoint_prefers_argument_to_environment_to_file(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3")
    environ = {"TASKYARD_URL": "http://127.0.0.1:2"}
    assert find_endpoint("http://127.0.0.1:1/", None, environ, tmp_path).url == "http://127.0.0.1:1"
    assert find_endpoint(None, None, environ, tmp_path).url == "http://127.0.0.1:2"
    assert find_endpoint(None, None, {}, tmp_path).url == "http://127.0.0.1:3"


def test_endpoint_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_endpoint(None, None, {}, below).url == "http://127.0.0.1:3"


def test_local_token_is_sent_to_the_local_system_only(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3", token="local-token")
    assert find_endpoint(None, None, {}, tmp_path).auth == "local-token"
    assert find_endpoint("https://elsewhere.example", None, {}, tmp_path).auth is None
    assert find_endpoint(None, None, {"TASKYARD_TOKEN": "mine"}, tmp_path).auth == "local-token"
    assert find_endpoint(None, "none", {}, tmp_path).auth is None
    assert find_endpoint(None, "iam", {}, tmp_path).auth == "iam"


def test_endpoint_repr_hides_the_token() -> None:
    assert "secret" not in repr(find_endpoint("https://x.example", "secret", {}, Path("/")))


def test_missing_endpoint_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoEndpoint, match="TASKYARD_URL"):
        find_endpoint(None, None, {}, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "not json",
        '{"url": "ftp://x"}',
        '{"url": null}',
        '"' + "[" * 100_000,
        '{"url": "http://127.0.0.1:x"}',
    ],
)
def test_unreadable_endpoint_file_is_named_in_the_error(tmp_path: Path, content: str) -> None:
    local_system(tmp_path)
    (tmp_path / ".local" / "endpoint.json").write_text(content)
    with pytest.raises(InvalidEndpoint, match=r"endpoint\.json"):
        find_endpoint(None, None, {}, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "http://evil.example",
        "http://192.168.1.7:4510",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example#@127.0.0.1",
        "http://evil.example\\\\@127.0.0.1",
        "http://evil.example?@127.0.0.1",
        "http://2130706433",
        "http://0.0.0.0:4510",
        "http://[::ffff:192.168.1.7]",
        "http://169.254.169.254",
    ],
)
def test_endpoint_file_with_a_remote_url_is_refused(tmp_path: Path, url: str) -> None:
    local_system(tmp_path, url=url)
    with pytest.raises(InvalidEndpoint):
        find_endpoint(None, None, {"TASKYARD_TOKEN": "mine"}, tmp_path)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4510", "http://localhost:4510", "http://[::1]:4510", "http://127.8.9.1"]
)
@pytest.mark.parametrize("variable", ["TASKYARD_TOKEN", "TASKYARD_AUTH"])
def test_endpoint_file_gets_no_credentials_of_the_environment(tmp_path: Path, url: str, variable: str) -> None:
    local_system(tmp_path, url=url)
    assert find_endpoint(None, None, {variable: "mine"}, tmp_path).auth is None
    assert find_endpoint(None, "given", {variable: "mine"}, tmp_path).auth == "given"
    assert find_endpoint(url, None, {variable: "mine"}, tmp_path).auth == "mine"


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o602, 0o620])
def test_endpoint_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = local_system(tmp_path, url="http://127.0.0.1:3") / ".local" / "endpoint.json"
    file.chmod(mode)
    with pytest.raises(InvalidEndpoint, match="another user"):
        find_endpoint(None, None, {}, tmp_path)


def test_endpoint_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3")
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(InvalidEndpoint, match="another user"):
        find_endpoint(None, None, {}, tmp_path)


@pytest.mark.parametrize("auth", ["iam", "a-token"])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_credentials_for_a_remote_host_require_https(auth: str, given: str) -> None:
    def found(url: str) -> str | None:
        if given == "argument":
            return find_endpoint(url, auth, {}, Path("/")).auth
        return find_endpoint(None, None, {"TASKYARD_URL": url, "TASKYARD_AUTH": auth}, Path("/")).auth

    for url in ("http://taskyard.example", "HTTP://taskyard.example", "http://127.0.0.1.example", "http://10.0.0.1"):
        with pytest.raises(InvalidEndpoint, match="unencrypted"):
            found(url)
        assert find_endpoint(url, "none", {}, Path("/")).auth is None
    for url in ("https://taskyard.example", "http://127.0.0.1:4510", "http://localhost", "http://[::1]:1"):
        assert found(url) == auth


def test_auth_prefers_argument_to_variable_to_token() -> None:
    environ = {"TASKYARD_AUTH": "iam", "TASKYARD_TOKEN": "token"}
    url = "https://taskyard.example"
    assert find_endpoint(url, "none", environ, Path("/")).auth is None
    assert find_endpoint(url, None, environ, Path("/")).auth == "iam"
    assert find_endpoint(url, None, {"TASKYARD_TOKEN": "token"}, Path("/")).auth == "token"
    assert find_endpoint(url, None, environ | {"TASKYARD_AUTH": "none"}, Path("/")).auth is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "taskyard.example",
        "https://",
        "https://a b",
        "https://user:password@taskyard.example",
        "https://taskyard.example:0",
        "https://taskyard.example:99999",
        "https://[::1",
        "https://taskyard.example/?a=b",
        "https://taskyard.example\r\nx: y",
        "https://taskyard.example\\\\x",
    ],
)
def test_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidEndpoint):
        find_endpoint(url, None, {}, Path("/"))


AWS_KEYS = {"accessKeyId": "LOCAL1", "secretAccessKey": "of the file", "region": "us-east-1"}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"url": "http://127.0.0.1:3", "iamUrl": "http://127.0.0.1:3", "aws": AWS_KEYS}, "iam"),
        ({"url": "http://127.0.0.1:3", "iamUrl": "http://127.0.0.1:4", "aws": AWS_KEYS}, "none"),
        ({"url": "http://127.0.0.1:3", "iamUrl": "http://127.0.0.1:3", "aws": AWS_KEYS, "token": "t"}, "bearer"),
    ],
)
def test_local_system_whose_only_api_takes_signatures_gets_those_of_its_keys(
    tmp_path: Path, fields: dict[str, Any], kind: str
) -> None:
    local_system(tmp_path, **fields)
    endpoint = find_endpoint(None, None, {"AWS_ACCESS_KEY_ID": "of the environment"}, tmp_path)
    assert endpoint.auth_kind == kind
    if isinstance(endpoint.auth, KeyPair):
        assert endpoint.auth.get_credentials().secret_key == "of the file"
