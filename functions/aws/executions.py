"""Step Functions executions: started under a name of their own, answered by task token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions.aws.failures import passing_faults


@dataclass(frozen=True)
class Executions:
    """`client` makes boto3's Step Functions client on first use."""

    client: Callable[[], Any]

    def start(self, machine_arn: str, name: str, given: dict[str, Any]) -> bool:
        """False when an execution of this name was started before: a name is used once in 90 days (AWS)."""
        states = self.client()
        with passing_faults("StepFunctions"):
            try:
                states.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(given))
            except states.exceptions.ExecutionAlreadyExists:
                return False
        return True

    def answer(self, token: str, output: dict[str, Any]) -> bool:
        """False when nobody waits for this token any more: answered before, or past its deadline."""
        states = self.client()
        gone = (states.exceptions.TaskTimedOut, states.exceptions.TaskDoesNotExist, states.exceptions.InvalidToken)
        with passing_faults("StepFunctions"):
            try:
                states.send_task_success(taskToken=token, output=json.dumps(output))
            except gone:
                return False
        return True
