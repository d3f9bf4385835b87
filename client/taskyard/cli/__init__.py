"""The `taskyard` command: the SDK for people and scripts."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from taskyard.cli.arguments import build_parser, check
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.errors import Forbidden, NoEndpoint, ProblemError, TaskyardError, Unauthorized, Unreachable

if TYPE_CHECKING:
    from taskyard.client import Taskyard

Connect = Callable[[str | None, str | None], "Taskyard"]


def main(argv: Sequence[str] | None = None, connect: Connect | None = None) -> int:
    """Runs one command; the exit code is documented in `taskyard --help`. connect(url, auth): for tests."""
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
        check(parser, args)
    except SystemExit as stop:  # argparse: 0 after --help, 2 for a usage error
        return int(stop.code or 0)
    try:
        return _run(args, connect or _connect)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`taskyard list | head`). stdout is put aside so that its flush at exit is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _connect(url: str | None, auth: str | None) -> "Taskyard":
    from taskyard.client import Taskyard

    return Taskyard(url, auth)


def _run(args: argparse.Namespace, connect: Connect) -> int:
    from taskyard.cli.commands import COMMANDS
    from taskyard.cli.workflow import draw_file, is_file

    try:
        if is_file(args):
            return draw_file(args)
        with connect(args.url, args.auth) as yard:
            return COMMANDS[args.command](yard, args)
    except TaskyardError as error:
        _report(error, bool(args.json))
        return exit_code_of(error)
    except ValueError as error:  # an argument that no server need be asked about
        print(f"taskyard: {error}", file=sys.stderr)
        return ExitCode.USAGE


def _report(error: TaskyardError, as_json: bool) -> None:
    if as_json:
        document = error.fields if isinstance(error, ProblemError) else {"title": type(error).__name__}
        if not isinstance(error, ProblemError):
            document["detail"] = str(error)
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr)
        return
    print(f"taskyard: {error}", file=sys.stderr)
    hint = _hint(error)
    if hint:
        print(f"  {hint}", file=sys.stderr)


def _hint(error: TaskyardError) -> str | None:
    if isinstance(error, Unreachable) and any(host in error.url for host in ("//127.0.0.1", "//localhost", "//[::1]")):
        return "is `make local` running?"
    if isinstance(error, NoEndpoint):
        return "is `make local` running? For a deployed API: --url https://… --auth iam"
    if isinstance(error, Unauthorized | Forbidden):
        return "the deployed API wants signed requests: --auth iam, with AWS credentials that may call it"
    return None
