"""The same for each of several ids."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.errors import ProblemError


def several(
    args: argparse.Namespace,
    act: Callable[[str], tuple[Mapping[str, Any], str]],
    refused: Mapping[str, Any] | None = None,
) -> ExitCode:
    """Goes through `args.ids` whatever becomes of one; the exit code is that of the first refusal.

    act(id): what --json says of it beside the id, and the line for people. refused: what --json says of one that was.
    """
    code, entries = ExitCode.OK, []
    for one in args.ids:
        try:
            entry, line = act(one)
        except ProblemError as error:
            code = code or exit_code_of(error)
            entries.append({"id": one, **(refused or {}), "problem": error.fields})
            if not args.json:
                print(f"{one}  {error}", file=sys.stderr)
        else:
            entries.append({"id": one, **entry})
            if not args.json:
                print(line)
    if args.json:
        print(json.dumps(entries, ensure_ascii=False))
    return code
