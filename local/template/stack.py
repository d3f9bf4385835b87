"""The resolved stack: names and ARNs of all resources, roles, functions, event sources.

All of it is computed from the template. aws/provisioning.py creates the resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.template.cloud_assembly import CloudAssembly
from local.template.intrinsics import Resolver, TemplateError
from local.template.notes import Notes
from local.template.references import References
from local.template.roles import MANAGED_POLICIES, Role

TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


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
    reserved_concurrency: int | None = None
    """Invocations at once, at most; None: no limit of its own."""


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
        self.notes = Notes()
        self.resolver = Resolver(assembly.template, self.name, self.reference, self.notes.add)
        self._references = References(
            self.resources,
            self.name,
            endpoint=endpoint,
            api_urls=api_urls,
            issuer=issuer,
            label=self._label,
            resolve=self.resolver.resolve,
            notes=self.notes,
        )
        self.roles = {self.reference(name, "Arn"): self._role(name) for name in self.of_type("AWS::IAM::Role")}
        self._attach_policies()
        functions = [spec for name in self.of_type("AWS::Lambda::Function") if (spec := self._function(name))]
        self.functions = {function.arn: function for function in functions}
        if len({function.label for function in functions}) < len(functions):
            raise TemplateError("two functions have the same POWERTOOLS_SERVICE_NAME and LANE")
        self.event_sources = list(self._event_sources())

    def active(self) -> list[tuple[str, str]]:
        """Logical id and type of the resources whose condition holds."""
        return [
            (name, resource["Type"])
            for name, resource in self.resources.items()
            if "Condition" not in resource or self.resolver.condition(resource["Condition"])
        ]

    def of_type(self, kind: str) -> list[str]:
        """Logical ids of the resources of a type whose condition holds."""
        return [name for name, other in self.active() if other == kind]

    def properties(self, name: str) -> dict[str, Any]:
        """The resolved properties of a resource."""
        resolved: dict[str, Any] = self.resolver.resolve(self.resources[name].get("Properties", {}))
        return resolved

    def physical_name(self, name: str) -> str:
        """The name that the template gives, else one made of the stack's name and the logical id."""
        return self._references.physical_name(name)

    def reference(self, name: str, attribute: str | None) -> Any:
        """Ref (no attribute) or GetAtt. Raises TemplateError for a resource that is not in the template."""
        return self._references.reference(name, attribute)

    def find_function(self, reference: str) -> FunctionSpec | None:
        """The function of a name or an ARN, which may be part of an API Gateway URI or name a version. None for one
        that is not in the template, or is left out here."""
        for function in self.functions.values():
            if reference == function.name or re.search(re.escape(function.arn) + r"(?![\w-])", reference):
                return function
        return None

    def function_of(self, reference: str) -> FunctionSpec:
        """As `find_function`. Raises TemplateError for a function that does not run here."""
        function = self.find_function(reference)
        if function is None:
            raise TemplateError(f"there is no function {reference}")
        return function

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
                self.notes.add(f"{name}: the managed policy {managed} grants nothing here")
        return role

    def _attach_policies(self) -> None:
        by_name = {role.name: role for role in self.roles.values()}
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for properties in map(self.properties, self.of_type(kind)):
                for role in properties.get("Roles", []):
                    if role not in by_name:
                        continue  # a role of another stack
                    by_name[role].statements += _as_list(properties["PolicyDocument"]["Statement"])

    def _event_sources(self) -> Iterator[EventSource]:
        sources = {self.reference(name, "Arn") for name in self.of_type("AWS::SQS::Queue")}
        for kind in TABLES:
            sources |= {self.reference(name, "StreamArn") for name in self.of_type(kind)}
        left_out = {self.physical_name(name) for name in self.of_type("AWS::Lambda::Function")}
        left_out -= {function.name for function in self.functions.values()}
        for name in self.of_type("AWS::Lambda::EventSourceMapping"):
            properties = self.properties(name)
            reference = properties["FunctionName"]
            if not properties.get("Enabled", True) or reference.split(":function:")[-1] in left_out:
                continue
            if properties.get("EventSourceArn") not in sources:
                self.notes.add(f"left out here: the event source {name}: neither a queue nor a table of this stack")
                continue
            yield EventSource(self.function_of(reference), properties["EventSourceArn"], properties)

    def _function(self, name: str) -> FunctionSpec | None:
        """None for a function that does not run here: not Python, or its code is not a directory."""
        properties = self.properties(name)
        runtime, code = properties.get("Runtime", "python3.13"), properties["Code"]
        reason = (
            f"its runtime is {runtime}"
            if not runtime.startswith("python")
            else "its code stands in the template"
            if "ZipFile" in code
            else None
        )
        if reason or (root := self._asset(name, code)) is None:
            self.notes.add(f"left out here: AWS::Lambda::Function {name}: {reason or 'its code is not a directory'}")
            return None
        return FunctionSpec(
            label=self._label(name),
            name=self.physical_name(name),
            arn=self.reference(name, "Arn"),
            handler=properties["Handler"],
            root=root,
            layers=tuple(filter(None, (self._layer(name, arn) for arn in properties.get("Layers", [])))),
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            role=self._role_of(name, properties["Role"]),
            environment={k: str(v) for k, v in properties.get("Environment", {}).get("Variables", {}).items()},
            reserved_concurrency=properties.get("ReservedConcurrentExecutions"),
        )

    def _role_of(self, function: str, arn: str) -> Role:
        """A role of another stack or account may do nothing here."""
        if arn not in self.roles:
            self.notes.add(f"{function}: its role {arn} is not of this stack, and may do nothing here")
            self.roles[arn] = Role(arn.rpartition("/")[2], arn, frozenset({"lambda.amazonaws.com"}))
        return self.roles[arn]

    def _layer(self, function: str, arn: str) -> Path | None:
        """None for a layer that does not stand in the template as a directory."""
        for name in self.of_type("AWS::Lambda::LayerVersion"):
            if self.reference(name, None) == arn and (directory := self._asset(name, self.properties(name)["Content"])):
                return directory
        self.notes.add(f"{function} runs without the layer {arn} here")
        return None

    def _asset(self, name: str, code: dict[str, Any]) -> Path | None:
        """The directory of an asset; None for one that is a file. Raises TemplateError for one that is missing."""
        path = self.assembly.assets.get(code.get("S3Key", ""))
        if path is None or not path.exists():
            raise TemplateError(f"the code of {name} ({code.get('S3Key')}) is not in the cloud assembly")
        return path if path.is_dir() else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
