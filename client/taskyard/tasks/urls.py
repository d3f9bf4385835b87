"""Which URLs of callers may be called, and which part of a URL may be shown."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, unquote, urlsplit

MAX_URL_LENGTH = 2048
MIN_TOKEN_LENGTH = 8
"""Characters of a part of a path that may be a secret; shorter ones are words."""
HOST_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,253}(\.[A-Za-z0-9_-]{1,253}){0,126}\.?")
"""A name of the DNS has 253 characters at most."""
NETLOC_PATTERN = re.compile(rf"({HOST_PATTERN.pattern}|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
NUMBER_PATTERN = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
"""As the last part of a host: everything that resolves names reads the host as an IPv4 address then."""


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
        return "must not hold credentials: they would be kept and shown with it"
    if "#" in url:
        return "must not have a fragment: it is never sent"
    return host_problem(parts)


def host_problem(parts: SplitResult) -> str | None:
    # The whole of it, not `hostname`: urlsplit leaves out what stands around brackets.
    if not NETLOC_PATTERN.fullmatch(parts.netloc):
        return "has a host that is no name and no address"
    host = parts.hostname or ""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return "has brackets around something else than an IPv6 address"
    elif NUMBER_PATTERN.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return "must write an IPv4 address as four decimal numbers, like 192.0.2.1"
    return None


def punycode_advice(url: str) -> str:
    """How the host is to be written, where that can be told."""
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
