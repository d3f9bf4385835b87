"""Step Functions executions: started under a name of their own, answered by task token."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.aws.transient_errors import translate_transient_errors


@dataclass(frozen=True)
class Executions:
    """`client` makes boto3's Step Functions client on first use."""

    client: Callable[[], Any]

    def start(self, machine_arn: str, name: str, given: dict[str, Any]) -> int | None:
        """When it was started, in epoch ms: just now, or by an earlier call while it still runs. None when an execution
        of this name has ended: a name is used once in 90 days (AWS)."""
        states = self.client()
        with translate_transient_errors("StepFunctions"):
            try:
                started = states.start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(given))
            except states.exceptions.ExecutionAlreadyExists:
                return None
        at: datetime = started["startDate"]
        return round(at.timestamp() * 1000)

    def answer(self, token: str, output: dict[str, Any]) -> bool:
        """False when nobody waits for this token any more: answered before, or past its deadline."""
        states = self.client()
        gone = (states.exceptions.TaskTimedOut, states.exceptions.TaskDoesNotExist, states.exceptions.InvalidToken)
        with translate_transient_errors("StepFunctions"):
            try:
                states.send_task_success(taskToken=token, output=json.dumps(output))
            except gone:
                return False
        return True
