"""Runs one action for each of the given ids."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.errors import ProblemError


def for_each_id(
    args: argparse.Namespace,
    action: Callable[[str], tuple[Mapping[str, Any], str]],
    refused_fields: Mapping[str, Any] | None = None,
) -> ExitCode:
    """Handles each of `args.ids`, also after a refusal. The exit code is that of the first refusal.

    action(id): the fields of its --json entry beside the id, and the line for people. refused_fields: the fields of the
    --json entry of an id that was refused.
    """
    code, entries = ExitCode.OK, []
    for resource_id in args.ids:
        try:
            entry, line = action(resource_id)
        except ProblemError as error:
            code = code or exit_code_of(error)
            entries.append({"id": resource_id, **(refused_fields or {}), "problem": error.fields})
            if not args.json:
                print(f"{resource_id}  {error}", file=sys.stderr)
        else:
            entries.append({"id": resource_id, **entry})
            if not args.json:
                print(line)
    if args.json:
        print(json.dumps(entries, ensure_ascii=False))
    return code
