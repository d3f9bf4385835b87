"""Where requests may go: by the address, whatever it is written as, and on every Python alike."""

from __future__ import annotations

import pytest

from functions.core.webhooks.addresses import Place, place_of

PLACES: dict[Place, list[str]] = {
    "public": [
        "93.184.216.34",
        "8.8.8.8",
        "2606:2800:220:1:248:1893:25c8:1946",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
    "private": [
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.9",
        "fc00::1",
        "fd12:3456::1",
        "2001:db8::1",
        "2001:10::1",
        "3fff::1",
        "5f00::1",
        "100::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
    ],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
    "nowhere": [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::7f00:1",
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "2002:7f00:1::",
        "2002:0a00:0001::1",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "fec0::1",
        "febf::1",
    ],
}


@pytest.mark.parametrize(
    ("address", "place"), [(address, place) for place, addresses in PLACES.items() for address in addresses]
)
def test_an_address_is_where_its_packets_end(address: str, place: Place) -> None:
    assert place_of(address) == place
