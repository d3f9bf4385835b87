"""What AWS would refuse of a template is refused here, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.aws.provisioning import MADE_KINDS
from local.template.cloud_assembly import CloudAssembly
from local.template.http_apis import http_apis
from local.template.intrinsics import TemplateError
from local.template.notes import left_out
from local.template.stack import Stack
from tests.e2e.tiny_stack import assembly


@pytest.fixture
def cloud(tmp_path: Path) -> CloudAssembly:
    return assembly(tmp_path)


def stack(cloud: CloudAssembly) -> Stack:
    urls = {"TokenHttp": "http://127.0.0.1:2", "Http": "http://127.0.0.1:3"}
    return Stack(cloud, "http://127.0.0.1:1", urls, "http://127.0.0.1:2/_local/issuer")


def test_names_and_arns_are_those_of_the_stack(cloud: CloudAssembly) -> None:
    made = stack(cloud)
    assert made.reference("Table", None) == "Tiny-Table"
    assert made.reference("Bucket", None) == "tiny-bucket"
    assert made.reference("Queue", None) == "http://127.0.0.1:1/123456789012/Tiny-Queue"
    assert made.reference("Queue", "Arn") == "arn:aws:sqs:us-east-1:123456789012:Tiny-Queue"
    assert made.function_of("Tiny-worker").handler == "tiny.handlers.worker"
    assert made.outputs() == {
        "Url": "http://127.0.0.1:2",
        "IamUrl": "http://127.0.0.1:3",
        "Issuer": "http://127.0.0.1:2/_local/issuer",
    }


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda resources: resources.pop(name)


def _with(name: str, **properties: Any) -> Callable[[dict[str, Any]], object]:
    return lambda resources: resources[name]["Properties"].update(properties)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("Permission"), "no permission to invoke api"),
        (_without("Table"), "no resource Table"),
        (_with("Api", Code={"S3Key": "other.zip"}), "other.zip"),
        (_with("Layer", Content={"S3Key": "other.zip"}), "Layer .other.zip"),
        (_with("Ask", AuthorizationType="CUSTOM"), "authorizer CUSTOM"),
        (_with("Ask", AuthorizationType="JWT"), "no authorizer None"),
        (_with("Tokens", AuthorizerType="REQUEST"), "not of type JWT"),
        (_with("Tokens", IdentitySource=["$request.querystring.token"]), "header Authorization"),
        (_with("Tokens", JwtConfiguration={"Issuer": "https://x.example"}), "no audience"),
        (_with("Permission", SourceArn="arn:aws:execute-api:us-east-1:123456789012:other/*/*"), "no permission"),
        (_with("TokenHttp", ProtocolType="WEBSOCKET"), "HTTP APIs only"),
        (_with("Integration", PayloadFormatVersion="1.0"), "payload format 2.0"),
        (_with("WorkerSource", FunctionName="nobody"), "no function nobody"),
        (_with("Worker", Environment={"Variables": {"POWERTOOLS_SERVICE_NAME": "api"}}), "same"),
    ],
)
def test_a_template_that_cannot_work(cloud: CloudAssembly, change: Any, words: str) -> None:
    change(cloud.template["Resources"])
    with pytest.raises(TemplateError, match=words):
        http_apis(stack(cloud))


def _added(**resources: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda all_resources: all_resources.update(resources)


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        (
            _with("Api", Layers=["arn:aws:lambda:us-east-1:1:layer:theirs:7"]),
            ["Api runs without the layer arn:aws:lambda:us-east-1:1:layer:theirs:7 here"],
        ),
        (
            _with("FireRole", ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
            ["FireRole: the managed policy AdministratorAccess grants nothing here"],
        ),
        (
            _with("WorkerSource", EventSourceArn={"Fn::GetAtt": ["Queue", "Size"]}),
            [
                "AWS::SQS::Queue Queue has a placeholder for Size here",
                "left out here: the event source WorkerSource: neither a queue nor a table of this stack",
            ],
        ),
        (
            _with("Worker", Runtime="nodejs22.x"),
            ["left out here: AWS::Lambda::Function Worker: its runtime is nodejs22.x"],
        ),
        (
            _with("Worker", Code={"ZipFile": "def handler(): ..."}),
            ["left out here: AWS::Lambda::Function Worker: its code stands in the template"],
        ),
        (
            _added(Web={"Type": "AWS::EC2::Instance"}, Net={"Type": "AWS::EC2::VPC"}, Db={"Type": "AWS::RDS::Cluster"}),
            [
                "left out here: AWS::RDS::Cluster Db",
                "left out here: AWS::EC2::* Web and 1 more; functions in a network run without it",
            ],
        ),
        (_added(Alarm={"Type": "AWS::CloudWatch::Alarm"}, Meta={"Type": "AWS::CDK::Metadata"}), []),
    ],
)
def test_what_is_left_out_is_noted_once(cloud: CloudAssembly, change: Any, notes: list[str]) -> None:
    for name in ("Vpc", "Subnet", "Db", "Setting"):
        cloud.template["Resources"][name]["Type"] = "AWS::CDK::Metadata"
    change(cloud.template["Resources"])
    made = stack(cloud)
    for _ in range(2):
        http_apis(made)
        for line in left_out(made.active(), MADE_KINDS):
            made.notes.add(line)
    assert list(made.notes.lines) == notes


@pytest.mark.parametrize(
    ("kind", "attribute", "value"),
    [
        ("AWS::RDS::DBInstance", None, "Tiny-It"),
        ("AWS::RDS::DBInstance", "DBInstanceArn", "arn:aws:rds:us-east-1:123456789012:Tiny-It"),
        ("AWS::RDS::DBInstance", "Endpoint.Address", "Tiny-It-Endpoint-Address"),
        ("Custom::Lookup", "Arn", "arn:aws:custom:us-east-1:123456789012:Tiny-It"),
        ("AWS::SQS::Queue", "Size", "Tiny-It-Size"),
    ],
)
def test_what_is_not_made_has_a_placeholder(cloud: CloudAssembly, kind: str, attribute: str | None, value: str) -> None:
    cloud.template["Resources"]["It"] = {"Type": kind}
    assert stack(cloud).reference("It", attribute) == value
