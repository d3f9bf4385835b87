"""Checks the URLs that callers give, and removes the parts of a URL that may be secret."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, unquote, urlsplit

MAX_URL_LENGTH = 2048
MIN_TOKEN_LENGTH = 8
"""Characters of a part of a path that may be a secret. Shorter parts count as words."""
HOST_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,253}(\.[A-Za-z0-9_-]{1,253}){0,126}\.?")
"""A name of the DNS has 253 characters at most."""
NETLOC_PATTERN = re.compile(rf"({HOST_PATTERN.pattern}|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
NUMBER_PATTERN = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
"""The last part of a host. If it is a number, resolvers read the host as an IPv4 address."""


def url_problem(url: str) -> str | None:
    """What is wrong with a URL that is to be called; None when nothing is. No name is resolved."""
    if not re.fullmatch(r"[!-~]+", url):
        return f"must be ASCII without spaces: percent-encode the path, {punycode_advice(url)}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "must be an https URL with a host"
    if "@" in parts.netloc:
        return "must not hold credentials: they would be stored and shown with the URL"
    if "#" in url:
        return "must not have a fragment: it is never sent"
    return host_problem(parts)


def host_problem(parts: SplitResult) -> str | None:
    # The whole netloc, not `hostname`: urlsplit drops characters around brackets.
    if not NETLOC_PATTERN.fullmatch(parts.netloc):
        return "has a host that is neither a name nor an address"
    host = parts.hostname or ""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return "must have an IPv6 address in the brackets of its host"
    elif NUMBER_PATTERN.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return "must write an IPv4 address as four decimal numbers, like 192.0.2.1"
    return None


def punycode_advice(url: str) -> str:
    """The advice to write the host in punycode, with the encoded host if it can be encoded."""
    try:
        host = urlsplit(url).hostname or ""
        encoded = host.encode("idna").decode()
    except (ValueError, UnicodeError):
        encoded = host = ""
    if encoded == host or not HOST_PATTERN.fullmatch(encoded) or "xn--" not in encoded:
        return "write the host in punycode"
    return f"write the host in punycode: {encoded}"


def validate_url(url: str) -> str:
    """For pydantic. Raises ValueError."""
    if (problem := url_problem(url)) is not None:
        raise ValueError(problem)
    return url


def origin(url: str) -> str:
    """The part of a URL that may be shown, logged or stored: scheme, host and port. Paths and queries often hold the
    token that lets a client post."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def without_target(text: str, url: str) -> str:
    """`text`, an answer of a receiver, without the parts of the path and the query of `url` that it repeats: many
    servers answer "Cannot POST /hooks/…"."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    repeated = {target, unquote(target), parts.path, unquote(parts.path)}
    repeated |= {part for part in re.split(r"[/?&=;]", unquote(target)) if len(part) >= MIN_TOKEN_LENGTH}
    for part in sorted(repeated - {"", "/"}, key=len, reverse=True):
        text = text.replace(part, "…")
    return text
