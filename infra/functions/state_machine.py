"""The one way in which a state machine of this stack is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from ..acknowledgements import acknowledge
from ..names import mark_owner
from .function import Function


def state_machine(
    scope: Construct, *, name: str, description: str, function: Function, definition: Mapping[str, Any]
) -> sfn.CfnStateMachine:
    """A standard machine (Express ends after five minutes) that may do nothing but call its one function."""
    steps = iam.PolicyStatement(sid="Steps", actions=["lambda:InvokeFunction"], resources=[function.arn])
    role = iam.Role(
        scope,
        "Role",
        description=description,
        assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
        inline_policies={"machine": iam.PolicyDocument(statements=[steps])},
    )
    machine = sfn.CfnStateMachine(
        scope,
        "Machine",
        state_machine_name=name,
        state_machine_type="STANDARD",
        role_arn=role.role_arn,
        definition_string=cdk.Stack.of(scope).to_json_string(definition),
    )
    mark_owner(machine, name)
    acknowledge(
        machine,
        {
            "AwsSolutions-SF1": "A standard machine keeps the history of each execution for 90 days; "
            "its function logs every step.",
            "AwsSolutions-SF2": "No tracing anywhere in this stack: docs/adr/0006.",
        },
    )
    return machine
