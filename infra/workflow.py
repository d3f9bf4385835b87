"""Workflows: one state machine for every DAG, and the function that does its steps.

One machine per DAG is impossible (AWS: one CreateStateMachine a second), and one state per node would stop at 25,000
events: the machine owns the run (deadline, retries, its end), the nodes release each other. docs/adr/0008.
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.acknowledged import acknowledge
from infra.config import Config
from infra.function import Bundle, Function
from infra.lanes import Lanes
from infra.run_machine import TIMEOUT_SECONDS, definition
from infra.storage import Storage
from infra.timers import Timers


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


class Workflow(Construct):
    """Run machine → workflow function: start, release and wait for the token, finish."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        bundle: Bundle,
        storage: Storage,
        lanes: Lanes,
        timers: Timers,
        machines: Machines,
    ) -> None:
        super().__init__(scope, id)
        self.function = Function(
            self,
            "Handler",
            bundle=bundle,
            part="workflow",
            timeout_seconds=TIMEOUT_SECONDS,
            memory=1024,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
                "LANES": lanes.as_json(),
                "TIMER_GROUP": timers.group.ref,
                "TIMER_ROLE_ARN": timers.role.role_arn,
                "RETENTION_DAYS": str(config.retention_days),
                "LISTING_SHARDS": str(config.listing_shards),
                "WORKER_TIMEOUT_SECONDS": str(config.worker_timeout_seconds),
                "NOTIFY_MACHINE_ARN": machines.notify_arn,
            },
            statements=[
                storage.records("GetItem", "PutItem", "UpdateItem", "BatchGetItem", "Query"),
                storage.document("GetObject", "PutObject"),
                lanes.send(),
                *timers.schedules("CreateSchedule"),
                machines.answer(),
                machines.start_notifications(),
            ],
        )
        role = iam.Role(
            self,
            "Role",
            description=f"Taskyard {config.environment}: the run machine",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={
                "machine": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="Steps",
                            actions=["lambda:InvokeFunction"],
                            resources=[self.function.function.function_arn],
                        ),
                    ]
                )
            },
        )
        self.machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=machines.run_name,
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=cdk.Stack.of(self).to_json_string(definition(self.function.function.function_arn)),
        )
        acknowledge(
            self.machine,
            {
                "AwsSolutions-SF1": "A standard machine keeps the history of each execution for 90 days; "
                "its function logs every step.",
                "AwsSolutions-SF2": "No tracing anywhere in this stack: docs/adr/0006.",
            },
        )
