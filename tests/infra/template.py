"""A synthesized template, read the way that the tests of it ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PARTS = (
    "api",
    "worker-high",
    "worker-normal",
    "worker-low",
    "dead-letter",
    "observer",
    "workflow",
    "producer",
    "firing",
    "notifier",
)


@dataclass(frozen=True)
class Template:
    """`body` as CloudFormation gets it; `out` is the assembly's directory; `environment` its configuration's name."""

    body: Mapping[str, Any]
    out: Path
    environment: str

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties by logical id, of all resources of a type (`AWS::SQS::Queue`)."""
        found = {name: it for name, it in self.body["Resources"].items() if it["Type"] == kind}
        return {name: it.get("Properties", {}) for name, it in found.items()}

    def properties(self, reference: Any) -> dict[str, Any]:
        """The properties of the resource that a Ref or GetAtt points to."""
        return dict(self.body["Resources"][target(reference)]["Properties"])

    def functions(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Logical id and properties by part: `api`, `worker-high`, … — one per function."""
        found = {}
        for name, function in self.of_type("AWS::Lambda::Function").items():
            variables = function["Environment"]["Variables"]
            part = variables["POWERTOOLS_SERVICE_NAME"]
            found[f"{part}-{variables['LANE']}" if part == "worker" else part] = (name, function)
        return found

    def function(self, part: str) -> dict[str, Any]:
        return self.functions()[part][1]

    def sources(self, part: str) -> list[dict[str, Any]]:
        """The event source mappings of a function."""
        name = self.functions()[part][0]
        mappings = self.of_type("AWS::Lambda::EventSourceMapping").values()
        return [mapping for mapping in mappings if target(mapping["FunctionName"]) == name]

    def statements(self, part: str) -> Iterator[dict[str, Any]]:
        """The policy statements of a function's role."""
        role = self.properties(self.function(part)["Role"])
        for policy in role["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]

    def lane(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A lane's queue and its dead-letter queue, found the way that its worker finds it."""
        (source,) = self.sources(f"worker-{name}")
        queue = self.properties(source["EventSourceArn"])
        return queue, self.properties(queue["RedrivePolicy"]["deadLetterTargetArn"])

    def resolve(self, value: Any) -> str:
        """A string of the template with every reference put in as text that holds the logical id."""
        match value:
            case str():
                return value
            case {"Ref": name}:
                return f"ref-{name}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"arn:aws:fake:us-east-1:123456789012:{name}.{attribute}"
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self.resolve(part) for part in parts)
            case _:
                raise AssertionError(f"a value of another form: {value}")

    def variables(self, part: str) -> dict[str, str]:
        """A function's environment, resolved."""
        return {name: self.resolve(it) for name, it in self.function(part)["Environment"]["Variables"].items()}


def target(reference: Any) -> str:
    """The logical id that a Ref or GetAtt names."""
    match reference:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return str(name)
        case _:
            raise AssertionError(f"not a reference: {reference}")


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def read(path: Path, environment: str) -> Template:
    return Template(body=json.loads(path.read_text()), out=path.parent, environment=environment)
