"""The two state machines: their names, who may use them, and the one way in which a machine is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.acknowledgements import acknowledge
from infra.config import Config
from infra.function import Function


class Machines:
    """Names and ARNs of the machines, known before they are made: the functions that they call may answer them."""

    def __init__(self, scope: Construct, *, config: Config) -> None:
        stack = cdk.Stack.of(scope)
        self.run_name = f"{config.stack_name}-runs"
        self.run_arn = _arn(stack, self.run_name)
        self.notify_name = f"{config.stack_name}-notifications"
        self.notify_arn = _arn(stack, self.notify_name)

    def answer(self) -> iam.PolicyStatement:
        """Tell a run that waits that its nodes have ended. AWS names no resource for this: the token is the right."""
        return iam.PolicyStatement(sid="Answer", actions=["states:SendTaskSuccess"], resources=["*"])

    def start_runs(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(sid="StartRuns", actions=["states:StartExecution"], resources=[self.run_arn])

    def start_notifications(self) -> iam.PolicyStatement:
        """For whoever runs the consequences of a task or a run."""
        return iam.PolicyStatement(
            sid="StartNotifications", actions=["states:StartExecution"], resources=[self.notify_arn]
        )


def _arn(stack: cdk.Stack, machine: str) -> str:
    return stack.format_arn(
        service="states",
        resource="stateMachine",
        resource_name=machine,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


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
    acknowledge(
        machine,
        {
            "AwsSolutions-SF1": "A standard machine keeps the history of each execution for 90 days; "
            "its function logs every step.",
            "AwsSolutions-SF2": "No tracing anywhere in this stack: docs/adr/0006.",
        },
    )
    return machine
