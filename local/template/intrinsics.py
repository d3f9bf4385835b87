"""CloudFormation's intrinsic functions, pseudo-parameters and conditions, as far as synthesized templates use them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

REGION, ACCOUNT, PARTITION = "us-east-1", "123456789012", "aws"
_NO_VALUE = object()


class TemplateError(Exception):
    """The template uses something that the local runtime does not know, or refers to something that is not there."""


class Resolver:
    """Turns a template's values into plain ones. `reference(logical id, attribute or None)` gives Ref and GetAtt."""

    def __init__(
        self,
        template: dict[str, Any],
        stack_name: str,
        reference: Callable[[str, str | None], Any],
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._template = template
        self._note = note
        self._reference = reference
        self._pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": PARTITION,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _NO_VALUE,
            "AWS::StackName": stack_name,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack_name}/local",
        }
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda a: a[0].join(str(part) for part in _as_list(self.resolve(a[1]))),
            "Fn::Select": self._select,
            "Fn::GetAZs": lambda a: [f"{self.resolve(a) or REGION}{zone}" for zone in "abc"],
            "Fn::ImportValue": self._import_value,
            "Fn::Split": lambda a: self.resolve(a[1]).split(a[0]),
            "Fn::Base64": lambda a: base64.b64encode(str(self.resolve(a)).encode()).decode(),
            "Fn::FindInMap": self._find_in_map,
            "Fn::If": lambda a: self.resolve(a[1] if self.condition(a[0]) else a[2]),
            "Fn::Equals": lambda a: self.resolve(a[0]) == self.resolve(a[1]),
            "Fn::Not": lambda a: not self._truth(a[0]),
            "Fn::And": lambda a: all(self._truth(part) for part in a),
            "Fn::Or": lambda a: any(self._truth(part) for part in a),
        }

    def resolve(self, value: Any) -> Any:
        """`value` without intrinsics; members that are AWS::NoValue are left out."""
        if isinstance(value, dict):
            if len(value) == 1:
                name = next(iter(value))
                if name in self._functions:
                    return self._functions[name](value[name])
                if name.startswith("Fn::"):
                    raise TemplateError(f"the local runtime does not know {name}: {value}")
            items = {key: self.resolve(item) for key, item in value.items()}
            return {key: item for key, item in items.items() if item is not _NO_VALUE}
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        return value

    def condition(self, name: str) -> bool:
        try:
            return bool(self.resolve(self._template["Conditions"][name]))
        except KeyError:
            raise TemplateError(f"there is no condition {name}") from None

    def _truth(self, value: Any) -> bool:
        if isinstance(value, dict) and set(value) == {"Condition"}:
            return self.condition(value["Condition"])
        return bool(self.resolve(value))

    def _ref(self, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        parameter = self._template.get("Parameters", {}).get(name)
        if parameter is not None:
            if "Default" not in parameter:
                self._note(f"the parameter {name} has no default, and a placeholder here")
            return parameter.get("Default", f"parameter-{name}")
        return self._reference(name, None)

    def _select(self, argument: list[Any]) -> Any:
        """A list that is a placeholder here has one member."""
        members, index = self.resolve(argument[1]), int(self.resolve(argument[0]))
        return members[index] if isinstance(members, list) else f"{members}-{index}"

    def _import_value(self, argument: Any) -> str:
        name = str(self.resolve(argument))
        self._note(f"the export {name} of another stack has a placeholder here")
        return f"import-{name}"

    def _get_att(self, target: str | list[str]) -> Any:
        name, attribute = target.split(".", 1) if isinstance(target, str) else (target[0], ".".join(target[1:]))
        return self._reference(name, attribute)

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        values = {name: self.resolve(value) for name, value in given.items()}

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in values:
                return str(values[name])
            return str(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _find_in_map(self, argument: list[Any]) -> Any:
        value: Any = self._template.get("Mappings", {})
        for key in argument[:3]:
            value = value.get(self.resolve(key)) if isinstance(value, dict) else None
        if value is None:
            raise TemplateError(f"there is no mapping {argument}")
        return value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
