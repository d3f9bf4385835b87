"""Synthesize one environment.

By hand: `python app.py --env prod [--out DIR]`. As the CDK CLI runs it: `cdk deploy -c env=prod`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.build.requirements import RequirementsError
from infra.config import CONFIGS, DeploymentError
from infra.synthesis import failure, synthesize


def _context(environ: Mapping[str, str]) -> dict[str, str]:
    """The context of the CDK CLI's `-c`: in a variable, or, when it is long, in a file that a variable names."""
    overflow = environ.get("CONTEXT_OVERFLOW_LOCATION_ENV")
    context: dict[str, str] = json.loads(environ.get("CDK_CONTEXT_JSON") or "{}")
    return {**(json.loads(Path(overflow).read_text()) if overflow else {}), **context}


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Print the template's path and return the exit code; 2: what is to be deployed is wrong; stderr has the faults."""
    by_cli = "CDK_OUTDIR" in environ
    parser = argparse.ArgumentParser(description="Synthesize one environment.")
    parser.add_argument("--env", default=_context(environ).get("env", "dev"), help=", ".join(sorted(CONFIGS)))
    parser.add_argument("--out", type=Path, default=Path(environ.get("CDK_OUTDIR", "cdk.out")), help="(cdk.out)")
    parser.add_argument("--force", action="store_true", help="also when nothing changed")
    parser.add_argument("--check", action="store_true", help="check the stack with cdk-nag and CDK's validation")
    arguments = parser.parse_args(argv)
    try:
        # The CLI reads the manifest, which describes the environment written last: so always write it for the CLI.
        template = synthesize(arguments.env, arguments.out, force=arguments.force or by_cli, check=arguments.check)
    except DeploymentError as error:
        print(error, file=sys.stderr)
        return 2
    except RequirementsError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        print(failure(arguments.env, error), file=sys.stderr)
        print(f"\n{''.join(traceback.format_exception(error))}", file=sys.stderr)
        return 1
    if not by_cli:
        print(template)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
