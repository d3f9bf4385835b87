"""A user's app in a folder of its own, without the CDK: app.py writes the cloud assembly itself."""

from __future__ import annotations

from pathlib import Path

from infra.build.layers import LAYER_LOCK
from infra.build.locations import LOCK_FILE

APP = """
import json, os, shutil
from pathlib import Path

out, context = Path(os.environ["CDK_OUTDIR"]), json.loads(os.environ["CDK_CONTEXT_JSON"])
for package in ("orders", "functions"):
    shutil.copytree(package, out / "code" / package, ignore=shutil.ignore_patterns("__pycache__"))
shutil.copytree("layer", out / "layer")

def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}

def allow(action, resource):
    return {"Effect": "Allow", "Action": action, "Resource": resource}

trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
resources = {
    "Files": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "files"}},
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        },
    },
    "Cluster": {"Type": "AWS::ECS::Cluster"},
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}},
    },
    "Policy": {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "Roles": [{"Ref": "Role"}],
            "PolicyDocument": {"Statement": [allow("s3:GetObject", "arn:aws:s3:::files/*")]},
        },
    },
    "Layer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Key": "layer.zip"}}},
    "Worker": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Key": "code.zip"},
            "Layers": [{"Ref": "Layer"}],
            "Runtime": "python3.13",
            "Handler": "functions.worker.handler",
            "Role": arn("Role"),
            "Timeout": 10,
            "Environment": {"Variables": {"STAGE": context["stage"], "CLUSTER": arn("Cluster")}},
        },
    },
    "Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"ProtocolType": "HTTP"}},
    "Integration": {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {"IntegrationUri": arn("Worker"), "PayloadFormatVersion": "2.0"},
    },
    "Permission": {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Principal": "apigateway.amazonaws.com", "FunctionName": arn("Worker")},
    },
    "Route": {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": {"Ref": "Http"},
            "RouteKey": "GET /greeting",
            "AuthorizationType": "NONE",
            "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
        },
    },
}
# more resources
(out / "Orders.template.json").write_text(json.dumps({"Resources": resources}))
(out / "Other.template.json").write_text(json.dumps({"Resources": {}}))
files = {
    name: {"source": {"path": name}, "destinations": {"local": {"objectKey": f"{name}.zip"}}}
    for name in ("code", "layer")
}
(out / "Orders.assets.json").write_text(json.dumps({"files": files}))
"""
WORKER = """
import json, os
import boto3
from orders.greeting import greeting

def handler(event, context):
    answer = {"greeting": greeting(), "stage": os.environ["STAGE"], "cluster": os.environ["CLUSTER"]}
    for key in ("seed.txt", "../other/seed.txt"):
        bucket, _, name = ("files", "", key) if "/" not in key else ("other", "", "seed.txt")
        try:
            answer[bucket] = boto3.client("s3").get_object(Bucket=bucket, Key=name)["Body"].read().decode()
        except Exception as error:
            answer[bucket] = str(error)
    return answer
"""
SEED = """
def seed(session):
    session.client("s3").put_object(Bucket="files", Key="seed.txt", Body=b"seeded")
    session.resource("dynamodb").Table("Orders-Table").put_item(Item={"pk": "seeded"})
"""


def greeting(text: str) -> str:
    return f"def greeting():\n    return {text!r}\n"


def write_app(folder: Path) -> Path:
    """The app: one function behind `GET /greeting`, a bucket that it may read, a table, and what is not made here."""
    files = {
        "cdk.json": '{"app": "python3 app.py", "context": {"stage": "test"}}',
        "app.py": APP,
        "seed.py": SEED,
        "orders/__init__.py": "",
        "orders/greeting.py": greeting("hello"),
        "functions/__init__.py": "",
        "functions/worker.py": WORKER,
        f"layer/{LAYER_LOCK}": LOCK_FILE.read_text(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
