"""State machines as the template has them, executions as the API shows them."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.step_functions.states_language import check
from local.template.intrinsics import TemplateError
from local.template.roles import Role
from local.template.stack import Stack

_KIND = "AWS::StepFunctions::StateMachine"


@dataclass(frozen=True)
class Machine:
    arn: str
    name: str
    definition: dict[str, Any]
    role: Role


@dataclass
class Execution:
    """`entered`: the states that it went through, in order. `moves`: how many a bill would count, retries included.
    Times: epoch seconds, of the virtual clock."""

    arn: str
    name: str
    machine: Machine
    input: str
    started: float
    status: str = "RUNNING"
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    entered: list[str] = field(default_factory=list)
    moves: int = 0
    parked: asyncio.Future[Any] | None = None
    """What it waits for: a token, or a time."""
    work: asyncio.Task[None] | None = None


def machines(stack: Stack) -> dict[str, Machine]:
    """By ARN. Raises TemplateError for what AWS would refuse, and for what the local runtime does not know."""
    return {machine.arn: machine for machine in (_machine(stack, name) for name in stack.of_type(_KIND))}


def _machine(stack: Stack, name: str) -> Machine:
    properties = stack.properties(name)
    definition = properties.get("Definition") or json.loads(properties["DefinitionString"])
    check(definition, name)
    role = stack.roles[properties["RoleArn"]]
    if "states.amazonaws.com" not in role.trusted:
        raise TemplateError(f"{name}: Step Functions may not assume {role.name}")
    return Machine(stack.reference(name, "Arn"), stack.physical_name(name), definition, role)


def new_token(machine_arn: str) -> str:
    """As AWS's: opaque, and it knows whose it is."""
    return base64.urlsafe_b64encode(f"{uuid.uuid4()} {machine_arn}".encode()).decode()


def machine_of(token: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode().split(" ")[1]
    except (ValueError, IndexError):
        return None


def summary(execution: Execution, *, full: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started,
        "stopDate": execution.stopped,
    }
    if full:
        shown |= {"input": execution.input, "output": execution.output}
        shown |= {"error": execution.error, "cause": execution.cause}
    return {name: value for name, value in shown.items() if value is not None}


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
