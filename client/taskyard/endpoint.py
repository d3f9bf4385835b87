"""Where the API is, and how a caller shows who it is. Pure but for reading one small file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskyard.errors import NoEndpoint

ENDPOINT_FILE = Path(".local") / "endpoint.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """url: without a trailing slash. auth: None, "iam", or a bearer token (never shown in a repr)."""

    url: str
    auth: str | None
    found_in: str

    def __repr__(self) -> str:
        shown = self.auth if self.auth in (None, "iam") else "bearer"
        return f"Endpoint(url={self.url!r}, auth={shown!r}, found_in={self.found_in!r})"


def find_endpoint(url: str | None, auth: str | None, environ: Mapping[str, str], start: Path) -> Endpoint:
    """The URL from the argument, else TASKYARD_URL, else `.local/endpoint.json` (which a running local system writes)
    in `start` or the nearest folder above it. NoEndpoint when there is none.

    auth: the argument ("none" for none), else TASKYARD_TOKEN, else the token in the endpoint file, but that one only
    when the URL came from there: it is not sent to another server.
    """
    token: str | None = None
    if url:
        found, found_in = url, "argument"
    elif environ.get("TASKYARD_URL"):
        found, found_in = environ["TASKYARD_URL"], "TASKYARD_URL"
    else:
        file = _endpoint_file(start)
        found, token = _read(file)
        found_in = str(file)
    if not found.startswith(("http://", "https://")):
        raise NoEndpoint(f"{found!r} ({found_in}) is no http:// or https:// URL")
    chosen = auth or environ.get("TASKYARD_TOKEN") or token
    return Endpoint(found.rstrip("/"), None if chosen == "none" else chosen, found_in)


def _endpoint_file(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / ENDPOINT_FILE).is_file():
            return folder / ENDPOINT_FILE
    raise NoEndpoint(
        f"no URL: pass one, set TASKYARD_URL, or start the local system here (no {ENDPOINT_FILE} in {start} or above)"
    )


def _read(file: Path) -> tuple[str, str | None]:
    try:
        document = json.loads(file.read_text())
        return str(document["url"]), document.get("token")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoEndpoint(f"{file} can't be read ({error}): a local system that was killed may have left it") from error
