"""Workflows: one state machine for all DAGs, and the function of its steps.

One machine per DAG is impossible (AWS: one CreateStateMachine a second), and one state per node would exceed 25,000
events. So the machine owns the run (deadline, retries, end), and the nodes release each other: docs/adr/0008.
"""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from .function import Function
from .run_machine import TIMEOUT_SECONDS, definition
from .shared_resources import SharedResources
from .state_machine import state_machine


class Workflow(Construct):
    """Run machine → workflow function: start, release and wait for the token, finish."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        storage = shared.storage
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="workflow",
            timeout_seconds=TIMEOUT_SECONDS,
            memory=1024,
            environment={
                **shared.task_environment(),
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
            },
            statements=[
                storage.allow_records("GetItem", "PutItem", "UpdateItem", "BatchGetItem", "Query"),
                storage.allow_documents("GetObject", "PutObject"),
                *shared.allow_consequences(),
            ],
        )
        self.machine = state_machine(
            self,
            name=shared.machines.run_name,
            description=f"Taskyard {shared.config.environment}: the run machine",
            function=self.function,
            definition=definition(self.function.arn, partition=cdk.Stack.of(self).partition),
        )
