"""The size of a function's variables, before what they refer to has a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk

from ..config import InvalidConfigError

LIMIT = 4096
"""Bytes of names and values: Lambda's limit."""
_ARN = len(":".join(("arn", "aws-us-gov", "states", "ap-southeast-1", "111122223333", "stateMachine", "")))
_PSEUDO_PARAMETERS = {
    "AWS::AccountId": 12,
    "AWS::Partition": len("aws-us-gov"),
    "AWS::Region": len("ap-southeast-1"),
    "AWS::URLSuffix": len("amazonaws.com.cn"),
}


def check_size(service: str, stack: cdk.Stack, variables: Mapping[str, str]) -> None:
    """Raises InvalidConfigError when Lambda would refuse the variables of a function."""
    sizes = {name: len(name) + _length(stack.resolve(value), stack.stack_name) for name, value in variables.items()}
    total = sum(sizes.values())
    if total > LIMIT:
        largest = sorted(sizes.items(), key=lambda each: -each[1])[:4]
        raise InvalidConfigError(
            f"{service}: its variables take about {total} bytes, of {LIMIT}: fewer pools or lanes, shorter names of "
            "stack and pools, or fewer rules in auth and quotas. The largest: "
            + ", ".join(f"{name} {size}" for name, size in largest)
        )


def _length(value: Any, stack_name: str) -> int:
    """CloudFormation names a resource after the stack and the logical id, with 12 characters behind."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return len(separator) * (len(parts) - 1) + sum(_length(part, stack_name) for part in parts)
        case {"Ref": name} if name in _PSEUDO_PARAMETERS:
            return _PSEUDO_PARAMETERS[name]
        case {"Ref": name}:
            return _name_length(name, stack_name)
        case {"Fn::GetAtt": [name, attribute]}:
            return _name_length(name, stack_name) + (_ARN if attribute.endswith("Arn") else 0)
        case _:
            return len(str(value).encode())


def _name_length(logical_id: str, stack_name: str) -> int:
    return min(80, len(stack_name) + len(logical_id) + 14)
