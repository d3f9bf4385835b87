"""The `taskyard` command, for people and scripts."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from taskyard.cli.arguments import build_parser, check_arguments
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.cli.output import closable_outputs
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

Connect = Callable[[str | None, str | None, str | None], "Taskyard"]


def main(argv: Sequence[str] | None = None, connect: Connect | None = None) -> int:
    """Runs one command; `taskyard --help` documents the exit codes. connect(url, auth, tenant): for tests."""
    with closable_outputs():
        parser = build_parser()
        try:
            args = parser.parse_args(argv)
            check_arguments(parser, args)
        except SystemExit as exit:  # argparse: 0 after --help, 2 for a usage error
            return int(exit.code or 0)
        if args.help_parser is not None:
            args.help_parser.print_help()
            return ExitCode.OK
        try:
            return _run(args, connect or _connect)
        except KeyboardInterrupt:
            print(file=sys.stderr)
            return ExitCode.INTERRUPTED


def _connect(url: str | None, auth: str | None, tenant: str | None) -> "Taskyard":
    from taskyard.client import Taskyard

    return Taskyard(url, auth, tenant=tenant)


def _run(args: argparse.Namespace, connect: Connect) -> int:
    from taskyard.cli.commands import COMMANDS
    from taskyard.cli.login import LOGIN_COMMANDS
    from taskyard.cli.token import token
    from taskyard.cli.workflow import draw_file, draws_file

    auth = "none"
    try:
        if draws_file(args):
            return draw_file(args)
        if args.command == "init":
            from taskyard.cli.init import init

            return init(args)
        if args.command == "dev":
            from taskyard.cli.dev import dev

            dev(args)
        if args.command in LOGIN_COMMANDS:
            return LOGIN_COMMANDS[args.command](args)
        if args.command == "token":
            return token(args)
        with connect(args.url, args.auth, args.tenant or os.environ.get("TASKYARD_TENANT")) as yard:
            auth = yard.auth
            return COMMANDS[args.command](yard, args)
    except TaskyardError as error:
        _report(error, bool(args.json), auth)
        return exit_code_of(error)
    except ValueError as error:  # an argument that is invalid without asking the API
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
    Cause.NAME: "is the host in the URL correct, and the network up?",
    Cause.REFUSED: "nothing listens at that address: are host and port correct, and is it running?",
    Cause.TLS: "is it an https:// address, and does this machine trust its certificate (SSL_CERT_FILE)?",
    Cause.PROXY: "is the proxy correct (HTTPS_PROXY)? NO_PROXY lists hosts that are reached without a proxy",
    Cause.TIMEOUT: "are host and port correct, and does a firewall or a proxy block the way?",
    Cause.PROTOCOL: "the answer is not HTTP: is the port correct, and https:// or http://?",
}
_LOCAL = "is `make local` running?"


def _hint(error: TaskyardError, auth: str) -> str | None:
    """Advice for the error; None when its message is enough."""
    if isinstance(error, Unreachable):
        if error.cause is Cause.REFUSED and any(f"//{host}" in error.url for host in ("127.", "localhost", "[::1]")):
            return _LOCAL
        return _HINTS.get(error.cause)
    if isinstance(error, NoEndpoint) and not isinstance(error, InvalidEndpoint):
        return f"{_LOCAL} For a deployed API: --url https://…, and taskyard login or --auth iam"
    if isinstance(error, Unauthorized | Forbidden) and not error.slug:
        if auth == "none":
            return "the API requires an identity: taskyard login, --auth iam with AWS credentials, or --auth TOKEN"
        if auth == "iam":
            return "the credentials need permission to call the API (execute-api:Invoke), and the region of the API"
        return "the token may have expired, or belong to another API"
    if isinstance(error, UnexpectedAnswer) or (isinstance(error, NotFound) and error.type == "about:blank"):
        return "is it the URL of the API itself, with its stage if it has one?"
    return None
