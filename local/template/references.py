"""Names, ARNs and other attributes of a template's resources: what `Ref` and `Fn::GetAtt` give.

A type or an attribute that is not known here has a placeholder, so that a user's stack may hold anything; each
attribute of a known type that is not known is noted.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from local.template.intrinsics import ACCOUNT, REGION, TemplateError
from local.template.notes import Notes

STREAM_LABEL = "2026-01-01T00:00:00.000"

# Type → (property of the physical name, service, end of the ARN).
_REGIONAL_RESOURCES = {
    "AWS::DynamoDB::GlobalTable": ("TableName", "dynamodb", "table/{}"),
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/{}"),
    "AWS::SQS::Queue": ("QueueName", "sqs", "{}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda", "function:{}"),
    "AWS::Lambda::LayerVersion": ("LayerName", "lambda", "layer:{}:1"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs", "log-group:{}:*"),
    "AWS::SNS::Topic": ("TopicName", "sns", "{}"),
    "AWS::Events::EventBus": ("Name", "events", "event-bus/{}"),
    "AWS::Scheduler::ScheduleGroup": ("Name", "scheduler", "schedule-group/{}"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "states", "stateMachine:{}"),
    "AWS::ApiGatewayV2::Api": ("", "apigateway", "/apis/{}"),
    "AWS::ApiGatewayV2::Integration": ("", "apigateway", "/integrations/{}"),
    "AWS::ApiGatewayV2::Authorizer": ("", "apigateway", "/authorizers/{}"),
    "AWS::ApiGatewayV2::Stage": ("StageName", "apigateway", "/stages/{}"),
    "AWS::Cognito::UserPool": ("", "cognito-idp", "userpool/{}"),
    "AWS::Cognito::UserPoolClient": ("", "cognito-idp", "userpoolclient/{}"),
    "AWS::Cognito::UserPoolDomain": ("Domain", "cognito-idp", "userpooldomain/{}"),
    "AWS::Cognito::UserPoolResourceServer": ("Identifier", "cognito-idp", "userpoolresourceserver/{}"),
    "AWS::KMS::Alias": ("AliasName", "kms", "{}"),
    "AWS::KMS::Key": ("", "kms", "key/{}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch", "alarm:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch", "dashboard/{}"),
    "AWS::SSM::Parameter": ("Name", "ssm", "parameter/{}"),
    # AWS ends a secret's ARN with six characters of its own.
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager", "secret:{}-000000"),
}
_GLOBAL_RESOURCES = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", f"arn:aws:iam::{ACCOUNT}:policy/{{}}"),
}
_REF_IS_ARN = {
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::LayerVersion",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
}
_ARN_ATTRIBUTES = ("Arn", "LayerVersionArn", "TopicArn")
_NAME_ATTRIBUTES = frozenset(
    {
        ("AWS::ApiGatewayV2::Api", "ApiId"),
        ("AWS::Cognito::UserPool", "UserPoolId"),
        ("AWS::Cognito::UserPoolClient", "ClientId"),
        ("AWS::Events::EventBus", "Name"),
        ("AWS::KMS::Key", "KeyId"),
        ("AWS::SNS::Topic", "TopicName"),
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::StepFunctions::StateMachine", "Name"),
    }
)


class References:
    """`label` gives a function's label; `resolve` the plain value of one that may hold intrinsics."""

    def __init__(
        self,
        resources: Mapping[str, Mapping[str, Any]],
        stack_name: str,
        *,
        endpoint: str,
        api_urls: Mapping[str, str],
        issuer: str,
        label: Callable[[str], str],
        resolve: Callable[[Any], Any],
        notes: Notes,
    ) -> None:
        self._resources = resources
        self._stack_name = stack_name
        self._endpoint = endpoint
        self._api_urls = api_urls
        self._issuer = issuer
        self._label = label
        self._resolve = resolve
        self._notes = notes

    def physical_name(self, name: str) -> str:
        """The name that the template gives, else one made of the stack's name and the logical id."""
        kind = self._resources[name]["Type"]
        name_property = (_REGIONAL_RESOURCES.get(kind) or _GLOBAL_RESOURCES.get(kind) or ("",))[0]
        explicit = self._resources[name].get("Properties", {}).get(name_property) if name_property else None
        if explicit is not None:
            return str(self._resolve(explicit))
        if kind == "AWS::Lambda::Function":
            return f"{self._stack_name}-{self._label(name)}"
        if kind == "AWS::Logs::LogGroup":
            return f"/{self._stack_name}/{name}"
        if kind == "AWS::KMS::Key":
            return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._stack_name}/{name}"))
        if kind == "AWS::S3::Bucket":
            return f"{self._stack_name}-{name}".lower()[:63]
        fifo = kind == "AWS::SQS::Queue" and self._resources[name].get("Properties", {}).get("FifoQueue")
        return f"{self._stack_name}-{name}"[: 75 if fifo else 80] + (".fifo" if fifo else "")

    def reference(self, name: str, attribute: str | None) -> Any:
        """Ref (no attribute) or GetAtt. Raises TemplateError for a resource that is not in the template."""
        if name not in self._resources:
            raise TemplateError(f"there is no resource {name}")
        kind = self._resources[name]["Type"]
        physical = self.physical_name(name)
        if kind not in _REGIONAL_RESOURCES and kind not in _GLOBAL_RESOURCES:
            return _placeholder(kind, physical, attribute)
        arn = self._arn(kind, physical)
        if kind == "AWS::ApiGatewayV2::Api" and attribute == "ApiEndpoint":
            return self._api_urls[name]
        if kind == "AWS::SSM::Parameter" and attribute in ("Type", "Value"):
            return self._resolve(self._resources[name]["Properties"][attribute])
        known = self._known_attribute(kind, physical, arn, attribute)
        if known is not None:
            return known
        self._notes.add(f"{kind} {name} has a placeholder for {attribute} here")
        return _placeholder(kind, physical, attribute)

    def _known_attribute(self, kind: str, physical: str, arn: str, attribute: str | None) -> str | None:
        """None for an attribute that is not known here."""
        match kind, attribute:
            case "AWS::SQS::Queue", None | "QueueUrl":
                return f"{self._endpoint}/{ACCOUNT}/{physical}"
            case _, None:
                return arn if kind in _REF_IS_ARN else physical
            case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable", "StreamArn":
                return f"{arn}/stream/{STREAM_LABEL}"
            case "AWS::Cognito::UserPool", "ProviderURL":
                return self._issuer
            case "AWS::S3::Bucket", "DomainName" | "RegionalDomainName":
                return f"{physical}.s3.{REGION}.amazonaws.com"
            case "AWS::SecretsManager::Secret", "Id":
                return arn
        if (kind, attribute) in _NAME_ATTRIBUTES:
            return physical
        return arn if attribute in _ARN_ATTRIBUTES else None

    @staticmethod
    def _arn(kind: str, physical: str) -> str:
        if kind in _GLOBAL_RESOURCES:
            return _GLOBAL_RESOURCES[kind][1].format(physical)
        _, service, end = _REGIONAL_RESOURCES[kind]
        # A parameter's name may begin with the slash that its ARN has anyway.
        tail = physical.lstrip("/") if kind == "AWS::SSM::Parameter" else physical
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{end.format(tail)}"


def _placeholder(kind: str, physical: str, attribute: str | None) -> str:
    """Of a resource that is not made here: a name, an ARN for an attribute that ends in Arn."""
    if attribute is None:
        return physical
    if attribute.endswith("Arn"):
        service = kind.split("::")[1].lower() if kind.startswith("AWS::") else "custom"
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{physical}"
    return f"{physical}-{re.sub(r'[^0-9A-Za-z]+', '-', attribute)}"
