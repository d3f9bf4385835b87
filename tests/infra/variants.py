"""Stacks of configurations that no environment has, synthesized by a program, held against cdk-nag."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.build.locations import ROOT
from tests.infra.template import Template

# In a process of its own, as app.py is: jsii's Node is of the process.
PROGRAM = """
import sys
from infra.node import use_bundled_node
use_bundled_node()
import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks
from app import ENVIRONMENTS
from infra import Iam, Jwt, Taskyard

app = cdk.App(
    outdir=sys.argv[1], analytics_reporting=False, tree_metadata=False, builtin_cloud_formation_validation=True
)
jwt = Jwt(
    issuer="https://acme.eu.auth0.com/",
    audience=("taskyard", "orders"),
    tenant_claim="tenant",
    scopes=("taskyard/viewer", "taskyard/admin"),
)
variants = {
    "tokens": {"auth": [jwt], "cors_origins": ["https://yard.example.com"]},
    "signed": {"auth": [Iam(tenant_from="principal")], "route_throttles": []},
}
for name, props in variants.items():
    stack = cdk.Stack(app, f"Taskyard-{name}")
    Taskyard(stack, "Default", environment=name, **{**ENVIRONMENTS["dev"], **props})
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
"""


def synthesize_variants(out: Path, offline: Mapping[str, str]) -> dict[str, Template]:
    """`tokens`: only the JWT API, of an issuer elsewhere, with scopes and CORS. `signed`: only the IAM API, without
    limits of single routes."""
    command = [sys.executable, "-c", PROGRAM, str(out)]
    environment = {**offline, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    # cdk-nag's findings, and a validation that fails, end it with another code.
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return {
        name: Template(body=json.loads((out / f"Taskyard-{name}.template.json").read_text()), out=out, environment=name)
        for name in ("tokens", "signed")
    }
