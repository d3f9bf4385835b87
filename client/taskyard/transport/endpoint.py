"""The URL of the API and the credentials for it: from arguments, the environment, or the file of a local system."""

import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from taskyard.errors import InvalidEndpoint, NoEndpoint
from taskyard.transport.authentication import AsyncAuth, is_aws
from taskyard.transport.signing import KeyPair

ENDPOINT_FILE = Path(".local") / "endpoint.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """url: without a trailing slash. auth: None, "iam", a bearer token (never part of the repr), a token provider, or
    AWS credentials. source: where the URL was found."""

    url: str
    auth: AsyncAuth | None
    source: str

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, auth={self.auth_kind!r}, source={self.source!r})"

    @property
    def auth_kind(self) -> str:
        """none, iam or bearer."""
        if self.auth is None:
            return "none"
        return "iam" if self.auth == "iam" or is_aws(self.auth) else "bearer"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def find_endpoint(
    url: str | None,
    auth: AsyncAuth | None,
    environ: Mapping[str, str],
    start: Path,
    default_auth: Callable[[str], AsyncAuth | None] = lambda url: None,
) -> Endpoint:
    """The URL from the argument, else TASKYARD_URL, else `.local/endpoint.json` (which a running local system writes)
    in `start` or the nearest folder above it. Raises NoEndpoint when there is none, InvalidEndpoint for an unsafe one.

    auth: the argument ("none" for none), else TASKYARD_AUTH ("none", "iam" or a token), else TASKYARD_TOKEN, else
    `default_auth` of the URL. Another user may have written a file in a folder above: its URL must be on this machine,
    and it gets the token in the file, or signatures by the keys in it, never credentials of the environment.
    """
    if url or environ.get("TASKYARD_URL"):
        source_url, source = (url, "argument") if url else (environ["TASKYARD_URL"], "TASKYARD_URL")
        chosen_auth = auth or environ.get("TASKYARD_AUTH") or environ.get("TASKYARD_TOKEN")
        chosen_auth = chosen_auth or default_auth(normal_url(source_url))
    else:
        file = _endpoint_file(start)
        document = _read_endpoint_file(file)
        source_url, token = document["url"], document["token"]
        source = str(file)
        chosen_auth = auth or token or _local_keys(document)
    endpoint = Endpoint(normal_url(source_url), None if chosen_auth == "none" else chosen_auth, source)
    _check_url(endpoint)
    if source not in ("argument", "TASKYARD_URL") and not endpoint.is_loopback:
        raise InvalidEndpoint(f"{source} names {endpoint.host}, which is not this machine: pass the URL yourself")
    return endpoint


def _local_keys(document: Mapping[str, Any]) -> KeyPair | None:
    """Of a local system whose only API takes signatures."""
    aws = document.get("aws")
    if document["url"] != document.get("iamUrl") or not isinstance(aws, dict):
        return None
    return KeyPair(str(aws["accessKeyId"]), str(aws["secretAccessKey"]), str(aws["region"]))


def normal_url(url: str) -> str:
    """Without a slash at its end."""
    return url.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """host: without brackets. A name other than localhost is not loopback, whatever it resolves to."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_url(endpoint: Endpoint) -> None:
    where = f"{endpoint.url!r} ({endpoint.source})"
    if not endpoint.url.lower().startswith(("http://", "https://")):
        raise InvalidEndpoint(f"{where} is not an http:// or https:// URL")
    try:
        parts = urlsplit(endpoint.url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise InvalidEndpoint(f"{where} is not a URL: {error}") from error
    # Characters that URL parsers interpret differently are refused: the host checked here must be the host called.
    plain = all(character.isprintable() and character not in " \\?#@" for character in endpoint.url)
    if not usable or not plain:
        raise InvalidEndpoint(f"{where} is not the URL of an API: give scheme, host, port and path, and nothing else")
    if endpoint.auth is not None and parts.scheme.lower() != "https" and not endpoint.is_loopback:
        what = "a signature" if endpoint.auth_kind == "iam" else "a token"
        raise InvalidEndpoint(f"{where} would get {what} unencrypted: use https://, or auth none")


def _endpoint_file(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / ENDPOINT_FILE).is_file():
            return folder / ENDPOINT_FILE
    raise NoEndpoint(
        f"no URL: pass one, set TASKYARD_URL, or start the local system here (no {ENDPOINT_FILE} in {start} or above)"
    )


def local_document(start: Path) -> tuple[Path, Mapping[str, Any]]:
    """The endpoint file of a local system, in `start` or the nearest folder above it, and what it says. Raises
    NoEndpoint, InvalidEndpoint."""
    file = _endpoint_file(start)
    return file, _read_endpoint_file(file)


def _read_endpoint_file(file: Path) -> Mapping[str, Any]:
    """Has `url`, a text, and may have `token`. Raises InvalidEndpoint for a file that another user may have written."""
    try:
        with file.open(encoding="utf-8") as opened:
            status = os.fstat(opened.fileno())
            # Windows has neither.
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
                raise InvalidEndpoint(f"{file} is not used: it belongs to, or can be written by, another user")
            document = json.load(opened)
        token = document.get("token")
        return {**document, "url": str(document["url"]), "token": None if token is None else str(token)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidEndpoint(
            f"{file} cannot be read ({error}): a local system that was killed may have left it"
        ) from error
