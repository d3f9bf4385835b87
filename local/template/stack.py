"""The resolved stack: names and ARNs of all resources, roles, functions, event sources.

All of it is computed from the template. aws/provisioning.py creates the resources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template.cloud_assembly import CloudAssembly
from local.template.intrinsics import ACCOUNT, REGION, Resolver, TemplateError
from local.template.roles import MANAGED_POLICIES, Role

STREAM_LABEL = "2026-01-01T00:00:00.000"

# Type → (property of the physical name, service, end of the ARN). Other types cannot be referred to.
_REGIONAL_RESOURCES = {
    "AWS::DynamoDB::Table": ("TableName", "dynamodb", "table/{}"),
    "AWS::SQS::Queue": ("QueueName", "sqs", "{}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda", "function:{}"),
    "AWS::Lambda::LayerVersion": ("LayerName", "lambda", "layer:{}:1"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs", "log-group:{}:*"),
    "AWS::SNS::Topic": ("TopicName", "sns", "{}"),
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
    "AWS::KMS::Key": ("", "kms", "key/{}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch", "alarm:{}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch", "dashboard/{}"),
    "AWS::SSM::Parameter": ("Name", "ssm", "parameter/{}"),
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager", "secret:{}"),
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
    "AWS::StepFunctions::StateMachine",
}


@dataclass(frozen=True)
class FunctionSpec:
    """A Lambda function of the template. `label` is short and stands in logs and counts: `api`, `worker-high`.
    `layers` are the directories of their assets."""

    label: str
    name: str
    arn: str
    handler: str
    root: Path
    layers: tuple[Path, ...]
    timeout: float
    memory: int
    role: Role
    environment: dict[str, str]


@dataclass(frozen=True)
class EventSource:
    """An event source mapping: the resource's resolved properties, and its function."""

    function: FunctionSpec
    source_arn: str
    properties: dict[str, Any]

    @property
    def partial_failures(self) -> bool:
        return "ReportBatchItemFailures" in self.properties.get("FunctionResponseTypes", [])


class Stack:
    """A template with its references resolved. `endpoint` is the URL of the AWS endpoint; `api_urls` are those of the
    HTTP APIs by logical id; `issuer` is who issues tokens here, in place of a user pool."""

    def __init__(self, assembly: CloudAssembly, endpoint: str, api_urls: Mapping[str, str], issuer: str) -> None:
        self.assembly = assembly
        self.name = assembly.stack_name
        self.resources: dict[str, dict[str, Any]] = assembly.template["Resources"]
        self._endpoint = endpoint
        self._api_urls = api_urls
        self._issuer = issuer
        self.resolver = Resolver(assembly.template, self.name, self.reference)
        self.roles = {self.reference(name, "Arn"): self._role(name) for name in self.of_type("AWS::IAM::Role")}
        self._attach_policies()
        functions = [self._function(name) for name in self.of_type("AWS::Lambda::Function")]
        self.functions = {function.arn: function for function in functions}
        if len({function.label for function in functions}) < len(functions):
            raise TemplateError("two functions have the same POWERTOOLS_SERVICE_NAME and LANE")
        self.event_sources = [
            EventSource(self.function_of(properties["FunctionName"]), properties["EventSourceArn"], properties)
            for properties in map(self.properties, self.of_type("AWS::Lambda::EventSourceMapping"))
            if properties.get("Enabled", True)
        ]

    def of_type(self, kind: str) -> list[str]:
        """Logical ids of the resources of a type whose condition holds."""
        return [
            name
            for name, resource in self.resources.items()
            if resource["Type"] == kind
            and ("Condition" not in resource or self.resolver.condition(resource["Condition"]))
        ]

    def properties(self, name: str) -> dict[str, Any]:
        """The resolved properties of a resource."""
        resolved: dict[str, Any] = self.resolver.resolve(self.resources[name].get("Properties", {}))
        return resolved

    def physical_name(self, name: str) -> str:
        """The name that the template gives, else one made of the stack's name and the logical id."""
        kind = self.resources[name]["Type"]
        name_property = _REGIONAL_RESOURCES[kind][0] if kind in _REGIONAL_RESOURCES else _GLOBAL_RESOURCES[kind][0]
        explicit = self.resources[name].get("Properties", {}).get(name_property) if name_property else None
        if explicit is not None:
            return str(self.resolver.resolve(explicit))
        if kind == "AWS::Lambda::Function":
            return f"{self.name}-{self._label(name)}"
        if kind == "AWS::Logs::LogGroup":
            return f"/{self.name}/{name}"
        return f"{self.name}-{name}".lower()[:63] if kind == "AWS::S3::Bucket" else f"{self.name}-{name}"[:80]

    def reference(self, name: str, attribute: str | None) -> Any:
        """Ref (no attribute) or GetAtt."""
        if name not in self.resources:
            raise TemplateError(f"there is no resource {name}")
        kind = self.resources[name]["Type"]
        if kind not in _REGIONAL_RESOURCES and kind not in _GLOBAL_RESOURCES:
            raise TemplateError(f"{name}.{attribute or 'Ref'}: the local runtime has no {kind}")
        physical = self.physical_name(name)
        if kind in _GLOBAL_RESOURCES:
            arn = _GLOBAL_RESOURCES[kind][1].format(physical)
        else:
            arn = f"arn:aws:{_REGIONAL_RESOURCES[kind][1]}:{REGION}:{ACCOUNT}:" + _REGIONAL_RESOURCES[kind][2].format(
                physical
            )
        match kind, attribute:
            case _, "Arn" | "TopicArn" | "LayerVersionArn":
                return arn
            case "AWS::SQS::Queue", None | "QueueUrl":
                return f"{self._endpoint}/{ACCOUNT}/{physical}"
            case _, None:
                return arn if kind in _REF_IS_ARN else physical
            case "AWS::DynamoDB::Table", "StreamArn":
                return f"{arn}/stream/{STREAM_LABEL}"
            case "AWS::SQS::Queue", "QueueName":
                return physical
            case "AWS::SNS::Topic", "TopicName":
                return physical
            case "AWS::StepFunctions::StateMachine", "Name":
                return physical
            case "AWS::ApiGatewayV2::Api", "ApiEndpoint":
                return self._api_urls[name]
            case "AWS::Cognito::UserPool", "ProviderURL":
                return self._issuer
            case "AWS::Cognito::UserPool", "UserPoolId":
                return physical
            case "AWS::Cognito::UserPoolClient", "ClientId":
                return physical
            case "AWS::ApiGatewayV2::Api", "ApiId":
                return physical
        raise TemplateError(f"the local runtime does not know {kind}.{attribute} (of {name})")

    def function_of(self, reference: str) -> FunctionSpec:
        """The function of a name or an ARN, which may be part of an API Gateway URI or name a version."""
        for function in self.functions.values():
            if reference == function.name or re.search(re.escape(function.arn) + r"(?![\w-])", reference):
                return function
        raise TemplateError(f"there is no function {reference}")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs by name."""
        outputs = self.assembly.template.get("Outputs", {})
        return {name: self.resolver.resolve(output["Value"]) for name, output in outputs.items()}

    def _label(self, name: str) -> str:
        variables = self.resources[name]["Properties"].get("Environment", {}).get("Variables", {})
        service, lane = variables.get("POWERTOOLS_SERVICE_NAME"), variables.get("LANE")
        if service is None:
            return re.sub(r"[0-9A-F]{8}$", "", name)
        return f"{service}-{lane}" if lane else str(service)

    def _role(self, name: str) -> Role:
        properties = self.properties(name)
        trusted = {
            service
            for statement in properties["AssumeRolePolicyDocument"]["Statement"]
            for service in _as_list(statement.get("Principal", {}).get("Service", []))
        }
        role = Role(self.physical_name(name), self.reference(name, "Arn"), frozenset(trusted))
        for policy in properties.get("Policies", []):
            role.statements += _as_list(policy["PolicyDocument"]["Statement"])
        for arn in properties.get("ManagedPolicyArns", []):
            managed = arn.split(":policy/")[-1]
            if managed in MANAGED_POLICIES:
                role.statements += MANAGED_POLICIES[managed]
            elif arn.startswith("arn:aws:iam::aws:"):
                raise TemplateError(f"{name}: the local runtime does not know the managed policy {managed}")
        return role

    def _attach_policies(self) -> None:
        by_name = {role.name: role for role in self.roles.values()}
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for properties in map(self.properties, self.of_type(kind)):
                for role in properties.get("Roles", []):
                    by_name[role].statements += _as_list(properties["PolicyDocument"]["Statement"])

    def _function(self, name: str) -> FunctionSpec:
        properties = self.properties(name)
        return FunctionSpec(
            label=self._label(name),
            name=self.physical_name(name),
            arn=self.reference(name, "Arn"),
            handler=properties["Handler"],
            root=self._asset(name, properties["Code"]),
            layers=tuple(self._layer(name, arn) for arn in properties.get("Layers", [])),
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            role=self.roles[properties["Role"]],
            environment={k: str(v) for k, v in properties.get("Environment", {}).get("Variables", {}).items()},
        )

    def _layer(self, function: str, arn: str) -> Path:
        for name in self.of_type("AWS::Lambda::LayerVersion"):
            if self.reference(name, None) == arn:
                return self._asset(name, self.properties(name)["Content"])
        raise TemplateError(f"{function}: the local runtime has no layer {arn}, since the template does not make it")

    def _asset(self, name: str, code: dict[str, Any]) -> Path:
        key = code.get("S3Key", "")
        directory = self.assembly.assets.get(key)
        if directory is None or not directory.is_dir():
            raise TemplateError(f"the code of {name} ({key}) is not a directory of the cloud assembly")
        return directory


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
