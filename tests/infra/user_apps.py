"""Stacks of an app that uses the construct like anybody else, in a folder of its own, held against cdk-nag."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.build.locations import ROOT
from tests.infra.template import Template

TASK = """
from pydantic import BaseModel
from taskyard.tasks import task

class Payload(BaseModel):
    pass

@task("{name}")
def run(ctx, payload: Payload) -> dict:
    return {{}}
"""
PACKAGES = ("tasks", "images", "reports", "partner", *(f"p{number}" for number in range(1, 13)))
# In a process of its own, as an app is: jsii's Node is of the process.
PROGRAM = """
import sys
from infra.node import use_bundled_node
use_bundled_node()
import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_iam as iam, aws_kms as kms, aws_s3 as s3, aws_sns as sns
from cdk_nag import AwsSolutionsChecks
from infra import Cognito, Iam, Taskyard
from infra.acknowledgements import acknowledge

app = cdk.App(
    outdir=sys.argv[1], analytics_reporting=False, tree_metadata=False, builtin_cloud_formation_validation=True
)

shop = cdk.Stack(app, "Shop")
bucket = s3.Bucket(shop, "Pictures", enforce_ssl=True)
vpc = ec2.Vpc(shop, "Vpc", max_azs=2, nat_gateways=0, subnet_configuration=[
    ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
])
yard = Taskyard(
    shop,
    "Tasks",
    environment="prod",
    tasks="orders.tasks",
    auth=[Iam()],
    encryption_key=kms.Key(shop, "Key", enable_key_rotation=True),
    permissions_boundary=iam.ManagedPolicy.from_managed_policy_name(shop, "Boundary", "developer"),
    tags={"team": "orders"},
    alarm_topic=sns.Topic.from_topic_arn(shop, "Alarms", cdk.Fn.import_value("Alarms")),
    log_retention_days=1,
    dashboard=False,
    account="111122223333",
    region="eu-central-1",
)
images = yard.pool(
    "images", tasks="orders.images", memory=3008, timeout=cdk.Duration.minutes(10), max_running=20, lanes=3,
    environment={"BUCKET": bucket.bucket_name}, ephemeral_storage=cdk.Size.gibibytes(2),
)
bucket.grant_read_write(images)
iam.Grant.add_to_principal(grantee=yard, actions=["s3:GetBucketLocation"], resource_arns=[bucket.bucket_arn])
yard.pool("reports", tasks="orders.reports", vpc=vpc, private_endpoints=True).connections
yard.pool("partner", tasks="orders.partner", max_running=1, timeout=900)
web = iam.Role(shop, "Web", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
yard.grant_submit(web)
# What the grants of the app's own resources say is for the app to accept.
acknowledge(bucket, {"AwsSolutions-S1": "A test."})
acknowledge(vpc, {"AwsSolutions-VPC7": "A test."})
for action in ("Abort*", "DeleteObject*", "GetBucket*", "GetObject*", "List*"):
    acknowledge(images.role, {f"AwsSolutions-IAM5[Action::s3:{action}]": "A test."})
objects = f"<{shop.get_logical_id(bucket.node.default_child)}.Arn>/*"
acknowledge(images.role, {f"AwsSolutions-IAM5[Resource::{objects}]": "A test."})

twins = cdk.Stack(app, "Twins")
for id in ("First", "Second"):
    each = Taskyard(twins, id, environment=id.lower(), auth=[Iam(), Cognito()], customer_key=True)
    each.pool("images", tasks="orders.images")

many = cdk.Stack(app, "Taskyard-prod")
yard = Taskyard(many, "Default", environment="prod", auth=[Iam(), Cognito()], customer_key=True, tasks="orders.tasks")
for number in range(1, 13):
    yard.pool(f"pool-{number}", tasks=f"orders.p{number}")

cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
"""
STACKS = ("Shop", "Twins", "Taskyard-prod")


def write_packages(folder: Path) -> None:
    for name in PACKAGES:
        package = folder / "orders" / name
        package.mkdir(parents=True)
        (package / "run.py").write_text(TASK.format(name=f"RUN_{name.upper()}"))
        (package / "__init__.py").touch()
    (folder / "orders" / "__init__.py").touch()


def synthesize_user_apps(folder: Path, offline: Mapping[str, str]) -> dict[str, Template]:
    """`Shop`: a stack of one's own with a key, a boundary, a topic, a bucket and a VPC, and three pools. `Twins`: two
    Taskyards. `Taskyard-prod`: twelve pools."""
    write_packages(folder)
    out = folder / "cdk.out"
    environment = {**offline, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(out)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    # cdk-nag's findings, and a validation that fails, end it with another code.
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return {
        name: Template(body=json.loads((out / f"{name}.template.json").read_text()), out=out, environment=name)
        for name in STACKS
    }
