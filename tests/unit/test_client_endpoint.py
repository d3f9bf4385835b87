"""Where the client looks for the API and its credentials."""

import json
from pathlib import Path

import pytest
from taskyard.endpoint import find_endpoint
from taskyard.errors import NoEndpoint


def local_system(folder: Path, **fields: str) -> Path:
    (folder / ".local").mkdir()
    (folder / ".local" / "endpoint.json").write_text(json.dumps(fields))
    return folder


def test_the_argument_goes_before_the_environment_before_the_file(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3")
    environ = {"TASKYARD_URL": "http://127.0.0.1:2"}
    assert find_endpoint("http://127.0.0.1:1/", None, environ, tmp_path).url == "http://127.0.0.1:1"
    assert find_endpoint(None, None, environ, tmp_path).url == "http://127.0.0.1:2"
    assert find_endpoint(None, None, {}, tmp_path).url == "http://127.0.0.1:3"


def test_the_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_endpoint(None, None, {}, below).url == "http://127.0.0.1:3"


def test_the_local_token_is_sent_to_the_local_system_only(tmp_path: Path) -> None:
    local_system(tmp_path, url="http://127.0.0.1:3", token="local-token")
    assert find_endpoint(None, None, {}, tmp_path).auth == "local-token"
    assert find_endpoint("https://elsewhere.example", None, {}, tmp_path).auth is None
    assert find_endpoint(None, None, {"TASKYARD_TOKEN": "mine"}, tmp_path).auth == "local-token"
    assert find_endpoint(None, "none", {}, tmp_path).auth is None
    assert find_endpoint(None, "iam", {}, tmp_path).auth == "iam"


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(find_endpoint("https://x.example", "secret", {}, Path("/")))


def test_nothing_found_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoEndpoint, match="TASKYARD_URL"):
        find_endpoint(None, None, {}, tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"url": "ftp://x"}'])
def test_an_unreadable_file_is_named(tmp_path: Path, content: str) -> None:
    local_system(tmp_path)
    (tmp_path / ".local" / "endpoint.json").write_text(content)
    with pytest.raises(NoEndpoint, match=r"endpoint\.json"):
        find_endpoint(None, None, {}, tmp_path)
