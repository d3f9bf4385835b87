"""Server-side request forgery: URLs that would lead a deployed function to itself, to metadata or to private networks.

Each is sent by the real client, with names that resolve as `NAMES` says and numbers as the C library reads them. A
listener on the loopback, and none of these may reach it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import pytest
from taskyard.tasks.http import HttpRequest, ReceiverFailedError, ReceiverRefusedError

from functions.core.errors import InvalidRequest
from functions.core.task_types import RegisteredType
from functions.core.webhooks.addresses import Reach
from functions.http.client import Client, resolve_addresses
from functions.tasks.webhook_call import webhook_call
from tests.integration.receiver import Receiver, Reply, receiver

NAMES = {
    "localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "internal.example.com": ["10.0.0.5"],
    "loopback.example.com": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "instance-data": ["169.254.169.254"],
    "several.example.com": ["93.184.216.34", "127.0.0.1"],
    "several6.example.com": ["2606:2800:220:1:248:1893:25c8:1946", "::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "ownnat64.example.com": ["64:ff9b:1::7f00:1"],
    "compatible.example.com": ["::7f00:1"],
    "sitelocal.example.com": ["fec0::1"],
    "sixtofour.example.com": ["2002:7f00:1::1"],
    "teredo.example.com": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "any.example.com": ["0.0.0.0"],
    "any6.example.com": ["::"],
    "linklocal6.example.com": ["fe80::1%eth0"],
    "aws6.example.com": ["fd00:ec2::254"],
    "broadcast.example.com": ["255.255.255.255"],
    "multicast.example.com": ["224.0.0.1"],
}

REFUSED_WHEREVER_DEPLOYED = [
    # The loopback and its spellings; 9001 is where Lambda keeps its Runtime API.
    "{scheme}://127.0.0.1:{port}/2018-06-01/runtime/invocation/next",
    "{scheme}://127.0.0.1:9001/2018-06-01/runtime/init/error",
    "{scheme}://127.1.2.3:{port}/",
    "{scheme}://2130706433:{port}/",
    "{scheme}://0x7f000001:{port}/",
    "{scheme}://0x7f.0x0.0x0.0x1:{port}/",
    "{scheme}://0177.0.0.1:{port}/",
    "{scheme}://017700000001:{port}/",
    "{scheme}://127.1:{port}/",
    "{scheme}://127.0.1:{port}/",
    "{scheme}://127.0.0.1.:{port}/",
    "{scheme}://127.00.00.01:{port}/",
    "{scheme}://0:{port}/",
    "{scheme}://0.0.0.0:{port}/",
    "{scheme}://localhost:{port}/",
    "{scheme}://LOCALHOST:{port}/",
    "{scheme}://localhost.:{port}/",
    "{scheme}://localhost.localdomain:{port}/",
    "{scheme}://loopback.example.com:{port}/",
    "{scheme}://several.example.com:{port}/",
    "{scheme}://several6.example.com:{port}/",
    # IPv6, and what hides an IPv4 address in it.
    "{scheme}://[::1]:{port}/",
    "{scheme}://[0:0:0:0:0:0:0:1]:{port}/",
    "{scheme}://[::]:{port}/",
    "{scheme}://[::ffff:127.0.0.1]:{port}/",
    "{scheme}://[::ffff:7f00:1]:{port}/",
    "{scheme}://[::127.0.0.1]:{port}/",
    "{scheme}://[64:ff9b::7f00:1]:{port}/",
    "{scheme}://[64:ff9b:1::7f00:1]:{port}/",
    "{scheme}://[2002:7f00:1::1]:{port}/",
    "{scheme}://[fec0::1]:{port}/",
    "{scheme}://[fe80::1%25lo]:{port}/",
    "{scheme}://mapped.example.com:{port}/",
    "{scheme}://nat64.example.com:{port}/",
    "{scheme}://ownnat64.example.com:{port}/",
    "{scheme}://compatible.example.com:{port}/",
    "{scheme}://sitelocal.example.com:{port}/",
    "{scheme}://sixtofour.example.com:{port}/",
    "{scheme}://teredo.example.com:{port}/",
    "{scheme}://any.example.com:{port}/",
    "{scheme}://any6.example.com:{port}/",
    # Metadata.
    "{scheme}://169.254.169.254/latest/meta-data/",
    "{scheme}://169.254.170.2/v2/credentials",
    "{scheme}://2852039166/",
    "{scheme}://0xa9fea9fe/",
    "{scheme}://[::ffff:169.254.169.254]/",
    "{scheme}://[fd00:ec2::254]/",
    "{scheme}://metadata.google.internal/",
    "{scheme}://instance-data/latest/",
    "{scheme}://aws6.example.com/",
    "{scheme}://linklocal6.example.com/",
    "{scheme}://broadcast.example.com/",
    "{scheme}://multicast.example.com/",
    # Hosts that one reader of URLs takes for another than the next one does.
    "{scheme}://example.com@127.0.0.1:{port}/",
    "{scheme}://127.0.0.1:{port}@example.com/",
    "{scheme}://example.com:80@127.0.0.1:{port}/",
    "{scheme}://127.0.0.1:{port}#@example.com/",
    "{scheme}://example.com\\@127.0.0.1:{port}/",
    "{scheme}://127.0.0.1:{port}\\@example.com/",
    "{scheme}://example.com%2f@127.0.0.1:{port}/",
    "{scheme}://127.0.0.1%00.example.com:{port}/",
    "{scheme}://[::1].example.com:{port}/",
    "{scheme}://１２７.０.０.１:{port}/",
    "{scheme}://①②⑦.⓪.⓪.①:{port}/",
    "{scheme}://127。0。0。1:{port}/",
    "{scheme}://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "{scheme}://localhost\t:{port}/",
    " {scheme}://127.0.0.1:{port}/",
    "{scheme}:127.0.0.1:{port}/",
    "{scheme}:///127.0.0.1:{port}/",
    # Other schemes.
    "file:///proc/self/environ",
    "gopher://127.0.0.1:{port}/_POST",
    "ftp://127.0.0.1:{port}/",
    "unix:///var/run/docker.sock",
    "data:text/plain,x",
]
REFUSED_OUTSIDE_DEVELOPMENT = [
    "{scheme}://10.0.0.1:{port}/",
    "{scheme}://172.16.0.1/",
    "{scheme}://192.168.0.1/",
    "{scheme}://100.64.0.1/",
    "{scheme}://192.0.0.192/opc/v1/instance/",
    "{scheme}://[fc00::1]/",
    "{scheme}://[64:ff9b::10.0.0.1]/",
    "{scheme}://[::ffff:10.0.0.1]/",
    "{scheme}://internal.example.com/",
]


@pytest.fixture
def listener() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


def resolve(host: str, port: int) -> Sequence[str]:
    return NAMES.get(host.lower()) or resolve_addresses(host, port)


def refused(url: str, reach: Reach, listener: Receiver, **fields: int) -> str:
    """Sends it; why it was not sent."""
    request = HttpRequest(method="POST", url=url, body=b"{}", **fields)
    with pytest.raises((ReceiverRefusedError, ReceiverFailedError)) as error:
        Client(reach, resolve).send(request, seconds=2)
    # Tried again in vain for a day is no refusal: only a name that cannot be read as one is not known to be wrong.
    assert isinstance(error.value, ReceiverRefusedError), error.value
    return str(error.value)


def test_the_list_is_long() -> None:
    assert len({*REFUSED_WHEREVER_DEPLOYED, *REFUSED_OUTSIDE_DEVELOPMENT}) >= 80


@pytest.mark.parametrize("reach", ["public", "any"])
@pytest.mark.parametrize("url", REFUSED_WHEREVER_DEPLOYED)
def test_no_deployed_function_calls_itself_or_metadata(url: str, reach: Reach, listener: Receiver) -> None:
    port = listener.url.rpartition(":")[2]
    refused(url.format(scheme="https", port=port), reach, listener)
    refused(url.format(scheme="http", port=port), reach, listener)
    assert listener.got == []


@pytest.mark.parametrize("url", REFUSED_OUTSIDE_DEVELOPMENT)
def test_outside_development_no_private_network_is_called(url: str, listener: Receiver) -> None:
    assert "calls nobody" in refused(url.format(scheme="https", port=443), "public", listener)


@pytest.mark.parametrize("url", ["http://93.184.216.34/", "http://example.com/"])
def test_outside_development_only_https_is_called(url: str, listener: Receiver) -> None:
    assert "https" in refused(url, "public", listener)


@pytest.mark.parametrize("url", [url for url in REFUSED_WHEREVER_DEPLOYED if "169.254" in url or "a9fe" in url])
def test_metadata_is_called_from_nowhere(url: str, listener: Receiver) -> None:
    refused(url.format(scheme="http", port=80), "local", listener)


@pytest.mark.parametrize("url", REFUSED_WHEREVER_DEPLOYED + REFUSED_OUTSIDE_DEVELOPMENT)
def test_a_redirect_leads_no_further_than_a_first_address(url: str) -> None:
    """From a receiver that may be called; where the target is nothing to call, the redirect is the answer."""
    with receiver() as inside, receiver(Reply(307)) as outside:
        port = inside.url.rpartition(":")[2]
        target = url.format(scheme="http", port=port).encode("ascii", "xmlcharrefreplace").decode()
        outside.replies[0].headers["Location"] = target
        first = {"first.example.com": "127.0.0.1"}
        asked: list[str] = []

        def once(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return [first[host]] if host in first else resolve(host, port)

        here = Client("any", once)
        start = outside.url.replace("127.0.0.1", "first.example.com")
        with pytest.MonkeyPatch.context() as patch:
            # The outside is on the loopback in this test, and may be called for that one connection.
            patch.setattr(
                "functions.http.client.may_call",
                lambda address, reach: len(asked) == 1 or allowed(address),
            )
            request = HttpRequest(method="POST", url=start, body=b"{}", redirects=3)
            try:
                answer = here.send(request, seconds=2)
            except ReceiverRefusedError:
                assert len(asked) == 2
            else:
                assert answer.status == 307
                assert len(asked) == 1
    assert inside.got == []
    assert len(outside.got) == 1


def allowed(address: str) -> bool:
    from functions.core.webhooks.addresses import may_call

    return may_call(address, "public")


@pytest.mark.parametrize("url", REFUSED_WHEREVER_DEPLOYED)
def test_what_is_no_url_to_call_is_refused_at_submit(url: str) -> None:
    """By the same rule as `notify`. What remains is a proper URL, and is looked at when it is called."""
    from taskyard.tasks.urls import url_problem

    given = url.format(scheme="https", port=8080)
    declaration = webhook_call.__task_type__  # type: ignore[attr-defined]
    kind = RegisteredType.of(declaration, module=webhook_call.__module__, attribute="webhook_call")
    problem = url_problem(given)
    if problem is None:
        kind.parse({"url": given})
        return
    with pytest.raises(InvalidRequest) as error:
        kind.parse({"url": given})
    [found] = error.value.errors
    assert (found.field, found.message) == ("payload.url", problem)


def test_the_c_library_reads_numbers_as_the_list_expects() -> None:
    assert {entry[4][0] for entry in socket.getaddrinfo("0x7f.1", 80, type=socket.SOCK_STREAM)} == {"127.0.0.1"}
