"""A stack that declares two schedules, synthesized by a program as a user's app.py is, and held against cdk-nag."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.build.locations import ROOT

STACK = "Taskyard-declared"
# In a process of its own, as app.py is: jsii's Node is of the process.
PROGRAM = """
import sys
from infra.node import use_bundled_node
use_bundled_node()
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks
from app import ENVIRONMENTS
from infra import Taskyard

app = cdk.App(
    outdir=sys.argv[1], analytics_reporting=False, tree_metadata=False, builtin_cloud_formation_validation=True
)
yard = Taskyard(cdk.Stack(app, "Taskyard-declared"), "Default", environment="declared", **ENVIRONMENTS["dev"])
message = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}
yard.schedule("nightly", cron=sys.argv[2], timezone="Europe/Berlin", task={**message, "type": sys.argv[3]})
yard.schedule("steps", rate="1 hour", workflow={"nodes": {"only": message}}, overlap="skip")
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
"""


def run_declared(
    out: Path,
    *,
    cron: str = "0 2 * * *",
    task_type: str = "DELAYED_MESSAGE",
    environment: Mapping[str, str] = os.environ,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(out), cron, task_type],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def synthesize_declared(out: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The template."""
    ran = run_declared(out, environment=environment)
    # cdk-nag's findings, and a validation that fails, end it with another code.
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return out / f"{STACK}.template.json"
