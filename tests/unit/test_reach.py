"""Where webhooks may go."""

from __future__ import annotations

import pytest

from functions.core.reach import may_call

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1",
]
NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called_anywhere(address: str) -> None:
    assert may_call(address, "public")
    assert may_call(address, "any")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_are_called_in_development_only(address: str) -> None:
    assert not may_call(address, "public")
    assert may_call(address, "any")


@pytest.mark.parametrize("address", [*NEVER, "255.255.255.255"])
def test_metadata_and_what_is_no_host_are_called_nowhere(address: str) -> None:
    assert not may_call(address, "public")
    if address in NEVER:
        assert not may_call(address, "any")
