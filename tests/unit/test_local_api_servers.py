"""Which HTTP API of a template listens where."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from local.endpoints.api_servers import ApiServers
from tests.e2e.tiny_stack import template


def started(template: dict[str, Any], port: int) -> ApiServers:
    async def start_and_close() -> ApiServers:
        servers = await ApiServers.start(template, port)
        servers.close()
        return servers

    return asyncio.run(start_and_close())


def without(template: dict[str, Any], api: str) -> dict[str, Any]:
    """The template without an API and what belongs to it."""
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if name != api and resource.get("Properties", {}).get("ApiId") != {"Ref": api}
    }
    return {"Resources": resources}


def port_of(url: str | None) -> int:
    return int(str(url).rpartition(":")[2])


@pytest.fixture
def port() -> int:
    """Free, as is the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            number: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", number + 1))
            except OSError:
                continue
            return number


@pytest.fixture
def listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield other


def test_api_for_tokens_has_the_port_and_the_other_one_the_next(port: int) -> None:
    servers = started(template(), port)
    assert (port_of(servers.url), port_of(servers.iam_url)) == (port, port + 1)
    assert servers.urls == {"TokenHttp": servers.url, "Http": servers.iam_url}
    assert servers.issuer_url == f"{servers.url}/_local/issuer"


def test_api_for_signatures_takes_another_port_when_the_next_is_taken(port: int, listening: socket.socket) -> None:
    listening.bind(("127.0.0.1", port + 1))
    listening.listen()
    servers = started(template(), port)
    assert port_of(servers.url) == port
    assert port_of(servers.iam_url) not in (port, port + 1)


def test_port_that_is_taken_is_an_error(port: int, listening: socket.socket) -> None:
    listening.bind(("127.0.0.1", port))
    listening.listen()
    with pytest.raises(OSError):
        started(template(), port)


def test_template_with_signatures_only_has_one_url(port: int) -> None:
    servers = started(without(template(), "TokenHttp"), port)
    assert (servers.url, port_of(servers.url)) == (servers.iam_url, port)


def test_template_with_tokens_only_has_no_url_for_signatures(port: int) -> None:
    servers = started(without(template(), "Http"), port)
    assert (port_of(servers.url), servers.iam_url) == (port, None)
