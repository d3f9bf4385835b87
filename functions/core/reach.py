"""Where webhooks may go. The addresses are those of the connection itself, not of a name."""

from __future__ import annotations

import ipaddress
from typing import Literal

Reach = Literal["public", "any"]
"""public: https, to addresses of the public internet. any: plain http, loopback and private networks too, for
development."""

NAT64 = ipaddress.ip_network("64:ff9b::/96")
AWS_METADATA = ipaddress.ip_network("fd00:ec2::/32")
"""AWS's own services on instances, over IPv6; over IPv4 they are link-local."""


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that packets end at: of an IPv6 address that stands for an IPv4 one, that."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed
    if parsed in NAT64:
        return ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    teredo = parsed.teredo[1] if parsed.teredo else None
    return parsed.ipv4_mapped or parsed.sixtofour or teredo or parsed


def is_public(address: str) -> bool:
    found = plain(address)
    return found.is_global and not found.is_multicast


def may_call(address: str, reach: Reach) -> bool:
    """Link-local is where clouds keep their metadata: refused wherever we run. So is what is no host at all."""
    found = plain(address)
    if found.is_link_local or found.is_multicast or found.is_unspecified or found in AWS_METADATA:
        return False
    return reach == "any" or is_public(address)
