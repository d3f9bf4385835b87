"""The IP addresses that webhooks and HTTP requests of tasks may call. Checked are the addresses of connections."""

from __future__ import annotations

import ipaddress
from typing import Literal

Reach = Literal["public", "any", "local"]
"""public: https, to addresses of the public internet. any: plain http and private networks too. local: loopback too.
The local system uses `local` in place of `any`. A deployment never has it, because a function's loopback serves
Lambda's Runtime API."""

Place = Literal["public", "private", "loopback", "nowhere"]
"""nowhere: never called."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PLACES_IN_REACH: dict[Reach, frozenset[Place]] = {
    "public": frozenset({"public"}),
    "any": frozenset({"public", "private"}),
    "local": frozenset({"public", "private", "loopback"}),
}


def _networks(*networks: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, networks))


# These lists follow IANA's special-purpose registries (RFC 6890). `is_global` answers differently for some of these
# in different versions of Python.
_NOWHERE = _networks(
    "0.0.0.0/8",  # this host: Linux connects 0.0.0.0 to the loopback
    "169.254.0.0/16",  # link-local: metadata of clouds
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "::/128",
    "fe80::/10",  # link-local
    "fd00:ec2::/32",  # AWS's own services on instances
    "ff00::/8",  # multicast
    # Addresses that embed an IPv4 address for a translator or a tunnel. No name resolves to these forms today; the two
    # forms that names do resolve to are converted in `_plain`.
    "::/96",  # IPv4-compatible
    "::ffff:0:0:0/96",  # IPv4-translated
    "64:ff9b:1::/48",  # NAT64 with a prefix of one's own
    "2001::/32",  # Teredo
    "2002::/16",  # 6to4
    "fec0::/10",  # site-local
)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
_MAPPED, _NAT64 = _networks("::ffff:0:0/96", "64:ff9b::/96")
_PRIVATE = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
)
(_GLOBAL_UNICAST,) = _networks("2000::/3")
"""All public IPv6 addresses."""


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def place_of(address: str) -> Place:
    """`address`: IPv4 or IPv6 as text, with or without a zone. Raises ValueError."""
    plain = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if any(plain in network for network in _LOOPBACK):
        return "loopback"
    if any(plain in network for network in _NOWHERE):
        return "nowhere"
    if any(plain in network for network in _PRIVATE) or (plain.version == 6 and plain not in _GLOBAL_UNICAST):
        return "private"
    return "public"


def _plain(address: IPAddress) -> IPAddress:
    """The address that receives the packets: the IPv4 address behind an IPv6 address that stands for one."""
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def may_call(address: str, reach: Reach) -> bool:
    return place_of(address) in PLACES_IN_REACH[reach]
