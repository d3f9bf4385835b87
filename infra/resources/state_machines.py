"""The names and ARNs of the two state machines, and the statements that let a role use them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..config import Config


class StateMachines:
    """Names and ARNs of the machines, known before they are created: the functions that they invoke need them."""

    def __init__(self, scope: Construct, *, config: Config) -> None:
        stack = cdk.Stack.of(scope)
        self.run_name = f"{config.name}-runs"
        self.run_arn = _arn(stack, self.run_name)
        self.notify_name = f"{config.name}-notifications"
        self.notify_arn = _arn(stack, self.notify_name)

    def allow_answer(self) -> iam.PolicyStatement:
        """Complete the waiting task of a run. The action has no resource: the task token authorizes it."""
        return iam.PolicyStatement(sid="Answer", actions=["states:SendTaskSuccess"], resources=["*"])

    def allow_start_runs(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(sid="StartRuns", actions=["states:StartExecution"], resources=[self.run_arn])

    def allow_start_notifications(self) -> iam.PolicyStatement:
        """Start notifications, for functions that run the consequences of a task or a run."""
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
