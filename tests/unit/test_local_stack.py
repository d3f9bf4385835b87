"""What AWS would refuse of a template is refused here, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.template.cloud_assembly import CloudAssembly
from local.template.http_apis import http_apis
from local.template.intrinsics import TemplateError
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
        (_with("Api", Layers=["arn:aws:lambda:us-east-1:1:layer:theirs:7"]), "no layer arn:aws:lambda.*theirs:7"),
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
        (_with("FireRole", ManagedPolicyArns=["arn:aws:iam::aws:policy/AdministratorAccess"]), "AdministratorAccess"),
        (_with("Worker", Environment={"Variables": {"POWERTOOLS_SERVICE_NAME": "api"}}), "same"),
        (_with("WorkerSource", EventSourceArn={"Fn::GetAtt": ["Queue", "Size"]}), "Queue.Size|AWS::SQS::Queue.Size"),
    ],
)
def test_a_template_that_cannot_work(cloud: CloudAssembly, change: Any, words: str) -> None:
    change(cloud.template["Resources"])
    with pytest.raises(TemplateError, match=words):
        http_apis(stack(cloud))
