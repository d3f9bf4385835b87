"""The state machines of the template, their executions, and how the API shows an execution."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.step_functions.states_language import validate_definition
from local.template.intrinsics import TemplateError
from local.template.roles import Role
from local.template.stack import Stack

_KIND = "AWS::StepFunctions::StateMachine"


@dataclass(frozen=True)
class StateMachine:
    arn: str
    name: str
    definition: dict[str, Any]
    role: Role


@dataclass
class Execution:
    """One execution. `entered`: its states, in order. `transitions`: as AWS bills them, retries included. Times: epoch
    seconds, of the virtual clock."""

    arn: str
    name: str
    machine: StateMachine
    input: str
    started: float
    status: str = "RUNNING"
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    entered: list[str] = field(default_factory=list)
    transitions: int = 0
    parked: asyncio.Future[Any] | None = None
    """Set while the execution waits for a token or a time."""
    work: asyncio.Task[None] | None = None


def state_machines(stack: Stack) -> dict[str, StateMachine]:
    """State machines by ARN. Raises TemplateError for one that AWS would refuse or the local runtime does not know."""
    return {machine.arn: machine for machine in (_state_machine(stack, name) for name in stack.of_type(_KIND))}


def _state_machine(stack: Stack, name: str) -> StateMachine:
    properties = stack.properties(name)
    definition = properties.get("Definition") or json.loads(properties["DefinitionString"])
    validate_definition(definition, name)
    role = stack.roles[properties["RoleArn"]]
    if "states.amazonaws.com" not in role.trusted_services:
        raise TemplateError(f"{name}: Step Functions may not assume {role.name}")
    return StateMachine(stack.reference(name, "Arn"), stack.physical_name(name), definition, role)


def new_token(machine_arn: str) -> str:
    """A task token: opaque to its holder, and it holds the ARN of its machine."""
    return base64.urlsafe_b64encode(f"{uuid.uuid4()} {machine_arn}".encode()).decode()


def machine_of_token(token: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode().split(" ")[1]
    except (ValueError, IndexError):
        return None


def execution_view(execution: Execution, *, full: bool = False) -> dict[str, Any]:
    view: dict[str, Any] = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started,
        "stopDate": execution.stopped,
    }
    if full:
        view |= {"input": execution.input, "output": execution.output}
        view |= {"error": execution.error, "cause": execution.cause}
    return {name: value for name, value in view.items() if value is not None}


def iso_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
