"""The `taskyard` command: the SDK for people and scripts."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from taskyard.cli.arguments import build_parser, check
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.cli.output import pipes
from taskyard.errors import (
    Cause,
    Forbidden,
    InvalidEndpoint,
    NoEndpoint,
    NotFound,
    ProblemError,
    TaskyardError,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)

if TYPE_CHECKING:
    from taskyard.client import Taskyard

Connect = Callable[[str | None, str | None], "Taskyard"]


def main(argv: Sequence[str] | None = None, connect: Connect | None = None) -> int:
    """Runs one command; the exit code is documented in `taskyard --help`. connect(url, auth): for tests."""
    with pipes():
        parser = build_parser()
        try:
            args = parser.parse_args(argv)
            check(parser, args)
        except SystemExit as stop:  # argparse: 0 after --help, 2 for a usage error
            return int(stop.code or 0)
        if args.help_of is not None:
            args.help_of.print_help()
            return ExitCode.OK
        try:
            return _run(args, connect or _connect)
        except KeyboardInterrupt:
            print(file=sys.stderr)
            return ExitCode.INTERRUPTED


def _connect(url: str | None, auth: str | None) -> "Taskyard":
    from taskyard.client import Taskyard

    return Taskyard(url, auth)


def _run(args: argparse.Namespace, connect: Connect) -> int:
    from taskyard.cli.commands import COMMANDS
    from taskyard.cli.workflow import draw_file, is_file

    auth = "none"
    try:
        if is_file(args):
            return draw_file(args)
        with connect(args.url, args.auth) as yard:
            auth = yard.auth
            return COMMANDS[args.command](yard, args)
    except TaskyardError as error:
        _report(error, bool(args.json), auth)
        return exit_code_of(error)
    except ValueError as error:  # an argument that no server need be asked about
        print(f"taskyard: {error}", file=sys.stderr)
        return ExitCode.USAGE


def _report(error: TaskyardError, as_json: bool, auth: str) -> None:
    if as_json:
        document = error.fields if isinstance(error, ProblemError) else {"title": type(error).__name__}
        if not isinstance(error, ProblemError):
            document["detail"] = str(error)
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr)
        return
    print(f"taskyard: {error}", file=sys.stderr)
    hint = _hint(error, auth)
    if hint:
        print(f"  {hint}", file=sys.stderr)


_HINTS = {
    Cause.NAME: "is the host in the URL spelled right, and the network there?",
    Cause.REFUSED: "nothing listens there: are host and port right, and is it running?",
    Cause.TLS: "is it an https:// address, and its certificate one that this machine trusts (SSL_CERT_FILE)?",
    Cause.PROXY: "is the proxy right (HTTPS_PROXY)? NO_PROXY names hosts that are reached without one",
    Cause.TIMEOUT: "are host and port right, and does a firewall or a proxy stand between?",
    Cause.PROTOCOL: "what answers there is no HTTP: is the port right, and https:// or http://?",
}
_LOCAL = "is `make local` running?"


def _hint(error: TaskyardError, auth: str) -> str | None:
    """What to look at, by what went wrong; None when the error says it itself."""
    if isinstance(error, Unreachable):
        if error.cause is Cause.REFUSED and any(f"//{host}" in error.url for host in ("127.", "localhost", "[::1]")):
            return _LOCAL
        return _HINTS.get(error.cause)
    if isinstance(error, NoEndpoint) and not isinstance(error, InvalidEndpoint):
        return f"{_LOCAL} For a deployed API: --url https://… --auth iam"
    if isinstance(error, Unauthorized | Forbidden):
        if auth == "none":
            return "the deployed API wants signed requests: --auth iam, with AWS credentials that may call it"
        if auth == "iam":
            return "the credentials are valid here only with leave to call the API (execute-api:Invoke), in its region"
        return "the token may have run out, or be another API's"
    if isinstance(error, UnexpectedAnswer) or (isinstance(error, NotFound) and error.type == "about:blank"):
        return "is the URL that of the API itself, with its stage if it has one?"
    return None
