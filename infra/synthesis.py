"""The commands of this repository: each environment of an app to a template on disk, and not again while nothing
changed.

aws_cdk is imported inside: it takes seconds and a Node process, and an unchanged template needs neither.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .build.assets import digest_of, file_lock, read_below
from .build.bytecode import Compiler, find_compiler
from .build.code_assets import code_digest, function_sources
from .build.layers import layer_digest
from .build.locations import APP, CONSTRUCT, LOCK_FILE
from .build.requirements import RequirementsError
from .config import DeploymentError
from .node import use_bundled_node

if TYPE_CHECKING:
    import aws_cdk as cdk

Build = Callable[["cdk.App", str], None]
"""Adds the stack of an environment, named by the second argument, to the app."""


def synthesize(
    build: Build, environment: str, out: Path, *, stack: str, force: bool = False, check: bool = False
) -> Path:
    """Write the assembly of one environment to `out` and return the path of the template of `stack`.

    Skipped when `out` holds the template of the same sources. `force` writes it anyway; `check` also holds it against
    cdk-nag and CDK's own validation, and raises when they find what is not acknowledged. Two calls at once for the
    same `out` wait for each other. Raises DeploymentError (the configuration or a task file is wrong),
    MissingWheelError, RequirementsError.
    """
    out = out.resolve()
    template = out / f"{stack}.template.json"
    stamp = template.with_name(f".{template.stem}.digest")
    digest = _digest(environment, find_compiler())
    with file_lock(out / ".synth.lock"):
        current = stamp.exists() and template.exists() and stamp.read_text() == digest
        if current and not (force or check):
            return template
        started = time.monotonic()
        # First: a synth that dies leaves no stamp, and the next one writes everything again.
        stamp.unlink(missing_ok=True)
        _write(build, environment, out, check=check)
        stamp.write_text(digest)
        print(f"synthesized {environment} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    return template


class UnknownEnvironmentError(DeploymentError):
    """No such environment. `name`: what was asked for; `known`: what there is."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"no environment {name!r}: known are {', '.join(self.known)} (app.py)")


def failure(environment: str, error: Exception) -> str:
    """One line: which environment, where in our own code, what. Errors of the CDK have messages of several lines, at
    the end of a traceback of a hundred, most of it jsii's."""
    what = " ".join(str(error).split())
    ours = [
        f"{path.relative_to(APP)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(APP) and ".venv" not in path.relative_to(APP).parts
    ]
    at = f" at {ours[-1]}" if ours else ""
    return f"synthesis of {environment} failed{at}: {type(error).__name__}: {what}"


def _digest(environment: str, compiler: Compiler | None) -> str:
    sources = read_below(CONSTRUCT)
    for name in ("app.py", "cdk.json", "requirements/dev.txt"):
        if (APP / name).exists():
            sources[name] = (APP / name).read_bytes()
    lock = LOCK_FILE.read_bytes()
    code = code_digest(function_sources(), lock, compiler)
    return digest_of(sources, salt=(environment, code, layer_digest(lock, compiler)))


def _write(build: Build, environment: str, out: Path, *, check: bool) -> None:
    use_bundled_node()
    # aws_cdk is 100 MB of source: uncompiled, each synth would compile it anew.
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        import aws_cdk as cdk

        from .taskyard import Taskyard
    finally:
        sys.dont_write_bytecode = kept

    app = cdk.App(
        outdir=str(out),
        builtin_cloud_formation_validation=check,
        # Files that only the CDK's own tools read, and a call home.
        analytics_reporting=False,
        performance_reporting=False,
        stack_traces=False,
        tree_metadata=False,
    )
    build(app, environment)
    if check:
        from cdk_nag import AwsSolutionsChecks

        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    # Before the synthesis does it, where an exception would be a text among those of the CDK.
    for construct in app.node.find_all():
        if isinstance(construct, Taskyard):
            construct.deliver()
    # Not before: what is wrong with a task file is the first line.
    print(f"synthesizing {environment} ...", file=sys.stderr, flush=True)
    app.synth()


def run(
    build: Build,
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    environments: Collection[str],
    stack_name: Callable[[str], str],
) -> int:
    """Synthesize one environment, as the command line or the CDK CLI asks. Prints the template's path and returns the
    exit code; 2: what is to be deployed is wrong; stderr has the faults."""
    by_cli = "CDK_OUTDIR" in environ
    parser = argparse.ArgumentParser(description="Synthesize one environment.")
    parser.add_argument("--env", default=_context(environ).get("env", "dev"), help=", ".join(sorted(environments)))
    parser.add_argument("--out", type=Path, default=Path(environ.get("CDK_OUTDIR", "cdk.out")), help="(cdk.out)")
    parser.add_argument("--force", action="store_true", help="also when nothing changed")
    parser.add_argument("--check", action="store_true", help="check the stack with cdk-nag and CDK's validation")
    arguments = parser.parse_args(argv)
    name = arguments.env
    try:
        if name not in environments:
            raise UnknownEnvironmentError(name, environments)
        # The CLI reads the manifest, which describes the environment written last: so always write it for the CLI.
        force = arguments.force or by_cli
        template = synthesize(build, name, arguments.out, stack=stack_name(name), force=force, check=arguments.check)
    except DeploymentError as error:
        print(error, file=sys.stderr)
        return 2
    except RequirementsError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        print(failure(name, error), file=sys.stderr)
        print(f"\n{''.join(traceback.format_exception(error))}", file=sys.stderr)
        return 1
    if not by_cli:
        print(template)
    return 0


def _context(environ: Mapping[str, str]) -> dict[str, str]:
    """The context of the CDK CLI's `-c`: in a variable, or, when it is long, in a file that a variable names."""
    overflow = environ.get("CONTEXT_OVERFLOW_LOCATION_ENV")
    context: dict[str, str] = json.loads(environ.get("CDK_CONTEXT_JSON") or "{}")
    return {**(json.loads(Path(overflow).read_text()) if overflow else {}), **context}
