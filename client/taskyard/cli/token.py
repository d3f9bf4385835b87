"""`taskyard token`: a token of the local system, for any role and tenant. It asks the running system."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taskyard.cli.exit_codes import ExitCode
from taskyard.errors import Cause, NoEndpoint, UnexpectedAnswer, Unreachable
from taskyard.transport.endpoint import find_endpoint, local_document

TIMEOUT_SECONDS = 10.0


def token(args: argparse.Namespace, start: Path | None = None) -> ExitCode:
    """`start`: the folder in which, or above which, the endpoint file stands; None for the current one. Raises
    NoEndpoint, Unreachable, UnexpectedAnswer; ValueError for a request that the system refuses."""
    request = {"role": args.role, "tenant": args.tenant, "ttl": args.ttl}
    made = _request_token(start or Path.cwd(), {name: value for name, value in request.items() if value is not None})
    print(json.dumps(made) if args.json else made["token"])
    return ExitCode.OK


def _request_token(start: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    import httpx

    file, document = local_document(start)
    url = find_endpoint(None, "none", {}, start).url
    if not document.get("tokenSecret"):
        raise NoEndpoint(f"the local system of {file} has no API that takes tokens")
    try:
        answer = httpx.post(
            f"{url}/_local/token",
            json=request,
            headers={"authorization": f"Bearer {document['tokenSecret']}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
    except httpx.ConnectError as error:
        raise Unreachable(url, f"nothing answers at the URL in {file}", Cause.REFUSED) from error
    except httpx.HTTPError as error:
        raise Unreachable(url, str(error) or type(error).__name__, Cause.PROTOCOL) from error
    try:
        made = answer.json()
        if answer.status_code == 400:
            raise ValueError(str(made["message"]))
        if answer.status_code == 200 and isinstance(made["token"], str):
            return dict(made)
    except (json.JSONDecodeError, KeyError, TypeError):
        pass
    raise UnexpectedAnswer(answer.status_code, f"{url}/_local/token")
