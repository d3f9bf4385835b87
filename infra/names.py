"""Names of what one account and region may hold once, so that several deployments stand side by side."""

from __future__ import annotations

import hashlib
import re

import aws_cdk as cdk
from constructs import IConstruct

from .auth import NAMES_OF_AWS
from .config import InvalidConfigError

MAX_LENGTH = 40
"""What is added to a name must fit: a function's may have 64 characters."""
_MAX_DOMAIN_PREFIX = 50  # of 63, of which the account takes 13


def unique_name(construct: IConstruct) -> str:
    """The stack's name, with the construct's path in it and a hash unless the path is `Default` alone. Raises
    InvalidConfigError: a nested stack has no name before it is deployed."""
    stack = cdk.Stack.of(construct)
    if stack.nested:
        raise InvalidConfigError(
            f"{construct.node.path}: Taskyard cannot be in a nested stack, whose name is not known: its names come "
            "from that of the stack: put it in a stack"
        )
    return cdk.Names.unique_resource_name(
        construct, max_length=MAX_LENGTH, separator="-", allowed_special_characters="-"
    )


def domain_prefix(name: str) -> str:
    """Of a Cognito domain, without the account: lower case, and without the words that AWS keeps for itself."""
    prefix = name.lower()
    if len(prefix) > _MAX_DOMAIN_PREFIX or any(word in prefix for word in NAMES_OF_AWS):
        return f"taskyard-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return prefix


def mark_owner(construct: IConstruct, name: str) -> None:
    """Says in the template that a resource is of the deployment `name`. `make destroy` prepares only such resources:
    the stack may hold others, of the app."""
    resource = construct if isinstance(construct, cdk.CfnResource) else construct.node.default_child
    assert isinstance(resource, cdk.CfnResource)
    resource.add_metadata("Taskyard", name)


def output(owner: IConstruct | None, name: str, *, value: str, description: str | None = None) -> None:
    """An output of the stack. Its name begins with the ids of `owner` below the stack, `Default` left out: `ApiUrl`,
    `TasksApiUrl`."""
    if owner is None:
        raise ValueError(f"the output {name} belongs to nothing")
    stack = cdk.Stack.of(owner)
    ids = [scope.node.id for scope in owner.node.scopes[len(stack.node.scopes) :] if scope.node.id != "Default"]
    prefix = "".join(re.sub("[^A-Za-z0-9]", "", id) for id in ids)
    cdk.CfnOutput(stack, f"{prefix}{name}", value=value, description=description)
